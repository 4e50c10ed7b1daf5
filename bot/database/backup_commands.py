"""`python -m bot db backup` and `db restore`, in words."""

from __future__ import annotations

from pathlib import Path

from bot.database.backup import Backup, back_up, restore
from bot.database.connection import open_database
from bot.database.schema import upgrade
from bot.privacy.deletion_log import DeletionLog, log_path
from bot.privacy.service import keep_promises, keep_withdrawals
from bot.settings import Settings


async def run_backup(settings: Settings, path: Path, *, force: bool) -> str:
    """Back the database of the settings up; returns what was done.

    Raises:
        BackupFailed: nothing was.
    """
    made = await back_up(settings.database_url, path, force=force)
    log = log_path(settings)
    return (
        f"Backed up to {path} ({_size(made)}): {_content(made)}. It was read back and is sound.\n"
        f"It holds what members wrote: keep it where nobody else reads it. Keep {log} too, apart from it: a restored "
        "backup carries out again the deletions that are in that log, and takes back the consents withdrawn there."
    )


async def run_restore(settings: Settings, path: Path, *, force: bool) -> str:
    """Bring a backup back, migrate it to this version, and carry out the deletions and the consents taken back that it
    does not know of.

    Raises:
        BackupFailed: nothing was changed.
    """
    brought = await restore(settings.database_url, path, force=force)
    async with open_database(settings.database_url) as database:
        await upgrade(database)
        receipts = await keep_promises(database, DeletionLog(log_path(settings)))
        withdrawn = await keep_withdrawals(database, DeletionLog(log_path(settings)))
    lines = [f"Restored from {path}{_described(brought)}."]
    if brought.kept is not None:
        lines.append(f"What was there before is in {brought.kept}. Delete it once you need it no more.")
    if receipts:
        removed = sum(sum(receipt.counts.values()) for receipt in receipts)
        lines.append(
            f"Carried out again {len(receipts)} deletions of members' data since the backup: {removed} rows."
        )
    if withdrawn:
        lines.append(
            f"Took back again {withdrawn} consents to training that members withdrew since the backup."
        )
    if not log_path(settings).exists():
        lines.append(
            f"There is no deletion log at {log_path(settings)}. If members deleted their data or took a consent back "
            "since the backup, bring it back (DELETION_LOG) before the bot starts."
        )
    return "\n".join(lines)


def _content(backup: Backup) -> str:
    return f"{backup.stories} stories with {backup.messages} messages, tables of revision {backup.revision}"


def _described(backup: Backup) -> str:
    """A dump of PostgreSQL's is not looked into."""
    return f" ({_size(backup)}): {_content(backup)}" if backup.revision else f" ({_size(backup)})"


def _size(backup: Backup) -> str:
    return (
        f"{backup.size / 1024 / 1024:.1f} MB"
        if backup.size >= 1024 * 1024
        else f"{backup.size / 1024:.0f} KB"
    )
