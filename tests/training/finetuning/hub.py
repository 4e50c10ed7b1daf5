"""A hub of our own on loopback: as much of Hugging Face's HTTP as an upload needs. It keeps what it was sent."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Hub:
    """What was asked of it."""

    url: str = ""
    created: list[dict[str, Any]] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)
    tokens: set[str] = field(default_factory=set)
    refuse: bool = False


@contextmanager
def hub() -> Iterator[Hub]:
    """Listen until the block ends."""
    kept = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(kept))
    kept.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield kept
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(kept: Hub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            kept.tokens.add(self.headers.get("Authorization", ""))
            if kept.refuse:
                return self._answer({"error": "no"}, 403)
            if self.path == "/api/repos/create":
                asked = json.loads(body)
                kept.created.append(asked)
                return self._answer({"url": f"{kept.url}/{asked.get('organization', 'me')}/{asked['name']}"})
            if self.path == "/api/validate-yaml":
                return self._answer({"errors": [], "warnings": []})
            if self.path.endswith("/preupload/main"):
                how = {"uploadMode": "regular", "shouldIgnore": False}
                files = [{"path": each["path"], **how} for each in json.loads(body)["files"]]
                return self._answer({"files": files})
            if self.path.partition("?")[0].endswith("/commit/main"):
                return self._commit(body)
            return self._answer({"error": f"unknown {self.path}"}, 404)

        def do_GET(self) -> None:
            self._answer({"sha": "0" * 40, "siblings": [], "id": "x/y"})

        def _commit(self, body: bytes) -> None:
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "header":
                    kept.messages.append(line["value"]["summary"])
                elif line["key"] == "file":
                    kept.files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
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
