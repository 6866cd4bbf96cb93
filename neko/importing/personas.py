"""From a character card of N.E.K.O. to a character's prompt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from neko.config.model import DEFAULT_PROMPT
from neko.importing.installation import table, words

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# Of a card: how the character looks and sounds, and what the program keeps for itself. The rest is its personality.
LOOKS = ("avatar", "live2d", "live3d", "vrm", "mmd", "pngtuber", "lighting", "model_type", "idleanimation", "item_id")
APART = ("_reserved", "voice_id", "system_prompt")
NAME, NICKNAME = "档案名", "昵称"
SOMEBODY = "my friend"


def prompt_of(card: Mapping[str, Any], person: Mapping[str, Any]) -> str:
    """Its own words, or else ours; then what the card says of the character, and of the person it talks to.

    Both keep the places `{LANLAN_NAME}` and `{MASTER_NAME}`, which are the same here and there.
    """
    own = words(card, "system_prompt") or words(table(card, "_reserved"), "system_prompt") or DEFAULT_PROMPT
    return "\n\n".join(
        [own, *_about("{LANLAN_NAME}", _traits(card)), *_about("{MASTER_NAME}", _traits(person, but=NAME))]
    )


def person_of(characters: Mapping[str, Any]) -> str:
    """What the characters call the person."""
    person = table(characters, "主人")
    return words(person, NAME) or words(person, NICKNAME) or SOMEBODY


def voice_of(card: Mapping[str, Any]) -> str:
    return words(card, "voice_id") or words(table(card, "_reserved"), "voice_id")


def looks_of(card: Mapping[str, Any]) -> list[str]:
    """The keys about its looks that say something."""
    avatar = [f"_reserved.avatar.{key}" for key, value in table(table(card, "_reserved"), "avatar").items() if value]
    return [key for key in card if _is_look(key) and card[key]] + avatar


def _is_look(key: str) -> bool:
    return any(look in key.lower() for look in LOOKS)


def _traits(card: Mapping[str, Any], but: str = "") -> Iterator[str]:
    for key, value in card.items():
        said = _said(value)
        if said and key not in (*APART, but) and not _is_look(key):
            yield f"- {key}: {said}"


def _said(value: Any) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case str() | int() | float():
            return str(value).strip()
        case list():
            return "; ".join(filter(None, map(_said, value)))
        case dict():
            return "; ".join(f"{key}: {_said(each)}" for key, each in value.items() if _said(each))
        case _:
            return ""


def _about(whom: str, traits: Iterator[str]) -> Iterator[str]:
    lines = list(traits)
    if lines:
        yield "\n".join([f"About {whom}:", *lines])
