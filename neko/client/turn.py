"""One reply, from its first piece to its turn end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio
from attrs import evolve, field, frozen

from neko.client.errors import SessionEnded, TurnRefused
from neko.protocol.errors import StatusCode
from neko.protocol.server import (
    AudioChunk,
    Emotion,
    ReplyText,
    ServerMessage,
    SessionEndedByServer,
    Status,
    TurnEnd,
    UserTranscript,
)

if TYPE_CHECKING:
    from neko.client.character import CharacterClient

# After these the person's message is lost; every other status is news, and the server goes on by itself.
REFUSALS = frozenset(
    {
        StatusCode.INVALID_JSON,
        StatusCode.INVALID_VALUE,
        StatusCode.INVALID_INPUT_TYPE,
        StatusCode.INVALID_AUDIO,
        StatusCode.UNKNOWN_ACTION,
        StatusCode.MESSAGE_TOO_BIG,
        StatusCode.API_KEY_REJECTED,
        StatusCode.API_ARREARS,
        StatusCode.API_POLICY_VIOLATION,
        StatusCode.SERVER_ERROR,
        StatusCode.CHARACTER_DISCONNECTED,
    }
)


@frozen
class Reply:
    """What a person got for what they said. Times are `trio.current_time()`; None when nothing of the kind came."""

    heard: str = field(repr=False)  # the person's speech as the server understood it; "" in a text session
    text: str = field(repr=False)
    speech: bytes = field(repr=lambda pcm: f"<{len(pcm)} bytes>")  # PCM16 little-endian mono at 48 kHz
    speech_id: str | None
    emotion: str | None
    interrupted: bool
    first_text_at: float | None
    first_audio_at: float | None


class Turn:
    """Collects one reply out of the messages of a connection: the next one that begins."""

    def __init__(self) -> None:
        self._id: str | None = None
        self._heard: list[str] = []
        self._text: list[str] = []
        self._speech: list[bytes] = []
        self._speech_id: str | None = None
        self._emotion: str | None = None
        self._first_text_at: float | None = None
        self._first_audio_at: float | None = None

    def take(self, message: ServerMessage, at: float) -> Reply | None:
        """The reply as soon as `message`, which came at `at`, completes it.

        Raises:
            TurnRefused: a status says that no reply will come.
            SessionEnded: the server ended the session.
        """
        match message:
            case UserTranscript(text):
                self._heard.append(text)
            case ReplyText() if self._mine(message.turn_id):
                self._text.append(message.text)
                self._first_text_at = self._first_text_at or at
            case AudioChunk() if self._mine(message.turn_id):
                self._speech.append(message.pcm)
                self._speech_id = message.speech_id
                self._first_audio_at = self._first_audio_at or at
            case Emotion() if self._mine(message.turn_id):
                self._emotion = message.emotion
            case TurnEnd() if self._ends(message):
                return self._reply(message.interrupted)
            case Status(code, details) if code in REFUSALS:
                raise TurnRefused(code, details)
            case SessionEndedByServer():
                raise SessionEnded("the server ended the session before the answer was complete")
        return None

    @property
    def begun(self) -> bool:
        """Whether the server has understood or answered anything yet."""
        return self._id is not None or bool(self._heard)

    def _mine(self, turn_id: str) -> bool:
        self._id = self._id or turn_id
        return turn_id == self._id

    def _ends(self, end: TurnEnd) -> bool:
        # A reply may have no words at all; but an interrupted end that we saw nothing of belongs to the reply before.
        return end.turn_id == self._id or (self._id is None and not end.interrupted)

    def _reply(self, interrupted: bool) -> Reply:
        return Reply(
            heard=" ".join(self._heard),
            text="".join(self._text),
            speech=b"".join(self._speech),
            speech_id=self._speech_id,
            emotion=self._emotion,
            interrupted=interrupted,
            first_text_at=self._first_text_at,
            first_audio_at=self._first_audio_at,
        )


class Answer:
    """Collects the answer to one thing that was said: the next reply that is not interrupted.

    A reply is interrupted when the person was not finished, or when its model session died and another goes on.
    """

    def __init__(self) -> None:
        self._turn = Turn()
        self._heard: list[str] = []

    def take(self, message: ServerMessage, at: float) -> Reply | None:
        """As `Turn.take`; `heard` of the reply is everything that was understood on the way."""
        reply = self._turn.take(message, at)
        if reply is None:
            return None
        self._heard.append(reply.heard)
        if reply.interrupted:
            self._turn = Turn()
            return None
        return evolve(reply, heard=" ".join(filter(None, self._heard)))

    @property
    def begun(self) -> bool:
        """Whether the server has understood or answered anything yet."""
        return self._turn.begun or bool(self._heard)


async def one_turn(client: CharacterClient) -> Reply:
    """The next reply of the character, complete. It waits as long as the caller lets it; cancelled, the reply is lost.

    Raises:
        TurnRefused, SessionEnded: no reply will come.
        ClientError: the connection ended; the type says why.
    """
    return await _collect(client, Turn())


async def one_answer(client: CharacterClient) -> Reply:
    """As `one_turn`, passing over interrupted replies."""
    return await _collect(client, Answer())


async def _collect(client: CharacterClient, into: Turn | Answer) -> Reply:
    async for message in client:
        if reply := into.take(message, trio.current_time()):
            return reply
    raise SessionEnded("the server closed the connection before the answer was complete")
