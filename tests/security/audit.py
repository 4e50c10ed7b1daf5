"""`make audit`: known holes in the packages that are installed, as the advisory service of PyPI knows them.

pip-audit comes into an environment of its own. It needs the internet; where that, or the service, is out of reach,
nothing has been found out, which is said and is no failure.
"""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
import tempfile
import venv
from pathlib import Path

HOME = Path(".cache/audit")
OUT_OF_REACH = (
    "NOT LOOKED AT: the advisory service cannot be reached from here. Nothing is known about holes, in either "
    "direction."
)


def verdict(report: str | None, complaint: str) -> tuple[int, str]:
    """The exit status and what to say of pip-audit's JSON; None where it wrote none."""
    if report is None:
        last = complaint.strip().splitlines()[-1:] or [""]
        return 0, f"{OUT_OF_REACH}\n({last[0][:300]})"
    packages = json.loads(report)["dependencies"]
    found = []
    for each in packages:
        for hole in each.get("vulns", ()):
            remedy = ", ".join(hole["fix_versions"]) or "no version yet"
            found.append(f"{each['name']} {each.get('version')}: {hole['id']}, mended in {remedy}")
    if found:
        return 1, "\n".join(found)
    return 0, f"{len(packages)} packages, and no known hole in any."


def main() -> int:
    """Install pip-audit where it is missing, run it over this environment, and say what it found."""
    python = HOME / "bin" / "python"
    if not (HOME / "bin" / "pip-audit").exists():
        venv.create(HOME, with_pip=True, clear=True)
        install = [
            str(python),
            "-m",
            "pip",
            "install",
            "-q",
            "--disable-pip-version-check",
            "pip-audit>=2.9,<3",
        ]
        if (done := subprocess.run(install, capture_output=True, text=True, check=False)).returncode:
            print(verdict(None, done.stderr)[1])  # noqa: T201
            return 0
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.json")
        where = sysconfig.get_path("purelib")
        options = [
            "--progress-spinner",
            "off",
            "--format",
            "json",
            "--output",
            str(report),
            "--timeout",
            "15",
        ]
        done = subprocess.run(
            [str(python), "-m", "pip_audit", "--path", where, *options],
            capture_output=True,
            text=True,
            check=False,
        )
        status, said = verdict(report.read_text() if report.exists() else None, done.stderr)
    print(said)  # noqa: T201
    return status


if __name__ == "__main__":
    sys.exit(main())
