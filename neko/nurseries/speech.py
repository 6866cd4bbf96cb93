"""One utterance, from text or sound to the client's ear."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import assert_never

import trio
from attrs import define, field

from neko.audio.fade import fade_out, faded_beginning
from neko.audio.ledger import Spoken
from neko.audio.pcm import duration_ms
from neko.audio.resample import SpeechResampler
from neko.conversation.heard import Playout
from neko.nurseries.outbox import Outbox
from neko.nurseries.ports import Voice
from neko.protocol.codec import SPEECH_HZ
from neko.protocol.errors import StatusCode
from neko.protocol.server import AudioChunk, Status
from neko.realtime.errors import only_error
from neko.telemetry import get_logger
from neko.tts.signals import Began, Ended, Failed, Ready, Response

log = get_logger("speech")

SOUND_AHEAD = 2  # pieces of 100 ms that the voice may be ahead of the resampler; more would only delay a barge-in
CUSHION_S = 0.2  # what clients hold against jitter; a speech that has stalled for longer is silent, and needs no fade


@define(eq=False)
class Sound:
    """The sound of one speech on its way out: one resampler stream, and how much of it has been sent."""

    speech_id: str
    turn_id: str
    _outbox: Outbox
    _playout: Playout
    _resampler: SpeechResampler | None = field(default=None, init=False)

    async def play(self, pcm: bytes, hz: int) -> None:
        """PCM16 mono at `hz`, the same for the whole speech."""
        for chunk in self.chunks(pcm, hz):
            await self._outbox.send(chunk)

    def chunks(self, pcm: bytes, hz: int) -> Iterator[AudioChunk]:
        """What the client is to be sent of it, one or none; entered as sent when it is taken, so it must be."""
        if self._resampler is None:
            self._resampler = SpeechResampler(hz, SPEECH_HZ)
        out = self._resampler.push(pcm)
        if out:
            # Counted first: what waits in the outbox has been counted whenever the speech is cut.
            yield self._counted(out)

    async def finish(self, *, broken_off: bool) -> None:
        """What the resampler held back: the last 4 to 38 ms. A speech that broke off ends in a fade."""
        rest = self._rest()
        if rest:
            await self._outbox.send(self._counted(fade_out(rest, SPEECH_HZ) if broken_off else rest))

    def begins(self, phrase: str) -> None:
        """The sound that comes now is this phrase's."""
        self._playout.told(f"{phrase} ")

    def complain(self, problem: str) -> None:
        """Tells the client what is wrong with the voice."""
        self._outbox.post(Status(StatusCode.TTS_CONNECTION_FAILED, problem))

    def cut(self, waiting: Sequence[AudioChunk]) -> None:
        """Ends the speech now: of what would have been heard next, `waiting` to be sent or held back, a faded piece."""
        taken_back = b"".join(chunk.pcm for chunk in waiting)
        self._playout.taken_back(duration_ms(taken_back, SPEECH_HZ))
        unheard = taken_back + self._rest()
        if self._playout.sent_ms > 0 and (taken_back or self._playout.playing(trio.current_time() - CUSHION_S)):
            last = faded_beginning(unheard, SPEECH_HZ)
            self._post(last)
            unheard = unheard[len(last) :]
        self._outbox.ledger.spoken(Spoken.CUT, len(unheard), SPEECH_HZ)

    def _rest(self) -> bytes:
        """What the resampler holds back; it is gone then."""
        resampler, self._resampler = self._resampler, None
        return resampler.flush() if resampler else b""

    def _post(self, pcm: bytes) -> None:
        if pcm:
            self._outbox.post(self._counted(pcm))

    def _counted(self, pcm: bytes) -> AudioChunk:
        self._playout.sent(duration_ms(pcm, SPEECH_HZ), trio.current_time())
        return AudioChunk(self.speech_id, self.turn_id, pcm)


async def speak_phrases(
    voice: Voice,
    phrases: trio.MemoryReceiveChannel[str],
    queue: tuple[trio.MemorySendChannel[Response], trio.MemoryReceiveChannel[Response]],
    sound: Sound,
) -> None:
    """Speaks phrases as they come, until their channel ends and the last of them has been sent.

    A cancel ends the voice's threads at their next breath, and this with it. A voice that fails is told to the client;
    after a bug in one the rest of the reply is silent.
    """
    requests_in, requests = trio.open_memory_channel[str](0)
    responses, responses_out = queue
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_speak, voice, requests, responses, sound)
        nursery.start_soon(_hand_over, phrases, requests_in)
        async for response in responses_out:
            match response:
                case bytes():
                    await sound.play(response, voice.hz)
                case Began(text=text):
                    sound.begins(text)
                case Failed(news=True):
                    sound.complain(str(response))
                case Failed() | Ready() | Ended():
                    pass
                case _:
                    assert_never(response)


async def _speak(
    voice: Voice,
    requests: trio.MemoryReceiveChannel[str],
    responses: trio.MemorySendChannel[Response],
    sound: Sound,
) -> None:
    async with requests, responses:
        try:
            await voice.speak(requests, responses)
        except* Exception as errors:  # anything that somebody's voice may raise: words can still be read
            log.exception("voice.failed")
            sound.complain(f"the voice failed: {only_error(errors)}")


async def _hand_over(phrases: trio.MemoryReceiveChannel[str], requests: trio.MemorySendChannel[str]) -> None:
    with requests:
        async for phrase in phrases:
            try:
                await requests.send(phrase)
            except trio.BrokenResourceError:
                continue  # the voice has failed; whoever sends phrases need not know
