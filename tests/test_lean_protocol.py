"""Whatever comes, in whatever pieces: the lean protocol tells what wsproto tells, and wsproto reads what it writes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode
from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Event,
    Message,
    Ping,
    RejectConnection,
    RejectData,
    Request,
    TextMessage,
)

from neko.sockets.lean_protocol import LeanProtocol

SIZES = st.sampled_from((0, 1, 125, 126, 127, 300, 65_535, 65_536, 70_000))
WORDS = SIZES.map(lambda size: ("日" * (size // 3) + "x" * (size % 3)).encode())
SOUND = SIZES.map(lambda size: bytes(range(256)) * (size // 256) + bytes(size % 256))


def whole(opcode: Opcode, data: bytes) -> list[Frame]:
    return [Frame(opcode, data)]


def in_fragments(opcode: Opcode, data: bytes) -> list[Frame]:
    """Three of them, with a ping in between; text is cut in the middle of a letter."""
    cuts = (0, len(data) // 3 + 1, len(data) * 2 // 3 + 1, len(data))
    parts = [data[begin:end] for begin, end in pairwise(cuts)]
    first, second, third = (
        Frame(opcode if number == 0 else Opcode.CONT, part, fin=number == 2) for number, part in enumerate(parts)
    )
    return [first, Frame(Opcode.PING, b"between"), second, third]


MESSAGES = st.one_of(
    WORDS.map(lambda data: whole(Opcode.TEXT, data)),
    SOUND.map(lambda data: whole(Opcode.BINARY, data)),
    WORDS.map(lambda data: in_fragments(Opcode.TEXT, data)),
    SOUND.map(lambda data: in_fragments(Opcode.BINARY, data)),
    st.binary(max_size=125).map(lambda data: whole(Opcode.PING, data)),
    st.binary(max_size=125).map(lambda data: whole(Opcode.PONG, data)),
)
BROKEN = st.sampled_from(
    (
        b"",
        b"\x81\x02\xc3\x28" + bytes(8),  # unmasked towards a server; no UTF-8 towards a client
        b"\x81\x82\x00\x00\x00\x00\xc3\x28" + bytes(8),  # no UTF-8 towards a server; masked towards a client
        b"\x81\xfe\x00\x05" + bytes(16),  # five bytes need no two for their number
        b"\x81\x7e\x00\x05" + bytes(16),
        b"\xc1\x80" + bytes(16),  # a reserved bit
        b"\x83\x80" + bytes(16),  # a reserved opcode
        b"\x80\x80" + bytes(16),  # goes on with what never began
        b"\x80\x00" + bytes(16),
        b"\x01\x80\x00\x00\x00\x00\x81\x80" + bytes(16),  # begins anew before it ends
        b"\x01\x00\x81\x00" + bytes(16),
        b"\x88\x82\x00\x00\x00\x00\x03\xe9" + b"\x81\x80" + bytes(16),  # goes on after the close
        b"\x88\x02\x03\xe9" + b"\x81\x00" + bytes(16),
    )
)


@pytest.mark.parametrize("kind", [ConnectionType.SERVER, ConnectionType.CLIENT])
@given(messages=st.lists(MESSAGES, max_size=6), broken=BROKEN, data=st.data())
def test_it_tells_what_wsproto_tells(
    kind: ConnectionType, messages: list[list[Frame]], broken: bytes, data: st.DataObject
) -> None:
    frames = [frame for message in messages for frame in message]
    stream = b"".join(frame.serialize(mask=kind is ConnectionType.SERVER) for frame in frames) + broken
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=8).map(sorted))
    pieces = [stream[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert told(open_protocol(LeanProtocol, kind), pieces) == told(open_protocol(WSConnection, kind), pieces)


@pytest.mark.parametrize("kind", [ConnectionType.SERVER, ConnectionType.CLIENT])
@given(messages=st.lists(st.one_of(WORDS.map(bytes.decode), SOUND), max_size=4))
def test_wsproto_reads_what_it_writes(kind: ConnectionType, messages: list[str | bytes]) -> None:
    ours, theirs = open_protocol(LeanProtocol, kind), open_protocol(WSConnection, other(kind))
    sent = [TextMessage(data=each) if isinstance(each, str) else BytesMessage(data=each) for each in messages]
    said: list[Event] = [*sent, Ping(payload=b"there?"), CloseConnection(code=1001, reason="bye")]
    assert told(theirs, [ours.send(event) for event in said]) == [
        *messages,
        Ping(payload=b"there?"),
        CloseConnection(code=1001, reason="bye"),
    ]


@pytest.mark.parametrize("cut", range(0, 140, 7))
def test_what_comes_behind_an_answer_to_the_handshake_is_read(cut: int) -> None:
    """Wherever the line cuts it, in the empty line at the end of the head as well."""
    client, server = LeanProtocol(ConnectionType.CLIENT), WSConnection(ConnectionType.SERVER)
    answer = agreed(client, server) + server.send(TextMessage(data="at once"))
    assert len(answer) < 140
    for piece in (answer[:cut], answer[cut:]):
        if piece:
            client.receive_data(piece)
    assert [type(event) for event in client.events()] == [AcceptConnection, TextMessage]
    client.receive_data(server.send(TextMessage(data="later")))
    assert list(client.events()) == [TextMessage(data="later")]


def test_a_refusal_has_a_body() -> None:
    client, server = LeanProtocol(ConnectionType.CLIENT), WSConnection(ConnectionType.SERVER)
    server.receive_data(client.send(Request(host="neko", target="/")))
    assert [type(event) for event in server.events()] == [Request]
    refusal = RejectConnection(status_code=401, headers=[(b"content-length", b"3")], has_body=True)
    client.receive_data(server.send(refusal) + server.send(RejectData(data=b"no.")))
    assert [event.data for event in client.events() if isinstance(event, RejectData)] == [b"no.", b""]


def open_protocol(protocol: type[WSConnection], kind: ConnectionType) -> WSConnection:
    """One that has shaken hands with somebody who says nothing."""
    if kind is ConnectionType.CLIENT:
        client, server = protocol(kind), WSConnection(ConnectionType.SERVER)
        client.receive_data(agreed(client, server))
        opened = client
    else:
        opened = protocol(kind)
        agreed(WSConnection(ConnectionType.CLIENT), opened)
    list(opened.events())
    return opened


def agreed(client: WSConnection, server: WSConnection) -> bytes:
    """The server's answer, which the client has not got yet."""
    server.receive_data(client.send(Request(host="neko", target="/")))
    assert [type(event) for event in server.events()] == [Request]
    return server.send(AcceptConnection())


def told(protocol: WSConnection, pieces: Iterable[bytes]) -> Sequence[object]:
    """Messages as they are joined by trio-websocket, and the other events; nothing after the end."""
    return list(_told(protocol, pieces))


def _told(protocol: WSConnection, pieces: Iterable[bytes]) -> Iterator[object]:
    parts: list[str | bytes] = []
    for piece in pieces:
        if piece:
            protocol.receive_data(piece)
        for event in protocol.events():
            if isinstance(event, Message):
                parts.append(event.data)
                if event.message_finished:
                    yield _joined(parts)
                    parts.clear()
                continue
            yield event
            if isinstance(event, CloseConnection):
                return


def _joined(parts: Sequence[str | bytes]) -> str | bytes:
    return ("" if isinstance(parts[0], str) else b"").join(parts)  # type: ignore[arg-type]


def other(kind: ConnectionType) -> ConnectionType:
    return ConnectionType.CLIENT if kind is ConnectionType.SERVER else ConnectionType.SERVER
