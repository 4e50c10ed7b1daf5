"""The models there are, with what is known of each, and putting one in use: judged, loaded, then noted."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from bot.errors import WorkerError
from bot.operation.choices import Choice, ModelChoices, RolledBack
from bot.operation.errors import CannotLoad, UnknownAdapter, WorseThanInUse
from bot.operation.gate import Fault, Figures, faults_of
from bot.operation.serving import Served, ServedModels
from bot.trainer import Adapter, TrainerError, TrainerLacks
from bot.trainer_client import Trainer

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class KnownModel:
    """A model by the name that the worker has or would have for it. `where` are the servers that chose it, None among
    them for all; `own`: it answers where nothing is chosen; `bare`: it is the worker's base, without an adapter.
    `base_figures` are those of its base, where it is an adapter that was examined beside it."""

    name: str
    path: str | None
    figures: Figures | None
    recipe: str | None
    served: bool
    own: bool = False
    where: tuple[int | None, ...] = field(default=())
    bare: bool = False
    base_figures: Figures | None = None

    @property
    def choice(self) -> Choice:
        """As it is chosen."""
        return Choice(self.name, self.path)

    def faults_beside(self, standing: KnownModel) -> list[Fault]:
        """In what it falls behind another. A base alone was never examined by itself; it stood beside the adapter."""
        if standing.bare:
            return faults_of(self.figures, self.base_figures) if self.figures is not None else []
        return faults_of(self.figures or Figures(None, None), standing.figures)


@dataclass(frozen=True)
class Wanted:
    """Which model is to answer: in one server, or (no `scope`) in all that have chosen none."""

    name: str
    scope: int | None
    actor_id: int
    told_in: int
    force: bool = False


class Models:
    """The models, of the worker and of the trainer."""

    def __init__(
        self, trainer: Trainer, served: ServedModels, choices: ModelChoices, *, own: str | None = None
    ) -> None:
        self._trainer = trainer
        self._served = served
        self._choices = choices
        self._own = own

    async def known(self) -> list[KnownModel]:
        """All, those of the worker first; what cannot be asked just now is left out."""
        try:
            trained = await self._trained()
        except TrainerError as error:
            log.warning("the trainer's adapters are not known: %s", error)
            trained = ()
        return await self._known_with(trained)

    async def _known_with(self, trained: Sequence[Adapter]) -> list[KnownModel]:
        served = await self._listed()
        adapters = {adapter.id: adapter for adapter in trained}
        where = await self._choices.where()
        own = self._own or (served[0].name if served else None)
        names = list(dict.fromkeys([each.name for each in served] + list(adapters)))
        here = {each.name for each in served}
        bare = {each.name for each in served if not each.adapter}
        known = [
            _known(name, adapters.get(name), name in here, name == own, where.get(name, [])) for name in names
        ]
        return [replace(each, bare=each.name in bare and each.figures is None) for each in known]

    async def find(self, name: str) -> KnownModel:
        """Raises `UnknownAdapter`."""
        for model in await self.known():
            if model.name == name:
                return model
        raise UnknownAdapter(name)

    async def in_use(self, guild_id: int | None) -> str | None:
        """The name of what answers in a server now, as far as that can be told."""
        choice = await self._choices.for_guild(guild_id)
        if choice is not None:
            return choice.name
        served = await self._listed()
        return self._own or (served[0].name if served else None)

    async def activate(self, wanted: Wanted) -> KnownModel:
        """Put a model in use for new requests; what runs ends on the one that it began with.

        Raises:
            UnknownAdapter, WorseThanInUse, CannotLoad: it is not done. WorkerError: the worker cannot be asked.
            TrainerError: the trainer cannot be asked for the figures, and force was not asked for.
        """
        in_use = await self.in_use(wanted.scope)
        try:
            trained = await self._trained()
        except TrainerError:
            if not wanted.force and wanted.name != in_use:
                raise
            trained = ()
        models = {model.name: model for model in await self._known_with(trained)}
        if wanted.name not in models:
            raise UnknownAdapter(wanted.name)
        model = models[wanted.name]
        standing = models.get(in_use or "")
        beside = None if wanted.force or standing is None or standing.name == model.name else standing
        if beside is not None and (faults := model.faults_beside(beside)):
            raise WorseThanInUse(faults, beside.name)
        await self._served.ensure(model.choice)
        await self._choices.activate(
            wanted.scope,
            model.choice,
            actor_id=wanted.actor_id,
            told_in=wanted.told_in,
            forced=wanted.force,
            figures=model.figures.as_dict() if model.figures else None,
        )
        return model

    async def roll_back(self, scope: int | None, *, actor_id: int, told_in: int) -> RolledBack:
        """Go back to what was in use before.

        Raises:
            NothingToRollBack: nothing was chosen.
        """
        done = await self._choices.roll_back(scope, actor_id=actor_id, told_in=told_in)
        if done.now is not None:
            try:
                await self._served.ensure(done.now)
            except (WorkerError, CannotLoad) as error:
                log.warning("the model that was gone back to is not served yet: %s", error)
        return done

    async def _listed(self) -> Sequence[Served]:
        try:
            return await self._served.listed()
        except WorkerError as error:
            log.warning("the worker's models are not known: %s", error)
            return ()

    async def _trained(self) -> Sequence[Adapter]:
        """Raises `TrainerError`; one that has no adapters at all, as others than ours, has none to tell of."""
        if not self._trainer.is_set:
            return ()
        try:
            return await self._trainer.adapters()
        except TrainerLacks:
            return ()


def _known(
    name: str, adapter: Adapter | None, served: bool, own: bool, where: Sequence[int | None]
) -> KnownModel:
    figures = base = path = recipe = None
    if adapter is not None:
        figures = Figures(
            adapter.held_out_loss, adapter.language_match, adapter.lineage, adapter.evaluated_on
        )
        base = Figures(
            adapter.base_held_out_loss, adapter.base_language_match, adapter.lineage, adapter.evaluated_on
        )
        path, recipe = adapter.path or None, adapter.recipe
    return KnownModel(name, path, figures, recipe, served, own, tuple(where), base_figures=base)
