"""Training runs as people see them: one message a run, edited in place as it goes on, and the report at its end. And
what else the operator's side does by itself: models that the worker lost are loaded again, the trainer forgets who
left.

All of it is in the database, so that a bot that is restarted goes on with the same messages.
"""

from __future__ import annotations

import asyncio
import io
import json
import logging
import time
from dataclasses import dataclass, field

import discord
from discord.ext import commands

from bot.database.tables import RunStatus, TrainingRun
from bot.discord.errors import translated
from bot.discord.operator.reports import HEAT_MAP_NAME, report_buttons, report_embeds
from bot.discord.operator.run_status import CURVES_NAME, cancel_button, status_embed
from bot.discord.replies import NOBODY
from bot.errors import BotError, StageError, ThreadGone
from bot.operation.evaluation import HEAT_MAP, ResultFiles
from bot.operation.parts import Operation
from bot.operation.runs import UNDER_WAY
from bot.trainer import TrainerError, TrainingJob
from bot.words import words_for

log = logging.getLogger(__name__)

_PICTURE_EVERY = 20.0
_KEEP_EVERY = 15.0


@dataclass
class _Shown:
    """What the message of a run shows, as far as this process knows."""

    text: str = ""
    pictured_step: int | None = None
    pictured_at: float = field(default_factory=lambda: -_PICTURE_EVERY)
    attachments: list[discord.Attachment] = field(default_factory=list)
    gone: bool = False


class RunWatch(commands.Cog):
    """Follows the runs; `pace` is how many seconds pass between two edits of a message."""

    def __init__(self, client: discord.Client, operation: Operation, *, pace: float = 5.0) -> None:
        self._client = client
        self._operation = operation
        self._pace = pace
        self._shown: dict[int, _Shown] = {}
        self._showing: dict[int, asyncio.Lock] = {}
        self._woken = asyncio.Event()
        self._kept_at = -_KEEP_EVERY
        self._running: asyncio.Task[None] | None = None

    async def cog_load(self) -> None:
        """Begin."""
        self._running = asyncio.create_task(self._run(), name=type(self).__name__)

    async def cog_unload(self) -> None:
        """End."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)

    def wake(self) -> None:
        """There is something to look at."""
        self._woken.set()

    async def _run(self) -> None:
        await self._client.wait_until_ready()
        while True:
            self._woken.clear()
            for step in (self._look_at_runs, self._keep):
                try:
                    await step()
                except Exception:  # whatever it is: it is looked at again
                    log.exception("the watch over training runs stumbled; it goes on")
            try:
                async with asyncio.timeout(self._pace):
                    await self._woken.wait()
                await asyncio.sleep(min(1.0, self._pace))
            except TimeoutError:
                pass

    async def _look_at_runs(self) -> None:
        for run in await self._operation.runs.to_show():
            if self._client.get_guild(run.guild_id) is None:
                continue  # another process sees that server
            try:
                await self.show(run)
            except (BotError, discord.HTTPException, OSError) as error:
                log.warning("run %s could not be shown: %s", run.id, error)

    async def _keep(self) -> None:
        if time.monotonic() - self._kept_at < _KEEP_EVERY:
            return
        self._kept_at = time.monotonic()
        await self._operation.served.keep()
        await self._operation.uploads.settle()
        await self._operation.forgetting.carry_out()
        await self._operation.runs.forget_proposals()

    async def show(self, run: TrainingRun) -> TrainingRun:
        """Bring a run's message up to date with the trainer, and post its report once it is over."""
        async with self._showing.setdefault(run.id, asyncio.Lock()):
            run = await self._operation.runs.get(run.id)
            trouble: Exception | None = None
            job: TrainingJob | None = None
            try:
                run, job = await self._operation.runs.follow(run)
            except TrainerError as error:
                trouble = error
            await self._show_status(run, job, trouble)
            if trouble is None and run.status not in UNDER_WAY and not run.reported:
                await self._finish(run)
            return run

    async def _show_status(
        self, run: TrainingRun, job: TrainingJob | None, trouble: Exception | None
    ) -> None:
        words = words_for(run.locale)
        embed = status_embed(words, run, trouble)
        shown = self._shown.setdefault(run.id, _Shown())
        picture = await self._picture(run, job, shown)
        if picture is not None or shown.pictured_step is not None:
            embed.set_image(url=f"attachment://{CURVES_NAME}")
        text = json.dumps(embed.to_dict(), sort_keys=True)
        if (text == shown.text and picture is None) or shown.gone:
            return
        view = cancel_button(words, run)
        channel = self._client.get_partial_messageable(run.channel_id)
        try:
            if run.message_id is None:
                sent = await self._post(run, channel, embed, view, _curves(picture))
                shown.attachments = list(sent.attachments)
                current = any(each.description == embed.description for each in sent.embeds)
            else:
                current = False
            # One that was just sent can be older: that of an earlier process, which was killed before it noted it.
            if not current and run.message_id is not None:
                message = channel.get_partial_message(run.message_id)
                # The picture that is there is named again: the embed refers to it.
                kept: list[discord.Attachment | discord.File] = [*(_curves(picture) or shown.attachments)]
                with translated():
                    edited = await message.edit(
                        embed=embed, view=view, attachments=kept, allowed_mentions=NOBODY
                    )
                shown.attachments = list(edited.attachments)
        except ThreadGone as error:
            log.info("run %s cannot be shown in its channel any more: %s", run.id, error)
            shown.gone = True
        shown.text = text

    async def _post(
        self,
        run: TrainingRun,
        channel: discord.PartialMessageable,
        embed: discord.Embed,
        view: discord.ui.View | None,
        files: list[discord.File],
    ) -> discord.Message:
        """The nonce makes a message that is sent again after a crash the same one."""
        with translated():
            sent = await channel.send(
                embed=embed,
                view=view or discord.utils.MISSING,
                files=files,
                nonce=run.key,
                allowed_mentions=NOBODY,
            )
        await self._operation.runs.note_message(run.id, sent.id)
        run.message_id = sent.id
        return sent

    async def _picture(self, run: TrainingRun, job: TrainingJob | None, shown: _Shown) -> bytes | None:
        """The loss curves, where there is something new on them and it is time; at the end in any case."""
        progress = job.progress if job is not None else None
        step = progress.step if progress is not None else None
        over = run.status not in UNDER_WAY
        if job is None or (step is None and not over) or (step == shown.pictured_step and not over):
            return None
        if not over and time.monotonic() - shown.pictured_at < _PICTURE_EVERY:
            return None
        try:
            picture = await self._operation.trainer.curves(job.id)
        except TrainerError as error:
            log.info("no loss curves of run %s: %s", run.id, error)
            return None
        if picture is not None:
            shown.pictured_step, shown.pictured_at = step or 0, time.monotonic()
        return picture

    async def _finish(self, run: TrainingRun) -> None:
        """The last word about a run."""
        if run.status == RunStatus.SUCCEEDED and run.job_id is not None:
            channel = self._client.get_partial_messageable(run.channel_id)
            try:
                post = await self.report(run, run.locale)
                if post is not None:
                    embeds, view, files = post
                    with translated():
                        await channel.send(
                            embeds=embeds,
                            view=view,
                            files=files,
                            nonce=f"{run.key}r",
                            allowed_mentions=NOBODY,
                        )
            except ThreadGone:
                log.info("the report of run %s has no channel any more", run.id)
            except (TrainerError, StageError) as error:
                log.warning("the report of run %s is not posted yet: %s", run.id, error)
                return
        await self._operation.runs.note_reported(run.id)
        self._shown.pop(run.id, None)

    async def report(
        self, run: TrainingRun, locale: str | None
    ) -> tuple[list[discord.Embed], discord.ui.View, list[discord.File]] | None:
        """A run's report, as a message; None where it was not evaluated.

        Raises:
            TrainerError: it could not be fetched.
        """
        if run.job_id is None:
            return None
        results = await ResultFiles.of_job(self._operation.trainer, run.job_id)
        found = await results.evaluation()
        if found is None:
            return None
        words = words_for(locale)
        embeds = report_embeds(words, run, found, run.expected.get("compare_with"))
        heat_map = await results.content(HEAT_MAP)
        files = [discord.File(io.BytesIO(heat_map), HEAT_MAP_NAME)] if heat_map is not None else []
        if not files:
            embeds[-1].set_image(url=None)
        return embeds, report_buttons(words, run, worst=bool(await results.worst())), files


def _curves(picture: bytes | None) -> list[discord.File]:
    """The loss curves to be sent, where there are any."""
    return [discord.File(io.BytesIO(picture), CURVES_NAME)] if picture is not None else []
