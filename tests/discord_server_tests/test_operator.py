"""A training run as this Discord shows it: the operator's commands pass its rules, and a bot that is killed in the
middle of the status goes on in the same message."""

from __future__ import annotations

from discord import Permissions
from sqlalchemy import update
from sqlalchemy.ext.asyncio import create_async_engine

from bot.database.tables import TrainingRun
from tests.bot.operation.stand_in import trainer
from tests.discord_server import Message

from .fanfabler import Stage, spawn_bot


def become_operator(stage: Stage) -> None:
    """Alice owns the application, and sees what its operators see."""
    stage.discord.application.set_owner(stage.alice.id)
    manager = stage.channel.guild.create_role("managers", permissions=Permissions(manage_guild=True).value)
    stage.alice.set_roles(manager)
    stage.alice.set_locale("en-US")


def shown(stage: Stage) -> list[Message]:
    """The messages that show runs."""
    return [message for message in stage.own(stage.channel) if message.embeds and not message.ephemeral]


async def test_a_bot_killed_in_the_middle_of_a_status_goes_on_in_the_same_message(stage: Stage) -> None:
    become_operator(stage)

    def status() -> str:
        return str(shown(stage)[0].embeds[0].get("description")) if shown(stage) else ""

    async with trainer() as state:
        stage.environment |= {
            "OPERATOR_GUILD_IDS": str(stage.channel.guild.id),
            "TRAINER_URL": state.url,
        }
        process = await spawn_bot(stage)
        proposal = await (
            await stage.alice.slash(stage.channel, "admin train start", recipe="toy")
        ).finished()
        assert "400 rows" in proposal.content
        assert (await stage.alice.click(proposal, "Begin")).acknowledged
        await stage.discord.wait_for(lambda: state.orders and shown(stage), 30, "the status")
        state.go_on("ftjob-1", 40)
        await stage.discord.wait_for(lambda: "40 %" in status(), 30, "the first figures")
        process.kill()
        await process.wait()
        state.go_on("ftjob-1", 70)
        again = await spawn_bot(stage)
        try:
            await stage.discord.wait_for(lambda: "70 %" in status(), 30, "the later figures")
            (message,) = shown(stage)
            assert [each.filename for each in message.attachments] == ["loss.png"]
            state.succeed("ftjob-1")
            await stage.discord.wait_for(lambda: len(shown(stage)) == 2, 30, "the report")
            assert "Done" in status()
            assert len(state.orders) == 1
        finally:
            again.terminate()
            await again.wait()


async def test_a_bot_killed_before_it_noted_its_message_says_in_that_one_how_the_run_ended(
    stage: Stage,
) -> None:
    become_operator(stage)
    async with trainer() as state:
        stage.environment |= {
            "OPERATOR_GUILD_IDS": str(stage.channel.guild.id),
            "TRAINER_URL": state.url,
        }
        process = await spawn_bot(stage)
        proposal = await (
            await stage.alice.slash(stage.channel, "admin train start", recipe="toy")
        ).finished()
        await stage.alice.click(proposal, "Begin")
        await stage.discord.wait_for(lambda: state.orders and shown(stage), 30, "the status")
        process.kill()
        await process.wait()
        engine = create_async_engine(stage.environment["DATABASE_URL"])
        async with engine.begin() as connection:
            await connection.execute(update(TrainingRun).values(message_id=None))
        await engine.dispose()
        state.succeed("ftjob-1")
        again = await spawn_bot(stage)
        try:
            await stage.discord.wait_for(lambda: len(shown(stage)) == 2, 30, "the report")
            status, _ = shown(stage)
            assert "Done" in str(status.embeds[0].get("description"))
            assert [each.filename for each in status.attachments] == ["loss.png"]
            assert not status.buttons
        finally:
            again.terminate()
            await again.wait()
