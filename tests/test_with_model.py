"""The step `llm`: what a model is told, and what of its answer counts."""

from __future__ import annotations

import pytest
import trio

from neko.translation.step import StepFailed
from neko.translation.with_model import model_step


async def translate(answer: str, text: str = "Good morning.", wanted: str = "de") -> tuple[str, tuple[str, str, int]]:
    asked: list[tuple[str, str, int]] = []

    async def ask(instructions: str, text: str, longest: int) -> str:
        asked.append((instructions, text, longest))
        await trio.lowlevel.checkpoint()
        return answer[:longest]

    return await model_step("llm", ask).translate(text, "en", wanted), asked[0]


async def test_a_model_is_told_the_names_of_languages_and_the_text_alone() -> None:
    said, (instructions, text, longest) = await translate("Guten Morgen.")
    assert said == "Guten Morgen."
    assert "from English into German" in instructions
    assert (text, longest) == ("Good morning.", 152)
    assert "into Chinese (Traditional)." in (await translate("早安。", wanted="zh-Hant"))[1][0]
    assert "into tlh." in (await translate("nuqneH", wanted="tlh"))[1][0]


@pytest.mark.parametrize(
    ("answer", "text", "said"),
    [
        ('"Guten Morgen."', "Good morning.", "Guten Morgen."),
        ("„Guten Morgen.“", "Good morning.", "Guten Morgen."),
        ("「おはよう。」", "Good morning.", "おはよう。"),
        ('"Guten Morgen."', '"Good morning."', '"Guten Morgen."'),
        ('"Ja" heißt "yes".', "“Yes” is yes.", '"Ja" heißt "yes".'),
        ('"Ja" heißt "yes"', "It is yes", '"Ja" heißt "yes"'),
        ("<think>German, then.</think>\n\nGuten Morgen.", "Good morning.", "Guten Morgen."),
        ("<think>Hmm, the person wants", "Good morning.", ""),
        ('"', "Hi", '"'),
        ("", "Hi", ""),
    ],
)
async def test_what_is_not_the_translation_is_taken_away(answer: str, text: str, said: str) -> None:
    assert (await translate(answer, text))[0] == said


async def test_a_model_that_talks_on_has_not_translated() -> None:
    with pytest.raises(StepFailed):
        await translate("Guten Morgen. " * 100)
