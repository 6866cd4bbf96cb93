"""All that one session needs to know, taken at one moment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from attrs import evolve, field, frozen

from neko.config.errors import UnknownCharacter

if TYPE_CHECKING:
    from neko.config.model import Character, Configuration, Provider, SessionPolicy, ToolSource, VoiceSettings


@frozen
class Tool:
    """Something that a model may ask for; `parameters` is a JSON schema."""

    name: str
    description: str
    parameters: Mapping[str, Any] = field(factory=dict, repr=False)


NATIVE = "native"  # `tts`: the provider's own speech
DEFAULT_VOICE = "default"  # `voice`: the provider's own choice


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
    fallback: Provider | None = None
    fallback_name: str = ""

    def stand_in(self, *, spoken: bool) -> Snapshot | None:
        """With the fallback in the place of the provider of spoken or of typed sessions; None: nobody stands in.

        A vendor's voice is its own, so who stands in speaks with the one that it has for everybody.
        """
        name = self.provider_name if spoken else self.text_provider_name
        if self.fallback is None or name == self.fallback_name:
            return None
        native = self.character.tts == NATIVE
        there = evolve(self, character=evolve(self.character, voice=DEFAULT_VOICE) if native else self.character)
        if spoken:
            return evolve(there, provider=self.fallback, provider_name=self.fallback_name)
        return evolve(there, text_provider=self.fallback, text_provider_name=self.fallback_name)


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
        fallback=configuration.providers[character.fallback] if character.fallback else None,
        fallback_name=character.fallback,
    )


def _voices(configured: Mapping[str, VoiceSettings], name: str) -> dict[str, VoiceSettings]:
    voices: dict[str, VoiceSettings] = {}
    while name in configured and name not in voices:
        voices[name] = configured[name]
        name = configured[name].fallback
    return voices
