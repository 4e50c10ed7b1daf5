"""Commands, autocomplete, buttons, menus, modals, and the limits of an interaction's token."""

from __future__ import annotations

import asyncio

import discord as library
import pytest

from tests.discord_server import ClientRefusedError, DiscordServer, File, Permission

from .conftest import Api, Connect, Scene
from .raw_gateway import Gateway


@pytest.fixture(autouse=True)
def no_limits(discord: DiscordServer) -> None:
    discord.limits.switch_off()


async def test_options_of_every_kind_arrive_resolved(scene: Scene, connect: Connect) -> None:
    role = scene.guild.create_role("readers")
    bella = scene.guild.add_member("bella")
    await connect()
    result = await scene.alice.slash(
        scene.channel,
        "look",
        member=bella,
        role=role,
        where=scene.channel,
        times=3,
        ratio=0.5,
        file=File("a.txt", "안녕".encode()),
        loud=True,
    )
    assert result.ephemeral
    assert result.response is not None
    assert result.response.content == "Bella|readers|fan-fiction|3|0.5|a.txt|안녕|True"
    followup = await result.followup()
    assert followup.content == "and more"
    assert not followup.ephemeral
    assert result.messages == [result.response, followup]
    assert scene.channel.messages == [followup]


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({}, "'member' is required"),
        ({"nonsense": 1}, "has no option"),
        ({"times": 6}, "must be between 1 and 5"),
    ],
)
async def test_the_client_takes_no_wrong_options(
    scene: Scene, connect: Connect, options: dict[str, object], complaint: str
) -> None:
    await connect()
    given = {
        "member": scene.alice,
        "role": scene.guild,
        "where": scene.channel,
        "ratio": 1,
        "file": File("a", b""),
    }
    values = options if "times" not in options else {**given, **options}
    with pytest.raises(ClientRefusedError, match=complaint):
        await scene.alice.slash(scene.channel, "look", **values)


async def test_autocomplete_offers_choices(scene: Scene, connect: Connect) -> None:
    await connect()
    choices = await scene.alice.autocomplete(scene.channel, "story start", "language", "sw", prompt="x")
    assert [(choice.name, choice.value) for choice in choices] == [("Swedish", "sw"), ("Swahili", "sw")]
    with pytest.raises(ClientRefusedError, match="no autocomplete"):
        await scene.alice.autocomplete(scene.channel, "story start", "prompt", "x")


async def test_buttons_work_after_a_restart_of_the_bot(
    discord: DiscordServer, scene: Scene, connect: Connect
) -> None:
    first = await connect()
    thread = await scene.alice.start_thread(scene.channel, "tale")
    await scene.alice.send(thread, "begin")
    story = await discord.wait_for(lambda: thread.written[1])
    await discord.wait_for(lambda: story.buttons)
    await first.close()
    await discord.wait_for(lambda: not any(s["connected"] for s in discord.gateway.sessions))
    await connect()
    result = await scene.alice.click(story, "👍")
    assert result.ephemeral
    assert result.response is not None
    assert result.response.content == "Thank you"
    again = await scene.alice.click(story, "Again")
    assert again.deferred
    await discord.wait_for(lambda: thread.written[-1].content == "Again: " + " ".join(first.words) + ".")
    await scene.alice.click(story, "story:done")
    assert story.buttons == {}
    with pytest.raises(ClientRefusedError, match="no button"):
        await scene.alice.click(story, "Again")


async def test_menus_update_their_message_and_resolve_people(scene: Scene, connect: Connect) -> None:
    await connect()
    asked = await scene.alice.slash(scene.channel, "story menu")
    assert asked.response is not None
    reader = await scene.alice.select(asked.response, scene.alice, menu="Reader")
    assert reader.response is not None
    assert reader.response.content == "for Alice"
    with pytest.raises(ClientRefusedError, match="not in the menu"):
        await scene.alice.select(asked.response, "Klingon", menu="language")
    await scene.alice.select(asked.response, "Korean", menu="Language")
    assert asked.response.content == "chosen: ko"
    assert asked.response.components == []
    assert len(asked.response.edits) == 1


async def test_modals_are_filled_in(discord: DiscordServer, scene: Scene, connect: Connect) -> None:
    bot = await connect()
    channel = bot.get_partial_messageable(scene.channel.id)
    await bot.tell(channel, "x")
    opened = await scene.alice.click(scene.channel.messages[0], "Rename")
    assert opened.modal is not None
    assert opened.modal.title == "A new title"
    with pytest.raises(ClientRefusedError, match="1 to 50 characters"):
        await scene.alice.submit_modal(opened, {"Title": "x" * 51, "mood": ["dark"]})
    done = await scene.alice.submit_modal(opened, {"Title": "Dragons", "mood": ["dark"]})
    assert done.response is not None
    assert done.response.content == "Dragons (dark)"
    assert done.response.replies_to == scene.channel.messages[0]


async def test_context_menus_on_messages_and_people(scene: Scene, connect: Connect) -> None:
    await connect()
    message = await scene.alice.send(scene.channel, "dragons")
    about = await scene.alice.message_command(message, "Write about this")
    assert about.response is not None
    assert about.response.content == "about: dragons"
    greeted = await scene.alice.user_command(scene.channel, scene.alice, "Greet")
    assert greeted.response is not None
    assert greeted.response.content == "hello Alice"


async def test_nobody_answers_for_three_seconds(
    discord: DiscordServer, scene: Scene, connect: Connect
) -> None:
    bot = await connect()
    bot.gate.clear()
    using = asyncio.create_task(scene.alice.slash(scene.channel, "slow"))
    await discord.wait_for(lambda: "interaction" in bot.seen)
    discord.clock.advance(3.1)
    result = await using
    assert result.failed
    assert result.response is None
    bot.gate.set()
    await discord.wait_for(lambda: bot.failures)
    assert isinstance(bot.failures[0], library.NotFound)
    assert bot.failures[0].code == 10062
    assert scene.channel.messages == []


async def test_a_stopped_clock_gives_the_bot_all_the_time(
    discord: DiscordServer, scene: Scene, connect: Connect
) -> None:
    bot = await connect()
    discord.clock.freeze()
    bot.gate.clear()
    using = asyncio.create_task(scene.alice.slash(scene.channel, "slow"))
    await asyncio.sleep(0.2)
    assert not using.done()
    bot.gate.set()
    result = await using
    assert result.answered_after == 0.0
    discord.clock.resume()


async def test_the_second_answer_is_refused(discord: DiscordServer, scene: Scene, connect: Connect) -> None:
    bot = await connect()
    result = await scene.alice.slash(scene.channel, "twice")
    assert result.response is not None
    await discord.wait_for(lambda: bot.failures)
    assert isinstance(bot.failures[0], library.HTTPException)
    assert (bot.failures[0].status, bot.failures[0].code) == (400, 40060)
    assert result.response.content == "first"


async def test_the_token_is_good_for_fifteen_minutes(
    discord: DiscordServer, scene: Scene, connect: Connect, api: Api
) -> None:
    bot = await connect()
    result = await scene.alice.slash(scene.channel, "story menu")
    token = discord.requests.to("POST /interactions/*/*/callback")[0].path.split("/")[3]
    webhook = f"/webhooks/{bot.application_id}/{token}"
    assert (await api("POST", webhook, {"content": "follow-up"})).status == 200
    discord.clock.advance(14 * 60)
    edited = await api("PATCH", f"{webhook}/messages/@original", {"content": "edited"})
    assert edited.status == 200
    assert result.response is not None
    assert result.response.content == "edited"
    discord.clock.advance(2 * 60)
    for method, path in (("POST", webhook), ("PATCH", f"{webhook}/messages/@original")):
        late = await api(method, path, {"content": "late"})
        assert (late.status, late.code) == (401, 50027)
    assert (await api("POST", f"/webhooks/{bot.application_id}/wrong", {"content": "x"})).code == 10015


async def test_a_follow_up_right_after_a_deferral_fills_it_in(
    discord: DiscordServer, scene: Scene, connect: Connect
) -> None:
    bot = await connect()

    @bot.tree.command(name="think")
    async def think(interaction: library.Interaction) -> None:
        await interaction.response.defer(thinking=True, ephemeral=True)
        await interaction.followup.send("thought")
        await interaction.followup.send("more", ephemeral=False)

    await bot.tree.sync()
    result = await scene.alice.slash(scene.channel, "think")
    assert result.deferred
    await result.followup()
    assert [(m.content, m.ephemeral) for m in result.messages] == [("thought", True), ("more", False)]
    assert result.messages[0].edited_at is None


async def test_ephemeral_answers_are_for_one_person(scene: Scene, connect: Connect, api: Api) -> None:
    bella = scene.guild.add_member("bella")
    bot = await connect()
    await bot.tell(bot.get_partial_messageable(scene.channel.id), "x")
    thanks = (await scene.alice.click(scene.channel.messages[0], "👍")).response
    assert thanks is not None
    path = f"/channels/{scene.channel.id}/messages"
    assert (await api("GET", f"{path}/{thanks.id}")).code == 10008
    assert (await api("PATCH", f"{path}/{thanks.id}", {"content": "x"})).code == 10008
    assert len((await api("GET", path)).body) == 1
    with pytest.raises(ClientRefusedError, match="cannot see that message"):
        await bella.click(thanks, "anything")
    assert thanks in scene.channel.all_messages


async def test_commands_are_hidden_from_those_without_permission(
    discord: DiscordServer, scene: Scene, connect: Connect
) -> None:
    manager = scene.guild.add_member("manager", permissions=Permission.MANAGE_GUILD)
    await connect()
    with pytest.raises(ClientRefusedError, match="hidden"):
        await scene.alice.slash(scene.channel, "manage")
    result = await manager.slash(scene.channel, "manage")
    assert result.response is not None
    with pytest.raises(ClientRefusedError, match="direct messages"):
        await manager.slash(manager.direct_messages, "manage")
    with pytest.raises(ClientRefusedError, match="no command"):
        await manager.slash(scene.channel, "nonsense")
    with pytest.raises(ClientRefusedError, match="needs a sub-command"):
        await manager.slash(scene.channel, "story")
    scene.channel.set_overwrite(scene.guild, deny=Permission.USE_APPLICATION_COMMANDS)
    with pytest.raises(ClientRefusedError, match="may not use commands"):
        await scene.alice.slash(scene.channel, "twice")


async def test_commands_in_direct_messages(discord: DiscordServer, connect: Connect) -> None:
    bella = discord.user("bella", locale="ko")
    await connect()
    result = await bella.slash(bella.direct_messages, "story menu")
    assert result.response is not None
    assert bella.direct_messages.messages == [result.response]


async def test_wrong_answers_are_told_apart(
    discord: DiscordServer, scene: Scene, gateway: Gateway, api: Api
) -> None:
    socket = await gateway()
    await socket.identify()
    commands = f"/applications/{discord.application.id}/commands"
    await api("POST", commands, {"name": "ask", "description": "Ask"})
    using = asyncio.create_task(scene.alice.slash(scene.channel, "ask"))
    data = (await socket.next("INTERACTION_CREATE"))["d"]
    assert (data["locale"], data["guild_locale"], data["context"]) == ("de", "en-US", 0)
    path = f"/interactions/{data['id']}/{data['token']}/callback"
    kind = await api("POST", path, {"type": 7})
    assert kind.body["errors"]["type"]["_errors"][0]["code"] == "BASE_TYPE_CHOICES"
    long = await api("POST", path, {"type": 4, "data": {"content": "x" * 2001}})
    assert "content" in long.body["errors"]["data"]
    assert (await api("POST", path, {"type": 4, "data": {}})).code == 50006
    bad_modal = {"title": "x" * 46, "custom_id": "m", "components": []}
    modal = await api("POST", path, {"type": 9, "data": bad_modal})
    assert set(modal.body["errors"]["data"]) == {"title", "components"}
    assert (await api("POST", f"/interactions/{data['id']}/wrong/callback", {"type": 4})).code == 10062
    answer = await api("POST", f"{path}?with_response=true", {"type": 5})
    assert answer.body["interaction"]["response_message_loading"] is True
    assert (await using).deferred
