"""All that is known of a member, as a document; nothing of others in it."""

from __future__ import annotations

import gzip
import json
from typing import Any

from bot.database.connection import Database
from bot.discord.privacy import files_of
from bot.privacy.collection import as_json, collect
from tests.bot.privacy.seeding import ME, MINE, OTHER, THEIRS, seed


async def document(database: Database, member_id: int = ME) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(as_json(await collect(database, member_id)))
    return found


async def test_the_document_has_what_is_known_of_the_member_from_every_table(database: Database) -> None:
    stories = await seed(database)
    found = await document(database)
    assert (found["format"], found["version"]) == ("fanfabler-personal-data", 1)
    assert found["member_id"] == found["profile"]["id"] == str(ME)
    assert found["profile"]["training_consent"] is True
    assert {story["id"]: story["all_of_it"] for story in found["stories"]} == {
        stories["mine"]: True,
        stories["ours"]: False,
        stories["theirs"]: False,
    }
    mine = next(story for story in found["stories"] if story["id"] == stories["mine"])
    assert [m["content"] for m in mine["messages"]] == [f"{MINE} one", f"an answer about {MINE}"]
    assert [m["mine"] for m in mine["messages"]] == [True, False]
    assert [pin["text"] for pin in mine["pins"]] == [f"{MINE} pin"]
    assert mine["summaries"][0]["text"] == f"so far, {MINE}"
    assert mine["looked_up"][0]["extract"] == "what Wikipedia says"
    assert len(found["requests"]) == 2
    assert found["feedback"][0]["reason"] == f"{MINE} reason"
    assert found["quotas"][0]["answers_per_day"] == 5
    assert found["moderation_events"][0]["categories"] == ["sexual"]
    assert [entry["action"] for entry in found["audit_log"]] == ["settings mature", "quota set"]
    assert {kind: len(rows) for kind, rows in found["operated"].items()} == {
        "training_runs": 1,
        "activations": 1,
        "comparisons": 1,
        "uploads": 1,
    }
    assert found["operated"]["comparisons"][0]["prompt"] == f"compare {MINE}"
    assert found["training_rows"][0]["row_ids"] == ["a", "b"]


async def test_of_a_story_of_several_it_has_their_own_words_and_what_they_asked_for(
    database: Database,
) -> None:
    stories = await seed(database)
    found = await document(database)
    ours = next(story for story in found["stories"] if story["id"] == stories["ours"])
    assert [m["content"] for m in ours["messages"]] == [f"{MINE} two", "the model's own words"]


async def test_nobody_elses_words_ids_or_names_are_in_it(database: Database) -> None:
    await seed(database)
    found = await document(database)
    for story in found[
        "stories"
    ]:  # where they wrote along with others, whose it is and how it is called is known
        story.pop("title")
        story.pop("opener_id")
    text = json.dumps(found)
    assert THEIRS not in text
    assert str(OTHER) not in text


async def test_of_a_stranger_nothing_is_known(database: Database) -> None:
    await seed(database)
    found = await document(database, 5)
    assert found["profile"] is None
    assert [found[key] for key in ("stories", "requests", "feedback", "quotas", "audit_log")] == [[]] * 5


def test_a_small_document_is_one_file_and_a_large_one_is_packed_in_parts_that_fit_together() -> None:
    (small,) = files_of(b"{}")
    assert small.filename == "fanfabler-my-data.json"
    (packed,) = files_of(b"x" * 5000, limit=1000)
    assert gzip.decompress(packed.fp.read()) == b"x" * 5000
    content = bytes(n * 7919 % 251 for n in range(4000))
    parts = files_of(content, limit=100)
    assert len(parts) > 1
    assert gzip.decompress(b"".join(part.fp.read() for part in parts)) == content
