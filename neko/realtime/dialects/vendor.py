"""One kind of provider: the dialect it speaks, and where it is reached unless the configuration says otherwise.

Others add theirs without a fork: an entry point in the group `neko.providers`, whose name is the `kind` in the
configuration and whose object is a `Vendor`. Its dialect may build on one of ours, as `xai.py` does.
"""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import Any, Protocol

from attrs import frozen

from neko.config.kinds import GROUP
from neko.realtime.dialects.base import Dialect
from neko.realtime.errors import NotReady


class MakeDialect(Protocol):
    """`speaks` is False where a voice of ours speaks the words; `max_session_s` None means what the dialect knows."""

    def __call__(self, *, speaks: bool, max_session_s: float | None) -> Dialect: ...


@frozen
class Vendor:
    """The defaults of one kind of provider; "" has to be configured."""

    dialect: MakeDialect
    url: str
    model: str
    beta: MakeDialect | None = None  # the dialect of its API's beta, where that is still spoken


def plugged_in(kind: str) -> Vendor:
    """The vendor that another package brings under this name. Raises `NotReady` when it cannot be had."""
    try:
        vendor: Any = entry_points(group=GROUP)[kind].load()
    except Exception as error:  # whatever the import of somebody's package raises
        raise NotReady(f"the provider kind {kind!r} cannot be loaded from its package: {error}") from error
    if not isinstance(vendor, Vendor):
        raise NotReady(f"the provider kind {kind!r} is a {type(vendor).__name__} in its package; accepted: a Vendor")
    return vendor
