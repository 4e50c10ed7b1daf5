"""What message components and modals may hold ("Component Reference")."""

from __future__ import annotations

from collections.abc import Collection
from enum import IntEnum

from ..errors import Json
from .forms import Form, Path


class ComponentType(IntEnum):
    ACTION_ROW = 1
    BUTTON = 2
    STRING_SELECT = 3
    TEXT_INPUT = 4
    USER_SELECT = 5
    ROLE_SELECT = 6
    MENTIONABLE_SELECT = 7
    CHANNEL_SELECT = 8
    SECTION = 9
    TEXT_DISPLAY = 10
    THUMBNAIL = 11
    MEDIA_GALLERY = 12
    FILE = 13
    SEPARATOR = 14
    CONTAINER = 17
    LABEL = 18
    FILE_UPLOAD = 19
    RADIO_GROUP = 21
    CHECKBOX_GROUP = 22
    CHECKBOX = 23


SELECTS = frozenset({3, 5, 6, 7, 8})
LINK_STYLE = 5
PREMIUM_STYLE = 6
_IN_ROW = frozenset({ComponentType.BUTTON}) | SELECTS
_IN_CONTAINER = (1, 9, 10, 12, 13, 14)
_TOP_OF_V2 = (*_IN_CONTAINER, 17)
_IN_MODAL = (1, 10, 18)
_IN_LABEL = (3, 4, 5, 6, 7, 8, 19, 21, 22, 23)
TOTAL_COMPONENTS = 40
TOTAL_TEXT = 4000


class ComponentForm:
    """Walks a tree of components; ids must be unique and totals are counted over the whole tree."""

    def __init__(self, form: Form) -> None:
        self._form = form
        self._seen: set[str] = set()
        self._count = 0
        self._text = 0

    def check_message(self, path: Path, value: object, *, version_2: bool) -> None:
        if version_2:
            self._walk(path, value, _TOP_OF_V2, TOTAL_COMPONENTS)
            if self._count > TOTAL_COMPONENTS:
                text = f"Must be {TOTAL_COMPONENTS} or fewer in length."
                self._form.add(path, "BASE_TYPE_MAX_LENGTH", text)
            if self._text > TOTAL_TEXT:
                text = f"Component text exceeds the maximum of {TOTAL_TEXT}"
                self._form.add(path, "COMPONENT_MAX_TEXT_DISPLAYED_LENGTH_EXCEEDED", text)
        else:
            self._walk(path, value, (1,), 5)

    def check_modal(self, path: Path, modal: Json) -> None:
        self._form.text([*path, "custom_id"], modal.get("custom_id"), 100, 1, required=True)
        self._form.text([*path, "title"], modal.get("title"), 45, 1, required=True)
        components = modal.get("components")
        if self._form.required([*path, "components"], components):
            self._form.objects([*path, "components"], components, 5, 1)
            self._walk([*path, "components"], components, _IN_MODAL, 40)

    def _walk(self, path: Path, value: object, allowed: Collection[int], high: int) -> None:
        for index, component in enumerate(self._form.objects(path, value, high)):
            self._component([*path, index], component, allowed)

    def _component(self, path: Path, component: Json, allowed: Collection[int]) -> None:
        self._count += 1
        kind = component.get("type")
        if kind not in allowed:
            listed = ", ".join(str(number) for number in allowed)
            text = f'Value of field "type" must be one of ({listed}).'
            self._form.add(path, "UNION_TYPE_CHOICES", text)
            return
        if kind == ComponentType.ACTION_ROW:
            self._row(path, component)
        elif kind == ComponentType.BUTTON:
            self._button(path, component)
        elif kind in SELECTS:
            self._select(path, component)
        elif kind == ComponentType.TEXT_INPUT:
            self._text_input(path, component)
        elif kind == ComponentType.TEXT_DISPLAY:
            self._form.text([*path, "content"], component.get("content"), TOTAL_TEXT, 1, required=True)
            self._text += len(str(component.get("content") or ""))
        elif kind == ComponentType.SECTION:
            self._section(path, component)
        elif kind == ComponentType.CONTAINER:
            self._walk([*path, "components"], component.get("components"), _IN_CONTAINER, 40)
        elif kind == ComponentType.LABEL:
            self._label(path, component)
        elif kind in (19, 21, 22, 23):
            self._custom_id(path, component)

    def _row(self, path: Path, row: Json) -> None:
        here = [*path, "components"]
        children = row.get("components")
        if not self._form.required(here, children):
            return
        items = self._form.objects(here, children, 5, 1)
        kinds = {item.get("type") for item in items}
        alone = kinds & (SELECTS | {ComponentType.TEXT_INPUT})
        if alone and len(items) > 1:
            self._form.add(
                here, "COMPONENT_LAYOUT_WIDTH_EXCEEDED", "The specified component exceeds the maximum width"
            )
        for index, item in enumerate(items):
            self._component([*here, index], item, _IN_ROW | {ComponentType.TEXT_INPUT})

    def _button(self, path: Path, button: Json) -> None:
        form = self._form
        form.choice([*path, "style"], button.get("style"), (1, 2, 3, 4, 5, 6))
        form.text([*path, "label"], button.get("label"), 80)
        if button.get("style") == LINK_STYLE:
            if form.required([*path, "url"], button.get("url")):
                form.url([*path, "url"], button.get("url"), ("http", "https", "discord"))
            if button.get("custom_id"):
                text = "A custom id and url cannot both be specified"
                form.add(path, "BUTTON_COMPONENT_CUSTOM_ID_URL_MUTUALLY_EXCLUSIVE", text)
        elif button.get("style") != PREMIUM_STYLE:
            self._custom_id(path, button)
            if not button.get("label") and not button.get("emoji"):
                form.add(path, "BUTTON_COMPONENT_INVALID_EMOJI_OR_LABEL", "A label or an emoji is required")

    def _select(self, path: Path, select: Json) -> None:
        form = self._form
        self._custom_id(path, select)
        form.text([*path, "placeholder"], select.get("placeholder"), 150)
        form.whole([*path, "min_values"], select.get("min_values"), 0, 25)
        form.whole([*path, "max_values"], select.get("max_values"), 1, 25)
        if select["type"] != ComponentType.STRING_SELECT:
            return
        here = [*path, "options"]
        if not form.required(here, select.get("options")):
            return
        values: set[object] = set()
        for index, option in enumerate(form.objects(here, select["options"], 25, 1)):
            form.text([*here, index, "label"], option.get("label"), 100, 1, required=True)
            form.text([*here, index, "value"], option.get("value"), 100, 1, required=True)
            form.text([*here, index, "description"], option.get("description"), 100)
            if option.get("value") in values:
                text = "The specified option value is already used"
                form.add([*here, index, "value"], "SELECT_COMPONENT_OPTION_VALUE_DUPLICATED", text)
            values.add(option.get("value"))

    def _text_input(self, path: Path, field: Json) -> None:
        form = self._form
        self._custom_id(path, field)
        form.choice([*path, "style"], field.get("style"), (1, 2))
        form.text([*path, "label"], field.get("label"), 45)
        form.text([*path, "value"], field.get("value"), 4000)
        form.text([*path, "placeholder"], field.get("placeholder"), 100)
        form.whole([*path, "min_length"], field.get("min_length"), 0, 4000)
        form.whole([*path, "max_length"], field.get("max_length"), 1, 4000)

    def _section(self, path: Path, section: Json) -> None:
        self._walk([*path, "components"], section.get("components"), (ComponentType.TEXT_DISPLAY,), 3)
        accessory = section.get("accessory")
        if self._form.required([*path, "accessory"], accessory) and accessory is not None:
            self._component([*path, "accessory"], accessory, (ComponentType.BUTTON, ComponentType.THUMBNAIL))

    def _label(self, path: Path, label: Json) -> None:
        self._form.text([*path, "label"], label.get("label"), 45, 1, required=True)
        self._form.text([*path, "description"], label.get("description"), 100)
        inner = label.get("component")
        if self._form.required([*path, "component"], inner) and inner is not None:
            self._component([*path, "component"], inner, _IN_LABEL)

    def _custom_id(self, path: Path, component: Json) -> None:
        here = [*path, "custom_id"]
        custom_id = component.get("custom_id")
        self._form.text(here, custom_id, 100, 1, required=True)
        if custom_id in self._seen:
            text = "Component custom id cannot be duplicated"
            self._form.add(here, "COMPONENT_CUSTOM_ID_DUPLICATED", text)
        if isinstance(custom_id, str):
            self._seen.add(custom_id)


def flatten(components: list[Json]) -> list[Json]:
    """Every component of a tree, parents before children."""
    found: list[Json] = []
    for component in components:
        found.append(component)
        found += flatten(component.get("components") or [])
        found += flatten([inner for key in ("accessory", "component") if (inner := component.get(key))])
    return found
