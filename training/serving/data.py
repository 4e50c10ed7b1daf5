"""The rows that a job trains and validates on, written out for its run as a dataset with splits.

Without a validation file, rows about a tenth of the works of an uploaded file are held out, as `training.split` deals
them; where it is too small for that, the shipped validation chats of its languages take their place.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from training.chats import DATA, Chat, read_chats, write_chats, write_text
from training.errors import MissingData
from training.finetuning.rated import RatedChat
from training.serving.files import FileStore, tokens_of
from training.serving.jobs import SHIPPED, Job, JobFolder
from training.split import deal

LEAST_HELD_OUT = 4
"""Rows that an uploaded file must be able to hold out for itself."""


def write_data(root: Path, job: Job, folder: JobFolder) -> None:
    """Write the splits, and the rated rows, in one step; does nothing where they are. Raises `TrainingError`."""
    if folder.data.is_dir():
        return
    files = FileStore(root, sweep=False)
    train, validation = _splits(files, job)
    rated = _rows(files, job.rated_file) if job.rated_file else []
    if job.method == "sft":
        known = {chat.id for chat in train}
        train += [_plain(row) for row in rated if row.rating > 0 and row.id not in known]
    if job.languages is not None:
        train, validation = (
            [chat for chat in side if chat.language in job.languages] for side in (train, validation)
        )
        rated = [row for row in rated if row.language in job.languages]
    if job.limit is not None:
        train, validation = train[: job.limit], validation[: max(job.limit // 10, 2)]
    if not train:
        raise MissingData("There is no row left to train on.")
    if not validation:
        raise MissingData("There is no row to validate on in these languages: give a validation_file.")
    made = folder.path / ".data"
    shutil.rmtree(made, ignore_errors=True)
    write_chats(made / "splits" / "train.jsonl", train)
    write_chats(made / "splits" / "validation.jsonl", validation)
    learnt = rated if job.method == "kto" else train
    write_text(folder.estimated, str(sum(map(tokens_of, learnt))))
    if job.method == "kto":
        write_text(made / "rated.jsonl", "".join(row.model_dump_json() + "\n" for row in rated))
    made.rename(folder.data)


def _splits(files: FileStore, job: Job) -> tuple[list[Chat], list[Chat]]:
    shipped = read_chats(DATA / "splits" / "validation.jsonl")
    if job.training_file == SHIPPED:
        train, validation = read_chats(DATA / "splits" / "train.jsonl"), shipped
    else:
        train = [_plain(row) for row in _liked(files, job.training_file)]
        validation = []
        if job.validation_file is None:
            train, validation = _held_out(train)
        languages = {chat.language for chat in train}
        validation = validation or [chat for chat in shipped if chat.language in languages] or shipped
    if job.validation_file == SHIPPED:
        validation = shipped
    elif job.validation_file is not None:
        validation = [_plain(row) for row in _liked(files, job.validation_file)]
    return train, validation


def _held_out(chats: Sequence[Chat]) -> tuple[list[Chat], list[Chat]]:
    sides = deal(chats).rows
    held_out = {*sides["validation"], *sides["test"]}
    validation = [chat for chat in chats if chat.id in held_out]
    if len(validation) < LEAST_HELD_OUT:
        return list(chats), []
    return [chat for chat in chats if chat.id not in held_out], validation


def _liked(files: FileStore, file_id: str) -> list[Chat]:
    return [row.chat for row in files.rows(files.get(file_id)).good if row.liked]


def _rows(files: FileStore, file_id: str) -> list[RatedChat]:
    return [row.chat for row in files.rows(files.get(file_id)).good if isinstance(row.chat, RatedChat)]


def _plain(chat: Chat) -> Chat:
    """Without its rating."""
    return (
        Chat.model_validate(chat.model_dump(mode="json", exclude={"rating"}))
        if isinstance(chat, RatedChat)
        else chat
    )
