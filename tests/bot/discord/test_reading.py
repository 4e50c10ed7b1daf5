"""What is said about files that were not read."""

from __future__ import annotations

from bot.discord.reading import Reader, Reading
from bot.words import words_in


def test_a_few_files_are_named_and_no_name_is_markup() -> None:
    reading = Reading("", ("a.png", "`b`.png", "c.png", "d.png"))
    apology = Reader(64 * 1024).apology(words_in("en"), reading)
    assert apology == (
        "I read text files only, up to 64 KB in one message, so I left this out: `a.png`, `b.png`, `c.png`, …"
    )


def test_where_no_files_are_read_at_all_it_is_said_so() -> None:
    apology = Reader(0).apology(words_in("en"), Reading("", ("a.txt",)))
    assert apology == "I read no files, so I left this out: `a.txt`"
