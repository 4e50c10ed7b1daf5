"""With REQUIRE_ALL=1, as in CI, a test that needs a part of the machine fails where it would be skipped. With
TEST_DATABASE=postgresql, the tests that need a database run on PostgreSQL alone. And hypothesis looks at no clock."""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest
from hypothesis import HealthCheck, settings

# How long an example takes says more about the machine's other work than about the code.
settings.register_profile("fanfabler", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("fanfabler")

_NEEDS = {"postgres", "mediawiki", "browser", "embedded", "epubcheck", "unsloth", "fonts"}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what has nothing to do with PostgreSQL, where that is what is asked for."""
    if os.environ.get("TEST_DATABASE") == "postgresql":
        from tests.databases import need_postgres  # which other tests need not wait for

        chosen = need_postgres(items)
        config.hook.pytest_deselected(items=[item for item in items if item not in set(chosen)])
        items[:] = chosen


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn such a skip into a failure."""
    report = yield
    marks = {mark.name for mark in item.iter_markers()}
    if report.skipped and os.environ.get("REQUIRE_ALL") == "1" and marks & _NEEDS:
        reason = report.longrepr[-1] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"REQUIRE_ALL=1, but: {reason}"
    return report
