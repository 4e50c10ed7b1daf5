"""The trainer, asked over HTTP: OpenAI's files and fine-tuning API, with the few things more that ours says of its
recipes, datasets and adapters."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from bot.trainer import (
    Adapter,
    Dataset,
    Estimate,
    FileKind,
    Order,
    Progress,
    Recipe,
    Stored,
    TrainerError,
    TrainerLacks,
    TrainerNotSet,
    TrainerRefused,
    TrainerUnreachable,
    TrainingJob,
)

if TYPE_CHECKING:
    from openai import AsyncOpenAI


class Trainer:
    """The trainer over HTTP. Every method raises `TrainerError`: `TrainerNotSet` without a client,
    `TrainerUnreachable` where nobody answers, `TrainerRefused` with the trainer's own words."""

    def __init__(self, client: AsyncOpenAI | None) -> None:
        self._client = client

    @property
    def is_set(self) -> bool:
        """Whether there is one at all."""
        return self._client is not None

    async def recipes(self) -> list[Recipe]:
        """What it offers."""
        return [
            Recipe(
                str(row["id"]),
                str(row.get("description") or ""),
                str(row.get("preset") or row["id"]),
                bool(row.get("runnable", True)),
                row.get("reason"),
                row.get("lineage"),
                row.get("base"),
            )
            for row in await self._list("/recipes")
        ]

    async def datasets(self) -> list[Dataset]:
        """What it can train on."""
        return [
            Dataset(
                str(row["id"]),
                str(row.get("name") or row["id"]),
                int(row.get("rows") or 0),
                tuple(row.get("languages") or ()),
                str(row.get("kind") or "chats"),
            )
            for row in await self._list("/datasets")
        ]

    async def adapters(self) -> list[Adapter]:
        """All adapters that it knows, shipped ones too."""
        return [_adapter(row) for row in await self._list("/adapters")]

    async def estimate(self, order: Order) -> Estimate:
        """How much a run would be; one that could not be made is refused."""
        query = {"dataset": order.dataset, **({"rated": order.rated_file} if order.rated_file else {})}
        row = await self._get(f"/recipes/{order.recipe}/estimate", query | _particulars(order))
        seconds = row.get("seconds")
        return Estimate(
            int(row.get("rows") or 0),
            int(row.get("tokens") or 0),
            int(row.get("steps") or 0),
            float(seconds) if seconds is not None else None,
        )

    async def begin(self, order: Order) -> TrainingJob:
        """Queue a run."""
        metadata = {
            "recipe": order.recipe,
            "method": "kto" if order.rated_file else "sft",
            "evaluate": "true",
            "run": order.key,
            **({"rated_file": order.rated_file} if order.rated_file else {}),
            **_particulars(order),
        }
        client = self._there()
        try:
            job = await client.fine_tuning.jobs.create(
                model=order.preset, training_file=order.dataset, suffix=order.name, metadata=metadata
            )
        except Exception as error:
            raise translate(error) from error
        return job_of(job.to_dict())

    async def job(self, job_id: str) -> TrainingJob:
        """A job as it stands now."""
        client = self._there()
        try:
            job = await client.fine_tuning.jobs.retrieve(job_id)
        except Exception as error:
            raise translate(error) from error
        return job_of(job.to_dict())

    async def jobs(self, limit: int = 20) -> list[TrainingJob]:
        """The newest jobs, newest first."""
        client = self._there()
        try:
            page = await client.fine_tuning.jobs.list(limit=limit)
        except Exception as error:
            raise translate(error) from error
        return [job_of(job.to_dict()) for job in page.data]

    async def find(self, key: str) -> TrainingJob | None:
        """The job that was begun under the bot's own name for it."""
        return next((job for job in await self.jobs(100) if job.metadata.get("run") == key), None)

    async def cancel(self, job_id: str) -> TrainingJob:
        """Have a job stop."""
        client = self._there()
        try:
            job = await client.fine_tuning.jobs.cancel(job_id)
        except Exception as error:
            raise translate(error) from error
        return job_of(job.to_dict())

    async def curves(self, job_id: str) -> bytes | None:
        """The loss curves so far, as a PNG on dark ground; None while there is nothing to draw."""
        from openai import HttpxBinaryResponseContent

        client = self._there()
        try:
            answer = await client.get(
                f"/fine_tuning/jobs/{job_id}/loss.png",
                cast_to=HttpxBinaryResponseContent,
                options={"params": {"theme": "dark"}},
            )
        except Exception as error:
            translated = translate(error)
            if isinstance(translated, TrainerLacks):
                return None
            raise translated from error
        return answer.content

    async def results(self, file_ids: Sequence[str]) -> dict[str, str]:
        """Name → id of result files."""
        client = self._there()
        found = {}
        for file_id in file_ids:
            try:
                found[(await client.files.retrieve(file_id)).filename] = file_id
            except Exception as error:
                raise translate(error) from error
        return found

    async def content(self, file_id: str) -> bytes:
        """What is in a file."""
        client = self._there()
        try:
            return (await client.files.content(file_id)).content
        except Exception as error:
            raise translate(error) from error

    async def upload(self, filename: str, content: bytes, kind: FileKind, members: Sequence[str]) -> Stored:
        """Give it a file of rows, of which it leaves out those that it finds fault with. `members` are the aliases of
        those whose talk is in it."""
        client = self._there()
        try:
            stored = await client.files.create(
                file=(filename, content),
                purpose="fine-tune",
                extra_body={"kind": kind, "members": json.dumps(list(members)), "on_bad_rows": "drop"},
            )
        except Exception as error:
            raise translate(error) from error
        extra = stored.model_extra or {}
        dropped = tuple(f"{row.get('line')}: {row.get('reason')}" for row in extra.get("dropped_rows") or ())
        return Stored(stored.id, int(extra.get("rows") or 0), int(extra.get("dropped") or 0), dropped)

    async def forget(self, alias: str) -> int:
        """Have a member's rows removed; how many those were. May be asked again."""
        client = self._there()
        try:
            answer = await client.post(f"/members/{alias}/forget", cast_to=object)
        except Exception as error:
            raise translate(error) from error
        return int(cast("dict[str, Any]", answer).get("removed") or 0)

    def _there(self) -> AsyncOpenAI:
        if self._client is None:
            raise TrainerNotSet
        return self._client

    async def _list(self, path: str) -> list[dict[str, Any]]:
        return list((await self._get(path)).get("data") or ())

    async def _get(self, path: str, query: Mapping[str, str] | None = None) -> dict[str, Any]:
        client = self._there()
        try:
            answer = await client.get(path, cast_to=object, options={"params": dict(query or {})})
        except Exception as error:
            raise translate(error) from error
        return cast("dict[str, Any]", answer)


def _particulars(order: Order) -> dict[str, str]:
    """What an estimate is told of a run as its job is."""
    found = {
        "start_adapter": order.start_adapter,
        "compare_with": order.compare_with,
        "languages": ",".join(order.languages),
        "samples": str(order.samples or ""),
    }
    return {name: value for name, value in found.items() if value}


def job_of(row: Mapping[str, Any]) -> TrainingJob:
    """A job as the API has it."""
    error, progress, adapter = row.get("error") or {}, row.get("progress"), row.get("adapter") or {}
    finished = row.get("finished_at")
    return TrainingJob(
        id=str(row["id"]),
        status=str(row.get("status") or "queued"),
        created_at=float(row.get("created_at") or 0),
        finished_at=float(finished) if finished is not None else None,
        error=str(error["message"]) if isinstance(error, Mapping) and error.get("message") else None,
        adapter=adapter.get("name") or row.get("fine_tuned_model"),
        path=adapter.get("path"),
        progress=progress_of(progress) if isinstance(progress, Mapping) else None,
        result_files=tuple(row.get("result_files") or ()),
        metadata={str(key): str(value) for key, value in (row.get("metadata") or {}).items()},
    )


def progress_of(row: Mapping[str, Any]) -> Progress:
    """Where a job is, as the API has it."""

    def whole(key: str) -> int | None:
        return int(row[key]) if row.get(key) is not None else None

    def number(key: str) -> float | None:
        return float(row[key]) if row.get(key) is not None else None

    return Progress(
        stage=str(row.get("stage") or ""),
        step=whole("step"),
        steps=whole("steps"),
        loss=number("loss"),
        held_out_loss=number("held_out_loss"),
        tokens_per_second=number("tokens_per_second"),
        seconds_left=number("seconds_left"),
    )


def _adapter(row: Mapping[str, Any]) -> Adapter:
    def number(key: str) -> float | None:
        return float(row[key]) if row.get(key) is not None else None

    return Adapter(
        id=str(row["id"]),
        path=str(row.get("path") or ""),
        preset=str(row.get("preset") or ""),
        recipe=row.get("recipe"),
        lineage=row.get("lineage"),
        created_at=number("created_at"),
        held_out_loss=number("held_out_loss"),
        language_match=number("language_match"),
        evaluated_on=row.get("evaluated_on"),
        result_files=tuple(row.get("result_files") or ()),
        base_held_out_loss=number("base_held_out_loss"),
        base_language_match=number("base_language_match"),
        base=row.get("base"),
    )


def translate(error: Exception) -> TrainerError:
    """An error of the client or of its connection, in our terms."""
    import openai

    if isinstance(error, openai.APIStatusError):
        told = error.body.get("message") if isinstance(error.body, dict) else error.body
        reason = str(told if told and isinstance(told, str) else error.message)[:1500]
        if error.status_code == 404:
            return TrainerLacks(reason)
        if error.status_code < 500 and error.status_code not in (408, 429):
            return TrainerRefused(reason)
        return TrainerError(reason)
    if isinstance(error, openai.APIConnectionError):
        return TrainerUnreachable(f"{error.message} ({error.__cause__!r})")
    return TrainerError(f"{type(error).__name__}: {error}"[:300])


def open_trainer_client(url: str, token: str | None) -> AsyncOpenAI:
    """The client for the trainer's address. What it asks for may take the trainer a while (checking a large file), but
    a trainer that is away is found out soon."""
    from openai import AsyncOpenAI, DefaultAioHttpClient, Timeout

    timeout = Timeout(None, connect=5.0, read=120.0, write=60.0, pool=30.0)
    return AsyncOpenAI(
        base_url=url,
        api_key=token or "none",
        max_retries=0,
        timeout=timeout,
        http_client=DefaultAioHttpClient(timeout=timeout),
    )
