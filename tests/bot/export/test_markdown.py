"""Stories as Markdown."""

from __future__ import annotations

import pytest
from markdown_it import MarkdownIt

from bot.export.markdown import as_markdown
from tests.bot.export.stories import TEXTS, story


@pytest.mark.parametrize("code", TEXTS)
def test_a_story_has_its_title_its_answers_and_its_credits(code: str) -> None:
    text = as_markdown(story(code))
    shown = MarkdownIt("commonmark").render(text)
    title, _, question, _ = TEXTS[code]
    assert f"<h1>{title.replace('&', '&amp;')}</h1>" in shown
    assert question not in text
    assert "Built with Meta Llama 3" in shown
    assert "Ada &lt;3 *B*" in shown
    assert 'href="https://fi.wikipedia.org/wiki/Kalevala?x=%C3%A4%20b"' in shown


def test_the_talk_is_told_under_the_names_of_who_said_it() -> None:
    shown = MarkdownIt("commonmark").render(as_markdown(story("zh", with_talk=True)))
    question = TEXTS["zh"][2]
    assert (
        f"<p><strong>Ada &lt;3 *B*</strong></p>\n<p>{question}</p>\n<p><strong>FanFabler</strong></p>"
        in shown
    )


def test_nothing_that_people_wrote_is_html_in_the_file() -> None:
    text = as_markdown(story("fi", with_talk=True))
    shown = MarkdownIt("commonmark", {"html": True}).render(text)
    assert "<b>" not in shown
    assert "&lt;b&gt;koskaan&lt;/b&gt; &amp;amp;" in shown


def test_headings_in_the_text_stand_below_the_title() -> None:
    text = as_markdown(story("ar"))
    assert "\n## الليلة الأولى\n" in text
