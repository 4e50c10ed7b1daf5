"""What Prometheus is told: the whole bot on a simulated Discord, asked over real HTTP."""

from __future__ import annotations

import re

import aiohttp
import pytest

from bot.application import Foundation, telling_metrics
from bot.database.connection import Database
from bot.database.tables import PauseMode
from bot.errors import SettingsError
from bot.metrics.prometheus import PrometheusEvents
from bot.metrics.server import serving_metrics
from bot.queue.repository import JobQueue
from bot.settings import Settings
from model.engine.fake import FakeEngine
from tests.bot.rows import LIMITS
from tests.bot.world import World, open_world

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

GERMAN = "Es war einmal ein Drache, der in einer tiefen Höhle unter dem Berg wohnte und niemals herauskam. "


class Told:
    """The samples of an exposition."""

    def __init__(self, text: str) -> None:
        self.text = text

    def value(self, series: str) -> float | None:
        found = re.search(rf"^{re.escape(series)} (\S+)$", self.text, re.MULTILINE)
        return float(found[1]) if found else None


def settings(**values: object) -> Settings:
    return Settings(_env_file=None, **values)  # type: ignore[arg-type, call-arg]


async def ask(url: str, token: str | None = None) -> tuple[int, Told]:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with aiohttp.ClientSession() as session, session.get(f"{url}/metrics", headers=headers) as answer:
        return answer.status, Told(await answer.text())


def foundation(world: World, database: Database, events: PrometheusEvents, chosen: Settings) -> Foundation:
    parts = world.bot.parts
    operation = parts.operation
    return Foundation(
        chosen,
        database,
        operation.worker,
        parts.canon,
        None,  # type: ignore[arg-type] -- neither its clients nor a trainer are asked here
        events=events,
    )


async def test_what_happens_is_counted_and_timed(database: Database) -> None:
    events = PrometheusEvents()
    engine = FakeEngine(replies=[GERMAN * 3, "The dragon slept.\n\n>>> heron\n>>> en", "Two.", "Three."])
    async with open_world(database, engine, events=events) as world:
        thread = await world.start_story(
            "Once upon a time a dragon lived in a deep cave.", language="English"
        )
        await world.answered(thread)
        chosen = settings(metrics_port=0)
        async with telling_metrics(foundation(world, database, events, chosen), world.bot) as url:
            assert url is not None
            assert url.startswith("http://127.0.0.1:")
            status, told = await ask(url)
            assert status == 200
            assert told.value('fanfabler_bot_answers_total{outcome="complete"}') == 1
            assert told.value('fanfabler_bot_wrong_language_total{fate="anew"}') == 1
            assert told.value("fanfabler_bot_time_to_first_text_seconds_count") == 1
            assert told.value("fanfabler_bot_queue_wait_seconds_count") == 1
            assert told.value("fanfabler_bot_answer_seconds_count") == 1
            assert (told.value("fanfabler_bot_answer_seconds_sum") or 0) > (
                told.value("fanfabler_bot_queue_wait_seconds_sum") or 0
            )
            assert sum(
                told.value(f'fanfabler_bot_lookups_total{{result="{result}"}}') or 0
                for result in ("found", "nothing", "away")
            )
            assert told.value("fanfabler_bot_queue_limit") == 500
            assert told.value("fanfabler_bot_discord_ready") == 1
            await world.bot.parts.steering.hold(None, PauseMode.PAUSE, log_guild=1, actor_id=1)
            await world.members[0].send(world.handle(thread), "and then?")
            await world.env.settle()
            _, told = await ask(url)
            assert told.value("fanfabler_bot_queue_waiting") == 1
            assert (told.value("fanfabler_bot_queue_oldest_seconds") or 0) > 0
            assert not re.search(r"Ada|dragon|\d{17}", told.text), "nothing of anybody's is in it"


async def test_what_is_stopped_while_it_waits_is_counted_once_it_is(database: Database) -> None:
    events = PrometheusEvents()
    async with open_world(database, FakeEngine(), events=events) as world:
        parts, guild = world.bot.parts, world.channel.guild
        assert guild is not None
        await parts.steering.hold(None, PauseMode.PAUSE, log_guild=guild.id, actor_id=1)
        for prompt in ("a heron", "a mill", "a bridge"):
            await world.start_story(prompt)
        first, second, third = (await parts.steering.view(guild.id)).waiting

        def cancelled() -> float:
            counted = events.registry.get_sample_value(
                "fanfabler_bot_answers_total", {"outcome": "cancelled"}
            )
            return counted or 0.0

        await parts.steering.cancel(first.job_id, guild.id, log_guild=guild.id, actor_id=1)
        await parts.conversations.stop(second.answer_id)
        await parts.conversations.stop(second.answer_id)
        assert cancelled() == 2

        class Broken(Exception):
            pass

        with pytest.raises(Broken):
            async with database.transaction() as session:
                await JobQueue(session, LIMITS, events).request_cancel(third.answer_id)
                raise Broken
        assert cancelled() == 2, "what did not happen is not counted"
        await parts.conversations.close(third.thread_id)
        assert cancelled() == 3


async def test_discords_answers_are_counted_by_status_and_limit(database: Database) -> None:
    events = PrometheusEvents()
    events.discord_answered("PATCH", 200, None)
    events.discord_answered("PATCH", 429, "shared")
    events.discord_answered("SPELL", 429, "made up")
    async with open_world(database, FakeEngine(), events=events) as world:
        chosen = settings(metrics_port=0)
        async with telling_metrics(foundation(world, database, events, chosen), world.bot) as url:
            assert url is not None
            _, told = await ask(url)
    assert told.value('fanfabler_bot_discord_requests_total{method="PATCH",status="429"}') == 1
    assert told.value('fanfabler_bot_discord_requests_total{method="other",status="429"}') == 1
    assert told.value('fanfabler_bot_discord_rate_limited_total{scope="shared"}') == 1
    assert told.value('fanfabler_bot_discord_rate_limited_total{scope="other"}') == 1


class Fixed:
    async def text(self, accept: str) -> tuple[bytes, str]:
        return b"fixed 1\n", "text/plain"


async def test_others_need_a_token_and_without_one_it_does_not_start(database: Database) -> None:
    with pytest.raises(SettingsError, match="METRICS_TOKEN"):
        async with serving_metrics(Fixed(), host="0.0.0.0", port=0):
            pass
    async with serving_metrics(Fixed(), host="127.0.0.1", port=0, token="secret") as url:
        assert (await ask(url))[0] == 401
        assert (await ask(url, "wrong"))[0] == 401
        status, told = await ask(url, "secret")
        assert (status, told.value("fixed")) == (200, 1)
        port = int(url.rpartition(":")[2])
        with pytest.raises(SettingsError, match="METRICS_PORT"):
            async with serving_metrics(Fixed(), host="127.0.0.1", port=port):
                pass


async def test_a_database_that_is_away_is_said(database: Database) -> None:
    class Away:
        async def text(self, accept: str) -> tuple[bytes, str]:
            raise OSError("refused")

    async with serving_metrics(Away(), host="127.0.0.1", port=0) as url:
        assert (await ask(url))[0] == 503
