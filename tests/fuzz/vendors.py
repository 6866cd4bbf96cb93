"""The pretended vendors behind one character, which tell apart what each of them heard and said."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from functools import cache
from pathlib import Path

import trio
from attrs import evolve

from neko.app.dialects import reach
from neko.config.manager import ConfigManager
from neko.config.read import parse
from neko.config.snapshot import Snapshot
from neko.config.store import OverrideStore
from neko.protocol.client import InputMode
from neko.realtime.dialects.base import Setup
from neko.realtime.omni_realtime import OmniRealtimeClient, open_realtime
from neko.realtime.session import Line
from neko.testing import DIALECTS
from neko.testing.memory import ProviderInMemory
from neko.testing.session import ProviderSession
from tests.fuzz.witness import Unrepeated, Witness

KINDS = tuple(sorted(DIALECTS))
NAME = "Mimi"
CHARACTERS = f"""
[session]
max_turns = 3
{{vendors}}
[characters.{NAME}]
provider = "{{first}}"
prompt = "You are a cat."
"""
VENDOR = """
[providers.{kind}]
kind = "{kind}"
url = "ws://simulator"
model = "simulated"
"""
ENDS_UTTERANCE = 10  # blocks of silence


@cache
def configuration(first: str) -> ConfigManager:
    vendors = "".join(VENDOR.format(kind=kind) for kind in KINDS)
    read = parse(CHARACTERS.format(vendors=vendors, first=first), "neko.toml")
    return ConfigManager(read, OverrideStore.in_folder(Path(tempfile.gettempdir(), "absent")))


class Vendors:
    """One of each kind. Their sessions and the blocks that they speak have names of their own over all of them."""

    def __init__(self, witness: Witness, nursery: trio.Nursery) -> None:
        # One for each conversation: whoever counts over several conversations plays a script twice in two ways.
        self._behaviour = Unrepeated(
            silence_ms=ENDS_UTTERANCE * 10,
            response_ms=200,
            delta_ms=40,
            paced=True,
            first_delta_after_s=0.05,
            records=False,
        )
        self._of = {kind: ProviderInMemory(self._behaviour, witness.watch(DIALECTS[kind]), nursery) for kind in KINDS}
        first = self._of[KINDS[0]]
        for each in self._of.values():
            each.sessions = first.sessions
            each._take_blocks = first._take_blocks  # type: ignore[method-assign]

    @property
    def live(self) -> list[ProviderSession]:
        return [session for session in self._of[KINDS[0]].sessions if session.open]

    @property
    def sockets(self) -> int:
        return sum(each.open_sessions for each in self._of.values())

    @property
    def some_tell_no_speech(self) -> bool:
        return bool(self._of["gemini"].handshakes)

    def next_dials(self, refuse_status: int | None, handshake_delay_s: float) -> None:
        self._behaviour = evolve(self._behaviour, refuse_status=refuse_status, handshake_delay_s=handshake_delay_s)
        for each in self._of.values():
            each.behaviour = self._behaviour

    @asynccontextmanager
    async def connect(
        self, snapshot: Snapshot, mode: InputMode, lines: Sequence[Line]
    ) -> AsyncIterator[OmniRealtimeClient]:
        """The port of that name."""
        vendor = self._of[str(snapshot.provider.kind)]
        reached = reach(snapshot.provider, speaks=True)
        setup = Setup(snapshot.character.prompt, "default", "en", reached.model, lines)
        async with open_realtime(reached.dialect, setup, vendor.url, "key", dial=vendor.dial) as session:
            yield session


async def end_badly(session: ProviderSession, how: str) -> None:
    with suppress(trio.ClosedResourceError, trio.BrokenResourceError):  # it is ending already
        match how:
            case "reset":
                await session.drop()
            case "deafen":
                await session.deafen()
            case "close":
                await session.close(1011, "internal error")
            case _:
                await session.expire()
