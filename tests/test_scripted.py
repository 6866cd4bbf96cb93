"""The scripted persona says that it is one, and needs nothing installed."""

from __future__ import annotations

import numpy as np
import trio

from neko.local.engines import DETECTOR_FRAME, Engines, Speak
from neko.local.scripted import HEARD, REPLIES, ScriptedModel, ScriptedRecogniser, scripted_engines

LOUD = (np.ones(1600) * 8000).astype("<i2").tobytes()


async def say(model: ScriptedModel, questions: int) -> str:
    async with model.reply([{"role": "user", "content": "Who are you?"}] * questions) as pieces:
        return "".join([piece async for piece in pieces])


async def test_every_reply_names_itself_a_script() -> None:
    model = ScriptedModel()
    told = [await say(model, questions) for questions in range(1, len(REPLIES) + 2)]
    assert told == [*REPLIES, REPLIES[0]]
    assert all("script" in reply for reply in told)


async def test_a_reply_comes_in_pieces_and_can_be_left() -> None:
    async with ScriptedModel(["one two three"]).reply([]) as pieces:
        assert await anext(pieces) == "one"
        assert await anext(pieces) == " two"


async def test_a_cancelled_reply_ends() -> None:
    told = []
    with trio.CancelScope() as scope:
        async with ScriptedModel(["one two three"]).reply([]) as pieces:
            async for piece in pieces:
                told.append(piece)
                scope.cancel()
    assert told == ["one"]


async def test_it_hears_the_same_lines_in_turn_and_nothing_in_silence() -> None:
    recogniser = ScriptedRecogniser()
    assert await recogniser.transcribe(LOUD, "en") == HEARD[0]
    assert await recogniser.transcribe(bytes(3200), "en") == ""
    assert await recogniser.transcribe(LOUD, "en") == HEARD[1]


async def test_its_engines_speak_with_the_voice_they_were_given() -> None:
    asked = []

    def speak(voice_id: str) -> Speak:
        asked.append(voice_id)

        async def silently(requests: trio.MemoryReceiveChannel[str], responses: trio.MemorySendChannel[bytes]) -> None:
            await requests.aclose()
            await responses.aclose()

        return silently

    engines = scripted_engines(speak)
    assert isinstance(engines, Engines)
    engines.speak("calm")
    assert asked == ["calm"]
    assert engines.new_detector().probability(LOUD[: DETECTOR_FRAME * 2]) == 1.0
