"""The embedded provider's socket: the server side of the Realtime protocol, for one client."""

from __future__ import annotations

from contextlib import suppress

import trio

from neko.local.conversation import Conversation
from neko.local.engines import Engines
from neko.local.outbox import Batch, Outbox, open_outbox
from neko.protocol.realtime.codec import read_client, write_server
from neko.protocol.realtime.errors import InvalidRequest
from neko.protocol.realtime.identity import new_id
from neko.protocol.realtime.server import Error, ErrorDetails
from neko.sockets import Socket, SocketClosed


async def serve_realtime(websocket: Socket, engines: Engines) -> None:
    """Converses with one client until it leaves; everything that was begun for it has ended then.

    The socket is the caller's to close. What a client does wrong is answered with an `error` event, what an
    engine cannot do with a failed response; neither ends the conversation.
    """
    outbox, batches = open_outbox()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_write, websocket, batches, nursery.cancel_scope)
        conversation = Conversation(nursery, engines, outbox)
        await conversation.begin()
        # Not through the nursery: a group's traceback would keep the conversation, and its detector, until the
        # garbage is collected.
        with suppress(SocketClosed):
            await _read(websocket, conversation, outbox)
        nursery.cancel_scope.cancel()


async def _write(websocket: Socket, batches: trio.MemoryReceiveChannel[Batch], everything: trio.CancelScope) -> None:
    """The only task that sends. A client that is gone ends `everything`."""
    with suppress(SocketClosed):
        async for batch in batches:
            for event in batch:
                await websocket.send(write_server(event, new_id("event")))
    everything.cancel()


async def _read(websocket: Socket, conversation: Conversation, outbox: Outbox) -> None:
    while True:
        frame = await websocket.receive()
        event_id = None
        try:
            event = read_client(frame)
            event_id = event.event_id
            await conversation.handle(event)
        except InvalidRequest as wrong:
            await outbox.send((_complaint(wrong, wrong.event_id or event_id),))


def _complaint(wrong: InvalidRequest, event_id: str | None) -> Error:
    return Error(ErrorDetails("invalid_request_error", wrong.code, wrong.message, wrong.param, event_id))
