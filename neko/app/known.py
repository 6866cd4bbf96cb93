"""What is known of a provider without asking it, in words: where it is, and what its sessions are like."""

from __future__ import annotations

from urllib.parse import urlsplit

from neko.app.dialects import reach
from neko.config.model import Provider, ProviderKind
from neko.realtime.session import Facts

NOWHERE = "in this process"


def address(provider: Provider) -> str:
    """Without the query and whatever stands before the host: some vendors have keys there."""
    own = provider.kind in (ProviderKind.LOCAL, ProviderKind.CHAT)
    parts = urlsplit(provider.url if own else reach(provider, speaks=True).url)
    if not parts.hostname:
        return NOWHERE
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname}{port}{parts.path}"


def tried(provider: Provider) -> str:
    """What `shake_hands` does with it."""
    match provider.kind:
        case ProviderKind.LOCAL if not provider.url:
            return "looked for its engine"
        case ProviderKind.LOCAL | ProviderKind.CHAT:
            return "asked for its models"
        case _:
            return "opened a session"


def sessions(provider: Provider) -> str:
    """The facts of its dialect."""
    match provider.kind:
        case ProviderKind.LOCAL:
            return "24 kHz in, 24 kHz out, no limit"
        case ProviderKind.CHAT:
            return "words only, no limit"
        case _:
            return ", ".join(_told(reach(provider, speaks=True).dialect.facts))


def _told(facts: Facts) -> list[str]:
    hears, speaks = (f"{(hz or 0) / 1000:g} kHz" for hz in (facts.hears_hz, facts.speaks_hz))
    said = [f"{hears} in", f"{speaks} out"]
    said.append("limit unknown" if facts.max_session_s is None else f"at most {facts.max_session_s / 60:g} min")
    if facts.warns_before_s is not None:
        from_the_start = facts.max_session_s is not None and facts.warns_before_s >= facts.max_session_s
        said.append("names its end" if from_the_start else f"warns {facts.warns_before_s:g} s before")
    if facts.remembers_s is not None:
        said.append(f"remembers {facts.remembers_s:g} s")
    said += ["can be resumed"] if facts.resume_handle else []
    said += ["sees"] if facts.sees else ["sees nothing"]
    said += [] if facts.tells_speech else ["does not tell speech"]
    said += [] if facts.overlap_ok else ["one at a time"]
    return said
