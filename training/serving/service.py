"""What the trainer does for its clients, without HTTP: takes files in, makes jobs of requests, forgets members."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from model.preset import Preset, list_presets
from model.server.threads import in_thread
from training.chats import Chat, explain
from training.evaluation.questions import questions
from training.finetuning.recipe import Recipe
from training.serving.adapters import KnownAdapter, all_adapters, find_adapter
from training.serving.datasets import Dataset, shipped, shipped_chats, size_of
from training.serving.errors import BadRequest, Conflict, NotFound
from training.serving.files import FileStore, StoredFile, Upload
from training.serving.ids import new_id
from training.serving.jobs import SHIPPED, Job, JobStore
from training.serving.judging import answers_of, chats_to_judge
from training.serving.lineage import Lineage
from training.serving.protocol import CreateJob, Metadata
from training.serving.recipes import Experiences, Offered, Recipes, adjusted, epochs_of, steps_of, used
from training.serving.rows import Rows, read_rows, said_of
from training.serving.runner import Runner

_NO_NAME = re.compile(r"[^a-z0-9-]+")


@dataclass(frozen=True, slots=True)
class Evaluation:
    """How thoroughly adapters are judged."""

    samples: int = 6
    """Answers to each question, where a job does not say."""
    chats: int | None = None
    """Test chats; None: all."""

    def answers(self, about: Metadata) -> int:
        """How many answers that makes, of an adapter, its base, and what it is compared with."""
        asked = sum(1 for _ in questions(chats_to_judge(about.languages, self.chats)))
        return answers_of(asked, about.samples or self.samples, compared=bool(about.compare_with))


class Service:
    """The trainer's state and what may be done with it. What takes long says so, and is for a thread."""

    def __init__(
        self,
        files: FileStore,
        jobs: JobStore,
        recipes: Recipes,
        experiences: Experiences,
        runner: Runner,
        adapters_dir: Path,
        evaluation: Evaluation = Evaluation(),
    ) -> None:
        self.files, self.jobs, self.recipes, self.experiences = files, jobs, recipes, experiences
        self.runner = runner
        self._adapters_dir = adapters_dir
        self._evaluation = evaluation
        self._presets = list_presets()
        self._forgetting = asyncio.Lock()

    def read(self, upload: Upload, *, checked: bool) -> Rows:
        """The rows of an upload, good and bad. Takes long."""
        return read_rows(
            upload.path, upload.kind, Path(upload.filename).stem.lower() or "row", checked=checked
        )

    def take(self, upload: Upload, rows: Rows, *, drop: bool) -> StoredFile:
        """Let an upload in. Raises `BadRequest` for bad rows, unless they are to be dropped, and for no rows."""
        if rows.bad and not drop:
            raise BadRequest(said_of(rows.bad), param="file", code="invalid_rows")
        if not rows.good:
            said = said_of(rows.bad) or "there is no row in it"
            raise BadRequest(f"The file has nothing to train on: {said}", param="file", code="invalid_rows")
        return self.files.take(upload, rows)

    def delete(self, file: StoredFile) -> None:
        """Remove a file. Raises `Conflict` where a job still needs it."""
        for job in self.jobs.all():
            if not job.ended and file.id in job.files:
                raise Conflict(f"The job {job.id} needs this file: cancel it first.", code="file_in_use")
        self.files.delete(file)

    def datasets(self) -> list[Dataset]:
        """The shipped one first. Takes long the first time."""
        uploaded = [
            Dataset(file.id, file.filename, file.rows, file.tokens, file.languages, file.kind)
            for file in self.files.all()
            if file.kind is not None
        ]
        return [shipped(), *uploaded]

    def dataset(self, dataset_id: str, param: str) -> Dataset:
        """Raises `NotFound`, about the field `param`."""
        for dataset in self.datasets():
            if dataset.id == dataset_id:
                return dataset
        raise NotFound(f"There is no dataset {dataset_id!r} here.", param=param)

    def adapters(self) -> list[KnownAdapter]:
        """All that there are."""
        return all_adapters(self._adapters_dir, self.jobs.all(), self._all_presets())

    def estimate(self, recipe_id: str, dataset_id: str, wanted: Mapping[str, str]) -> dict[str, Any]:
        """Rows, tokens, steps and seconds of a job that is evaluated. `wanted` is as in a job's metadata; what of it
        could not be done is refused here already. Takes long the first time.

        Raises `BadRequest`.
        """
        about = _metadata({**wanted, "recipe": recipe_id})
        self.dataset(dataset_id, "dataset")
        offered = self.recipes.get(recipe_id)
        recipe, method = offered.recipe, about.method
        self._check_rows(dataset_id, None, about)
        adapters = self.adapters()
        self._check_adapters(about, offered, adapters)
        self._check_lineage(dataset_id, None, about, offered, adapters)
        rows, tokens = self._size(dataset_id, about)
        if method == "kto":
            _check_enough(rows, recipe)
        seconds = None
        if (known := self.experiences.of(recipe_id, method)) is not None:
            tokens = round(tokens * known.tokens_per_estimated)
            seconds = known.other_seconds + known.seconds_per_token * tokens * epochs_of(recipe, method)
            if known.seconds_per_answer is not None:
                seconds += known.seconds_per_answer * self._evaluation.answers(about)
        return {
            "object": "estimate",
            "recipe": recipe_id,
            "method": method,
            "rows": rows,
            "tokens": tokens,
            "steps": steps_of(recipe, method, rows, tokens),
            "seconds": None if seconds is None else round(seconds, 1),
        }

    def prepare(self, asked: CreateJob) -> Job:
        """The job that a request means, with everything looked at that can be looked at now. Takes long.

        Raises `BadRequest`.
        """
        about = _metadata(asked.metadata or {})
        offered = self.recipes.choose(asked.model, about.recipe)
        if (obstacle := self.recipes.obstacle(offered)) is not None:
            raise BadRequest(obstacle, param="metadata.recipe", code="recipe_not_runnable")
        adapters = self.adapters()
        self._check_files(asked, about)
        self._check_adapters(about, offered, adapters)
        self._check_lineage(asked.training_file, asked.validation_file, about, offered, adapters)
        recipe = adjusted(offered.recipe, asked.wanted(), about.method, asked.seed)
        if about.method == "kto":
            _check_enough(self._size(asked.training_file, about)[0], recipe)
        return Job(
            id=new_id("ftjob"),
            created_at=int(time.time()),
            status="queued",
            name=self._name(asked.suffix, offered.id, adapters),
            model=asked.model,
            recipe_id=offered.id,
            recipe=recipe,
            preset=offered.preset.name,
            family=offered.family,
            method=about.method,
            training_file=asked.training_file,
            validation_file=asked.validation_file,
            rated_file=about.rated_file,
            start_adapter=about.start_adapter,
            compare_with=about.compare_with,
            languages=about.languages,
            limit=about.limit,
            evaluate=about.evaluate,
            samples=about.samples or self._evaluation.samples,
            test_chats=self._evaluation.chats,
            hyperparameters=asked.wanted(),
            used=used(recipe, about.method, offered.recipe),
            metadata=asked.metadata or {},
        )

    def queue(self, job: Job) -> Job:
        """Have the job done in its turn. Raises `Conflict` where its name was taken meanwhile."""
        self._check_name(job.name)
        job = self.jobs.save(job)
        self.jobs.note(job, "The job waits for its turn.")
        self.runner.look()
        return job

    async def forget(self, member: str) -> int:
        """Remove the rows of a member wherever they are; how many there were."""
        removed = 0
        async with self._forgetting:
            for file in self.files.all():
                if file.kind is None:
                    continue
                gone = await in_thread(partial(self.files.forget, file, member))
                removed += gone
                running = self.jobs.running()
                if gone and running is not None and file.id in running.files:
                    self.runner.begin_anew(running)
        return removed

    def _check_files(self, asked: CreateJob, about: Metadata) -> None:
        """Raises `BadRequest` where one is missing, or of a kind that does not fit."""
        self._check_rows(asked.training_file, asked.validation_file, about)
        if about.method == "kto" and (about.rated_file is None or about.start_adapter is None):
            raise BadRequest(
                "kto moves an adapter by rated answers: give metadata.rated_file and metadata.start_adapter.",
                param="metadata.method",
            )
        if about.method == "sft" and about.start_adapter is not None:
            raise BadRequest("sft begins with a new adapter.", param="metadata.start_adapter")

    def _check_rows(self, training_file: str, validation_file: str | None, about: Metadata) -> None:
        self.dataset(training_file, "training_file")
        if validation_file is not None:
            self.dataset(validation_file, "validation_file")
        if (
            about.rated_file is not None
            and self.dataset(about.rated_file, "metadata.rated_file").kind != "rated"
        ):
            raise BadRequest("That file was not uploaded with kind=rated.", param="metadata.rated_file")

    def _size(self, training_file: str, about: Metadata) -> tuple[int, int]:
        """Rows and estimated tokens that are learnt from."""
        # The second stage learns from rated answers alone.
        named = [about.rated_file] if about.method == "kto" else [training_file, about.rated_file]
        sizes = [self._size_of(each, about.languages) for each in named if each is not None]
        return sum(rows for rows, _ in sizes), sum(tokens for _, tokens in sizes)

    def _size_of(self, dataset_id: str, languages: Collection[str] | None) -> tuple[int, int]:
        dataset = self.dataset(dataset_id, "dataset")
        if languages is None:
            return dataset.rows, dataset.tokens
        chats: Iterable[Chat] = shipped_chats()
        if dataset_id != SHIPPED:
            chats = (row.chat for row in self.files.rows(self.files.get(dataset_id)).good)
        return size_of(chats, languages)

    def _check_adapters(self, about: Metadata, offered: Offered, adapters: list[KnownAdapter]) -> None:
        for name, param in (
            (about.start_adapter, "metadata.start_adapter"),
            (about.compare_with, "metadata.compare_with"),
        ):
            if name is None:
                continue
            adapter = find_adapter(name, adapters, param)
            if adapter.family not in {None, offered.family}:
                raise BadRequest(
                    f"The adapter {name!r} is for a base of the family {adapter.family!r}, the recipe's is of "
                    f"{offered.family!r}.",
                    param=param,
                )
            if adapter.base not in {None, offered.preset.base.name}:
                raise BadRequest(
                    f"The adapter {name!r} is for the base {adapter.base!r}, the recipe trains "
                    f"{offered.preset.base.name!r}.",
                    param=param,
                )

    def _check_lineage(
        self,
        training_file: str,
        validation_file: str | None,
        about: Metadata,
        offered: Offered,
        adapters: list[KnownAdapter],
    ) -> None:
        """Refuse rows that the base may not be trained on."""
        lineage = Lineage(self._all_presets(), {each.name: each.family for each in adapters if each.family})
        for file_id, param in (
            (training_file, "training_file"),
            (validation_file, "validation_file"),
            (about.rated_file, "metadata.rated_file"),
        ):
            if file_id is not None and file_id != SHIPPED:
                rows = self.files.rows(self.files.get(file_id)).good
                strangers = lineage.strangers(rows, offered.family)
                if strangers:
                    raise BadRequest(said_of(strangers), param=param, code="incompatible_lineage")

    def _all_presets(self) -> list[Preset]:
        return [*self._presets, *(each.preset for each in self.recipes.all())]

    def _name(self, suffix: str | None, recipe_id: str, adapters: list[KnownAdapter]) -> str:
        if suffix is not None:
            self._check_name(suffix)
            return suffix
        taken = {each.name for each in adapters} | {job.name for job in self.jobs.all()}
        stem = _NO_NAME.sub("-", recipe_id.lower()).strip("-")
        today = time.strftime("%Y-%m-%d", time.gmtime())
        number = 1
        while (name := f"{stem}-{today}-{number}") in taken:
            number += 1
        return name

    def _check_name(self, name: str) -> None:
        """A name is free again when its job has failed or was cancelled."""
        taken = {each.name for each in self.adapters()}
        taken |= {job.name for job in self.jobs.all() if not job.ended}
        if name in taken or (self._adapters_dir / name).exists():
            raise Conflict(
                f"There is an adapter or a job called {name!r} already: choose another suffix.",
                code="name_taken",
            )


def _check_enough(rows: int, recipe: Recipe) -> None:
    """Raises `BadRequest` where there are too few rated answers for a batch, whose rows KTO compares."""
    if rows < recipe.kto.rows:
        raise BadRequest(
            f"KTO needs at least {recipe.kto.rows} rated answers with this recipe; there are {rows}.",
            param="metadata.rated_file",
            code="too_few_rows",
        )


def _metadata(given: Mapping[str, str]) -> Metadata:
    try:
        return Metadata.model_validate(dict(given))
    except ValidationError as error:
        field = error.errors()[0]["loc"]
        raise BadRequest(explain(error), param=".".join(["metadata", *map(str, field)])) from None
