"""What an application command may look like ("Application Commands")."""

from __future__ import annotations

import unicodedata

from ..errors import Json
from ..state.application_records import CommandType
from .forms import Form, Path
from .locales import LOCALES

OPTIONS_LIMIT = 25
SIZE_LIMIT = 8000
PER_SCOPE = {CommandType.CHAT_INPUT: 100, CommandType.USER: 15, CommandType.MESSAGE: 15}

SUB_COMMAND, SUB_COMMAND_GROUP, STRING, INTEGER, BOOLEAN = 1, 2, 3, 4, 5
USER, CHANNEL, ROLE, MENTIONABLE, NUMBER, ATTACHMENT = 6, 7, 8, 9, 10, 11
_NESTS = (SUB_COMMAND, SUB_COMMAND_GROUP)
_WITH_CHOICES = (STRING, INTEGER, NUMBER)


def is_name(text: str) -> bool:
    r"""Discord's `^[-_'\p{L}\p{N}\p{sc=Deva}\p{sc=Thai}]{1,32}$`, and lower case where there is one."""
    return 1 <= len(text) <= 32 and text == text.lower() and all(_may_be_in_name(c) for c in text)


def _may_be_in_name(character: str) -> bool:
    if character in "-_'" or unicodedata.category(character)[0] in "LN":
        return True
    name = unicodedata.name(character, "")
    # The baht sign is in the Thai block, not in the Thai script; dandas are common to many scripts.
    return (name.startswith("THAI ") and "BAHT" not in name) or (
        name.startswith("DEVANAGARI ") and "DANDA" not in name
    )


def check_command(form: Form, path: Path, command: Json) -> None:
    kind = command.get("type") or CommandType.CHAT_INPUT
    if not form.choice([*path, "type"], kind, tuple(int(t) for t in CommandType)):
        return
    _check_names(form, path, command, slash=kind == CommandType.CHAT_INPUT)
    if kind == CommandType.CHAT_INPUT:
        _check_descriptions(form, path, command)
        _check_options(form, [*path, "options"], command.get("options"), depth=0)
    else:
        for name in ("description", "options"):
            if command.get(name):
                code = f"APPLICATION_COMMAND_CONTEXT_MENU_{name.upper()}_CANNOT_BE_SET"
                form.add([*path, name], code, f"Context menu commands cannot have {name}")
    bits = command.get("default_member_permissions")
    if bits is not None:
        form.snowflake([*path, "default_member_permissions"], bits)
    if command_size(command) > SIZE_LIMIT:
        text = f"Command exceeds maximum size ({SIZE_LIMIT})"
        form.add(path, "APPLICATION_COMMAND_TOO_LARGE", text)


def command_size(node: Json) -> int:
    """Characters of names, descriptions and values; of translations the longest counts."""
    size = 0
    for key in ("name", "description"):
        translations = node.get(f"{key}_localizations") or {}
        size += max(len(str(text)) for text in [node.get(key) or "", *translations.values()])
    if isinstance(node.get("value"), str):
        size += len(node["value"])
    for child in [*(node.get("options") or []), *(node.get("choices") or [])]:
        size += command_size(child)
    return size


def _check_names(form: Form, path: Path, node: Json, *, slash: bool) -> None:
    form.text([*path, "name"], node.get("name"), 32, 1, required=True)
    names: dict[tuple[str, ...], object] = {("name",): node.get("name")}
    for locale, text in _translations(form, path, node, "name").items():
        form.text([*path, "name_localizations", locale], text, 32, 1, required=True)
        names["name_localizations", locale] = text
    for where, name in names.items():
        if slash and isinstance(name, str) and not is_name(name):
            code = "APPLICATION_COMMAND_INVALID_NAME"
            form.add([*path, *where], code, "Command name is invalid")


def _check_descriptions(form: Form, path: Path, node: Json) -> None:
    form.text([*path, "description"], node.get("description"), 100, 1, required=True)
    for locale, text in _translations(form, path, node, "description").items():
        form.text([*path, "description_localizations", locale], text, 100, 1, required=True)


def _translations(form: Form, path: Path, node: Json, key: str) -> Json:
    name = f"{key}_localizations"
    found = node.get(name) or {}
    for locale in found:
        form.choice([*path, name, locale], locale, sorted(LOCALES))
    return {locale: text for locale, text in found.items() if locale in LOCALES}


def _check_options(form: Form, path: Path, value: object, *, depth: int) -> None:
    options = form.objects(path, value, OPTIONS_LIMIT)
    names: set[object] = set()
    optional_seen = False
    for index, option in enumerate(options):
        here = [*path, index]
        if option.get("name") in names:
            text = "Option names must be unique within a command"
            form.add(path, "APPLICATION_COMMAND_OPTIONS_NAME_ALREADY_EXISTS", text)
        names.add(option.get("name"))
        if option.get("required") and optional_seen:
            text = "Required options must be placed before non-required options"
            form.add(here, "APPLICATION_COMMAND_OPTIONS_REQUIRED_INVALID", text)
        optional_seen = optional_seen or not option.get("required")
        _check_option(form, here, option, depth)
    nests = {option.get("type") in _NESTS for option in options}
    if len(nests) > 1:
        text = "Sub-command and sub-command group option types are mutually exclusive to all other types"
        form.add(path, "APPLICATION_COMMAND_OPTIONS_TYPE_INVALID", text)


def _check_option(form: Form, path: Path, option: Json, depth: int) -> None:
    kind = option.get("type")
    allowed = range(1, 12) if depth == 0 else (1,) if depth == 1 else range(3, 12)
    if not form.choice([*path, "type"], kind, tuple(allowed)):
        return
    _check_names(form, path, option, slash=True)
    _check_descriptions(form, path, option)
    if kind in _NESTS:
        # Below a group come sub-commands, below a sub-command come parameters.
        inner = 1 if kind == SUB_COMMAND_GROUP else 2
        _check_options(form, [*path, "options"], option.get("options"), depth=inner)
        return
    form.whole([*path, "min_length"], option.get("min_length"), 0, 6000)
    form.whole([*path, "max_length"], option.get("max_length"), 1, 6000)
    _check_choices(form, path, option)


def _check_choices(form: Form, path: Path, option: Json) -> None:
    choices = form.objects([*path, "choices"], option.get("choices"), 25)
    if (choices or option.get("autocomplete")) and option["type"] not in _WITH_CHOICES:
        text = "Choices and autocomplete are for strings, integers and numbers only"
        form.add(path, "APPLICATION_COMMAND_OPTION_CHOICES_INVALID", text)
    if choices and option.get("autocomplete"):
        text = "Choices cannot be set when autocomplete is enabled"
        form.add(path, "APPLICATION_COMMAND_OPTIONS_CHOICES_AUTOCOMPLETE", text)
    for index, choice in enumerate(choices):
        here = [*path, "choices", index]
        form.text([*here, "name"], choice.get("name"), 100, 1, required=True)
        for locale, text in _translations(form, here, choice, "name").items():
            form.text([*here, "name_localizations", locale], text, 100, 1, required=True)
        if option["type"] == STRING:
            form.text([*here, "value"], choice.get("value"), 100, required=True)
