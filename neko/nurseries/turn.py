"""One reply, from its first piece to its turn end."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from uuid import uuid4

import trio
from attrs import define, field

from neko.audio.ledger import Spoken
from neko.conversation.callbacks import Callback
from neko.conversation.emotion import EmotionTags, Mood, Told
from neko.conversation.heard import Playout
from neko.conversation.phrases import Phrase, PhraseSplitter
from neko.nurseries.minutes import Minutes
from neko.nurseries.outbox import Outbox
from neko.nurseries.ports import Voice
from neko.nurseries.slot import Slot
from neko.nurseries.speech import SOUND_AHEAD, Sound, speak_phrases
from neko.protocol.server import Emotion, ReplyText, ServerMessage, TurnEnd
from neko.realtime.session import AudioDelta, Interrupt, ReplyStatus, TextDelta
from neko.tts.signals import Response

FEED = 15_000  # pieces of a reply that wait: 10 minutes of 40 ms, 29 MB; then a barge-in would have to wait as well
PHRASES = 64  # of a reply that wait to be spoken: minutes of speech; then its text waits too


Feed = tuple[trio.MemorySendChannel[TextDelta | AudioDelta], trio.MemoryReceiveChannel[TextDelta | AudioDelta]]


@define(eq=False)
class Turn:
    """A reply that is being told, or whose sound is still being played.

    The reply to what tools have given goes on with the one that asked for them: to the person it is one.
    """

    reply_id: str  # the latest
    request_id: str | None
    slot: Slot
    aloud: bool  # what was heard counts, not what was shown
    id: str = field(factory=lambda: f"turn_{uuid4().hex[:12]}", init=False)
    speech_id: str = field(factory=lambda: f"speech_{uuid4().hex[:12]}", init=False)
    scope: trio.CancelScope = field(factory=trio.CancelScope, init=False)
    over: trio.Event = field(factory=trio.Event, init=False)
    playout: Playout = field(factory=Playout, init=False)
    sound: Sound | None = field(default=None, init=False, repr=False)  # None until it begins to be told
    text: str = field(default="", init=False, repr=False)
    arrived: str = field(default="", init=False, repr=False)  # of its words, told or not
    mood: str = field(default="", init=False)  # with which it begins
    item_id: str | None = field(default=None, init=False)
    status: ReplyStatus | None = field(default=None, init=False)  # None while the model is saying it
    asking: bool = field(default=False, init=False)  # it waits for what tools give, and the model says nothing
    earlier: str = field(default="", init=False, repr=False)  # its words before the latest reply
    item_from_ms: float = field(default=0.0, init=False)  # of its sound, where that of the latest item begins
    ended: bool = field(default=False, init=False)  # its turn end is claimed
    said: int | None = field(default=None, init=False)  # its number in the history, once it is all told
    news: tuple[Callback, ...] = field(default=(), init=False)  # what agents have brought and it tells
    tts_requests: trio.MemoryReceiveChannel[str] | None = field(default=None, init=False)
    tts_responses: trio.MemoryReceiveChannel[Response] | None = field(default=None, init=False)

    def claim_end(self) -> bool:
        """True for exactly one caller: the one that tells the client that the turn is over."""
        first, self.ended = not self.ended, True
        return first

    @property
    def broken_off(self) -> bool:
        """The model did not say it to its end."""
        return self.status in {ReplyStatus.CANCELLED, ReplyStatus.FAILED}

    @property
    def wordless(self) -> bool:
        """It has asked for tools, and nothing else: there is nothing of it that a model could be told to forget."""
        return self.asking and not self.arrived and not self.playout.sent_ms

    def ask(self) -> TextDelta | None:
        """All has come of a reply that asks for tools; what parts its words from those of the next one."""
        self.asking = True
        parted = not self.arrived or self.arrived[-1].isspace()
        return None if parted else TextDelta(self.reply_id, " ")

    def go_on(self, reply_id: str) -> None:
        """The reply to what the tools have given begins."""
        tags = EmotionTags()
        self.earlier = tags.push(self.arrived).text + tags.flush().text
        self.reply_id, self.asking = reply_id, False

    def live(self, now: float) -> bool:
        """The person would notice its being cut: it is not all told, or not all heard."""
        return not self.ended or self.playout.playing(now)

    def heard(self, now: float) -> str:
        """The words that reached the person; of a silent reply all that were shown."""
        return self.playout.heard_text(now) if self.aloud else self.text

    def cut(self, now: float) -> Interrupt:
        """What the model is told when the person cuts the reply short now."""
        return Interrupt(
            reply_id=self.reply_id,
            item_id=self.item_id,
            running=self.status is None and not self.asking,
            heard_ms=max(0, int(self.playout.heard_ms(now) - self.item_from_ms)),
            heard_text=self.heard(now)[len(self.earlier) :],
        )


@define(eq=False)
class Telling:
    """Tells one turn to the client."""

    turn: Turn
    outbox: Outbox
    minutes: Minutes
    voice: Voice | None
    on_worded: Callable[[Turn], None]  # its words are complete; its sound may go on
    on_told: Callable[[Slot], None]
    _tags: EmotionTags = field(factory=EmotionTags, init=False)
    _splitter: PhraseSplitter = field(factory=PhraseSplitter, init=False)
    _ready: list[Phrase] = field(factory=list, init=False)  # to be spoken, after what was told of them
    _feed: Feed = field(factory=lambda: trio.open_memory_channel[TextDelta | AudioDelta](FEED), init=False)

    async def run(self, after: trio.Event | None) -> None:
        """Tells what its feed brings until that ends, once the turn before is over; cancelled by `turn.scope`."""
        try:
            with self.turn.scope, self._feed[1]:
                try:
                    if after is not None:
                        await after.wait()
                    await self._tell()
                    self._end()
                finally:
                    self._count_untold()
        finally:
            self.turn.over.set()
            self.on_told(self.turn.slot)

    def feed(self, piece: TextDelta | AudioDelta) -> bool:
        """The next piece; False, and not taken, while too much waits to be told. Raises as a closed channel does."""
        if self._keeps_up:
            # Told here and now: through the feed each piece would cost two more turns of the event loop.
            for message in self._messages(piece):
                self.outbox.post(message)
            return True
        try:
            self._feed[0].send_nowait(piece)
        except trio.WouldBlock:
            return False
        return True

    async def feed_later(self, piece: TextDelta | AudioDelta) -> None:
        """Waits until it is taken. Raises as a closed channel does."""
        await self._feed[0].send(piece)

    def end_feed(self) -> None:
        """No more of it will come."""
        self._feed[0].close()

    @property
    def _keeps_up(self) -> bool:
        """All that came before has been told, no voice of ours has to speak it, and the client takes more."""
        return self.voice is None and self._feed[1].statistics().tasks_waiting_receive > 0 and not self.outbox.full

    def _count_untold(self) -> None:
        """The sound that has arrived and is not told."""
        with suppress(trio.WouldBlock, trio.EndOfChannel):
            while True:
                delta = self._feed[1].receive_nowait()
                if isinstance(delta, AudioDelta):
                    self.outbox.ledger.spoken(Spoken.CUT, len(delta.pcm), self.turn.slot.speaks_hz)

    async def _tell(self) -> None:
        sound = self.turn.sound = Sound(self.turn.speech_id, self.turn.id, self.outbox, self.turn.playout)
        phrases_in, phrases = trio.open_memory_channel[str](PHRASES)
        async with trio.open_nursery() as nursery:
            if self.voice is not None:
                queue = trio.open_memory_channel[Response](SOUND_AHEAD)
                self.turn.tts_requests, self.turn.tts_responses = phrases, queue[1]
                nursery.start_soon(speak_phrases, self.voice, phrases, queue, sound)
            with phrases_in:
                async for piece in self._feed[1]:
                    await self._send(self._messages(piece))
                    await self._speak(self._ready, phrases_in)
                await self._send(self._words(self._tags.flush()))
                self.on_worded(self.turn)
                await self._speak([*self._ready, *self._splitter.finish()], phrases_in)
        await sound.finish(broken_off=self.turn.broken_off)

    async def _send(self, messages: Iterable[ServerMessage]) -> None:
        for message in messages:
            await self.outbox.send(message)

    def _messages(self, piece: TextDelta | AudioDelta) -> Iterator[ServerMessage]:
        """What the client is told of it, each entered where it belongs as it is taken."""
        match piece:
            case TextDelta(text=text):
                yield from self._words(self._tags.push(text))
            case AudioDelta(item_id=item_id, pcm=pcm):
                if item_id != self.turn.item_id:
                    self.turn.item_id, self.turn.item_from_ms = item_id, self.turn.playout.sent_ms
                assert self.turn.sound is not None  # it is there before anything is taken from the feed
                yield from self.turn.sound.chunks(pcm, self.turn.slot.speaks_hz)

    def _words(self, told: Told) -> Iterator[ServerMessage]:
        turn = self.turn
        for part in told.parts:
            if isinstance(part, Mood):
                turn.mood = turn.mood or ("" if turn.text else part.label)
                yield Emotion(part.label, turn.id)
                continue
            yield ReplyText(part, not turn.text, turn.id, turn.request_id)
            turn.text += part
            if self.voice is None:
                turn.playout.told(part)  # the provider's own sound follows its words
            else:
                self._ready += self._splitter.push(part)

    async def _speak(self, ready: Sequence[Phrase], phrases: trio.MemorySendChannel[str]) -> None:
        if self.voice is not None:
            for phrase in ready:
                await phrases.send(phrase.spoken)
        self._ready.clear()

    def _end(self) -> None:
        turn = self.turn
        # No checkpoint from the claim to the post: a barge-in finds the reply told, or not ended.
        if turn.claim_end():
            turn.said = self.minutes.enter(turn, turn.text, interrupted=turn.broken_off)
            self.outbox.post(TurnEnd(turn.id, interrupted=turn.broken_off))
