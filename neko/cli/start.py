"""A session for a command, or one sentence why there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from neko.cli.failures import Failure

if TYPE_CHECKING:
    from neko.client import CharacterClient
    from neko.protocol.client import InputType

STARTED_WITHIN_S = 15.0  # a server answers within 10 s, and the way there and back takes time too


async def start_session(client: CharacterClient, input_type: InputType) -> None:
    """Starts a session. Raises `Failure` when the server does not answer, and what `CharacterClient.start` raises."""
    with trio.move_on_after(STARTED_WITHIN_S) as patience:
        await client.start(input_type)
    if patience.cancelled_caught:
        raise Failure(f"the server did not start a session within {STARTED_WITHIN_S:.0f} s")
