"""The conversation so far: its items in order, and the prompt that they make."""

from __future__ import annotations

from attrs import define, evolve, field

from neko.conversation.heard import Playout
from neko.conversation.tokens import tokens
from neko.local.engines import ChatMessage
from neko.protocol.realtime.content import ContentPart, ContentType, ItemStatus, MessageItem, Role
from neko.protocol.realtime.errors import InvalidRequest

# One slot of the language model holds 4096 tokens. The estimate may be a fifth too low, and the answer has 160.
PROMPT_TOKENS = 3_200
MESSAGE_TOKENS = 5  # the role and the marks around each message in ChatML


@define(eq=False)
class Entry:
    """One message, growing until it is done. `playout` counts the sound of a spoken one."""

    id: str
    role: Role
    content: list[ContentPart]
    status: ItemStatus = ItemStatus.IN_PROGRESS
    playout: Playout = field(factory=Playout)

    @property
    def words(self) -> str:
        return "\n".join(part.words for part in self.content if part.words)

    def item(self) -> MessageItem:
        return MessageItem(self.role, tuple(self.content), self.id, self.status)

    @property
    def spoken(self) -> bool:
        return self.content[0].type in (ContentType.INPUT_AUDIO, ContentType.OUTPUT_AUDIO)

    def tell(self, words: str) -> None:
        """These words are said now, in the only part that a spoken or streamed message has."""
        part = self.content[0]
        if self.spoken:
            self.content[0] = evolve(part, transcript=(part.transcript or "") + words)
        else:
            self.content[0] = evolve(part, text=(part.text or "") + words)

    def cut(self, heard_ms: int) -> None:
        """Only so much of its sound was heard: the words that belong to the rest were never said."""
        if heard_ms > self.playout.sent_ms + 1:  # rounded up to a whole millisecond
            said = f"Audio content of {self.playout.sent_ms:.0f}ms is already shorter than {heard_ms}ms"
            raise InvalidRequest("invalid_value", said, "audio_end_ms")
        self.playout.reported(heard_ms, 0.0)
        self.content[0] = evolve(self.content[0], transcript=self.playout.heard_text(0.0))
        self.status = ItemStatus.INCOMPLETE


def message_tokens(text: str) -> int:
    """About how many tokens a message of this text takes."""
    return tokens(text) + MESSAGE_TOKENS


class Items:
    """The items of one conversation. Append-only but for what the client asks for, so that prefix caches hold.

    When the prompt outgrows `PROMPT_TOKENS`, the older half of the exchanges is dropped at once, which costs
    one cold prompt; sliding by one message each turn would make every prompt a cold one. What
    stands before the first exchange (a recap, notes of the system) stays as long as anything else can go.
    """

    def __init__(self) -> None:
        self._entries: list[Entry] = []
        self.instructions = ""
        """The session's; they stand before every item and are never dropped."""

    def __contains__(self, entry: object) -> bool:
        return entry in self._entries

    def get(self, item_id: str) -> Entry:
        """Raises `InvalidRequest` when there is no such item."""
        return self._entries[self._index(item_id, "item_id")]

    def before(self, entry: Entry) -> str | None:
        """The id of the item that an item follows; None for the first, and for one that is gone."""
        index = self._entries.index(entry) if entry in self._entries else 0
        return self._entries[index - 1].id if index else None

    @property
    def last_id(self) -> str | None:
        return self._entries[-1].id if self._entries else None

    def add(self, entry: Entry, after: str | None = None) -> None:
        """Behind the item `after`, or behind all. Raises `InvalidRequest` for an unknown `after` or an id in use."""
        if any(other.id == entry.id for other in self._entries):
            raise InvalidRequest("item_already_exists", f"An item with id '{entry.id}' already exists.", "item.id")
        self._entries.insert(self._place(after), entry)
        self._shorten()

    def drop(self, item_id: str) -> None:
        del self._entries[self._index(item_id, "item_id")]

    def prompt(self, override: str | None = None, upcoming: Entry | None = None) -> list[ChatMessage]:
        """What the language model reads.

        `override` stands for the session's instructions; what it only adds to them comes last, where it keeps the
        prefix warm. `upcoming` stands behind the items unless it is one already.
        """
        entries = [*self._entries, upcoming] if upcoming and upcoming not in self._entries else self._entries
        first, last = self._instructions(override)
        spoken: list[ChatMessage] = [{"role": e.role.value, "content": e.words} for e in entries if e.words]
        return [*_system(first), *spoken, *_system(last)]

    def _instructions(self, override: str | None) -> tuple[str, str]:
        if override is None:
            return self.instructions, ""
        if self.instructions and override.startswith(self.instructions):
            return self.instructions, override.removeprefix(self.instructions).strip()
        return override, ""

    def _place(self, after: str | None) -> int:
        match after:
            case None:
                return len(self._entries)
            case "root":
                return 0
            case _:
                return self._index(after, "previous_item_id") + 1

    def _index(self, item_id: str, param: str) -> int:
        for index, entry in enumerate(self._entries):
            if entry.id == item_id:
                return index
        raise InvalidRequest("item_not_found", f"There is no item with id '{item_id}'.", param)

    def _shorten(self) -> None:
        room = PROMPT_TOKENS - message_tokens(self.instructions)
        while len(self._entries) > 1 and sum(message_tokens(entry.words) for entry in self._entries) > room:
            begin, end = self._older_half()
            del self._entries[begin:end]

    def _older_half(self) -> tuple[int, int]:
        """From the first exchange to the middle one; what stands before the first goes only when nothing else can."""
        begins = [index for index in range(len(self._entries)) if self._begins_exchange(index)]
        if len(begins) > 1:
            return begins[0], begins[len(begins) // 2]
        return 0, max(1, len(self._entries) // 2)

    def _begins_exchange(self, index: int) -> bool:
        before = self._entries[index - 1].role if index else None
        return self._entries[index].role is Role.USER and before is not Role.USER


def _system(text: str) -> list[ChatMessage]:
    return [{"role": "system", "content": text}] if text else []


def created(item: MessageItem, item_id: str) -> Entry:
    """The entry of an item that the client made. Raises `InvalidRequest` when a part has no words to read."""
    if not item.content:
        raise InvalidRequest("invalid_value", "A message has at least one content part.", "item.content")
    for index, part in enumerate(item.content):
        if part.text is None and part.transcript is None:
            said = "The embedded provider reads text and transcripts; send sound to the input audio buffer."
            raise InvalidRequest("invalid_value", said, f"item.content.{index}")
    return Entry(item.id or item_id, item.role, list(item.content), ItemStatus.COMPLETED)
