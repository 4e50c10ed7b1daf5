"""An adapter onto Hugging Face's hub: its files, its card with the evaluation, and what its licence wants.

What goes up is put together in a folder of its own first, so that the adapter's is left as it is.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.finetuning.adapter import write_papers
from training.finetuning.base import preset_for
from training.finetuning.card import EVALUATION
from training.finetuning.errors import PublishError
from training.finetuning.licences import BaseLicence, licence_of
from training.finetuning.source import TrainedAdapter

NEEDED = (
    "adapter_model.safetensors",
    "adapter_config.json",
    "fanfabler.json",
    "manifest.json",
    "README.md",
    "NOTICE",
)
_REPORTS = (".md", ".json", ".html", ".png", ".svg")

Upload = Callable[[Path, str, str], str]
"""Folder, repository, message → the address of what was uploaded."""


@dataclass(frozen=True, slots=True)
class Publication:
    """What is going to be published."""

    source: Path
    """The adapter's folder …"""
    folder: Path
    """… and where what goes up was put together."""
    repo: str
    licence: BaseLicence
    evaluated: bool

    @property
    def files(self) -> list[tuple[str, int]]:
        """Name and size of every file, in their order."""
        paths = sorted(path for path in self.folder.rglob("*") if path.is_file())
        return [(path.relative_to(self.folder).as_posix(), path.stat().st_size) for path in paths]

    @property
    def lacking(self) -> str | None:
        """What is to be done where the licence wants a copy of its text to go along, and there is none."""
        if not self.licence.wants_copy or any(self.folder.glob("LICENSE*")):
            return None
        return (
            f"the {self.licence.title} wants a copy of its text to go along: "
            f"save {self.licence.link} as LICENSE.txt in {self.source}"
        )

    @property
    def card(self) -> str:
        """The model card's text."""
        return (self.folder / "README.md").read_text(encoding="utf-8")

    @property
    def message(self) -> str:
        """Of the commit on the hub."""
        return "FanFabler adapter"


def prepare(
    source: TrainedAdapter, repo: str, folder: Path, *, evaluation: Path | None = None
) -> Publication:
    """Put together what goes up, in `folder`. Raises `PublishError`.

    `evaluation` is the folder of a report of `python -m training evaluate`; without it, one that lies beside the
    adapter is taken along.
    """
    base = preset_for(source.recipe).base
    licence = licence_of(base)
    _check_name(repo, licence)
    shutil.copytree(source.folder, folder, dirs_exist_ok=True)
    if evaluation:
        take_report(evaluation, folder)
    write_papers(folder, source.manifest, base, source.manifest.get("languages", []))
    missing = [name for name in NEEDED if not (folder / name).is_file()]
    if missing:
        raise PublishError(f"{source.folder} lacks {', '.join(missing)}")
    return Publication(source.folder, folder, repo, licence, (folder / EVALUATION).is_file())


def publish(publication: Publication, upload: Upload) -> str:
    """Upload it, and return its address. Raises `PublishError`, also where the licence's text is lacking."""
    if publication.lacking:
        raise PublishError(publication.lacking)
    try:
        return upload(publication.folder, publication.repo, publication.message)
    except (OSError, ValueError) as error:
        raise PublishError(f"{publication.repo} could not be uploaded: {error}") from error


def to_hub(*, private: bool, endpoint: str | None = None, token: str | None = None) -> Upload:
    """Uploads to the hub (or to another server that speaks as it does), as whoever is logged in there."""
    import httpx
    from huggingface_hub import HfApi

    hub: Any = HfApi(endpoint=endpoint, token=token, library_name="fanfabler")

    def upload(folder: Path, repo: str, message: str) -> str:
        try:
            hub.create_repo(repo, private=private, exist_ok=True, repo_type="model")
            return str(hub.upload_folder(folder_path=folder, repo_id=repo, commit_message=message))
        except httpx.HTTPError as error:  # a hub that cannot be reached; what it refuses is an OSError
            raise OSError(f"{endpoint or 'the hub'} did not answer: {error}") from error
        except RuntimeError as error:  # a large file that was refused
            raise OSError(f"{error} {error.__cause__ or ''}".rstrip()) from error

    return upload


def _check_name(repo: str, licence: BaseLicence) -> None:
    owner, slash, name = repo.partition("/")
    if not (owner and slash and name) or "/" in name:
        raise PublishError(f"{repo!r} is no repository's id, which is OWNER/NAME")
    wanted = licence.name_begins.replace(" ", "-")
    if not name.lower().startswith(wanted.lower()):
        raise PublishError(
            f"the {licence.title} wants the name of a model made from its base to begin with "
            f"«{licence.name_begins}»: call it {owner}/{wanted}-{name}"
        )


def take_report(evaluation: Path, folder: Path) -> None:
    """Copy an evaluation's report, without the answers, below an adapter's folder. Raises `PublishError`."""
    if not (evaluation / EVALUATION.name).is_file():
        raise PublishError(f"{evaluation} has no {EVALUATION.name}: python -m training evaluate writes it")
    place = folder / EVALUATION.parent
    place.mkdir(exist_ok=True)
    for path in _reports(evaluation):
        shutil.copyfile(path, place / path.name)


def _reports(evaluation: Path) -> Sequence[Path]:
    """The report in all its forms, and its plots; not the answers."""
    return sorted(path for path in evaluation.iterdir() if path.is_file() and path.suffix in _REPORTS)
