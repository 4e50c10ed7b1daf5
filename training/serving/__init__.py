"""The trainer: OpenAI's fine-tuning and files API over the runs of this package.

    app (HTTP) ─▶ files, jobs (what is on disk) ─▶ runner (one job at a time) ─▶ stage (a process of its own)
                                                    └─▶ memory (the worker sleeps meanwhile)

All that the trainer knows is on disk before it is said, so that a kill at any moment loses nothing.
"""
