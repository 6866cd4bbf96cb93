"""A text session over chat completions: the conversation is kept here and sent with every question."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol, assert_never
from uuid import uuid4

import trio
from attrs import frozen

from neko.protocol.errors import StatusCode
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
    ReplyDone,
    ReplyStarted,
    ReplyStatus,
    Say,
    See,
    Tell,
    TextDelta,
    ToolResult,
)

EVENTS = 64  # pieces of a reply; a slow reader holds the stream back
QUESTIONS = 16  # typed faster than answered; then the typing waits

Message = dict[str, Any]


class Replies(Protocol):
    """What `neko.realtime.chat.ChatModel` does for a text session."""

    def reply(self, messages: Sequence[Any]) -> AbstractAsyncContextManager[AsyncIterator[str]]:
        """The pieces of the next message; raises `ProviderError`."""
        ...


@frozen
class _Question:
    reply_id: str
    request_id: str | None


class OmniOfflineClient:
    """A text session; made by `open_offline`. Questions are answered one after the other, by one task."""

    def __init__(
        self, model: Replies, instructions: str, lines: Sequence[Line], *, sees: bool, gives_up: bool = False
    ) -> None:
        self.facts = Facts(hears_hz=None, speaks_hz=None, sees=sees, watched=False)
        self.id = f"text_{uuid4().hex[:12]}"
        self._model = model
        self._gives_up = gives_up
        self._failed: ProviderError | None = None  # with this the session has ended
        self._messages: list[Message] = [{"role": "system", "content": instructions}]
        self._messages += [_message(line) for line in lines]
        self._ask, self._asked = trio.open_memory_channel[_Question](QUESTIONS)
        self._emit, self._events = trio.open_memory_channel[ModelEvent](EVENTS)
        self._answering: tuple[str, trio.CancelScope] | None = None
        self._answers: dict[str, Message] = {}  # the last one, by its reply

    async def prime(self, lines: Sequence[Line]) -> None:
        self._messages += [_message(line) for line in lines]

    async def send(self, command: ModelCommand) -> None:
        match command:
            case Say(text, request_id):
                await self._question("user", text, request_id)
            case Tell(instructions):
                await self._question("system", instructions, None)
            case GoOn():
                await self._put(None)
            case See(url):
                self._messages.append({"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]})
            case Interrupt():
                self._interrupt(command)
            case ToolResult(call_id, _, output):
                self._messages.append({"role": "tool", "tool_call_id": call_id, "content": output})
                await self._put(None)
            case Hear():
                await self._emit.send(Complaint(StatusCode.INVALID_INPUT_TYPE, "a text session has no ears"))
            case _:
                assert_never(command)

    async def ping(self) -> None:
        """Each question has a connection of its own, with deadlines of its own."""
        await trio.lowlevel.checkpoint()

    async def receive(self) -> ModelEvent:
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

    async def _question(self, role: str, text: str, request_id: str | None) -> None:
        self._messages.append({"role": role, "content": text})
        await self._put(request_id)

    async def _put(self, request_id: str | None) -> None:
        try:
            await self._ask.send(_Question(f"reply_{uuid4().hex[:12]}", request_id))
        except trio.BrokenResourceError:
            raise SessionLost("the session is over") from self._failed

    async def _reply(self, question: _Question) -> None:
        reply_id = question.reply_id
        said: list[str] = []
        await self._emit.send(ReplyStarted(reply_id, question.request_id))
        try:
            async with self._model.reply(tuple(self._messages)) as pieces:
                async for piece in pieces:
                    said.append(piece)
                    await self._emit.send(TextDelta(reply_id, piece))
        except ProviderError as error:
            # A picture that a model refuses would have it refuse every question after it.
            if self._gives_up:
                self._failed = error
                self._emit.close()
                self._asked.close()
                return
            self._messages = [message for message in self._messages if isinstance(message["content"], str)]
            await self._emit.send(Complaint(error.code, error.details))
            await self._emit.send(ReplyDone(reply_id, ReplyStatus.FAILED))
            return
        answer: Message = {"role": "assistant", "content": "".join(said)}
        self._answers = {reply_id: answer}
        self._messages.append(answer)
        await self._emit.send(ReplyDone(reply_id, ReplyStatus.COMPLETED))

    def _interrupt(self, cut: Interrupt) -> None:
        """Stops the reply, and has the model remember of it what was heard."""
        if cut.reply_id in self._answers:
            answer = self._answers.pop(cut.reply_id)
            self._messages = [message for message in self._messages if message is not answer]
        elif self._answering is not None and self._answering[0] == cut.reply_id:
            self._answering[1].cancel()
        if cut.heard_text:
            self._messages.append({"role": "assistant", "content": cut.heard_text})


def _message(line: Line) -> Message:
    return {"role": line.role, "content": line.text}


@asynccontextmanager
async def open_offline(
    model: Replies, instructions: str, lines: Sequence[Line], *, sees: bool = True, gives_up: bool = False
) -> AsyncIterator[OmniOfflineClient]:
    """A text session on `model` that was told `lines`; leaving the context stops what is being answered.

    Where it `gives_up`, a reply that fails ends the session, for another one to answer in its place; otherwise the
    failure is told, and the next question may fare better.
    """
    client = OmniOfflineClient(model, instructions, lines, sees=sees, gives_up=gives_up)
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(client.answer)
            yield client
            nursery.cancel_scope.cancel()
    except BaseExceptionGroup as group:
        raise only_error(group) from None
