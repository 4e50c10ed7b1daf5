"""Manuscripts to export: stories in Arabic, Chinese and Finnish, with everything in them that is hard to write down."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from bot.export.details import Details
from bot.export.manuscript import Manuscript, Passage, Source
from model.languages import LANGUAGES

WHEN = datetime(2026, 11, 1, 12, 30, tzinfo=UTC)
LLAMA = "llama-3-8b-fanfic"

# Language → title, summary, question, answers.
TEXTS: dict[str, tuple[str, str, str, tuple[str, ...]]] = {
    "ar": (
        "ألف ليلة وليلة: البداية",
        "شهرزاد تروي حكاية أخرى للملك في ليلة لا قمر فيها.",
        "اكتب لي بداية جديدة",
        (
            "# الليلة الأولى\nجلست **شهرزاد** أمام الملك.\nقالت: «اسمع يا مولاي…»\n\n---\n\nثم سكتت.",
            "في الصباح قال الملك: *أكملي*.",
        ),
    ),
    "zh": (
        "西游记：后传",
        "悟空回到花果山，发现一切都变了。",
        "请写一个后传",
        (
            "悟空站在山顶上，看着**云海**。\n“师父，”他说，“我回来了。”",
            "> 花果山的猴子们都笑了。\n他也笑了。",
        ),
    ),
    "fi": (
        "Kalevala: Louhen tytär & sampo",
        "Louhen tytär lähtee etsimään sampoa ennen kuin muut ehtivät.",
        "Kirjoita uusi alku",
        (
            "- Lähdetkö sinä? kysyi Louhi.\n- Lähden.\n\n1 < 2 && 3 > 2, __aina__ ~~ei~~ <b>koskaan</b> &amp;",
            """\
Katso [runo](https://fi.wikipedia.org/wiki/Kalevala?a=1&b=2 "x") ja [tämä](javascript:alert(1)).
```
rivi <yksi>
  rivi kaksi
```
#### Otsikko
Loppu \x00\x1b\ud800 \u202eohi.""",
        ),
    ),
}


def story(code: str, *, with_talk: bool = False, **changes: object) -> Manuscript:
    """The manuscript of a story in a language."""
    title, summary, question, answers = TEXTS[code]
    passages = [Passage(answer, None, WHEN, LLAMA) for answer in answers]
    if with_talk:
        said = [Passage(question, "Ada <3 *B*", WHEN), Passage("…", "Ben & Co.", WHEN)]
        passages = [said[0], passages[0], said[1], *passages[1:]]
    manuscript = Manuscript(
        identifier="9d2a4f0e-5d0b-5f6e-9a55-6b1f3f4f2a11",
        language=LANGUAGES[code],
        details=Details(title).with_values(
            {
                "summary": summary,
                "fandoms": [title],
                "rating": "Teen And Up Audiences",
                "tags": ["a & b", "<c>"],
            }
        ),
        passages=tuple(passages),
        with_talk=with_talk,
        contributors=("Ada <3 *B*", "Ben & Co."),
        notices=("Built with Meta Llama 3",),
        sources=(
            Source(
                "Kalevala", "fi", "Kansalliseepos.", "https://fi.wikipedia.org/wiki/Kalevala?x=ä b", 123, True
            ),
            Source("Sampo", "en", "A mill.", None, None, False),
        ),
        changed_at=WHEN,
    )
    return replace(manuscript, **changes)  # type: ignore[arg-type]
