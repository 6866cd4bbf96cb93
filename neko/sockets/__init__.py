"""WebSockets as neko uses them: one interface, and the library behind it."""

from neko.sockets.socket import Socket, SocketClosed, Taken, nobody_takes
from neko.sockets.trio_socket import TrioSocket

__all__ = ["Socket", "SocketClosed", "Taken", "TrioSocket", "nobody_takes"]
