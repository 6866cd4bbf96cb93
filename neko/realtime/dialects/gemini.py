"""Gemini Live: BidiGenerateContent of Google's Generative Language API.

Sources, read in November 2026: https://ai.google.dev/api/live, …/gemini-api/docs/models/gemini-3.8-live,
…/live-api/capabilities, …/live-api/session-management, https://firebase.google.com/docs/ai-logic/live-api/limits-and-specs.

Words and earlier lines go by `clientContent`: with `turnComplete` it ends what is being said and is answered, without
it asks for nothing. `realtimeInput.text` promises neither. gemini-3.1-flash-live-preview, the legacy model, takes it
as a first history only and closes with 1007 on any other. Every live model of today answers in AUDIO only: where
a voice of ours speaks, the words are the transcription's.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, assert_never

import orjson
import pybase64

from neko.realtime.dialects.base import DEFAULT_VOICE, Setup
from neko.realtime.dialects.gemini_events import GeminiReading
from neko.realtime.errors import (
    Arrears,
    KeyRejected,
    Kind,
    Misconfigured,
    ProtocolBroken,
    ProviderError,
    ProviderFault,
    RateLimited,
    SessionExpired,
    Unreachable,
)
from neko.realtime.session import (
    Facts,
    GoOn,
    Hear,
    Interrupt,
    Line,
    ModelCommand,
    ModelEvent,
    Say,
    See,
    Tell,
    Tool,
    ToolResult,
)

HEARS_HZ = 16_000
SPEAKS_HZ = 24_000
CONTEXT_TOKENS = 119_808  # of the 128,000 of a session 8,192 are for the reply
TOKENS_PER_S = 25.0  # of sound, the model's and the person's
ASIDES = 8  # of calls that were cut; whoever only speaks sends no words that could take them along
MAX_SESSION_S = 600.0  # a connection lasts about ten minutes
WARNS_BEFORE_S = 60.0  # about: https://firebase.google.com/docs/ai-logic/live-api/sessions

LANGUAGE = 'The conversation is in the language with the BCP 47 code "{}", unless the person speaks another.'
ASIDE = "[{}]"  # what nobody said; Google knows no system lines after the first
ANSWERED = "The tool {}, which you asked for before, answers: {}"
HEARD = 'The person cut your last reply short and heard only: "{}"'

# How a close reason reads, in small letters; the first that fits. A close of Google's has no code but the socket's.
_ENDING: tuple[tuple[str, Kind], ...] = (
    ("api key", KeyRejected),
    ("api_key", KeyRejected),
    ("permission", KeyRejected),
    ("unregistered callers", KeyRejected),
    ("credits", Arrears),  # "Your prepayment credits are depleted"
    ("quota", RateLimited),
    ("rate limit", RateLimited),
    ("resource_exhausted", RateLimited),
    ("not found for api version", Misconfigured),  # no such model
    ("goaway", SessionExpired),
)


class GeminiDialect:
    """One session's dialect; `speaks` is False where another voice speaks the words."""

    # The names of google.rpc.Code, which its errors over HTTP and in frames carry as `status`.
    codes: ClassVar[Mapping[str, Kind]] = {
        "UNAUTHENTICATED": KeyRejected,
        "PERMISSION_DENIED": KeyRejected,
        "RESOURCE_EXHAUSTED": RateLimited,
        "NOT_FOUND": Misconfigured,
        "INVALID_ARGUMENT": ProtocolBroken,
        "FAILED_PRECONDITION": Arrears,  # "enable billing": https://ai.google.dev/gemini-api/docs/troubleshooting
        "UNAVAILABLE": Unreachable,
        "DEADLINE_EXCEEDED": Unreachable,
        "INTERNAL": ProviderFault,
    }

    def __init__(self, *, speaks: bool = True, max_session_s: float | None = None) -> None:
        self.facts = Facts(
            hears_hz=HEARS_HZ,
            speaks_hz=SPEAKS_HZ if speaks else None,
            max_session_s=max_session_s or MAX_SESSION_S,
            warns_before_s=WARNS_BEFORE_S,
            resume_handle=True,
            # The first sign of speech is its transcription, half a second to two late, unless it interrupts a reply.
            tells_speech=False,
            context_tokens=CONTEXT_TOKENS,
            tokens_per_s=TOKENS_PER_S,
        )
        self._reading = GeminiReading(speaks=speaks)
        self._untold: list[Line] = []  # nothing may be sent before setupComplete, so it goes before the next command
        self._heard_of: str | None = None  # what was heard of a reply that was cut, for the next words that we send
        self._asides = deque[Line](maxlen=ASIDES)  # what became of the calls of turns that were cut, likewise
        self._results: list[ToolResult] = []  # go with the one that asks

    def url(self, base: str, model: str) -> str:  # noqa: ARG002  # it is named in the setup
        return base

    def headers(self, api_key: str | None) -> Mapping[str, str]:
        return {"x-goog-api-key": api_key} if api_key else {}

    def open(self, setup: Setup) -> Iterable[dict[str, Any]]:
        self._untold = [line for line in setup.lines if line.role != "system"]
        model = setup.model if setup.model.startswith("models/") else f"models/{setup.model}"
        yield {
            "setup": {
                "model": model,
                "generationConfig": {"responseModalities": ["AUDIO"]} | self._voice(setup.voice),
                "systemInstruction": {"parts": [{"text": _instructions(setup)}]},
                "inputAudioTranscription": {},
                "outputAudioTranscription": {},
            }
            | ({} if setup.resume is None else {"sessionResumption": {"handle": setup.resume} if setup.resume else {}})
            | ({"tools": [{"functionDeclarations": [_tool(tool) for tool in setup.tools]}]} if setup.tools else {})
        }

    def opened(self, frame: Mapping[str, Any]) -> str | None:
        return self._reading.id if "setupComplete" in frame else None

    def prime(self, lines: Sequence[Line]) -> Iterable[dict[str, Any]]:
        told, self._untold = [*self._untold, *lines], []
        if told:
            yield {"clientContent": {"turns": [_turn(line) for line in told]}}

    def write(self, command: ModelCommand) -> Iterable[dict[str, Any]]:
        yield from self.prime(())
        if not isinstance(command, ToolResult):
            self._set_aside()
        match command:
            case Hear(pcm):
                yield {"realtimeInput": {"audio": _blob(f"audio/pcm;rate={HEARS_HZ}", pcm)}}
            case Say(text):
                yield self._ask(command, Line("user", text))
            case Tell(instructions):
                yield self._ask(command, Line("system", instructions))
            case GoOn():
                yield self._ask(command)
            case See(url):
                yield {"realtimeInput": {"video": _picture(url)}}
            case ToolResult():
                yield from self._answer(command)
            case Interrupt():
                # Google cannot be told to stop: it notices by itself, or stops for the next words that we send.
                self._reading.cut(command.reply_id)
                self._heard_of = command.heard_text
            case _:
                assert_never(command)

    def read(self, frame: Mapping[str, Any]) -> Sequence[ModelEvent]:
        return tuple(self._reading.read(frame))

    def failure(self, frame: Mapping[str, Any]) -> ProviderError | None:
        match frame:
            case {"close": {"code": 1008, "reason": str(reason)}} if self._reading.going:
                return SessionExpired(f"Google ended the session as announced: {reason}")
            case {"close": {"code": int(code), "reason": str(reason)}}:
                kind = _kind(reason)
                return kind(f"Google closed the session with {code}: {reason}") if kind else None
            case {"error": {"message": str(message), **rest}}:
                return (self.codes.get(str(rest.get("status"))) or _kind(message) or ProviderError)(message)
            case _:
                return None

    def _voice(self, voice: str) -> dict[str, Any]:
        if self.facts.speaks_hz is None or voice == DEFAULT_VOICE:
            return {}
        return {"speechConfig": {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": voice}}}}

    def _ask(self, question: Say | Tell | GoOn, *lines: Line) -> dict[str, Any]:
        self._reading.asked(question)
        if self._heard_of is not None:
            self._asides.append(Line("system", HEARD.format(self._heard_of)))
        turns = [_turn(line) for line in (*self._asides, *lines)]
        self._asides.clear()
        self._heard_of = None
        return {"clientContent": ({"turns": turns} if turns else {}) | {"turnComplete": True}}

    def _answer(self, result: ToolResult) -> Iterator[dict[str, Any]]:
        """All answers to a reply go in one frame, for the first makes Google go on."""
        self._results.append(result)
        if not result.asks:
            return
        wanted = [each for each in self._results if each.call_id not in self._reading.withdrawn]
        self._results = []
        if wanted:
            self._reading.asked(result)
            responses = [{"id": each.call_id, "name": each.name, "response": _object(each.output)} for each in wanted]
            yield {"toolResponse": {"functionResponses": responses}}

    def _set_aside(self) -> None:
        """Results that nobody asked to be answered are those of a turn that the person cut short. Google has dropped
        its calls by then, often without `toolCallCancellation`, and answers no result of theirs; so they become words.
        Source: discuss.ai.google.dev, thread 196216, on gemini-3.8-live.
        """
        self._asides += [Line("system", ANSWERED.format(each.name, each.output)) for each in self._results]
        self._results = []


def _kind(said: str) -> Kind | None:
    return next((kind for words, kind in _ENDING if words in said.lower()), None)


def _instructions(setup: Setup) -> str:
    about = (line.text for line in setup.lines if line.role == "system")
    return "\n\n".join((setup.instructions, LANGUAGE.format(setup.language), *about))


def _turn(line: Line) -> dict[str, Any]:
    text = ASIDE.format(line.text) if line.role == "system" else line.text
    return {"role": "model" if line.role == "assistant" else "user", "parts": [{"text": text}]}


def _tool(tool: Tool) -> dict[str, Any]:
    # BLOCKING: otherwise it goes on talking while the tool works, and which reply has the answer cannot be told.
    always = {"name": tool.name, "description": tool.description, "behavior": "BLOCKING"}
    return always | ({"parametersJsonSchema": dict(tool.parameters)} if tool.parameters else {})


def _blob(kind: str, data: bytes) -> dict[str, str]:
    return {"mimeType": kind, "data": pybase64.b64encode_as_string(data)}


def _picture(url: str) -> dict[str, str]:
    head, _, data = url.partition(";base64,")
    return {"mimeType": head.removeprefix("data:"), "data": data}


def _object(output: str) -> dict[str, Any]:
    """Google wants an object; what is none goes under the name that it proposes."""
    try:
        given = orjson.loads(output)
    except orjson.JSONDecodeError:
        given = output
    return given if isinstance(given, dict) else {"output": given}
