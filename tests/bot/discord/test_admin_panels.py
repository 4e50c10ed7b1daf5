"""What `/admin` shows and how it is steered by buttons: the whole bot on a simulated Discord."""

from __future__ import annotations

import logging
from typing import Any

import discord
import pytest
from simcord import InteractionResult

from bot.database.connection import Database
from model.engine.fake import FakeEngine
from tests.bot.world import World, open_world

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

OWNER, MEMBER = 0, 1


class Panel:
    """What a command shows, and presses on it."""

    def __init__(self, world: World, result: InteractionResult) -> None:
        self.world = world
        (self.message,) = [m for m in (result.response, *result.followups) if m is not None]

    @property
    def embed(self) -> discord.Embed:
        stored = self.world.env.backend.messages[self.message.channel_id][self.message.id]
        return discord.Embed.from_dict(stored.embeds[0])

    @property
    def buttons(self) -> list[dict[str, Any]]:
        stored = self.world.env.backend.messages[self.message.channel_id][self.message.id]
        return list(stored.components)

    @property
    def text(self) -> str:
        fields = [f"{field.name}\n{field.value}" for field in self.embed.fields]
        return "\n".join([self.embed.title or "", self.embed.description or "", *fields])

    async def press(self, custom_id: str, member: int = OWNER) -> InteractionResult:
        return await self.world.members[member].click(self.message, custom_id=custom_id)

    async def shows(self, text: str) -> None:
        await self.world.until(lambda: text in self.text)


async def panel(world: World, command: str, member: int = OWNER, **options: object) -> Panel:
    result = await world.members[member].slash(world.channel, f"admin {command}", **options)
    await world.until(lambda: any(m is not None and m.embeds for m in (result.response, *result.followups)))
    shown = Panel(world, result)
    assert shown.message.ephemeral
    return shown


async def test_the_log_says_who_did_what_and_is_paged(database: Database) -> None:
    async with open_world(database, FakeEngine()) as world:
        assert "Nothing has been set" in (await panel(world, "audit")).text
        for answers in range(1, 14):
            await world.members[OWNER].slash(world.channel, "admin quota set", answers=answers)
        await world.members[OWNER].slash(world.channel, "admin settings mature", allowed=True)
        shown = await panel(world, "audit")
        assert f"<@{world.members[OWNER].id}>\n-# allowed mature stories" in shown.text
        assert "gave each member a quota: 13 answers in 24 hours" in shown.text
        assert "4 answers in 24 hours" not in shown.text
        buttons = [item for row in shown.message.components for item in row["components"]]
        older = next(b["custom_id"] for b in buttons if b["label"] == "Older")
        assert next(b["disabled"] for b in buttons if b["label"] == "Newer")
        await shown.press(older)
        await shown.shows("a quota: 4 answers in 24 hours")
        assert "a quota: 5 answers" not in shown.text


async def test_a_press_by_somebody_who_manages_nothing_is_refused_and_logged(
    database: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_world(database, FakeEngine()) as world:
        commands = await world.bot.tree.fetch_commands()
        command = next(found for found in commands if found.name == "admin")
        world.channel.guild.set_command_permissions(command, {world.members[MEMBER]: True})
        shown = await panel(world, "health", MEMBER)
        assert not (await shown.press("fa:health:again:", MEMBER)).followups, (
            "whom the server lets in may press"
        )
        # Taken off the list while the panel is still open.
        world.channel.guild.set_command_permissions(command, {world.members[MEMBER]: False})
        with caplog.at_level(logging.WARNING):
            refused = await shown.press("fa:health:again:", MEMBER)
            assert "Only those who manage this server" in await world.reply(refused)
        assert f"refused the control 'fa:health:again:' to member {world.members[MEMBER].id}" in caplog.text


async def test_health_names_each_part_and_the_remedy_for_what_is_wrong(database: Database) -> None:
    async with open_world(database, FakeEngine()) as world:
        shown = await panel(world, "health")
        assert "🟢 Writing machine" in shown.text
        name = "SQLite" if database.engine.dialect.name == "sqlite" else "PostgreSQL"
        assert f"🟢 Database\n{name} · answers in" in shown.text
        assert "🟡 Wikipedia\nIt does not answer.\n-# Stories go on without it" in shown.text
        assert "0 of 500 places taken" in shown.text
        assert "something wants looking at" in shown.text


async def test_health_turns_red_where_the_worker_is_away(database: Database) -> None:
    async with open_world(database, FakeEngine(), worker_url="http://127.0.0.1:9/v1") as world:
        shown = await panel(world, "health")
        assert "🔴 Writing machine\nIt does not answer.\n-# See whether it runs" in shown.text
        assert shown.embed.colour == discord.Colour(0xE74C3C)


async def running(engine: FakeEngine, world: World) -> None:
    await world.until(lambda: world.bot.parts.dispatcher.running == 1 and engine.requests)


async def test_a_paused_server_takes_requests_tells_who_asks_and_loses_none(database: Database) -> None:
    async with open_world(database, FakeEngine(replies=["One.", "Two."])) as world:
        shown = await panel(world, "queue")
        assert "🟢 Requests are taken and written." in shown.text
        await shown.press("fa:queue:pause:here")
        await shown.shows("⏸️ Paused <t:")
        thread = await world.start_story("a dragon", MEMBER)
        await world.until(lambda: any("I am paused for now" in text for text in world.texts(thread)))
        asked = await world.members[MEMBER].slash(world.channel, "queue")
        said = await world.reply(asked)
        assert "I am paused here for now" in said
        assert "number 1" in said
        await shown.press("fa:queue:again:here")
        await shown.shows(f"⏳ 1 · <#{thread}> · <@{world.members[MEMBER].id}>")
        assert world.engine.requests == []
    # It is a row: the next process obeys it, and goes on once it is lifted.
    async with open_world(database, FakeEngine(replies=["One."]), backend=world.env.backend) as world:
        shown = await panel(world, "queue")
        assert "⏸️ Paused" in shown.text
        await shown.press("fa:queue:resume:here")
        await shown.shows("🟢 Requests")
        assert (await world.answered(thread))[-1].content == "One."
        assert "paused this server" in (log := (await panel(world, "audit")).text)
        assert "let this server go on" in log


async def test_a_draining_server_writes_what_waits_and_refuses_more(database: Database) -> None:
    async with open_world(database, FakeEngine(replies=["One."])) as world:
        shown = await panel(world, "queue")
        await shown.press("fa:queue:pause:here")
        thread = await world.start_story("a dragon", MEMBER)
        await shown.press("fa:queue:drain:here")
        await shown.shows("Running empty; begun")
        assert (await world.answered(thread))[-1].content == "One."
        refused = await world.members[2].slash(world.channel, "story start", prompt="another")
        assert "take nothing more for now" in await world.reply(refused)
        await world.members[MEMBER].send(world.handle(thread), "and a castle")
        await world.until(lambda: any("take nothing more for now" in text for text in world.texts(thread)))


async def test_an_admin_stops_a_request_that_waits_and_one_that_is_written(database: Database) -> None:
    engine = FakeEngine(replies=["word " * 1000], tokens_per_second=40)
    async with open_world(database, engine, worker_slots=1) as world:
        first = await world.start_story("a dragon", MEMBER)
        await running(engine, world)
        second = await world.start_story("a castle", 2)
        shown = await panel(world, "queue")
        assert f"✍️ 1 · <#{first}>" in shown.text
        await shown.press("fa:queue:again:here")
        await shown.shows(f"⏳ 1 · <#{second}>")
        (select,) = [item for row in shown.buttons for item in row["components"] if item.get("options")]
        written, waiting = [option["value"] for option in select["options"]]
        await world.members[OWNER].select(shown.message, [waiting], custom_id="fas:queue:stop:here")
        await world.until(lambda: "⏹️ Stopped before I had written anything." in world.texts(second)[-1:])
        await world.members[OWNER].select(shown.message, [written], custom_id="fas:queue:stop:here")
        await world.until(lambda: world.bot.parts.dispatcher.running == 0)
        assert len(world.texts(first)[-1]) < 1500
        assert f"stopped the request of <@{world.members[2].id}>" in (await panel(world, "audit")).text


async def test_all_servers_are_for_those_who_run_the_bot_in_a_server_of_theirs(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_world(database, FakeEngine(replies=["One."])) as world:
        here = world.channel.guild.id
        world.bot.owner_id = world.members[OWNER].id
        shown = await panel(world, "queue")
        assert not [c for row in shown.buttons for c in row["components"] if c.get("label") == "All servers"]
        # The access is asked at every press, whatever is on the screen.
        world.bot.parts.admin_access._operator_guilds = frozenset({here})
        await shown.press("fa:queue:again:here")
        await shown.press("fa:queue:show:all")
        await shown.shows("The queue of all servers")
        await shown.press("fa:queue:pause:all")
        await shown.shows("⏸️ Paused")
        assert "Whoever runs me has paused all servers" in (await panel(world, "queue")).text
        world.bot.owner_id = world.members[MEMBER].id
        refused = await shown.press("fa:queue:resume:all")
        assert "Only those who run me" in await world.reply(refused)
        assert "refused the control 'fa:queue:resume:all'" in caplog.text
        assert "Whoever runs me has paused all servers" in (await panel(world, "queue")).text


async def test_stats_tell_what_was_asked_with_a_picture_of_a_week_or_a_month(database: Database) -> None:
    async with open_world(database, FakeEngine(replies=["Once upon a time there was a dragon."])) as world:
        empty = await panel(world, "stats")
        assert "Nobody has asked for anything in this time." in empty.text
        thread = await world.start_story("a dragon", MEMBER)
        (answer,) = await world.answered(thread)
        assert "Noted" in await world.reply(await world.press(answer, "👍", MEMBER))
        shown = await panel(world, "stats")
        assert "🟦 1 answered · 🟥 0 failed" in shown.text
        assert "from 1 member" in shown.text
        assert "🟧 half within" in shown.text
        assert "🟩 👍 1 · 🟥 👎 0 · 100 % liked" in shown.text
        assert "English (`en`) 100 %" in shown.text
        (attachment,) = shown.message.attachments
        assert (await attachment.read()).startswith(b"\x89PNG")
        await shown.press("fa:stats:show:30.here")
        await shown.shows("The last 30 days")


async def test_settings_are_changed_by_selects_and_a_button(database: Database) -> None:
    async with open_world(database, FakeEngine()) as world:
        guild = world.channel.guild
        stories, staff = guild.create_text_channel("stories"), guild.create_text_channel("staff")
        await world.env.settle()
        owner = world.members[OWNER]
        shown = await panel(world, "settings show")
        assert "in every channel where I can write" in shown.text
        await owner.select(shown.message, [stories], custom_id="fac:settings:allow:")
        await shown.shows(f"Stories may begin in <#{stories.id}> only.")
        await owner.select(shown.message, [stories], custom_id="fac:settings:exclude:")
        await shown.shows(f"Stories may begin everywhere but in <#{stories.id}>.")
        await owner.select(shown.message, [staff], custom_id="fac:settings:moderators:")
        await shown.shows(f"Your moderators are told in <#{staff.id}>.")
        await shown.press("fa:settings:mature:yes")
        await shown.shows("so there are none as yet")
        (defaults,) = [
            [int(value["id"]) for value in item["default_values"]]
            for row in shown.buttons
            for item in row["components"]
            if item["custom_id"] == "fac:settings:exclude:"
        ]
        assert defaults == [stories.id]
        await owner.select(shown.message, [], custom_id="fac:settings:exclude:")
        await shown.shows("in every channel where I can write")
        log = (await panel(world, "audit")).text
        assert f"lets stories begin in <#{stories.id}> only" in log
        assert "excludes no channel from new stories any more" in log


async def test_a_quota_is_given_changed_and_lifted_in_a_form(database: Database) -> None:
    async with open_world(database, FakeEngine()) as world:
        owner, member = world.members[OWNER], world.members[MEMBER]
        shown = await panel(world, "quota list")
        assert "has set no quotas" in shown.text
        form = await shown.press("fa:quota:edit:everyone")
        await owner.submit_modal(form, {"day": "7", "once": ""})
        await shown.shows("each member: 7 answers in 24 hours")
        form = await owner.select(shown.message, [member], custom_id="fam:quota:edit:")
        await owner.submit_modal(form, {"day": "", "once": "2"})
        await shown.shows(f"<@{member.id}>: 2 answers at once")
        form = await shown.press("fa:quota:edit:everyone")
        wrong = await owner.submit_modal(form, {"day": "many"})
        assert "I need whole numbers" in await world.reply(wrong)
        assert "each member: 7 answers" in shown.text, "nothing was changed"
        form = await shown.press("fa:quota:edit:everyone")
        await owner.submit_modal(form, {"day": "", "once": ""})
        await world.until(lambda: "each member" not in shown.text)
        form = await owner.select(shown.message, [member], custom_id="fam:quota:edit:")
        await owner.submit_modal(form, {"day": "", "once": ""})
        await shown.shows(f"<@{member.id}>: no limit")


async def test_a_form_or_a_choice_by_somebody_who_manages_nothing_changes_nothing(
    database: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_world(database, FakeEngine()) as world:
        commands = await world.bot.tree.fetch_commands()
        command = next(found for found in commands if found.name == "admin")
        world.channel.guild.set_command_permissions(command, {world.members[MEMBER]: True})
        quotas = await panel(world, "quota list", MEMBER)
        settings = await panel(world, "settings show", MEMBER)
        form = await quotas.press("fa:quota:edit:everyone", MEMBER)
        world.channel.guild.set_command_permissions(command, {world.members[MEMBER]: False})
        member = world.members[MEMBER]
        for refused in (
            await member.submit_modal(form, {"day": "0", "once": ""}),
            await member.select(settings.message, [world.channel], custom_id="fac:settings:exclude:"),
            await member.click(settings.message, custom_id="fa:settings:mature:yes"),
        ):
            assert "Only those who manage this server" in await world.reply(refused)
        assert "faf:quota:set:everyone" in caplog.text
        assert "fac:settings:exclude:" in caplog.text
        assert "has set no quotas" in (await panel(world, "quota list")).text
        assert "Nothing has been set" in (await panel(world, "audit")).text
