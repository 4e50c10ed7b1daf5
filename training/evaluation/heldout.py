"""Held-out loss: how likely the model finds the reference answers, given all that stands before them.

Only the assistant's tokens and their end tokens count. Perplexity is by token, so it compares models of one
tokenizer; bits per character compare any.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from model.lookup_tag import parse_reply
from model.prompt import PromptFormat
from training.chats import Chat, as_messages


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Over some chats: the summed negative log-likelihood in nats, the tokens it is over, and their letters."""

    nats: float
    tokens: int
    characters: int

    @property
    def loss(self) -> float:
        """Nats a token."""
        return self.nats / self.tokens

    @property
    def perplexity(self) -> float:
        """The exponential of the loss."""
        return math.exp(self.loss)

    @property
    def bits_per_character(self) -> float:
        """The loss by what is written and not by how it is cut."""
        return self.nats / math.log(2) / self.characters

    def __add__(self, other: HeldOut) -> HeldOut:
        return HeldOut(self.nats + other.nats, self.tokens + other.tokens, self.characters + other.characters)

    def as_dict(self) -> dict[str, float]:
        """For JSON."""
        return {
            "loss": self.loss,
            "perplexity": self.perplexity,
            "bits_per_character": self.bits_per_character,
            "tokens": self.tokens,
        }


def total(parts: Iterable[HeldOut]) -> HeldOut:
    """All of them together."""
    return sum(parts, HeldOut(0.0, 0, 0))


def held_out(
    model: Any,
    tokenizer: Any,
    prompt_format: PromptFormat,
    chats: Sequence[Chat],
    *,
    system: bool = True,
    max_length: int = 8192,
    tick: Callable[[], None] = lambda: None,
) -> Mapping[str, HeldOut]:
    """Language → the held-out loss of its chats, in the data's order.

    `model` is a transformers causal model in evaluation mode, with its adapter in place; `system` says whether
    the system prompt stands in front. Chats of more than `max_length` tokens are left out.
    """
    found: dict[str, HeldOut] = defaultdict(lambda: HeldOut(0.0, 0, 0))
    for chat in chats:
        messages = as_messages(chat)
        tokens = prompt_format.render_training(messages if system else messages[1:], tokenizer)
        tick()
        if len(tokens.ids) > max_length:
            continue
        nats, count = _chat_loss(model, tokens.ids, tokens.answer)
        answers = [turn.content for turn in chat.messages if turn.role == "assistant"]
        letters = sum(len(parse_reply(answer, chat.language).text) for answer in answers)
        found[chat.language] += HeldOut(nats, count, letters)
    return dict(found)


def _chat_loss(model: Any, ids: Sequence[int], answer: Sequence[bool]) -> tuple[float, int]:
    import torch

    from training.finetuning.head import token_losses

    places = [place for place in range(1, len(ids)) if answer[place]]
    inputs = torch.tensor([ids], device=model.device)
    with torch.inference_mode():
        hidden = model.get_decoder()(input_ids=inputs, use_cache=False).last_hidden_state[0]
        at = torch.tensor(places, device=hidden.device)
        losses = token_losses(hidden[at - 1], model.get_output_embeddings(), inputs[0, at])
    return float(losses.sum()), len(places)
