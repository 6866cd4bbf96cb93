"""What the person shows, in words, for a model that does not see."""

from __future__ import annotations

import trio
from attrs import define, field, frozen

from neko.config.snapshot import Snapshot
from neko.nurseries.inbox import Inbox
from neko.nurseries.outbox import Outbox
from neko.nurseries.ports import Describe
from neko.nurseries.slot import Slot
from neko.protocol.errors import StatusCode
from neko.protocol.server import Status
from neko.realtime.errors import ProviderError
from neko.realtime.session import Line
from neko.telemetry import get_logger

log = get_logger("sight")

EVERY_S = 5.0  # seconds from one description to the next: a shared screen sends a picture each second, and each costs
WITHIN_S = 20.0  # for one; a vision model takes 1 to 5, and what was shown longer ago nobody talks about any more
SHOWN = "What the person shows you now, by screen or camera, described for you: {}"
LATE = f"the vision model gave no description within {WITHIN_S:.0f} s"
NOT_SEEN = "{}; what is shown is left out until it works again"


@frozen
class Picture:
    snapshot: Snapshot
    url: str = field(repr=False)


@define(eq=False)
class Sight:
    """One session's. Only the youngest picture waits, the youngest description counts, and nobody waits for it."""

    _describe: Describe | None
    _inbox: Inbox
    _outbox: Outbox
    _shown: Picture | None = field(default=None, init=False)
    _arrived: trio.Event = field(factory=trio.Event, init=False)
    _words: str = field(default="", init=False, repr=False)
    _told: Slot | None = field(default=None, init=False)  # the session that knows the words
    _blind: bool = field(default=False, init=False)  # the last picture could not be described, and the person knows

    def show(self, snapshot: Snapshot, url: str) -> bool:
        """Has the picture described soon; False when nobody could."""
        if self._describe is None or snapshot.vision is None:
            return False
        self._shown = Picture(snapshot, url)
        self._arrived.set()
        return True

    def news_for(self, slot: Slot) -> Line | None:
        """What this session does not know yet of what is shown, all of it after a swap; it counts as told now."""
        if not self._words or self._told is slot or not slot.session.facts.takes_text:
            return None
        self._told = slot
        return Line("system", SHOWN.format(self._words))

    async def run(self) -> None:
        """Describes what is shown until cancelled."""
        while True:
            await self._arrived.wait()
            picture, self._shown, self._arrived = self._shown, None, trio.Event()
            assert picture is not None
            if self._describe is not None:
                await self._look(self._describe, picture)
            await trio.sleep(EVERY_S)

    async def _look(self, describe: Describe, picture: Picture) -> None:
        try:
            with trio.fail_after(WITHIN_S):
                words = await describe(picture.snapshot, picture.url)
        except ProviderError as error:
            self._failed(error.code, error.details)
        except trio.TooSlowError:
            self._failed(StatusCode.API_UNREACHABLE, LATE)
        else:
            self._blind = False
            if words.strip() and words != self._words:
                self._words, self._told = words.strip(), None
                self._inbox.look()

    def _failed(self, code: StatusCode, details: str) -> None:
        log.warning("sight.failed", code=code, details=details)
        if not self._blind:
            self._blind = True
            self._outbox.post(Status(code, NOT_SEEN.format(details)))
