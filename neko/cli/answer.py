"""The complete answer to one thing that was said, for commands that take one turn."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from neko.cli.failures import Failure
from neko.cli.start import start_session
from neko.client import Answer, RecordedMicrophone, SessionEnded
from neko.protocol.client import InputType

if TYPE_CHECKING:
    from neko.client import CharacterClient, Recording, Reply

UNDERSTOOD_WITHIN_S = 10.0  # of silence after a recording; a server gives a silent provider as long (silence_s)
ANSWERED_WITHIN_S = 120.0  # between two pieces of an answer; the embedded model begins within 4 s on a slow machine


async def answer_to_text(client: CharacterClient, text: str) -> Reply:
    """The answer to a typed text, in a text session. Raises `Failure` when nothing comes, and what `Turn` raises."""
    await start_session(client, InputType.TEXT)
    await client.send_text(text)
    return await _answer(client, ANSWERED_WITHIN_S, "there was no answer")


async def answer_to_speech(client: CharacterClient, recording: Recording) -> Reply:
    """The answer to a recording, in an audio session. Raises `Failure` when nothing in it is understood."""
    await start_session(client, InputType.AUDIO)
    microphone = RecordedMicrophone(client, recording.sample_rate)
    # It goes on with silence until the answer is complete: silence is what tells the server that the person has ended.
    async with microphone.listening():
        microphone.say(recording.pcm)
        patience_s = recording.duration_s + UNDERSTOOD_WITHIN_S
        return await _answer(client, patience_s, "nothing was understood: is there speech in the recording?")


async def _answer(client: CharacterClient, patience_s: float, otherwise: str) -> Reply:
    answer = Answer()
    with trio.move_on_after(patience_s) as patience:
        async for message in client:
            reply = answer.take(message, trio.current_time())
            if reply is not None:
                return reply
            if answer.begun:
                otherwise = "the answer stopped in the middle"
                patience.deadline = trio.current_time() + ANSWERED_WITHIN_S
        raise SessionEnded("the server closed the connection before the answer was complete")
    raise Failure(otherwise)
