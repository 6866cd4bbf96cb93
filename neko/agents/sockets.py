"""The three ZeroMQ sockets that agents connect to, bound and without any waiting."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from errno import EACCES, EADDRINUSE

import attrs
import zmq
from attrs import frozen

from neko.agents.errors import CannotBind
from neko.config.model import Agents
from neko.protocol.agents.codec import MOST_BYTES

# What waits in one agent's queue. Events: a subscriber that is further behind misses some. Results: agents wait to send
# more, which is the way to say that they bring more than is taken. Requests: older ones are about what is no more.
EVENTS_WAIT, RESULTS_WAIT, REQUESTS_WAIT = 1_000, 1_000, 16
# Bytes. ZeroMQ hangs up on who sends more, without a word; what is merely too long for us is refused with one.
HANG_UP_BYTES = 16 * MOST_BYTES


@frozen
class Endpoints:
    """Where agents connect, with the ports that were chosen."""

    session_pub: str
    result_pull: str
    analyze_push: str


@frozen
class Sockets:
    session_pub: zmq.Socket[bytes]
    result_pull: zmq.Socket[bytes]
    analyze_push: zmq.Socket[bytes]

    @property
    def endpoints(self) -> Endpoints:
        named = attrs.asdict(self, recurse=False)
        return Endpoints(**{key: each.getsockopt_string(zmq.LAST_ENDPOINT) for key, each in named.items()})


@contextmanager
def open_sockets(addresses: Agents) -> Iterator[Sockets]:
    """Binds all three; leaving the context closes them, and what has not been sent is gone.

    Raises:
        CannotBind: the first that is taken, forbidden or no address of this machine.
    """
    context = zmq.Context()
    try:
        sockets = Sockets(context.socket(zmq.PUB), context.socket(zmq.PULL), context.socket(zmq.PUSH))
        sockets.session_pub.setsockopt(zmq.SNDHWM, EVENTS_WAIT)
        sockets.result_pull.setsockopt(zmq.RCVHWM, RESULTS_WAIT)
        sockets.result_pull.setsockopt(zmq.MAXMSGSIZE, HANG_UP_BYTES)
        sockets.analyze_push.setsockopt(zmq.SNDHWM, REQUESTS_WAIT)
        for key, address in attrs.asdict(addresses).items():
            _bind(getattr(sockets, key), key, address)
        yield sockets
    finally:
        context.destroy(linger=0)


def _bind(socket: zmq.Socket[bytes], key: str, address: str) -> None:
    try:
        socket.bind(address)
    except zmq.ZMQError as error:
        match error.errno:
            case value if value == EADDRINUSE:
                why = "is taken by another program, perhaps another neko"
            case value if value == EACCES:
                why = "is not allowed here"
            case _:
                why = f"cannot be listened at: {error.strerror}"
        raise CannotBind(key, address, why, taken=error.errno == EADDRINUSE) from None
