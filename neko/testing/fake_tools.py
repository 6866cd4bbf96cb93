"""Tools in memory: functions by name, for whoever asks; made for virtual time."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import define, field

from neko.config.snapshot import Snapshot, Tool
from neko.tools.tool import Usable, Use


@define(eq=False)
class FakeTools:
    """A `Tools`. Every character may use all of `uses`, those in `durable` across turns, each `within_s`."""

    uses: Mapping[str, Use] = field(factory=dict)
    durable: set[str] = field(factory=set)
    within_s: float = 60.0

    def declared(self, snapshot: Snapshot) -> tuple[Tool, ...]:  # noqa: ARG002
        return tuple(Tool(name, "", {"type": "object"}) for name in self.uses)

    def find(self, snapshot: Snapshot, name: str) -> Usable | None:  # noqa: ARG002
        use = self.uses.get(name)
        return None if use is None else Usable(name, use, self.within_s, name in self.durable)
