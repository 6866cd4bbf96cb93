"""The loopback provider: each behaviour and misbehaviour, as what a client got."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import orjson
import pybase64
import pytest
import trio
from attrs import evolve
from trio_websocket import ConnectionClosed, ConnectionRejected, wrap_client_stream

from neko.testing import Behaviour, Ended, Party, TagReader, open_provider, silence, tag

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from trio_websocket import WebSocketConnection

HZ = 24_000
QUICK = Behaviour(response_ms=100, silence_ms=50)
SPOKEN_TURN = [
    "input_audio_buffer.speech_started",
    "input_audio_buffer.speech_stopped",
    "input_audio_buffer.committed",
    "conversation.item.added",
    "conversation.item.done",
    "response.created",
    "response.output_item.added",
    "conversation.item.added",
    "response.content_part.added",
    "response.output_audio_transcript.delta",
    "response.output_audio.delta",
    "response.output_audio_transcript.delta",
    "response.output_audio.delta",
    "response.output_audio_transcript.delta",
    "response.output_audio.delta",
    "response.output_audio.done",
    "response.output_audio_transcript.done",
    "response.content_part.done",
    "conversation.item.done",
    "response.output_item.done",
    "response.done",
]


class Client:
    """One plain Realtime client; remembers all that it got."""

    def __init__(self, socket: WebSocketConnection) -> None:
        self.socket = socket
        self.got: list[dict[str, Any]] = []

    async def send(self, kind: str, **fields: Any) -> None:
        await self.socket.send_message(orjson.dumps({"type": kind} | fields).decode())

    async def say(self, pcm: bytes) -> None:
        await self.send("input_audio_buffer.append", audio=pybase64.b64encode_as_string(pcm))

    async def configure(self, **hearing: Any) -> None:
        await self.send("session.update", session={"type": "realtime", "audio": {"input": hearing}})
        await self.until("session.updated")

    async def until(self, kind: str) -> dict[str, Any]:
        """Reads on to the next event of this type."""
        while True:
            event = orjson.loads(await self.socket.get_message())
            self.got.append(event)
            if event["type"] == kind:
                return event  # type: ignore[no-any-return]

    async def until_closed(self) -> int:
        """Reads to the end; the close code."""
        with pytest.raises(ConnectionClosed) as end:
            await self.until("no such event")
        assert end.value.reason is not None
        return int(end.value.reason.code)

    @property
    def types(self) -> list[str]:
        return [event["type"] for event in self.got]

    @property
    def tags(self) -> list[int]:
        deltas = [event["delta"] for event in self.got if event["type"] == "response.output_audio.delta"]
        return TagReader(HZ).push(b"".join(pybase64.b64decode(delta) for delta in deltas))


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Client]:
    parts = urlsplit(url)
    # trio-websocket's own connect leaves a refused or cancelled socket to the garbage collector.
    async with (
        await trio.open_tcp_stream(str(parts.hostname), parts.port or 80) as stream,
        trio.open_nursery() as nursery,
    ):
        socket = await wrap_client_stream(nursery, stream, parts.netloc, parts.path + "?model=gpt-realtime")
        yield Client(socket)
        with trio.move_on_after(1):
            await socket.aclose()
        nursery.cancel_scope.cancel()


async def refusal_of(url: str) -> ConnectionRejected:
    with pytest.RaisesGroup(ConnectionRejected) as refused:
        async with connected(url):
            pytest.fail("the upgrade was accepted")
    error = refused.value.exceptions[0]
    assert isinstance(error, ConnectionRejected)
    return error


def utterance(first: int = 0) -> bytes:
    """50 ms of speech and as much silence as ends it."""
    return tag(first, 5, HZ) + tag(first + 5, 5, HZ, voiced=False)


async def test_a_session_opens_with_its_configuration() -> None:
    async with open_provider() as provider, connected(provider.url) as client:
        session = (await client.until("session.created"))["session"]
        assert (session["type"], session["model"]) == ("realtime", "gpt-realtime")
        assert session["audio"]["input"]["turn_detection"]["type"] == "server_vad"
        assert provider.handshakes[0].query == {"model": "gpt-realtime"}


async def test_an_update_is_merged_and_answered_whole() -> None:
    async with open_provider() as provider, connected(provider.url) as client:
        await client.send("session.update", session={"type": "realtime", "instructions": "You are Yui."})
        session = (await client.until("session.updated"))["session"]
        assert session["instructions"] == "You are Yui."
        assert session["audio"]["input"]["format"] == {"type": "audio/pcm", "rate": 24_000}


async def test_a_spoken_turn_comes_in_the_order_of_the_ga_api() -> None:
    async with open_provider(QUICK) as provider, connected(provider.url) as client:
        await client.say(utterance())
        done = await client.until("response.done")
        assert client.types == ["session.created", *SPOKEN_TURN]
        assert done["response"]["status"] == "completed"
        assert done["response"]["output"][0]["content"][0]["transcript"] == "Nice to meet you."
        assert client.tags == list(range(10))
        assert provider.sessions[0].spoke == list(range(10))


async def test_speech_is_noticed_with_its_first_voiced_block() -> None:
    async with open_provider(QUICK) as provider, connected(provider.url) as client:
        await client.say(silence(7, HZ) + utterance())
        assert (await client.until("input_audio_buffer.speech_started"))["audio_start_ms"] == 70
        assert (await client.until("input_audio_buffer.speech_stopped"))["audio_end_ms"] == 170


async def test_silence_is_as_long_as_the_client_asks() -> None:
    async with open_provider() as provider, connected(provider.url) as client:
        await client.configure(turn_detection={"silence_duration_ms": 30})
        await client.say(tag(0, 1, HZ) + silence(3, HZ))
        assert (await client.until("input_audio_buffer.speech_stopped"))["audio_end_ms"] == 40


async def test_the_session_records_what_it_got_in_order() -> None:
    async with open_provider(QUICK) as provider, connected(provider.url) as client:
        sound = utterance()
        for at in range(0, len(sound), 777):
            await client.say(sound[at : at + 777])
        await client.until("response.done")
        await client.send("input_audio_buffer.clear")
        session = await provider.session()
        await session.received("input_audio_buffer.clear")
        assert session.audio == sound
        assert session.tags == list(range(10))
        kinds = [event["type"] for event in session.got]
        assert kinds == ["input_audio_buffer.append"] * 7 + ["input_audio_buffer.clear"]


async def test_transcripts_come_to_those_who_ask_for_them() -> None:
    behaviour = evolve(QUICK, transcripts=("one", "two"), response_ms=0)
    async with open_provider(behaviour) as provider, connected(provider.url) as client:
        await client.configure(transcription={"model": "whisper-1"})
        heard = []
        for _ in range(3):
            await client.say(utterance())
            event = await client.until("conversation.item.input_audio_transcription.completed")
            heard.append(event["transcript"])
            await client.until("response.done")
        assert heard == ["one", "two", "one"]


async def test_blocks_are_numbered_on_over_replies_and_sessions() -> None:
    async with open_provider(QUICK) as provider:
        heard = []
        for _ in range(2):
            async with connected(provider.url) as client:
                await client.say(utterance())
                await client.until("response.done")
                heard += client.tags
        assert heard == list(range(20))


async def test_a_cancelled_response_ends_at_once() -> None:
    async with (
        open_provider(evolve(QUICK, paced=True, response_ms=60_000)) as provider,
        connected(provider.url) as client,
    ):
        await client.say(utterance())
        await client.until("response.output_audio.delta")
        await client.send("response.cancel")
        response = (await client.until("response.done"))["response"]
        assert response["status"] == "cancelled"
        assert response["status_details"] == {"type": "cancelled", "reason": "client_cancelled"}
        await client.send("response.cancel")
        assert (await client.until("error"))["error"]["code"] == "response_cancel_not_active"


async def test_a_cancel_that_names_a_response_cancels_no_other() -> None:
    async with (
        open_provider(evolve(QUICK, paced=True, response_ms=60_000)) as provider,
        connected(provider.url) as client,
    ):
        await client.send("response.create")
        first = (await client.until("response.created"))["response"]["id"]
        await client.send("response.cancel", response_id=first)
        assert (await client.until("response.done"))["response"]["id"] == first
        await client.send("response.create")
        second = (await client.until("response.created"))["response"]["id"]
        await client.send("response.cancel", response_id=first)
        await client.send("response.cancel", response_id=second)
        assert (await client.until("response.done"))["response"]["id"] == second
        assert [e["error"]["code"] for e in client.got if e["type"] == "error"] == ["response_cancel_not_active"]


async def test_speech_interrupts_the_response() -> None:
    async with (
        open_provider(evolve(QUICK, paced=True, response_ms=60_000)) as provider,
        connected(provider.url) as client,
    ):
        await client.say(utterance())
        await client.until("response.output_audio.delta")
        await client.say(tag(10, 1, HZ))
        await client.until("input_audio_buffer.speech_started")
        began = len(client.got)
        response = (await client.until("response.done"))["response"]
        assert response["status_details"]["reason"] == "turn_detected"
        assert "response.output_audio.delta" not in client.types[began:]


async def test_speech_leaves_the_response_alone_when_the_client_says_so() -> None:
    async with open_provider(evolve(QUICK, paced=True)) as provider, connected(provider.url) as client:
        await client.configure(turn_detection={"interrupt_response": False})
        await client.say(utterance())
        await client.until("response.output_audio.delta")
        await client.say(tag(10, 1, HZ))
        assert (await client.until("response.done"))["response"]["status"] == "completed"


async def test_turns_by_hand() -> None:
    async with open_provider(QUICK) as provider, connected(provider.url) as client:
        await client.configure(turn_detection=None)
        await client.say(utterance())
        await client.send("input_audio_buffer.commit")
        await client.send("response.create")
        await client.until("response.done")
        assert client.types[2:] == SPOKEN_TURN[2:]


async def test_a_commit_needs_sound() -> None:
    async with open_provider(QUICK) as provider, connected(provider.url) as client:
        await client.send("input_audio_buffer.commit", event_id="mine")
        error = (await client.until("error"))["error"]
        assert (error["code"], error["event_id"]) == ("input_audio_buffer_commit_empty", "mine")


async def test_typed_items_are_answered_in_text_when_asked() -> None:
    behaviour = evolve(QUICK, replies=("Hi you.",))
    async with open_provider(behaviour) as provider, connected(provider.url) as client:
        item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi"}]}
        await client.send("conversation.item.create", item=item)
        assert (await client.until("conversation.item.done"))["item"]["content"] == item["content"]
        await client.send("response.create", response={"output_modalities": ["text"]})
        await client.until("response.done")
        assert [event["delta"] for event in client.got if event["type"] == "response.output_text.delta"] == [
            "Hi",
            " you.",
        ]
        assert client.tags == []


async def test_one_response_at_a_time() -> None:
    async with open_provider(evolve(QUICK, first_delta_after_s=60)) as provider, connected(provider.url) as client:
        await client.send("response.create")
        await client.send("response.create")
        assert (await client.until("error"))["error"]["code"] == "conversation_already_has_active_response"


async def test_an_item_is_truncated_to_what_was_heard_and_not_beyond() -> None:
    async with open_provider(QUICK) as provider, connected(provider.url) as client:
        await client.send("response.create")
        item_id = (await client.until("response.output_item.done"))["item"]["id"]
        await client.send("conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=101)
        assert "already shorter than 101ms" in (await client.until("error"))["error"]["message"]
        await client.send("conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=60)
        assert (await client.until("conversation.item.truncated"))["audio_end_ms"] == 60
        await client.send("conversation.item.truncate", item_id="item_none", content_index=0, audio_end_ms=0)
        assert (await client.until("error"))["error"]["code"] == "item_truncate_invalid_item_id"


@pytest.mark.parametrize(
    ("frame", "code", "param"),
    [
        ("{", "invalid_json", None),
        ("[]", "invalid_json", None),
        ('{"type": "session.begin"}', "invalid_value", "type"),
        ('{"type": "session.update"}', "missing_required_parameter", "session"),
        ('{"type": "session.update", "session": {}}', "missing_required_parameter", "session.type"),
        ('{"type": "input_audio_buffer.append", "audio": "*"}', "invalid_value", None),
        ('{"type": "conversation.item.delete", "item_id": "x"}', "item_delete_invalid_item_id", "item_id"),
    ],
)
async def test_a_wrong_event_is_an_error_and_the_session_lives_on(frame: str, code: str, param: str | None) -> None:
    async with open_provider(QUICK) as provider, connected(provider.url) as client:
        await client.socket.send_message(frame)
        error = (await client.until("error"))["error"]
        assert (error["type"], error["code"], error["param"]) == ("invalid_request_error", code, param)
        await client.say(utterance())
        await client.until("response.done")


async def test_paced_speech_takes_its_time() -> None:
    behaviour = evolve(QUICK, paced=True, response_ms=40, delta_ms=20)
    async with open_provider(behaviour) as provider, connected(provider.url) as client:
        await client.send("response.create")
        begun = trio.current_time()
        await client.until("response.output_audio.done")
        assert trio.current_time() - begun >= 0.04


async def test_a_client_that_leaves_during_the_handshake_leaves_nothing_behind() -> None:
    async with open_provider(Behaviour(handshake_delay_s=3600)) as provider:
        async with trio.open_nursery() as nursery:
            for _ in range(20):
                nursery.start_soon(_connect, provider.url)
            await provider.shaking_hands(20)
            assert provider.open_sessions == 20
            nursery.cancel_scope.cancel()
        with trio.fail_after(2):
            await provider.sockets(0)
        assert provider.sessions == []


async def _connect(url: str) -> None:
    async with connected(url):
        pytest.fail("the upgrade was accepted")


async def test_a_slow_handshake_is_answered_in_the_end() -> None:
    async with open_provider(Behaviour(handshake_delay_s=0.02)) as provider:
        begun = trio.current_time()
        async with connected(provider.url) as client:
            assert trio.current_time() - begun >= 0.02
            await client.until("session.created")


@pytest.mark.parametrize(
    ("status", "code"),
    [(401, "invalid_api_key"), (402, "insufficient_quota"), (429, "rate_limit_exceeded"), (503, None)],
)
async def test_a_refused_handshake_says_why(status: int, code: str | None) -> None:
    async with open_provider(Behaviour(refuse_status=status)) as provider:
        refused = await refusal_of(provider.url)
        assert refused.status_code == status
        assert orjson.loads(refused.body or b"")["error"]["code"] == code
        with trio.fail_after(2):
            await provider.sockets(0)


async def test_another_path_is_not_found() -> None:
    async with open_provider() as provider:
        assert (await refusal_of(provider.url + "/nowhere")).status_code == 404


async def test_the_next_connection_meets_the_behaviour_of_its_time() -> None:
    async with open_provider(Behaviour(refuse_status=429)) as provider:
        await refusal_of(provider.url)
        provider.behaviour = QUICK
        async with connected(provider.url) as client:
            await client.until("session.created")


async def test_a_session_expires_with_an_error_and_1001() -> None:
    async with open_provider(Behaviour(expires_after_s=0.02)) as provider, connected(provider.url) as client:
        assert (await client.until("error"))["error"]["code"] == "session_expired"
        assert await client.until_closed() == 1001
        assert await provider.sessions[0].closed() == Ended(Party.PROVIDER, 1001)


@pytest.mark.parametrize("code", [1007, 1008, 1011])
async def test_a_session_dies_with_a_code_even_while_the_client_talks(code: int) -> None:
    behaviour = evolve(QUICK, dies_after_events=3, close_code=code, close_reason="no more")
    async with open_provider(behaviour) as provider, connected(provider.url) as client:
        for first in range(0, 100, 10):
            await client.say(utterance(first))
        assert await client.until_closed() == code
        assert client.types == ["session.created", *SPOKEN_TURN[:2]]


async def test_a_session_may_die_before_its_first_event() -> None:
    async with open_provider(Behaviour(dies_after_events=0)) as provider, connected(provider.url) as client:
        assert await client.until_closed() == 1011
        assert client.got == []


async def test_the_line_drops_in_the_middle_of_a_word() -> None:
    async with open_provider(evolve(QUICK, drops_after_ms=80)) as provider, connected(provider.url) as client:
        await client.say(utterance())
        assert await client.until_closed() == 1006
        assert client.tags == list(range(8))
        assert await provider.sessions[0].closed() == Ended(Party.PROVIDER, 1006)
        assert provider.sessions[0].spoke == list(range(8))


async def test_a_silent_provider_still_answers_pings() -> None:
    async with open_provider(evolve(QUICK, silent_after=1)) as provider, connected(provider.url) as client:
        await client.say(utterance())
        await provider.sessions[0].heard(9)
        await client.until("session.created")
        with trio.fail_after(2):
            await client.socket.ping()
        assert provider.sessions[0].open
        await provider.sessions[0].close()
        assert await client.until_closed() == 1000
        assert client.types == ["session.created"]


async def test_a_deaf_provider_answers_nothing_and_still_notices_the_end() -> None:
    async with open_provider(evolve(QUICK, deaf_after=1)) as provider:
        async with connected(provider.url) as client:
            await client.until("session.created")
            with trio.move_on_after(0.03) as waiting:
                await client.socket.ping()
            assert waiting.cancelled_caught
            with trio.move_on_after(0):
                await client.socket.aclose()
        with trio.fail_after(2):
            await provider.sockets(0)
        assert provider.sessions[0].got == []


async def test_garbage_comes_once_and_the_session_goes_on() -> None:
    async with open_provider(evolve(QUICK, garbage_after=1)) as provider, connected(provider.url) as client:
        await client.until("session.created")
        await client.send("input_audio_buffer.clear")
        with pytest.raises(orjson.JSONDecodeError):
            await client.until("input_audio_buffer.cleared")
        await client.send("input_audio_buffer.clear")
        await client.until("input_audio_buffer.cleared")


async def test_events_may_be_missing() -> None:
    behaviour = evolve(QUICK, omits=frozenset({"response.created"}))
    async with open_provider(behaviour) as provider, connected(provider.url) as client:
        await client.say(utterance())
        await client.until("response.done")
        assert client.types == ["session.created", *(kind for kind in SPOKEN_TURN if kind != "response.created")]


async def test_the_end_of_a_response_may_be_late() -> None:
    behaviour = evolve(QUICK, response_ms=40, done_after_s=0.03)
    async with open_provider(behaviour) as provider, connected(provider.url) as client:
        begun = trio.current_time()
        await client.send("response.create")
        await client.until("response.done")
        assert trio.current_time() - begun >= 0.03


async def test_a_test_may_say_end_and_drop_by_hand() -> None:
    async with open_provider() as provider, connected(provider.url) as client:
        session = await provider.session(0)
        await session.emit({"type": "rate_limits.updated", "rate_limits": []})
        await client.until("rate_limits.updated")
        assert client.types == ["session.created", "rate_limits.updated"]
        await session.drop()
        assert await client.until_closed() == 1006
        async with connected(provider.url) as other:
            second = await provider.session(1)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(second.close, 1008)
                assert await other.until_closed() == 1008
        assert second.ended == Ended(Party.PROVIDER, 1008)


async def test_who_left_is_on_record() -> None:
    async with open_provider() as provider:
        async with connected(provider.url):
            assert provider.open_sessions == 1
        assert await provider.sessions[0].closed() == Ended(Party.CLIENT, 1000)
        await provider.sockets(0)


async def test_leaving_the_provider_ends_every_session() -> None:
    async with trio.open_nursery() as nursery:
        async with open_provider(Behaviour(paced=True)) as provider:
            socket = await nursery.start(_talk_until_closed, provider.url)
        assert provider.open_sessions == 0
        assert not provider.sessions[0].open
        assert socket is not None


async def _talk_until_closed(url: str, *, task_status: trio.TaskStatus[Client]) -> None:
    async with connected(url) as client:
        await client.send("response.create")
        await client.until("response.output_audio.delta")
        task_status.started(client)
        assert await client.until_closed() == 1006


async def test_a_session_under_load_keeps_no_record() -> None:
    async with open_provider(evolve(QUICK, records=False)) as provider, connected(provider.url) as client:
        await client.say(utterance())
        await client.until("response.done")
        session = provider.sessions[0]
        assert (session.got, session.tags, session.spoke, session.audio) == ([], [], [], b"")


def test_speech_has_whole_blocks() -> None:
    with pytest.raises(ValueError, match="response_ms must be a multiple of 10 ms"):
        Behaviour(response_ms=45)
