"""What a client of the embedded provider gets, in order, with engines that follow a script."""

from __future__ import annotations

from itertools import groupby
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from neko.local.engines import EngineError
from neko.local.warmth import WARM_WITHIN
from tests.local_house import MANUAL, PIECE, PIECES_PER_PHRASE, Cast, Client, conversation, transcript

HEARD = [
    "input_audio_buffer.speech_stopped",
    "input_audio_buffer.committed",
    "conversation.item.added",
    "conversation.item.done",
    "conversation.item.input_audio_transcription.delta",
    "conversation.item.input_audio_transcription.completed",
]
OPENED = [
    "response.created",
    "response.output_item.added",
    "conversation.item.added",
    "response.content_part.added",
]
PHRASE = ["response.output_audio_transcript.delta", "response.output_audio.delta"]
CLOSED = [
    "response.output_audio.done",
    "response.output_audio_transcript.done",
    "response.content_part.done",
    "conversation.item.done",
    "response.output_item.done",
    "response.done",
]


def shape(events: list[dict[str, Any]]) -> list[str]:
    """The types in order; a run of one type counts once."""
    return [kind for kind, _ in groupby(event["type"] for event in events)]


async def say(client: Client, ms: int = 600) -> None:
    await client.speak(ms)
    await client.pause(800)


async def test_a_spoken_turn_in_order(autojump_clock: MockClock) -> None:
    cast = Cast()
    async with conversation(cast) as client:
        await client.configure(instructions="You are Yui.")
        client.got.clear()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(say, client)
            done = await client.until("response.done")
    assert shape(client.got) == ["input_audio_buffer.speech_started", *HEARD, *OPENED, *3 * PHRASE, *CLOSED]
    assert transcript(client.got) == "Hi, how are you today? I am well."
    assert client.types.count("response.output_audio.delta") == 3 * PIECES_PER_PHRASE
    assert done["response"]["status"] == "completed"
    assert done["response"]["output"][0]["content"] == [
        {"type": "output_audio", "transcript": "Hi, how are you today? I am well."}
    ]
    assert cast.model.prompts[-1] == [
        {"role": "system", "content": "You are Yui."},
        {"role": "user", "content": "hello there"},
    ]
    assert len({event["event_id"] for event in client.got}) == len(client.got)
    user = client.got[0]["item_id"]
    assert [event["item_id"] for event in client.got[:3]] == [user] * 3


async def test_the_answer_is_begun_on_suspicion_and_told_when_certain(autojump_clock: MockClock) -> None:
    cast = Cast()
    begun: list[float] = []
    async with conversation(cast) as client, trio.open_nursery() as nursery:
        await client.configure()
        nursery.start_soon(say, client)
        while not cast.recogniser.heard:
            await trio.sleep(0.01)
            begun.append(trio.current_time())
        await client.until("input_audio_buffer.speech_stopped")
        stopped = trio.current_time()
        assert cast.model.at_work == 1
        await client.until("response.output_audio.delta")
        sounded = trio.current_time()
    assert 0.2 < stopped - begun[-1] < 0.35
    # Recognition 0.1 s, the first phrase 0.1 s, the voice 0.01 s: all of it but the last had been done by then.
    assert sounded - stopped < 0.05


async def test_a_person_who_goes_on_has_said_one_thing(autojump_clock: MockClock) -> None:
    cast = Cast()
    async with conversation(cast) as client, trio.open_nursery() as nursery:

        async def hesitate() -> None:
            await client.speak(600)
            await client.pause(320)
            await say(client)

        nursery.start_soon(hesitate)
        await client.until("response.done")
    assert client.types.count("input_audio_buffer.speech_started") == 1
    assert client.types.count("input_audio_buffer.committed") == 1
    assert client.types.count("response.created") == 1
    first, whole = (len(pcm) / 32 for pcm in cast.recogniser.heard)
    assert 700 <= first <= 800
    assert 1600 <= whole <= 1700
    assert len(cast.model.prompts) <= 2


async def test_a_change_in_mid_utterance_loses_nothing_of_it(autojump_clock: MockClock) -> None:
    cast = Cast()
    async with conversation(cast) as client:
        await client.speak(600)
        await client.configure(audio={"input": {"transcription": {"language": "de"}}}, instructions="You are Yui.")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(say, client)
            await client.until("response.done")
    assert client.types.count("input_audio_buffer.speech_started") == 1
    assert len(cast.recogniser.heard[0]) / 32 > 1200


async def test_an_item_that_comes_while_the_end_is_suspected_is_answered_too(autojump_clock: MockClock) -> None:
    cast = Cast()
    async with conversation(cast) as client:
        await client.speak(600)
        await client.pause(300)
        await client.write("system", "It rains.")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(client.pause, 500)
            await client.until("response.done")
    assert [line["content"] for line in cast.model.prompts[-1]] == ["It rains.", "hello there"]
    assert client.types.count("response.created") == 1


async def test_barge_in_silences_the_rest(autojump_clock: MockClock) -> None:
    cast = Cast()
    cast.model.reply_pieces = ["A long story. "] * 100
    async with conversation(cast) as client, trio.open_nursery() as nursery:

        async def interrupt() -> None:
            await say(client)
            await trio.sleep(1)
            await say(client)

        nursery.start_soon(interrupt)
        await client.until("response.created")
        await client.until("input_audio_buffer.speech_started")
        told = transcript(client.got)
        interrupted = len(client.got)
        done = await client.until("response.done")
        assert cast.model.at_work == 0
        assert shape(client.got[interrupted:]) == CLOSED
        await client.until("response.output_audio.delta")
        nursery.cancel_scope.cancel()
    assert done["response"]["status"] == "cancelled"
    assert done["response"]["status_details"] == {"type": "cancelled", "reason": "turn_detected", "error": None}
    assert done["response"]["output"][0]["status"] == "incomplete"
    assert cast.model.prompts[-1] == [
        {"role": "user", "content": "hello there"},
        {"role": "assistant", "content": told},
        {"role": "user", "content": "hello there"},
    ]


async def test_barge_in_before_the_answer_keeps_the_words(autojump_clock: MockClock) -> None:
    cast = Cast()
    cast.recogniser.takes_s = 1.0
    cast.recogniser.words = ["first", "second"]
    async with conversation(cast) as client, trio.open_nursery() as nursery:

        async def insist() -> None:
            await client.speak(400)
            await client.pause(450)
            await say(client)

        nursery.start_soon(insist)
        await client.until("response.done")
    assert client.types.count("response.created") == 1
    assert cast.model.prompts == [[{"role": "user", "content": "first"}, {"role": "user", "content": "second"}]]


async def test_without_interruption_the_answers_queue(autojump_clock: MockClock) -> None:
    cast = Cast()
    async with conversation(cast) as client, trio.open_nursery() as nursery:
        await client.configure(audio={"input": {"turn_detection": {"interrupt_response": False}}})

        async def twice() -> None:
            await say(client)
            await say(client)

        cast.model.piece_s = 0.5
        nursery.start_soon(twice)
        first = await client.until("response.done")
        second = await client.until("response.done")
    assert [first["response"]["status"], second["response"]["status"]] == ["completed", "completed"]
    responses = [event["type"] for event in client.got if event["type"] in ("response.created", "response.done")]
    assert responses == ["response.created", "response.done"] * 2
    assert [line["role"] for line in cast.model.prompts[-1]] == ["user", "assistant", "user"]


async def test_noise_is_not_answered(autojump_clock: MockClock) -> None:
    cast = Cast()
    cast.recogniser.words = [" "]
    async with conversation(cast) as client, trio.open_nursery() as nursery:
        nursery.start_soon(say, client)
        completed = await client.until("conversation.item.input_audio_transcription.completed")
        assert completed["transcript"] == ""
        nursery.start_soon(say, client)
        await client.until("response.done")
    assert client.types.count("response.created") == 1
    assert cast.model.prompts == [[{"role": "user", "content": "hello there"}]]


async def test_a_click_is_nothing(autojump_clock: MockClock) -> None:
    cast = Cast()
    async with conversation(cast) as client:
        await client.speak(30)
        await client.pause(1000)
        await client.send("input_audio_buffer.clear")
        await client.receive()
    assert client.types == ["session.created", "input_audio_buffer.cleared"]
    assert cast.recogniser.heard == []


async def test_manual_turns(autojump_clock: MockClock) -> None:
    cast = Cast()
    async with conversation(cast) as client:
        await client.configure(audio=MANUAL)
        client.got.clear()
        await client.speak(700)
        await client.pause(900)
        await client.send("input_audio_buffer.commit")
        await client.until("conversation.item.input_audio_transcription.completed")
        await client.send("response.create", response={"metadata": {"request_id": "7"}})
        done = await client.until("response.done")
    assert shape(client.got) == [*HEARD[1:], *OPENED, *3 * PHRASE, *CLOSED]
    assert done["response"]["metadata"] == {"request_id": "7"}
    assert len(cast.recogniser.heard[0]) == 1600 * 32


async def test_a_commit_and_a_response_at_once(autojump_clock: MockClock) -> None:
    cast = Cast()
    async with conversation(cast) as client:
        await client.configure(audio=MANUAL)
        await client.speak(700)
        await client.send("input_audio_buffer.commit")
        await client.send("response.create")
        await client.until("response.done")
    assert cast.model.prompts == [[{"role": "user", "content": "hello there"}]]


async def test_nothing_to_commit(autojump_clock: MockClock) -> None:
    async with conversation(Cast()) as client:
        await client.send("input_audio_buffer.commit", event_id="mine")
        error = (await client.until("error"))["error"]
    assert (error["type"], error["code"]) == ("invalid_request_error", "input_audio_buffer_commit_empty")
    assert error["event_id"] == "mine"


@pytest.mark.slow
async def test_an_endless_utterance_is_committed_in_pieces(autojump_clock: MockClock) -> None:
    cast = Cast()
    async with conversation(cast) as client:
        await client.configure(audio=MANUAL)
        await client.speak(61_000)
        await client.until("conversation.item.input_audio_transcription.completed")
        await client.send("input_audio_buffer.commit")
        await client.until("conversation.item.input_audio_transcription.completed")
    assert [round(len(pcm) / 32_000) for pcm in cast.recogniser.heard] == [60, 1]


async def test_text_in_and_text_out(autojump_clock: MockClock) -> None:
    cast = Cast()
    async with conversation(cast) as client:
        await client.configure(instructions="You are Yui.", output_modalities=["text"])
        await client.write("user", "hi")
        await client.write("assistant", "<happy> Hello!")
        await client.write("user", "how are you?")
        client.got.clear()
        await client.send("response.create")
        done = await client.until("response.done")
    assert [event["delta"] for event in client.got if event["type"] == "response.output_text.delta"] == [
        "Hi, ",
        "how are ",
        "you today? ",
        "I am well.",
    ]
    assert shape(client.got) == [
        *OPENED,
        "response.output_text.delta",
        "response.output_text.done",
        *CLOSED[2:],
    ]
    assert done["response"]["output"][0]["content"] == [
        {"type": "output_text", "text": "Hi, how are you today? I am well."}
    ]
    assert [line["content"] for line in cast.model.prompts[-1]] == [
        "You are Yui.",
        "hi",
        "<happy> Hello!",
        "how are you?",
    ]
    assert cast.voice.said == []


async def test_a_mood_is_told_and_not_spoken(autojump_clock: MockClock) -> None:
    cast = Cast()
    cast.model.reply_pieces = ["<happy", "> Well, ", "hello my friend."]
    async with conversation(cast) as client:
        await client.write("user", "hi")
        await client.send("response.create")
        await client.until("response.done")
    assert transcript(client.got) == "<happy> Well, hello my friend."
    assert cast.voice.said == ["Well,", "hello my friend."]


async def test_truncating_keeps_what_was_heard(autojump_clock: MockClock) -> None:
    cast = Cast()
    async with conversation(cast) as client:
        await client.write("user", "hi")
        await client.send("response.create")
        item_id = (await client.until("response.done"))["response"]["output"][0]["id"]
        await client.send("conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=600)
        await client.until("conversation.item.truncated")
        await client.send("conversation.item.retrieve", item_id=item_id)
        retrieved = await client.until("conversation.item.retrieved")
        await client.write("user", "go on")
        await client.send("response.create")
        await client.until("response.done")
    assert retrieved["item"]["content"] == [{"type": "output_audio", "transcript": "Hi, how are"}]
    assert [line["content"] for line in cast.model.prompts[-1]] == ["hi", "Hi, how are", "go on"]


async def test_deleting_an_item(autojump_clock: MockClock) -> None:
    cast = Cast()
    async with conversation(cast) as client:
        await client.write("user", "forget this")
        item_id = client.got[-1]["item"]["id"]
        await client.send("conversation.item.delete", item_id=item_id)
        await client.until("conversation.item.deleted")
        await client.send("conversation.item.delete", item_id=item_id)
        assert (await client.until("error"))["error"]["code"] == "item_not_found"


async def test_two_responses_at_once(autojump_clock: MockClock) -> None:
    cast = Cast()
    async with conversation(cast) as client:
        await client.write("user", "hi")
        await client.send("response.create")
        await client.send("response.create", event_id="second")
        error = (await client.until("error"))["error"]
        done = await client.until("response.done")
        await client.send("response.create")
        again = await client.until("response.done")
    assert error["code"] == "conversation_already_has_active_response"
    assert error["event_id"] == "second"
    assert [done["response"]["status"], again["response"]["status"]] == ["completed", "completed"]


async def test_cancelling_a_response(autojump_clock: MockClock) -> None:
    cast = Cast()
    async with conversation(cast) as client:
        await client.write("user", "hi")
        await client.send("response.create")
        created = await client.until("response.created")
        await client.send("response.cancel", response_id=created["response"]["id"])
        done = await client.until("response.done")
        await client.send("response.cancel")
        error = await client.until("error")
    assert done["response"]["status_details"]["reason"] == "client_cancelled"
    assert done["response"]["output"] == []
    assert error["error"]["code"] == "response_cancel_not_active"


async def test_a_response_cancelled_before_it_began_is_still_told(autojump_clock: MockClock) -> None:
    cast = Cast()
    async with conversation(cast) as client:
        await client.write("user", "hi")
        await client.send("response.create")
        await client.send("response.cancel")
        await client.send("response.create")
        first = await client.until("response.done")
        second = await client.until("response.done")
    assert [first["response"]["status"], second["response"]["status"]] == ["cancelled", "completed"]


@pytest.mark.parametrize("modality", ["audio", "text"])
async def test_a_model_that_fails(modality: str, autojump_clock: MockClock) -> None:
    cast = Cast()
    cast.model.fails_after = 2
    async with conversation(cast) as client:
        await client.configure(output_modalities=[modality])
        await client.write("user", "hi")
        await client.send("response.create")
        done = await client.until("response.done")
        cast.model.fails_after = None
        await client.send("response.create")
        again = await client.until("response.done")
    assert done["response"]["status"] == "failed"
    assert done["response"]["status_details"]["error"]["message"] == "the model is gone"
    assert client.types.count("error") == 1
    assert again["response"]["status"] == "completed"


async def test_a_recogniser_that_fails(autojump_clock: MockClock) -> None:
    cast = Cast()
    cast.recogniser.words = [EngineError("no ears")]
    async with conversation(cast) as client, trio.open_nursery() as nursery:
        nursery.start_soon(say, client)
        done = await client.until("response.done")
        failed = client.got[client.types.index("conversation.item.input_audio_transcription.failed")]
        nursery.start_soon(say, client)
        again = await client.until("response.done")
    assert failed["error"]["message"] == "no ears"
    assert done["response"]["status"] == "failed"
    assert client.types.count("error") == 1
    assert again["response"]["status"] == "completed"


async def test_confirmed_when_warm(autojump_clock: MockClock) -> None:
    cast = Cast()
    cast.model.piece_s = 2.0
    async with conversation(cast) as client:
        begun = trio.current_time()
        await client.configure(instructions="You are Yui.")
        assert trio.current_time() - begun == pytest.approx(2.0)
        await client.configure(audio=MANUAL)
        assert trio.current_time() - begun == pytest.approx(2.0)
    assert cast.model.prompts == [[{"role": "system", "content": "You are Yui."}]]


async def test_an_answer_is_read_before_the_next_question(autojump_clock: MockClock) -> None:
    cast = Cast()
    cast.model.reads_ahead = True
    async with conversation(cast) as client:
        await client.configure(instructions="You are Yui.", audio=MANUAL)
        await client.write("user", "hi")
        await client.send("response.create")
        await client.until("response.done")
        await trio.testing.wait_all_tasks_blocked()
    asked, read = cast.model.prompts[-2:]
    answer = "".join(cast.model.reply_pieces)
    assert read == [*asked, {"role": "assistant", "content": answer}]


async def test_confirmed_in_time_though_cold(autojump_clock: MockClock) -> None:
    cast = Cast()
    cast.model.piece_s = 100.0
    async with conversation(cast) as client:
        begun = trio.current_time()
        await client.configure(instructions="You are Yui.")
        assert trio.current_time() - begun == pytest.approx(WARM_WITHIN)
        assert cast.model.at_work == 1  # it goes on reading


async def test_an_answer_does_not_wait_for_the_warming(autojump_clock: MockClock) -> None:
    cast = Cast()
    cast.model.piece_s = 2.0
    async with conversation(cast) as client:
        begun = trio.current_time()
        await client.send("session.update", session={"instructions": "You are Yui."})
        await client.write("user", "hi")
        await client.send("response.create")
        await client.until("session.updated")
        assert trio.current_time() - begun < 0.1
        await client.until("response.done")
    assert client.types.index("session.updated") < client.types.index("response.output_audio.delta")


@pytest.mark.parametrize(
    ("frame", "code", "event_id"),
    [
        ("{", "invalid_json", None),
        ("[]", "invalid_json", None),
        (b"\x00", "invalid_frame", None),
        ('{"event_id": "e"}', "missing_required_parameter", "e"),
        ('{"type": "session.destroy", "event_id": "e"}', "invalid_value", "e"),
        ('{"type": "session.update", "event_id": "e", "session": {"instructions": 3}}', "invalid_value", "e"),
        ('{"type": "input_audio_buffer.append", "event_id": "e", "audio": "?"}', "invalid_value", "e"),
        ('{"type": "input_audio_buffer.append", "event_id": "e", "audio": "AAAA"}', "invalid_value", "e"),
        ('{"type": "response.cancel", "event_id": "e"}', "response_cancel_not_active", "e"),
        ('{"type": "conversation.item.retrieve", "event_id": "e", "item_id": "x"}', "item_not_found", "e"),
    ],
)
async def test_a_wrong_event_ends_nothing(
    frame: str | bytes, code: str, event_id: str | None, autojump_clock: MockClock
) -> None:
    async with conversation(Cast()) as client:
        await client.websocket.send_message(frame)
        error = (await client.until("error"))["error"]
        await client.write("user", "still there?")
        await client.send("response.create")
        done = await client.until("response.done")
    assert (error["type"], error["code"], error["event_id"]) == ("invalid_request_error", code, event_id)
    assert error["message"]
    assert done["response"]["status"] == "completed"


async def test_sound_comes_in_pieces_of_at_most_100_ms(autojump_clock: MockClock) -> None:
    async with conversation(Cast()) as client:
        await client.write("user", "hi")
        await client.send("response.create")
        await client.until("response.done")
    deltas = [event["delta"] for event in client.got if event["type"] == "response.output_audio.delta"]
    assert deltas
    assert all(len(delta) <= len(PIECE) * 4 / 3 + 4 for delta in deltas)
