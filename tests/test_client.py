"""The Python client: what it yields, what it sends, and the type of every bad end."""

from __future__ import annotations

from functools import partial

import pytest
import trio

from neko.client import (
    BadAddress,
    ClientError,
    ConnectionLost,
    Reply,
    ServerDraining,
    SessionEnded,
    StartRefused,
    TakenOver,
    TurnRefused,
    Unauthorized,
    UnknownCharacter,
    Unreachable,
    connect,
    one_turn,
    websocket_url,
)
from neko.protocol.client import (
    AudioFraming,
    EndSession,
    InputMode,
    InputType,
    MicFormat,
    Microphone,
    Playback,
    TypedText,
)
from neko.protocol.errors import StatusCode
from neko.protocol.server import (
    AgentNotification,
    AudioChunk,
    CharacterSwitched,
    ReplyText,
    ServerMessage,
    SessionEndedByServer,
    SessionFailed,
    SessionPreparing,
    SessionStarted,
    Status,
    TurnEnd,
    UserTranscript,
)
from neko.testing.wire import reset_on_close
from tests.character_server import PCM, Peer, Script, character_server, reply, typed_answers


@pytest.mark.parametrize(
    ("url", "character", "expected"),
    [
        ("ws://127.0.0.1:48911/ws/Yui", None, "ws://127.0.0.1:48911/ws/Yui"),
        ("ws://127.0.0.1:48911/ws/Yui", "Mimi", "ws://127.0.0.1:48911/ws/Mimi"),
        ("http://127.0.0.1:48911", "小天", "ws://127.0.0.1:48911/ws/%E5%B0%8F%E5%A4%A9"),
        ("http://127.0.0.1:48911/ws/小天", None, "ws://127.0.0.1:48911/ws/%E5%B0%8F%E5%A4%A9"),
        ("http://127.0.0.1/ws/%E5%B0%8F", None, "ws://127.0.0.1/ws/%E5%B0%8F"),
        ("https://example.org/neko/", "a/b?", "wss://example.org/neko/ws/a%2Fb%3F"),
        ("wss://example.org/?token=x", "Yui", "wss://example.org/ws/Yui?token=x"),
    ],
)
def test_address_of_a_character(url: str, character: str | None, expected: str) -> None:
    assert websocket_url(url, character) == expected


@pytest.mark.parametrize(
    "url", ["127.0.0.1:48911", "ftp://host/ws/Yui", "http:///ws/Yui", "http://host", "ws://host/ws/"]
)
def test_address_without_a_character_or_a_host(url: str) -> None:
    with pytest.raises(BadAddress, match=r"accepted|names no character"):
        websocket_url(url)


@pytest.mark.parametrize("framing", list(AudioFraming))
async def test_speech_carries_its_pcm_in_either_framing(framing: AudioFraming) -> None:
    spoken = reply("t1", "Hello", " there")

    async def script(peer: Peer) -> None:
        await peer.accept_start()
        await peer.say(*spoken)

    async with character_server(script) as server, connect(server.url, "Yui", framing=framing) as client:
        started = await client.start(InputType.TEXT)
        got = [message async for message in client]
    assert started == SessionStarted(InputMode.TEXT, "s1", "token")
    assert got == [SessionPreparing(InputMode.TEXT), *spoken]
    assert server.peers[0].framing is framing


async def test_a_half_read_speech_survives_a_cancelled_reader() -> None:
    go_on = trio.Event()

    async def script(peer: Peer) -> None:
        await peer.websocket.send_message('{"type":"audio_chunk","speech_id":"s","turn_id":"t","seq":1}')
        await go_on.wait()
        await peer.websocket.send_message(PCM)

    async with character_server(script) as server, connect(server.url, "Yui") as client:
        with trio.move_on_after(0.05):
            await anext(client)
        go_on.set()
        assert await anext(client) == AudioChunk("s", "t", PCM)


async def test_messages_before_the_start_are_yielded_after_it() -> None:
    early = AgentNotification("done", "agent", "completed")

    async def script(peer: Peer) -> None:
        await peer.say(early)
        await peer.accept_start()

    async with character_server(script) as server, connect(server.url, "Yui") as client:
        await client.start(InputType.AUDIO)
        assert [message async for message in client] == [early, SessionPreparing(InputMode.AUDIO)]


async def test_frames_of_a_newer_server_are_passed_over() -> None:
    async def script(peer: Peer) -> None:
        await peer.websocket.send_message('{"type":"neko.from_the_future","seq":1}')
        await peer.websocket.send_message(b"no header before this")
        await peer.say(UserTranscript("hi"))

    async with character_server(script) as server, connect(server.url, "Yui") as client:
        assert [message async for message in client] == [UserTranscript("hi")]


async def test_what_a_client_sends_arrives_in_order() -> None:
    async with character_server(typed_answers) as server, connect(server.url, "小天", token="secret") as client:
        await client.start(InputType.TEXT, language="en")
        await client.send_audio(b"\1\0", 48_000)
        await client.send_audio(b"\2\0", 48_000)
        await client.send_audio(b"\3\0", 16_000)
        await client.report_playback("speech-1", 40)
        await client.end("enough")
        await client.send_text("hi", "r1")
        await one_turn(client)
    peer = server.peers[0]
    assert peer.path == "/ws/%E5%B0%8F%E5%A4%A9"
    assert peer.headers[b"authorization"] == b"Bearer secret"
    assert peer.got[0].language == "en"
    assert peer.got[1:] == [
        MicFormat(48_000),
        Microphone(b"\1\0", 48_000),
        Microphone(b"\2\0", 48_000),
        MicFormat(16_000),
        Microphone(b"\3\0", 16_000),
        Playback("speech-1", 40),
        EndSession("enough"),
        TypedText("hi", "r1"),
    ]


async def test_a_refused_start_carries_code_and_details() -> None:
    async def script(peer: Peer) -> None:
        await peer.receive()
        await peer.say(Status(StatusCode.API_UNREACHABLE, "openai does not answer; check the url"))
        await peer.say(SessionFailed(InputMode.AUDIO))

    async with character_server(script) as server, connect(server.url, "Yui") as client:
        with pytest.raises(StartRefused, match="openai does not answer") as refused:
            await client.start(InputType.AUDIO)
    assert refused.value.code is StatusCode.API_UNREACHABLE


@pytest.mark.parametrize(
    ("code", "error"),
    [(4001, TakenOver), (4401, Unauthorized), (1012, ServerDraining), (1011, ConnectionLost), (1000, ConnectionLost)],
)
async def test_a_start_that_the_server_closes(code: int, error: type[ClientError]) -> None:
    async def script(peer: Peer) -> None:
        await peer.websocket.aclose(code)

    async with character_server(script) as server, connect(server.url, "Yui") as client:
        with pytest.raises(error):
            await client.start(InputType.AUDIO)


async def test_an_unknown_character_names_another() -> None:
    async def script(peer: Peer) -> None:
        await peer.say(CharacterSwitched("Yui", "Nobody"))
        await peer.websocket.aclose(4004)

    async with character_server(script) as server, connect(server.url, "Nobody") as client:
        with pytest.raises(UnknownCharacter, match="it has 'Yui'") as error:
            await client.start(InputType.AUDIO)
    assert error.value.offered == "Yui"


async def test_the_iteration_raises_for_an_abnormal_close_only() -> None:
    async def script(peer: Peer) -> None:
        await peer.say(UserTranscript("hi"))
        await peer.websocket.aclose(1012)

    async with character_server(script) as server, connect(server.url, "Yui") as client:
        assert await anext(client) == UserTranscript("hi")
        with pytest.raises(ServerDraining):
            await anext(client)


@pytest.mark.parametrize(("status", "error"), [(401, Unauthorized), (503, ServerDraining), (404, Unreachable)])
async def test_a_rejected_handshake(status: int, error: type[ClientError]) -> None:
    async def refuse(stream: trio.SocketStream) -> None:
        await stream.receive_some()
        await stream.send_all(f"HTTP/1.1 {status} No\r\nContent-Length: 0\r\n\r\n".encode())

    async with trio.open_nursery() as nursery:
        (listener,) = await nursery.start(partial(trio.serve_tcp, refuse, 0, host="127.0.0.1"))
        port = listener.socket.getsockname()[1]
        with pytest.raises(error):
            async with connect(f"http://127.0.0.1:{port}", "Yui"):
                pass
        nursery.cancel_scope.cancel()


async def test_nobody_at_the_address() -> None:
    with pytest.raises(Unreachable, match=r"no neko server answers at ws://127\.0\.0\.1:1/ws/Yui"):
        async with connect("ws://127.0.0.1:1", "Yui"):
            pass


@pytest.mark.parametrize("read_first", [True, False])
async def test_a_reset_during_the_handshake(read_first: bool) -> None:
    async def reset(stream: trio.SocketStream) -> None:
        if read_first:
            await stream.receive_some()
        reset_on_close(stream)
        await stream.aclose()

    async with trio.open_nursery() as nursery:
        (listener,) = await nursery.start(partial(trio.serve_tcp, reset, 0, host="127.0.0.1"))
        port = listener.socket.getsockname()[1]
        for _ in range(5):
            with trio.fail_after(2), pytest.raises(Unreachable):
                async with connect(f"http://127.0.0.1:{port}", "Yui"):
                    pass
        nursery.cancel_scope.cancel()


async def test_an_error_of_the_caller_comes_out_as_it_is() -> None:
    async with character_server(typed_answers) as server:
        with pytest.raises(ZeroDivisionError):
            async with connect(server.url, "Yui"):
                raise ZeroDivisionError


def says(*messages: ServerMessage) -> Script:
    async def script(peer: Peer) -> None:
        await peer.say(*messages)

    return script


async def one_reply(*messages: ServerMessage) -> Reply:
    reply, error = None, None
    async with character_server(says(*messages)) as server, connect(server.url, "Yui") as client:
        try:
            reply = await one_turn(client)
        except ClientError as ended:
            error = ended  # not through the fake server, whose nursery would wrap it
    if error is not None:
        raise error
    assert reply is not None
    return reply


async def test_one_turn_collects_a_spoken_reply() -> None:
    begin = trio.current_time()
    got = await one_reply(
        UserTranscript("What is your name?"), *reply("t1", "I am ", "Yui."), *reply("t2", "never read")
    )
    assert (got.heard, got.text, got.speech) == ("What is your name?", "I am Yui.", PCM + PCM)
    assert (got.speech_id, got.emotion, got.interrupted) == ("speech-t1", "happy", False)
    assert got.first_text_at is not None
    assert got.first_audio_at is not None
    assert begin < got.first_text_at <= got.first_audio_at <= trio.current_time()


async def test_one_turn_passes_over_the_end_of_the_reply_before() -> None:
    got = await one_reply(TurnEnd("t0", interrupted=True), *reply("t1", "Yes?"))
    assert got.text == "Yes?"


async def test_one_turn_of_an_interrupted_reply() -> None:
    got = await one_reply(ReplyText("Once upon", is_new=True, turn_id="t1"), TurnEnd("t1", interrupted=True))
    assert (got.text, got.interrupted, got.first_audio_at) == ("Once upon", True, None)


async def test_one_turn_without_words() -> None:
    got = await one_reply(TurnEnd("t1", interrupted=False))
    assert (got.text, got.speech) == ("", b"")


async def test_one_turn_that_is_refused_and_one_that_goes_on() -> None:
    with pytest.raises(TurnRefused, match="at most"):
        await one_reply(Status(StatusCode.MESSAGE_TOO_BIG, "a text has at most 100,000 characters"))
    got = await one_reply(Status(StatusCode.API_UNREACHABLE, "reconnecting"), *reply("t1", "Back."))
    assert got.text == "Back."


@pytest.mark.parametrize("last", [[SessionEndedByServer(InputMode.TEXT)], []])
async def test_one_turn_of_a_session_that_ends(last: list[ServerMessage]) -> None:
    with pytest.raises(SessionEnded):
        await one_reply(ReplyText("Well", is_new=True, turn_id="t1"), *last)
