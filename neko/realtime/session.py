"""What every model session understands and says, whichever provider is behind it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Literal, Protocol

from attrs import field, frozen

from neko.config.snapshot import Tool as Tool
from neko.conversation.callbacks import Callback
from neko.protocol.errors import StatusCode
from neko.sockets.socket import nobody_takes


@frozen
class Line:
    """One line of a conversation as it is told to a model."""

    role: Literal["system", "user", "assistant"]  # system: about the conversation, said by nobody
    text: str = field(repr=False)


@frozen
class Facts:
    """What a dialect's sessions are like."""

    hears_hz: int | None  # rate of the PCM16 mono that it takes; None: text only
    speaks_hz: int | None  # rate of the PCM16 mono that it sends; None: text only
    max_session_s: float | None = None  # how long a session lasts, as far as that is known beforehand
    warns_before_s: float | None = None  # how long before its end it says when that is; None: it does not
    resume_handle: bool = False  # a lost session's conversation can be had again by a handle that it gave
    overlap_ok: bool = True  # the next session may be open beside this one
    sees: bool = True  # takes pictures
    takes_text: bool = True  # words and instructions reach a session that runs
    tells_speech: bool = True  # says when the person begins to speak
    context_tokens: int | None = None  # how much of a conversation a session holds
    tokens_per_s: float = 0.0  # what a second of sound counts for in that
    remembers_s: float | None = None  # how long it knows what it has heard, where that is not all of it
    watched: bool = True  # dead when it answers neither a ping nor an utterance within `silence_s`


# --- what a session is told -------------------------------------------------------------------------------------


@frozen
class Hear:
    """The person's sound, PCM16 mono at `facts.hears_hz`."""

    pcm: bytes = field(repr=lambda pcm: f"<{len(pcm)} bytes>")


@frozen
class Say:
    """The person's typed words; they ask for a reply."""

    text: str = field(repr=False)
    request_id: str | None = None


@frozen
class See:
    """A picture, as a data: URL; it asks for nothing."""

    url: str = field(repr=False)


@frozen
class Tell:
    """Something the character is to tell the person now; `news` is the agent's result in it."""

    instructions: str = field(repr=False)
    news: Callback | None = None


@frozen
class GoOn:
    """Answer what you were told."""


@frozen
class Interrupt:
    """The person cut a reply short: stop it if it still runs, and remember only what was heard of it."""

    reply_id: str
    item_id: str | None
    running: bool
    heard_ms: int
    heard_text: str = field(repr=False)


@frozen
class ToolResult:
    """What a tool that this session called has given. The last of a reply's results asks for the next one."""

    call_id: str
    name: str
    output: str = field(repr=False)
    asks: bool = True


ModelCommand = Hear | Say | See | Tell | GoOn | Interrupt | ToolResult


# --- what a session says ----------------------------------------------------------------------------------------


@frozen
class SpeechStarted:
    """The person began to speak."""


@frozen
class SpeechStopped:
    """The person fell silent; the provider has the utterance, up to so many ms of the sound that it was given."""

    at_ms: float | None = None


@frozen
class UserSaid:
    text: str = field(repr=False)


@frozen
class ReplyStarted:
    reply_id: str
    request_id: str | None = None


@frozen
class TextDelta:
    """Words of the reply; where the session speaks, they are what it says."""

    reply_id: str
    text: str = field(repr=False)


@frozen
class AudioDelta:
    """Sound of the reply, PCM16 mono at `facts.speaks_hz`."""

    reply_id: str
    item_id: str
    pcm: bytes = field(repr=lambda pcm: f"<{len(pcm)} bytes>")


class ReplyStatus(StrEnum):
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    FAILED = "failed"


@frozen
class ReplyDone:
    reply_id: str
    status: ReplyStatus


@frozen
class Repeating:
    """The model says what it has said twice already; it was stopped, and does not know of it any more."""

    reply_id: str


@frozen
class Complaint:
    """An error that the session survives."""

    code: StatusCode
    details: str


@frozen
class Expiring:
    """The provider says how long the session will still last."""

    in_s: float


@frozen
class Resumable:
    """With this handle another session can go on with the conversation as it is now, once this one's socket is gone."""

    handle: str = field(repr=False)


@frozen
class ToolCalled:
    """The model asks for a tool; `arguments` are JSON. The reply in which it does so is done without it.

    What is asked for in one reply is answered together, when that reply is done; by itself where `reply_id` is "".
    """

    call_id: str
    name: str
    arguments: str = field(repr=False)
    reply_id: str = ""


ModelEvent = (
    SpeechStarted
    | SpeechStopped
    | UserSaid
    | ReplyStarted
    | TextDelta
    | AudioDelta
    | ReplyDone
    | Repeating
    | Complaint
    | Expiring
    | Resumable
    | ToolCalled
)


Told = Callable[[ModelEvent], bool]
"""Does with an event all that is to be done, or nothing and answers False."""


class ModelSession(Protocol):
    """A connected session. One task sends, one task receives; leaving the context that made it closes it."""

    @property
    def id(self) -> str: ...

    @property
    def facts(self) -> Facts: ...

    async def prime(self, lines: Sequence[Line]) -> None:
        """Tells the session what was said before it came; asks for no reply."""
        ...

    async def send(self, command: ModelCommand) -> None:
        """Raises `SessionLost` when nobody listens any more."""
        ...

    def send_now(self, command: ModelCommand) -> bool:
        """`send`, where nothing has to be waited for; False: the next thing that is sent must be this again.

        As `Socket.send_now`; a session that always waits answers False.
        """
        ...

    async def ping(self) -> None:
        """Returns when the provider has shown that it is there; any task may ask. Raises `SessionLost`."""
        ...

    async def receive(self, told: Told = nobody_takes) -> ModelEvent:
        """The next event. Raises `SessionLost`, or the `ProviderError` with which the provider ended the session.

        While this waits, `told` may be asked whether it takes an event, as `Socket.receive` asks.
        """
        ...
