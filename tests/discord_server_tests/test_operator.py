"""A training run as this Discord shows it: the operator's commands pass its rules, and a bot that is killed in the
middle of the status goes on in the same message."""

from __future__ import annotations

from discord import Permissions

from tests.bot.operation.stand_in import trainer
from tests.discord_server import Message

from .fanfabler import Stage, spawn_bot


async def test_a_bot_killed_in_the_middle_of_a_status_goes_on_in_the_same_message(stage: Stage) -> None:
    stage.discord.application.set_owner(stage.alice.id)
    manager = stage.channel.guild.create_role("managers", permissions=Permissions(manage_guild=True).value)
    stage.alice.set_roles(manager)
    stage.alice.set_locale("en-US")

    def shown() -> list[Message]:
        return [message for message in stage.own(stage.channel) if message.embeds and not message.ephemeral]

    def status() -> str:
        return str(shown()[0].embeds[0].get("description")) if shown() else ""

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
        await stage.discord.wait_for(lambda: state.orders and shown(), 30, "the status")
        state.go_on("ftjob-1", 40)
        await stage.discord.wait_for(lambda: "40 %" in status(), 30, "the first figures")
        process.kill()
        await process.wait()
        state.go_on("ftjob-1", 70)
        again = await spawn_bot(stage)
        try:
            await stage.discord.wait_for(lambda: "70 %" in status(), 30, "the later figures")
            (message,) = shown()
            assert [each.filename for each in message.attachments] == ["loss.png"]
            state.succeed("ftjob-1")
            await stage.discord.wait_for(lambda: len(shown()) == 2, 30, "the report")
            assert "Done" in status()
            assert len(state.orders) == 1
        finally:
            again.terminate()
            await again.wait()
