"""The slots of the language model's server as places: who sits where, and what each has read."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import aclosing, asynccontextmanager, contextmanager
from itertools import takewhile

import trio
from attrs import define, field

from neko.app.precedence import Messages, Precedence, ask_aside, question
from neko.conversation.tokens import tokens
from neko.local.engines import ChatMessage
from neko.local.llama_process import SLOTS
from neko.realtime.chat import ChatModel
from neko.realtime.errors import NotReady, ProviderError
from neko.telemetry import get_logger

log = get_logger("embedded")

NO_WORDS = ChatMessage(role="user", content="")

# Seconds. A session that takes over is told the rest a moment before the one that it replaces gives up the place.
LEAVES_WITHIN = 0.5


@define(eq=False)
class Place:
    """One slot. `prompt` is what it holds, or will when it is `read`: the last one, and the answer to that.

    An answer is read once more, in the background: a model may write words in other tokens than it reads them in, and
    then the next question would wait for all of the answer to be read (0.3 s for a short one).
    """

    slot: int
    prompt: Messages = ()
    read: bool = False
    used_by: Seat | None = None  # last
    seats: int = 0
    left: trio.Event = field(factory=trio.Event)  # somebody has

    def take(self, seat: Seat | None, prompt: Messages, *, read: bool) -> None:
        self.used_by, self.prompt, self.read = seat, prompt, read

    def has_read(self, messages: Messages) -> bool:
        return self.read and begins(self.prompt, messages)

    def leave(self) -> None:
        self.seats -= 1
        self.left.set()
        self.left = trio.Event()

    async def for_one_alone(self) -> None:
        """Returns when at most one sits here."""
        while self.seats > 1:
            await self.left.wait()


class Places:
    """Sessions that have the same to read share a place: the next session of a conversation finds its prompt read.

    An answer goes before any reading. What a reading has done until then stays done.
    """

    def __init__(self, chat: ChatModel) -> None:
        self._chat = chat
        self._places = [Place(slot) for slot in range(SLOTS)]
        self.precedence = Precedence()

    @contextmanager
    def take(self) -> Iterator[Seat]:
        """A seat for one session; it finds its place when it is known what there is to read."""
        seat = Seat(self)
        try:
            yield seat
        finally:
            seat.leave()

    async def read(self, prompt: Sequence[ChatMessage]) -> None:
        """Has a place read a prompt, before somebody takes it: 4 s that a first start need not take."""
        with self.take() as seat:
            try:
                await seat.read(prompt)
            except ProviderError as error:
                log.warning("prompt.cold", details=error.details)

    def at(self, place: Place) -> ChatModel:
        return self._chat.with_options(id_slot=place.slot)

    def best(self, messages: Messages) -> Place:
        """One that has read all of it or will, else the free one with the least left to read, else the least taken."""
        holding = next((place for place in self._places if begins(place.prompt, messages)), None)
        return holding or self.free(messages) or min(self._places, key=lambda place: place.seats)

    def free(self, messages: Messages) -> Place | None:
        """What the others hold may be asked for again: of those with as little left to read, the emptiest."""
        free = [place for place in self._places if not place.seats]
        return max(free, key=lambda each: (_common(each.prompt, messages), -len(each.prompt)), default=None)

    async def ask(self, instructions: str, text: str, longest: int) -> str:
        """As `ask_aside`: the likeliest words, in a free place, so that no conversation has to be read anew for it.

        Raises:
            ProviderError: no place is free, or the model is gone.
        """
        messages = question(instructions, text)
        place = self.free(messages)
        if place is None:
            raise NotReady("the language model's memory is full of conversations")
        place.seats += 1
        try:
            place.take(None, messages, read=False)
            chat = self.at(place).with_options(temperature=0.0, max_tokens=longest)
            return await ask_aside(chat, self.precedence, messages, longest)
        finally:
            place.leave()


class Seat:
    """One session's way to the model. Used by one task at a time, but that an answer may cancel a reading."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._place: Place | None = None

    async def read(self, prompt: Sequence[ChatMessage]) -> None:
        """Has the model read a prompt, as soon as nobody is being answered. Raises `ProviderError`."""
        messages = tuple(prompt)
        place = await self._sit(messages)
        while not place.has_read(messages):
            await self._places.precedence.quiet()
            if not place.has_read(messages):
                await self._read(place, messages)

    @asynccontextmanager
    async def reply(self, prompt: Sequence[ChatMessage]) -> AsyncIterator[AsyncIterator[str]]:
        """As `ChatModel.reply`."""
        messages = tuple(prompt)
        place = await self._sit(messages)
        said: list[str] = []
        place.take(self, messages, read=False)
        try:
            with self._places.precedence.answering():
                async with self._places.at(place).reply(messages) as pieces, aclosing(_noting(pieces, said)) as noted:
                    yield noted
        finally:
            if place.used_by is self:
                answer = ChatMessage(role="assistant", content="".join(said))
                # Not read: a model may write in other tokens than those in which it reads the same words.
                place.take(self, (*messages, answer), read=False)

    def leave(self) -> None:
        if self._place is not None:
            self._place.leave()
            self._place = None

    async def _read(self, place: Place, messages: Messages) -> None:
        with self._places.precedence.making_way():
            place.take(self, messages, read=False)
            async with self._places.at(place).reply(_before_words(messages)) as pieces:
                await anext(pieces, None)  # the first word shows that all of it was read
            place.read = True

    async def _sit(self, messages: Messages) -> Place:
        if self._place is None:
            return self._move(self._places.best(messages))
        if self._costs_another(self._place, messages):
            with trio.move_on_after(LEAVES_WITHIN):
                await self._place.for_one_alone()
            if self._place.seats > 1:
                return self._move(self._places.free(messages) or self._place)
        return self._place

    def _costs_another(self, place: Place, messages: Messages) -> bool:
        """What another one has read here last, and needs, would be gone."""
        return place.seats > 1 and place.used_by is not self and not begins(messages, place.prompt)

    def _move(self, place: Place) -> Place:
        place.seats += 1
        self.leave()
        self._place = place
        return place


def begins(whole: Messages, part: Messages) -> bool:
    """The whole begins with that part, but for white space: models end an answer with some, histories do not."""
    return len(part) <= len(whole) and all(map(_same, whole, part))


def _common(one: Messages, other: Messages) -> int:
    """Tokens that both begin with."""
    same = takewhile(lambda pair: _same(*pair), zip(one, other, strict=False))
    return sum(tokens(message["content"]) for message, _ in same)


def _before_words(messages: Messages) -> Messages:
    """With the marks that stand before what the person will say: their answer waits for their own words alone."""
    return (*messages, NO_WORDS) if messages and messages[-1]["role"] == "assistant" else messages


def _same(one: ChatMessage, other: ChatMessage) -> bool:
    return one["role"] == other["role"] and one["content"].strip() == other["content"].strip()


async def _noting(pieces: AsyncIterator[str], said: list[str]) -> AsyncGenerator[str, None]:
    async for piece in pieces:
        said.append(piece)
        yield piece
