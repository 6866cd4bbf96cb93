"""Which models this machine has, read from package metadata alone: nothing is imported, opened or hashed."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

from attrs import frozen

from neko.local.errors import ModelMissing
from neko.local.models import LANGUAGE_MODELS, MODELS, Model, Part


@frozen
class Listed:
    """A model, and whether this machine has it."""

    model: Model
    installed: bool


@frozen
class LocatedPart:
    """A part of a model's weights where its distribution put it."""

    path: Path
    distribution: str
    size: int | None
    """Bytes according to the distribution's record."""


def available_models() -> tuple[Listed, ...]:
    """Every model that neko knows, for `neko check`."""
    return tuple(Listed(model, is_installed(model)) for model in MODELS)


def is_installed(model: Model) -> bool:
    """Whether all its parts are there; says nothing about what is in them."""
    try:
        locate(model)
    except ModelMissing:
        return False
    return True


def best_language_model() -> Model:
    """The largest language model that is installed; `ModelMissing` when none is."""
    for model in LANGUAGE_MODELS:
        if is_installed(model):
            return model
    raise ModelMissing("the embedded language model")


def locate(model: Model) -> tuple[LocatedPart, ...]:
    """Its parts in order; `ModelMissing` names the first distribution that is not there."""
    return tuple(_locate(part, model) for part in model.parts)


def _locate(part: Part, model: Model) -> LocatedPart:
    try:
        distribution = metadata.distribution(part.distribution)
    except metadata.PackageNotFoundError as error:
        raise ModelMissing(f"{model.name} ({part.distribution})", model.extra) from error
    for file in distribution.files or ():
        if file.as_posix() == part.path:
            return _existing(LocatedPart(Path(str(file.locate())), part.distribution, file.size), model)
    raise ModelMissing(f"{model.name} ({part.path} of {part.distribution})", model.extra)


def _existing(part: LocatedPart, model: Model) -> LocatedPart:
    if not part.path.is_file():
        raise ModelMissing(f"{model.name} ({part.path})", model.extra)
    return part
