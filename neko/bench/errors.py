"""Why there is nothing to report."""

from __future__ import annotations


class NothingMeasured(Exception):
    """What was to be measured did not happen; `str()` is one sentence."""
