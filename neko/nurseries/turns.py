"""The replies that are being told or still heard, and what happens to them when the person cuts in."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable
from math import inf

import trio
from attrs import define, evolve, field, frozen

from neko.audio.ledger import Spoken
from neko.audio.pcm import duration_ms
from neko.conversation.callbacks import Callback
from neko.nurseries.calls import Calls
from neko.nurseries.inbox import Cut, ToolDone
from neko.nurseries.minutes import Minutes
from neko.nurseries.outbox import Outbox
from neko.nurseries.ports import Ports
from neko.nurseries.slot import Slot
from neko.nurseries.translating import Translating
from neko.nurseries.turn import Telling, Turn
from neko.protocol.client import InputMode
from neko.protocol.codec import SPEECH_HZ
from neko.protocol.server import AudioChunk, ServerMessage, TurnEnd, UserActivity
from neko.realtime.session import AudioDelta, Interrupt, ReplyStatus, TextDelta

CLOSED = 64  # replies whose late pieces are known for what they are; a provider has one or two in flight

Key = tuple[str, str]
"""A model session of ours and its reply: two vendors may give two replies the same name."""


@frozen
class CutShort:
    """What cutting in amounts to: the speech that was playing, the turns that it ended, what their models are told, of
    the replies and of the tools that were at work.
    """

    speech_id: str | None
    ended: tuple[str, ...]
    cuts: tuple[Cut, ...]
    tools: tuple[ToolDone, ...] = ()

    def messages(self) -> tuple[ServerMessage, ...]:
        """For the client, in order: stop playing, then the turn ends."""
        return (UserActivity(self.speech_id), *(TurnEnd(turn_id, interrupted=True) for turn_id in self.ended))


@define(eq=False)
class Turns:
    """One session's turns, oldest first. Each runs as a task of the session's nursery, after the one before it."""

    _nursery: trio.Nursery
    _outbox: Outbox
    _minutes: Minutes
    _ports: Ports
    _translating: Translating
    _on_told: Callable[[Slot], None]  # a reply of this session has been told
    calls: Calls
    _turns: list[Turn] = field(factory=list, init=False)
    _tellings: dict[Key, Telling] = field(factory=dict, init=False)  # those of which more may come
    _closed: deque[Key] = field(factory=lambda: deque(maxlen=CLOSED), init=False)

    @property
    def last(self) -> Turn | None:
        return self._turns[-1] if self._turns else None

    @property
    def told(self) -> bool:
        """Nothing is being told."""
        return self.last is None or self.last.over.is_set()

    @property
    def playing(self) -> bool:
        """The person hears the character."""
        return any(turn.playout.playing(trio.current_time()) for turn in self._turns)

    @property
    def quiet_at(self) -> float:
        """When the person has heard everything; infinite when that is so already."""
        now = trio.current_time()
        return max((turn.playout.ends_at for turn in self._turns if turn.playout.playing(now)), default=inf)

    def heard(self) -> str:
        """What they have heard of it lately."""
        return " ".join(turn.heard(trio.current_time()) for turn in self._turns)

    def knows(self, slot: Slot, reply_id: str) -> bool:
        """It has been opened; its pieces either have a place to go or are late."""
        return (slot.id, reply_id) in self._tellings or (slot.id, reply_id) in self._closed

    def open(self, reply_id: str, request_id: str | None, slot: Slot) -> None:
        """A reply begins: the rest of one that asked for tools, or a turn that is told after the one before it."""
        if self._goes_on(reply_id, slot):
            return
        now = trio.current_time()
        after = self.last.over if self.last else None
        for turn in self._turns:
            if turn.slot is slot:
                # A session that begins to answer again is done with what it said before, even if it forgot to say so.
                self._close(_key(turn))
        self._turns = [turn for turn in self._turns if turn.live(now)]
        voice = self._ports.voice(slot.plan.snapshot, slot.plan.mode)
        # In a typed conversation the words on the screen count, whoever speaks them.
        aloud = slot.plan.mode is InputMode.AUDIO and (voice is not None or slot.session.facts.speaks_hz is not None)
        turn = Turn(reply_id, request_id, slot, aloud)
        self._turns.append(turn)
        telling = Telling(turn, self._outbox, self._minutes, voice, self._translating.begin, self._on_told)
        self._tellings[_key(turn)] = telling
        self._nursery.start_soon(telling.run, after)

    def _goes_on(self, reply_id: str, slot: Slot) -> bool:
        asking = next((turn for turn in self._turns if turn.slot is slot and turn.asking and not turn.ended), None)
        if asking is None or _key(asking) not in self._tellings:
            return False
        telling = self._tellings.pop(_key(asking))
        self._closed.append(_key(asking))
        asking.go_on(reply_id)
        self._tellings[_key(asking)] = telling
        return True

    def feed(self, slot: Slot, piece: TextDelta | AudioDelta) -> bool:
        """A piece of a reply. False when its telling is too far behind to take it: see `feed_later`.

        What comes after the reply's end is dropped.
        """
        key = (slot.id, piece.reply_id)
        telling = self._tellings.get(key)
        if telling is None:
            self.drop(slot, piece)
            return True
        if isinstance(piece, TextDelta):
            telling.turn.arrived += piece.text
        try:
            return telling.feed(piece)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            self._close(key)
            self.drop(slot, piece)
            return True

    async def feed_later(self, slot: Slot, piece: TextDelta | AudioDelta) -> None:
        """A piece that `feed` did not take: waits until it is taken, or the reply is over."""
        telling = self._tellings.get((slot.id, piece.reply_id))
        try:
            if telling is not None:
                await telling.feed_later(piece)
                return
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            self._close((slot.id, piece.reply_id))
        self.drop(slot, piece)

    def drop(self, slot: Slot, piece: TextDelta | AudioDelta) -> None:
        """Nobody is told this piece."""
        if isinstance(piece, AudioDelta):
            self._outbox.ledger.spoken(Spoken.CUT, len(piece.pcm), slot.speaks_hz)

    def refuse(self, slot: Slot, reply_id: str) -> Cut:
        """A reply that begins while the person speaks is not told; what its model is to be told."""
        self._closed.append((slot.id, reply_id))
        slot.cut(reply_id)
        return Cut(slot, Interrupt(reply_id, None, running=True, heard_ms=0, heard_text=""), told=False)

    def generated(self, slot: Slot, reply_id: str, status: ReplyStatus) -> None:
        """The model says no more of it; what it said is told to its end."""
        said = [turn for turn in self._turns if _key(turn) == (slot.id, reply_id)]
        if status is ReplyStatus.COMPLETED and said and self.calls.wanted(slot, reply_id):
            self._ask(said[0])
        else:
            for turn in said:
                turn.status, turn.asking = status, False
            self._close((slot.id, reply_id))
        self.calls.generated(slot, reply_id)

    def _ask(self, turn: Turn) -> None:
        """The same turn goes on when its tools have answered."""
        parting = turn.ask()
        if parting is not None:
            self.feed(turn.slot, parting)

    def broke_off(self, slot: Slot) -> None:
        """Its model is gone: what has arrived is told, and ends as interrupted."""
        for turn in self._turns:
            if turn.slot is slot and turn.status is None:
                self.generated(slot, turn.reply_id, ReplyStatus.FAILED)
        self.calls.broke_off(slot)

    def unfinished(self, sessions: Collection[str]) -> list[str]:
        """The words of these sessions' replies that are not in the history yet, because they are still being told."""
        telling = (turn for turn in self._turns if turn.slot.id in sessions and not turn.ended)
        return [turn.arrived for turn in telling if turn.arrived.strip()]

    def tells(self, slot: Slot, reply_id: str, news: tuple[Callback, ...]) -> None:
        """With this reply's first word these results are told; durable that is with all of its words."""
        if news:
            going_on = (turn for turn in self._turns if _key(turn) == (slot.id, reply_id) and not turn.ended)
            self._minutes.tells(next(going_on, None), news)

    def reported(self, speech_id: str, played_ms: float) -> None:
        """The client says how much of a speech it has played."""
        for turn in self._turns:
            if turn.speech_id == speech_id:
                turn.playout.reported(played_ms, trio.current_time())

    def plays(self, turn_id: str | None, *, begins: bool) -> None:
        """The client begins to play a turn, the last one for None, or has played all of it that it has."""
        now = trio.current_time()
        for turn in self._turns:
            if turn.id == turn_id or (turn_id is None and turn is self.last):
                turn.playout.begins(now) if begins else turn.playout.drained(now)

    def late(self, to_come: Iterable[AudioChunk]) -> None:
        """So much sound has yet to reach the client."""
        now = trio.current_time()
        sizes = Counter[str]()
        for chunk in to_come:
            sizes[chunk.turn_id] += len(chunk.pcm)
        for turn in self._turns:
            turn.playout.late(duration_ms(sizes[turn.id], SPEECH_HZ), now)

    def cut_short(self) -> CutShort:
        """Ends every live turn now. Sync: the truth about them has no checkpoint in it."""
        now = trio.current_time()
        return evolve(self._cut([turn for turn in self._turns if turn.live(now)], now), tools=self.calls.cut())

    def abandon(self) -> CutShort:
        """Ends what is still being told. What was sent whole was not interrupted, whether it was played or not."""
        return self._cut([turn for turn in self._turns if not turn.ended], trio.current_time())

    def _cut(self, live: list[Turn], now: float) -> CutShort:
        for turn in live:
            self._fall_silent(turn)
        cut = CutShort(
            speech_id=next((turn.speech_id for turn in live if turn.playout.playing(now)), None),
            ended=tuple(turn.id for turn in live if not turn.ended),
            cuts=tuple(Cut(turn.slot, turn.cut(now), turn.said is not None) for turn in live if not turn.wordless),
        )
        for turn in live:
            self._end(turn, now)
        self._turns.clear()
        return cut

    def _fall_silent(self, turn: Turn) -> None:
        """Before anything is told of it: the last that is heard of a speech is its fade."""
        waiting = self._outbox.silence(turn.id)
        if waiting.end:
            turn.ended = False  # with sound or words taken back before it, it is another end
        if turn.sound is not None:  # otherwise nothing waited: all sound goes through it
            turn.sound.cut(waiting.sound)

    def _end(self, turn: Turn, now: float) -> None:
        self._close(_key(turn))
        self._translating.give_up(turn.id)
        if turn.status is None and not turn.asking:
            turn.slot.cut(turn.reply_id)
        turn.ended = True
        if turn.said is None:
            self._minutes.enter(turn, turn.heard(now), interrupted=True)
            turn.scope.cancel()
        else:
            self._minutes.history.cut(turn.said, turn.heard(now))

    def _close(self, key: Key) -> None:
        telling = self._tellings.pop(key, None)
        if telling is not None:
            telling.end_feed()
            self._closed.append(key)


def _key(turn: Turn) -> Key:
    return turn.slot.id, turn.reply_id
