"""What waits to be sent to one client."""

from __future__ import annotations

import trio

from neko.protocol.realtime.server import ServerEvent

# Batches. Full: whoever tells something waits, so that a client that reads slowly slows its own conversation only;
# few, because what lies here when the person interrupts is still sent.
OUTBOX = 16

Batch = tuple[ServerEvent, ...]
"""Events that only make sense together: a send that is cancelled has sent none of them."""

Outbox = trio.MemorySendChannel[Batch]


def open_outbox() -> tuple[Outbox, trio.MemoryReceiveChannel[Batch]]:
    return trio.open_memory_channel[Batch](OUTBOX)
