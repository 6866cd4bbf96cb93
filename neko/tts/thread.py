"""The thread that owns a voice for as long as one speech lasts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import trio

from neko.tts.voice import Voice
from neko.tts.worker import TtsWorker, work

Speak = Callable[[trio.MemoryReceiveChannel[str], trio.MemorySendChannel[bytes]], Awaitable[None]]
"""`speak` with the voice and the limiter filled in: what `neko.local.engines` asks for under this name."""


async def speak(
    voice: Voice,
    requests: trio.MemoryReceiveChannel[str],
    responses: trio.MemorySendChannel[bytes],
    *,
    limiter: trio.CapacityLimiter,
) -> None:
    """Speaks each text of `requests` into `responses`, PCM16 mono at `voice.rate` in blocks of at most 100 ms.

    Returns when `requests` ends; closes both channels in any case. A full `responses` halts the thread: the voice is
    never further ahead than the channel is long. A cancel ends the thread at the next block, or at once when it waits
    for a channel, and this function returns only when the thread has ended. It holds one token of `limiter` throughout.
    Raises what the voice raises, and `trio.BrokenResourceError` when nobody listens any more.
    """

    # Both run in this task while the thread waits, so this task's cancel is raised in the thread.
    def next_text() -> str | None:
        try:
            return trio.from_thread.run(requests.receive)
        except trio.EndOfChannel:
            return None

    def emit(pcm: bytes) -> None:
        trio.from_thread.run(responses.send, pcm)

    async with requests, responses:
        await trio.to_thread.run_sync(work, voice, next_text, emit, limiter=limiter)


def speaker(worker: TtsWorker, limiter: trio.CapacityLimiter) -> Callable[[str], Speak]:
    """From a voice id to a way to speak with it: `Engines.speak` of the embedded provider.

    The result raises `UnknownVoice` for an id that the engine does not have.
    """

    def with_voice(voice_id: str) -> Speak:
        voice = worker.open_voice(voice_id)

        async def say(requests: trio.MemoryReceiveChannel[str], responses: trio.MemorySendChannel[bytes]) -> None:
            await speak(voice, requests, responses, limiter=limiter)

        return say

    return with_voice
