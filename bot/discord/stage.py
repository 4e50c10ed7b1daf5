"""Showing answers in Discord's threads: opens the thread, sends and edits the messages of an answer, posts what a
look-up brought. Nothing said here ever pings anybody."""

from __future__ import annotations

import asyncio
import logging
import math
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import discord

from bot.answers.stage import Phase
from bot.answers.store import Work
from bot.conversations.errors import AlreadyAStory
from bot.conversations.lifecycle import same_title
from bot.conversations.repository import ConversationRepository
from bot.database.connection import Database
from bot.database.tables import CanonNote, Conversation, DeliveryKind
from bot.discord import errors
from bot.discord.canon_embed import canon_embed
from bot.discord.controls import controls
from bot.discord.errors import NoThreadsHere, translated
from bot.discord.places import age_restricted
from bot.discord.posts import DeliveryLog, Post, text_hash
from bot.errors import ThreadGone
from bot.text.length import utf16_units
from bot.text.safety import for_message, for_title
from bot.text.splitting import MESSAGE_LIMIT, split
from bot.words import words_for

log = logging.getLogger(__name__)

NOBODY = discord.AllowedMentions.none()
_RENAME_SECONDS = 10.0


class DiscordScene:
    """One answer's messages in its thread."""

    def __init__(
        self, client: discord.Client, log_: DeliveryLog, work: Work, channel_id: int, siblings: list[int]
    ) -> None:
        self._channel = client.get_partial_messageable(channel_id, guild_id=work.conversation.guild_id)
        self._client = client
        self._channel_id = channel_id
        self._deliveries = log_
        self._work = work
        self._words = words_for(work.job.locale)
        self._siblings = siblings
        self._posts: list[Post] | None = None

    @property
    def place(self) -> str:
        """The thread's id."""
        return str(self._channel_id)

    @property
    def age_restricted(self) -> bool:
        """Whether Discord lets only adults into the thread's channel, as far as the client knows it."""
        channel = self._client.get_channel(self._channel_id)
        return age_restricted(channel or self._client.get_channel(self._work.conversation.channel_id))

    def cost(self, text: str) -> int:
        """One for the last message that there is, which changes, and one for each that is new."""
        messages = math.ceil(utf16_units(text) / MESSAGE_LIMIT)
        return 1 + max(0, messages - max(1, len(self._posts or ())))

    async def prepare(self, text: str) -> None:
        """Look what was sent before, and write down what is about to be."""
        with translated():
            await self._posts_for(_parts(text, growing=True))

    async def show(self, text: str, phase: Phase) -> None:
        """Split the text, edit what changed, send what is new, delete what is too much."""
        parts = _parts(text, growing=phase is Phase.WRITING)
        with translated():
            posts = await self._posts_for(parts)
            for number, (post, part) in enumerate(zip(posts, parts, strict=False), 1):
                await self._put(post, part, phase if number == len(parts) else None)
            for post in reversed(posts[len(parts) :]):  # so that a kill in between leaves no gap
                await self._remove(post)
            del posts[len(parts) :]

    async def show_note(self, note: CanonNote) -> None:
        """Post the page as an embed, once."""
        with translated():
            kind = DeliveryKind.CANON
            posts = await self._deliveries.posts(note.message_id, kind)
            mine = next((post for post in posts if post.part == note.id), None)
            if mine is None:
                (mine,) = await self._deliveries.intend(
                    note.message_id, kind, self._channel_id, [(note.id, note.title)]
                )
            elif mine.discord_id is not None or await self._find_unconfirmed(mine, title=note.title):
                return
            sent = await self._channel.send(
                embed=canon_embed(note, self._words), nonce=mine.nonce, allowed_mentions=NOBODY
            )
            await self._deliveries.sent(mine, sent.id, note.title)

    async def typing(self) -> None:
        """Typing shows for ten seconds; that it failed matters to nobody."""
        with suppress(discord.HTTPException, OSError, TimeoutError):
            await self._channel.typing()

    async def _posts_for(self, parts: Sequence[str]) -> list[Post]:
        """At least as many posts as there are parts, those that were sent before in front."""
        answer_id = self._work.answer.id
        if self._posts is None:
            known, fresh = await self._deliveries.know_or_intend(answer_id, self._channel_id, parts)
            for post in known:
                post.doubtful = post.discord_id is None and not await self._find_unconfirmed(post)
            self._posts = known + fresh
        elif len(parts) > len(self._posts):
            more = list(enumerate(parts))[len(self._posts) :]
            self._posts += await self._deliveries.intend(answer_id, DeliveryKind.TEXT, self._channel_id, more)
        return self._posts

    async def _find_unconfirmed(self, post: Post, title: str | None = None) -> bool:
        """Look in the thread for a message that was sent by a process that died before it could note so."""
        hashed = await self._deliveries.look_again(post)
        if post.discord_id is not None:
            return True
        known = await self._deliveries.confirmed_in(self._channel_id)
        since = datetime.fromtimestamp(post.created, UTC) - timedelta(seconds=10)
        me = self._client.user.id if self._client.user else 0
        async for message in self._channel.history(limit=100, after=since, oldest_first=True):
            if message.author.id != me or message.id in known:
                continue
            same_text = text_hash(message.content) == hashed and title is None
            same_embed = title is not None and any(e.title and title in e.title for e in message.embeds)
            if same_text or same_embed or str(message.nonce) == post.nonce:
                await self._deliveries.sent(post, message.id, title or message.content)
                return True
        return False

    async def _put(self, post: Post, text: str, phase: Phase | None) -> None:
        """Make the message show this text; `phase` is None for all but the last message of an answer."""
        if post.shown == (text, phase):
            return
        view = self._view(phase)
        if post.discord_id is not None:
            try:
                await self._edit(post, text, view)
            except discord.NotFound as error:
                if error.code != errors.UNKNOWN_MESSAGE:
                    raise
                await self._deliveries.renew(post)
        if post.discord_id is None:
            sent = await self._channel.send(
                text, nonce=post.nonce, view=view or discord.utils.MISSING, allowed_mentions=NOBODY,
                suppress_embeds=True,
            )  # fmt: skip
            await self._deliveries.sent(post, sent.id, text)
            if post.doubtful and sent.content.strip() != text.strip():
                await self._edit(post, text, view)
            post.doubtful = False
        post.shown = (text, phase)

    async def _edit(self, post: Post, text: str, view: discord.ui.View | None) -> None:
        assert post.discord_id is not None  # noqa: S101 -- only confirmed posts are edited
        message = self._channel.get_partial_message(post.discord_id)
        try:
            await message.edit(content=text, view=view, allowed_mentions=NOBODY)
        except discord.HTTPException as error:
            if error.code != errors.ARCHIVED:
                raise
            # Sending wakes an archived thread; editing in it is refused, so it is woken first.
            await self._client.http.edit_channel(self._channel_id, archived=False)
            await message.edit(content=text, view=view, allowed_mentions=NOBODY)

    async def _remove(self, post: Post) -> None:
        await delete_post(self._channel, self._deliveries, post)

    def _view(self, phase: Phase | None) -> discord.ui.View | None:
        if phase is None:
            return None
        answer_id = self._work.answer.id
        siblings = self._siblings if answer_id in self._siblings else [answer_id]
        place = siblings.index(answer_id) + 1
        return controls(phase, answer_id, self._words, sibling=place, siblings=len(siblings))


class DiscordStage:
    """Finds or opens the thread of a conversation."""

    def __init__(self, client: discord.Client, database: Database) -> None:
        self._client = client
        self._database = database
        self._deliveries = DeliveryLog(database)
        self._opening: defaultdict[int, asyncio.Lock] = defaultdict(asyncio.Lock)

    def reaches(self, guild_id: int | None) -> bool:
        """Whether the client sees that server."""
        return guild_id is None or self._client.get_guild(guild_id) is not None

    def removed_by_us(self, discord_id: int) -> bool:
        """Whether it was this process that deleted the message that Discord says is gone; asked once a message."""
        return self._deliveries.removed_by_us(discord_id)

    async def rename(self, conversation: Conversation, title: str) -> str:
        """Give the thread this title, unless somebody has given it another meanwhile. Returns what it is called now.

        Raises:
            StageError: Discord did not take it. It lets a thread be renamed twice in ten minutes, and discord.py
                would wait out the rest of them.
        """
        with translated():
            thread_id = conversation.thread_id or 0
            thread = self._client.get_channel(thread_id) or await self._client.fetch_channel(thread_id)
            if not isinstance(thread, discord.Thread):
                raise ThreadGone(f"{thread_id} is no thread")
            if not same_title(thread.name, thread_title(conversation)):
                return thread.name
            async with asyncio.timeout(_RENAME_SECONDS):
                await thread.edit(name=title)
            return title

    async def wake(self, thread_id: int) -> None:
        """Take a thread out of the archive, where it is in it; best effort."""
        with suppress(discord.HTTPException):
            await self._client.http.edit_channel(thread_id, archived=False)

    async def archive(self, thread_id: int) -> None:
        """Put a thread that the bot opened into the archive; others are left to those who opened them. Best effort."""
        thread = self._client.get_channel(thread_id)
        me = self._client.user
        if isinstance(thread, discord.Thread) and me is not None and thread.owner_id == me.id:
            with suppress(discord.HTTPException):
                await thread.edit(archived=True)

    async def withdraw(self, answer_id: int) -> None:
        """Take down all of an answer's messages."""
        posts = await self._deliveries.posts(answer_id, DeliveryKind.TEXT)
        with translated():
            for post in reversed(posts):
                channel = self._client.get_partial_messageable(post.channel_id)
                await delete_post(channel, self._deliveries, post)

    async def open(self, work: Work) -> DiscordScene:
        """The answer's place in its thread."""
        await self._client.wait_until_ready()
        channel_id = work.conversation.thread_id
        if channel_id is None:
            with translated():
                channel_id = await self.open_thread(work.conversation.id)
        async with self._database.reading() as session:
            siblings = await ConversationRepository(session).siblings(work.answer)
        return DiscordScene(self._client, self._deliveries, work, channel_id, siblings)

    async def open_thread(self, conversation_id: int) -> int:
        """The id of the conversation's thread, opened now where it is not yet. Safe to call at the same time."""
        async with self._opening[conversation_id]:
            async with self._database.reading() as session:
                conversation = await ConversationRepository(session).get(conversation_id)
            if conversation.thread_id is None:
                thread_id = await self._create(conversation)
                async with self._database.transaction() as session:
                    row = await ConversationRepository(session).get(conversation_id)
                    row.thread_id = conversation.thread_id = thread_id
        self._opening.pop(conversation_id, None)
        return conversation.thread_id

    async def _create(self, conversation: Conversation) -> int:
        """Open the thread on Discord."""
        parent = self._client.get_channel(conversation.channel_id)
        parent = parent or await self._client.fetch_channel(conversation.channel_id)
        title = thread_title(conversation)
        if not isinstance(parent, discord.TextChannel) or (conversation.private and parent.is_news()):
            raise NoThreadsHere
        if conversation.private:
            thread = await parent.create_thread(
                name=title, type=discord.ChannelType.private_thread, invitable=False
            )
            await thread.add_user(discord.Object(conversation.opener_id))
            return thread.id
        if conversation.starter_message_id is None:
            public = (
                discord.ChannelType.news_thread if parent.is_news() else discord.ChannelType.public_thread
            )
            return (await parent.create_thread(name=title, type=public)).id
        starter = parent.get_partial_message(conversation.starter_message_id)
        try:
            return (await starter.create_thread(name=title)).id
        except discord.HTTPException as error:
            if error.code != errors.THREAD_EXISTS:
                raise
        # A thread has the id of the message it hangs on. It may be ours, from before a crash.
        if await self._held_by_another(conversation):
            raise AlreadyAStory
        return conversation.starter_message_id

    async def _held_by_another(self, conversation: Conversation) -> bool:
        async with self._database.reading() as session:
            holder = await ConversationRepository(session).by_thread(conversation.starter_message_id or 0)
        return holder is not None and holder.id != conversation.id


def _parts(text: str, *, growing: bool) -> list[str]:
    """A text as the messages that show it."""
    safe = for_message(text, growing=growing)
    return [part.text for part in split(safe, growing=growing)] or ["✍️ …"]


def thread_title(conversation: Conversation) -> str:
    """What a thread is called."""
    return for_title(conversation.title, 100) or "FanFabler"


async def delete_post(channel: discord.PartialMessageable, log_: DeliveryLog, post: Post) -> None:
    """Delete a message of ours, and know it for our doing when Discord tells of it."""
    if post.discord_id is not None:
        log_.removing(post.discord_id)
        with suppress(discord.NotFound):
            await channel.get_partial_message(post.discord_id).delete()
    await log_.forget(post)
