"""Collecting what is wrong with a request body into Discord's nested error form.

The shape is that of API Reference, "Error Messages": keys and list indexes lead to `_errors` with a code
and words for people.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any
from urllib.parse import urlsplit

from ..errors import ApiError, Json

Path = Sequence[str | int]
SNOWFLAKE_LIMIT = 1 << 64


class Form:
    """Add errors as they are found, then `check`: all are reported in one answer, as Discord does."""

    def __init__(self) -> None:
        self._errors: Json = {}

    def add(self, path: Path, code: str, message: str) -> None:
        node = self._errors
        for key in path:
            node = node.setdefault(str(key), {})
        node.setdefault("_errors", []).append({"code": code, "message": message})

    def check(self) -> None:
        """Raises ApiError 50035 when anything was added."""
        if self._errors:
            raise ApiError(400, 50035, "Invalid Form Body", extra={"errors": self._errors})

    def required(self, path: Path, value: Any) -> bool:
        if value is None:
            self.add(path, "BASE_TYPE_REQUIRED", "This field is required")
        return value is not None

    def text(self, path: Path, value: Any, high: int, low: int = 0, *, required: bool = False) -> None:
        """A string of `low` to `high` characters, or nothing unless `required`."""
        if value is None:
            if required:
                self.required(path, value)
            return
        if not isinstance(value, str):
            self.add(path, "STRING_TYPE_CONVERT", f'Could not interpret "{value}" as string.')
            return
        self.length(path, value, high, low)

    def length(self, path: Path, value: Collection[Any], high: int, low: int = 0) -> None:
        if low <= len(value) <= high:
            return
        if low:
            self.add(path, "BASE_TYPE_BAD_LENGTH", f"Must be between {low} and {high} in length.")
        else:
            self.add(path, "BASE_TYPE_MAX_LENGTH", f"Must be {high} or fewer in length.")

    def objects(self, path: Path, value: Any, high: int, low: int = 0) -> list[Json]:
        """The objects of a list of `low` to `high`; complaints are added, and nothing is returned for them."""
        if value is None:
            return []
        if not isinstance(value, list):
            self.add(path, "LIST_TYPE_CONVERT", "Only iterables may be used in a ListType")
            return []
        self.length(path, value, high, low)
        for index, item in enumerate(value):
            if not isinstance(item, dict):
                self.add([*path, index], "MODEL_TYPE_CONVERT", "Only dictionaries may be used in a ModelType")
        return [item for item in value if isinstance(item, dict)]

    def whole(self, path: Path, value: Any, low: int, high: int) -> None:
        if value is None:
            return
        if not isinstance(value, int) or isinstance(value, bool):
            self.add(path, "NUMBER_TYPE_COERCE", f'Value "{value}" is not int.')
        elif value < low:
            self.add(path, "NUMBER_TYPE_MIN", f"int value should be greater than or equal to {low}.")
        elif value > high:
            self.add(path, "NUMBER_TYPE_MAX", f"int value should be less than or equal to {high}.")

    def choice(self, path: Path, value: Any, choices: Collection[Any]) -> bool:
        """Whether `value` is one of the choices."""
        if value in choices:
            return True
        listed = ", ".join(repr(choice) for choice in choices)
        self.add(path, "BASE_TYPE_CHOICES", f"Value must be one of ({listed}).")
        return False

    def snowflake(self, path: Path, value: Any) -> int | None:
        """The id, or nothing with a complaint added."""
        text = str(value)
        if text.isascii() and text.isdigit() and int(text) < SNOWFLAKE_LIMIT:
            return int(text)
        self.add(path, "NUMBER_TYPE_COERCE", f'Value "{value}" is not snowflake.')
        return None

    def url(self, path: Path, value: Any, schemes: tuple[str, ...] = ("http", "https")) -> None:
        if value is None:
            return
        parts = urlsplit(str(value))
        if parts.scheme not in schemes:
            named = ", ".join(repr(scheme) for scheme in schemes)
            text = f'Scheme "{parts.scheme}" is not supported. Scheme must be one of ({named}).'
            self.add(path, "URL_TYPE_INVALID_SCHEME", text)
        elif not parts.netloc or len(str(value)) > 2048:
            self.add(path, "URL_TYPE_INVALID_URL", "Not a well formed URL.")
