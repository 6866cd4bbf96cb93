"""What the dialects with OpenAI's beta names have in common: a flat session object and the older events."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from neko.testing.dialects.beta_events import beta
from neko.testing.dialects.realtime import DEFAULT_SILENCE_MS, RealtimeDialect, merge, turn_detection, unsupported
from neko.testing.exchange import Event, Expired, Fact, HangUp, Refused, Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from neko.testing.exchange import Request

LIFE_OVER = HangUp(1001, "session expired")  # no document says how; RFC 6455 has 1001 for a server that goes away


class Beta(RealtimeDialect):
    """One session's codec. A kind names its formats, the client's events that it takes, and those that it sends."""

    silence_ms: ClassVar[int] = DEFAULT_SILENCE_MS
    formats: ClassVar[dict[str, tuple[str, ...]]]
    """Accepted values of `input_audio_format` and `output_audio_format`."""
    takes: ClassVar[frozenset[str]]
    sends: ClassVar[frozenset[str] | None] = None
    """None: whatever the beta has."""

    @property
    def settings(self) -> Settings:
        return Settings(
            turn_detection=turn_detection(self.session["turn_detection"], self.silence_ms),
            transcribes=self.session["input_audio_transcription"] is not None,
            speaks="audio" in self.session["modalities"],
            tools=frozenset(self.tool_name(tool) for tool in self.session["tools"]),
        )

    def tool_name(self, tool: Event) -> str:
        return str(tool["name"])

    def change(self, changes: Event) -> Refused | None:
        for key, accepted in self.formats.items():
            if key in changes and changes[key] not in accepted:
                return unsupported(f"session.{key}", changes[key], accepted)
        merge(self.session, changes)
        return None

    def readers(self) -> dict[str, Callable[[Event], Request]]:
        return {kind: reader for kind, reader in super().readers().items() if kind in self.takes}

    def wants_speech(self, response: Event) -> bool | None:
        modalities = response.get("modalities")
        return None if modalities is None else "audio" in modalities

    def tell(self, fact: Fact) -> Iterator[Event | HangUp]:
        if isinstance(fact, Expired):
            yield LIFE_OVER
            return
        for event in super().tell(fact):
            told = event if isinstance(event, HangUp) else beta(event)
            if told is not None and (isinstance(told, HangUp) or self.sends is None or told["type"] in self.sends):
                yield told
