"""Who is connected to a character: at most one client, and what it is told."""

from __future__ import annotations

import secrets
from math import inf

import trio
from attrs import define, field
from trio_websocket import WebSocketConnection

from neko.nurseries.outbox import Farewell, Outbox, Subscription
from neko.nurseries.session import Session
from neko.protocol.client import AudioFraming
from neko.protocol.errors import StatusCode
from neko.protocol.server import Status

TAKEN_OVER = 4001
TAKEN = Status(StatusCode.CHARACTER_SWITCHING_TERMINAL, "Another client talks to the character now.")


@define(eq=False)
class Reception:
    """`client` is the place of the connection that owns the character, `websocket` its socket; both or neither."""

    outbox: Outbox = field(factory=Outbox)
    client: Subscription | None = None
    websocket: WebSocketConnection | None = None

    def attach(self, websocket: WebSocketConnection, framing: AudioFraming, session: Session | None) -> Subscription:
        """The character is this client's now; whoever had it is told so and closed. A waiting session waits no more."""
        if self.client is not None:
            self.client.close(Farewell(TAKEN, TAKEN_OVER))
        if session is None:
            self.outbox.close()
            self.outbox = Outbox()
        else:
            session.scope.deadline = inf
        self.client = self.outbox.subscribe(framing, held=session is not None)
        self.websocket = websocket
        return self.client

    def resume(self, client: Subscription, token: str, last_seq: int, session: Session | None) -> bool:
        """Lets a client that came back go on after the last message it saw; False when that cannot be."""
        known = session is not None and secrets.compare_digest(token.encode(), session.resume_token.encode())
        return known and client.begin(after=last_seq)

    def detach(self, client: Subscription, session: Session | None) -> bool:
        """The client's connection is over; True when the character was still its own."""
        client.close()
        client.gone.set()
        if self.client is not client:
            return False
        self.client = self.websocket = None
        if session is None:
            self.outbox.close()
        return True

    def wait_for_client(self, session: Session) -> None:
        """A session whose client vanished waits so long for it: a deadline that attaching lifts."""
        session.scope.deadline = trio.current_time() + session.plan.snapshot.session.resume_s
