"""What a client may say: one frozen value per action, joined in `ClientMessage`."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from attrs import field, frozen


class InputMode(StrEnum):
    """How the person talks in this session."""

    AUDIO = "audio"
    TEXT = "text"


class InputType(StrEnum):
    """What a client calls its input; screen and camera share the audio session."""

    AUDIO = "audio"
    SCREEN = "screen"
    CAMERA = "camera"
    TEXT = "text"

    @property
    def mode(self) -> InputMode:
        return InputMode.TEXT if self is InputType.TEXT else InputMode.AUDIO


class AudioFraming(StrEnum):
    """How speech travels to the client: inside the JSON, or in a binary frame after it."""

    BASE64 = "base64"
    BINARY = "binary"


class SwapWhen(StrEnum):
    TURN = "turn"
    NOW = "now"


@frozen(kw_only=True)
class ClientFrame:
    """What any frame may carry."""

    language: str | None = None


@frozen
class StartSession(ClientFrame):
    input_type: InputType = InputType.AUDIO
    new_session: bool = False
    audio_format: AudioFraming | None = None
    mouth: bool | None = None  # each piece of speech is to say how loud it is, see `AudioChunk`


@frozen
class StreamData(ClientFrame):
    """As it arrives. `neko.protocol.stream` narrows it to one of `Microphone`, `TypedText`, `Picture`."""

    input_type: InputType
    data: Any
    sample_rate: int | None = None
    request_id: str | None = None


@frozen
class Microphone(ClientFrame):
    """What the person's microphone heard: PCM16 little-endian mono at `sample_rate` Hz."""

    pcm: bytes = field(repr=lambda pcm: f"<{len(pcm)} bytes>")
    sample_rate: int


@frozen
class TypedText(ClientFrame):
    text: str = field(repr=lambda text: f"<{len(text)} characters>")
    request_id: str | None = None


@frozen
class Picture(ClientFrame):
    """A screenshot or a camera frame as a `data:image/…;base64,` URL."""

    url: str = field(repr=lambda url: f"<{len(url)} characters>")
    source: InputType


@frozen
class MicFormat(ClientFrame):
    sample_rate: int


@frozen
class EndSession(ClientFrame):
    reason: str | None = None


@frozen
class PauseSession(ClientFrame):
    pass


@frozen
class SwapSession(ClientFrame):
    """Replace the model session. `language` here is the character's new language."""

    when: SwapWhen = SwapWhen.TURN
    provider: str | None = None
    voice: str | None = None
    prompt: str | None = None
    tts: str | None = None


@frozen
class Playback(ClientFrame):
    speech_id: str
    played_ms: float


@frozen
class VoicePlayStart(ClientFrame):
    turn_id: str | None = field(default=None)


@frozen
class VoicePlayEnd(ClientFrame):
    turn_id: str | None = field(default=None)


@frozen
class Resume(ClientFrame):
    token: str
    last_seq: int
    ack: bool = False  # a `Pong` is to come before everything else


@frozen
class GreetingCheck(ClientFrame):
    pass


@frozen
class VoiceInputControl(ClientFrame):
    pass


@frozen
class LanguageUpdate(ClientFrame):
    pass


@frozen
class ScreenshotResponse(ClientFrame):
    pass


@frozen
class Ping(ClientFrame):
    pass


ClientMessage = (
    StartSession
    | Microphone
    | TypedText
    | Picture
    | MicFormat
    | EndSession
    | PauseSession
    | SwapSession
    | Playback
    | VoicePlayStart
    | VoicePlayEnd
    | Resume
    | GreetingCheck
    | VoiceInputControl
    | LanguageUpdate
    | ScreenshotResponse
    | Ping
)

ACTIONS: dict[str, type[ClientFrame]] = {
    "start_session": StartSession,
    "stream_data": StreamData,
    "mic_format": MicFormat,
    "end_session": EndSession,
    "pause_session": PauseSession,
    "swap_session": SwapSession,
    "playback": Playback,
    "voice_play_start": VoicePlayStart,
    "voice_play_end": VoicePlayEnd,
    "resume": Resume,
    "greeting_check": GreetingCheck,
    "voice_input_control": VoiceInputControl,
    "language_update": LanguageUpdate,
    "screenshot_response": ScreenshotResponse,
    "ping": Ping,
}
