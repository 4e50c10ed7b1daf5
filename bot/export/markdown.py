"""A manuscript as a Markdown file."""

from __future__ import annotations

from bot.export import commonmark
from bot.export.credits import byline, credits_of, facts_of, words_of
from bot.export.manuscript import WRITER, Manuscript, Passage
from bot.export.prose import parse


def as_markdown(manuscript: Manuscript) -> str:
    """CommonMark: title, details, the passages with a rule between answers, credits."""
    details = manuscript.details
    head = [f"# {commonmark.escape(details.title)}", f"*{commonmark.escape(byline(manuscript))}*"]
    if details.summary:
        head.append(commonmark.quote(commonmark.blocks(parse(details.summary).children, below=1)))
    about = [
        f"- **{commonmark.escape(label)}** {commonmark.escape(value)}"
        for label, value in facts_of(manuscript)
    ]
    head.append("\n".join(about))
    chapters = [
        "\n\n".join(_passage(passage, named=manuscript.with_talk) for passage in chapter.passages)
        for chapter in manuscript.chapters()
    ]
    lines = "\n".join(f"- {commonmark.link(credit.text, credit.url)}" for credit in credits_of(manuscript))
    end = f"## {commonmark.escape(words_of(manuscript).say('About this story'))}\n\n{lines}"
    return "\n\n".join(
        [*head, commonmark.RULE, f"\n\n{commonmark.RULE}\n\n".join(chapters), commonmark.RULE, end, ""]
    )


def _passage(passage: Passage, *, named: bool) -> str:
    text = commonmark.blocks(parse(passage.text).children, below=1)
    return f"**{commonmark.escape(passage.author or WRITER)}**\n\n{text}" if named else text
