"""What `make audit` makes of pip-audit's findings."""

from __future__ import annotations

import json

from tests.security.audit import verdict


def test_an_audit_that_could_not_be_made_says_so_and_fails_nothing() -> None:
    status, said = verdict(None, "Traceback\nrequests.exceptions.ConnectionError: no route")
    assert status == 0
    assert said.startswith("NOT LOOKED AT")
    assert "no route" in said


def test_a_hole_is_named_with_its_remedy_and_fails() -> None:
    hole = {"id": "PYSEC-2026-1", "fix_versions": ["1.2"]}
    sound = {"name": "b", "version": "2", "vulns": []}
    report = {"dependencies": [{"name": "a", "version": "1", "vulns": [hole]}, sound]}
    assert verdict(json.dumps(report), "") == (1, "a 1: PYSEC-2026-1, mended in 1.2")
    assert verdict(json.dumps({"dependencies": [sound]}), "") == (0, "1 packages, and no known hole in any.")
