"""Plays the steps of an image in a plain folder, where there is no container engine: a fresh environment, the packages
from the index, the files that `.dockerignore` lets through, and the image's own start and health check, as its user.

    python -m tests.deployment.image bot /tmp/fanfabler-image
    python -m tests.deployment.image worker-cpu /tmp/fanfabler-image

A worker or a trainer is started as well, with the smallest model, until it is healthy, and ended in order. Make the
folder where the image's user can enter it, and be root: then it runs as that user.

It knows as much of a Dockerfile as ours has. What a folder cannot show is left out: the base image, the making of
users, and that nothing else of the machine is seen.
"""

from __future__ import annotations

import fnmatch
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.deployment.test_compose import ROOT, stages

_INSIDE = re.compile(r"(?<![\w.-])/(?=(?:opt/fanfabler|source|tmp|data)\b)")
"""Where a path of the image begins."""


@dataclass
class Image:
    """An image whose files lie in a folder."""

    target: str
    folder: Path
    """Its root."""
    python: str = "/usr/bin/python3"
    """Whose environment it gets; where the image's user is another one, they have to be able to run it."""
    say: Callable[[str], None] = lambda _: None
    environment: dict[str, str] = field(default_factory=dict)
    arguments: dict[str, str] = field(default_factory=dict)
    entrypoint: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)
    healthcheck: list[str] = field(default_factory=list)
    user: int | None = None
    workdir: Path = Path("/")

    def build(self) -> None:
        """Play every step. Raises `CalledProcessError` for one that fails."""
        (self.folder / "tmp").mkdir(parents=True, exist_ok=True)
        (self.folder / "tmp").chmod(0o1777)
        self._play(self.target)

    def start(self, arguments: list[str] | None = None, **more: str) -> subprocess.Popen[str]:
        """Its process, with other arguments than the image's own where they are given."""
        return self._open([*self.entrypoint, *(self.command if arguments is None else arguments)], more)

    def healthy(self) -> tuple[bool, str]:
        """What its health check finds, and says."""
        looked = self._open(self.healthcheck, {})
        words, errors = looked.communicate(timeout=60)
        return looked.returncode == 0, words + errors

    def inside(self, text: str) -> str:
        """With paths of the image as those of the folder."""
        return _INSIDE.sub(f"{self.folder}/", text)

    def size(self) -> int:
        """Bytes of what it has beside its base image."""
        files = (self.folder / "opt").rglob("*")
        return sum(path.lstat().st_size for path in files if not path.is_dir())

    def _open(self, words: list[str], more: dict[str, str]) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [self.inside(word) for word in words],
            env=self.environment | more,
            cwd=self.workdir,
            user=self.user if os.geteuid() == 0 else None,
            group=self.user if os.geteuid() == 0 else None,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def _play(self, stage: str) -> None:
        self.environment = {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"}
        for word, rest in stages()[stage]:
            begun = time.monotonic()
            getattr(self, f"_{word.lower()}")(rest)
            self.say(f"{time.monotonic() - begun:6.1f} s  {stage}: {word} {rest[:90]}")

    def _arg(self, rest: str) -> None:
        name, _, default = rest.partition("=")
        self.arguments.setdefault(name, default)

    def _env(self, rest: str) -> None:
        for name, value in (word.split("=", 1) for word in shlex.split(rest)):
            self.environment[name] = self.inside(value.replace("$PATH", self.environment["PATH"]))

    def _workdir(self, rest: str) -> None:
        self.workdir = Path(self.inside(rest))
        self.workdir.mkdir(parents=True, exist_ok=True)

    def _run(self, rest: str) -> None:
        command = re.sub(r"--mount=\S+\s*", "", rest)
        if command.startswith("groupadd"):
            # The users are not made, so that the machine stays as it is; they own the folder by their numbers.
            own = "-o 10001 -g 10001" if os.geteuid() == 0 else ""
            command = command.partition("&& install")[2].replace("-o fanfabler -g fanfabler", own)
            command = f"install {command}"
        command = command.replace("python -m venv", f"{self.python} -m venv")
        environment = os.environ | self.environment | self.arguments
        subprocess.run(
            ["sh", "-c", self.inside(command)],
            check=True,
            cwd=self.workdir,
            env=environment,
            stdin=subprocess.DEVNULL,
        )

    def _copy(self, rest: str) -> None:
        if found := re.match(r"--from=(\S+) (\S+) (\S+)$", rest):
            # Stages share the folder, as an environment cannot be moved; in the image its place is the same too.
            kept = self.environment, self.workdir
            self._play(found[1])
            self.environment, self.workdir = kept
            assert found[2] == found[3]
            assert Path(self.inside(found[2])).exists()
            return
        source, target = rest.split()
        assert target in {".", "./"}
        for path in context() if source == "." else [Path(source)]:
            if source != ".":
                assert path in context(), f"{source} is kept out by .dockerignore"
            (self.workdir / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / path, self.workdir / path)

    def _user(self, rest: str) -> None:
        self.user = int(rest.split(":", maxsplit=1)[0])

    def _entrypoint(self, rest: str) -> None:
        self.entrypoint = json.loads(rest)

    def _cmd(self, rest: str) -> None:
        self.command = json.loads(rest)

    def _healthcheck(self, rest: str) -> None:
        self.healthcheck = json.loads(rest[rest.index("CMD ") + 4 :])

    def _volume(self, _: str) -> None: ...

    def _expose(self, _: str) -> None: ...


def context() -> list[Path]:
    """The files that `.dockerignore` lets through; it names what comes in, and what of that stays out."""
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    lines = [line for line in lines if line and not line.startswith("#")]
    assert lines[0] == "*"
    taken = [line[1:] for line in lines if line.startswith("!")]
    out = [line.removeprefix("**/") for line in lines[1:] if not line.startswith("!")]
    found: list[Path] = []
    for name in taken:
        paths = [ROOT / name] if (ROOT / name).is_file() else sorted((ROOT / name).rglob("*"))
        for path in paths:
            inner = path.relative_to(ROOT)
            if path.is_file() and not any(
                fnmatch.fnmatch(part, each) for part in inner.parts for each in out
            ):
                found.append(inner)
    return found


SERVING = {"worker-cpu", "worker-gpu", "trainer"}
_TOKENS = {"WORKER_TOKEN": "a-long-secret", "TRAINER_TOKEN": "another-secret"}


def serve_once(image: Image, patience: float = 300.0) -> float:
    """Start what it serves, wait until its health check passes, and end it; the seconds that took.

    Raises:
        RuntimeError: it ended, did not get healthy, or did not end in order; with what it said.
    """
    begun = time.monotonic()
    process = image.start(PRESET="tiny", TRAINER_RECIPES="tiny", **_TOKENS)
    try:
        while not (found := image.healthy())[0]:
            if process.poll() is not None or time.monotonic() - begun > patience:
                process.kill()
                raise RuntimeError(f"not healthy: {found[1]}\n{''.join(process.communicate())}")
            time.sleep(0.5)
        seconds = time.monotonic() - begun
    finally:
        process.terminate()
    words = "".join(process.communicate(timeout=60))
    if process.returncode:
        raise RuntimeError(f"ended with {process.returncode}:\n{words}")
    return seconds


def main() -> None:
    """Build one, and say what was done and how big it is."""
    target, folder, *arguments = sys.argv[1:]
    image = Image(target, Path(folder), say=print, arguments=dict(a.split("=", 1) for a in arguments))
    image.build()
    sys.stdout.write(f"{image.size() / 1e6:.0f} MB beside the base image\n")
    if target in SERVING:
        user = image.user if os.geteuid() == 0 else os.geteuid()
        sys.stdout.write(
            f"healthy {serve_once(image):.0f} s after its start as user {user}, ended in order\n"
        )


if __name__ == "__main__":
    main()
