"""`/admin` as the bot's owners have it in their own servers (OPERATOR_GUILD_IDS): all that every server has, and
`train`, `model` and `dataset` beside it.

It is registered there as a command of that server, whole, since Discord keeps a server's command apart from the global
one of the same name. Owners are asked for at each command, button and suggestion.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from discord import app_commands
from discord.app_commands import locale_str

from bot.discord.admin import AdminCog
from bot.discord.operator.dataset import DatasetCommands
from bot.discord.operator.model import ModelCommands
from bot.discord.operator.train import TrainCommands
from bot.words import to_say

if TYPE_CHECKING:
    from bot.discord.client import Parts


@app_commands.guild_only()
@app_commands.default_permissions(manage_guild=True)
class OperatorCog(
    ModelCommands,
    TrainCommands,
    DatasetCommands,
    AdminCog,
    group_name=locale_str(to_say("admin")),
    group_description=locale_str(to_say("For those who manage this server")),
):
    """Parses, calls a service, renders."""

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts)
        self._panels |= {
            "train": self.train_pressed,
            "model": self.model_pressed,
            "dataset": self.dataset_pressed,
        }
