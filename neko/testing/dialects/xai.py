"""The dialect of xAI's Grok Voice.

Sources, read in November 2026: https://docs.x.ai/developers/model-capabilities/audio/speech-to-speech.md,
https://docs.x.ai/developers/models/speech-to-speech, and for the pings and the first event the client of pipecat
(src/pipecat/services/xai/realtime/events.py), which talks to the vendor's endpoint.

| fact | |
|---|---|
| longest session | 120 minutes |
| says so before | no |
| resume handle | a conversation's id, for 30 minutes, if the session before has asked for it; not pretended here |
| two sessions at once | allowed, 10 per team |
| sound | PCM16 mono, 24 kHz both ways unless another rate is asked for |

Peculiar: voice and turn detection stand at the top of the session object, the formats under `audio`; the session has
no id, the conversation has; every utterance is transcribed; it always speaks; a `ping` now and then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from neko.testing.dialects.openai_events import events
from neko.testing.dialects.realtime import RealtimeDialect, merge, turn_detection, unsupported
from neko.testing.exchange import Alive, Event, Expired, HangUp, Opened, Refused, Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from neko.testing.dialects import Opening
    from neko.testing.exchange import Fact, Request

RATE = 24_000
TAKES = frozenset(
    {
        "session.update",
        "input_audio_buffer.append",
        "input_audio_buffer.commit",
        "input_audio_buffer.clear",
        "conversation.item.create",
        "response.create",
        "response.cancel",
    }
)


class Xai(RealtimeDialect):
    """One session's codec."""

    path: ClassVar[str] = "/v1/realtime"
    max_session_s: ClassVar[float | None] = 7200
    heartbeat_s: ClassVar[float | None] = 10

    def __init__(self, opening: Opening) -> None:
        super().__init__(opening, _session(opening))
        self._conversation = {"id": f"conv_{opening.session_id}", "object": "realtime.conversation"}

    @property
    def settings(self) -> Settings:
        return Settings(
            turn_detection=turn_detection(self.session["turn_detection"]),
            transcribes=True,
            speaks=True,
            tools=frozenset(tool["name"] for tool in self.session["tools"]),
        )

    def readers(self) -> dict[str, Callable[[Event], Request]]:
        return {kind: reader for kind, reader in super().readers().items() if kind in TAKES}

    def change(self, changes: Event) -> Refused | None:
        for way in ("input", "output"):
            rate = changes.get("audio", {}).get(way, {}).get("format", {}).get("rate", RATE)
            if rate != RATE:
                return unsupported(f"session.audio.{way}.format.rate", rate, (RATE,))
        merge(self.session, changes)
        return None

    def tell(self, fact: Fact) -> Iterator[Event | HangUp]:
        match fact:
            case Opened():
                yield {"type": "conversation.created", "conversation": self._conversation}
            case Alive():
                yield {"type": "ping", "timestamp": 0}
            case Expired():
                yield HangUp(1001, "session expired")  # no document says how
            case _:
                yield from events(fact, self.session, self._asked)


def _session(opening: Opening) -> dict[str, Any]:
    pcm = {"type": "audio/pcm", "rate": RATE}
    return {
        "model": opening.model,
        "voice": "eve",
        "instructions": "",
        "turn_detection": {"type": "server_vad", "threshold": 0.85, "prefix_padding_ms": 333},
        "audio": {"input": {"format": dict(pcm)}, "output": {"format": dict(pcm)}},
        "tools": [],
    }
