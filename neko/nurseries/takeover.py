"""From one model session to the next, without a word lost: what is carried over, and the honest numbers."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from fractions import Fraction

import trio
from attrs import frozen

from neko.audio.pcm import pieces
from neko.conversation.history import History
from neko.nurseries.inbox import Answer, ToolDone
from neko.nurseries.questions import Question, in_words
from neko.nurseries.recap import line_of
from neko.nurseries.slot import Slot
from neko.protocol.server import SessionSwapped
from neko.realtime.session import Hear, Line, Tell, ToolCalled, ToolResult

RETIRE_WITHIN = 60.0  # seconds for a retired session to say what it has begun; no reply here is longer
PIECE_MS = 2_000  # of the sound that is carried over; some providers take no frame above 256 KiB
CALLED = "You have asked for the tool {name} with {arguments}; its answer will come."
ANSWERED = "The tool {name}, which you asked for before, answers: {output}"


async def catch_up(
    slot: Slot,
    history: History,
    *,
    before: Collection[int] = (),
    but: Collection[int] = (),
    besides: Sequence[str] = (),
) -> None:
    """Tells the session what was said without it: `before` the first of these utterances, without any of `but`, and
    `besides` what a reply has begun to say.

    Raises `SessionLost`. A session that was told half of it, because of that or of a cancel, is closed.
    """
    asked = min(before, default=history.mark)
    said = [each for each in history.since(slot.told) if each.number < asked and each.number not in but]
    unknown = [each for each in said if each.by not in slot.knows]
    lines = [line_of(each) for each in unknown] + [Line("assistant", text) for text in besides]
    if lines:
        try:
            await slot.session.prime(lines)
        except BaseException:
            slot.scope.cancel()
            raise
    slot.told = max(asked, slot.told)


@frozen
class Delivery:
    """What a session that took over is still to be given. In its account all of it stands already."""

    sound: bytes
    calls: tuple[ToolCalled, ...]
    questions: tuple[Question, ...]
    unfinished: tuple[str, ...]  # what the one before it has begun to say and never will end
    but: frozenset[int]  # of what was said: it is asked
    knows: frozenset[str]  # the sessions whose part is known with that

    async def to(self, new: Slot, history: History) -> None:
        """Raises `SessionLost`: whoever comes after it finds in its account what is still to be given."""
        await catch_up(new, history, but=self.but, besides=self.unfinished)
        new.knows |= self.knows
        if self.calls:
            await new.session.prime([*_told_of(self.calls)])
        for piece in pieces(self.sound, PIECE_MS, new.hears_hz or 1):
            await new.session.send(Hear(piece))
        if self.questions:
            *earlier, last = self.questions
            lines = in_words(earlier)
            if lines:
                await new.session.prime(lines)
            await new.session.send(last)


def hand_over(old: Slot, new: Slot, unfinished: Sequence[str], in_background: Sequence[ToolCalled]) -> Delivery:
    """The sync half of a take-over: from here on everything is the new session's. The old one retires, or goes home."""
    calls, but = (*old.calls.values(), *in_background), frozenset(old.unanswered)
    sound = old.move_to(new)
    # A result belongs to the session that called the tool; another one is told of it in words.
    new.owed = [_again(each) for each in new.owed]
    if new.owed:
        new.patience.expect()
    _retire(old)
    if old.lost is None:
        # What it says to its end is told then, as it was heard.
        return Delivery(sound, calls, tuple(new.owed), (), but, frozenset())
    return Delivery(sound, calls, tuple(new.owed), tuple(unfinished), but, frozenset(old.knows))


def results(done: ToolDone) -> list[ToolResult]:
    """Answers for the session that called the tools: the last one asks for a reply, if that is wanted at all."""
    last = len(done.answers) - 1
    return [
        ToolResult(each.call.call_id, each.call.name, each.output, asks=done.asks and index == last)
        for index, each in enumerate(done.answers)
    ]


def late_result(answer: Answer) -> Tell:
    """A tool's answer for a session that did not call it, or has been told of it before."""
    return Tell(ANSWERED.format(name=answer.call.name, output=answer.output))


def _retire(old: Slot) -> None:
    """What it is saying is heard to its end; one that has nothing to say goes home."""
    old.retired = True
    if old.speaking:
        old.scope.deadline = trio.current_time() + RETIRE_WITHIN
    else:
        old.scope.cancel()


def _again(owed: Question) -> Question:
    if isinstance(owed, ToolResult):
        return Tell(ANSWERED.format(name=owed.name, output=owed.output))
    return owed


def _told_of(calls: Sequence[ToolCalled]) -> Iterator[Line]:
    for call in calls:
        yield Line("system", CALLED.format(name=call.name, arguments=call.arguments))


@frozen
class Account:
    """One swap, from its reason on."""

    reason: str
    began: float
    person_waits: bool  # somebody is speaking, or waits for an answer
    lost_ms: Fraction  # of what the person said, before

    def told(self, old: Slot, new: Slot, lost_ms: Fraction) -> SessionSwapped:
        """What the client is told about it now; `lost_ms` of what the person said were lost until now."""
        gap_ms = (trio.current_time() - self.began) * 1000 if self.person_waits else 0.0
        return SessionSwapped(
            reason=self.reason,
            old=old.session.id,
            new=new.session.id,
            gap_ms=round(gap_ms, 1),
            lost_ms=round(float(lost_ms - self.lost_ms), 1),
            state_restored=lost_ms == self.lost_ms,
        )
