"""One turn: what the person said, when they did, and the answer that is owed."""

from __future__ import annotations

import trio
from attrs import define, field

from neko.local.items import Entry
from neko.protocol.realtime.client import ResponseOptions
from neko.protocol.realtime.content import ContentPart, ContentType, MessageItem, Role
from neko.protocol.realtime.identity import new_id
from neko.protocol.realtime.response import CancelReason


@define(eq=False)
class Utterance:
    """The person's words as sound, PCM16 mono at 16 kHz, and the message that they become."""

    entry: Entry
    pcm: bytes = field(repr=False)
    language: str

    def again(self) -> Utterance:
        """As it was before it was recognised."""
        return Utterance.of(self.entry.id, self.pcm, self.language)

    @staticmethod
    def of(item_id: str, pcm: bytes, language: str) -> Utterance:
        return Utterance(Entry(item_id, Role.USER, [ContentPart(ContentType.INPUT_AUDIO)]), pcm, language)

    def announced(self) -> MessageItem:
        """The message as the client is told of it, before its words are."""
        return MessageItem(Role.USER, (ContentPart(ContentType.INPUT_AUDIO),), self.entry.id)


@define(eq=False)
class Turn:
    """Recognition and answer, in this order; either may be missing.

    A turn that was begun on suspicion tells the client nothing until it is `certain`. It takes its
    place behind the turn before it, whose `finished` it waits for before it answers.
    """

    after: trio.Event
    utterance: Utterance | None = None
    answer: ResponseOptions | None = None
    response_id: str = field(factory=lambda: new_id("resp"))
    certain: trio.Event = field(factory=trio.Event)
    heard: trio.Event = field(factory=trio.Event)
    """The client has been told what the person said."""
    finished: trio.Event = field(factory=trio.Event)
    doubt: trio.CancelScope = field(factory=trio.CancelScope)
    """Around all of it: cancelled when the person goes on after all."""
    speaking: trio.CancelScope = field(factory=trio.CancelScope)
    """Around the answer alone: an interruption does not unsay what the person said."""
    cut_by: CancelReason | None = None

    @property
    def answering(self) -> bool:
        """A response is in progress, or will be as soon as it can."""
        return self.answer is not None and self.cut_by is None and not self.finished.is_set()

    def interrupt(self, reason: CancelReason) -> None:
        """The answer ends now. Only the first reason counts."""
        if self.answering:
            self.cut_by = reason
            self.speaking.cancel()

    def discard(self) -> None:
        self.doubt.cancel()
