"""What a Realtime session is set to; `neko.protocol.realtime.converter.change` applies a `session.update`."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from attrs import field, frozen
from attrs.validators import ge, le, max_len, min_len

from neko.protocol.realtime.content import MAX_TEXT

MAX_PREFIX_MS = 5_000  # more than a breath before the first word is another utterance
MAX_SILENCE_MS = 10_000


class Modality(StrEnum):
    AUDIO = "audio"
    TEXT = "text"


@frozen
class InputFormat:
    """PCM16 little-endian mono."""

    type: Literal["audio/pcm"] = "audio/pcm"
    rate: Literal[24000, 16000] = 24000


@frozen
class OutputFormat:
    """PCM16 little-endian mono."""

    type: Literal["audio/pcm"] = "audio/pcm"
    rate: Literal[24000] = 24000


@frozen
class Transcription:
    """How the person's words are written down. `language` is ISO 639-1; without one the recogniser's own choice."""

    model: str = "local"
    language: str | None = None


@frozen
class ServerVad:
    """The server decides when the person begins and ends."""

    type: Literal["server_vad"] = "server_vad"
    threshold: float = field(default=0.5, validator=[ge(0.0), le(1.0)])
    prefix_padding_ms: int = field(default=300, validator=[ge(0), le(MAX_PREFIX_MS)])
    silence_duration_ms: int = field(default=400, validator=[ge(0), le(MAX_SILENCE_MS)])
    create_response: bool = True
    interrupt_response: bool = True


@frozen
class AudioInput:
    """`turn_detection` None means manual turns: the client commits and asks for responses itself."""

    format: InputFormat = InputFormat()
    transcription: Transcription | None = Transcription()
    turn_detection: ServerVad | None = ServerVad()


@frozen
class AudioOutput:
    format: OutputFormat = OutputFormat()
    voice: str = "default"


@frozen
class SessionAudio:
    input: AudioInput = AudioInput()
    output: AudioOutput = AudioOutput()


@frozen
class Session:
    """One session, whole, as `session.created` and `session.updated` tell it."""

    id: str
    model: str
    output_modalities: tuple[Modality, ...] = field(default=(Modality.AUDIO,), validator=[min_len(1), max_len(1)])
    instructions: str = field(default="", repr=False, validator=max_len(MAX_TEXT))
    audio: SessionAudio = SessionAudio()
    tools: tuple[()] = ()
    expires_at: int | None = None
    type: Literal["realtime"] = "realtime"
    object: Literal["realtime.session"] = "realtime.session"

    @property
    def modality(self) -> Modality:
        return self.output_modalities[0]
