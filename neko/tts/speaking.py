"""One utterance: some sentences in the making, heard strictly in order, each from the first voice that speaks it."""

from __future__ import annotations

from contextlib import suppress

import trio
from attrs import define, evolve, field

from neko.audio.resample import SpeechResampler
from neko.telemetry import get_logger
from neko.tts.cast import Cast, Member
from neko.tts.errors import VoiceError
from neko.tts.signals import Began, Ended, Failed, Ready, Response
from neko.tts.voice import Voice
from neko.tts.worker import say

log = get_logger("voice")

# Blocks of 100 ms that a sentence may be ahead of the one that plays it. What others make ahead costs nothing here, and
# a voice of our own would only warm the processor for a speech that may be cut off.
AHEAD_ELSEWHERE = 20
AHEAD_HERE = 1


async def speak_in_order(
    cast: Cast,
    requests: trio.MemoryReceiveChannel[str],
    responses: trio.MemorySendChannel[Response],
    *,
    limiter: trio.CapacityLimiter,
) -> None:
    """Speaks each text of `requests` into `responses`, as PCM16 mono at `cast.rate` and signals; closes both.

    `Ready` comes first, `Began` before the sound of each text, `Ended` last. A full `responses` holds back what comes
    later: at most `cast.at_once` texts have been taken that are not heard yet, each at most `AHEAD_…` blocks ahead. A
    voice that fails is told as `Failed` and ends nothing. Each text holds a token of `limiter` while it is made.

    A cancel ends what is being made at its next block, or at once where it waits for somebody, and this with it.
    """
    utterance = _Utterance(cast, limiter)
    async with requests, responses:
        try:
            await utterance.run(requests, responses)
        except BaseException:
            with suppress(trio.WouldBlock, trio.BrokenResourceError):
                responses.send_nowait(Ended(interrupted=True))
            raise
        await responses.send(Ended())


@define(eq=False)
class _Utterance:
    _cast: Cast
    _limiter: trio.CapacityLimiter
    _told: bool = field(default=False, init=False)

    async def run(self, requests: trio.MemoryReceiveChannel[str], responses: trio.MemorySendChannel[Response]) -> None:
        # One is being heard, these wait behind it, and for the next one there is no place until the first is over.
        queue_in, queue = trio.open_memory_channel[trio.MemoryReceiveChannel[Response]](self._cast.at_once - 1)
        async with trio.open_nursery() as nursery, queue:
            nursery.start_soon(self._begin, requests, queue_in, nursery)
            await responses.send(Ready(self._cast.rate))
            async for sentence in queue:
                async with sentence:
                    async for response in sentence:
                        await responses.send(self._once(response))

    def _once(self, response: Response) -> Response:
        """A voice that fails every other time is news once in an utterance."""
        match response:
            case Failed(instead=None, news=True) if self._told:
                return evolve(response, news=False)
            case Failed(news=True):
                self._told = True
        return response

    async def _begin(
        self,
        requests: trio.MemoryReceiveChannel[str],
        queue: trio.MemorySendChannel[trio.MemoryReceiveChannel[Response]],
        nursery: trio.Nursery,
    ) -> None:
        ahead = AHEAD_HERE if self._cast.at_once == 1 else AHEAD_ELSEWHERE
        async with queue:
            async for text in requests:
                sound, sentence = trio.open_memory_channel[Response](ahead)
                await queue.send(sentence)
                # Not before it has its thread: one that came later could take the last one, and wait for it.
                await nursery.start(_Sentence(self._cast, self._limiter, text, sound).run)


@define(eq=False)
class _Sentence:
    _cast: Cast
    _limiter: trio.CapacityLimiter
    _text: str
    _sound: trio.MemorySendChannel[Response]
    _sounded: bool = field(default=False, init=False)

    async def run(self, *, task_status: trio.TaskStatus[None]) -> None:  # noqa: ASYNC128 - the thread says `started`
        """Asks one voice after the other until one has spoken, or has broken off in the middle."""
        first = [task_status]
        async with self._sound:
            for member in self._cast.attempts():
                try:
                    await trio.to_thread.run_sync(self._speak, member.voice, first, limiter=self._limiter)
                except Exception as error:  # whatever somebody's voice may raise; a cancel is no Exception
                    await self._tell(member, error)
                else:
                    self._cast.worked(member)
                    return
                if self._sounded:
                    return

    def _speak(self, voice: Voice, first: list[trio.TaskStatus[None]]) -> None:
        """In the thread."""
        if first:
            trio.from_thread.run_sync(first.pop().started)
        if voice.rate == self._cast.rate:
            say(voice, self._text, self._emit)
        else:
            resampler = SpeechResampler(voice.rate, self._cast.rate)
            say(voice, self._text, lambda pcm: self._emit(resampler.push(pcm)))
            self._emit(resampler.flush())

    def _emit(self, pcm: bytes) -> None:
        if not pcm:
            return
        if not self._sounded:
            self._sounded = True
            trio.from_thread.run(self._sound.send, Began(self._text))
        trio.from_thread.run(self._sound.send, pcm)

    async def _tell(self, member: Member, error: Exception) -> None:
        failed = self._cast.failed(member, error, self._text, sounded=self._sounded)
        known = isinstance(error, VoiceError)
        log.warning("voice.failed", voice=member.name, why=failed.why, instead=failed.instead, exc_info=not known)
        await self._sound.send(failed)
