"""The step `llm`: whatever language model the character writes with, the embedded one offline."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable

from neko.translation.step import Step, StepFailed

Ask = Callable[[str, str, int], Awaitable[str]]
"""What a model answers under these instructions to that text, and no more than so many characters of it. Whatever it
raises means that there is no answer."""

INSTRUCTIONS = "You are a translator. Translate what the user says from {} into {}. Answer with the translation only."
LONGER, MORE = 4, 100  # times, characters: no translation is so much longer; a model that talks on is stopped there
# What models know the tags by. Of any other language they are given the tag.
NAMES = {
    "ar": "Arabic",
    "bg": "Bulgarian",
    "cs": "Czech",
    "da": "Danish",
    "de": "German",
    "el": "Greek",
    "en": "English",
    "es": "Spanish",
    "fi": "Finnish",
    "fr": "French",
    "he": "Hebrew",
    "hi": "Hindi",
    "hu": "Hungarian",
    "id": "Indonesian",
    "it": "Italian",
    "ja": "Japanese",
    "ko": "Korean",
    "ms": "Malay",
    "nb": "Norwegian",
    "nl": "Dutch",
    "no": "Norwegian",
    "pl": "Polish",
    "pt": "Portuguese",
    "ro": "Romanian",
    "ru": "Russian",
    "sv": "Swedish",
    "th": "Thai",
    "tr": "Turkish",
    "uk": "Ukrainian",
    "vi": "Vietnamese",
    "yue": "Cantonese",
    "zh": "Chinese (Simplified)",
    "zh-Hant": "Chinese (Traditional)",
}
THOUGHTS = re.compile(r"<think>.*?(</think>|$)", re.DOTALL)  # of models that think aloud
QUOTES = {'"': '"', "“": "”", "„": "“", "«": "»", "「": "」"}


def model_step(name: str, ask: Ask) -> Step:
    """The step of one model; `name` tells it from those of other models."""

    async def translate(text: str, spoken: str, wanted: str) -> str:
        longest = LONGER * len(text) + MORE
        answer = await ask(INSTRUCTIONS.format(_name(spoken), _name(wanted)), text, longest)
        if len(answer) >= longest:
            raise StepFailed("the model's answer is far longer than what it was to translate")
        return _unquoted(THOUGHTS.sub("", answer).strip(), text)

    return Step(name, translate)


def _name(tag: str) -> str:
    return NAMES.get(tag, tag)


def _unquoted(answer: str, text: str) -> str:
    """Without the quotation marks that the text does not have."""
    closing = QUOTES.get(answer[:1])
    quoted = closing is not None and answer.endswith(closing) and answer.count(closing) <= 2 and len(answer) > 1
    return answer[1:-1] if quoted and text[:1] not in QUOTES else answer
