"""The house put together: the only room that names concrete adapters."""

from __future__ import annotations

from neko.app.check import check
from neko.app.finding import Finding, ProviderFinding, Verdict
from neko.app.house import House, open_house
from neko.realtime.errors import NotReady

__all__ = ["Finding", "House", "NotReady", "ProviderFinding", "Verdict", "check", "open_house"]
