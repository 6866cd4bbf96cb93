"""A client of the character protocol in Python: connect, start a session, talk, listen."""

from __future__ import annotations

from neko.client.address import websocket_url
from neko.client.character import CharacterClient
from neko.client.connection import connect, stay_connected
from neko.client.errors import (
    BadAddress,
    BadRecording,
    ClientError,
    ConnectionLost,
    ServerBusy,
    ServerDraining,
    SessionEnded,
    StartRefused,
    TakenOver,
    TurnRefused,
    Unauthorized,
    UnknownCharacter,
    Unreachable,
)
from neko.client.microphone import RecordedMicrophone
from neko.client.recording import Recording, read_recording, write_wav
from neko.client.turn import Answer, Reply, Turn, one_answer, one_turn

__all__ = [
    "Answer",
    "BadAddress",
    "BadRecording",
    "CharacterClient",
    "ClientError",
    "ConnectionLost",
    "RecordedMicrophone",
    "Recording",
    "Reply",
    "ServerBusy",
    "ServerDraining",
    "SessionEnded",
    "StartRefused",
    "TakenOver",
    "Turn",
    "TurnRefused",
    "Unauthorized",
    "UnknownCharacter",
    "Unreachable",
    "connect",
    "one_answer",
    "one_turn",
    "read_recording",
    "stay_connected",
    "websocket_url",
    "write_wav",
]
