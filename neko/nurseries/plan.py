"""What a model session is to be."""

from __future__ import annotations

from attrs import evolve, field, frozen

from neko.config.snapshot import Snapshot
from neko.protocol.client import InputMode
from neko.realtime.session import Line


@frozen
class Plan:
    """Of one session; what the client wished for and what was said before are part of it."""

    snapshot: Snapshot
    mode: InputMode
    wishes: dict[str, object] = field(factory=dict)  # what the client asked for, above the configuration
    lines: tuple[Line, ...] = field(default=(), repr=False)  # what was said before it
    mark: int = 0  # of the history, when the lines were taken from it
    forgets: int = 0  # how often something had been forgotten by then
    stands_in: bool = False  # its provider is the fallback, for as long as the character's own cannot be had

    def same(self, other: Plan) -> bool:
        """The same session for the person, whatever it was told."""
        return self.snapshot == other.snapshot and self.mode is other.mode

    @property
    def provider_name(self) -> str:
        spoken = self.mode is InputMode.AUDIO
        return self.snapshot.provider_name if spoken else self.snapshot.text_provider_name

    def stand_in(self) -> Plan | None:
        """The same with the character's fallback; None when it has none, or this is it."""
        snapshot = self.snapshot.stand_in(spoken=self.mode is InputMode.AUDIO)
        return None if snapshot is None else evolve(self, snapshot=snapshot, stands_in=True)
