"""`python -m bot.words.collect`: gather the words from the code into the template and merge it into the
catalogues. With `--check`, only say whether they are up to date."""

from __future__ import annotations

import re
import sys
from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

from bot.words import LOCALES

_BOT = Path(__file__).resolve().parents[1]
TEMPLATE = LOCALES / "fanfabler.pot"
# Headers that say nothing here, or something else at every run.
_IDLE_HEADERS = re.compile(
    rb'^"(?:Project-Id|Report-Msgid|POT-Creation|PO-Revision|Last-Translator|Language-Team|Generated-By).*\n',
    re.MULTILINE,
)
_KEYWORDS = {"say": None, "to_say": None, "plural": (1, 2)}


def collect() -> Catalog:
    """The words that stand in the code now."""
    catalogue = Catalog(project="FanFabler", charset="utf-8", fuzzy=False)
    found = extract_from_dir(_BOT, [("**.py", "python")], keywords=_KEYWORDS, comment_tags=("Translators:",))
    for filename, _line, message, comments, context in sorted(found, key=lambda row: (str(row[0]), row[1])):
        # No line numbers: they would change the file with every edit elsewhere.
        catalogue.add(message, None, [(f"bot/{filename}", 0)], auto_comments=comments, context=context)
    return catalogue


def template_text(words: Catalog) -> bytes:
    """The template's bytes, the same for the same words."""
    file = BytesIO()
    write_po(file, words, width=110, include_lineno=False, omit_header=True)
    return file.getvalue()


def merged_text(words: Catalog, path: Path) -> bytes:
    """A language's catalogue with exactly the words of the code: new ones untranslated, old ones dropped."""
    with path.open("rb") as file:
        catalogue = read_po(file, locale=path.stem)
    catalogue.update(words, no_fuzzy_matching=True)
    catalogue.obsolete.clear()
    catalogue.header_comment = f"# FanFabler's words in {path.stem}."
    merged = BytesIO()
    write_po(merged, catalogue, width=110, include_lineno=False)
    return _IDLE_HEADERS.sub(b"", merged.getvalue())


def main(arguments: list[str]) -> int:
    """Write template and catalogues, or compare them: 1 where they are not what the code says."""
    words = collect()
    texts = {TEMPLATE: template_text(words)}
    texts |= {path: merged_text(words, path) for path in sorted(LOCALES.glob("*.po"))}
    if "--check" in arguments:
        return int(any(not path.exists() or path.read_bytes() != text for path, text in texts.items()))
    for path, text in texts.items():
        path.write_bytes(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
