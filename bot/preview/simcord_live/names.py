"""The private places of simcord that the live page stands on, and a check that they are where they were."""

from __future__ import annotations

import inspect

from simcord import Env
from simcord.backend import Backend
from simcord.preview import Preview
from simcord.preview._pages import _Page
from simcord.preview._server import PreviewServer

# What is overridden or called below, with the parameters that it must know.
_PRIVATE: tuple[tuple[type, str, tuple[str, ...]], ...] = (
    (Env, "_settle_internal", ("timeout", "idle", "dispatch", "_deadline")),
    (Env, "_schedule_timer", ("record", "callback", "args", "schedule_context")),
    (Env, "_bot_scope", ()),
    (Backend, "emit", ("event", "payload")),
    (Preview, "_action", ("context_id", "body")),
    (Preview, "_open_page", ("viewer_id", "target_id")),
    (Preview, "_get_page", ("context_id",)),
    (Preview, "_publish", ("page", "reason")),
    (Preview, "_clear_page_assets", ("page",)),
    (Preview, "_reset_queries", ("page",)),
    (Preview, "_advance_presentation_time", ()),
    (PreviewServer, "_index", ("request",)),
    (PreviewServer, "_static", ("request",)),
    (PreviewServer, "_authorized", ("request", "context")),
)
_PAGE_FIELDS = ("channel_id", "target_id", "window_end_id", "generation", "revision", "modal", "modal_handle")


def missing_names() -> list[str]:
    """The private places that this simcord lacks or has in another shape; empty where the live page works."""
    missing = []
    for owner, name, parameters in _PRIVATE:
        found = getattr(owner, name, None)
        if not callable(found) or not set(parameters) <= set(inspect.signature(found).parameters):
            missing.append(f"{owner.__name__}.{name}")
    return missing + [f"_Page.{name}" for name in _PAGE_FIELDS if name not in _Page.__dataclass_fields__]
