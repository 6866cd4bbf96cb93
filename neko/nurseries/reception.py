"""Who is connected to a character: at most one client, and what it is told."""

from __future__ import annotations

import secrets

from attrs import define, field

from neko.audio.ledger import Ledger
from neko.conversation.journal import Journal
from neko.nurseries.guest import Guest
from neko.nurseries.outbox import Outbox
from neko.nurseries.session import Session
from neko.nurseries.subscription import Farewell, Subscription
from neko.protocol.client import AudioFraming
from neko.protocol.errors import StatusCode
from neko.protocol.server import Status
from neko.sockets import Socket

TAKEN_OVER = 4001
TAKEN = Status(StatusCode.CHARACTER_SWITCHING_TERMINAL, "Another client talks to the character now.")


@define(eq=False)
class Reception:
    """`client` is the place of the connection that owns the character, `websocket` its socket; both or neither.

    `outbox` is the session's. A client that comes while a session is there is admitted to it by what it says first;
    until then the session waits as if nobody had come. `guest` is whose session it is, connected or not: nobody else
    can resume it.
    """

    ledger: Ledger
    journal: Journal
    outbox: Outbox = field(init=False)
    client: Subscription | None = None
    websocket: Socket | None = None
    guest: Guest | None = None

    def __attrs_post_init__(self) -> None:
        self.outbox = Outbox(self.ledger, self.journal)

    def attach(self, websocket: Socket, framing: AudioFraming, session: Session | None) -> Subscription:
        """The character is this client's now; whoever had it is told so and closed."""
        if self.client is not None:
            self.client.close(Farewell(TAKEN, TAKEN_OVER))
            if session is not None:
                session.wait_for_client()
        if session is None:
            self.outbox.close()
            self.outbox = Outbox(self.ledger, self.journal)
        self.client = Subscription(self.outbox, Guest(framing))
        self.websocket = websocket
        if session is None:
            self.guest = self.client.guest
            self.client.begin(after=None)
        return self.client

    def admit(self, client: Subscription, session: Session | None) -> None:
        """The client goes on with the session that there is, from now; whoever had it cannot come back to it."""
        if self.guest is not client.guest:
            self.guest = client.guest
            self.outbox.drop_pongs()
            if session is not None:
                session.change_hands()
        client.join(self.outbox)
        client.begin(after=None)
        if session is not None:
            session.attend()

    def resume(self, client: Subscription, token: str, last_seq: int, session: Session | None) -> bool:
        """Lets a client that came back go on after the last message it saw.

        False when that cannot be: the client is then nobody's in particular, and hears nothing of the session.
        """
        known = session is not None and secrets.compare_digest(token.encode(), session.resume_token.encode())
        if session is not None and known and self.guest is not None and client.begin(after=last_seq):
            client.guest = self.guest
            session.attend()
            return True
        if not client.begun:
            client.join(Outbox(self.ledger, self.journal))
            client.begin(after=None)
        return False

    def detach(self, client: Subscription, session: Session | None) -> bool:
        """The client's connection is over; True when it had the session, which is then without a client."""
        client.close()
        client.gone.set()
        if self.client is not client:
            return False
        self.client = self.websocket = None
        if session is None:
            self.outbox.close()
        elif client.begun and client.outbox is self.outbox:
            session.wait_for_client()
            return True
        return False
