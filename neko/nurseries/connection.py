"""One client's connection: a reader, a writer, and the character they are attached to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

import trio
from attrs import evolve

from neko.audio.loudness import loudness
from neko.config.errors import shown
from neko.nurseries.guest import Guest
from neko.nurseries.manager import LLMSessionManager
from neko.nurseries.outbox import Goodbye
from neko.nurseries.subscription import Farewell, Subscription
from neko.protocol.client import (
    AudioFraming,
    ClientMessage,
    EndSession,
    GreetingCheck,
    LanguageUpdate,
    MicFormat,
    Microphone,
    PauseSession,
    Picture,
    Ping,
    Playback,
    Resume,
    ScreenshotResponse,
    StartSession,
    SwapSession,
    TypedText,
    VoiceInputControl,
    VoicePlayEnd,
    VoicePlayStart,
)
from neko.protocol.codec import SPEECH_HZ, write_server
from neko.protocol.errors import StatusCode, WireError
from neko.protocol.server import AudioChunk, Pong, ServerMessage, Status
from neko.sockets import Socket, SocketClosed
from neko.translation.tags import canonical

GOODBYE_WITHIN = 2.0  # seconds for the last words and the closing handshake
HEARTBEAT_S = 20.0  # below the 30 to 60 s after which home routers forget a silent connection
HEARTBEAT_WITHIN = 20.0  # seconds for a pong; a phone that changes cells is away for ten
# Seconds for a pong behind speech: the 2.5 MB that a kernel may hold take 20 s on a line of 1 Mbit/s, which
# just carries speech in base64; one that moves at all is not dead.
SPEECH_WITHIN = 40.0
NORMAL, GOING_AWAY = 1000, 1001


async def serve_connection(websocket: Socket, manager: LLMSessionManager, framing: AudioFraming) -> None:
    """Serves a client until it leaves, vanishes, or loses its character to another one."""
    client = manager.attach(websocket, framing)
    clean = False
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_write, websocket, client)
            nursery.start_soon(_feel_pulse, websocket, client, nursery.cancel_scope)
            clean = await _read(websocket, client, manager)
            nursery.cancel_scope.cancel()
    finally:
        manager.detach(client, clean=clean)


async def _read(websocket: Socket, client: Subscription, manager: LLMSessionManager) -> bool:
    """Frames to messages until the socket closes; True when the client closed it cleanly."""

    def heard(frame: str | bytes) -> bool:
        """The microphone's frames, fifty a second."""
        return manager.owns(client) and _hear(frame, client, manager)

    while True:
        try:
            frame = await websocket.receive(heard)
        except SocketClosed as closed:
            return closed.code in {NORMAL, GOING_AWAY}
        if not manager.owns(client):
            continue
        try:
            message = client.guest.codec.read(frame)
        except WireError as error:
            client.guest.received += 1
            manager.admit(client)
            await manager.tell(Status(error.code, error.details))
            continue
        await _dispatch(message, websocket, client, manager)


def _hear(frame: str | bytes, client: Subscription, manager: LLMSessionManager) -> bool:
    """The person's sound, if that is what the frame is, and nothing else."""
    try:
        message = client.guest.codec.read(frame)
    except WireError:
        return False
    if not isinstance(message, Microphone) or message.language is not None:
        return False
    client.guest.received += 1
    manager.admit(client)
    manager.hear(message)
    return True


async def _dispatch(
    message: ClientMessage, websocket: Socket, client: Subscription, manager: LLMSessionManager
) -> None:
    if isinstance(message, Resume):
        await _resume(message, client, manager)
        return
    client.guest.received += 1
    manager.admit(client)
    if message.language and not isinstance(message, SwapSession):
        await _take_language(message.language, message, manager)
    match message:
        case Microphone() | TypedText() | Picture():
            await manager.stream_data(message)
        case StartSession(input_type=input_type, new_session=new, audio_format=framing, mouth=mouth):
            client.guest.wants(framing, mouth)
            await manager.start_session(websocket, new, input_type.mode)
        case EndSession() | PauseSession():
            await manager.end_session()
        case Playback(speech_id=speech_id, played_ms=played_ms):
            manager.played(speech_id, played_ms)
        case SwapSession():
            await manager.swap_session(message)
        case Ping():
            await manager.tell(Pong(client.guest.received))
        case VoicePlayStart(turn_id=turn_id):
            manager.plays(turn_id, begins=True)
        case VoicePlayEnd(turn_id=turn_id):
            manager.plays(turn_id, begins=False)
        case GreetingCheck():
            manager.greet()
        case MicFormat() | LanguageUpdate():
            pass  # the codec remembers the rate; every frame may carry a language
        case VoiceInputControl() | ScreenshotResponse():
            pass  # what existing clients say and nothing here depends on: no screenshot is ever asked for
        case _:
            assert_never(message)


async def _take_language(name: str, message: ClientMessage, manager: LLMSessionManager) -> None:
    """The person's language. A name that is none is not worth a session: the rest of its frame counts as ever."""
    tag = canonical(name)
    if tag is not None:
        manager.language = tag
    elif not isinstance(message, Microphone):  # fifty complaints a second would help nobody
        details = f"language is {shown(name)}; accepted: a tag such as en, ja or zh-TW"
        await manager.tell(Status(StatusCode.INVALID_VALUE, details))


async def _resume(message: Resume, client: Subscription, manager: LLMSessionManager) -> None:
    if manager.resume(client, message.token, message.last_seq):
        if message.ack:
            # No checkpoint since it began: nothing has left yet.
            client.first(Pong(client.guest.received))
    else:
        details = (
            "resume: the token is unknown or too old; accepted: the resume_token of a session that waits, first of all"
        )
        await manager.tell(Status(StatusCode.INVALID_VALUE, details))


async def _write(websocket: Socket, client: Subscription) -> None:
    """Sends all messages to this client, and says goodbye when its place is gone."""

    def leaves(seq: int, message: ServerMessage) -> bool:
        """Where it is posted, as long as this task waits: it is still the only one that sends at any time."""
        sent = websocket.send_now(*_frames(message, seq, client.guest))
        if sent:
            client.sent(message)
        return sent

    try:
        while (entry := await client.receive(leaves)) is not None:
            seq, message = entry
            await _send(websocket, message, seq, client.guest)
            client.sent(message)
        with trio.move_on_after(GOODBYE_WITHIN, shield=True):
            await _say_goodbye(websocket, client)
    except SocketClosed:
        # The reader learns of it as well, and knows whether it was meant; it may be waiting for room to answer in.
        client.close()


async def _send(websocket: Socket, message: ServerMessage, seq: int, guest: Guest) -> None:
    await websocket.send(*_frames(message, seq, guest))


def _frames(message: ServerMessage, seq: int, guest: Guest) -> Sequence[str | bytes]:
    if guest.mouth and isinstance(message, AudioChunk):
        message = evolve(message, loudness=tuple(loudness(message.pcm, SPEECH_HZ)))
    return write_server(message, seq, guest.framing)


async def _say_goodbye(websocket: Socket, client: Subscription) -> None:
    match client.last_words:
        case Farewell(message, code):
            await _send(websocket, message, client.next_seq, client.guest)
            await websocket.aclose(code)
        case Goodbye(code, reason):
            await websocket.aclose(code, reason)
        case None:
            await websocket.aclose()
        case _:
            assert_never(client.last_words)


async def _feel_pulse(websocket: Socket, client: Subscription, connection: trio.CancelScope) -> None:
    """Ends a connection whose client does not answer; its pings queue with the writer's frames.

    What was on the line before a ping that is answered has arrived.
    """
    try:
        while True:
            with trio.move_on_after(HEARTBEAT_S) as silence:
                await client.much_left()
            arrived = client.asking()
            with trio.fail_after(HEARTBEAT_WITHIN if silence.cancelled_caught else SPEECH_WITHIN):
                await websocket.ping()
            arrived()
    except trio.TooSlowError:
        connection.cancel()
    except SocketClosed:
        return
