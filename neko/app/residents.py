"""The characters that live in the house: who moves in, who moves out, and who hears that something has changed."""

from __future__ import annotations

import trio
from attrs import Factory, frozen

from neko.config.manager import Change, ConfigManager
from neko.memory import Memory
from neko.nurseries.manager import LLMSessionManager
from neko.nurseries.ports import Ports

LEAVE_WITHIN = 4.0  # seconds: two for the session's goodbye, two for the client's


@frozen
class Resident:
    """One character; it moves out when `leaving` is set."""

    manager: LLMSessionManager
    leaving: trio.Event = Factory(trio.Event)


class Residents:
    """One for each character of the configuration. `live` owns one of them."""

    def __init__(self, config: ConfigManager, ports: Ports, memory: Memory) -> None:
        self._config = config
        self._ports = ports
        self._memory = memory
        self._here = {name: self._resident(name) for name in config.names}

    @property
    def managers(self) -> dict[str, LLMSessionManager]:
        return {name: resident.manager for name, resident in self._here.items()}

    async def move_in(self, process: trio.Nursery) -> None:
        """All that the configuration has at first; returns when they can be talked to."""
        for resident in self._here.values():
            await process.start(self._live, resident)

    def follow(self, change: Change, process: trio.Nursery) -> None:
        """What another configuration means for them. Those who move out are known to nobody from now on."""
        # Without a checkpoint, so that whoever is in the configuration is here too. A manager takes its client
        # before it runs.
        for name in change.added:
            self._here[name] = self._resident(name)
            process.start_soon(self._live, self._here[name])
        for name in change.removed:
            self._here.pop(name).leaving.set()
        for name in change.touched:
            self._here[name].manager.config_changed()

    async def _live(self, resident: Resident, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        async with trio.open_nursery() as nursery:
            await nursery.start(resident.manager.run)
            task_status.started()
            await resident.leaving.wait()
            with trio.move_on_after(LEAVE_WITHIN):
                await resident.manager.move_out(self._config.first)
            nursery.cancel_scope.cancel()

    def _resident(self, name: str) -> Resident:
        return Resident(LLMSessionManager(name, self._config, self._ports, self._memory.of(name)))
