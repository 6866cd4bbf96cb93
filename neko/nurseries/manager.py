"""`LLMSessionManager`: one character, whoever is connected to it and whatever model is behind it."""

from __future__ import annotations

import secrets
from collections import deque
from enum import Enum, auto
from math import inf
from typing import Any, assert_never

import trio
from trio_websocket import WebSocketConnection

from neko.config.manager import ConfigManager
from neko.conversation.history import History
from neko.nurseries.inbox import Inbox
from neko.nurseries.outbox import Farewell, Goodbye, Outbox, Subscription
from neko.nurseries.ports import Ports
from neko.nurseries.session import Ending, Session
from neko.nurseries.slot import Plan
from neko.nurseries.turn import Turn
from neko.protocol.client import AudioFraming, InputMode, Microphone, Picture, TypedText
from neko.protocol.errors import StatusCode
from neko.protocol.server import ServerMessage, SessionFailed, Status
from neko.realtime.session import ModelSession, Tell
from neko.telemetry import get_logger

log = get_logger("manager")

CALLBACKS = 100  # agent results that wait to be told; the oldest makes room
TAKEN_OVER = 4001
SERVICE_RESTART = 1012
FULL_DETAILS = "Too much waits to be told already; this was not taken, send it again in a moment."
BUG_DETAILS = "Something went wrong here; start the session again."
DRAIN_DETAILS = "The server is closing; what is being said is said to its end. Connect again in a moment."
AGENT_NEWS = "Tell the person now, in your own words and manner: {}"


class Duty(Enum):
    """Whether new sessions may start."""

    OPEN = auto()
    DRAINING = auto()


class LLMSessionManager:
    """The façade over one character's conversation; `run` owns it all.

    What outlives a connection lives here: the history, what agents have to say, the session that waits for its client.
    """

    def __init__(self, lanlan_name: str, config: ConfigManager, ports: Ports) -> None:
        self.lanlan_name = lanlan_name
        self.history = History()
        self.agent_flags: dict[str, Any] = {}
        self.pending_agent_callbacks: deque[str] = deque(maxlen=CALLBACKS)
        self.language: str | None = None
        self._config = config
        self._ports = ports
        self._duty = Duty.OPEN
        self._inbox = Inbox()
        self._outbox = Outbox()
        self._session: Session | None = None
        self._client: Subscription | None = None
        self._websocket: WebSocketConnection | None = None
        self._previous = trio.Event()  # the session before is over, its last words included
        self._previous.set()
        # Without bound, so that asking is one step: whatever waits here was ended by what came after it.
        self._asked, self._asks = trio.open_memory_channel[tuple[Session, trio.Event]](inf)
        self._told_deaf: Session | None = None

    # --- what users of the original know -------------------------------------------------------------------------

    @property
    def websocket(self) -> WebSocketConnection | None:
        """The client that owns the character now."""
        return self._websocket

    @property
    def session(self) -> ModelSession | None:
        """The model session that the person talks to."""
        session = self._alive()
        slot = session.current if session else None
        return slot.session if slot else None

    @property
    def is_active(self) -> bool:
        return self.session is not None

    @property
    def input_mode(self) -> InputMode | None:
        session = self._alive()
        return session.mode if session else None

    @property
    def voice_id(self) -> str:
        return self._config.snapshot(self.lanlan_name).character.voice

    @property
    def tts_request_queue(self) -> trio.MemoryReceiveChannel[str] | None:
        """The phrases that wait for the voice of the reply being told; None when no voice of ours speaks."""
        turn = self._turn()
        return turn.tts_requests if turn else None

    @property
    def tts_response_queue(self) -> trio.MemoryReceiveChannel[bytes] | None:
        """The sound between that voice and the client."""
        turn = self._turn()
        return turn.tts_responses if turn else None

    @property
    def hot_swap_audio_cache(self) -> bytes:
        """The person's sound that no model session has been given yet."""
        return self._inbox.heard()

    async def start_session(self, websocket: WebSocketConnection, new: bool, input_mode: InputMode) -> None:
        """Asks for a session; the answer goes to the client as soon as there is one.

        A start while one of the same mode is starting joins it; a running one of that mode is answered at once. Another
        mode, or `new` for a fresh context, ends the session and starts the next.
        """
        if websocket is not self._websocket:
            return
        session = self._alive()
        if self._duty is Duty.DRAINING:
            self._outbox.post(Status(StatusCode.SERVER_DRAINING, DRAIN_DETAILS))
            self._outbox.post(SessionFailed(input_mode))
        elif session is None or session.mode is not input_mode or (new and session.started):
            self._discard(session)
            self._begin(input_mode, new=new)
        elif session.started:
            self._outbox.post(session.answer())

    async def stream_data(self, message: Microphone | TypedText | Picture) -> None:
        """The person's sound, words or picture, in order; what comes before a session waits for it."""
        match message:
            case Microphone():
                self._inbox.hear(message, trio.current_time())
                self._tell_deaf()
            case TypedText() | Picture():
                if not self._inbox.offer(message):
                    await self._outbox.send(Status(StatusCode.SERVER_BUSY, FULL_DETAILS))
            case _:
                assert_never(message)

    async def handle_new_message(self) -> None:
        """The person cuts in on what the character says."""
        session = self._alive()
        if session is not None:
            session.interrupt()

    async def end_session(self, by_server: bool = False) -> None:
        """Ends the session; returns when everything that belonged to it is over and the client knows."""
        session = self._alive()
        if session is None:
            self._outbox.post(Status(StatusCode.CHARACTER_LEFT, "No session is running; start one at any time."))
            return
        self._discard(session, Ending.BY_SERVER if by_server else Ending.LEFT)
        await session.over.wait()

    def cleanup(self, expected_websocket: WebSocketConnection) -> None:
        """Detaches the client, as one that left, if it is still that one."""
        if self._client is not None and self._websocket is expected_websocket:
            self.detach(self._client, clean=True)

    async def trigger_agent_callbacks(self) -> None:
        """Has the character tell the next thing that agents have brought; not without a session, nor in a reply."""
        session, turn = self._alive(), self._turn()
        if session is None or not session.started or (turn is not None and not turn.over.is_set()):
            return
        if self.pending_agent_callbacks:
            self._inbox.post(Tell(AGENT_NEWS.format(self.pending_agent_callbacks.popleft())))

    async def translate_if_needed(self, text: str) -> str | None:
        """The text in the person's language, None when that is the character's or nobody can translate."""
        spoken = self._config.snapshot(self.lanlan_name).character.language
        if self._ports.translate is None or self.language is None or self.language == spoken:
            return None
        return await self._ports.translate(text, spoken, self.language)

    # --- connections ---------------------------------------------------------------------------------------------

    def attach(self, websocket: WebSocketConnection, framing: AudioFraming) -> Subscription:
        """The character is this client's now; whoever had it before is told so and closed."""
        if self._client is not None:
            taken = Status(StatusCode.CHARACTER_SWITCHING_TERMINAL, "Another client talks to the character now.")
            self._client.close(Farewell(taken, TAKEN_OVER))
        session = self._alive()
        if session is None:
            self._outbox.close()
            self._outbox = Outbox()
        else:
            session.scope.deadline = inf
        self._client = self._outbox.subscribe(framing, held=session is not None)
        self._websocket = websocket
        return self._client

    def owns(self, client: Subscription) -> bool:
        return self._client is client

    def resume(self, client: Subscription, token: str, last_seq: int) -> bool:
        """Lets a client that came back go on after the last message it saw; False when that cannot be."""
        session = self._alive()
        known = session is not None and secrets.compare_digest(token.encode(), session.resume_token.encode())
        return known and client.begin(after=last_seq)

    def detach(self, client: Subscription, *, clean: bool) -> None:
        """The client is gone. One that left takes the session along; one that vanished may come back to it."""
        client.close()
        client.gone.set()
        if self._client is not client:
            return
        self._client = self._websocket = None
        session = self._alive()
        if session is None:
            self._outbox.close()
        elif clean or not session.started:
            self._discard(session)
        else:
            session.scope.deadline = trio.current_time() + session.plan.snapshot.session.resume_s

    async def tell(self, message: ServerMessage) -> None:
        """Something for the client that is not part of a session; waits while the client is slow."""
        await self._outbox.send(message)

    def played(self, speech_id: str, played_ms: float) -> None:
        session = self._alive()
        if session is not None and session.turns is not None:
            session.turns.reported(speech_id, played_ms)

    # --- life ----------------------------------------------------------------------------------------------------

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Hosts the character's sessions, one at a time, until cancelled."""
        async with trio.open_nursery() as nursery:
            task_status.started()
            async for session, after in self._asks:
                nursery.start_soon(self._host, session, after)

    async def drain(self) -> None:
        """No more sessions; returns when what is being said has been said. The caller's deadline is the grace time."""
        self._duty = Duty.DRAINING
        if self._client is None:
            return
        self._client.begin(after=None)
        self._outbox.post(Status(StatusCode.SERVER_DRAINING, DRAIN_DETAILS))
        turn = self._turn()
        if turn is not None:
            await turn.over.wait()

    async def dismiss(self) -> None:
        """Ends the session, and returns when the client has been told everything and is disconnected."""
        if self._alive() is not None:
            await self.end_session(by_server=True)
        client = self._client
        if client is not None:
            self._outbox.post(Goodbye(SERVICE_RESTART, "draining"))
            await client.gone.wait()

    def _begin(self, input_mode: InputMode, *, new: bool) -> None:
        if new:
            self.history.mark_new()
        plan = Plan(self._config.snapshot(self.lanlan_name), input_mode)
        session = Session(plan, self._ports, self._inbox, self._outbox, self.history, lambda: self.language)
        # No checkpoint: a session that is known and not hosted would keep every later one waiting.
        after, self._previous, self._session = self._previous, session.over, session
        self._asked.send_nowait((session, after))

    async def _host(self, session: Session, after: trio.Event) -> None:
        """One session from its beginning, after the end of the one before, to its last words."""
        try:
            await after.wait()
            await self._run(session)
            self._forget(session)
            session.farewell()
        finally:
            session.over.set()
        if self._client is None and self._session is None:
            self._outbox.close()

    async def _run(self, session: Session) -> None:
        try:
            await session.run()
        except Exception:  # a bug ends one conversation, and nothing else
            log.exception("session.bug", character=self.lanlan_name, session=session.id)
            session.ending = Ending.BY_SERVER
            self._outbox.post(Status(StatusCode.SERVER_ERROR, BUG_DETAILS))

    def _discard(self, session: Session | None, ending: Ending = Ending.DISCARDED) -> None:
        if session is not None:
            session.end(ending)
            self._forget(session)

    def _forget(self, session: Session) -> None:
        """The next start is another session, with an inbox of its own."""
        if self._session is session:
            self._session = None
            self._inbox = Inbox()

    def _alive(self) -> Session | None:
        """The session, unless it is ending: for a client it is over as soon as that is decided."""
        session = self._session
        if session is not None and session.scope.cancel_called:
            self._forget(session)
        return self._session

    def _turn(self) -> Turn | None:
        session = self._alive()
        turns = session.turns if session else None
        return turns.last if turns else None

    def _tell_deaf(self) -> None:
        """Once for each text session, not fifty times a second."""
        session = self._alive()
        if session is not None and session.mode is InputMode.TEXT and self._told_deaf is not session:
            self._told_deaf = session
            details = "this is a text session; start one with input_type audio to be heard"
            self._outbox.post(Status(StatusCode.INVALID_INPUT_TYPE, details))
