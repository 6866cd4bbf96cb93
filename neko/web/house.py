"""What the web needs from the house it is the door of."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from attrs import Factory, frozen

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from neko.config.manager import ConfigManager
    from neko.memory import Memory
    from neko.nurseries.manager import LLMSessionManager
    from neko.sockets import Socket
    from neko.telemetry.metrics import Metrics


class HealthState(StrEnum):
    STARTING = "starting"
    READY = "ready"
    DRAINING = "draining"


@frozen
class Health:
    """How the house is, and in words how each thing is that it depends on."""

    state: HealthState
    detail: dict[str, str] = Factory(dict)


class House(Protocol):
    """Whom visitors come to see. Read at each request: a character may come or go while the web listens."""

    @property
    def config(self) -> ConfigManager: ...

    @property
    def managers(self) -> Mapping[str, LLMSessionManager]:
        """One per character, by its name."""

    @property
    def memory(self) -> Memory:
        """Of all characters, those included that are gone from the configuration."""

    @property
    def metrics(self) -> Metrics: ...

    def change(self, name: str, keys: Mapping[str, object]) -> None:
        """Changes a character for good. Raises ConfigError or StorageError, and nothing is changed."""

    def drop_overrides(self, name: str) -> None:
        """Back to what the file says about a character. Raises as `change` does."""

    @property
    def serve_local(self) -> Callable[[Socket], Awaitable[None]]:
        """Serves the embedded provider on an accepted `/v1/realtime?model=local` socket until it ends."""

    def health(self) -> Health: ...
