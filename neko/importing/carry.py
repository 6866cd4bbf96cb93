"""All that is carried over, as the text of a `neko.toml`, and what is not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import tomli_w
from attrs import frozen

from neko.config.errors import ConfigError
from neko.config.read import parse
from neko.importing.installation import CHARACTERS, CORE, PROVIDERS, table, words
from neko.importing.personas import looks_of, person_of, prompt_of, voice_of
from neko.importing.vendors import OWN, Carried, Secret, seeing, spoken, typed
from neko.importing.voices import FIELDS, OwnVoice, own_voice

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from neko.importing.installation import Installation

CARRIED = {"coreApi", "coreApiKey", "assistApi", "enableCustomApi"}
OWN_ENDPOINT = ("Url", "Id", "ApiKey", "Provider")  # of conversationModel…, visionModel…
OF_THE_EQUIPMENT = ("provider", "text_provider", "vision", "voice", "tts")
NOT_IN_THESE_FILES = "what the characters remember of earlier talk: it is in none of the three files"


@frozen
class Imported:
    """`toml` can be used as it is; `left` says in words what has no place in it."""

    toml: str
    characters: tuple[str, ...]
    secrets: tuple[Secret, ...]
    left: tuple[str, ...]


@frozen
class Equipment:
    """What all characters of an installation share."""

    speaking: Carried
    typing: Carried
    seeing: Carried | None
    voice: OwnVoice

    @property
    def providers(self) -> tuple[Carried, ...]:
        return tuple(each for each in (self.speaking, self.typing, self.seeing) if each is not None)

    @property
    def tables(self) -> dict[str, Any]:
        providers = {each.name: each.table for each in self.providers if each.table is not None}
        voices = {} if self.voice.table is None else {self.voice.name: self.voice.table}
        return {"providers": providers, **({"voices": voices} if voices else {})}

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """One for each provider and voice that needs one; two may be the same variable."""
        keys = (self.typing, self.seeing, self.speaking, self.voice)
        return tuple(each.secret for each in keys if each is not None and each.secret is not None)

    @property
    def takes_voices(self) -> bool:
        """A card's voice is one of the vendor that speaks."""
        return self.speaking.table is not None and self.voice.table is None


def carry_over(installation: Installation, language: str) -> Imported:
    """`language` is what the characters speak. Raises ConfigError when no character could be carried over."""
    equipment = Equipment(spoken(installation), typed(installation), seeing(installation), own_voice(installation))
    left = [*_left_of_vendors(installation, equipment)]
    characters = {}
    for name, card in _cards(installation):
        character = _character(card, installation, equipment, language)
        problem = _problem(name, character)
        if problem:
            left.append(f"the character {name!r}: {problem}")
            continue
        characters[name] = character
        left += _left_of_card(name, card, equipment)
    if not characters:
        raise ConfigError(CHARACTERS, "holds no character under 猫娘 that could be carried over")
    toml = tomli_w.dumps({**equipment.tables, "characters": characters}, multiline_strings=True)
    parse(toml, "what was carried over")  # nothing is written that the next start would refuse
    secrets = tuple({each.variable: each for each in equipment.secrets}.values())
    return Imported(toml, tuple(characters), secrets, (*left, NOT_IN_THESE_FILES))


def _cards(installation: Installation) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The one that was talked with last comes first: here, that is whom lost clients are sent to."""
    cards = table(installation.characters, "猫娘")
    current = words(installation.characters, "当前猫娘")
    for name in sorted(cards, key=lambda name: name != current):
        if isinstance(cards[name], dict):
            yield name, cards[name]


def _character(
    card: Mapping[str, Any], installation: Installation, equipment: Equipment, language: str
) -> Mapping[str, Any]:
    return {
        "provider": equipment.speaking.name,
        "text_provider": equipment.typing.name,
        **({"vision": equipment.seeing.name} if equipment.seeing else {}),
        **({"language": language} if language else {}),
        **({"voice": voice_of(card)} if voice_of(card) and equipment.takes_voices else {}),
        **({"tts": equipment.voice.name} if equipment.voice.table else {}),
        "master_name": person_of(installation.characters),
        "prompt": prompt_of(card, table(installation.characters, "主人")),
    }


def _problem(name: str, character: Mapping[str, Any]) -> str:
    """What the configuration has against it, what all characters share left aside."""
    alone = {key: value for key, value in character.items() if key not in OF_THE_EQUIPMENT}
    try:
        parse(tomli_w.dumps({"characters": {name: alone}}), "")
    except ConfigError as error:
        return error.problem
    return ""


def _left_of_card(name: str, card: Mapping[str, Any], equipment: Equipment) -> Iterator[str]:
    looks = looks_of(card)
    if looks:
        yield f"how {name} looks ({', '.join(looks)}): a client shows that"
    if voice_of(card) and not equipment.takes_voices:
        speaker = "the embedded provider" if equipment.voice.table is None else f"the voice {equipment.voice.name}"
        yield f"the voice of {name} ({voice_of(card)}): {speaker} does not have it"


def _left_of_vendors(installation: Installation, equipment: Equipment) -> Iterator[str]:
    if not installation.core:
        yield f"{CORE} says nothing: the characters talk by the embedded provider"
    elif not installation.providers:
        yield f"{PROVIDERS} is not there: the vendors' own addresses and models are used"
    yield from (each.why_not for each in equipment.providers if each.why_not)
    if equipment.voice.why_not:
        yield equipment.voice.why_not
    rest = [key for key, value in installation.core.items() if value and key not in _used(equipment)]
    if rest:
        yield f"{CORE}: {', '.join(rest)} (no such settings here)"


def _used(equipment: Equipment) -> set[str]:
    """The fields of the core settings that were carried, or are named by themselves."""
    used = CARRIED | {each.field for each in equipment.secrets}
    names = {each.name for each in equipment.providers}
    for what in (what for what, name in OWN.items() if name in names):
        used |= {f"{what}Model{field}" for field in OWN_ENDPOINT}
    return used | FIELDS if equipment.voice.table or equipment.voice.why_not else used
