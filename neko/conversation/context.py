"""What a chat model is sent with each question: the conversation as messages, within its context."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from attrs import define, field

from neko.conversation.tokens import tokens

Message = dict[str, Any]
"""One message of the chat completions API."""

MESSAGE_TOKENS = 5  # the role and the marks around each message
PICTURE_TOKENS = 1_000  # most vision models cut a picture into 300 to 1,300, whatever it shows
PICTURES = 2  # what is shown now and what was shown before; a shared screen sends one each second
KEPT_SHARE = 0.5  # of the room, when it is exceeded: each trimming costs the server all that it had read before
AT_WORK = "It is still at work."


@define(eq=False)
class ChatContext:
    """Sync, and never longer than `room_tokens` if that can be: the instructions and the latest question always stay.

    A call of a tool and its result stay and go together, and every call that is sent has a result: servers refuse
    anything else.
    """

    instructions: str
    room_tokens: int | None = None  # None: nobody knows
    _messages: list[Message] = field(factory=list, init=False)

    def say(self, role: str, text: str) -> None:
        self._messages.append({"role": role, "content": text})

    def show(self, url: str) -> None:
        """A picture, before the next question; of the earlier ones only the last stays."""
        pictures = [each for each in self._messages if _is_picture(each)]
        self._drop(pictures[: len(pictures) + 1 - PICTURES])
        self._messages.append({"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]})

    def answer(self, text: str, calls: Iterable[tuple[str, str, str]] = ()) -> Message:
        """The model's own message, with the tools that it calls: id, name and arguments."""
        asked = [_call(*call) for call in calls]
        message: Message = {"role": "assistant", "content": text or None if asked else text}
        self._messages.append(message | {"tool_calls": asked} if asked else message)
        return self._messages[-1]

    def result(self, call_id: str, output: str) -> bool:
        """What a tool has given, behind the message that called it; False when that is not there any more."""
        for index, message in enumerate(self._messages):
            if any(call["id"] == call_id for call in message.get("tool_calls", ())):
                place = index + 1 + len(_results(self._messages, index))
                self._messages.insert(place, {"role": "tool", "tool_call_id": call_id, "content": output})
                return True
        return False

    def heard_only(self, message: Message | None, heard: str) -> None:
        """The person cut this answer short, or one that is not a message yet: what they heard of it was said."""
        if message is not None and message.get("tool_calls"):
            message["content"] = heard or None
            return
        if message is not None:
            self._drop([message])
        if heard:
            self.say("assistant", heard)

    @property
    def has_pictures(self) -> bool:
        return any(map(_is_picture, self._messages))

    def drop_pictures(self) -> None:
        self._drop([each for each in self._messages if _is_picture(each)])

    def drop_answers(self, which: Callable[[str], bool]) -> None:
        """Has the model forget what it said, by its text; what it called is not touched."""
        said = [each for each in self._messages if each["role"] == "assistant" and not each.get("tool_calls")]
        self._drop([each for each in said if which(each["content"])])

    def prompt(self) -> tuple[Message, ...]:
        """All of it, trimmed if need be."""
        self._trim()
        return ({"role": "system", "content": self.instructions}, *_complete(self._messages))

    def _trim(self) -> None:
        if self.room_tokens is None or not self._messages or self._tokens(0) <= self.room_tokens:
            return
        begins = [index for index, each in enumerate(self._messages) if each["role"] != "tool"]
        asked = [index for index in begins if self._messages[index]["role"] == "user"]
        stays = max(asked or begins)
        enough = KEPT_SHARE * self.room_tokens
        begin = next((each for each in begins if each >= stays or self._tokens(each) <= enough), 0)
        del self._messages[:begin]

    def _tokens(self, begin: int) -> int:
        """What is sent takes, when it begins with this message."""
        said = sum(map(message_tokens, _complete(self._messages[begin:])))
        return MESSAGE_TOKENS + tokens(self.instructions) + said

    def _drop(self, messages: list[Message]) -> None:
        self._messages = [each for each in self._messages if not any(each is other for other in messages)]


def message_tokens(message: Mapping[str, Any]) -> int:
    """About how many tokens a message takes."""
    content = message["content"]
    said = PICTURE_TOKENS if isinstance(content, list) else tokens(content or "")
    called = (call["function"] for call in message.get("tool_calls", ()))
    return MESSAGE_TOKENS + said + sum(tokens(each["name"] + each["arguments"]) for each in called)


def _is_picture(message: Message) -> bool:
    return isinstance(message["content"], list)


def _call(call_id: str, name: str, arguments: str) -> dict[str, Any]:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


def _results(messages: list[Message], index: int) -> list[Message]:
    """The results that stand behind the message at `index`."""
    end = index + 1
    while end < len(messages) and messages[end]["role"] == "tool":
        end += 1
    return messages[index + 1 : end]


def _complete(messages: list[Message]) -> Iterator[Message]:
    """With a result for each call, in the order of the calls."""
    index = 0
    while index < len(messages):
        message, results = messages[index], _results(messages, index)
        yield message
        given = {each["tool_call_id"]: each for each in results}
        for call in message.get("tool_calls", ()):
            yield given.get(call["id"]) or {"role": "tool", "tool_call_id": call["id"], "content": AT_WORK}
        index += 1 + len(results)
