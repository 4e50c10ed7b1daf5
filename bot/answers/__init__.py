"""From a queued job to an answer in its thread: prompt, generation, look-up, and what happens when a part fails."""
