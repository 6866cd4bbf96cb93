"""What a network can do to a connection, as values."""

from __future__ import annotations

from attrs import field, frozen
from attrs.validators import gt, optional


@frozen(kw_only=True)
class Way:
    """What happens to the bytes that go one way; nothing by default."""

    delay_s: float = 0
    """Everything arrives so much later."""
    stalled: bool = False
    """Nothing passes and nothing more is read, but the connection stays open."""
    half_closed: bool = False
    """The receiver is told that nothing more comes; what the sender still sends is swallowed. There is no way back."""
    bytes_per_s: float | None = field(default=None, validator=optional(gt(0)))
    """A slow reader: no more than this is taken from the sender, whose buffers fill up."""
    garbage_after: int | None = None
    """Once in each connection `neko.testing.pipe.GARBAGE` comes in between, when so many bytes or more have passed."""


@frozen(kw_only=True)
class Faults:
    """`up` is from the client to the target. None at all by default."""

    up: Way = Way()
    down: Way = Way()
    cut_every_s: float | None = None
    """Each connection is reset, on both sides, when it is so old."""
