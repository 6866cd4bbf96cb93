"""From one model session to the next, without a word lost: what is carried over, and the honest numbers."""

from __future__ import annotations

import trio
from attrs import frozen

from neko.audio.resample import SpeechResampler
from neko.conversation.history import History
from neko.nurseries.slot import Slot
from neko.protocol.server import SessionSwapped
from neko.realtime.session import GoOn, Hear, Line

RETIRE_WITHIN = 10.0  # seconds for a retired session to say the words that it has begun


async def prime(pending: Slot, history: History) -> None:
    """Tells the session what was said since it was dialled.

    Raises:
        ProviderError: it is gone, perhaps for a while already.
    """
    if pending.lost is not None:
        raise pending.lost
    tail = [Line(utterance.role.value, utterance.text) for utterance in history.since(pending.plan.mark)]
    if tail:
        await pending.session.prime(tail)


async def carry_over(old: Slot, new: Slot) -> None:
    """Gives the new session what the old one has not made use of: sound, a question, or an answer that it owes.

    Raises `SessionLost` when the new one is gone as well.
    """
    if new.session.facts.hears_hz is not None:
        await _carry_sound(old, new, new.session.facts.hears_hz)
    if old.owed is not None:
        await new.ask(old.owed)
    elif old.lost is not None and old.answering and not old.given.wanted:
        await new.session.send(GoOn())


async def _carry_sound(old: Slot, new: Slot, hears_hz: int) -> None:
    if old.given.hz == hears_hz:
        # The filter holds back 20 to 40 ms, which come out with the sound that comes next.
        new.ears, sound = old.ears, old.given.pcm
    else:
        held_back = old.ears.flush() if old.ears else b""
        between = SpeechResampler(old.given.hz or hears_hz, hears_hz)
        sound = between.push(old.given.pcm + held_back) + between.flush()
    if sound:
        new.given.add(sound)
        await new.session.send(Hear(sound))


def retire(old: Slot) -> None:
    """What it is saying is heard to its end; one that has nothing to say goes home."""
    if old.answering and not old.given.wanted:
        old.scope.deadline = trio.current_time() + RETIRE_WITHIN
    else:
        old.scope.cancel()


@frozen
class Account:
    """One swap, from its reason on."""

    reason: str
    began: float
    person_waits: bool  # somebody is speaking, or waits for an answer
    dropped_ms: float  # of the microphone, before

    def told(self, old: Slot, new: Slot, dropped_ms: float) -> SessionSwapped:
        """What the client is told about it now; `dropped_ms` of the microphone's sound were dropped until now."""
        gap_ms = (trio.current_time() - self.began) * 1000 if self.person_waits else 0.0
        return SessionSwapped(
            reason=self.reason,
            old=old.session.id,
            new=new.session.id,
            gap_ms=round(gap_ms, 1),
            lost_ms=round(old.given.lost_ms + dropped_ms - self.dropped_ms, 1),
            state_restored=True,
        )
