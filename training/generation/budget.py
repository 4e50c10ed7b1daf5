"""What calls cost, and the cap that they may not exceed."""

from __future__ import annotations

import asyncio
import ipaddress
import re
from dataclasses import dataclass
from importlib.resources import files
from urllib.parse import urlsplit

import yaml

from training.generation.errors import BudgetReached
from training.generation.journal import Usage


@dataclass(frozen=True, slots=True)
class Prices:
    """USD per million tokens, and where they come from."""

    per_million_in: float
    per_million_out: float
    source: str

    def usage(self, tokens_in: int, tokens_out: int, *, estimated: bool = False) -> Usage:
        """Tokens with their cost."""
        usd = (tokens_in * self.per_million_in + tokens_out * self.per_million_out) / 1e6
        return Usage(tokens_in, tokens_out, usd, estimated)

    def of(self, usage: Usage) -> Usage:
        """The same with its cost at these prices, where none was known when it was noted."""
        return (
            usage if usage.usd else self.usage(usage.tokens_in, usage.tokens_out, estimated=usage.estimated)
        )


def find_prices(
    model: str, base_url: str | None, price_in: float | None = None, price_out: float | None = None
) -> Prices | None:
    """The prices of a model: those given, else the table's, else nothing for a server of one's own; or None."""
    table = yaml.safe_load(files("training.generation").joinpath("prices.yaml").read_text(encoding="utf-8"))
    name = model.rsplit("/", 1)[-1]
    known = table["models"].get(name) or table["models"].get(re.sub(r"-\d{4}-\d{2}-\d{2}$", "", name))
    found = Prices(known["in"], known["out"], f"list prices of {table['as_of']}") if known else None
    if base_url is not None and _is_own(base_url):
        found = Prices(0.0, 0.0, "a server of one's own")
    if price_in is None and price_out is None:
        return found
    if found is None and (price_in is None or price_out is None):
        return None
    return Prices(
        price_in if price_in is not None else found.per_million_in if found else 0.0,
        price_out if price_out is not None else found.per_million_out if found else 0.0,
        "as given",
    )


def _is_own(base_url: str) -> bool:
    host = urlsplit(base_url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:
        return host == "localhost" or host.endswith(".local")


class Budget:
    """Keeps what is spent and what the calls under way may come to below a cap in USD, if there is one.

    Every call reserves the most it can cost before it is sent. So the cap holds as long as no call costs more
    than was reserved for it, which a server's own way of counting could bring about.
    """

    def __init__(self, cap: float | None, spent: float = 0.0) -> None:
        self.cap = cap
        self.spent = spent
        self._reserved = 0.0
        self._under_way = 0
        self._changed = asyncio.Condition()

    async def reserve(self, worst: float) -> None:
        """Wait until a call of this cost fits. Raises `BudgetReached` if it would not even with nothing under way."""
        async with self._changed:
            while not self._fits(worst):
                if self._under_way == 0:
                    raise BudgetReached(
                        f"${self.spent:.4f} of ${self.cap:.2f} are spent, and the next call may cost ${worst:.4f}"
                    )
                await self._changed.wait()
            self._reserved += worst
            self._under_way += 1

    async def settle(self, worst: float, actual: float) -> None:
        """The call has ended and cost this much."""
        async with self._changed:
            self._reserved -= worst
            self._under_way -= 1
            self.spent += actual
            self._changed.notify_all()

    def _fits(self, worst: float) -> bool:
        return self.cap is None or self.spent + self._reserved + worst <= self.cap + 1e-9
