"""All that one session needs to know, taken at one moment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from neko.config.errors import UnknownCharacter

if TYPE_CHECKING:
    from neko.config.model import Character, Configuration, Provider, SessionPolicy, ToolSource, VoiceSettings


@frozen
class Tool:
    """Something that a model may ask for; `parameters` is a JSON schema."""

    name: str
    description: str
    parameters: Mapping[str, Any] = field(factory=dict, repr=False)


@frozen
class Snapshot:
    """A character with what it refers to; two equal snapshots need no swap. The prompt is filled in."""

    name: str
    character: Character
    provider: Provider
    provider_name: str
    text_provider: Provider
    text_provider_name: str
    session: SessionPolicy
    vision: Provider | None = None
    """Who describes pictures for a model that does not see."""
    tool_sources: Mapping[str, ToolSource] = field(factory=dict)
    """What the character may use, as configured."""
    tools: tuple[Tool, ...] = ()
    """That, as the sources describe it; the configuration alone does not know."""
    voices: Mapping[str, VoiceSettings] = field(factory=dict)
    """The configured voices that may speak for the character, in the order in which they stand in for each other."""


def take_snapshot(configuration: Configuration, name: str) -> Snapshot:
    """The snapshot of a character; UnknownCharacter when there is none of that name."""
    character = configuration.characters.get(name)
    if character is None:
        raise UnknownCharacter(name)
    return Snapshot(
        name=name,
        character=character.filled(name),
        provider=configuration.providers[character.provider],
        provider_name=character.provider,
        text_provider=configuration.providers[character.text_provider],
        text_provider_name=character.text_provider,
        session=character.session,
        vision=configuration.providers[character.vision] if character.vision else None,
        tool_sources={each: configuration.tools[each] for each in character.tools},
        voices=_voices(configuration.voices, character.tts),
    )


def _voices(configured: Mapping[str, VoiceSettings], name: str) -> dict[str, VoiceSettings]:
    voices: dict[str, VoiceSettings] = {}
    while name in configured and name not in voices:
        voices[name] = configured[name]
        name = configured[name].fallback
    return voices
