"""A PostgreSQL of one's own, to be restarted, stopped and cut off as one likes.

python -m tests.reliability.postgres COMMAND …    # has one for as long as the command runs, as TEST_POSTGRES_URL
"""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.reliability.ports import free_port

_SUPERUSER = "postgres"
_INSTALLED = Path("/usr/lib/postgresql")


def programs() -> Path | None:
    """The folder of the newest PostgreSQL's programs, or None where there is no server on this machine."""
    found = [path.parent for path in _INSTALLED.glob("*/bin/initdb")]
    if found:
        return max(found, key=lambda path: float(path.parent.name))
    initdb = shutil.which("initdb")
    return Path(initdb).resolve().parent if initdb else None


@dataclass
class Cluster:
    """A server on 127.0.0.1 that trusts everybody. It loses nothing when its processes are killed; for the machine's
    own crash (`fsync`) nothing is done, which makes it quick."""

    folder: Path
    bin: Path
    port: int
    user: str | None
    """As whom it runs, where that is not who we are: PostgreSQL refuses to be root."""

    @property
    def url(self) -> str:
        """The address of its first database."""
        return f"postgresql+asyncpg://{_SUPERUSER}@127.0.0.1:{self.port}/postgres"

    async def make(self) -> None:
        """`initdb`."""
        if self.user is not None:
            os.chown(self.folder, pwd.getpwnam(self.user).pw_uid, -1)
        await self._run(
            "initdb", "-D", self._data, "-U", _SUPERUSER, "-A", "trust", "-E", "UTF8", "--no-locale", "-N"
        )

    async def start(self) -> None:
        """Return once it takes connections."""
        settings = {
            "port": self.port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "fsync": "off",
            "max_connections": 200,
        }
        given = " ".join(f"-c {name}='{value}'" for name, value in settings.items())
        await self._run(
            "pg_ctl", "start", "-w", "-D", self._data, "-l", str(self.folder / "log"), "-o", given
        )

    async def stop(self, mode: str) -> None:
        """`fast`: connections are ended in order; `immediate`: all processes are killed, and what was committed is
        read from the log at the next start."""
        await self._run("pg_ctl", "stop", "-w", "-D", self._data, "-m", mode)

    async def restart(self, mode: str) -> None:
        """Stop and start, as soon as may be."""
        await self._run(
            "pg_ctl", "restart", "-w", "-D", self._data, "-m", mode, "-l", str(self.folder / "log")
        )

    @property
    def _data(self) -> str:
        return str(self.folder / "data")

    async def _run(self, program: str, *arguments: str) -> None:
        process = await asyncio.create_subprocess_exec(
            self.bin / program,
            *arguments,
            user=self.user,
            cwd=self.folder,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,  # a server inherits it: a pipe would never end
            stderr=asyncio.subprocess.DEVNULL,
        )
        async with asyncio.timeout(90):
            if await process.wait():
                raise RuntimeError(f"{program} {arguments[0]} ended with {process.returncode}")


@asynccontextmanager
async def open_cluster() -> AsyncIterator[Cluster]:
    """A new one, while the block lasts.

    Raises:
        RuntimeError: this machine has no PostgreSQL server.
    """
    found = programs()
    if found is None:
        raise RuntimeError("PostgreSQL is not installed (Debian: apt install postgresql)")
    with tempfile.TemporaryDirectory(prefix="fanfabler-postgres-", ignore_cleanup_errors=True) as folder:
        cluster = Cluster(Path(folder), found, free_port(), _other_user())
        await cluster.make()
        await cluster.start()
        try:
            yield cluster
        finally:
            with suppress(RuntimeError):  # it may not run
                await cluster.stop("immediate")


def _other_user() -> str | None:
    """Somebody to run as, where we are root."""
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    return next(name for name in ("postgres", "nobody") if name in known)


async def _run_with_one(command: Sequence[str]) -> int:
    async with open_cluster() as cluster:
        environment = {**os.environ, "TEST_POSTGRES_URL": cluster.url}
        process = await asyncio.create_subprocess_exec(*command, env=environment)
        try:
            return await process.wait()
        except asyncio.CancelledError:  # Ctrl+C, which the command has got as well
            await process.wait()
            raise


if __name__ == "__main__":
    sys.exit(asyncio.run(_run_with_one(sys.argv[1:])))
