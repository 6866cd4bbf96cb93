"""A text session over chat completions: the conversation is kept here and sent with every question."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import assert_never
from uuid import uuid4

import trio
from attrs import evolve, frozen

from neko.conversation.context import ChatContext, Message
from neko.conversation.repetition import Repetition
from neko.protocol.errors import StatusCode
from neko.realtime.asking import ONCE, TRIES, Replies, Tries, ask
from neko.realtime.errors import ProviderError, SessionLost, only_error
from neko.realtime.session import (
    Complaint,
    Facts,
    GoOn,
    Hear,
    Interrupt,
    Line,
    ModelCommand,
    ModelEvent,
    Repeating,
    ReplyDone,
    ReplyStarted,
    ReplyStatus,
    Say,
    See,
    Tell,
    TextDelta,
    Told,
    ToolCalled,
    ToolResult,
)
from neko.sockets.socket import nobody_takes
from neko.telemetry import get_logger

log = get_logger("text")

EVENTS = 64  # pieces of a reply; a slow reader holds the stream back
QUESTIONS = 16  # typed faster than answered; then the typing waits
CONTEXT_TOKENS = 8_192  # where nobody says how much a server holds: what most models for a laptop are run with
ANSWER_TOKENS = 1_024  # of a context are for the answer
SENTENCE_ENDS = frozenset(".!?\n。！？…")  # where it is looked whether the model repeats itself
WRONG_REQUEST = frozenset({400, 415, 422, 501})  # by which endpoints say that they do not take what was sent


@frozen
class _Question:
    reply_id: str
    request_id: str | None


class OmniOfflineClient:
    """A text session; made by `open_offline`. Questions are answered one after the other, by one task."""

    def __init__(self, model: Replies, context: ChatContext, facts: Facts, *, tries: Tries, gives_up: bool) -> None:
        self.facts = facts
        self.id = f"text_{uuid4().hex[:12]}"
        self._model = model
        self._context = context
        self._tries = tries
        self._gives_up = gives_up
        self._failed: ProviderError | None = None  # with this the session has ended
        self._ask, self._asked = trio.open_memory_channel[_Question](QUESTIONS)
        self._emit, self._events = trio.open_memory_channel[ModelEvent](EVENTS)
        self._answering: tuple[str, trio.CancelScope] | None = None
        self._answers: dict[str, Message] = {}  # the last one, by its reply
        self._repetition = Repetition()

    async def prime(self, lines: Sequence[Line]) -> None:
        for line in lines:
            self._context.say(line.role, line.text)
            if line.role == "assistant":
                self._repetition.add(line.text)

    async def send(self, command: ModelCommand) -> None:
        match command:
            case Say(text, request_id):
                self._context.say("user", text)
                await self._question(request_id)
            case Tell(instructions):
                self._context.say("system", instructions)
                await self._question()
            case GoOn():
                await self._question()
            case See(url):
                self._context.show(url)
            case Interrupt():
                self._interrupt(command)
            case ToolResult():
                self._context.result(command.call_id, command.output)
                if command.asks:
                    await self._question()
            case Hear():
                await self._emit.send(Complaint(StatusCode.INVALID_INPUT_TYPE, "a text session has no ears"))
            case _:
                assert_never(command)

    def send_now(self, _: ModelCommand) -> bool:
        return False

    async def ping(self) -> None:
        """Each question has a connection of its own, with deadlines of its own."""
        await trio.lowlevel.checkpoint()

    async def receive(self, told: Told = nobody_takes) -> ModelEvent:  # noqa: ARG002  # its events are few
        try:
            return await self._events.receive()
        except trio.EndOfChannel:
            raise self._failed or SessionLost("the session is over") from None

    async def answer(self) -> None:
        """Answers the questions in order until cancelled."""
        while self._failed is None:
            question = await self._asked.receive()
            with trio.CancelScope() as scope:
                self._answering = (question.reply_id, scope)
                await self._reply(question)
            if scope.cancelled_caught:
                await self._emit.send(ReplyDone(question.reply_id, ReplyStatus.CANCELLED))

    async def _question(self, request_id: str | None = None) -> None:
        try:
            await self._ask.send(_Question(f"reply_{uuid4().hex[:12]}", request_id))
        except trio.BrokenResourceError:
            raise SessionLost("the session is over") from self._failed

    async def _reply(self, question: _Question) -> None:
        reply_id = question.reply_id
        await self._emit.send(ReplyStarted(reply_id, question.request_id))
        try:
            tries = ONCE if self._gives_up else self._tries
            said = await ask(self._model, self._context.prompt(), tries, partial(self._tell, reply_id))
        except ProviderError as error:
            if self._gives_up:
                self._failed = error
                self._emit.close()
                self._asked.close()
                return
            self._learn(error)
            await self._emit.send(Complaint(error.code, error.details))
            await self._emit.send(ReplyDone(reply_id, ReplyStatus.FAILED))
            return
        if self._repetition.repeats(said.words) and not said.calls:
            self._help_out(said.words)
            await self._emit.send(Repeating(reply_id))
            await self._emit.send(ReplyDone(reply_id, ReplyStatus.CANCELLED))
            return
        self._repetition.add(said.words)
        calls = [(call.id, call.name, call.arguments) for call in said.calls]
        self._answers = {reply_id: self._context.answer(said.words, calls)}
        for call in said.calls:
            await self._emit.send(ToolCalled(call.id, call.name, call.arguments, reply_id))
        await self._emit.send(ReplyDone(reply_id, ReplyStatus.COMPLETED))

    async def _tell(self, reply_id: str, piece: str, words: str) -> bool:
        """False when it turns out to be what was said twice already."""
        await self._emit.send(TextDelta(reply_id, piece))
        return SENTENCE_ENDS.isdisjoint(piece) or not self._repetition.repeats(words)

    def _learn(self, error: ProviderError) -> None:
        """A picture that a model refuses would have it refuse every question after it."""
        status = error.refusal.status if error.refusal else None
        if status in WRONG_REQUEST and self._context.has_pictures:
            self._context.drop_pictures()
            self.facts = evolve(self.facts, sees=False)

    def _help_out(self, words: str) -> None:
        self._context.drop_answers(lambda said: self._repetition.resembles(words, said))
        self._repetition.forget()
        log.warning("text.repeating", model_session=self.id)

    def _interrupt(self, cut: Interrupt) -> None:
        """Stops the reply, and has the model remember of it what was heard."""
        answer = self._answers.pop(cut.reply_id, None)
        if answer is None and self._answering is not None and self._answering[0] == cut.reply_id:
            self._answering[1].cancel()
        self._context.heard_only(answer, cut.heard_text)


@asynccontextmanager
async def open_offline(
    model: Replies,
    instructions: str,
    lines: Sequence[Line],
    *,
    sees: bool = True,
    room_tokens: int | None = None,
    gives_up: bool = False,
    tries: Tries = TRIES,
) -> AsyncIterator[OmniOfflineClient]:
    """A text session on `model` that was told `lines`; leaving the context stops what is being answered.

    No question is longer than `room_tokens`, the instructions included. One that fails is asked again as `tries`
    say, then the failure is told, and the next question may fare better. Where the session `gives_up`, the first
    failure ends it, for another one to answer in its place.
    """
    facts = Facts(hears_hz=None, speaks_hz=None, sees=sees, watched=False)
    client = OmniOfflineClient(model, ChatContext(instructions, room_tokens), facts, tries=tries, gives_up=gives_up)
    await client.prime(lines)
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(client.answer)
            yield client
            nursery.cancel_scope.cancel()
    except BaseExceptionGroup as group:
        raise only_error(group) from None
