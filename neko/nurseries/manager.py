"""`LLMSessionManager`: one character, whoever is connected to it and whatever model is behind it."""

from __future__ import annotations

import time
from enum import Enum, auto
from typing import Any, assert_never

import trio
from attrs import evolve

from neko.audio.ledger import Ledger
from neko.config.errors import ConfigError
from neko.config.manager import ConfigManager
from neko.conversation.absence import Absence
from neko.conversation.callbacks import AgentCallbacks
from neko.conversation.past import Past
from neko.nurseries.census import OpenSessions
from neko.nurseries.desk import Desk
from neko.nurseries.hosting import Hosting
from neko.nurseries.outbox import Goodbye
from neko.nurseries.plans import Plans
from neko.nurseries.ports import Ports
from neko.nurseries.reception import Reception
from neko.nurseries.session import Ending, Session
from neko.nurseries.subscription import Subscription
from neko.nurseries.translating import foreign
from neko.nurseries.turn import Turn
from neko.protocol.client import AudioFraming, InputMode, Microphone, Picture, SwapSession, SwapWhen, TypedText
from neko.protocol.errors import StatusCode
from neko.protocol.server import (
    CharacterSwitched,
    ServerMessage,
    SessionFailed,
    Status,
)
from neko.realtime.session import ModelSession
from neko.sockets import Socket
from neko.telemetry.metrics import Census
from neko.tts.signals import Response

SERVICE_RESTART, UNKNOWN_CHARACTER = 1012, 4004
FULL_DETAILS = "Too much waits to be told already; this was not taken, send it again in a moment."
LEFT_DETAILS = "No session is running; start one at any time."
DRAIN_DETAILS = "The server is closing; what is being said is said to its end. Connect again in a moment."
NOT_KEPT_DETAILS = "What is said cannot be kept at the moment ({}); the conversation goes on, and it is tried again."


class Duty(Enum):
    """Whether new sessions may start."""

    OPEN = auto()
    DRAINING = auto()


class LLMSessionManager:
    """The façade over one character's conversation; `run` owns it all.

    What outlives a connection lives here: the history, what agents have to say, the session that waits for its client.
    """

    def __init__(self, lanlan_name: str, config: ConfigManager, ports: Ports, past: Past | None = None) -> None:
        past = past or Past()
        self.lanlan_name = lanlan_name
        self.history = past.history
        self._absence = Absence(self.history)
        self.language: str | None = None  # the person's, as a canonical tag, once a client has said it
        self._open = OpenSessions(ports.connect, ports.resume)
        self._ports = evolve(ports, connect=self._open.connect, resume=ports.resume and self._open.resume)
        self._duty = Duty.OPEN
        self.ledger = Ledger()
        self.swaps = ports.metrics.of(lanlan_name, self.ledger, self.census)
        self._hosting = Hosting(lanlan_name, self.ledger)
        self._reception = Reception(self.ledger, self.history.journal)
        self._plans = Plans(lanlan_name, config, self._ports)
        callbacks = AgentCallbacks(past.history.journal, trio.current_time)
        callbacks.restore(past.results, past.settled)
        self.desk = Desk(callbacks, self._reception, self._look_for_news)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Hosts the character's sessions, one at a time, until cancelled."""
        async with trio.open_nursery() as nursery:
            await nursery.start(self._hosting.run)
            task_status.started()

    @property
    def websocket(self) -> Socket | None:
        """The client that owns the character now."""
        return self._reception.websocket

    @property
    def session(self) -> ModelSession | None:
        """The model session that the person talks to."""
        session = self._hosting.session
        slot = session.current if session else None
        return slot.session if slot else None

    @property
    def is_active(self) -> bool:
        return self.session is not None

    @property
    def input_mode(self) -> InputMode | None:
        session = self._hosting.session
        return session.mode if session else None

    @property
    def voice_id(self) -> str:
        return self._plans.snapshot.character.voice

    @property
    def tts_request_queue(self) -> trio.MemoryReceiveChannel[str] | None:
        """The phrases that wait for the voice of the reply being told; None when no voice of ours speaks."""
        turn = self._turn
        return turn.tts_requests if turn else None

    @property
    def tts_response_queue(self) -> trio.MemoryReceiveChannel[Response] | None:
        """The sound between that voice and the client."""
        turn = self._turn
        return turn.tts_responses if turn else None

    @property
    def hot_swap_audio_cache(self) -> bytes:
        """The person's sound that no model session has been given yet."""
        return self._hosting.inbox.heard()

    async def start_session(self, websocket: Socket, new: bool, input_mode: InputMode) -> None:
        """Asks for a session; the answer goes to the client as soon as there is one.

        A start while one of the same mode is starting joins it; a running one of that mode is answered at once, one of
        another mode swaps its model session. `new`, for a fresh context, ends the session and starts the next.
        """
        session = self._hosting.session
        if websocket is not self.websocket:
            return
        if self._duty is Duty.DRAINING:
            self._post(Status(StatusCode.SERVER_DRAINING, DRAIN_DETAILS))
            self._post(SessionFailed(input_mode))
        elif session is None or (new if session.started else session.mode is not input_mode):
            self._hosting.end(Ending.DISCARDED)
            self._begin(input_mode, new=new)
        elif not session.started:
            pass  # one answer for both
        elif session.mode is not input_mode:
            session.swap(self._plans.newest(evolve(session.next_plan, mode=input_mode)), at_turn=False)
        else:
            if session.next_plan.mode is not input_mode:
                session.withdraw()
            await self.tell(session.answer())

    async def stream_data(self, message: Microphone | TypedText | Picture) -> None:
        """The person's sound, words or picture, in order; what comes before a session waits for it."""
        match message:
            case Microphone():
                self.hear(message)
            case TypedText() | Picture():
                if not self._hosting.inbox.offer(message):
                    await self.tell(Status(StatusCode.SERVER_BUSY, FULL_DETAILS))
            case _:
                assert_never(message)

    def hear(self, sound: Microphone) -> None:
        """The person's sound, as `stream_data`."""
        self._hosting.inbox.hear(sound, trio.current_time())

    async def swap_session(self, wish: SwapSession) -> None:
        """Has another model session take the place of the running one, until the session ends."""
        session = self._hosting.session
        if session is None or not session.started:
            self._post(Status(StatusCode.SWAP_FAILED, "No session is running; start one first."))
            return
        try:
            plan = self._plans.wished(session.next_plan, wish)
        except ConfigError as error:
            self._post(Status(StatusCode.INVALID_VALUE, str(error)))
            return
        session.swap(plan, at_turn=wish.when is SwapWhen.TURN)

    async def handle_new_message(self) -> None:
        """The person cuts in on what the character says."""
        session = self._hosting.session
        if session is not None:
            session.interrupt()

    async def end_session(self, by_server: bool = False) -> None:
        """Ends the session; returns when everything that belonged to it is over and the client knows.

        What the client ends leaves a prepared model session behind for `keep_warm_s`, for the next start. `by_server`
        ends the model session: a prepared one takes its place, and only without one the session is over.
        """
        session = self._hosting.session
        if session is None:
            await self._hosting.quiet()
            self._post(Status(StatusCode.CHARACTER_LEFT, LEFT_DETAILS))
        elif not by_server:
            await self._end(Ending.LEFT)
        elif not session.promote():
            await self._end(Ending.BY_SERVER)

    def cleanup(self, expected_websocket: Socket) -> None:
        """Detaches the client, as one that left, if it is still that one."""
        client = self._reception.client
        if client is not None and self.websocket is expected_websocket:
            self.detach(client, clean=True)

    async def trigger_agent_callbacks(self) -> None:
        """Has the character tell what agents have brought: now, or as soon as nobody speaks and nobody waits."""
        self._look_for_news()

    async def translate_if_needed(self, text: str) -> str | None:
        """The text in the person's language, None when that is the character's or nobody can translate."""
        snapshot = self._plans.snapshot
        if self._ports.translate is None or self.language is None or not foreign(snapshot, self.language):
            return None
        return await self._ports.translate(snapshot, text, self.language)

    # --- for a connection ----------------------------------------------------------------------------------------

    def attach(self, websocket: Socket, framing: AudioFraming) -> Subscription:
        """The character is this client's now; whoever had it before is told so and closed."""
        self._hosting.nobody_spoke()
        return self._reception.attach(websocket, framing, self._hosting.session)

    def owns(self, client: Subscription) -> bool:
        return self._reception.client is client

    def resume(self, client: Subscription, token: str, last_seq: int) -> bool:
        """Lets a client that came back go on after the last message it saw; False when that cannot be."""
        resumed = self._reception.resume(client, token, last_seq, self._hosting.session)
        if resumed:
            self._listens_again(client)
        return resumed

    def admit(self, client: Subscription) -> None:
        """The client has said something: it talks in the session that there is."""
        listens = client.begun
        self._reception.admit(client, self._hosting.session)
        if not listens:
            self._listens_again(client)

    def detach(self, client: Subscription, *, clean: bool) -> None:
        """The client is gone. One that left takes its session along; one that vanished may come back to it."""
        session = self._hosting.session
        if self._reception.detach(client, session) and session is not None and (clean or not session.started):
            self._hosting.end(Ending.DISCARDED)

    async def tell(self, message: ServerMessage) -> None:
        """Something for the client that is not part of a session; waits while the client is slow."""
        client = self._reception.client
        if client is not None:
            await client.send(message)

    def played(self, speech_id: str, played_ms: float) -> None:
        """The client's report of how much of a speech it has played."""
        session = self._hosting.session
        if session is not None and session.turns is not None:
            session.turns.reported(speech_id, played_ms)
            self._hosting.inbox.look()

    def plays(self, turn_id: str | None, *, begins: bool) -> None:
        """The client's loudspeaker has begun with a turn, the last one if it does not say which, or has nothing left
        of it to play."""
        session = self._hosting.session
        if session is not None and session.turns is not None:
            session.turns.plays(turn_id, begins=begins)
            self._hosting.inbox.look()

    def greet(self) -> None:
        """Has the character greet, when the last talk is `greet_after_s` ago: once, as soon as a session runs and
        nobody speaks, waits or hears anything. When somebody says something before that, it does not."""
        bound_s = self._plans.snapshot.session.greet_after_s
        if self._absence.ended(bound_s, time.time()):
            self._look_for_news()

    # --- for agents ----------------------------------------------------------------------------------------------

    @property
    def agent_flags(self) -> dict[str, Any]:
        return self.desk.flags

    @property
    def pending_agent_callbacks(self) -> AgentCallbacks:
        return self.desk.callbacks

    # --- for the house -------------------------------------------------------------------------------------------

    def census(self) -> Census:
        """Who is here at this moment."""
        return Census(
            sessions=int(self._hosting.session is not None),
            connections=int(self._reception.client is not None),
            model_sessions=self._open.standing(self.session),
            results=self.pending_agent_callbacks.fates,
        )

    def tell_trouble(self) -> None:
        """Its client, if there is one, is told whether what is said from now on may be gone after a restart."""
        trouble = self.history.journal.trouble
        if trouble is not None and self._reception.client is not None:
            self._post(Status(StatusCode.SERVER_BUSY, NOT_KEPT_DETAILS.format(trouble)))

    def forget(self, since: float, before: float) -> None:
        """What was said in that time was never said; a model session that was told it makes room at the next turn."""
        self.history.forget(since, before)
        if self._hosting.session is not None:
            self._hosting.session.look()

    def config_changed(self) -> None:
        """The configuration says something else, perhaps about this character: a session that runs may be renewed."""
        if self._hosting.session is not None:
            self._hosting.session.look()

    async def move_out(self, successor: str) -> None:
        """There is no such character any more: ends its session; returns when its client has been sent elsewhere."""
        self._duty = Duty.DRAINING
        client = self._reception.client
        if client is not None:
            self.admit(client)
        await self._end(Ending.BY_SERVER)
        client = self._reception.client
        if client is not None:
            self._post(CharacterSwitched(successor, self.lanlan_name))
            self._post(Goodbye(UNKNOWN_CHARACTER, "no such character"))
            await client.gone.wait()

    async def drain(self) -> None:
        """No more sessions; returns when what is being said has been said. The caller's deadline is the grace time."""
        self._duty = Duty.DRAINING
        client, turn = self._reception.client, self._turn
        if client is None:
            return
        self.admit(client)
        self._post(Status(StatusCode.SERVER_DRAINING, DRAIN_DETAILS))
        if turn is not None:
            await turn.over.wait()

    async def dismiss(self) -> None:
        """Ends the session, and returns when the client has been told everything and is disconnected."""
        await self._end(Ending.BY_SERVER)
        client = self._reception.client
        if client is not None:
            self._post(Goodbye(SERVICE_RESTART, "draining"))
            await client.gone.wait()

    def _listens_again(self, client: Subscription) -> None:
        """What was said while nobody listened is heard only now."""
        session = self._hosting.session
        if session is not None and session.turns is not None:
            session.turns.late(client.sound_to_come())

    async def _end(self, ending: Ending) -> None:
        session = self._hosting.end(ending)
        if session is not None:
            await session.over.wait()

    def _begin(self, input_mode: InputMode, *, new: bool) -> None:
        if new:
            self.history.mark_new()
        session = Session(
            plan=self._plans.first(input_mode),
            ports=self._ports,
            inbox=self._hosting.inbox,
            outbox=self._reception.outbox,
            history=self.history,
            language=lambda: self.language,
            newest_of=self._plans.newest,
            callbacks=self.pending_agent_callbacks,
            absence=self._absence,
            agent_flags=self.agent_flags,
            swaps=self.swaps,
            inherit=self._hosting.inherit,
            fresh=new,
        )
        self._hosting.begin(session)
        self.tell_trouble()

    def _look_for_news(self) -> None:
        session = self._hosting.session
        if session is not None and session.started:
            self._hosting.inbox.look()
            session.look()

    def _post(self, message: ServerMessage | Goodbye) -> None:
        self._reception.outbox.post(message)

    @property
    def _turn(self) -> Turn | None:
        session = self._hosting.session
        return session.turns.last if session and session.turns else None
