"""Who has the floor: the turns of one conversation, one after the other, and the one that may not be one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import trio

from neko.local.turns import Turn, Utterance
from neko.protocol.realtime.client import ResponseOptions
from neko.protocol.realtime.errors import InvalidRequest
from neko.protocol.realtime.response import CancelReason

# Turns that wait for the one before them; a person cannot get so far ahead, and a script that does is told so.
MAX_TURNS = 8


class Floor:
    """Its methods decide and never wait; `take_turn` runs for each turn, in `nursery`."""

    def __init__(self, nursery: trio.Nursery, take_turn: Callable[[Turn], Awaitable[None]]) -> None:
        self._nursery = nursery
        self._take_turn = take_turn
        self._turns: list[Turn] = []
        self._suspected: Turn | None = None

    @property
    def active(self) -> Turn | None:
        """The turn whose answer is in progress or comes next."""
        return next((turn for turn in self._turns if turn.answering), None)

    def suspect(self, utterance: Utterance, answer: ResponseOptions | None) -> None:
        """This may have been all: begins to answer it, and keeps the answer to itself."""
        self._suspected = self._begin(Turn(self._after(), utterance, answer))

    def resume(self) -> None:
        """It was not all: nothing of that turn ever was."""
        if self._suspected is not None:
            self._suspected.discard()
            self._suspected = None

    def rethink(self) -> None:
        """What the suspected turn was begun with has changed."""
        turn = self._suspected
        if turn is not None and turn.utterance is not None:
            self.resume()
            self.suspect(turn.utterance.again(), turn.answer)

    def take(self, utterance: Utterance, answer: ResponseOptions | None) -> Turn:
        """This was all. The caller sets `certain` when the client knows. Raises `InvalidRequest` beyond `MAX_TURNS`."""
        turn, self._suspected = self._suspected, None
        return self._add(turn or self._begin(Turn(self._after(), utterance, answer)))

    def answer(self, options: ResponseOptions) -> None:
        """A response that the client asks for. Raises `InvalidRequest` while another is in progress."""
        active = self.active
        if active is not None:
            said = (
                f"Conversation already has an active response in progress: {active.response_id}. "
                "Wait until the response is finished before creating a new one."
            )
            raise InvalidRequest("conversation_already_has_active_response", said)
        turn = self._add(self._begin(Turn(self._after(), None, options)))
        turn.certain.set()

    def interrupt(self, reason: CancelReason) -> None:
        for turn in self._turns:
            turn.interrupt(reason)

    def cancel(self, response_id: str | None) -> None:
        """The client wants no more of it. Raises `InvalidRequest` when there is nothing to cancel."""
        active = self.active
        if active is None or response_id not in (None, active.response_id):
            said = "Cancellation failed: no active response found"
            raise InvalidRequest("response_cancel_not_active", said, "response_id" if response_id else None)
        active.interrupt(CancelReason.CLIENT_CANCELLED)

    def _after(self) -> trio.Event:
        if self._turns:
            return self._turns[-1].finished
        nobody = trio.Event()
        nobody.set()
        return nobody

    def _begin(self, turn: Turn) -> Turn:
        self._nursery.start_soon(self._run, turn)
        return turn

    def _add(self, turn: Turn) -> Turn:
        if len(self._turns) >= MAX_TURNS:
            turn.discard()
            raise InvalidRequest("too_many_turns", f"{MAX_TURNS} turns are waiting for their answers already.")
        self._turns.append(turn)
        return turn

    async def _run(self, turn: Turn) -> None:
        with turn.doubt:
            await self._take_turn(turn)
        turn.finished.set()
        if turn in self._turns:
            self._turns.remove(turn)
