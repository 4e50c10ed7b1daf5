"""Fine-tuning: from a recipe and the chats to a LoRA adapter, in a run that a kill does not undo.

`finetune.py` reads top to bottom; the other modules are its steps. Evaluation of what a model writes is
`training.evaluation`'s business.
"""
