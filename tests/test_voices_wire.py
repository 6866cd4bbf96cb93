"""Every vendor's voice, driven by what its documentation says: what is asked, what is heard, and what goes wrong."""

from __future__ import annotations

import pytest
import trio

from neko.testing.voices.script import Script, say
from neko.tts.remote import RemoteVoice
from neko.tts.signals import Began, Ended, Failed, Ready
from neko.tts.tone import ToneVoice
from neko.tts.voice import Voice
from tests.voice_stage import KINDS, Golden, Speech, golden, matches, open_lines

INTERRUPTED_WITHIN = 0.05  # seconds
ELSEWHERE = ("cosyvoice", "elevenlabs", "gemini", "glm", "gpt-sovits", "minimax", "openai", "qwen", "step")
ANSWERED = 5.0  # seconds; on loopback it takes milliseconds


@pytest.fixture(params=KINDS)
def vendor(request: pytest.FixtureRequest) -> Golden:
    return golden(request.param)


@pytest.fixture
def one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests reach the server in the order of their sentences."""
    monkeypatch.setattr(RemoteVoice, "AT_ONCE", 1)


def test_each_vendor_has_an_exchange_and_its_source() -> None:
    assert tuple(KINDS) == ELSEWHERE
    assert all(golden(kind).source.startswith("https://") for kind in KINDS)


async def test_the_text_becomes_exactly_the_sound_that_the_vendor_sends(vendor: Golden) -> None:
    async with vendor.serve(vendor.script()) as server, open_lines() as lines:
        voice = vendor.open(server, lines)
        with trio.fail_after(ANSWERED):
            assert await Speech(voice).say(vendor.text) == [
                Ready(voice.rate),
                Began(vendor.text),
                vendor.pcm,
                Ended(),
            ]
            await server.left()
        (request,) = server.requests
    assert request.target == vendor.target
    assert vendor.headers.items() <= request.headers.items()
    assert matches(vendor.asked, request.messages)


async def test_an_interruption_ends_a_vendor_that_has_fallen_silent(vendor: Golden) -> None:
    for stall_after in (0, vendor.first_sound):
        async with vendor.serve(vendor.script(stall_after=stall_after)) as server, open_lines() as lines:
            speech = Speech(vendor.open(server, lines))
            async with trio.open_nursery() as nursery:
                nursery.start_soon(speech.run)
                await speech.texts.send(vendor.text)
                with trio.fail_after(ANSWERED):
                    await server.asked(1)
                    await server.has_said(0, stall_after)
                    assert await speech.heard.receive() == Ready(speech.cast.rate)
                    while stall_after and not isinstance(await speech.heard.receive(), bytes):
                        pass
                began = trio.current_time()
                nursery.cancel_scope.cancel()
            assert trio.current_time() - began < INTERRUPTED_WITHIN
            assert speech.limiter.borrowed_tokens == 0
            assert [each async for each in speech.heard] == [Ended(interrupted=True)]
            with trio.fail_after(ANSWERED):
                await server.left()


async def test_a_stream_that_breaks_off_loses_its_sentence_and_says_so_once(
    vendor: Golden, one_at_a_time: None
) -> None:
    broken, whole = vendor.script(cut_after=vendor.first_sound), vendor.script()
    async with vendor.serve(broken, whole, broken, whole) as server, open_lines() as lines:
        voice = vendor.open(server, lines)
        speech = Speech(voice)
        with trio.fail_after(ANSWERED):
            first = await speech.say("One.", "Two.")
            second = await speech.say("Three.", "Four.")
    for heard, lost, spoken in ((first, "One.", "Two."), (second, "Three.", "Four.")):
        *_, failed, began, sound, ended = heard
        assert isinstance(failed, Failed)
        assert (failed.text, failed.instead, failed.news) == (lost, None, True)
        assert failed.why.startswith(f"the voice {vendor.kind} broke off")
        assert [began, sound, ended] == [Began(spoken), vendor.pcm, Ended()]


async def test_a_refused_key_is_a_sentence_that_says_what_to_do_and_another_voice_speaks(
    vendor: Golden, one_at_a_time: None
) -> None:
    refusing = vendor.script(refuse_status=401, refusal="no such key")
    async with vendor.serve(refusing) as server, open_lines() as lines:
        voice = vendor.open(server, lines)
        tone = ToneVoice(rate=voice.rate)
        with trio.fail_after(ANSWERED):
            ready, failed, *spoken = await Speech(voice, tone).say("One.", "Two.")
        assert len(server.requests) == 1  # it is not asked again before its rest is over
    assert ready == Ready(voice.rate)
    assert isinstance(failed, Failed)
    assert (failed.instead, failed.news) == ("voice1", True)
    assert failed.why.startswith(
        f"the voice {vendor.kind} refused the API key: check the variable that api_key_env names"
    )
    one, two = (b"".join(tone.synthesize(text)) for text in ("One.", "Two."))
    assert spoken == [Began("One."), one, Began("Two."), two, Ended()]


async def test_a_vendor_that_cannot_be_reached_is_tried_twice(vendor: Golden) -> None:
    async with open_lines() as lines:
        async with vendor.serve(vendor.script()) as server:
            voice = vendor.open(server, lines)
        with trio.fail_after(ANSWERED):
            heard = await Speech(voice, ToneVoice(rate=voice.rate)).say("One.")
    failures = [each for each in heard if isinstance(each, Failed)]
    assert [(each.instead, each.news) for each in failures] == [("voice0", False), ("voice1", True)]
    assert isinstance(heard[-2], bytes)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if golden(kind).transport == "websocket"])
async def test_a_message_that_is_no_json_is_a_failure_that_shows_it(kind: str) -> None:
    vendor = golden(kind)
    vendor.exchange = [{"server_text": "<html>"}]
    async with vendor.serve(vendor.script(stall_after=1)) as server, open_lines() as lines:
        heard = await Speech(vendor.open(server, lines)).say("One.")
    failures = [each.why for each in heard if isinstance(each, Failed)]
    assert failures == [f"the voice {kind} sent something that is no JSON object: '<html>'"] * 2


async def test_three_sentences_are_in_the_making_and_heard_in_order() -> None:
    openai = golden("openai")
    texts = [f"Number {number}." for number in range(7)]
    # The first takes longest, so that each is there before its turn.
    scripts = [say(bytes([number] * 8), first_after_s=0.15 - number * 0.02) for number in range(7)]
    async with openai.serve(*scripts) as server, open_lines() as lines:
        speech = Speech(openai.open(server, lines))
        with trio.fail_after(ANSWERED):
            _, *heard, ended = await speech.say(*texts)
        assert server.most_open == 3
        # Those that are asked for at the same time arrive in any order.
        made = {request.messages[0]["input"]: bytes([number] * 8) for number, request in enumerate(server.requests)}
    assert sorted(made) == texts
    assert [*heard, ended] == [*(each for text in texts for each in (Began(text), made[text])), Ended()]


@pytest.mark.slow
async def test_every_vendor_is_heard_in_the_order_of_its_sentences(vendor: Golden) -> None:
    texts = [f"{vendor.text} {number}." for number in range(5)]
    # Whichever is asked for first is the last to be there.
    scripts = (vendor.script(first_after_s=0.4), vendor.script(first_after_s=0.2))
    async with vendor.serve(*scripts) as server, open_lines() as lines:
        voice = vendor.open(server, lines)
        with trio.fail_after(ANSWERED):
            ready, *heard, ended = await Speech(voice).say(*texts)
        assert server.most_open == at_once(voice)
        assert len(server.requests) == len(texts)
    assert [ready, ended] == [Ready(voice.rate), Ended()]
    assert heard == [each for text in texts for each in (Began(text), vendor.pcm)]


async def test_while_nobody_listens_no_vendor_is_asked_for_more(vendor: Golden) -> None:
    async with vendor.serve(vendor.script()) as server, open_lines() as lines:
        voice = vendor.open(server, lines)
        speech = Speech(voice, room=0)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(speech.run)
            await speech.texts.send(vendor.text)
            assert [await speech.heard.receive() for _ in range(2)] == [Ready(voice.rate), Began(vendor.text)]
            with trio.move_on_after(0.2) as waited:  # real time: more would have been asked for
                while True:
                    await speech.texts.send(vendor.text)
            assert waited.cancelled_caught
            assert len(server.requests) == at_once(voice)
            nursery.cancel_scope.cancel()


def at_once(voice: Voice) -> int:
    assert isinstance(voice, RemoteVoice)
    return voice.AT_ONCE


async def test_a_key_that_is_repeated_in_its_refusal_is_not_shown(vendor: Golden) -> None:
    vendor.key = "sk-mistyped"
    refusing = vendor.script(refuse_status=401, refusal="no such key: sk-mistyped")
    async with vendor.serve(refusing) as server, open_lines() as lines:
        with trio.fail_after(ANSWERED):
            heard = await Speech(vendor.open(server, lines)).say(vendor.text)
    failed = next(each for each in heard if isinstance(each, Failed))
    assert "no such key: [the key]" in failed.why


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (say(b"<html>Hello</html>", content_type="text/html; charset=utf-8"), "answered with a web page: check url"),
        (say(), "made no sound"),
    ],
)
@pytest.mark.parametrize("kind", ["openai", "elevenlabs"])
async def test_an_answer_without_a_voice_in_it_is_a_failure(kind: str, answer: Script, why: str) -> None:
    vendor = golden(kind)
    async with vendor.serve(answer) as server, open_lines() as lines:
        with trio.fail_after(ANSWERED):
            heard = await Speech(vendor.open(server, lines)).say(vendor.text)
    assert not [each for each in heard if isinstance(each, bytes)]
    failed = next(each for each in heard if isinstance(each, Failed))
    assert failed.why.startswith(f"the voice {kind} {why}")
