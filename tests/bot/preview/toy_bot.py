"""A small bot that does what the real one does on Discord: a thread for each request, an answer that streams
into it, a stop button that outlives the process, an answer for one person only, an embed, a message command."""

from __future__ import annotations

import asyncio
from typing import Any

import discord
from discord import app_commands
from discord.ext import commands

STORY = "Once upon a time a castle stood where the river bends and nobody knew who built it"
WORDS = STORY.split()


class StopView(discord.ui.View):
    def __init__(self) -> None:
        super().__init__(timeout=None)

    @discord.ui.button(label="Stop", style=discord.ButtonStyle.danger, custom_id="toy:stop")
    async def stop_answer(
        self, interaction: discord.Interaction[ToyBot], _: discord.ui.Button[StopView]
    ) -> None:
        assert interaction.message is not None
        interaction.client.stopped.append(interaction.message.id)
        await interaction.response.send_message("Stopped for you.", ephemeral=True)


class ToyBot(commands.Bot):
    """`interval` is the time between two edits, in seconds."""

    def __init__(self, interval: float = 0.35) -> None:
        intents = discord.Intents.default()
        intents.message_content = True
        super().__init__("!", intents=intents, allowed_mentions=discord.AllowedMentions.none())
        self.interval = interval
        self.stopped: list[int] = []
        self.locales: list[str] = []
        self.closed_cleanly = False
        self._requests: asyncio.Queue[tuple[discord.abc.Messageable, str]] = asyncio.Queue()

    async def setup_hook(self) -> None:
        self.add_view(StopView())
        story = app_commands.Group(name="story", description="Stories")
        start: app_commands.Command[Any, ..., None] = story.command(
            name="start", description="Begin a story in a thread of its own"
        )(self.start_story)
        start.autocomplete("language")(self.languages)
        self.tree.add_command(story)
        self.tree.add_command(app_commands.ContextMenu(name="Write about this", callback=self.write_about))
        self._dispatcher = asyncio.create_task(self._dispatch_requests())
        await self.tree.sync()

    async def close(self) -> None:
        if hasattr(self, "_dispatcher"):
            self._dispatcher.cancel()
        await super().close()
        self.closed_cleanly = True

    @app_commands.describe(prompt="What the story is about")
    async def start_story(self, interaction: discord.Interaction, prompt: str, language: str = "en") -> None:
        self.locales.append(interaction.locale.value)
        await interaction.response.defer()
        embed = discord.Embed(title="The source work", description="A book about a castle.")
        await interaction.edit_original_response(content=f"A story in {language}: {prompt}", embed=embed)
        message = await interaction.original_response()
        thread = await message.create_thread(name=prompt)
        await self._requests.put((thread, prompt))

    async def languages(self, _: discord.Interaction, current: str) -> list[app_commands.Choice[str]]:
        names = {"en": "English", "ko": "Korean", "sv": "Swedish"}
        found = [(code, name) for code, name in names.items() if current.lower() in name.lower()]
        return [app_commands.Choice(name=name, value=code) for code, name in found]

    async def write_about(self, interaction: discord.Interaction, message: discord.Message) -> None:
        await interaction.response.send_message(f"About: {message.content}", ephemeral=True)

    async def on_message(self, message: discord.Message) -> None:
        if not message.author.bot and isinstance(message.channel, discord.Thread):
            await self._requests.put((message.channel, message.content))

    async def _dispatch_requests(self) -> None:
        async with asyncio.TaskGroup() as answers:
            while True:
                place, prompt = await self._requests.get()
                answers.create_task(self._stream(place, prompt))

    async def _stream(self, place: discord.abc.Messageable, prompt: str) -> None:
        async with place.typing():
            await asyncio.sleep(self.interval)
        message = await place.send("…", view=StopView())
        for count in range(1, len(WORDS) + 1):
            await asyncio.sleep(self.interval)
            if message.id in self.stopped:
                await message.edit(content=f"{' '.join(WORDS[:count])} (stopped)", view=None)
                return
            await message.edit(content=f"**{prompt}**: {' '.join(WORDS[:count])}")
        await message.edit(content=f"**{prompt}**: {' '.join(WORDS)}. The end.")
