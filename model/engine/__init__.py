"""Generation: what an engine is asked, what it answers, and the engines themselves.

`base` has the seam (`Engine`, `GenerationRequest`, `Step`), `fake` the engine that streams scripted text
without torch, `continuous` the one that runs a model. HTTP lives in `model.server`.
"""
