"""The OpenAPI document tells what the trainer does: every route, and answers that are exactly what is sent."""

from __future__ import annotations

import json
from pathlib import Path

import aiohttp
from aiohttp import web

from model.server.openapi_document import Error
from tests.training.serving.conftest import TOKEN, lines, listening, rows
from training.serving import openapi


async def test_it_has_every_route_and_no_other(tmp_path: Path) -> None:
    async with listening(tmp_path) as running:
        routes = {
            (route.method.lower(), route.resource.canonical)
            for route in running.trainer.app.router.routes()
            if route.method != "HEAD" and isinstance(route.resource, web.PlainResource | web.DynamicResource)
        }
    assert set(openapi.OPERATIONS) == routes


def test_every_reference_leads_somewhere() -> None:
    document = openapi.document("1.2.3")
    schemas = document["components"]["schemas"]
    referred = {part.split('"')[0] for part in json.dumps(document).split("#/components/schemas/")[1:]}
    assert referred == set(schemas)
    assert document["info"]["version"] == "1.2.3"


def test_parameters_of_a_path_are_described() -> None:
    for (_, path), operation in openapi.OPERATIONS.items():
        named = {each.name for each in operation.parameters if each.place == "path"}
        assert named == {part[1:-1] for part in path.split("/") if part.startswith("{")}


async def test_answers_are_exactly_as_described(tmp_path: Path) -> None:
    async with listening(tmp_path, trainer_token=TOKEN) as running:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        file = await running.upload(lines(*rows(), {"nonsense": True}), on_bad_rows="drop")
        openapi.UploadedFile.model_validate(file.to_dict())
        assert file.model_extra["dropped"] == 1
        async with aiohttp.ClientSession(running.url, headers=headers) as session:

            async def get(path: str) -> str:
                async with session.get(path) as response:
                    return await response.text()

            async def post(path: str, body: object) -> str:
                async with session.post(path, json=body) as response:
                    return await response.text()

            created = await post("/v1/fine_tuning/jobs", {"model": "tiny", "training_file": file.id})
            assert '"error": null' in created, created
            job = openapi.FineTuningJob.model_validate_json(created)
            one = f"/v1/fine_tuning/jobs/{job.id}"
            assert len(openapi.TrainerFiles.model_validate_json(await get("/v1/files")).data) == 1
            openapi.TrainerFile.model_validate_json(await get(f"/v1/files/{file.id}"))
            assert len(openapi.TrainingRecipes.model_validate_json(await get("/v1/recipes")).data) == 1
            openapi.Estimate.model_validate_json(await get(f"/v1/recipes/tiny/estimate?dataset={file.id}"))
            assert len(openapi.TrainingDatasets.model_validate_json(await get("/v1/datasets")).data) == 2
            assert openapi.TrainedAdapters.model_validate_json(await get("/v1/adapters")).data
            assert (
                len(openapi.FineTuningJobs.model_validate_json(await get("/v1/fine_tuning/jobs")).data) == 1
            )
            openapi.FineTuningJob.model_validate_json(await get(one))
            assert openapi.JobEvents.model_validate_json(await get(f"{one}/events")).data
            openapi.JobCheckpoints.model_validate_json(await get(f"{one}/checkpoints"))
            openapi.TrainerHealth.model_validate_json(await get("/health"))
            openapi.FineTuningJob.model_validate_json(await post(f"{one}/cancel", {}))
            openapi.Forgotten.model_validate_json(await post("/v1/members/abc/forget", {}))
            Error.model_validate_json(await get("/v1/files/none"))
            async with session.delete(f"/v1/files/{file.id}") as response:
                openapi.DeletedFile.model_validate_json(await response.text())


async def test_the_trainer_hands_it_out_to_everyone(tmp_path: Path) -> None:
    async with (
        listening(tmp_path, trainer_token=TOKEN) as running,
        aiohttp.ClientSession(running.url) as session,
        session.get("/openapi.json") as response,
    ):
        assert response.status == 200
        assert (await response.json())["openapi"] == "3.1.0"
