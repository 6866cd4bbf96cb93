"""What `neko check` has to say about one thing."""

from __future__ import annotations

from enum import StrEnum

from attrs import frozen


class Verdict(StrEnum):
    """Whether a thing works. What nobody needs may be missing."""

    OK = "ok"
    UNUSED = "-"
    FAILED = "failed"


@frozen
class Finding:
    """One thing that was looked at, whether it works, and in words what it is or what to do."""

    subject: str
    verdict: Verdict
    detail: str


@frozen
class ProviderFinding(Finding):
    """A provider: what kind it is, where, what was tried, and what is known of its sessions."""

    name: str
    kind: str
    url: str
    tried: str
    sessions: str
