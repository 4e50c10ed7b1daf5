"""`/story regenerate`, `continue`, `stop`, `undo`, `branch`, `language` and `close`: what the buttons do, and what they
cannot, by command in a story's thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

import discord
from discord import app_commands
from discord.app_commands import locale_str
from discord.ext import commands

from bot.conversations.branches import TakenBack
from bot.conversations.errors import NoStoryHere, NotAnAnswer
from bot.conversations.lifecycle import Story
from bot.conversations.tree import Branched
from bot.database.tables import JobStatus
from bot.discord.controls import reopen_button
from bot.discord.notices import branch_notice, mark, show_branch, show_taken_back, undo_notice
from bot.discord.places import role_ids
from bot.discord.presses import require_writer
from bot.discord.replies import NOBODY, deferred, whisper
from bot.discord.story.languages import language_choices, named_language
from bot.text.safety import for_title
from bot.words import to_say, words_for, words_in
from model.languages import LANGUAGES

if TYPE_CHECKING:
    from bot.discord.client import FanFabler, Parts

# What Discord shows of a choice.
_CHOICE_LIMIT = 100
_CHOSEN = "answer:"


class SteerCommands(commands.Cog):
    """A part of `StoryCog`: where a story goes."""

    _client: FanFabler
    _parts: Parts

    @app_commands.command(
        name=locale_str(to_say("regenerate")),
        description=locale_str(
            to_say("Have the last answer written anew; the older one stays to page back to")
        ),
    )
    async def regenerate(self, interaction: discord.Interaction) -> None:
        """Another last answer."""
        await self._ask_for_more(interaction, anew=True)

    @app_commands.command(
        name=locale_str(to_say("continue")),
        description=locale_str(to_say("Have the last answer go on where it stopped")),
    )
    async def go_on(self, interaction: discord.Interaction) -> None:
        """More of the last answer."""
        await self._ask_for_more(interaction, anew=False)

    async def _ask_for_more(self, interaction: discord.Interaction, *, anew: bool) -> None:
        await interaction.response.defer(ephemeral=True, thinking=True)
        thread_id = await self._steered(interaction)
        conversations = self._parts.conversations
        ask = conversations.answer_last if anew else conversations.go_on_last
        await ask(thread_id, interaction.user.id, str(interaction.locale), role_ids(interaction.user))
        await whisper(interaction, words_for(str(interaction.locale)).say("✍️ I am at it."))

    @app_commands.command(
        name=locale_str(to_say("stop")),
        description=locale_str(to_say("Stop the answer that is being written or waits")),
    )
    async def stop(self, interaction: discord.Interaction) -> None:
        """Stop the pending answer."""
        await interaction.response.defer(ephemeral=True, thinking=True)
        thread_id = await self._steered(interaction)
        words = words_for(str(interaction.locale))
        answer_id = await self._parts.conversations.pending_answer(thread_id)
        if answer_id is None:
            await whisper(
                interaction,
                words.say("I am not writing anything here just now, so there is nothing to stop."),
            )
            return
        self._parts.dispatcher.stop(answer_id)
        job = await self._parts.conversations.stop(answer_id)
        if job is None or job.status == JobStatus.CANCELLED:
            await self._parts.dispatcher.show_again(answer_id)
        await whisper(interaction, words.say("⏹️ Stopped."))

    @app_commands.command(
        name=locale_str(to_say("undo")),
        description=locale_str(to_say("Take back the last message and its answer")),
    )
    async def undo(self, interaction: discord.Interaction) -> None:
        """Take the last exchange back, for all to see."""
        taken = await deferred(interaction, self._undo(interaction), ephemeral=False)
        words = words_for(str(interaction.locale))
        notice = undo_notice(words, interaction.user.display_name, taken.beginning)
        await interaction.edit_original_response(content=notice, allowed_mentions=NOBODY)
        await show_taken_back(self._parts, taken.answers, taken.empty)
        await mark(self._client, interaction.channel_id or 0, taken.members, taken_back=True)

    async def _undo(self, interaction: discord.Interaction) -> TakenBack:
        return await self._parts.conversations.undo(await self._steered(interaction))

    @app_commands.command(
        name=locale_str(to_say("branch")),
        description=locale_str(to_say("Go on from an older answer; what came after it is kept")),
    )
    @app_commands.rename(answer=locale_str(to_say("answer")))
    @app_commands.describe(answer=locale_str(to_say("How it begins, or its number in the thread")))
    async def branch(self, interaction: discord.Interaction, answer: str) -> None:
        """Move the story to an older answer, for all to see."""
        branched = await deferred(interaction, self._branch(interaction, answer), ephemeral=False)
        notice = branch_notice(words_for(str(interaction.locale)), branched)
        await interaction.edit_original_response(content=notice, allowed_mentions=NOBODY)
        await show_branch(self._client, self._parts, branched)

    async def _branch(self, interaction: discord.Interaction, answer: str) -> Branched:
        thread_id = await self._steered(interaction)
        chosen = answer.removeprefix(_CHOSEN)
        if answer.startswith(_CHOSEN) and chosen.isdecimal():
            return await self._parts.conversations.branch(int(chosen), thread_id)
        found = await self._parts.conversations.answers(thread_id, answer, limit=1)
        if not found:
            raise NotAnAnswer
        return await self._parts.conversations.branch(found[0].answer_id, thread_id)

    @branch.autocomplete("answer")
    async def _answers(
        self, interaction: discord.Interaction, current: str
    ) -> list[app_commands.Choice[str]]:
        """The answers of the thread, the newest first."""
        places = await self._parts.conversations.answers(interaction.channel_id or 0, current)
        return [
            app_commands.Choice(
                name=for_title(f"{place.number} · {place.beginning}", _CHOICE_LIMIT),
                value=f"{_CHOSEN}{place.answer_id}",
            )
            for place in places
            if not place.current
        ]

    @app_commands.command(
        name=locale_str(to_say("language")),
        description=locale_str(to_say("See or set the language that this story is written in")),
    )
    @app_commands.rename(code=locale_str(to_say("language")))
    @app_commands.describe(code=locale_str(to_say("Its name or code; without one I say which it is")))
    async def language(self, interaction: discord.Interaction, code: str | None = None) -> None:
        """Say which language the story is in, or set it, in that language and for all to see."""
        if code is None:
            await interaction.response.defer(ephemeral=True, thinking=True)
            story = await self._parts.conversations.story_in(interaction.channel_id or 0)
            name = LANGUAGES[story.language].own_name
            words = words_for(str(interaction.locale))
            await whisper(interaction, words.say("This story is written in {language}.", language=name))
            return
        language = named_language(code, words_for(str(interaction.locale)))
        await deferred(interaction, self._set_language(interaction, language.code), ephemeral=False)
        text = words_in(language.code).say(
            "From the next answer on, I write in {language} here.", language=language.own_name
        )
        await interaction.edit_original_response(content=text, allowed_mentions=NOBODY)

    async def _set_language(self, interaction: discord.Interaction, code: str) -> Story:
        return await self._parts.conversations.set_language(await self._steered(interaction), code)

    @language.autocomplete("code")
    async def _codes(self, interaction: discord.Interaction, current: str) -> list[app_commands.Choice[str]]:
        return language_choices(current, words_for(str(interaction.locale)))

    @app_commands.command(
        name=locale_str(to_say("close")),
        description=locale_str(to_say("End the story: I answer no more in this thread")),
    )
    async def close(self, interaction: discord.Interaction) -> None:
        """Close the story, say how to open it again, and put its thread away."""
        story = await deferred(interaction, self._close(interaction), ephemeral=False)
        words = words_for(str(interaction.locale))
        text = words.say(
            "📕 This story is closed; I answer no more here. To go on with it, write a word, which wakes the thread, "
            "and press «Open again». **/story start** begins another one."
        )
        await interaction.edit_original_response(
            content=text, view=reopen_button(story.conversation_id, words), allowed_mentions=NOBODY
        )
        await self._parts.stage.archive(story.thread_id or 0)

    async def _close(self, interaction: discord.Interaction) -> Story:
        return await self._parts.conversations.close(await self._steered(interaction))

    async def _steered(self, interaction: discord.Interaction) -> int:
        """The thread of the story, where this member may steer it.

        Raises:
            NoStoryHere, StoryClosed, NotAllowed: they may not.
        """
        if interaction.channel_id is None:
            raise NoStoryHere
        await self._parts.conversations.story_in(interaction.channel_id)
        require_writer(interaction, await self._parts.conversations.writers_in(interaction.channel_id))
        return interaction.channel_id
