"""Loading a base: what may not be done to it in this process."""

from __future__ import annotations

import pytest
from transformers.models.llama import modeling_llama

from model.engine.errors import CannotRun
from model.loading import load
from model.preset import load_preset


def test_layers_that_unsloth_has_replaced_are_refused_and_not_served_wrongly(monkeypatch: pytest.MonkeyPatch):
    def forward(self, hidden_states, **kwargs):
        """As its `pre_patch` puts one in place: keys and values never come into the paged cache."""

    forward.__module__ = "unsloth.models.llama"
    monkeypatch.setattr(modeling_llama.LlamaAttention, "forward", forward)
    with pytest.raises(
        CannotRun, match=r"unsloth has replaced LlamaAttention's forward.*a process of its own"
    ):
        load(load_preset("tiny"))
