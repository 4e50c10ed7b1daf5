"""Adapters of a running worker, loaded and unloaded by vLLM's two endpoints, which ours has as well."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.worker_client import translate

if TYPE_CHECKING:
    from openai import AsyncOpenAI


class WorkerAdapters:
    """What an operator may change of a worker. The client carries the operator's token, where there is one."""

    def __init__(self, client: AsyncOpenAI) -> None:
        self._client = client

    async def load(self, name: str, path: str) -> None:
        """Serve the adapter in this folder of the worker's machine under this name.

        A new version wants a new folder: vLLM keeps what its prefix cache knows of a folder it has seen.

        Raises:
            WorkerRefused: it cannot be loaded; the worker's own reason. WorkerError: the worker could not be asked.
        """
        await self._post("/load_lora_adapter", {"lora_name": name, "lora_path": path})

    async def unload(self, name: str) -> None:
        """Serve the adapter of this name no more.

        Raises:
            WorkerError: there is none of this name, or the worker could not be asked.
        """
        await self._post("/unload_lora_adapter", {"lora_name": name})

    async def _post(self, path: str, body: dict[str, str]) -> None:
        try:
            await self._client.post(path, cast_to=str, body=body)
        except Exception as error:
            raise translate(error) from error
