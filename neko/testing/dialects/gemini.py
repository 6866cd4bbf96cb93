"""The Gemini Live dialect: BidiGenerateContent of Google's Generative Language API.

Sources, read in November 2026: https://ai.google.dev/api/live, …/gemini-api/docs/live-api/get-started-websocket,
…/live-api/session-management, https://firebase.google.com/docs/ai-logic/live-api/sessions; of what no document says:
a client that ignores the GoAway is closed with 1008 (pollen-robotics/reachy_mini_conversation_app, issue 357), and a
handle is refused with 1011 as long as an earlier socket of its conversation is open (aicc2025/sip-to-ai, pull request
14), both on GitHub.

| fact | |
|---|---|
| longest session | about 10 minutes for a connection |
| says so before | `goAway` with `timeLeft`, about 60 s before |
| resume handle | `sessionResumptionUpdate.newHandle`, after each turn; it carries the conversation over |
| two sessions at once | allowed, but not two sockets of one conversation: a handle forbids the overlap |
| sound | PCM16 mono, 16 kHz in, 24 kHz out |

Peculiar: JSON goes in binary frames; nothing but `setup` may come first, once; there is no event for the begin or the
end of the person's speech, only `interrupted` when it cuts a reply; a reply can neither be cancelled nor truncated by
the client; what the client does wrong closes the socket with 1007, a bad key too, after the upgrade.
"""

from __future__ import annotations

from binascii import Error as Base64Error
from itertools import count
from typing import TYPE_CHECKING, ClassVar

import orjson

from neko.testing.dialects import gemini_requests as requests
from neko.testing.dialects.gemini_events import events
from neko.testing.exchange import (
    Configure,
    Configured,
    Event,
    Fact,
    HangUp,
    Refused,
    ReplyEnded,
    Request,
    Settings,
    TurnDetection,
)
from neko.testing.handles import HandleInUse, UnknownHandle

if TYPE_CHECKING:
    from collections.abc import Iterator

    from neko.testing.dialects import Opening

SILENCE_MS = 500  # Google documents no default; as abrupt as the other dialects
HANDLE_IN_USE = "handle_in_use"
UNKNOWN_HANDLE = "unknown_handle"
_CLOSE_CODES = {HANDLE_IN_USE: 1011, UNKNOWN_HANDLE: 1008}
_INVALID = 1007


class Gemini:
    """One session's codec; holds the `setup` that the client sent."""

    path: ClassVar[str] = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"
    hears_hz: ClassVar[int] = 16_000
    speaks_hz: ClassVar[int] = 24_000
    max_session_s: ClassVar[float | None] = 600
    go_away_s: ClassVar[float | None] = 60
    heartbeat_s: ClassVar[float | None] = None

    def __init__(self, opening: Opening) -> None:
        self._opening = opening
        self._setup: Event | None = None
        self._turns = count(1)

    @property
    def settings(self) -> Settings:
        setup = self._setup or {}
        tools = (tool for group in setup.get("tools", []) for tool in group.get("functionDeclarations", []))
        modalities = setup.get("generationConfig", {}).get("responseModalities", ["AUDIO"])
        return Settings(
            turn_detection=_turn_detection(setup.get("realtimeInputConfig", {})),
            transcribes="inputAudioTranscription" in setup,
            speaks="AUDIO" in modalities,
            tools=frozenset(tool["name"] for tool in tools),
        )

    def kind(self, event: Event) -> str:
        """The one field of a message; of `serverContent`, which of its fields as well."""
        name = next(iter(event), "")
        return f"{name}.{next(iter(event[name]), '')}" if name == "serverContent" else name

    def frame(self, event: Event) -> bytes:
        return orjson.dumps(event)

    def read(self, frame: str | bytes) -> tuple[Event, tuple[Request, ...]]:
        try:
            event = orjson.loads(frame)
        except orjson.JSONDecodeError:
            return {}, (Refused("invalid_json", "Invalid JSON payload received."),)
        if not isinstance(event, dict):
            return {}, (Refused("invalid_json", "Invalid JSON payload received: not an object."),)
        try:
            return event, tuple(self._requests(event))
        except KeyError as error:
            return event, (Refused("invalid_argument", f"Request contains an invalid argument: {error} is missing."),)
        except (TypeError, AttributeError, ValueError, Base64Error):
            return event, (Refused("invalid_argument", "Request contains an invalid argument."),)

    def write(self, fact: Fact) -> Iterator[Event | HangUp]:
        setup = self._setup or {}
        if isinstance(fact, Refused):
            yield HangUp(_CLOSE_CODES.get(fact.code, _INVALID), fact.message)
            return
        yield from events(fact, captions="outputAudioTranscription" in setup)
        if "sessionResumption" in setup and isinstance(fact, Configured | ReplyEnded) and not _calls(fact):
            handle = self._opening.handles.issue(self._opening.session_id)
            yield {"sessionResumptionUpdate": {"newHandle": handle, "resumable": True}}

    def _requests(self, event: Event) -> Iterator[Request]:
        if ("setup" in event) == (self._setup is not None):
            yield Refused("invalid_argument", "The first message must be 'setup', and no other may be.")
        elif "setup" in event:
            yield self._begin(event["setup"])
        else:
            yield from requests.read(event, self.hears_hz)

    def _begin(self, setup: Event) -> Request:
        handles, session_id = self._opening.handles, self._opening.session_id
        handle = setup.get("sessionResumption", {}).get("handle")
        try:
            if handle is None:
                handles.begin(session_id)
            else:
                handles.resume(session_id, handle)
        except UnknownHandle:
            return Refused(UNKNOWN_HANDLE, "BidiGenerateContent session not found")
        except HandleInUse:
            return Refused(HANDLE_IN_USE, "Internal error encountered.")
        self._setup = {"model": setup["model"], **setup}
        return Configure(self.settings)


def _turn_detection(config: Event) -> TurnDetection | None:
    detection = config.get("automaticActivityDetection", {})
    if detection.get("disabled", False):
        return None
    return TurnDetection(
        silence_ms=detection.get("silenceDurationMs", SILENCE_MS),
        creates_response=True,
        interrupts_response=config.get("activityHandling") != "NO_INTERRUPTION",
    )


def _calls(fact: Fact) -> bool:
    """In the middle of a tool call a conversation cannot be resumed."""
    return isinstance(fact, ReplyEnded) and fact.reply.call is not None
