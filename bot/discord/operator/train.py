"""`/admin train`: begin a training run, see how it goes, stop it, read its report."""

from __future__ import annotations

from typing import TYPE_CHECKING

import discord
from discord import app_commands
from discord.app_commands import locale_str
from discord.ext import commands
from discord.utils import escape_markdown, format_dt

from bot.database.tables import RunStatus, TrainingRun
from bot.discord.admin.controls import Press
from bot.discord.operator.access import OperatorGroup, for_operators, require_operator
from bot.discord.operator.reports import worst_buttons, worst_embed
from bot.discord.operator.run_status import begin_button, proposal_text, status_embed
from bot.discord.operator.suggestions import suggested
from bot.discord.replies import NOBODY, whisper
from bot.operation.errors import NoSuchRun
from bot.operation.evaluation import ResultFiles
from bot.operation.runs import UNDER_WAY, Wish
from bot.trainer import TrainerError
from bot.words import Words, to_say, words_for
from model.languages import LANGUAGES

if TYPE_CHECKING:
    from bot.discord.client import Parts

_SIGNS = {
    RunStatus.CONFIRMED: "⏳",
    RunStatus.RUNNING: "🏋️",
    RunStatus.SUCCEEDED: "✅",
    RunStatus.FAILED: "❌",
    RunStatus.CANCELLED: "⏹️",
}


class TrainCommands(commands.Cog):
    """A part of `OperatorCog`: training runs."""

    _parts: Parts

    train = OperatorGroup(
        name=locale_str(to_say("train")),
        description=locale_str(to_say("Train the model, and see how it goes")),
    )

    @train.command(name=locale_str(to_say("start")), description=locale_str(to_say("Begin a training run")))
    @app_commands.rename(
        recipe=locale_str(to_say("recipe")),
        dataset=locale_str(to_say("dataset")),
        rated=locale_str(to_say("rated")),
        begin_with=locale_str(to_say("begin_with")),
        name=locale_str(to_say("name")),
        languages=locale_str(to_say("languages")),
        samples=locale_str(to_say("samples")),
    )
    @app_commands.describe(
        recipe=locale_str(to_say("What is trained, and how")),
        dataset=locale_str(to_say("What it is trained on; left out, the chats that come with me")),
        rated=locale_str(to_say("A file of rated answers: then liked ones are moved towards (KTO)")),
        begin_with=locale_str(to_say("The adapter that KTO moves; left out, the one in use")),
        name=locale_str(to_say("What the new adapter is to be called; a number is added")),
        languages=locale_str(to_say("Codes of the only languages to train and examine, such as: en de")),
        samples=locale_str(to_say("How many answers to each question are examined; left out, six")),
    )
    async def start(
        self,
        interaction: discord.Interaction,
        recipe: str,
        dataset: str = "shipped",
        rated: str | None = None,
        begin_with: str | None = None,
        name: app_commands.Range[str, 1, 40] | None = None,
        languages: app_commands.Range[str, 2, 200] | None = None,
        samples: app_commands.Range[int, 1, 20] | None = None,
    ) -> None:
        """Say what a run would take, with a button that begins it."""
        await interaction.response.defer(ephemeral=True, thinking=True)
        operation = self._parts.operation
        codes = tuple((languages or "").replace(",", " ").lower().split())
        if unknown := [code for code in codes if code not in LANGUAGES]:
            words = words_for(str(interaction.locale))
            codes_known = ", ".join(LANGUAGES)
            await whisper(
                interaction,
                words.say(
                    "I do not know the languages {unknown}. The codes are: {known}",
                    unknown=escape_markdown(", ".join(unknown)),
                    known=codes_known,
                ),
            )
            return
        in_use = await operation.models.in_use(interaction.guild_id)
        run = await operation.runs.propose(
            Wish(
                guild_id=interaction.guild_id or 0,
                channel_id=interaction.channel_id or 0,
                operator_id=interaction.user.id,
                locale=str(interaction.locale),
                recipe=recipe,
                dataset=dataset,
                rated_file=rated,
                start_adapter=begin_with,
                name=name,
                in_use=in_use,
                languages=codes,
                samples=samples,
            )
        )
        words = words_for(str(interaction.locale))
        await interaction.followup.send(
            proposal_text(words, run),
            view=begin_button(words, run),
            ephemeral=True,
            allowed_mentions=NOBODY,
        )

    @start.autocomplete("recipe")
    @for_operators
    async def _recipes(self, interaction: discord.Interaction, typed: str) -> list[app_commands.Choice[str]]:
        words = words_for(str(interaction.locale))

        async def offered() -> list[tuple[str, str]]:
            recipes = await self._parts.operation.trainer.recipes()
            return [(_recipe_label(words, r.id, r.description, r.runnable), r.id) for r in recipes]

        return await suggested(typed, offered)

    @start.autocomplete("dataset")
    @for_operators
    async def _datasets(self, interaction: discord.Interaction, typed: str) -> list[app_commands.Choice[str]]:
        return await suggested(typed, lambda: self._offered_data(interaction, "chats"))

    @start.autocomplete("rated")
    @for_operators
    async def _rated(self, interaction: discord.Interaction, typed: str) -> list[app_commands.Choice[str]]:
        return await suggested(typed, lambda: self._offered_data(interaction, "rated"))

    @start.autocomplete("begin_with")
    @for_operators
    async def _adapters(self, interaction: discord.Interaction, typed: str) -> list[app_commands.Choice[str]]:
        async def offered() -> list[tuple[str, str]]:
            return [(a.id, a.id) for a in await self._parts.operation.trainer.adapters()]

        return await suggested(typed, offered)

    async def _offered_data(self, interaction: discord.Interaction, kind: str) -> list[tuple[str, str]]:
        words = words_for(str(interaction.locale))
        found = await self._parts.operation.trainer.datasets()
        return [
            (each.name + " · " + words.plural("{n} row", "{n} rows", each.rows), each.id)
            for each in found
            if each.kind == kind
        ]

    @train.command(
        name=locale_str(to_say("status")), description=locale_str(to_say("How a training run is going"))
    )
    @app_commands.rename(run=locale_str(to_say("run")))
    @app_commands.describe(run=locale_str(to_say("Left out, the newest one")))
    async def status(self, interaction: discord.Interaction, run: int | None = None) -> None:
        """How far a run is, seen by the operator alone, with the link to its message."""
        await interaction.response.defer(ephemeral=True, thinking=True)
        words = words_for(str(interaction.locale))
        row = await self._run(run)
        trouble: TrainerError | None = None
        if row.status in UNDER_WAY:
            try:
                row, _ = await self._parts.operation.runs.follow(row)
            except TrainerError as error:
                trouble = error
        link = _link(row)
        await interaction.followup.send(
            content=words.say("It is shown here: {link}", link=link) if link else "",
            embed=status_embed(words, row, trouble),
            ephemeral=True,
            allowed_mentions=NOBODY,
        )

    @train.command(name=locale_str(to_say("cancel")), description=locale_str(to_say("Stop a training run")))
    @app_commands.rename(run=locale_str(to_say("run")))
    @app_commands.describe(run=locale_str(to_say("Left out, the newest one")))
    async def cancel(self, interaction: discord.Interaction, run: int | None = None) -> None:
        """Stop a run."""
        await interaction.response.defer(ephemeral=True, thinking=True)
        await self._cancel(interaction, (await self._run(run)).id)

    @train.command(
        name=locale_str(to_say("list")), description=locale_str(to_say("The newest training runs"))
    )
    async def list_runs(self, interaction: discord.Interaction) -> None:
        """The newest runs, a line each."""
        await interaction.response.defer(ephemeral=True, thinking=True)
        words = words_for(str(interaction.locale))
        runs = await self._parts.operation.runs.newest()
        if not runs:
            await whisper(
                interaction, words.say("Nothing has been trained yet. **/admin train start** begins a run.")
            )
            return
        await whisper(interaction, "\n".join(_line(words, run) for run in runs))

    @train.command(
        name=locale_str(to_say("report")),
        description=locale_str(to_say("What came out of a training run, beside the adapter in use")),
    )
    @app_commands.rename(run=locale_str(to_say("run")))
    @app_commands.describe(run=locale_str(to_say("Left out, the newest one")))
    async def report(self, interaction: discord.Interaction, run: int | None = None) -> None:
        """The report of a run, again."""
        await interaction.response.defer(ephemeral=True, thinking=True)
        words = words_for(str(interaction.locale))
        post = await self._parts.watch.report(await self._run(run), str(interaction.locale))
        if post is None:
            await whisper(
                interaction,
                words.say(
                    "That run has no report: it is not over, or was not evaluated. **/admin train status** says which."
                ),
            )
            return
        embeds, view, files = post
        await interaction.followup.send(
            embeds=embeds, view=view, files=files, ephemeral=True, allowed_mentions=NOBODY
        )

    @status.autocomplete("run")
    @cancel.autocomplete("run")
    @report.autocomplete("run")
    @for_operators
    async def _runs(self, interaction: discord.Interaction, typed: str) -> list[app_commands.Choice[int]]:
        async def offered() -> list[tuple[str, int]]:
            runs = await self._parts.operation.runs.newest(25)
            return [(f"{run.id}: {run.name}", run.id) for run in runs]

        return await suggested(str(typed), offered)

    async def _run(self, number: int | None) -> TrainingRun:
        runs = self._parts.operation.runs
        if number is not None:
            return await runs.get(number)
        newest = await runs.newest(1)
        if not newest:
            raise NoSuchRun
        return newest[0]

    async def train_pressed(self, interaction: discord.Interaction, press: Press) -> None:
        """A button under a proposal, a status or a report."""
        await require_operator(interaction)
        number, _, place = press.argument.partition(".")
        if press.action == "worst":
            await self._show_worst(interaction, int(number), int(place or 0))
            return
        await interaction.response.defer(ephemeral=True, thinking=True)
        if press.action == "begin":
            await self._begin(interaction, int(number))
        elif press.action == "cancel":
            await self._cancel(interaction, int(number))
        elif press.action in ("usehere", "useall"):
            await self._use(interaction, int(number), everywhere=press.action == "useall")

    async def _begin(self, interaction: discord.Interaction, run_id: int) -> None:
        words = words_for(str(interaction.locale))
        run = await self._parts.operation.runs.confirm(run_id, interaction.user.id)
        if run is None:
            await whisper(interaction, words.say("This run was begun already."))
            return
        shown = await self._parts.watch.show(run)
        link = _link(shown)
        if link is None:
            await whisper(
                interaction,
                words.say(
                    "The run begins, but I cannot write in this channel. **/admin train status** says how it goes."
                ),
            )
            return
        await whisper(interaction, words.say("The run begins. It is shown here: {link}", link=link))

    async def _cancel(self, interaction: discord.Interaction, run_id: int) -> None:
        words = words_for(str(interaction.locale))
        run = await self._parts.operation.runs.cancel(run_id, interaction.user.id)
        self._parts.watch.wake()
        if run.status == RunStatus.CANCELLED:
            await whisper(interaction, words.say("Training run {name} is stopped.", name=run.name))
        else:
            await whisper(interaction, words.say("Training run {name} is being stopped.", name=run.name))

    async def _use(self, interaction: discord.Interaction, run_id: int, *, everywhere: bool) -> None:
        run = await self._parts.operation.runs.get(run_id)
        await self.use_model(interaction, run.adapter or run.name, everywhere=everywhere, force=False)

    async def use_model(
        self, interaction: discord.Interaction, name: str, *, everywhere: bool, force: bool
    ) -> None:
        """Have a model answer from now on, and say so; `ModelCommands` has it."""
        raise NotImplementedError

    async def _show_worst(self, interaction: discord.Interaction, run_id: int, place: int) -> None:
        """One of the worst answers; paging edits the message that the first press made."""
        paging = (
            interaction.message is not None
            and interaction.message.flags.ephemeral
            and bool(interaction.message.embeds and interaction.message.embeds[0].fields)
        )
        if paging:
            await interaction.response.defer()
        else:
            await interaction.response.defer(ephemeral=True, thinking=True)
        words = words_for(str(interaction.locale))
        run = await self._parts.operation.runs.get(run_id)
        results = await ResultFiles.of_job(self._parts.operation.trainer, run.job_id or "")
        answers = await results.worst()
        if not answers:
            await whisper(interaction, words.say("The worst answers of this run are not kept any more."))
            return
        place = min(max(0, place), len(answers) - 1)
        embed, view = worst_embed(words, run, answers, place), worst_buttons(run, place, len(answers))
        await interaction.edit_original_response(embed=embed, view=view, allowed_mentions=NOBODY)


def _recipe_label(words: Words, name: str, description: str, runnable: bool) -> str:
    label = f"{name} · {description}" if description else name
    return label if runnable else words.say("{recipe} (not on that machine)", recipe=name)


def _line(words: Words, run: TrainingRun) -> str:
    link = _link(run)
    when = format_dt(run.created_at, "R")
    name, recipe = words.inside(run.name), words.inside(run.recipe)
    line = f"{_SIGNS.get(run.status, '·')} {words.number(run.id)}: **{name}** · {recipe} · {when}"
    return words.line(f"{line} · {link}" if link else line)


def _link(run: TrainingRun) -> str | None:
    if run.message_id is None:
        return None
    return f"https://discord.com/channels/{run.guild_id}/{run.channel_id}/{run.message_id}"
