"""WebSockets as neko uses them: one interface, and the libraries behind it."""

from neko.sockets.socket import Rejected, Socket, SocketClosed
from neko.sockets.trio_socket import TrioSocket

__all__ = ["Rejected", "Socket", "SocketClosed", "TrioSocket"]
