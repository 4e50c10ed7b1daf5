"""With REQUIRE_ALL=1, as in CI, a test that needs a part of the machine fails where it would be skipped."""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest

_NEEDS = {"postgres", "mediawiki", "browser", "embedded"}


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
