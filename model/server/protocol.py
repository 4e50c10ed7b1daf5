"""The requests that clients send, as OpenAI's and vLLM's documentation give them.

Fields that would change the answer and are not served are refused by name; fields that nobody has heard of
are ignored, as other servers do.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from model.engine.base import Sampling
from model.preset import SamplingDefaults


class _Request(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, protected_namespaces=())


def _fault(field: str, message: str, code: str = "invalid_value") -> PydanticCustomError:
    """An error about one field, found by looking at several; `model.server.errors` reads its context."""
    return PydanticCustomError(code, message.replace("{", "{{"), {"field": field})


def _valid_text(text: str) -> str:
    """JSON can write half a surrogate pair, which no tokenizer can read."""
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise ValueError("there is half of a surrogate pair in this text") from None
    return text


Text = Annotated[str, AfterValidator(_valid_text)]
ModelName = Annotated[str, Field(max_length=256)]


def _join_parts(content: Any) -> Any:
    """Content may be a list of parts; those of text are joined, others refused."""
    if not isinstance(content, list):
        return content
    texts = []
    for part in content:
        if not isinstance(part, dict) or part.get("type") != "text" or not isinstance(part.get("text"), str):
            raise ValueError("only parts of type 'text' are served")
        texts.append(part["text"])
    return "".join(texts)


class Message(_Request):
    """One message of a chat."""

    role: Literal["system", "developer", "user", "assistant"]
    content: Annotated[Text, BeforeValidator(_join_parts)]

    def pair(self) -> tuple[str, str]:
        """(role, content); `developer` is today's word for `system`."""
        return ("system" if self.role == "developer" else self.role, self.content)


class StreamOptions(_Request):
    include_usage: bool = False


_UNSERVED: dict[str, tuple[Any, ...]] = {
    # OpenAI's …
    "audio": (None,),
    "function_call": (None, "none", "auto"),
    "functions": (None, []),
    "logit_bias": (None, {}),
    "logprobs": (None, False),
    "modalities": (None, ["text"]),
    "response_format": (None, {"type": "text"}),
    "tool_choice": (None, "none", "auto"),
    "tools": (None, []),
    "top_logprobs": (None, 0),
    "web_search_options": (None,),
    # … and those that vLLM adds.
    "bad_words": (None, []),
    "best_of": (None, 1),
    "chat_template": (None,),
    "echo": (None, False),
    "guided_choice": (None,),
    "guided_grammar": (None,),
    "guided_json": (None,),
    "guided_regex": (None,),
    "ignore_eos": (None, False),
    "include_stop_str_in_output": (None, False),
    "logits_processors": (None, []),
    "min_p": (None, 0),
    "min_tokens": (None, 0),
    "prompt_logprobs": (None,),
    "skip_special_tokens": (None, True),
    "stop_token_ids": (None, []),
    "structured_outputs": (None,),
    "truncate_prompt_tokens": (None,),
    "use_beam_search": (None, False),
    # … and llama.cpp.
    "dry_penalty_last_n": (None, -1),
    "dry_sequence_breakers": (None, []),
}
"""Fields that would change the answer, and the values of them that would not."""


class ChatCompletionRequest(_Request):
    """`POST /v1/chat/completions`."""

    model: ModelName | None = None
    """None or empty: the worker's default."""
    messages: tuple[Message, ...] = Field(min_length=1)
    stream: bool = False
    stream_options: StreamOptions | None = None
    n: int | None = None
    max_tokens: int | None = Field(default=None, ge=1)
    max_completion_tokens: int | None = Field(default=None, ge=1)
    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, gt=0, le=1)
    top_k: int | None = Field(default=None, ge=-1)
    repetition_penalty: float | None = Field(default=None, ge=0.01, le=2)
    frequency_penalty: float | None = Field(default=None, ge=-2, le=2)
    presence_penalty: float | None = Field(default=None, ge=-2, le=2)
    penalize_nl: bool | None = None
    dry_multiplier: float | None = Field(default=None, ge=0, le=10)
    dry_base: float | None = Field(default=None, ge=1, le=4)
    dry_allowed_length: int | None = Field(default=None, ge=1)
    seed: int | None = Field(default=None, ge=-(2**63), le=2**63 - 1)
    stop: tuple[Text, ...] = ()
    continue_final_message: bool = False
    add_generation_prompt: bool | None = None

    @model_validator(mode="before")
    @classmethod
    def _refuse_unserved(cls, fields: Any) -> Any:
        if isinstance(fields, dict):
            for name, neutral in _UNSERVED.items():
                if fields.get(name) not in neutral:
                    raise _fault(name, f"'{name}' is not served here", "unsupported_parameter")
        return fields

    @field_validator("n")
    @classmethod
    def _one_choice(cls, n: int | None) -> int | None:
        if n not in (None, 1):
            raise ValueError("one answer per request is served: send the request again for another")
        return n

    @field_validator("stop", mode="before")
    @classmethod
    def _stop_list(cls, stop: Any) -> Any:
        stops = [] if stop is None else [stop] if isinstance(stop, str) else stop
        if isinstance(stops, Sequence) and (
            len(stops) > 16 or any(not 0 < len(str(s)) <= 256 for s in stops)
        ):
            raise ValueError("at most 16 stop strings, of 1 to 256 characters each")
        return stops

    @model_validator(mode="after")
    def _continuable(self) -> ChatCompletionRequest:
        if self.continue_final_message:
            if self.add_generation_prompt:
                raise _fault(
                    "add_generation_prompt",
                    "'continue_final_message' and 'add_generation_prompt' exclude each other",
                )
            if self.messages[-1].role != "assistant":
                raise _fault(
                    "continue_final_message",
                    "'continue_final_message' needs an assistant's message as the last one",
                )
        return self

    def pairs(self) -> tuple[tuple[str, str], ...]:
        return tuple(message.pair() for message in self.messages)

    def limit(self, defaults: SamplingDefaults) -> int:
        """Tokens to generate at most, before the context window has its say."""
        return self.max_completion_tokens or self.max_tokens or defaults.max_tokens

    def sampling(self, defaults: SamplingDefaults) -> Sampling:
        """Where the request is silent, the preset speaks."""

        def either(mine: float | None, default: float) -> float:
            return default if mine is None else mine

        return Sampling(
            temperature=either(self.temperature, defaults.temperature),
            top_p=either(self.top_p, defaults.top_p),
            top_k=max(0, int(either(self.top_k, defaults.top_k))),
            repetition_penalty=either(self.repetition_penalty, defaults.repetition_penalty),
            frequency_penalty=either(self.frequency_penalty, defaults.frequency_penalty),
            presence_penalty=either(self.presence_penalty, defaults.presence_penalty),
            penalize_nl=bool(either(self.penalize_nl, defaults.penalize_nl)),
            dry_multiplier=either(self.dry_multiplier, defaults.dry_multiplier),
            dry_base=either(self.dry_base, defaults.dry_base),
            dry_allowed_length=int(either(self.dry_allowed_length, defaults.dry_allowed_length)),
            seed=self.seed,
        )


class TokenizeRequest(_Request):
    """`POST /tokenize`, of a chat (`messages`) or of plain text (`prompt`)."""

    model: ModelName | None = None
    messages: tuple[Message, ...] | None = Field(default=None, min_length=1)
    prompt: Text | None = None
    add_special_tokens: bool = True
    continue_final_message: bool = False
    return_token_strs: bool = False

    @model_validator(mode="after")
    def _one_kind(self) -> TokenizeRequest:
        if (self.messages is None) == (self.prompt is None):
            raise _fault("messages", "give either 'messages' or 'prompt'")
        if self.continue_final_message and (self.messages is None or self.messages[-1].role != "assistant"):
            raise _fault(
                "continue_final_message",
                "'continue_final_message' needs an assistant's message as the last one",
            )
        return self
