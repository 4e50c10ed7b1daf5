"""`/admin model`: which model answers where; two of them side by side, blind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import discord
from discord import app_commands, ui
from discord.app_commands import locale_str
from discord.ext import commands
from discord.utils import escape_markdown

from bot.database.tables import ModelComparison
from bot.discord.admin.controls import AdminButton, Press
from bot.discord.colours import DONE, INFORMATION
from bot.discord.operation_problems import percent
from bot.discord.operator.access import OperatorGroup, for_operators, require_operator
from bot.discord.operator.suggestions import suggested
from bot.discord.replies import NOBODY, whisper
from bot.operation.comparisons import Contest, Preference
from bot.operation.models import KnownModel, Wanted
from bot.text.length import shorten
from bot.text.safety import for_message
from bot.words import Words, to_say, words_for
from model.languages import LANGUAGES, language_for_locale

if TYPE_CHECKING:
    from bot.discord.client import Parts

PANEL = "model"
_SHOWN = 25
_ANSWER = 2400


class ModelCommands(commands.Cog):
    """A part of `OperatorCog`: the models."""

    _parts: Parts

    model = OperatorGroup(
        name=locale_str(to_say("model")), description=locale_str(to_say("Which model answers, and where"))
    )

    @model.command(
        name=locale_str(to_say("list")), description=locale_str(to_say("All models, and where they answer"))
    )
    async def list_models(self, interaction: discord.Interaction) -> None:
        """All models, with their figures."""
        await interaction.response.defer(ephemeral=True, thinking=True)
        words = words_for(str(interaction.locale))
        operation = self._parts.operation
        models = await operation.models.known()
        in_use = await operation.models.in_use(interaction.guild_id)
        if not models:
            await whisper(
                interaction, words.say("Neither the writing machine nor the trainer can be asked just now.")
            )
            return
        lines = [_line(words, model, interaction.guild_id, in_use) for model in models[:_SHOWN]]
        embed = discord.Embed(
            title=words.say("Models"), description="\n".join(lines)[:4000], colour=INFORMATION
        )
        embed.set_footer(
            text=words.say("🏠 answers in this server · 🌍 chosen for everywhere · 💤 not loaded")
        )
        await interaction.followup.send(embed=embed, ephemeral=True, allowed_mentions=NOBODY)

    @model.command(
        name=locale_str(to_say("activate")),
        description=locale_str(to_say("Have a model answer from now on")),
    )
    @app_commands.rename(
        name=locale_str(to_say("model")),
        everywhere=locale_str(to_say("everywhere")),
        force=locale_str(to_say("force")),
    )
    @app_commands.describe(
        name=locale_str(to_say("Which model")),
        everywhere=locale_str(to_say("In all servers that have chosen none, instead of in this one")),
        force=locale_str(to_say("Even where it is worse than the one in use")),
    )
    async def activate(
        self, interaction: discord.Interaction, name: str, everywhere: bool = False, force: bool = False
    ) -> None:
        """Put a model in use."""
        await interaction.response.defer(ephemeral=True, thinking=True)
        await self.use_model(interaction, name, everywhere=everywhere, force=force)

    async def use_model(
        self, interaction: discord.Interaction, name: str, *, everywhere: bool, force: bool
    ) -> None:
        """Have a model answer from now on, and say so."""
        words = words_for(str(interaction.locale))
        here = interaction.guild_id or 0
        model = await self._parts.operation.models.activate(
            Wanted(name, None if everywhere else here, interaction.user.id, told_in=here, force=force)
        )
        shown = f"**{model.name}**"
        if everywhere:
            said = words.say(
                "From now on {model} answers in all servers that have chosen none of their own.", model=shown
            )
        else:
            said = words.say("From now on {model} answers in this server.", model=shown)
        rest = words.say(
            "What is being written ends on the model that it began with. **/admin model rollback** goes back."
        )
        await whisper(interaction, f"{said} {rest}")

    @model.command(
        name=locale_str(to_say("rollback")),
        description=locale_str(to_say("Go back to the model that answered before")),
    )
    @app_commands.rename(everywhere=locale_str(to_say("everywhere")))
    @app_commands.describe(everywhere=locale_str(to_say("The choice for all servers, instead of this one's")))
    async def rollback(self, interaction: discord.Interaction, everywhere: bool = False) -> None:
        """One step back."""
        await interaction.response.defer(ephemeral=True, thinking=True)
        words = words_for(str(interaction.locale))
        here = interaction.guild_id or 0
        done = await self._parts.operation.models.roll_back(
            None if everywhere else here, actor_id=interaction.user.id, told_in=here
        )
        before = f"**{done.before.name}**" if done.before else ""
        if done.now is not None:
            said = words.say(
                "Back from {before} to {model}, from the next request on.",
                before=before,
                model=f"**{done.now.name}**",
            )
        elif everywhere:
            said = words.say("Back from {before} to the writing machine's own model.", before=before)
        else:
            said = words.say("Back from {before}: here answers what is chosen for everywhere.", before=before)
        await whisper(interaction, said)

    @model.command(
        name=locale_str(to_say("compare")),
        description=locale_str(to_say("The same prompt on two models, without their names")),
    )
    @app_commands.rename(
        prompt=locale_str(to_say("prompt")),
        one=locale_str(to_say("one")),
        other=locale_str(to_say("other")),
        language=locale_str(to_say("language")),
    )
    @app_commands.describe(
        prompt=locale_str(to_say("What both are to write")),
        one=locale_str(to_say("A model")),
        other=locale_str(to_say("Another model; left out, the one in use")),
        language=locale_str(to_say("In which language; left out, yours")),
    )
    async def compare(
        self,
        interaction: discord.Interaction,
        prompt: app_commands.Range[str, 1, 1500],
        one: str,
        other: str | None = None,
        language: str | None = None,
    ) -> None:
        """Show both answers, and ask which is better."""
        await interaction.response.defer(ephemeral=True, thinking=True)
        words = words_for(str(interaction.locale))
        operation = self._parts.operation
        other = other or await operation.models.in_use(interaction.guild_id) or ""
        if one == other:
            await whisper(interaction, words.say("Those are the same model. Name two that differ."))
            return
        spoken = language_for_locale(str(interaction.locale))
        code = language if language in LANGUAGES else spoken.code if spoken else "en"
        contest = Contest(interaction.guild_id or 0, interaction.user.id, str(code), prompt)
        first, second = await operation.models.find(one), await operation.models.find(other)
        row = await operation.comparisons.compare(contest, first.choice, second.choice)
        view = ui.View(timeout=None)
        for preference, label, emoji in (
            (Preference.A, words.say("A is better"), "🅰️"),
            (Preference.B, words.say("B is better"), "🅱️"),
            (Preference.NEITHER, words.say("Neither"), None),
        ):
            press = Press(PANEL, "choose", f"{row.id}.{preference.value}")
            view.add_item(AdminButton(press, label=label, emoji=emoji))
        await interaction.followup.send(
            embeds=_answers(words, row, told=False), view=view, ephemeral=True, allowed_mentions=NOBODY
        )

    @activate.autocomplete("name")
    @compare.autocomplete("one")
    @compare.autocomplete("other")
    @for_operators
    async def _models(self, interaction: discord.Interaction, typed: str) -> list[app_commands.Choice[str]]:
        async def offered() -> list[tuple[str, str]]:
            return [(model.name, model.name) for model in await self._parts.operation.models.known()]

        return await suggested(typed, offered)

    @compare.autocomplete("language")
    @for_operators
    async def _languages(
        self, interaction: discord.Interaction, typed: str
    ) -> list[app_commands.Choice[str]]:
        words = words_for(str(interaction.locale))

        async def offered() -> list[tuple[str, str]]:
            return [(words.language_name(language), code) for code, language in LANGUAGES.items()]

        return await suggested(typed, offered)

    async def model_pressed(self, interaction: discord.Interaction, press: Press) -> None:
        """A choice between two answers."""
        await require_operator(interaction)
        await interaction.response.defer()
        words = words_for(str(interaction.locale))
        number, _, choice = press.argument.partition(".")
        row = await self._parts.operation.comparisons.choose(int(number), Preference(choice))
        await interaction.edit_original_response(
            embeds=_answers(words, row, told=True), view=None, allowed_mentions=NOBODY
        )


def _line(words: Words, model: KnownModel, guild_id: int | None, in_use: str | None) -> str:
    signs = "🏠" if model.name == in_use else ""
    signs += "🌍" if None in model.where else ""
    signs += "" if model.served else "💤"
    facts = []
    figures = model.figures
    if figures is not None and figures.held_out_loss is not None:
        facts.append(words.say("held-out loss {loss}", loss=words.number(round(figures.held_out_loss, 3))))
    if figures is not None and figures.language_match is not None:
        share = percent(words, figures.language_match)
        facts.append(words.say("{share} in the right language", share=share))
    others = sum(where not in (None, guild_id) for where in model.where)
    if others:
        facts.append(words.plural("chosen by {n} other server", "chosen by {n} other servers", others))
    if model.own:
        facts.append(words.say("answers where nothing is chosen"))
    name = f"{signs} **{escape_markdown(model.name)}**".strip()
    return f"{name}\n-# {' · '.join(facts)}" if facts else name


def _answers(words: Words, row: ModelComparison, *, told: bool) -> list[discord.Embed]:
    """Both answers; with `told`, whose they are."""
    better = {Preference.A: row.model_a, Preference.B: row.model_b}.get(
        Preference(row.choice) if row.choice else Preference.NEITHER
    )
    embeds = []
    for letter, answer, model in (("A", row.answer_a, row.model_a), ("B", row.answer_b, row.model_b)):
        title = f"{letter}: {model}" if told else letter
        if told and model == better:
            title += " 🏆"
        text = shorten(for_message(answer), _ANSWER) or words.say("It had nothing to say to that.")
        embeds.append(discord.Embed(title=title, description=text, colour=DONE if told else INFORMATION))
    embeds[0].set_author(name=shorten(row.prompt, 200))
    return embeds
