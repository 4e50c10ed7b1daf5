"""Catalogues as gettext reads them, made of `locales/*.po` once and kept in the user's cache folder: parsing the
thirty of Discord's languages anew would take more than a second of every start."""

from __future__ import annotations

import gettext
import hashlib
import struct
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from tempfile import NamedTemporaryFile

import babel
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from model.cache_folder import default_cache


def read_catalogue(path: Path, locale: str, folder: Path | None = None) -> gettext.GNUTranslations:
    """The catalogue in this file. `folder` is where compiled ones are kept: `words` in the cache folder by default.

    Where nothing can be written, or what lies there is broken, it is compiled anew.
    """
    source = path.read_bytes()
    digest = hashlib.sha256(f"{babel.__version__} {locale} ".encode() + source).hexdigest()[:16]
    kept = (folder or default_cache() / "words") / f"{path.stem}-{digest}.mo"
    with suppress(OSError, ValueError, struct.error), kept.open("rb") as file:
        return gettext.GNUTranslations(file)
    compiled = BytesIO()
    write_mo(compiled, read_po(BytesIO(source), locale=locale))
    with suppress(OSError):
        _keep(kept, compiled.getvalue())
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)


def _keep(path: Path, content: bytes) -> None:
    """Write the file whole or not at all, and remove those of older catalogues."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile(dir=path.parent, delete=False) as file:
        file.write(content)
    Path(file.name).replace(path)
    for other in path.parent.glob(f"{path.name.split('-')[0]}-*.mo"):
        if other != path:
            other.unlink(missing_ok=True)
