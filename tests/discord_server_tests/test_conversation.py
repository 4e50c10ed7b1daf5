"""A whole conversation: command, thread, streamed answer, replies, buttons, a restart."""

from __future__ import annotations

from tests.discord_server import DiscordServer

from .conftest import Connect, Scene


async def test_a_story_is_started_streamed_and_answered(
    discord: DiscordServer, scene: Scene, connect: Connect
) -> None:
    discord.limits.switch_off()
    await connect()
    result = await scene.alice.slash(scene.channel, "story start", prompt="a dragon")
    assert result.deferred
    assert not result.ephemeral
    answer = await result.finished()
    assert answer.content == "A story about a dragon in de"
    thread = await discord.wait_for(lambda: scene.channel.threads[0])
    assert thread.name == "a dragon"
    assert answer.thread == thread
    story = await discord.wait_for(lambda: thread.written[0])
    await discord.wait_for(lambda: story.content.endswith("stories."))
    assert len(story.edits) == 12
    assert [v.time for v in story.versions] == sorted(v.time for v in story.versions)
    assert set(story.buttons) == {"Again", "👍", "Rename", "Done"}
    await scene.alice.send(thread, "go on")
    await discord.wait_for(lambda: thread.written[-1].content.endswith("stories."))
    assert thread.written[-1].content.startswith("You said: go on.")
