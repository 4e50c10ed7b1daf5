"""What an archive wants to know, and what of a model's answer is believed."""

from __future__ import annotations

import pytest

from bot.database.tables import Rating
from bot.export.asking import excerpt, question, read_answer
from bot.export.details import TAGS_MAX, Details, listed
from model.conversation import estimate_tokens
from model.languages import LANGUAGES

EN, FI, ZH = LANGUAGES["en"], LANGUAGES["fi"], LANGUAGES["zh"]
STORY = "Elizabeth looked at Darcy across the ballroom. 'You are late,' said Elizabeth."


def test_what_makes_no_sense_leaves_the_defaults() -> None:
    default = Details("A title", rating="Mature", summary="Something.")
    changed = default.with_values(
        {"title": " \n", "rating": "Very Adult", "warnings": ["x"], "fandoms": [], "what": 1}
    )
    assert changed == default


def test_values_are_cut_to_the_archives_limits() -> None:
    details = Details("T").with_values(
        {"title": "x" * 300, "summary": "y" * 2000, "tags": [f"tag {n}" for n in range(100)] + ["z" * 151]}
    )
    assert len(details.title) == 255
    assert len(details.summary) == 1250
    assert len(details.tags) + len(details.fandoms) == TAGS_MAX


def test_tags_are_separated_by_the_commas_of_all_scripts_and_stand_once() -> None:
    assert listed("Fluff, fluff，轻松、冒险،مغامرة;\nAngst") == ("Fluff", "轻松", "冒险", "مغامرة", "Angst")


def test_details_come_back_from_json() -> None:
    details = Details("T").with_values(
        {"tags": ["a", "b"], "summary": "s", "warnings": ["Major Character Death"]}
    )
    assert Details("other").with_values(details.as_json()) == details
    assert details.changed_from(Details("T")) == {
        "tags": ["a", "b"],
        "summary": "s",
        "warnings": ["Major Character Death"],
    }


def test_a_good_answer_fills_everything_in() -> None:
    answer = """Sure! Here is the form:

**Title:** "Late to the Ball"
- Fandom: Pride and Prejudice
Rating: general audiences
3. Relationships: Elizabeth/Darcy, Jane & Bingley
Characters: Elizabeth, Darcy, Mr. Collins
Additional Tags: #Banter, Slow Burn, banter
Summary: Elizabeth waits for Darcy at the ball,
and she has something to say about it."""
    assert read_answer(answer, STORY, EN, Rating.TEEN) == {
        "title": "Late to the Ball",
        "fandoms": ["Pride and Prejudice"],
        "rating": "General Audiences",
        "relationships": ["Elizabeth/Darcy"],  # nobody called Jane is in the story
        "characters": ["Elizabeth", "Darcy"],
        "tags": ["Banter", "Slow Burn"],
        "summary": "Elizabeth waits for Darcy at the ball, and she has something to say about it.",
    }


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "I am a language model and I love stories.",
        question(STORY, EN, Rating.TEEN, 1000),  # the form sent back empty
        "Title: none\nRating: Explicit\nSummary: no\nCharacters: -\nRelationships: Zeus\nTags: …",
        "Title:\nTitle:\n" * 50,
        "Title: " + "x" * 500,
        "Summary: Tässä on tiivistelmä, joka on suomeksi eikä englanniksi lainkaan.",
    ],
)
def test_nonsense_fills_nothing_in(answer: str) -> None:
    assert read_answer(answer, STORY, EN, Rating.TEEN) == {}


def test_the_model_does_not_raise_the_rating() -> None:
    assert read_answer("Rating: Mature", STORY, EN, Rating.MATURE) == {"rating": "Mature"}
    assert read_answer("Rating: Mature", STORY, EN, Rating.TEEN) == {}


def test_what_it_says_first_counts() -> None:
    answer = "Title: One\nSummary: The first of the two summaries, which counts.\nTitle: Two\nSummary: Another one."
    found = read_answer(answer, STORY, EN, Rating.TEEN)
    assert found["title"] == "One"
    assert found["summary"] == "The first of the two summaries, which counts."


def test_names_may_be_inflected_in_the_story_and_in_any_script() -> None:
    assert read_answer("Characters: Harry", "Harryn huone oli kylmä.", FI, Rating.TEEN) == {
        "characters": ["Harry"]
    }
    assert read_answer("Characters: 悟空、八戒", "悟空笑了。", ZH, Rating.TEEN) == {"characters": ["悟空"]}


def test_a_long_story_is_shown_from_its_beginning_and_its_end() -> None:
    story = " ".join(f"Sentence {n}." for n in range(2000))
    shown = excerpt(story, 500)
    assert estimate_tokens(shown) <= 500
    assert shown.startswith("Sentence 0.")
    assert shown.endswith("Sentence 1999.")
