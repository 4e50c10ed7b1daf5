"""Texts for property tests: what models write, and what people try."""

from __future__ import annotations

from hypothesis import strategies as st

WORDS = (
    *("once", "upon", "a", "time", "Mr.", "end.", "What?", "wait,", "snake_case", "naïve", "𝔘𝔫𝔦"),
    *("你好", "。", "！", "「はい」", "그리고", "각", "مرحبا", "؟", "שלום", "ไทย", "है", "।"),
    *("é\u0301\u0301", "👩‍👩‍👧‍👦", "🇰🇷", "👍🏽"),
)
MARKS = (
    *(
        "*",
        "**",
        "***",
        "_",
        "__",
        "~~",
        "||",
        "`",
        "``",
        "```",
        "```py\n",
        "\n```",
        "[",
        "]",
        "](",
        ")",
        "\\",
    ),
    *(">", "> ", "# ", "-# ", "- ", "1. ", ">>> ", "https://x.org/a_b", "[a](https://x.org)"),
    *("**bold words**", "*it*", "||s||"),
)
SPACES = (" ", " ", " ", "\n", "\n\n", "\t", "\u3000", "\x1c", "      ", "\u200b")
HOSTILE = (
    *(
        "@everyone",
        "@here",
        "<@1>",
        "<@!22>",
        "<@&3>",
        "<#4>",
        "</do it:5>",
        "<:x:6>",
        "<a:y:7>",
        "<t:8:R>",
        "<id:home>",
    ),
    *("<", ">", "@", "<@", "<a", "8>", ":", "t:", "here", "(", "!", "#", "##", "-#"),
    *("javascript:", "[x](javascript:y)", "[g.com](https://e.vil)", "http://a.b)", 'title")'),
    *("\u202e", "\u202a", "\u202c", "\u2067", "\u2066", "\u2069", "\u2028", "\ufeff"),
    *("\x00", "\x1b[1m", "\r", "\r\n", "\u0301" * 12, "\ud800"),
    *("\U000e0041", "🏴\U000e0067\U000e0062\U000e007f", "🏴"),
)

_written = st.sampled_from(WORDS + SPACES)
prose = st.lists(_written, max_size=120).map("".join)
markdown = st.lists(
    st.one_of(_written, st.sampled_from(MARKS), st.integers(1, 90).map(lambda length: "x" * length)),
    max_size=60,
).map("".join)
hostile = st.lists(
    st.one_of(st.sampled_from(HOSTILE), st.sampled_from(HOSTILE + MARKS), _written, st.text(max_size=3)),
    max_size=30,
).map("".join)
anything = st.one_of(prose, markdown, hostile, st.text(max_size=300))
