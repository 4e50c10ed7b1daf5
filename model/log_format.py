"""How log lines look: text for people, or JSON, one object a line, for whatever collects them."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Literal

LogFormat = Literal["text", "json"]

# `where` is the request that a line belongs to, for those who add it.
_TEXT = "%(asctime)s %(levelname)s %(name)s%(where)s %(message)s"


class JsonFormatter(logging.Formatter):
    """`time` (UTC), `level`, `logger` and `message`, the `request` that it belongs to where that is known, and the
    fields of a record that has some."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line of JSON."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
        }
        if request_id := getattr(record, "request", None):
            line["request"] = request_id
        fields = getattr(record, "fields", None)
        if isinstance(fields, dict):
            line |= {"message": "request", **fields}
        else:
            line["message"] = record.getMessage()
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


def set_up_logging(level: str, form: LogFormat) -> None:
    """Send all logs from this level on to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        JsonFormatter() if form == "json" else logging.Formatter(_TEXT, defaults={"where": ""})
    )
    logging.basicConfig(level=level.upper(), handlers=[handler])
