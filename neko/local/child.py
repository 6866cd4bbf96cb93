"""The owner's side of a child process: the handshake with it, its last words, the moment it ends."""

from __future__ import annotations

import signal
from collections import deque

import attrs
import orjson
import trio

from neko.local.errors import EngineFailed, LocalError, UnsupportedProcessor
from neko.local.llama_process import Settings
from neko.telemetry import get_logger

log = get_logger("local")

LAST_WORDS = 20  # lines of stderr: a C++ error with what led to it
LINE_BYTES = 4096  # of one line of the child's; what is longer counts as several
ILLEGAL_INSTRUCTION = (-signal.SIGILL, 0xC000001D)  # how POSIX and how Windows report that death


class Child:
    """One child process that says one line when it is ready, and complains on stderr. One task at a time may use it."""

    def __init__(
        self,
        process: trio.Process,
        stdin: trio.abc.SendStream,
        stdout: trio.abc.ReceiveStream,
        stderr: trio.abc.ReceiveStream,
    ) -> None:
        self._process = process
        self._stdin = stdin
        self._answers = _Lines(stdout)
        self._complaints = _Lines(stderr)
        self._last_words: deque[str] = deque(maxlen=LAST_WORDS)

    async def handshake(self, settings: Settings) -> str:
        """Tell the child what to serve and wait until it says where; `EngineFailed` when it ends instead."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._listen)
            answer = await self._ask(settings)
            if answer is not None:
                nursery.cancel_scope.cancel()
        if answer is None:
            raise await self._failure()
        return str(orjson.loads(answer)["url"])

    async def watch(self) -> None:
        """Runs until the child ends and then raises: who wanted it to end has cancelled this first."""
        await self._listen()
        raise await self._failure()

    async def _ask(self, settings: Settings) -> bytes | None:
        try:
            await self._stdin.send_all(orjson.dumps(attrs.asdict(settings)) + b"\n")
        except trio.BrokenResourceError:  # it is dead already; its status and stderr say why
            return None
        return await self._answers.next()

    async def _listen(self) -> None:
        while (line := await self._complaints.next()) is not None:
            words = line.decode(errors="replace")
            self._last_words.append(words)
            log.debug("engine.said", words=words)

    async def _failure(self) -> LocalError:
        status = await self._process.wait()
        if status in ILLEGAL_INSTRUCTION:
            return UnsupportedProcessor()
        return EngineFailed(status, tuple(self._last_words))


class _Lines:
    """Lines of a stream; a cancelled `next` loses nothing."""

    def __init__(self, stream: trio.abc.ReceiveStream) -> None:
        self._stream = stream
        self._buffer = b""

    async def next(self) -> bytes | None:
        """The next line without its end; None at the end of the stream."""
        while True:
            line, newline, rest = self._buffer.partition(b"\n")
            if newline or len(line) >= LINE_BYTES:
                self._buffer = rest
                return line
            received = await self._stream.receive_some(LINE_BYTES)
            if not received:
                self._buffer = b""
                return line or None
            self._buffer += received
