"""How the loopback provider behaves, and how it misbehaves."""

from __future__ import annotations

from typing import Any

from attrs import Attribute, field, frozen
from attrs.validators import ge

from neko.testing.tagged import BLOCK_MS


def _whole_blocks(_: Any, attribute: Attribute[int], value: int) -> None:
    if value % BLOCK_MS:
        raise ValueError(f"{attribute.name} must be a multiple of {BLOCK_MS} ms, the length of a tagged block")


@frozen
class ToolCall:
    """A reply that calls a tool instead of saying something; `arguments` are JSON."""

    name: str
    arguments: str = "{}"


@frozen(kw_only=True)
class Behaviour:
    """Everything is off or immediate unless it is asked for.

    A number of events counts what this provider sends to one client, `session.created` being the first.
    """

    # Listening
    silence_ms: int | None = None
    """Silence that ends an utterance, in the sound's own time; None: what the client asks for, else 500 ms."""
    transcripts: tuple[str, ...] = ("Hello there.",)
    """What utterance n is understood as, in turn. Only clients that ask for transcription get it."""

    # Answering
    replies: tuple[str | ToolCall, ...] = ("Nice to meet you.",)
    """What reply n says or calls, in turn; calls of tools that the session does not offer are left out."""
    response_ms: int = field(default=400, validator=[ge(0), _whole_blocks])
    """Length of each reply's speech."""
    delta_ms: int = field(default=40, validator=[ge(BLOCK_MS), _whole_blocks])
    paced: bool = False
    """Speaks in real time instead of at once."""
    first_delta_after_s: float = 0
    done_after_s: float = 0
    """A late `response.done`: so long after the last delta."""

    # Misbehaving before the session
    handshake_delay_s: float = 0
    """TCP is accepted at once, the upgrade is answered so much later."""
    refuse_status: int | None = None
    """The upgrade is refused with this HTTP status and OpenAI's error object: 401 for a bad key, 429 for too many."""
    retry_after_s: float | None = None
    """What a refusal says of when to come back."""

    # Misbehaving in the session
    expires_after_s: float | None = None
    """The session ends as the dialect's sessions do: OpenAI's with the error `session_expired` and close 1001."""
    go_away_s: float | None = None
    """The end by `expires_after_s` is announced so long before, in a dialect that has words for it."""
    replies_until_limit: int | None = None
    """After so many replies each further one fails: the rate limit is exceeded."""
    pong_delay_s: float = 0
    """Pings are answered so much later; everything else keeps its pace."""
    dies_after_events: int | None = None
    """Closes with `close_code` after so many events."""
    close_code: int = 1011
    close_reason: str = ""
    drops_after_ms: int | None = None
    """Resets TCP after so much speech: in the middle of a word."""
    silent_after: int | None = None
    """Sends no more events after so many; pings are answered."""
    deaf_after: int | None = None
    """After so many events neither sends nor answers pings, like half-open TCP."""
    garbage_after: int | None = None
    """After so many events, the next one is broken off in the middle of its JSON."""
    omits: frozenset[str] = frozenset()
    """Event types that are never sent, such as `response.created` or Gemini's `serverContent.turnComplete`."""

    records: bool = True
    """False in long runs under load: sessions then keep neither events nor sound nor tags."""

    def transcript(self, number: int) -> str:
        return self.transcripts[number % len(self.transcripts)]

    def reply(self, number: int, tools: frozenset[str]) -> str | ToolCall:
        usable = [reply for reply in self.replies if isinstance(reply, str) or reply.name in tools]
        return usable[number % len(usable)] if usable else ""
