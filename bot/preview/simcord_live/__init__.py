"""Where simcord is made live, through names that it keeps to itself: real time in place of its virtual clock,
actions that end when the bot has answered and not when it rests, pages that follow every edit and can move
between channels. All private access is in this package; `missing_names` says whether simcord has what it takes."""

from __future__ import annotations

from bot.preview.simcord_live.environment import LiveBackend, LiveEnv, RealClock
from bot.preview.simcord_live.names import missing_names
from bot.preview.simcord_live.pages import LivePreview, LiveServer

__all__ = ["LiveBackend", "LiveEnv", "LivePreview", "LiveServer", "RealClock", "missing_names"]
