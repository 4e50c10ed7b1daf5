"""`python -m bot.words.collect`: gather the words from the code into the template and merge it into the catalogues.
With `--check`, only say whether the template is up to date."""

from __future__ import annotations

import sys
from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

from bot.words import LOCALES, catalogue_path

_BOT = Path(__file__).resolve().parents[1]
TEMPLATE = LOCALES / "fanfabler.pot"
_KEYWORDS = {"say": None, "mark": None, "plural": (1, 2)}


def collect() -> Catalog:
    """The words that stand in the code now."""
    catalogue = Catalog(project="FanFabler", charset="utf-8", fuzzy=False)
    found = extract_from_dir(_BOT, [("**.py", "python")], keywords=_KEYWORDS, comment_tags=("Translators:",))
    for filename, _line, message, comments, context in sorted(found, key=lambda row: (str(row[0]), row[1])):
        # No line numbers: they would change the file with every edit elsewhere.
        catalogue.add(message, None, [(f"bot/{filename}", 0)], auto_comments=comments, context=context)
    return catalogue


def as_text(catalogue: Catalog) -> bytes:
    """A catalogue as the file's bytes, the same for the same words."""
    file = BytesIO()
    write_po(file, catalogue, width=110, include_lineno=False, omit_header=True, sort_output=False)
    return file.getvalue()


def main(arguments: list[str]) -> int:
    """Write template and catalogues, or compare."""
    words = collect()
    text = as_text(words)
    if "--check" in arguments:
        return 0 if TEMPLATE.exists() and TEMPLATE.read_bytes() == text else 1
    LOCALES.mkdir(exist_ok=True)
    TEMPLATE.write_bytes(text)
    for path in sorted(LOCALES.glob("*.po")):
        with path.open("rb") as file:
            catalogue = read_po(file, locale=path.stem)
        catalogue.update(words, no_fuzzy_matching=True)
        catalogue.obsolete.clear()
        file_bytes = BytesIO()
        write_po(file_bytes, catalogue, width=110, include_lineno=False)
        catalogue_path(path.stem).write_bytes(file_bytes.getvalue())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
