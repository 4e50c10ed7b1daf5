"""How good a model is: held-out loss, the language of its answers, its look-up tags, and its loops.

    questions ─▶ answering (the worker, sampled) ─▶ verdicts, confusion ─▶ figures ─▶ report
    chats ─────▶ heldout (the model itself) ──────────────────────────────▲

Three systems are always judged beside one another: the bare base, the base with the system prompt, and the
fine-tuned model. The reference answers of the data are judged by the same rules, as what can be reached.
"""
