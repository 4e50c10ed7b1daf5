"""Permissions against interactions of somebody's own making: the whole bot on a simulated Discord, at which custom ids,
forms and commands are sent that it never offered. What is refused changes no row."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import discord
import pytest
from discord import app_commands

from bot.database.connection import Database
from bot.discord.controls import Action
from bot.discord.privacy import PrivacyAction
from bot.export.files import Format
from model.engine.fake import FakeEngine
from tests.bot.world import World, open_world
from tests.security import forging

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

ADA, BEN, CAI = 0, 1, 2
_STEERING = [action for action in Action if action not in (Action.UP, Action.DOWN, Action.PLACE)]


async def story_of_ben(world: World) -> tuple[int, int]:
    """A thread that Ben alone writes in, and the id of the answer in it."""
    thread = await world.start_story("a dragon", member=BEN)
    (message,) = await world.answered(thread)
    return thread, int(message.buttons["Again"].rpartition(":")[2])


async def test_no_button_under_an_answer_works_for_a_stranger(database: Database) -> None:
    async with open_world(database, FakeEngine(replies=["Ben's."])) as world:
        thread, answer = await story_of_ben(world)
        before = await forging.rows(database)
        for action in _STEERING:
            result = await forging.press(world.members[CAI], world.handle(thread), f"ff:{action}:{answer}")
            assert "Only those who write in this story" in await world.reply(result), action
        assert await forging.rows(database) == before


async def test_whoever_manages_another_server_manages_no_story_here(database: Database) -> None:
    """The permission counts in the server that the press comes from; the id could name anybody's answer."""
    async with open_world(database, FakeEngine(replies=["Ben's.", "Cai's."])) as world:
        _thread, answer = await story_of_ben(world)
        cai, channel = await forging.elsewhere(world, CAI)
        await world.answered(world.threads[-1])
        before = await forging.rows(database)
        for place in (channel, forging.thread_of(cai, world.threads[-1])):
            for action in (*_STEERING, Action.UP):
                result = await forging.press(cai, place, f"ff:{action}:{answer}")
                assert "Only those who write in this story" in await world.reply(result), action
            await forging.press(cai, place, f"ff:{Action.DOWN}:{answer}")
            result = await forging.send_form(cai, place, f"ff:why:{answer}", {"reason": "spite"})
            assert "Only those who write in this story" in await world.reply(result)
            result = await forging.press(cai, place, "ff-story:open:1")
            assert "Only those who write in this story" in await world.reply(result)
            for kind in ("about", "tags"):
                result = await forging.send_form(
                    cai, place, f"ff-export:{kind}:json:{answer}:1", {"title": "Stolen"}
                )
                assert await world.reply(result)
        assert await forging.rows(database) == before


async def test_a_writer_of_one_story_steers_no_other_from_there(database: Database) -> None:
    async with open_world(database, FakeEngine(replies=["Ben's.", "Cai's."])) as world:
        _thread, answer = await story_of_ben(world)
        own = await world.start_story("mine", member=CAI)
        await world.answered(own)
        before = await forging.rows(database)
        for action in (*_STEERING, Action.UP):
            result = await forging.press(world.members[CAI], world.handle(own), f"ff:{action}:{answer}")
            assert "Only those who write in this story" in await world.reply(result), action
        assert await forging.rows(database) == before


async def test_no_export_reaches_beyond_the_thread_that_it_is_asked_for_in(database: Database) -> None:
    async with open_world(database, FakeEngine(replies=["Ben's secret.", "Cai's."])) as world:
        _thread, answer = await story_of_ben(world)
        own = await world.start_story("mine", member=CAI)
        await world.answered(own)
        for format_ in Format:
            result = await world.members[CAI].slash(
                world.handle(own), "story export", format=format_.value, until=str(answer)
            )
            assert await world.reply(result)
            assert result.response is not None
            assert not result.response.attachments
        before = await forging.rows(database)
        for kind in ("about", "tags"):
            for where in (own, _thread):
                form = f"ff-export:{kind}:json:{answer}:1"
                result = await forging.send_form(
                    world.members[CAI], world.handle(where), form, {"title": "Mine"}
                )
                assert await world.reply(result)
                assert not (result.response and result.response.attachments)
        assert await forging.rows(database) == before


def _leaves(group: app_commands.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for found in group.commands:
        if isinstance(found, app_commands.Group):
            yield from _leaves(found, (*path, found.name))
        else:
            yield (*path, found.name)


async def test_no_admin_command_answers_who_manages_nothing_even_where_discord_lets_it_through(
    database: Database,
) -> None:
    async with open_world(database, FakeEngine(), operators=True) as world:
        here = discord.Object(world.channel.guild.id)
        for guild in (None, here):
            (root,) = [
                each for each in await world.bot.tree.fetch_commands(guild=guild) if each.name == "admin"
            ]
            group = world.bot.tree.get_command("admin", guild=guild)
            assert isinstance(group, app_commands.Group)
            leaves = list(_leaves(group))
            assert len(leaves) > 5
            before = await forging.rows(database)
            for path in leaves:
                result = await forging.command(
                    world.members[CAI], world.channel, root, path, guild.id if guild else None
                )
                assert "Only those who" in await world.reply(result), path
            assert await forging.rows(database) == before


async def test_nor_do_their_controls_and_forms(database: Database) -> None:
    async with open_world(database, FakeEngine(replies=["Ben's."]), operators=True) as world:
        _thread, answer = await story_of_ben(world)
        before = await forging.rows(database)
        panels = world.bot._operator._panels
        assert len(panels) >= 9
        cai, channel = world.members[CAI], world.channel
        for panel in panels:
            for action in ("set", "stop"):
                for result in (
                    await forging.press(cai, channel, f"fa:{panel}:{action}:all"),
                    await forging.press(cai, channel, f"fas:{panel}:{action}:here", [str(answer)]),
                    await forging.send_form(
                        cai, channel, f"faf:{panel}:{action}:everyone", {"day": "0", "once": "0"}
                    ),
                ):
                    assert "Only those who" in await world.reply(result), (panel, action)
        assert await forging.rows(database) == before


async def test_whoever_manages_a_server_does_not_run_the_bot(database: Database) -> None:
    async with open_world(database, FakeEngine(replies=["Ben's.", "Cai's."]), operators=True) as world:
        await story_of_ben(world)
        cai, channel = await forging.elsewhere(world, CAI)
        await world.answered(world.threads[-1])
        before = await forging.rows(database)
        for custom_id in (
            *(f"fa:train:{action}:1" for action in ("begin", "cancel", "usehere", "useall", "worst")),
            *(f"fa:model:{action}:1" for action in ("prefer", "activate")),
            *(f"fa:dataset:{action}:1" for action in ("upload", "show")),
            "fa:queue:pause:all",
            "fa:queue:show:all",
        ):  # fmt: skip
            result = await forging.press(cai, channel, custom_id)
            assert "Only those who run me" in await world.reply(result), custom_id
        result = await forging.press(cai, channel, "fas:queue:stop:all", ["1"])
        assert "Only those who run me" in await world.reply(result)
        assert await forging.rows(database) == before


async def test_a_privacy_button_is_about_who_presses_it_whoever_it_was_shown_to(
    database: Database, tmp_path: object
) -> None:
    log = f"{tmp_path}/log.jsonl"
    async with open_world(database, FakeEngine(replies=["Ada's.", "Ben's."]), deletion_log=log) as world:
        thread = await world.start_story("a castle", member=ADA)
        await world.answered(thread)
        await story_of_ben(world)
        await world.members[ADA].slash(world.channel, "privacy delete")
        for action in PrivacyAction:
            await forging.press(world.members[BEN], world.channel, f"fp:{action}", edits=True)
        async with asyncio.timeout(30):
            while "Ben's." in (kept := str(await forging.rows(database))):
                await asyncio.sleep(0.05)
        assert "a castle" in kept
        assert "Ada's." in kept


MALFORMED = [
    "ff:again:", "ff:nothing:1", "ff:again:-1", "ff:again:1 ", "ff:again:" + "9" * 80, "ff:why:" + "9" * 80,
    "ff::", "ff:AGAIN:1", "ff:again:１", "ff-story:open:" + "9" * 60, "ff-story:open:", "fp:", "fp:nothing",
    "fa:none:x:", "fa:queue:nothing:", "fa:queue:pause:../..", "fa:audit:page:" + "9" * 70,
    "fa:audit:older:x", "fa:quota:edit:member.x", "fa:quota:edit:" + "9" * 70, "fa:stats:days:0",
    "fa:stats:days:" + "9" * 60, "fa:train:begin:x", "fa:train:begin:" + "9" * 70, "fa:model:prefer:x",
    "fa:health::", "fas:queue:stop:here", "fam:quota:edit:", "faf:quota:set:x",
    "ff-export:about:json:" + "9" * 70 + ":1", "ff-export:about:exe:1:1", "ff-export:about:json:1:2", "\n",
    "'; DROP TABLE message; --",
]  # fmt: skip


async def test_custom_ids_that_mean_nothing_do_nothing_even_from_who_may_do_everything(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "bot.preview.simcord_live.environment.ANSWER_TIMEOUT", 0.02
    )  # for those that get none
    async with open_world(database, FakeEngine(replies=["Mine."]), operators=True) as world:
        thread = await world.start_story("a castle", member=ADA)
        await world.answered(thread)
        before = await forging.rows(database)
        for custom_id in MALFORMED:
            await forging.press(world.members[ADA], world.handle(thread), custom_id, ["x", "9" * 60, "'; --"])
            await forging.send_form(
                world.members[ADA], world.handle(thread), custom_id, {"day": "x", "title": ""}
            )
        assert await forging.rows(database) == before
        listed = await world.members[ADA].slash(world.channel, "queue")
        assert await world.reply(listed), "it goes on"
