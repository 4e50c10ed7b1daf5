"""What a message to be sent, or an edit of one, may hold (Message Resource, "Create Message")."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import EMPTY_MESSAGE, REQUEST_TOO_LARGE, Json, NotServedError
from ..state.message_records import MessageFlag
from .component_form import ComponentForm
from .embed_form import check_embeds
from .forms import Form, Path
from .mentions import check_allowed_mentions

CONTENT_LIMIT = 2000
NONCE_LIMIT = 25
# API Reference, "Uploading Files": the default limit of one file; Create Message: of the whole request.
FILE_LIMIT = 20 * 1024 * 1024
REQUEST_LIMIT = 25 * 1024 * 1024
_LEGACY_FIELDS = ("content", "embeds")


@dataclass(frozen=True)
class Upload:
    """A file of a multipart request; `key` is the n of `files[n]`."""

    key: str
    filename: str
    content_type: str | None
    data: bytes


def check_message(body: Json, files: list[Upload], path: Path = (), *, flags: int | None = None) -> None:
    """Raises ApiError 50035 with everything that is wrong, or 40005 for a file that is too large, and
    NotServedError for polls, stickers and forwarded messages.

    `flags` are those of the message being edited, for a new one those in the body count.
    """
    _require_served(body)
    form = Form()
    own_flags = body.get("flags")
    form.whole([*path, "flags"], own_flags, 0, 1 << 30)
    bits = (own_flags if isinstance(own_flags, int) else 0) | (flags or 0)
    form.text([*path, "content"], _stripped(body.get("content")), CONTENT_LIMIT)
    _check_nonce(form, [*path, "nonce"], body.get("nonce"))
    check_embeds(form, [*path, "embeds"], body.get("embeds"))
    check_allowed_mentions(form, [*path, "allowed_mentions"], body.get("allowed_mentions"))
    version_2 = bool(bits & MessageFlag.IS_COMPONENTS_V2)
    ComponentForm(form).check_message([*path, "components"], body.get("components"), version_2=version_2)
    if version_2:
        _check_no_legacy_fields(form, path, body)
    _check_attachments(form, [*path, "attachments"], body.get("attachments"), files)
    form.check()
    if any(len(file.data) > FILE_LIMIT for file in files):
        raise REQUEST_TOO_LARGE.error()


def require_something(body: Json, files: list[Upload]) -> None:
    """Raises 50006 when there is nothing to show."""
    if not (_stripped(body.get("content")) or body.get("embeds") or body.get("components") or files):
        raise EMPTY_MESSAGE.error()


def content_of(body: Json) -> str:
    """The text as Discord keeps it: without white space at its ends."""
    return str(_stripped(body.get("content")) or "")


def _require_served(body: Json) -> None:
    for name in ("poll", "sticker_ids"):
        if body.get(name):
            raise NotServedError(f"a message with {name!r}")
    if (body.get("message_reference") or {}).get("type"):
        raise NotServedError("a forwarded message")


def _stripped(value: object) -> object:
    return value.strip() if isinstance(value, str) else value


def _check_nonce(form: Form, path: Path, nonce: object) -> None:
    if nonce is None or (isinstance(nonce, int) and not isinstance(nonce, bool)):
        form.text(path, None if nonce is None else str(nonce), NONCE_LIMIT)
    else:
        form.text(path, nonce, NONCE_LIMIT)


def _check_no_legacy_fields(form: Form, path: Path, body: Json) -> None:
    for name in _LEGACY_FIELDS:
        if body.get(name):
            text = f"The '{name}' field cannot be used when using MessageFlags.IS_COMPONENTS_V2"
            code = "MESSAGE_CANNOT_USE_LEGACY_FIELDS_WITH_COMPONENTS_V2"
            form.add([*path, name], code, text)


def _check_attachments(form: Form, path: Path, value: object, files: list[Upload]) -> None:
    entries = form.objects(path, value, 10)
    form.length(path, files, 10)
    for index, entry in enumerate(entries):
        form.snowflake([*path, index, "id"], entry.get("id"))
        form.text([*path, index, "description"], entry.get("description"), 1024)
