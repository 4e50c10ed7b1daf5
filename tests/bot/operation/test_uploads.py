"""Files of which nobody knows whether the trainer has them, on both databases."""

from __future__ import annotations

import json
from datetime import timedelta

from sqlalchemy import select

from bot.database.connection import Database
from bot.database.tables import DueForgetting, Member, TrainingContribution, TrainingUpload, now
from bot.operation.uploads import FeedbackUploads
from bot.trainer_client import Trainer, open_trainer_client
from tests.bot.operation.stand_in import trainer

LONG_AGO = now() - timedelta(hours=2)
ADA, BEN, CAI, DAN = 1, 2, 3, 4


async def note(database: Database, name: str, people: dict[int, str]) -> None:
    """As a bot leaves it that was killed before the trainer answered."""
    async with database.transaction() as session:
        upload = TrainingUpload(
            file_id=name, kind="chats", rows=9, counts={}, actor_id=9, created_at=LONG_AGO
        )
        session.add(upload)
        await session.flush()
        session.add_all(
            TrainingContribution(upload_id=upload.id, member_id=member, alias=alias, row_ids=["x", "y", "z"])
            for member, alias in people.items()
        )


async def test_what_the_trainer_has_is_noted_and_what_nobody_agrees_to_any_more_is_forgotten(
    database: Database,
) -> None:
    async with trainer() as state, open_trainer_client(state.url, None) as client:
        async with database.transaction() as session:
            session.add_all(Member(id=member, training_consent=member != DAN) for member in (ADA, CAI, DAN))
        # Ben took his consent back meanwhile, Dan's row is still there; of Cai's rows the trainer took none.
        await note(database, "feedback-chats-a.jsonl", {ADA: "ada", CAI: "cai", DAN: "dan"})
        await note(database, "feedback-chats-b.jsonl", {ADA: "ada"})
        rows = [{"id": "x", "members": ["ada", "ben"]}, {"id": "y", "members": ["ada", "dan"]}]
        content = "".join(json.dumps(row) + "\n" for row in rows).encode()
        file_id = state.add_file("feedback-chats-a.jsonl", content)
        state.datasets.append(
            {"id": file_id, "name": "feedback-chats-a.jsonl", "rows": 2, "languages": [], "kind": "chats"}
        )
        uploads = FeedbackUploads(database, Trainer(client))
        state.away = True
        await uploads.settle()
        assert await uploads.newest() == [], "nothing is known of them"
        state.away = False
        for _ in range(2):
            await uploads.settle()
        async with database.reading() as session:
            found = (await session.scalars(select(TrainingUpload))).all()
            parts = (await session.scalars(select(TrainingContribution))).all()
            due = (await session.scalars(select(DueForgetting.alias).order_by(DueForgetting.alias))).all()
        assert [(upload.file_id, upload.rows) for upload in found] == [(file_id, 2)]
        assert [(part.member_id, part.row_ids) for part in parts] == [(ADA, ["x", "y"])]
        assert list(due) == ["ben", "dan"]
