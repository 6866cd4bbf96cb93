"""WebSockets as neko uses them: one interface, and the libraries behind it."""

from neko.sockets.socket import Rejected, Socket, SocketClosed, Taken, nobody_takes
from neko.sockets.trio_socket import TrioSocket

__all__ = ["Rejected", "Socket", "SocketClosed", "Taken", "TrioSocket", "nobody_takes"]
