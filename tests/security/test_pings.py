"""Nothing that the bot posts pings anybody or lies in its looks, whatever people, the model and pages say: each request
that makes or changes a message is looked at as it reaches Discord."""

from __future__ import annotations

import json
import unicodedata
from typing import Any

import discord
import pytest
import regex

from bot.answers.title import title_in
from bot.conversations.lifecycle import same_title
from bot.database.connection import Database
from bot.discord.canon_embed import canon_embed
from bot.discord.export_forms import details_embed
from bot.discord.opening import quoted, title_from
from bot.export.details import Details
from bot.export.files import Format, file_stem
from bot.text.safety import for_embed, for_message, for_title
from bot.words import words_for
from model.engine.fake import FakeEngine
from model.wikipedia.page import Page
from tests.bot.discord.test_export import export
from tests.bot.world import World, open_world

PING = "@everyone @here <@1> <@&2> <@!3>"
NAME = f"{PING[:9]} **Ben**\u202e[x](https://evil.example)"
# Overrides would show what stands behind them backwards; embeddings and isolates have to be closed where they are.
OVERRIDES = {"\u202d", "\u202e"}
MENTION = regex.compile(r"@everyone|@here|<@[!&]?\d+>", regex.IGNORECASE)


def payloads(world: World) -> list[tuple[str, str, dict[str, Any]]]:
    """Method, path and body of what made or changed messages."""
    found = []
    for entry in world.env.http_requests:
        body = entry.json if isinstance(entry.json, dict) else {}
        data = body.get("data", body) if isinstance(body.get("data", body), dict) else {}
        if entry.method in {"POST", "PATCH"} and data.keys() & {"content", "embeds"}:
            found.append((entry.method, entry.path, data))
    return found


def pings_nobody(world: World) -> int:
    """Each of them says so; returns how many there were."""
    seen = payloads(world)
    for method, path, data in seen:
        allowed = data.get("allowed_mentions")
        mentions = MENTION.search(json.dumps([data.get("content"), data.get("embeds")]))
        if data.get("content") or mentions:
            assert allowed is not None, (method, path, data)
        if allowed is not None:
            assert allowed.get("parse") == [], (method, path)
            assert not allowed.get("users"), (method, path)
            assert not allowed.get("roles"), (method, path)
    return len(seen)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_no_message_of_a_story_its_commands_and_its_admins_pings_anybody(database: Database) -> None:
    replies = [
        f"{PING} says the model.",
        f"Title: {PING}\nSummary: {PING} is a story about all of them, and long enough.",
    ]
    async with open_world(database, FakeEngine(replies=replies), thread_titles=False) as world:
        world.env.backend.users[world.members[0].id].global_name = NAME
        thread = await world.start_story(f"{PING} a story for all")
        here = world.handle(thread)
        (message,) = await world.answered(thread)
        ada = world.members[0]
        await ada.slash(here, "story pin", text=f"{PING} is pinned")
        await ada.slash(here, "story pins")
        await ada.slash(here, "story context", file=True)
        await ada.slash(here, "canon", term=PING)
        await export(world, thread, format=Format.AO3.value, talk=True)
        await world.press(message, "Branch")
        await ada.slash(world.channel, "queue")
        for command in ("health", "audit", "stats", "queue", "settings show", "quota list"):
            await ada.slash(world.channel, f"admin {command}")
        await ada.slash(here, "story undo")
        await ada.slash(here, "story close")
        await ada.slash(world.channel, "privacy export")
        assert pings_nobody(world) > 12
        for messages in world.env.backend.messages.values():
            for stored in messages.values():
                if world.bot.user is not None and stored.author_id == world.bot.user.id:
                    assert not stored.mention_everyone
                    assert not OVERRIDES & set(stored.content + json.dumps(stored.embeds, ensure_ascii=False))
        assert not MENTION.search(world.env.backend.channels[thread].name)


def shown_in(embed: discord.Embed) -> str:
    return json.dumps(embed.to_dict(), ensure_ascii=False)


TRICKS = [
    *(
        "@everyone",
        "\u202egnp.exe",
        "\u2067\u2066abc",
        "a\u200b@everyone",
        "**bold** _it_ ~~x~~ ||spoiler||",
        "# loud",
    ),
    *(
        ">>> all of it",
        "[bank](https://evil.example)",
        "[https://good.example](https://evil.example)",
        "`code`",
    ),
    *(
        "```\nblock",
        "a\nb\r\nc\u2028d",
        "z" + "\u0300" * 500,
        "\U000e0001\U000e0041",
        "x" * 5000,
        "\x00\x1b[31mred",
    ),
    *("<@1><#2><:a:3><t:0>", "𒐫" * 300, "شخص\u202eabc", "\ufeff\u2060"),
]
PATHS = (
    "../../etc/passwd", "..\\..\\x", "CON", "a/b", "/", ".", "..", "~", "-rf", "x\x00.md", "C:\\x", "aux.txt",
)  # fmt: skip


@pytest.mark.parametrize("trick", TRICKS)
def test_a_title_is_one_plain_line_that_stays_in_its_place(trick: str) -> None:
    for title in (for_title(trick), title_from(trick), for_title(f"a {trick} b")):
        assert len(title) <= 100
        assert not OVERRIDES & set(title)
        assert not {"\n", "\r", "\u2028", "\x00", "\x1b"} & set(title)
        assert title.count("\u2066") + title.count("\u2067") + title.count("\u2068") == title.count("\u2069")
        assert not MENTION.search(title)
        assert not regex.search(r"\]\(|\*\*|`|\|\||~~", title)
        assert all(unicodedata.category(char) != "Cc" for char in title)


@pytest.mark.parametrize("trick", TRICKS)
def test_pages_exports_and_openings_are_shown_as_plainly(trick: str) -> None:
    words = words_for("en-US")
    page = Page(trick, "en", trick, "wikipedia", "https://en.wikipedia.org/wiki/x", 1, None)
    details = Details(trick[:255] or "x").with_values(
        {"summary": trick, "tags": trick, "characters": [trick]}
    )
    for embed in (canon_embed(page, words), details_embed(details, words)):
        shown = shown_in(embed)
        assert not OVERRIDES & set(shown)
        assert not MENTION.search(shown)
        assert len(embed.title or "") <= 256
    begun = quoted(trick, trick, words)
    assert not MENTION.search(begun)
    assert not OVERRIDES & set(begun)
    first, *rest = begun.split("\n")
    assert first.startswith("**")
    assert all(line.startswith(">") for line in rest), "what is quoted stays in its quote"
    assert "evil.example" not in first


@pytest.mark.parametrize("trick", [*TRICKS, *PATHS])
def test_a_files_name_is_a_name_and_no_path(trick: str) -> None:
    stem = file_stem(trick)
    assert stem
    assert stem not in {".", ".."}
    assert not stem.startswith((".", "-", "~"))
    assert not set('/\\:*?"<>|\x00\n\r') & set(stem)
    assert not OVERRIDES & set(stem)
    assert len(stem.encode()) <= 120


def test_a_model_cannot_name_a_thread_in_a_way_that_shouts() -> None:
    for answer in (
        f"{PING}",
        "**@everyone**",
        "Title: # @here\n",
        "\u202eThe End",
        "[The End](https://evil.example)",
    ):
        title = title_in(answer, "en") or ""
        assert not MENTION.search(title)
        assert "evil.example" not in title
        assert not OVERRIDES & set(title)
    assert same_title("a\u200b b", "a b")
    assert MENTION.search(for_message(PING)) is None
    assert MENTION.search(for_embed(PING)) is None
