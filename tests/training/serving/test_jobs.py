"""What a job may ask for: recipes, hyperparameters, names, lineage; and who may ask. No job is run here."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import aiohttp
import openai
import pytest

from model.engine.errors import CannotRun
from model.server.threads import in_thread
from tests.training.serving.conftest import QUIET, TOKEN, Running, lines, listening, rows
from training.finetuning.recipe import load_recipe
from training.locking import lock
from training.serving.errors import BadRequest, ServingError
from training.serving.jobs import Job
from training.serving.judging import chats_to_judge
from training.serving.processes import StageProcess
from training.serving.recipes import Hyperparameters, adjusted, used
from training.serving.run import make, serve
from training.serving.runner import MOST_RESUMPTIONS
from training.serving.settings import TrainerSettings


async def create(running: Running, **more: Any) -> Any:
    """A job for the recipe `tiny` on the shipped data."""
    wanted = {"model": "base", "training_file": "shipped", "metadata": {"recipe": "tiny"}, **more}
    return await running.client.fine_tuning.jobs.create(**wanted)


def stored(running: Running, job: Any) -> Job:
    return running.trainer.service.jobs.get(job.id)


async def test_a_job_waits_in_its_turn_and_can_be_cancelled(tmp_path: Path) -> None:
    async with listening(tmp_path) as running:
        first, second = await create(running, suffix="one"), await create(running, suffix="two")
        assert (first.status, first.model, first.fine_tuned_model) == ("queued", "base", None)
        jobs = running.client.fine_tuning.jobs
        assert [job.id async for job in jobs.list(limit=1)] == [second.id, first.id]
        assert (await jobs.cancel(first.id)).status == "cancelled"
        with pytest.raises(openai.ConflictError, match="has ended already"):
            await jobs.cancel(first.id)
        assert running.trainer.service.jobs.queued() == [stored(running, second)]
        said = [event.message async for event in jobs.list_events(first.id, limit=1)]
        assert said == ["The job was cancelled.", "The job waits for its turn."]


async def test_jobs_outlive_the_trainer(tmp_path: Path) -> None:
    async with listening(tmp_path) as running:
        job = await create(running, suffix="one", metadata={"recipe": "tiny", "note": "kept"})
    async with listening(tmp_path) as running:
        assert await running.client.fine_tuning.jobs.retrieve(job.id) == job
        assert job.metadata == {"recipe": "tiny", "note": "kept"}


@pytest.mark.parametrize("place", ["beside", "in the method"])
async def test_hyperparameters_become_the_recipes(place: str, tmp_path: Path) -> None:
    wanted = {"n_epochs": 3, "batch_size": 4, "learning_rate_multiplier": 0.5}
    given = (
        {"hyperparameters": wanted}
        if place == "beside"
        else {"method": {"type": "supervised", "supervised": {"hyperparameters": wanted}}}
    )
    async with listening(tmp_path) as running:
        job = await create(running, **given, seed=5)
        recipe, before = stored(running, job).recipe, load_recipe("tiny")
    assert (recipe.epochs, recipe.batch, recipe.accumulate, recipe.seed) == (3, 1, 4, 5)
    assert recipe.learning_rate == before.learning_rate / 2
    assert job.hyperparameters.to_dict() == wanted
    assert job.method.supervised.hyperparameters.to_dict() == wanted


def test_a_batch_is_taken_as_much_at_once_as_the_recipe_takes() -> None:
    recipe = load_recipe("tiny", ["packing=null", "batch=4", "accumulate=2"])
    changed = adjusted(recipe, Hyperparameters(batch_size=6), "sft")
    assert (changed.batch, changed.accumulate) == (2, 3)
    assert used(changed, "sft", recipe)["batch_size"] == 6
    assert adjusted(recipe, Hyperparameters(), "sft") == recipe


def test_a_second_stage_has_hyperparameters_of_its_own() -> None:
    recipe = load_recipe("tiny")
    wanted = Hyperparameters(n_epochs=2, batch_size=6, learning_rate_multiplier=10)
    changed = adjusted(recipe, wanted, "kto")
    assert (changed.kto.epochs, changed.kto.rows, changed.kto.accumulate) == (2, 2, 3)
    assert changed.kto.learning_rate == pytest.approx(10 * recipe.kto.learning_rate)
    assert changed.learning_rate == recipe.learning_rate
    assert used(changed, "kto", recipe)["batch_size"] == 6
    with pytest.raises(BadRequest, match="at least 2"):
        adjusted(recipe, Hyperparameters(batch_size=1), "kto")


@pytest.mark.parametrize(
    ("more", "param"),
    [
        ({"model": "gpt-4o"}, "model"),
        ({"training_file": "file-none"}, "training_file"),
        ({"validation_file": "file-none"}, "validation_file"),
        ({"suffix": "No Spaces"}, "suffix"),
        ({"suffix": "../up"}, "suffix"),
        ({"hyperparameters": {"n_epochs": 0}}, "hyperparameters.n_epochs"),
        ({"hyperparameters": {"batch_size": 0}}, "hyperparameters.batch_size"),
        ({"hyperparameters": {"n_epochs": "many"}}, "hyperparameters.n_epochs"),
        ({"hyperparameters": {"learning_rate_multiplier": -1}}, "hyperparameters"),
        ({"method": {"type": "dpo"}}, "method.type"),
        ({"integrations": [{"type": "wandb", "wandb": {"project": "x"}}]}, "integrations"),
        ({"metadata": {"recipe": "llama3-8b"}}, "metadata.recipe"),
        ({"metadata": {"recipe": "tiny", "samples": "0"}}, "metadata.samples"),
        ({"metadata": {"recipe": "tiny", "languages": "de,xx"}}, "metadata.languages"),
        ({"metadata": {"recipe": "tiny", "method": "kto"}}, "metadata.method"),
        ({"metadata": {"recipe": "tiny", "rated_file": "shipped"}}, "metadata.rated_file"),
        ({"metadata": {"recipe": "tiny", "compare_with": "none-such"}}, "metadata.compare_with"),
        ({"metadata": {"recipe": "tiny", "compare_with": "llama-3-8b-fanfic"}}, "metadata.compare_with"),
    ],
)
async def test_what_cannot_be_done_is_refused_with_its_field(
    more: dict[str, Any], param: str, tmp_path: Path
) -> None:
    async with listening(tmp_path) as running:
        with pytest.raises(openai.APIStatusError) as refused:
            await create(running, **more)
        assert refused.value.status_code in {400, 404}
        assert refused.value.param == param
        assert running.trainer.service.jobs.all() == []


@pytest.mark.parametrize(
    ("wanted", "param"),
    [
        ('{"learning_rate_multiplier": 1e999}', "hyperparameters.learning_rate_multiplier"),
        ('{"learning_rate_multiplier": Infinity}', "hyperparameters.learning_rate_multiplier"),
        ('{"learning_rate_multiplier": 1' + 400 * "0" + "}", "hyperparameters.learning_rate_multiplier"),
        ('{"n_epochs": NaN}', "hyperparameters.n_epochs"),
    ],
)
async def test_numbers_that_are_none_are_refused(wanted: str, param: str, tmp_path: Path) -> None:
    asked = f'{{"model": "tiny", "training_file": "shipped", "hyperparameters": {wanted}}}'
    async with listening(tmp_path) as running, aiohttp.ClientSession() as session:
        async with session.post(f"{running.url}/v1/fine_tuning/jobs", data=asked) as response:
            assert response.status == 400
            assert (await response.json())["error"]["param"] == param
        assert running.trainer.service.jobs.all() == []


async def test_a_recipe_that_this_machine_cannot_run_says_why(tmp_path: Path) -> None:
    preset, recipe = tmp_path / "huge.yaml", tmp_path / "big.yaml"
    preset.write_text("extends: tiny\nmemory: {ram: 1000000}\n")
    recipe.write_text(f"extends: tiny\npreset: {preset}\n")
    async with listening(tmp_path / "here", trainer_recipes=("tiny", str(recipe))) as running:
        tiny, big = (await running.client.get("/recipes", cast_to=object))["data"]
        assert (tiny["id"], tiny["preset"], tiny["runnable"], tiny["reason"]) == ("tiny", "tiny", True, None)
        assert tiny["base"] == big["base"], "both are made of the same"
        assert (big["id"], big["preset"], big["runnable"]) == ("big", "huge", False)
        assert "needs 1e+06 GiB of memory" in big["reason"]
        with pytest.raises(openai.BadRequestError, match="GiB of memory"):
            await create(running, metadata={"recipe": "big"})


async def test_an_estimate_has_no_time_before_the_recipe_has_run(tmp_path: Path) -> None:
    async with listening(tmp_path) as running:
        file = await running.upload(lines(*rows(16)))
        path = "/recipes/tiny/estimate"
        shipped = await running.client.get(path, cast_to=object)
        mine = await running.client.get(path, cast_to=object, options={"params": {"dataset": file.id}})
    assert (shipped["rows"], mine["rows"]) == (640, 16)
    assert shipped["tokens"] > 40 * mine["tokens"] > 0
    assert shipped["steps"] > mine["steps"] > 0
    assert shipped["seconds"] is mine["seconds"] is None


async def test_an_estimate_counts_the_languages_asked_for_and_refuses_what_a_job_could_not_do(
    tmp_path: Path,
) -> None:
    async with listening(tmp_path) as running:
        file = await running.upload(lines(*rows(16)))
        three = [{**row, "rating": 1} for row in rows(3)]
        few = await running.upload(lines(*three), kind="rated")
        foreign = await running.upload(lines({**rows(1)[0], "model": "gemma-3-270m-fanfic"}))

        async def estimate(**query: str) -> Any:
            path = "/recipes/tiny/estimate"
            return await running.client.get(path, cast_to=object, options={"params": query})

        whole, german = await estimate(dataset=file.id), await estimate(dataset=file.id, languages="de")
        assert (whole["rows"], german["rows"]) == (16, 4)
        assert 0 < german["tokens"] < whole["tokens"]
        assert (await estimate(languages="de,sv"))["rows"] == 32
        for query, said in (
            ({"rated": few.id}, "KTO needs at least 4 rated answers with this recipe; there are 3."),
            ({"dataset": foreign.id}, "of the family 'gemma'"),
            ({"languages": "xx"}, "codes of the forty languages"),
            ({"rated": few.id, "start_adapter": "none-such"}, "There is no adapter 'none-such' here"),
        ):
            with pytest.raises(openai.APIStatusError) as refused:
                await estimate(**query)
            assert said in str(refused.value)


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("llama-3-8b-instruct", "line 2: its answers are by 'llama-3-8b-instruct' of the family 'llama3'"),
        ("llama3.1-8b/none/llama3", "of the family 'llama3.1'"),
        ("gemma-3-270m-fanfic", "of the family 'gemma'"),
        ("gpt-4o", "line 2: its answers are by 'gpt-4o', a model that is not known here"),
    ],
)
async def test_answers_of_another_family_are_not_trained_on(model: str, said: str, tmp_path: Path) -> None:
    first, second = rows(2)
    async with listening(tmp_path) as running:
        file = await running.upload(lines({**first, "model": "tiny"}, {**second, "model": model}))
        with pytest.raises(openai.BadRequestError) as refused:
            await create(running, training_file=file.id)
        assert (refused.value.param, refused.value.code) == ("training_file", "incompatible_lineage")
        assert said in str(refused.value.body["message"])
        rated = await running.upload(lines({**first, "model": model, "rating": -1}), kind="rated")
        with pytest.raises(openai.BadRequestError) as refused:
            await create(running, metadata={"recipe": "tiny", "rated_file": rated.id})
        assert refused.value.param == "metadata.rated_file"


@pytest.mark.parametrize("model", ["tiny", "llama3-tiny", "tiny/none/llama3"])
async def test_answers_of_the_same_family_are(model: str, tmp_path: Path) -> None:
    async with listening(tmp_path) as running:
        file = await running.upload(lines(*rows(2, model=model)))
        assert (await create(running, training_file=file.id)).status == "queued"


async def test_a_file_that_a_job_needs_stays(tmp_path: Path) -> None:
    async with listening(tmp_path) as running:
        file = await running.upload(lines(*rows(2)))
        job = await create(running, training_file=file.id)
        with pytest.raises(openai.ConflictError, match=job.id):
            await running.client.files.delete(file.id)
        await running.client.fine_tuning.jobs.cancel(job.id)
        assert (await running.client.files.delete(file.id)).deleted


async def test_a_name_is_given_once(tmp_path: Path) -> None:
    async with listening(tmp_path) as running:
        await create(running, suffix="mine")
        with pytest.raises(openai.ConflictError, match="'mine' already"):
            await create(running, suffix="mine")
        (tmp_path / "adapters" / "there").mkdir(parents=True)
        with pytest.raises(openai.ConflictError, match="'there' already"):
            await create(running, suffix="there")
        names = {stored(running, await create(running)).name for _ in range(2)}
        assert len(names) == 2
        assert all(name.startswith("tiny-2") for name in names)


async def test_every_route_but_health_wants_the_token(tmp_path: Path) -> None:
    async with listening(tmp_path, trainer_token=TOKEN) as running, aiohttp.ClientSession() as session:
        async with session.get(f"{running.url}/health") as response:
            assert (response.status, (await response.json())["ready"]) == (200, True)
        async with session.get(f"{running.url}/metrics") as response:  # on loopback
            assert 'fanfabler_training_jobs{status="queued"} 0.0' in await response.text()
        for given in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": TOKEN}):
            for path in ("/v1/files", "/v1/fine_tuning/jobs", "/v1/recipes", "/v1/adapters"):
                async with session.get(running.url + path, headers=given) as response:
                    assert response.status == 401
                    assert (await response.json())["error"]["code"] == "invalid_api_key"
        assert (await running.client.files.list()).data == []


async def test_errors_have_openais_shape_and_the_requests_id(tmp_path: Path) -> None:
    async with listening(tmp_path) as running, aiohttp.ClientSession() as session:
        headers = {"X-Request-Id": "mine-1"}
        for method, path, status in (
            ("GET", "/v1/fine_tuning/jobs/none", 404),
            ("GET", "/v1/nothing", 404),
            ("GET", "/v1/files?limit=x", 400),
            ("POST", "/v1/fine_tuning/jobs", 400),
            ("POST", "/v1/files", 400),
        ):
            async with session.request(method, running.url + path, headers=headers, data=b"{") as response:
                assert response.status == status
                assert response.headers["X-Request-Id"] == "mine-1"
                error = (await response.json())["error"]
                assert {"message", "type", "param", "code"} <= error.keys()
                assert error["request_id"] == "mine-1"


async def test_an_address_that_others_reach_wants_a_token(tmp_path: Path) -> None:
    settings = TrainerSettings(
        _env_file=None, trainer_host="0.0.0.0", trainer_token=None, trainer_dir=tmp_path
    )
    with pytest.raises(CannotRun, match="set TRAINER_TOKEN first"):
        await serve(settings, print)


async def test_a_folder_has_one_trainer(tmp_path: Path) -> None:
    settings = TrainerSettings(
        _env_file=None, trainer_dir=tmp_path, trainer_port=0, trainer_token=None, trainer_recipes=("tiny",)
    )

    def second(_: str) -> None:
        raise RuntimeError("listening")

    from training.locking import lock

    with lock(tmp_path / ".lock"), pytest.raises(CannotRun, match="Another trainer"):
        await serve(settings, second)


def test_a_worker_that_must_sleep_needs_an_address(tmp_path: Path) -> None:
    settings = TrainerSettings(
        _env_file=None, trainer_dir=tmp_path, trainer_sleep_worker="always", worker_url=None
    )
    with pytest.raises(CannotRun, match="WORKER_URL"):
        make(settings)


async def test_rows_that_were_removed_while_nobody_looked_are_not_trained_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def no_process(*_: Any) -> None:
        raise ServingError("no process here")

    monkeypatch.setattr(StageProcess, "start", no_process)
    async with listening(tmp_path) as running:
        file = await running.upload(lines(*rows(4, members=["ann"])))
        job = await create(running, training_file=file.id)
        service = running.trainer.service
        service.jobs.change(job.id, status="running")
        copy = service.jobs.folder(service.jobs.get(job.id)).data
        copy.mkdir()
        await in_thread(lambda: service.files.forget(service.files.get(file.id), "ann"))
        following = asyncio.create_task(running.trainer.runner.run())
        async with asyncio.timeout(10):
            while not service.jobs.get(job.id).ended:
                await asyncio.sleep(0.01)
        following.cancel()
        said = [event["message"] for event in service.jobs.events(service.jobs.get(job.id))]
    assert "Rows were removed that the job trains on; it begins again without them." in said
    assert said[-1] == "no process here"
    assert not copy.exists()


async def test_rows_of_a_job_that_ended_as_its_trainer_did_are_removed_by_the_next(tmp_path: Path) -> None:
    async with listening(tmp_path) as running:
        job = await create(running)
        service = running.trainer.service
        service.jobs.change(job.id, status="cancelled")
        copy = service.jobs.folder(stored(running, job)).data
        copy.mkdir()
        following = asyncio.create_task(running.trainer.runner.run())
        await asyncio.sleep(0)
        following.cancel()
    assert not copy.exists()


@pytest.mark.parametrize("why", ["begun anew", "cancelled"])
@pytest.mark.parametrize("own", [True, False])
async def test_an_adapter_that_was_in_place_goes_with_its_run(
    why: str, own: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def no_process(*_: Any) -> None:
        raise ServingError("no process here")

    monkeypatch.setattr(StageProcess, "start", no_process)
    place, half = tmp_path / "adapters" / "mine", tmp_path / "adapters" / ".mine"
    async with listening(tmp_path) as running:
        job = await create(running, suffix="mine")
        service = running.trainer.service
        run = service.jobs.folder(service.jobs.change(job.id, status="running")).run
        for folder, manifest in (
            (place, '{"n": 1}' if own else '{"n": 2}'),
            (half, "{}"),
            (run.path, '{"n": 1}'),
        ):
            folder.mkdir(parents=True)
            (folder / "manifest.json").write_text(manifest)
        if why == "cancelled":
            await running.client.fine_tuning.jobs.cancel(job.id)
        else:
            service.jobs.change(job.id, begin_anew=True)
            following = asyncio.create_task(running.trainer.runner.run())
            async with asyncio.timeout(10):
                while not stored(running, job).ended:
                    await asyncio.sleep(0.01)
            following.cancel()
            assert not run.path.exists()
    assert place.exists() == (not own)
    assert not half.exists()


@pytest.mark.parametrize(
    ("before", "said"),
    [
        ({}, "no step forward"),
        ({"left_in_order": True}, "no process here"),  # told to stop, which is nobody's fault
        ({"resumed_at": -1}, "no process here"),  # it has got on in between
    ],
)
async def test_a_job_that_takes_the_trainer_with_it_is_given_up(
    before: dict[str, Any], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def no_process(*_: Any) -> None:
        raise ServingError("no process here")

    monkeypatch.setattr(StageProcess, "start", no_process)
    async with listening(tmp_path) as running:
        job = await create(running)
        killed = {"status": "running", "resumptions": 3, "resumed_at": 0, **before}
        running.trainer.service.jobs.change(job.id, **killed)
        following = asyncio.create_task(running.trainer.runner.run())
        async with asyncio.timeout(10):
            while (now := await running.client.fine_tuning.jobs.retrieve(job.id)).status == "running":
                await asyncio.sleep(0.01)
        following.cancel()
    assert now.status == "failed"
    assert said in now.error.message


async def test_a_job_whose_process_the_system_ends_again_and_again_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed:
        async def wait(self) -> int:
            return -signal.SIGKILL

    starts = []

    async def start(*_: Any) -> Killed:
        starts.append(1)
        return Killed()

    monkeypatch.setattr(StageProcess, "start", start)
    async with listening(tmp_path) as running:
        job = await create(running)
        following = asyncio.create_task(running.trainer.runner.run())
        async with asyncio.timeout(20):
            while not stored(running, job).ended:
                await asyncio.sleep(0.01)
        following.cancel()
        now = await running.client.fine_tuning.jobs.retrieve(job.id)
    assert now.status == "failed"
    assert "ran out of memory" in now.error.message
    assert len(starts) == 1 + MOST_RESUMPTIONS


async def test_a_jobs_process_whose_trainer_had_gone_before_it_looked_ends(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    async with listening(tmp_path) as running:
        job = stored(running, await create(running))
        # Held as by a process that is at work, so that it waits; it is not to be there when its turn comes.
        with lock(running.trainer.service.jobs.folder(job).lock):
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "training.serving.stage", str(tmp_path / "trainer")),
                *(job.id, "training", str(ended.pid)),
                env={**QUIET, "PYTHONPATH": str(Path(__file__).parents[3])},
            )
            assert await asyncio.wait_for(process.wait(), 60) == -signal.SIGTERM


async def test_adapters_are_judged_as_thoroughly_as_the_settings_say(tmp_path: Path) -> None:
    async with listening(tmp_path, trainer_samples=2, trainer_test_chats=5) as running:
        job = stored(running, await create(running))
        assert (job.samples, job.test_chats) == (2, 5)
        asked = stored(running, await create(running, metadata={"recipe": "tiny", "samples": "3"}))
        assert (asked.samples, asked.test_chats) == (3, 5)
    chats = chats_to_judge(None, 41)
    assert len({chat.language for chat in chats[:40]}) == 40
    assert len(chats) == 41
    assert {chat.language for chat in chats_to_judge(["de", "fi"], None)} == {"de", "fi"}


async def test_an_adapter_of_another_base_is_not_compared_with(tmp_path: Path) -> None:
    async with listening(tmp_path, trainer_recipes=("tiny", "llama3-tiny")) as running:
        jobs = running.trainer.service.jobs
        other = stored(running, await create(running, suffix="other", metadata={"recipe": "llama3-tiny"}))
        folder = tmp_path / "adapters" / "other"
        folder.mkdir(parents=True)
        (folder / "adapter_config.json").write_text("{}")
        jobs.change(other.id, status="succeeded", adapter_path=str(folder))
        with pytest.raises(openai.BadRequestError, match="is for the base 'llama-3-tiny'"):
            await create(running, metadata={"recipe": "tiny", "compare_with": "other"})


async def test_an_adapter_that_was_only_compared_with_has_figures_from_there(tmp_path: Path) -> None:
    figures = {
        "held_out_loss": 2.0,
        "evaluated_on": "these",
        "held_out_losses": {"tuned": 2.0, "compared": 3.0},
        "language_matches": {"tuned": 0.9, "compared": 0.8},
    }
    async with listening(tmp_path) as running:
        jobs = running.trainer.service.jobs
        job = stored(running, await create(running, suffix="new"))
        folder = tmp_path / "adapters" / "new"
        folder.mkdir(parents=True)
        (folder / "adapter_config.json").write_text("{}")
        jobs.change(
            job.id,
            status="succeeded",
            adapter_path=str(folder),
            figures=figures,
            compare_with="llama-3-8b-fanfic",
        )
        found = {each["id"]: each for each in (await running.client.get("/adapters", cast_to=object))["data"]}
    assert (found["new"]["held_out_loss"], found["new"]["evaluated_on"]) == (2.0, "these")
    other = found["llama-3-8b-fanfic"]
    assert (other["held_out_loss"], other["language_match"], other["evaluated_on"]) == (3.0, 0.8, "these")
