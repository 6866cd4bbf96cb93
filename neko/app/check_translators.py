"""Which steps of the translation are there, without asking any of them."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import entry_points, version
from importlib.util import find_spec

from neko.app.asides import speaks_text
from neko.app.finding import Finding, Verdict
from neko.config.manager import ConfigManager
from neko.translation.service import MODEL
from neko.translation.step import GROUP, NotInstalled

ONLINE = {
    "googletrans": "sends replies to Google",
    "translatepy": "sends replies to public translation services, one after the other until one answers",
}


def look_at_translators(config: ConfigManager) -> Iterator[Finding]:
    """A finding for each step of the chain, or for there being none; nothing is sent anywhere."""
    chain = config.configuration.translation.chain
    if not chain:
        yield Finding("translation", Verdict.UNUSED, "turned off: translation.chain is empty")
    for name in chain:
        verdict, detail = _model(config) if name == MODEL else _library(name) if name in ONLINE else _plugged_in(name)
        yield Finding(f"translation {name}", verdict, detail)


def _library(name: str) -> tuple[Verdict, str]:
    if find_spec(name) is None:
        return Verdict.UNUSED, str(NotInstalled(name))
    return Verdict.OK, f"{version(name)}; {ONLINE[name]}, when the person's language is another"


def _plugged_in(name: str) -> tuple[Verdict, str]:
    entry = entry_points(group=GROUP)[name]
    try:
        entry.load()
    except Exception as error:  # somebody else's package raises what it likes
        return Verdict.FAILED, f"{entry.value} cannot be loaded ({type(error).__name__}: {error})"
    return Verdict.OK, entry.value


def _model(config: ConfigManager) -> tuple[Verdict, str]:
    snapshots = {name: config.snapshot(name) for name in config.names}
    by = {name: each.text_provider_name for name, each in snapshots.items() if speaks_text(each.text_provider)}
    if not by:
        return Verdict.UNUSED, "no character's text_provider is a language model of kind local or chat"
    return Verdict.OK, ", ".join(f"{provider} for {name}" for name, provider in by.items())
