"""All that is carried over, as the text of a `neko.toml`, and what is not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import tomli_w
from attrs import frozen

from neko.config.errors import ConfigError
from neko.config.read import parse
from neko.importing.installation import CHARACTERS, CORE, PROVIDERS, table, words
from neko.importing.personas import looks_of, person_of, prompt_of, voice_of
from neko.importing.vendors import Carried, Secret, spoken, typed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from neko.importing.installation import Installation

CARRIED = {"coreApi", "coreApiKey", "assistApi", "enableCustomApi"}
OWN_ENDPOINT = {"conversationModelUrl", "conversationModelId", "conversationModelApiKey", "conversationModelProvider"}
NOT_IN_THESE_FILES = "what the characters remember of earlier talk: it is in none of the three files"


@frozen
class Imported:
    """`toml` can be used as it is; `left` says in words what has no place in it."""

    toml: str
    characters: tuple[str, ...]
    secrets: tuple[Secret, ...]
    left: tuple[str, ...]


def carry_over(installation: Installation) -> Imported:
    """Raises ConfigError when there is no character that could be carried over."""
    voice, text = spoken(installation), typed(installation)
    left = [*_left_of_vendors(installation, voice, text)]
    characters = {}
    for name, card in _cards(installation):
        character = _character(card, installation, voice, text)
        problem = _problem(name, character)
        if problem:
            left.append(f"the character {name!r}: {problem}")
            continue
        characters[name] = character
        left += _left_of_card(name, card, voice)
    if not characters:
        raise ConfigError(CHARACTERS, "holds no character under 猫娘 that could be carried over")
    providers = {each.name: each.table for each in (voice, text) if each.table is not None}
    toml = tomli_w.dumps({"providers": providers, "characters": characters}, multiline_strings=True)
    secrets = {each.secret.variable: each.secret for each in (text, voice) if each.secret is not None}
    parse(toml, "what was carried over")  # nothing is written that the next start would refuse
    return Imported(toml, tuple(characters), tuple(secrets.values()), (*left, NOT_IN_THESE_FILES))


def _cards(installation: Installation) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The one that was talked with last comes first: here, that is whom lost clients are sent to."""
    cards = table(installation.characters, "猫娘")
    current = words(installation.characters, "当前猫娘")
    for name in sorted(cards, key=lambda name: name != current):
        if isinstance(cards[name], dict):
            yield name, cards[name]


def _character(card: Mapping[str, Any], installation: Installation, voice: Carried, text: Carried) -> Mapping[str, Any]:
    return {
        "provider": voice.name,
        "text_provider": text.name,
        **({"voice": voice_of(card)} if _takes_voice(card, voice) else {}),
        "master_name": person_of(installation.characters),
        "prompt": prompt_of(card, table(installation.characters, "主人")),
    }


def _takes_voice(card: Mapping[str, Any], voice: Carried) -> bool:
    return bool(voice_of(card)) and voice.table is not None


def _problem(name: str, character: Mapping[str, Any]) -> str:
    """What the configuration has against it, its providers left aside."""
    alone = {key: value for key, value in character.items() if key not in ("provider", "text_provider", "voice")}
    try:
        parse(tomli_w.dumps({"characters": {name: alone}}), "")
    except ConfigError as error:
        return error.problem
    return ""


def _left_of_card(name: str, card: Mapping[str, Any], voice: Carried) -> Iterator[str]:
    looks = looks_of(card)
    if looks:
        yield f"how {name} looks ({', '.join(looks)}): a client shows that"
    if voice_of(card) and not _takes_voice(card, voice):
        yield f"the voice of {name} ({voice_of(card)}): the embedded provider does not have it"


def _left_of_vendors(installation: Installation, *carried: Carried) -> Iterator[str]:
    if not installation.core:
        yield f"{CORE} says nothing: the characters talk by the embedded provider"
    elif not installation.providers:
        yield f"{PROVIDERS} is not there: the vendors' own addresses and models are used"
    yield from (each.why_not for each in carried if each.why_not)
    used = CARRIED | {each.secret.field for each in carried if each.secret}
    if any(each.name == "own-text" for each in carried):
        used |= OWN_ENDPOINT
    rest = [key for key, value in installation.core.items() if value and key not in used]
    if rest:
        yield f"{CORE}: {', '.join(rest)} (no such settings here)"
