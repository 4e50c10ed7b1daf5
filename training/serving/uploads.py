"""Receiving a file by multipart form: bounded in size and time, onto the disk and not into memory."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import get_args

from aiohttp import BodyPartReader, http_exceptions, web
from aiohttp.multipart import MultipartReader

from model.server.body import refuse_packed
from model.server.errors import ApiError
from training.serving.errors import BadRequest
from training.serving.files import Upload, members_of
from training.serving.rows import Kind

UPLOAD_SECONDS = 600.0
_CHUNK = 256 * 1024
_LONGEST_FIELD = 1024 * 1024
_MOST_PARTS = 16


async def receive(request: web.Request, into: Path, most: int) -> tuple[Upload, dict[str, str]]:
    """The file, written to `into`, and the form's other fields. Raises `BadRequest`, and `ApiError`."""
    refuse_packed(request)
    if not request.content_type.startswith("multipart/"):
        raise BadRequest("Files are sent as multipart/form-data.", param="file")
    filename: str | None = None
    fields: dict[str, str] = {}
    parts = 0
    try:
        async with asyncio.timeout(UPLOAD_SECONDS):
            async for part in await request.multipart():
                parts += 1
                if parts > _MOST_PARTS:
                    raise BadRequest("The form has too many parts.", param="file")
                if part is None or isinstance(part, MultipartReader):
                    raise BadRequest("The form has another form in it.", param="file")
                if part.name == "file":
                    filename = Path(part.filename or "rows.jsonl").name[:200]
                    await _write(part, into, most)
                elif part.name:
                    fields[part.name] = await _text(part)
    except TimeoutError:
        raise ApiError(408, "The file did not arrive in time.", code="request_timeout") from None
    except (ValueError, AssertionError, http_exceptions.HttpProcessingError) as error:
        raise BadRequest(f"The form cannot be read: {error}", param="file") from None
    if filename is None:
        raise BadRequest("The form has no file.", param="file", code="missing_file")
    return _upload(into, filename, fields), fields


async def _write(part: BodyPartReader, into: Path, most: int) -> None:
    size = 0
    with into.open("wb") as file:
        while chunk := await part.read_chunk(_CHUNK):
            size += len(chunk)
            if size > most:
                raise ApiError(
                    413,
                    f"The file is larger than {most // 2**20} MB (TRAINER_MAX_FILE_MB).",
                    param="file",
                    code="file_too_large",
                )
            file.write(chunk)


async def _text(part: BodyPartReader) -> str:
    found = bytearray()
    while chunk := await part.read_chunk(_CHUNK):
        found += chunk
        if len(found) > _LONGEST_FIELD:
            raise BadRequest("The field is too long.", param=part.name)
    return found.decode("utf-8")


def _upload(path: Path, filename: str, fields: dict[str, str]) -> Upload:
    if (purpose := fields.get("purpose")) != "fine-tune":
        raise BadRequest(f"The purpose is fine-tune, not {purpose!r}.", param="purpose")
    kind: Kind = "rated" if fields.get("kind") == "rated" else "chats"
    if fields.get("kind", kind) not in get_args(Kind):
        raise BadRequest(f"kind is one of {', '.join(get_args(Kind))}.", param="kind")
    try:
        members = members_of(fields.get("members"))
    except ValueError as error:
        raise BadRequest(f"members is a JSON list of strings: {error}", param="members") from None
    return Upload(path, filename, kind, members)
