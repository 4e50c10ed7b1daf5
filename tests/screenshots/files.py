"""Pictures small enough to be kept in the repository."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

IMAGES = Path(__file__).parents[2] / "docs" / "images"
LIMIT = 200_000
"""Bytes of one picture."""


def keep(picture: bytes | Path, name: str, *, width: int | None = None, flat: bool = False) -> Path:
    """Write a picture as `<name>.png`, as it is where that fits into `LIMIT`, else with as many colours as do; at most
    `width` pixels wide. `flat`: it has few colours to begin with. The same pixels give the same bytes."""
    source = Image.open(picture if isinstance(picture, Path) else io.BytesIO(picture)).convert("RGB")
    if width is not None and source.width > width:
        source = source.resize((width, round(source.height * width / source.width)), Image.Resampling.LANCZOS)
    path = IMAGES / f"{name}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_packed(source, (256, 128, 64) if flat else (None, 256, 128, 64, 32)))
    return path


def _packed(source: Image.Image, choices: Sequence[int | None]) -> bytes:
    for colours in choices:
        # The middle of the way between what is frequent and what is far from all else, such as an emoji.
        made = source if colours is None else source.quantize(colours, Image.Quantize.MEDIANCUT, kmeans=2)
        file = io.BytesIO()
        made.save(file, "PNG", optimize=True)
        if file.tell() <= LIMIT:
            break
    return file.getvalue()
