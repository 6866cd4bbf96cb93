"""How far a model session is used up: its turns, its context, and when its provider ends it."""

from __future__ import annotations

from collections.abc import Sequence

import trio
from attrs import define, field

from neko.audio.pcm import duration_ms
from neko.config.model import SessionPolicy
from neko.conversation.renewal import Limits, Wear
from neko.conversation.tokens import tokens
from neko.realtime.session import AudioDelta, Expiring, Facts, Line, ModelEvent, ReplyStarted, TextDelta, UserSaid

ROOM_SHARE = (
    0.25  # of a context is for talk, however much of it the recap takes; otherwise one renewal asks for the next
)


@define(eq=False)
class Wearing:
    """One session's; it begins when the session is connected."""

    _facts: Facts
    _lines: Sequence[Line]
    since: float = field(factory=trio.current_time, init=False)
    ends_at: float | None = field(init=False)
    talked_since: float | None = field(default=None, init=False)
    turns: int = field(default=0, init=False)  # of the person, answered; whoever keeps the account counts them
    room_tokens: int | None = field(init=False)  # of the context, when it began
    tokens: float = field(default=0.0, init=False)  # said and heard since

    def __attrs_post_init__(self) -> None:
        facts = self._facts
        self.ends_at = None if facts.max_session_s is None else self.since + facts.max_session_s
        if facts.context_tokens is None:
            self.room_tokens = None
        else:
            told = sum(tokens(line.text) for line in self._lines)
            self.room_tokens = max(facts.context_tokens - told, int(facts.context_tokens * ROOM_SHARE))

    def note(self, event: ModelEvent) -> None:
        match event:
            case ReplyStarted():
                self.talked_since = self.talked_since or trio.current_time()
            case TextDelta(text=text) | UserSaid(text=text):
                self.tokens += tokens(text)
            case AudioDelta(pcm=pcm):
                self.sounded(pcm, self._facts.speaks_hz)
            case Expiring(in_s):
                at = trio.current_time() + in_s
                self.ends_at = at if self.ends_at is None else min(at, self.ends_at)
            case _:
                pass

    def goes_on(self, lost: Wearing) -> None:
        """It has the context of another one."""
        self.turns, self.tokens, self.room_tokens = lost.turns, lost.tokens, lost.room_tokens

    def wear(self, *, quiet_since: float | None, outdated: bool, untold: bool) -> Wear:
        """For the policy; what it cannot know itself comes from the conversation."""
        return Wear(
            self.since, self.ends_at, self.turns, int(self.tokens), quiet_since, outdated, self.talked_since, untold
        )

    def limits(self, policy: SessionPolicy) -> Limits:
        return Limits(
            policy.max_turns,
            policy.max_age_s,
            self.room_tokens,
            policy.swap_deadline_s,
            self._facts.remembers_s,
            self._facts.warns_before_s,
        )

    def sounded(self, pcm: bytes, hz: int | None) -> None:
        """Sound went to or came from the model."""
        if hz:
            self.tokens += duration_ms(pcm, hz) / 1000 * self._facts.tokens_per_s
