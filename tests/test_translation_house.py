"""A person and a character who do not share a language, in a whole house on real sockets."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
import trio

from neko.app import Finding, House, Verdict, check, open_house
from neko.client import connect
from neko.client.character import CharacterClient
from neko.config.manager import ConfigManager
from neko.config.read import parse
from neko.config.store import OverrideStore
from neko.local.models import LANGUAGE_MODELS
from neko.local.weights import prepare
from neko.nurseries.manager import LLMSessionManager
from neko.protocol.client import InputType
from neko.protocol.server import AudioChunk, ReplyText, ServerMessage, Translation, TurnEnd
from neko.testing import ChatReply, TranslatorReply, open_chat, open_translators
from neko.translation.judge import load_judge
from neko.translation.with_googletrans import Googletrans
from neko.translation.with_translatepy import Translatepy

pytestmark = pytest.mark.slow

SCRIPTED = """
[translation]
step_timeout_s = {}
[providers.local]
kind = "local"
model = "scripted"
[characters.Yui]
"""
CHAT = """
[translation]
chain = ["llm"]
[providers.local]
kind = "local"
model = "scripted"
[providers.ollama]
kind = "chat"
url = "{}"
[characters.Yui]
text_provider = "ollama"
tts = "tone"
"""
GERMAN = "Ich bin eine Stimme und kein Mensch. Schön, dich zu hören!"


def config(tmp_path: Path, text: str) -> ConfigManager:
    return ConfigManager(parse(text, "neko.toml"), OverrideStore.in_folder(tmp_path))


@asynccontextmanager
async def a_house(tmp_path: Path, text: str) -> AsyncIterator[House]:
    async with open_house(config(tmp_path, text), host="127.0.0.1", port=0, on_progress=lambda *_: None) as house:
        await house.ready()
        yield house


async def until(client: CharacterClient, kind: type, got: list[ServerMessage]) -> None:
    async for message in client:
        got.append(message)
        if isinstance(message, kind):
            return


async def test_a_translator_that_hangs_keeps_nobody_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_translators(TranslatorReply.hangs()) as google, open_translators(said(GERMAN)) as others:
        monkeypatch.setattr("neko.app.translators.Googletrans", partial(Googletrans, google.url))
        monkeypatch.setattr("neko.app.translators.Translatepy", partial(Translatepy, gateway=others.url))
        async with a_house(tmp_path, SCRIPTED.format(3)) as house, connect(house.url, "Yui") as client:
            await client.start(InputType.TEXT, "de")
            got: list[ServerMessage] = []
            await client.send_text("Hallo!")
            await until(client, TurnEnd, got)
            told_at = trio.current_time()
            await google.asked(1)
            assert google.waiting == 1
            await until(client, Translation, got)
            assert trio.current_time() - told_at > 1  # it was told while the translator was still waited for
        first = got[-1]
        assert isinstance(first, Translation)
        assert (first.text, first.language) == (GERMAN, "de")
        kinds = [type(message) for message in got]
        assert kinds.index(AudioChunk) < kinds.index(TurnEnd) < kinds.index(Translation)
        assert {m.turn_id for m in got if isinstance(m, ReplyText | AudioChunk | TurnEnd)} == {first.turn_id}
        assert [len(each.questions) for each in (google, others)] == [1, 1]
        assert google.questions[0].text.startswith("I am a scripted voice")
        assert "happy" not in google.questions[0].text


async def test_the_end_of_the_session_waits_for_no_translator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_translators(TranslatorReply.hangs()) as vendor:
        monkeypatch.setattr("neko.app.translators.Googletrans", partial(Googletrans, vendor.url))
        monkeypatch.setattr("neko.app.translators.Translatepy", partial(Translatepy, gateway=vendor.url))
        async with a_house(tmp_path, SCRIPTED.format(30)) as house, connect(house.url, "Yui") as client:
            await client.start(InputType.TEXT, "de")
            await client.send_text("Hallo!")
            await until(client, TurnEnd, [])
            await vendor.asked(1)
            with trio.fail_after(2):
                await client.end()
                await vendor.idle()
                await client.start(InputType.TEXT)


async def test_nothing_is_sent_anywhere_for_who_speaks_the_character_s_language(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_translators() as vendor:
        monkeypatch.setattr("neko.app.translators.Googletrans", partial(Googletrans, vendor.url))
        monkeypatch.setattr("neko.app.translators.Translatepy", partial(Translatepy, gateway=vendor.url))
        async with a_house(tmp_path, SCRIPTED.format(5)) as house:
            for language in (None, "en-GB"):
                async with connect(house.url, "Yui") as client:
                    await client.start(InputType.TEXT, language)
                    await client.send_text("Hello!")
                    await until(client, TurnEnd, [])
        assert vendor.questions == []


async def test_the_character_s_own_model_translates(tmp_path: Path) -> None:
    hello, german = (
        ChatReply(pieces=("Good morning, my friend.",)),
        ChatReply(pieces=("Guten Morgen, ", "mein Freund.")),
    )
    got: list[ServerMessage] = []
    async with (
        open_chat(hello, german) as model,
        a_house(tmp_path, CHAT.format(model.url)) as house,
        connect(house.url, "Yui") as client,
    ):
        await client.start(InputType.TEXT, "de")
        await client.send_text("Hallo!")
        await until(client, Translation, got)
        question = await model.request(1)
    assert isinstance(got[-1], Translation)
    assert got[-1].text == "Guten Morgen, mein Freund."
    # It is told nothing of the conversation.
    assert [message["content"] for message in question.body["messages"]][1:] == ["Good morning, my friend."]


async def test_an_answer_of_the_model_goes_before_a_translation(tmp_path: Path) -> None:
    slow = ChatReply(pieces=("Gute ", "Nacht."), piece_after_s=60)
    answer, german = ChatReply(pieces=("The sea is calm.",)), ChatReply(pieces=("Gute Nacht, mein Freund.",))
    translations: list[str | None] = []

    async def translate(manager: LLMSessionManager) -> None:
        translations.append(await manager.translate_if_needed("Good night, my friend."))

    async with (
        open_chat(slow, answer, german) as model,
        a_house(tmp_path, CHAT.format(model.url)) as house,
        connect(house.url, "Yui") as client,
        trio.open_nursery() as nursery,
    ):
        manager = house.managers["Yui"]
        await client.start(InputType.TEXT)
        manager.language = "de"
        nursery.start_soon(translate, manager)
        await model.request(0)
        manager.language = None
        await client.send_text("How is the sea?")
        await until(client, TurnEnd, [])
        await model.request(2)
    asked = [request.body["messages"][-1]["content"] for request in model.requests]
    assert asked == ["Good night, my friend.", "How is the sea?", "Good night, my friend."]
    assert translations == ["Gute Nacht, mein Freund."]


async def test_a_scripted_persona_has_no_model_to_ask(tmp_path: Path) -> None:
    async with a_house(tmp_path, CHAT.replace('text_provider = "ollama"\n', "").format("http://127.0.0.1:9")) as house:
        manager = house.managers["Yui"]
        manager.language = "de"
        assert await manager.translate_if_needed("The sea is calm today.") is None
        metrics = house.metrics.exposition("")[0].decode()
        assert "neko_translations_total{" not in metrics


async def test_check_tells_which_steps_are_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def look(text: str) -> dict[str, Finding]:
        findings = {finding.subject: finding async for finding in check(config(tmp_path, text))}
        return {subject: found for subject, found in findings.items() if subject.startswith("translation")}

    steps = await look(CHAT.replace('["llm"]', '["googletrans", "translatepy", "llm"]').format("http://127.0.0.1:9"))
    assert [found.verdict for found in steps.values()] == [Verdict.OK] * 3
    assert "Google" in steps["translation googletrans"].detail
    assert steps["translation llm"].detail == "ollama for Yui"
    scripted = await look(SCRIPTED.format(5))
    assert scripted["translation llm"].verdict is Verdict.UNUSED
    off = await look("[translation]\nchain = []\n[characters.Yui]\n")
    assert off["translation"].detail == "turned off: translation.chain is empty"
    monkeypatch.setattr("neko.app.check_translators.find_spec", lambda _name: None)
    missing = await look(SCRIPTED.format(5))
    assert missing["translation translatepy"].detail.endswith("pip install 'neko[translate]'")
    assert missing["translation translatepy"].verdict is Verdict.UNUSED


async def test_the_embedded_model_translates_without_a_network(tmp_path: Path) -> None:
    small = await prepare(LANGUAGE_MODELS[-1], lambda *_: None)
    text = f"""
[translation]
chain = ["llm"]
step_timeout_s = 60
[providers.local]
kind = "local"
model = "{small}"
[characters.Yui]
"""
    judge = await load_judge()
    async with a_house(tmp_path, text) as house:
        manager = house.managers["Yui"]
        answers = {}
        for language in ("fr", "ja", "de"):
            manager.language = language
            answers[language] = await manager.translate_if_needed("Good morning.")
    assert answers["fr"] == "Bonjour."
    assert not any(judge.refutes(answer, language) for language, answer in answers.items() if answer)


def said(text: str) -> TranslatorReply:
    return TranslatorReply(text=text)
