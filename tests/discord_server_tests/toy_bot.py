"""A small discord.py bot that uses everything the test Discord serves: the one it is proved with."""

from __future__ import annotations

import asyncio
from typing import Any

import discord
from discord import app_commands


class ToyBot(discord.Client):
    """Streams "stories" into threads by edits; remembers what it was told in `heard` and `seen`."""

    def __init__(self, intents: discord.Intents | None = None, **options: Any) -> None:
        options.setdefault("allowed_mentions", discord.AllowedMentions.none())
        super().__init__(intents=intents or discord.Intents.all(), guild_ready_timeout=0.05, **options)
        self.tree = app_commands.CommandTree(self)
        self.words = ["Once", "upon", "a", "time", "there", "was", "a", "test", "that", "told", "stories"]
        self.pause = 0.0
        self.heard: list[discord.Message] = []
        self.seen: list[str] = []
        self.failures: list[BaseException] = []
        self.gate = asyncio.Event()
        self.gate.set()
        add_commands(self)

    async def setup_hook(self) -> None:
        self.add_view(StoryButtons(self))
        await self.tree.sync()

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        """The library waits five seconds before a second IDENTIFY; tests do not."""

    def dispatch(self, event: str, /, *args: Any, **kwargs: Any) -> None:
        self.seen.append(event)
        super().dispatch(event, *args, **kwargs)

    async def on_message(self, message: discord.Message) -> None:
        self.heard.append(message)
        if message.author.bot or not isinstance(message.channel, discord.Thread):
            return
        await self.tell(message.channel, f"You said: {message.content}.")

    async def tell(self, channel: discord.abc.Messageable, beginning: str) -> discord.Message:
        """Send the beginning, then the rest word by word as edits, buttons with the last."""
        text = beginning
        message = await channel.send(text)
        for word in self.words:
            text = f"{text} {word}"
            await self.gate.wait()
            await message.edit(content=text)
            await asyncio.sleep(self.pause)
        return await message.edit(content=f"{text}.", view=StoryButtons(self))


class StoryButtons(discord.ui.View):
    """Persistent: works for messages that an earlier process sent."""

    def __init__(self, bot: ToyBot) -> None:
        super().__init__(timeout=None)
        self._bot = bot

    @discord.ui.button(label="Again", custom_id="story:again", style=discord.ButtonStyle.primary)
    async def again(self, interaction: discord.Interaction, button: discord.ui.Button[Any]) -> None:
        await interaction.response.defer()
        assert isinstance(interaction.channel, discord.Thread | discord.TextChannel)
        await self._bot.tell(interaction.channel, "Again:")

    @discord.ui.button(emoji="👍", custom_id="story:up")
    async def up(self, interaction: discord.Interaction, button: discord.ui.Button[Any]) -> None:
        await interaction.response.send_message("Thank you", ephemeral=True)

    @discord.ui.button(label="Rename", custom_id="story:rename")
    async def rename(self, interaction: discord.Interaction, button: discord.ui.Button[Any]) -> None:
        await interaction.response.send_modal(TitleModal())

    @discord.ui.button(label="Done", custom_id="story:done")
    async def done(self, interaction: discord.Interaction, button: discord.ui.Button[Any]) -> None:
        await interaction.response.edit_message(view=None)


class TitleModal(discord.ui.Modal, title="A new title"):
    name: discord.ui.TextInput[Any] = discord.ui.TextInput(label="Title", custom_id="title", max_length=50)
    mood: discord.ui.Label[Any] = discord.ui.Label(
        text="Mood",
        component=discord.ui.Select(
            custom_id="mood", options=[discord.SelectOption(label=m) for m in ("dark", "light")]
        ),
    )

    async def on_submit(self, interaction: discord.Interaction) -> None:
        select = self.mood.component
        assert isinstance(select, discord.ui.Select)
        await interaction.response.send_message(f"{self.name.value} ({select.values[0]})")


class LanguageMenu(discord.ui.View):
    @discord.ui.select(
        custom_id="language",
        placeholder="Language",
        options=[
            discord.SelectOption(label=name, value=code) for name, code in (("Korean", "ko"), ("Thai", "th"))
        ],
    )
    async def choose(self, interaction: discord.Interaction, select: discord.ui.Select[Any]) -> None:
        await interaction.response.edit_message(content=f"chosen: {select.values[0]}", view=None)

    @discord.ui.select(cls=discord.ui.UserSelect, custom_id="reader", placeholder="Reader")
    async def reader(self, interaction: discord.Interaction, select: discord.ui.UserSelect[Any]) -> None:
        await interaction.response.send_message(f"for {select.values[0].display_name}")


def add_commands(bot: ToyBot) -> None:
    story = app_commands.Group(name="story", description="Stories")

    @story.command(name="start", description="Begin a story")
    async def start(interaction: discord.Interaction, prompt: str, language: str | None = None) -> None:
        await interaction.response.defer(thinking=True)
        answer = await interaction.edit_original_response(
            content=f"A story about {prompt} in {interaction.locale}"
        )
        assert interaction.guild is not None
        message = await interaction.guild.get_channel(interaction.channel_id or 0).fetch_message(answer.id)  # type: ignore[union-attr]
        thread = await message.create_thread(name=prompt[:100])
        await bot.tell(thread, f"{prompt}:")

    @start.autocomplete("language")
    async def languages(_: discord.Interaction, current: str) -> list[app_commands.Choice[str]]:
        names = ["Korean", "Swedish", "Swahili"]
        found = [name for name in names if name.lower().startswith(current.lower())]
        return [app_commands.Choice(name=name, value=name[:2].lower()) for name in found]

    @story.command(name="menu", description="Choose")
    async def menu(interaction: discord.Interaction) -> None:
        await interaction.response.send_message("Choose", view=LanguageMenu())

    bot.tree.add_command(story)

    @bot.tree.command(name="look", description="All kinds of options")
    @app_commands.describe(
        member="who", role="which", where="where", times="how often", ratio="how much", file="what", loud="?"
    )
    async def look(
        interaction: discord.Interaction,
        member: discord.Member,
        role: discord.Role,
        where: discord.TextChannel,
        times: app_commands.Range[int, 1, 5],
        ratio: float,
        file: discord.Attachment,
        loud: bool = False,
    ) -> None:
        text = (await file.read()).decode()
        parts = [member.display_name, role.name, where.name, times, ratio, file.filename, text, loud]
        await interaction.response.send_message("|".join(str(part) for part in parts), ephemeral=True)
        await interaction.followup.send("and more")

    @bot.tree.command(name="slow", description="Answers when the test says so")
    async def slow(interaction: discord.Interaction) -> None:
        await bot.gate.wait()
        try:
            await interaction.response.send_message("late")
        except discord.HTTPException as error:
            bot.failures.append(error)

    @bot.tree.command(name="twice", description="Answers twice")
    async def twice(interaction: discord.Interaction) -> None:
        other = discord.Interaction(data=interaction_data(interaction), state=interaction._state)
        await interaction.response.send_message("first")
        try:
            await other.response.send_message("second")
        except discord.HTTPException as error:
            bot.failures.append(error)

    @bot.tree.command(name="manage", description="For the few")
    @app_commands.default_permissions(manage_guild=True)
    @app_commands.guild_only()
    async def manage(interaction: discord.Interaction) -> None:
        await interaction.response.send_message("managed")

    @bot.tree.context_menu(name="Write about this")
    async def write(interaction: discord.Interaction, message: discord.Message) -> None:
        await interaction.response.send_message(f"about: {message.content}")

    @bot.tree.context_menu(name="Greet")
    async def greet(interaction: discord.Interaction, member: discord.Member) -> None:
        await interaction.response.send_message(f"hello {member.display_name}")


def interaction_data(interaction: discord.Interaction) -> Any:
    """Enough of the payload to make a second object of the same interaction."""
    return {
        "id": str(interaction.id),
        "type": interaction.type.value,
        "token": interaction.token,
        "version": 1,
        "application_id": str(interaction.application_id),
        "attachment_size_limit": 1,
        "authorizing_integration_owners": {},
        "data": interaction.data,
    }
