"""One character's sessions, one at a time: who asks for one, who runs it, and when it counts as over."""

from __future__ import annotations

from functools import partial
from math import inf

import trio

from neko.audio.ledger import Ledger
from neko.nurseries.inbox import Inbox
from neko.nurseries.session import Ending, Session
from neko.nurseries.slot import Slot
from neko.protocol.errors import StatusCode
from neko.protocol.server import Status
from neko.telemetry import get_logger

log = get_logger("hosting")

BUG_DETAILS = "Something went wrong here; start the session again."


class Hosting:
    """Sessions are begun and ended in sync code, and run by `run`, each after the end of the one before it.

    `inbox` is what the person says: what comes before a session waits there for it.
    """

    def __init__(self, character: str, ledger: Ledger) -> None:
        self.inbox = Inbox(ledger)
        self._character = character
        self._session: Session | None = None
        self._last: Session | None = None  # the one that was over last
        self._previous = trio.Event()  # the session before is over, its last words included
        self._previous.set()
        # Without bound, so that asking is one step: whatever waits here was ended by what came after it.
        self._asked, self._asks = trio.open_memory_channel[tuple[Session, trio.Event]](inf)

    @property
    def session(self) -> Session | None:
        """The session, unless it is ending: for everybody else it is over as soon as that is decided."""
        session = self._session
        if session is not None and session.ended:
            self._forget(session)
        return self._session

    def nobody_spoke(self) -> None:
        """Another client comes: what the one before said to no session is not for the next one's."""
        if self.session is None:
            self._new_inbox()

    def begin(self, session: Session) -> None:
        """Has `run` run it; there must be none."""
        # No checkpoint: a session that is known and not hosted would keep every later one waiting.
        after, self._previous, self._session = self._previous, session.over, session
        self._asked.send_nowait((session, after))

    def end(self, ending: Ending) -> Session | None:
        """Ends the session, if there is one; it is over when its `over` is set."""
        session = self.session
        if session is not None:
            session.end(ending)
            self._forget(session)
        return session

    async def quiet(self) -> None:
        """Returns when every session so far is over, its last words included."""
        await self._previous.wait()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Hosts until cancelled."""
        async with trio.open_nursery() as nursery:
            task_status.started()
            async for session, after in self._asks:
                nursery.start_soon(self._host, session, after)

    def inherit(self) -> Slot | None:
        """The model session that the last session has prepared and not needed, as long as it is kept; it is the
        taker's now."""
        return self._last.hand_over() if self._last else None

    async def _host(self, session: Session, after: trio.Event) -> None:
        try:
            await after.wait()
            await self._run(session)
        finally:
            session.over.set()

    async def _run(self, session: Session) -> None:
        try:
            await session.run(partial(self._over, session))
        except* Exception:  # a bug ends one conversation, and nothing else
            log.exception("session.bug", character=self._character, session=session.id)
            if not session.over.is_set():
                session.ending = Ending.BY_SERVER
                session.outbox.post(Status(StatusCode.SERVER_ERROR, BUG_DETAILS))
                self._over(session)

    def _over(self, session: Session) -> None:
        self._forget(session)
        session.farewell()
        self._last = session
        session.over.set()

    def _forget(self, session: Session) -> None:
        """The next start is another session, with an inbox of its own."""
        if self._session is session:
            self._session = None
            self._new_inbox()

    def _new_inbox(self) -> None:
        self.inbox.end()
        self.inbox = Inbox(self.inbox.ledger)
