"""The first message in a server: once, in its language, true, and steered by its admins alone."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

import discord
import pytest
from simcord import ChannelHandle, GuildHandle, InteractionResult
from simcord.backend.models import Overwrite
from simcord.enums import OverwriteType
from sqlalchemy.ext.asyncio import AsyncSession

from bot.database.connection import Database
from bot.database.tables import GuildSettings
from bot.discord import welcome
from bot.discord.permissions import PERMISSIONS, lacking
from bot.discord.settings_told import channels_told
from bot.discord.welcome_checklist import Check, checklist_embed, permission_name, summary
from bot.discord.welcome_message import greeting_embed, greeting_text, nowhere_text, offers
from bot.words import words_in
from bot.words.direction import ISOLATE, POP
from model.catalogue import load_properties
from model.engine.fake import FakeEngine
from model.languages import LANGUAGES
from tests.bot.discord.known_commands import LONGEST_ID, known_mentions
from tests.bot.world import Shown, World, open_world

sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

ADA, BEN = 0, 1
CHECK, SETTINGS, TRY = "fw:check", "fw:settings", "fw:try"


def all_of(message: Shown) -> str:
    """Its texts, headings included."""
    parts = [message.content]
    for embed in message.embeds:
        parts += [embed.title or "", embed.description or ""]
        parts += [f"{field.name}\n{field.value}" for field in embed.fields]
    return "\n".join(parts)


async def greeting(world: World, channel: int | None = None) -> Shown:
    """The first message, once it is there."""
    place = channel or world.channel.id
    await world.until(lambda: world.shown(place))
    return world.shown(place)[0]


async def press(world: World, message: Shown, custom_id: str, member: int = ADA) -> InteractionResult:
    return await world.members[member].click(message.stored, custom_id=custom_id)


def another_server(world: World, **settings: Any) -> GuildHandle:
    owner = world.env.create_user("dora")
    return world.env.create_guild("Second server", owner=owner, **settings)


def forbid(world: World, channel: ChannelHandle, *names: str) -> None:
    """Take permissions from everybody in a channel, the bot included."""
    denied = discord.Permissions(**dict.fromkeys(names, True))
    roles = world.env.backend.guilds[channel.guild.id].roles
    overwrites = [
        Overwrite(target_id=role, type=OverwriteType.ROLE, allow=0, deny=denied.value) for role in roles
    ]
    world.env.backend.edit_channel(channel.id, {}, overwrites=overwrites)


@sqlite
async def test_a_server_is_greeted_once_with_what_is_set_up_and_what_is_not(database: Database) -> None:
    async with open_world(database, FakeEngine(), greet_servers=True) as world:
        message = await greeting(world)
        said = all_of(message)
        assert "👋 Hello! I write fan fiction with you." in said
        assert "✅ What I may do here\nI have all the permissions I need" in said
        assert "✅ Reading along" in said
        assert "✅ Writing machine\nIt is ready." in said
        assert "✅ Where stories begin\nStories may begin in every channel" in said
        assert "⚠️ Content check\nNothing checks what is written here." in said
        assert "1 point still wants attention" in said
        assert "So far, 0 members of this server have agreed." in said
        ids = {command.name: command.id for command in await world.bot.tree.fetch_commands()}
        assert f"</story start:{ids['story']}>" in said
        assert set(message.buttons.values()) == {CHECK, SETTINGS, TRY}
        backend = world.env.backend
    async with open_world(
        database, FakeEngine(replies=["One."]), backend=backend, greet_servers=True
    ) as world:
        await world.answered(await world.start_story("a dragon"))
        hello = [text for text in map(all_of, world.shown(world.channel.id)) if "👋" in text]
        assert len(hello) == 1


@sqlite
async def test_nobody_is_greeted_where_the_operator_does_not_want_it(database: Database) -> None:
    async with open_world(database, FakeEngine(replies=["One."]), greet_servers=False) as world:
        await world.answered(await world.start_story("a dragon"))
        assert not any("👋" in all_of(message) for message in world.shown(world.channel.id))


@sqlite
async def test_a_server_joined_while_away_is_greeted_at_the_next_start_in_its_language(
    database: Database,
) -> None:
    async with open_world(database, FakeEngine()) as world:
        backend = world.env.backend
    async with open_world(database, FakeEngine(), backend=backend, greet_servers=True) as world:
        await greeting(world)
    async with open_world(database, FakeEngine(), backend=backend) as world:
        second = another_server(world, preferred_locale="de")
        channel = second.create_text_channel("allgemein")
        await world.env.settle()
    async with open_world(database, FakeEngine(), backend=backend, greet_servers=True) as world:
        message = await greeting(world, channel.id)
        # The catalogue's own word for it, whatever else is translated yet.
        assert f"✅ {words_in('de').say('Writing machine')}" in all_of(message)
        assert words_in("de").say("Writing machine") != "Writing machine"
        assert len(world.shown(world.channel.id)) == 1


@sqlite
async def test_a_server_that_takes_the_bot_in_is_greeted_at_once_and_anew_after_sending_it_away(
    database: Database,
) -> None:
    async with open_world(database, FakeEngine(), greet_servers=True) as world:
        await greeting(world)
        for name in ("once", "again"):
            second = another_server(world)
            channel = second.create_text_channel(name)
            await greeting(world, channel.id)
            guild = world.bot.get_guild(second.id)
            assert guild is not None
            world.env.backend.remove_guild(second.id)
            await world.until(lambda gone=second.id: world.bot.get_guild(gone) is None)


@sqlite
async def test_of_two_processes_that_note_a_server_at_the_same_instant_one_greets_it(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_world(database, FakeEngine(), greet_servers=True) as world:
        await greeting(world)
        backend = world.env.backend
    look = AsyncSession.get

    async def blind(session: AsyncSession, entity: Any, key: Any) -> Any:
        """The other process's row, before it is committed."""
        return None if str(key).startswith("welcome:") else await look(session, entity, key)

    async with open_world(database, FakeEngine(), backend=backend) as world:
        channel = another_server(world).create_text_channel("second")
        await world.env.settle()
    monkeypatch.setattr(AsyncSession, "get", blind)
    async with open_world(database, FakeEngine(), backend=backend, greet_servers=True) as world:
        await greeting(world, channel.id)
        assert len(world.shown(world.channel.id)) == 1


@sqlite
async def test_a_server_is_greeted_though_the_database_is_away_for_a_moment(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[object] = []

    async def shaky(*arguments: Any, **options: Any) -> list[Check]:
        looks.append(arguments)
        if len(looks) == 1:
            raise TimeoutError
        return await checklist(*arguments, **options)

    checklist = welcome.checklist
    monkeypatch.setattr(welcome, "checklist", shaky)
    async with open_world(database, FakeEngine(), greet_servers=True) as world:
        assert "👋" in all_of(await greeting(world))
        assert len(looks) == 2


@sqlite
async def test_those_who_have_known_the_bot_for_long_are_not_greeted(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.discord.welcome._RECENT", timedelta(0))
    async with open_world(database, FakeEngine(replies=["One."]), greet_servers=True) as world:
        await world.answered(await world.start_story("a dragon"))
        assert not any("👋" in all_of(message) for message in world.shown(world.channel.id))


@sqlite
async def test_what_the_bot_lacks_is_named_with_what_to_do_and_looked_at_again(database: Database) -> None:
    async with open_world(database, FakeEngine()) as world:
        backend = world.env.backend
        forbid(world, world.channel, "create_public_threads", "attach_files")
        await world.env.settle()
    async with open_world(database, FakeEngine(), backend=backend, greet_servers=True) as world:
        message = await greeting(world)
        said = all_of(message)
        assert "⚠️ What I may do here" in said
        assert "I lack these permissions: **Attach Files** and **Create Public Threads**." in said
        assert "**Edit Channel › Permissions**" in said
        assert "There is no such text channel in which I have all permissions" in said
        world.env.backend.edit_channel(world.channel.id, {}, overwrites=[])
        await world.env.settle()
        await press(world, message, CHECK)
        await world.until(lambda: "✅ What I may do here" in all_of(world.shown(world.channel.id)[0]))


@sqlite
async def test_where_no_embeds_may_be_shown_it_is_said_in_plain_text(database: Database) -> None:
    async with open_world(database, FakeEngine()) as world:
        backend = world.env.backend
        forbid(world, world.channel, "embed_links")
        await world.env.settle()
    async with open_world(database, FakeEngine(), backend=backend, greet_servers=True) as world:
        message = await greeting(world)
        assert not message.embeds
        assert "**⚠️ What I may do here**" in message.content
        assert "**Embed Links**" in message.content
        world.env.backend.edit_channel(world.channel.id, {}, overwrites=[])
        await world.env.settle()
        await press(world, message, CHECK)
        await world.until(lambda: world.shown(world.channel.id)[0].embeds)
        assert not world.shown(world.channel.id)[0].content


@sqlite
async def test_who_took_the_bot_in_is_written_to_where_it_may_write_nowhere(database: Database) -> None:
    async with open_world(database, FakeEngine()) as world:
        backend = world.env.backend
        forbid(world, world.channel, "send_messages")
        assert world.bot.user is not None
        world.env.backend.record_audit_log(
            world.channel.guild.id,
            discord.AuditLogAction.bot_add.value,
            user_id=world.members[BEN].id,
            target_id=world.bot.user.id,
        )
        await world.env.settle()
    async with open_world(database, FakeEngine(), backend=backend, greet_servers=True) as world:
        dms = world.members[BEN]

        def written() -> list[str]:
            return [
                message.content
                for channel in backend.channels.values()
                if channel.type == discord.ChannelType.private.value and dms.id in channel.recipient_ids
                for message in backend.messages.get(channel.id, {}).values()
            ]

        await world.until(written)
        assert "may write in none of its channels" in written()[0]
        assert "**FanFabler preview**" in written()[0]
        assert world.shown(world.channel.id) == []


@sqlite
async def test_the_buttons_are_for_admins(database: Database) -> None:
    async with open_world(database, FakeEngine(), greet_servers=True) as world:
        message = await greeting(world)
        for custom_id in (CHECK, SETTINGS, TRY):
            refused = await press(world, message, custom_id, BEN)
            assert "Only those who manage this server" in await world.reply(refused)
        assert world.threads == []
        opened = await press(world, message, SETTINGS)
        await world.until(lambda: opened.followups or opened.response)
        assert opened.ephemeral
        assert "👋" in all_of(world.shown(world.channel.id)[0]), "the greeting stays for all"


@sqlite
async def test_try_it_begins_a_story_about_a_work_of_ones_language_even_after_a_restart(
    database: Database,
) -> None:
    async with open_world(database, FakeEngine(), greet_servers=True) as world:
        await greeting(world)
        backend = world.env.backend
    engine = FakeEngine(replies=["It began to snow."])
    async with open_world(database, engine, backend=backend, greet_servers=True) as world:
        await press(world, world.shown(world.channel.id)[0], TRY)
        await world.until(lambda: world.threads)
        (answer,) = await world.answered(world.threads[0])
        assert answer.content == "It began to snow."
        assert "two rivals from Pride and Prejudice" in engine.requests[0].messages[-1][1]
        assert "**Ada** begins a story:" in world.texts(world.channel.id)[-1]


@sqlite
async def test_what_try_it_asks_for_has_no_isolates_in_it(database: Database) -> None:
    engine = FakeEngine(replies=["ثم سقط الثلج."])
    async with open_world(database, engine, greet_servers=True) as world:
        message = await greeting(world)
        world.env.backend.set_locale(world.members[ADA].id, "ar")
        await press(world, message, TRY)
        await world.until(lambda: engine.requests)
        asked = engine.requests[0].messages[-1][1]
        assert load_properties("ar")[0].local_name in asked
        assert not set(asked) & {ISOLATE, POP}


@sqlite
async def test_health_shows_the_list_too(database: Database) -> None:
    async with open_world(database, FakeEngine()) as world:
        result = await world.members[ADA].slash(world.channel, "admin health")
        await world.until(lambda: result.followups or (result.response and result.response.embeds))
        (message,) = [m for m in (result.response, *result.followups) if m is not None]
        stored = world.env.backend.messages[message.channel_id][message.id]
        await world.until(lambda: len(stored.embeds) == 2)
        setup = discord.Embed.from_dict(cast("Any", stored.embeds[1]))
        assert setup.title == "How this server is set up"
        assert "What I may do here" in str(setup.fields[0].name)
        await world.members[ADA].slash(world.channel, "admin settings mature", allowed=True)
        await world.members[ADA].click(message, custom_id="fa:health:again:")
        await world.until(
            lambda: (
                "No channel of this server is age-restricted"
                in str(world.env.backend.messages[message.channel_id][message.id].embeds[1])
            )
        )


def worst_checks(code: str) -> list[Check]:
    """Every line at its longest, in a language: what all of them say, made longer than any is."""
    words = words_in(code)
    listed = words.listed(f"**{permission_name(words, name)}**" for name, needed in PERMISSIONS if needed)
    value = words.say(
        "In {channel} I lack these permissions: {permissions}. Give them to my role there, under "
        "**Edit Channel › Permissions**.",
        channel=f"<#{LONGEST_ID}>",
        permissions=listed,
    )
    told = words.say(
        "Nothing checks what is written here. Keep an eye on the stories, or ask those who run me to set up a "
        "moderation service (MODERATION_URL)."
    )
    name = words.say("Training with your members' chats")
    return [Check(False, words.say("What I may do here"), value), *([Check(False, name, told)] * 7)]


@pytest.mark.parametrize("code", LANGUAGES)
def test_it_fits_discords_limits_in_every_language(code: str) -> None:
    words, mentions, checks = words_in(code), known_mentions(), worst_checks(code)
    embed = greeting_embed(words, mentions, 1, checks)
    assert len(embed.title or "") <= 256
    assert len(embed.description or "") <= 4096
    assert len(embed) <= 6000 - 2000, "there is room for the other embed of /admin health"
    assert all(len(str(f.name)) <= 256 and len(str(f.value)) <= 1024 for f in embed.fields)
    text = greeting_text(words, mentions, 1, checks[:4])
    assert len(text) <= 2000
    assert not text.endswith("…"), "nothing is cut off"
    for control in offers(words).to_components()[0]["components"]:
        assert 0 < len(control["label"]) <= 80
    guild = cast("discord.Guild", SimpleNamespace(name="x" * 100, id=1))
    assert not nowhere_text(words, mentions, guild).endswith("…")


@pytest.mark.parametrize(
    ("allowed", "excluded"), [(0, 0), (1, 0), (0, 30), (500, 0), (15, 15), (5, 400), (400, 400)]
)
@pytest.mark.parametrize("code", LANGUAGES)
def test_however_many_channels_are_set_they_fit_in_a_field(code: str, allowed: int, excluded: int) -> None:
    words = words_in(code)
    row = GuildSettings(allowed_channels=[LONGEST_ID] * allowed, excluded_channels=[LONGEST_ID] * excluded)
    told = channels_told(words, row)
    remedy = words.say(
        "There is no such text channel in which I have all permissions. Give them to me in one, or choose other "
        "channels with {settings}.",
        settings=f"</admin settings show:{LONGEST_ID}>",
    )
    assert len(f"{told}\n{remedy}") <= 1024
    assert told.count("<#") == min(30, allowed + excluded)
    assert ("(+" in told) == (allowed + excluded > 30), "what is not named is counted"


def test_in_a_thread_of_a_hidden_channel_all_permissions_are_lacking() -> None:
    def refuse(_: object) -> discord.Permissions:
        raise discord.ClientException("Parent channel not found")

    thread = cast("discord.Thread", SimpleNamespace(guild=SimpleNamespace(me=None), permissions_for=refuse))
    assert lacking(thread) == [name for name, needed in PERMISSIONS if needed]


def test_the_colour_and_the_summary_say_whether_all_is_well() -> None:
    words = words_in("en")
    good, bad = Check(True, "A", "a"), Check(False, "B", "b")
    assert summary(words, [good]) == "✅ Everything is set up."
    assert summary(words, [good, bad, bad]) == "⚠️ 2 points still want attention."
    assert checklist_embed("t", "d", [good]).colour != checklist_embed("t", "d", [good, bad]).colour
    assert [field.name for field in checklist_embed("t", "d", [good, bad]).fields] == ["✅ A", "⚠️ B"]
