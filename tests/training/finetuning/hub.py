"""A hub of our own on loopback: as much of Hugging Face's HTTP as an upload needs. It keeps what it was sent.

Weights come by Git LFS, as the hub wants large files; Xet, which the client would choose first, is switched off.
"""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from unittest.mock import patch


@dataclass
class Hub:
    """What was asked of it."""

    url: str = ""
    created: list[dict[str, Any]] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    large: dict[str, bytes] = field(default_factory=dict)
    """What came by LFS, by its SHA-256."""
    messages: list[str] = field(default_factory=list)
    tokens: set[str] = field(default_factory=set)
    refuse: bool = False
    refuse_large: bool = False


@contextmanager
def hub() -> Iterator[Hub]:
    """Listen until the block ends."""
    kept = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(kept))
    kept.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        with patch("huggingface_hub.constants.HF_HUB_DISABLE_XET", new=True):
            yield kept
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _accepted(path: str) -> dict[str, Any]:
    mode = "lfs" if path.endswith(".safetensors") else "regular"
    return {"path": path, "uploadMode": mode, "shouldIgnore": False}


def _handler(kept: Hub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            kept.tokens.add(self.headers.get("Authorization", ""))
            if kept.refuse:
                self._answer({"error": "no"}, 403)
            elif self.path == "/api/repos/create":
                asked = json.loads(body)
                kept.created.append(asked)
                self._answer({"url": f"{kept.url}/{asked.get('organization', 'me')}/{asked['name']}"})
            elif self.path == "/api/validate-yaml":
                self._answer({"errors": [], "warnings": []})
            elif self.path.endswith("/preupload/main"):
                self._answer({"files": [_accepted(each["path"]) for each in json.loads(body)["files"]]})
            elif self.path.endswith(".git/info/lfs/objects/batch"):
                objects = [{**each, **self._wanted(each["oid"])} for each in json.loads(body)["objects"]]
                self._answer({"transfer": "basic", "objects": objects})
            elif self.path.partition("?")[0].endswith("/commit/main"):
                self._commit(body)
            else:
                self._answer({"error": f"unknown {self.path}"}, 404)

        def do_GET(self) -> None:
            self._answer({"sha": "0" * 40, "siblings": [], "id": "x/y"})

        def do_PUT(self) -> None:
            content = self.rfile.read(int(self.headers["Content-Length"]))
            oid = self.path.removeprefix("/lfs/")
            if kept.refuse_large or hashlib.sha256(content).hexdigest() != oid:
                self._answer({"error": "no"}, 403)
            else:
                kept.large[oid] = content
                self._answer({})

        def _wanted(self, oid: str) -> dict[str, Any]:
            return {"actions": {"upload": {"href": f"{kept.url}/lfs/{oid}"}}}

        def _commit(self, body: bytes) -> None:
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "header":
                    kept.messages.append(line["value"]["summary"])
                elif line["key"] == "file":
                    kept.files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
                elif line["key"] == "lfsFile":
                    kept.files[line["value"]["path"]] = kept.large[line["value"]["oid"]]
            self._answer({"commitUrl": f"{kept.url}/x/y/commit/1", "commitOid": "1" * 40, "success": True})

        def _answer(self, fields: dict[str, Any], status: int = 200) -> None:
            content = json.dumps(fields).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            pass

    return Handler
