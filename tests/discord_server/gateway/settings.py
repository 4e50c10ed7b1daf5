"""What tests can set about the gateway before the bot connects."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class GatewaySettings:
    """`identify_seconds` 0 switches off the limit of one IDENTIFY per 5 s and `max_concurrency` key."""

    heartbeat_seconds: float = 41.25
    shards: int = 1
    max_concurrency: int = 1
    identify_seconds: float = 0.0
    session_starts: int = 1000
    # How many connection attempts are turned away (503) before the next is let in.
    refusals: int = 0
    acknowledge: bool = True
