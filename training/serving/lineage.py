"""Which family of models wrote the answers of a row, and whether a recipe's base may be trained on them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from model.preset import Preset
from training.finetuning.licences import family_by_name, family_of
from training.serving.rows import BadRow, Row


class Lineage:
    """Knows models by the names that the worker and the bot give them."""

    def __init__(self, presets: Iterable[Preset], adapters: Mapping[str, str]) -> None:
        """`adapters`: name → family, of those that no preset names."""
        self._known = {name.lower(): family for name, family in adapters.items()}
        for preset in presets:
            family = family_of(preset.base)
            own = preset.adapter
            names = [preset.name, preset.base.name, preset.base.repo, own and own.name, own and own.repo]
            self._known |= {name.lower(): family for name in names if name}

    def family(self, model: str) -> str | None:
        """The family of a model, None where nobody knows it.

        A name may be the worker's fingerprint too: preset, adapter and prompt format with strokes between.
        """
        name = model.lower()
        for part in (name, *name.split("/")):
            if part in self._known:
                return self._known[part]
        return family_by_name(name)

    def strangers(self, rows: Iterable[Row], family: str) -> list[BadRow]:
        """The rows that a base of this family may not be trained on, with the reason."""
        found = []
        for row in rows:
            if row.model is None:
                continue
            theirs = self.family(row.model)
            if theirs is None:
                found.append(
                    BadRow(
                        row.line,
                        f"its answers are by {row.model!r}, a model that is not known here: whether its terms allow "
                        "training another on them cannot be told",
                    )
                )
            elif theirs != family:
                found.append(
                    BadRow(
                        row.line,
                        f"its answers are by {row.model!r} of the family {theirs!r}, whose terms do not allow training "
                        f"a model of the family {family!r} on them",
                    )
                )
        return found
