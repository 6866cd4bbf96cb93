"""From one model session to the next, without a word lost: what is carried over, and the honest numbers."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from fractions import Fraction

import trio
from attrs import frozen

from neko.audio.resample import SpeechResampler
from neko.conversation.history import History
from neko.nurseries.slot import Slot
from neko.protocol.server import SessionSwapped
from neko.realtime.session import GoOn, Hear, Line, Say, Tell, ToolCalled, ToolResult

RETIRE_WITHIN = 60.0  # seconds for a retired session to say what it has begun; no reply here is longer
CALLED = "You have asked for the tool {name} with {arguments}; its answer will come."
ANSWERED = "The tool {name}, which you asked for before, answers: {output}"


async def catch_up(slot: Slot, history: History, *, but: Collection[str] = (), besides: Sequence[str] = ()) -> None:
    """Tells the session what was said without it, but for what it will be asked, and what a reply has begun to say.

    Raises `SessionLost`.
    """
    said = [each for each in history.since(slot.told) if each.by not in slot.knows and each.text not in but]
    slot.told = history.mark
    lines = [Line(each.role.value, each.text) for each in said] + [Line("assistant", text) for text in besides]
    if lines:
        await slot.session.prime(lines)


async def take_over(old: Slot, new: Slot, history: History) -> None:
    """Has the pending session know and hear what the old one does.

    Raises `ProviderError` when the pending one is gone, perhaps for a while already.
    """
    if new.lost is not None:
        raise new.lost
    await catch_up(new, history, but=old.unanswered)
    await carry_over(old, new)


async def carry_over(old: Slot, new: Slot) -> None:
    """Gives the new session what the old one has not made use of: sound, a question, or an answer that it owes.

    Raises `SessionLost` when the new one is gone as well.
    """
    new.knows |= old.knows if old.lost is not None else frozenset()
    calls = list(_calls(old))
    if calls:
        await new.session.prime(calls)
    if new.session.facts.hears_hz is not None:
        await _carry_sound(old, new, new.session.facts.hears_hz)
    if old.owed:
        *earlier, last = (_again(each) for each in old.owed)
        await new.session.prime([_line(each) for each in earlier])
        new.owed += earlier
        await new.ask(last)
    elif old.lost is not None and old.answering and not old.given.wanted:
        await new.session.send(GoOn())


def late_result(call: ToolCalled, output: str) -> Tell:
    """A tool's answer for a session that did not call it."""
    return Tell(ANSWERED.format(name=call.name, output=output))


def retire(old: Slot) -> None:
    """What it is saying is heard to its end; one that has nothing to say goes home."""
    if old.answering and not old.given.wanted:
        old.scope.deadline = trio.current_time() + RETIRE_WITHIN
    else:
        old.scope.cancel()


def _calls(old: Slot) -> Iterator[Line]:
    for call in old.calls.values():
        yield Line("system", CALLED.format(name=call.name, arguments=call.arguments))


def _again(owed: Say | Tell | ToolResult) -> Say | Tell:
    if isinstance(owed, ToolResult):
        return Tell(ANSWERED.format(name=owed.name, output=owed.output))
    return owed


def _line(asked: Say | Tell) -> Line:
    return Line("user", asked.text) if isinstance(asked, Say) else Line("system", asked.instructions)


async def _carry_sound(old: Slot, new: Slot, hears_hz: int) -> None:
    if old.given.hz == hears_hz:
        # The filter holds back 4 to 38 ms, which come out with the sound that comes next.
        new.ears, sound = old.ears, old.given.pcm
    else:
        await old.hear_out()
        between = SpeechResampler(old.given.hz or hears_hz, hears_hz)
        sound = between.push(old.given.pcm) + between.flush()
    if sound:
        new.given.carry(sound, wanted=old.given.wanted)
        await new.session.send(Hear(sound))


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
            state_restored=True,
        )
