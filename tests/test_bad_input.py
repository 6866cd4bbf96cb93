"""Bad frames get a clear error, and the conversation goes on."""

from __future__ import annotations

from typing import Any

import attrs
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock, wait_all_tasks_blocked

from neko.protocol.client import AudioFraming, Microphone, Picture, TypedText
from neko.protocol.codec import ClientCodec, read_server, write_client, write_server
from neko.protocol.errors import WireError
from neko.protocol.server import TYPES, AudioChunk, Pong, Status
from tests.conftest import FakeHouse

PICTURE = "data:image/png;base64,AAAA"


def stream(data: Any, **more: Any) -> str:
    return orjson.dumps({"action": "stream_data", "input_type": "audio", "data": data, **more}).decode()


WRONG = [
    ("{", "INVALID_JSON", "not JSON"),
    ("[1]", "INVALID_JSON", "no object"),
    ("{}", "INVALID_VALUE", "action is missing; accepted: start_session"),
    ('{"action": "dance"}', "UNKNOWN_ACTION", "'dance'; accepted: start_session"),
    ('{"action": ["x"]}', "UNKNOWN_ACTION", "accepted: start_session"),
    ('{"action": "start_session", "input_type": "smell"}', "INVALID_INPUT_TYPE", "audio, screen, camera, text"),
    (
        '{"action": "start_session", "new_session": "no"}',
        "INVALID_VALUE",
        "new_session is wrong; accepted: true or false",
    ),
    ('{"action": "start_session", "audio_format": "mp3"}', "INVALID_VALUE", "accepted: base64, binary"),
    ('{"action": "start_session", "language": 5}', "INVALID_VALUE", "language is wrong; accepted: a string"),
    ('{"action": "resume", "token": "t"}', "INVALID_VALUE", "last_seq is missing; accepted: a whole number"),
    ('{"action": "playback", "speech_id": "s", "played_ms": "3"}', "INVALID_VALUE", "played_ms is wrong"),
    ('{"action": "mic_format", "sample_rate": 3}', "INVALID_AUDIO", "8000 to 96000"),
    ('{"action": "stream_data", "input_type": "audio"}', "INVALID_VALUE", "data is missing"),
    (stream([1, 2, 70_000]), "INVALID_AUDIO", "16-bit integers"),
    (stream([1, 0.5]), "INVALID_AUDIO", "16-bit integers"),
    (stream({"a": 1}), "INVALID_AUDIO", "16-bit integers"),
    (stream("AAA="[:3]), "INVALID_AUDIO", "base64"),
    (stream("AQID"), "INVALID_AUDIO", "3 bytes are no whole number of 16-bit samples"),
    (stream([0] * 160_001), "MESSAGE_TOO_BIG", "10 s"),
    ('{"action": "swap_session", "prompt": "%s"}' % ("a" * 100_001), "MESSAGE_TOO_BIG", "100,000"),
    (stream([0], sample_rate=True), "INVALID_VALUE", "sample_rate is wrong"),
    (stream(5, input_type="text"), "INVALID_VALUE", "a string"),
    (stream(" ", input_type="text"), "INVALID_VALUE", "something in it"),
    (stream("data:image/png;base64,####", input_type="screen"), "INVALID_VALUE", "data:image/"),
    ('{"action": "voice_play_end", "turnId": 3}', "INVALID_VALUE", "turnId is wrong"),
    (stream("x" * 100_001, input_type="text"), "MESSAGE_TOO_BIG", "100,000"),
    (stream("http://x/y.png", input_type="screen"), "INVALID_VALUE", "data:image/"),
    (stream(PICTURE + "A" * 3_200_000, input_type="camera"), "MESSAGE_TOO_BIG", "picture"),
]


@pytest.mark.parametrize(("frame", "code", "words"), WRONG)
async def test_a_wrong_frame_is_named_and_the_session_lives_on(
    house: FakeHouse, autojump_clock: MockClock, frame: str, code: str, words: str
) -> None:
    async with house.client() as person:
        await person.send("start_session", input_type="audio")
        await person.send_raw(frame)
        await person.send("stream_data", input_type="text", data="still here?")
        await wait_all_tasks_blocked()
        [status] = person.of("status")
        assert status["code"] == code
        message = orjson.loads(status["message"])
        assert message["code"] == code
        assert words in message["details"]
        assert len(house.model.got) == 1


async def test_an_odd_binary_frame_is_refused(house: FakeHouse, autojump_clock: MockClock) -> None:
    async with house.client() as person:
        await person.send_raw(b"\x01\x02\x03")
        await wait_all_tasks_blocked()
        assert person.codes() == ["INVALID_AUDIO"]


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists, max_leaves=5))
def test_no_value_of_any_field_is_more_than_a_wire_error(value: Any) -> None:
    for action in ("start_session", "stream_data", "mic_format", "playback", "resume", "swap_session", value):
        for name in ("input_type", "data", "sample_rate", "token", "when", "new_session", "played_ms", "language"):
            frame = {"action": action, "input_type": "audio", "data": "", "token": "", "last_seq": 1, name: value}
            try:
                ClientCodec().read(orjson.dumps(frame, option=orjson.OPT_NON_STR_KEYS).decode())
            except WireError:
                continue
            except orjson.JSONEncodeError:
                return  # a text that is no Unicode cannot be sent by anybody


@given(st.text())
def test_no_text_is_more_than_a_wire_error(frame: str) -> None:
    with pytest.raises(WireError):
        ClientCodec().read(frame)


@pytest.mark.parametrize(
    ("frame", "rate"),
    [
        (stream([1] * 480), 48_000),
        (stream([1] * 320), 16_000),
        (stream([1] * 480, sample_rate=24_000), 24_000),
        (stream("AQABAA=="), 16_000),
    ],
)
def test_the_rate_of_a_microphone_frame(frame: str, rate: int) -> None:
    message = ClientCodec().read(frame)
    assert isinstance(message, Microphone)
    assert message.sample_rate == rate
    assert set(message.pcm) == {0, 1}


def test_binary_frames_have_the_rate_that_was_named_last() -> None:
    codec = ClientCodec()
    rates = []
    for frame in (b"\0\0", '{"action": "mic_format", "sample_rate": 44100}', b"\0\0"):
        message = codec.read(frame)
        rates.append(message.sample_rate if isinstance(message, Microphone) else None)
    assert rates == [16_000, None, 44_100]


def test_text_and_pictures_are_what_they_were() -> None:
    codec = ClientCodec()
    assert codec.read(stream("hi", input_type="text", request_id="q", language="de")) == TypedText(
        "hi", "q", language="de"
    )
    picture = codec.read(stream(PICTURE, input_type="screen"))
    assert isinstance(picture, Picture)
    assert picture.url == PICTURE


def test_binary_framing_keeps_header_and_sound_adjacent() -> None:
    header, pcm = write_server(AudioChunk("s1", "t1", b"\1\2"), 7, AudioFraming.BINARY)
    assert orjson.loads(header) == {"type": "audio_chunk", "speech_id": "s1", "turn_id": "t1", "seq": 7}
    assert pcm == b"\1\2"


def test_a_pong_has_no_number() -> None:
    assert write_server(Pong(), 7, AudioFraming.BASE64) == ('{"type":"pong"}',)


FIELDS = {
    "task": st.dictionaries(st.text(), st.integers(-(2**53), 2**53)),
    "snapshot": st.dictionaries(st.text(), st.booleans()),
    "gap_ms": st.floats(0, 1e9),
    "lost_ms": st.floats(0, 1e9),
}


@given(st.data())
def test_every_server_message_survives_the_wire(data: st.DataObject) -> None:
    cls = data.draw(st.sampled_from(sorted(TYPES, key=lambda each: each.__name__)))
    fields = {field.name: FIELDS[field.name] for field in attrs.fields(cls) if field.name in FIELDS}
    message = data.draw(st.builds(cls, **fields))
    [frame] = write_server(message, 1, AudioFraming.BASE64)
    assert isinstance(frame, str)
    if not isinstance(message, AudioChunk | Status):
        assert orjson.loads(frame)["type"] == TYPES[cls]
    assert read_server(frame) == message


@pytest.mark.parametrize("message", [TypedText("hi"), Microphone(pcm=b"", sample_rate=16_000)])
def test_only_what_has_an_action_of_its_own_is_written(message: Any) -> None:
    with pytest.raises(StopIteration):
        write_client(message)
