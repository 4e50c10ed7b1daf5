"""Reading request bodies: JSON, or multipart with `payload_json` and `files[n]`.

API Reference, "Uploading Files".
"""

from __future__ import annotations

import json
import re
from typing import Any

from aiohttp import BodyPartReader, web

from ..errors import INVALID_JSON
from ..rules.message_form import Upload

_FILE = re.compile(r"files\[(\d+)\]")


async def read_body(request: web.Request) -> tuple[Any, list[Upload]]:
    """The JSON of the body (nothing for an empty one) and the files with it. Raises ApiError 50109."""
    if request.content_type == "multipart/form-data":
        return await _read_multipart(request)
    data = await request.read()
    return (_parse(data), []) if data else (None, [])


async def _read_multipart(request: web.Request) -> tuple[Any, list[Upload]]:
    body: Any = None
    files: list[Upload] = []
    async for part in await request.multipart():
        if not isinstance(part, BodyPartReader):
            continue
        data = bytes(await part.read(decode=True))
        file = _FILE.fullmatch(part.name or "")
        if part.name == "payload_json":
            body = _parse(data)
        elif file is not None:
            kind = part.headers.get("Content-Type")
            files.append(Upload(file[1], part.filename or "file", kind, data))
    return body, files


def _parse(data: bytes) -> Any:
    try:
        return json.loads(data)
    except ValueError:
        raise INVALID_JSON.error() from None
