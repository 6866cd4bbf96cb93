"""One spoken conversation in real time, measured at the client."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio
from attrs import frozen

from neko.audio.pcm import duration_ms
from neko.bench.errors import NothingMeasured
from neko.client import RecordedMicrophone, one_answer
from neko.protocol.client import InputType
from neko.protocol.codec import SPEECH_HZ
from neko.telemetry.loop import sample_loop_delay

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from neko.bench.speech import Question
    from neko.client import CharacterClient, Reply

BREATH_S = 0.5  # between the end of an answer and the next question, as people take it
SAMPLE_EVERY_S = 0.005  # finer than a 20 ms frame, coarse enough (200 wake-ups a second) not to be the load itself
ANSWERED_WITHIN_S = 60.0  # the bar is a few seconds; beyond this nothing will come


@frozen
class MeasuredTurn:
    """One question and what came of it."""

    question: str
    said: str
    heard: str
    answer: str
    first_word_s: float  # both from the true end of the speech in the recording
    voice_to_voice_s: float


@frozen
class Conversation:
    turns: tuple[MeasuredTurn, ...]
    loop_delays_s: tuple[float, ...]  # while the model answered, of the loop that server and client share


async def converse(
    client: CharacterClient, questions: Iterable[Question], on_turn: Callable[[MeasuredTurn], None]
) -> Conversation:
    """Asks each question when the answer before has been listened to; all recordings must have one rate.

    Raises:
        NothingMeasured: the character did not speak, or not in time.
    """
    questions = list(questions)
    (rate,) = {question.recording.sample_rate for question in questions}
    turns: list[MeasuredTurn] = []
    delays: list[float] = []
    await client.start(InputType.AUDIO)
    microphone = RecordedMicrophone(client, rate)
    async with microphone.listening():
        for question in questions:
            turns.append(await _ask(client, microphone, question, delays))
            on_turn(turns[-1])
    return Conversation(tuple(turns), tuple(delays))


async def _ask(
    client: CharacterClient, microphone: RecordedMicrophone, question: Question, delays: list[float]
) -> MeasuredTurn:
    speech_ended_at = microphone.say(question.recording.pcm) + question.speech_ends_s
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_sample_from, speech_ended_at, delays)
        with trio.move_on_after(question.recording.duration_s + ANSWERED_WITHIN_S) as patience:
            reply = await one_answer(client)
        nursery.cancel_scope.cancel()
    if patience.cancelled_caught or reply.first_text_at is None or reply.first_audio_at is None:
        raise NothingMeasured(f"{question.name} was not answered in speech")
    await _listen(client, reply, reply.first_audio_at)
    return MeasuredTurn(
        question=question.name,
        said=question.text,
        heard=reply.heard,
        answer=reply.text,
        first_word_s=reply.first_text_at - speech_ended_at,
        voice_to_voice_s=reply.first_audio_at - speech_ended_at,
    )


async def _sample_from(begin: float, delays: list[float]) -> None:
    await trio.sleep_until(begin)
    await sample_loop_delay(SAMPLE_EVERY_S, into=delays)


async def _listen(client: CharacterClient, reply: Reply, begin: float) -> None:
    # A person hears the answer to its end before asking the next question; an earlier one would be a barge-in.
    spoken_ms = duration_ms(reply.speech, SPEECH_HZ)
    await trio.sleep_until(begin + spoken_ms / 1000)
    if reply.speech_id is not None:
        await client.report_playback(reply.speech_id, spoken_ms)
    await trio.sleep(BREATH_S)
