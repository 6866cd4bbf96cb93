"""The public translation services, as their own libraries reach them, against stand-ins on 127.0.0.1."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager

import pytest
import trio

from neko.config.model import Translation
from neko.telemetry.metrics import Metrics
from neko.testing import TranslatorReply, Translators, open_translators
from neko.translation.judge import load_judge
from neko.translation.service import TranslationService
from neko.translation.step import Translator
from neko.translation.with_googletrans import Googletrans
from neko.translation.with_translatepy import Translatepy

pytestmark = pytest.mark.slow  # libraries that take half a second to load

PATIENCE_S = 0.4  # of a step; it includes threads and sockets of a busy machine


@pytest.fixture(autouse=True)
def _without_what_translatepy_remembers() -> None:
    from translatepy.translators.base import BaseTranslator

    BaseTranslator._translations_cache.clear()


@asynccontextmanager
async def services(first: Translators, second: Translators, within_s: float = 20) -> AsyncIterator[TranslationService]:
    """googletrans asks the first stand-in, translatepy the second."""
    settings = Translation(chain=("googletrans", "translatepy"), step_timeout_s=within_s)
    metrics = Metrics()
    async with aclosing(Googletrans(first.url)) as googletrans:
        # All is loaded, so that what is measured is patience.
        await load_judge()
        await googletrans("warm", "en", "de")
        translatepy = Translatepy(metrics, second.url)
        await translatepy("warm", "en", "de")
        first.questions.clear()
        second.questions.clear()
        steps: dict[str, Translator] = {"googletrans": googletrans, "translatepy": translatepy}
        yield TranslationService(lambda: settings, steps, metrics)


@asynccontextmanager
async def stage(
    first: TranslatorReply, second: TranslatorReply, within_s: float = 20
) -> AsyncIterator[tuple[TranslationService, Translators, Translators]]:
    async with open_translators() as one, open_translators() as other, services(one, other, within_s) as service:
        one.replies, other.replies = (first,), (second,)
        yield service, one, other


def said(text: str) -> TranslatorReply:
    return TranslatorReply(text=text)


async def test_the_first_answer_counts_and_the_second_is_not_asked() -> None:
    async with stage(said("Guten Morgen."), said("Schönen Morgen.")) as (service, first, second):
        assert await service.translate("Good morning.", "en", "de") == "Guten Morgen."
        (question,) = first.questions
        assert (question.host, question.text) == ("translate.googleapis.com", "Good morning.")
        assert (question.spoken, question.wanted) == ("en", "de")
        assert second.questions == []


@pytest.mark.parametrize(
    "bad",
    [
        TranslatorReply.hangs(),
        TranslatorReply(status=429),
        TranslatorReply(status=503),
        TranslatorReply(garbage=True),
        TranslatorReply(text=""),
        TranslatorReply(text=None),
        said("La mer est calme aujourd'hui."),
        TranslatorReply(after_s=PATIENCE_S + 0.3),
    ],
    ids=["hangs", "busy", "down", "garbage", "empty", "unchanged", "another language", "late"],
)
async def test_when_the_first_is_of_no_use_the_second_answers(bad: TranslatorReply) -> None:
    async with stage(bad, said("Das Meer ist heute ruhig."), 2 if bad.after_s == 0 else PATIENCE_S) as (
        service,
        first,
        second,
    ):
        assert await service.translate("The sea is calm today.", "en", "de") == "Das Meer ist heute ruhig."
        assert [len(each.questions) for each in (first, second)] == [1, 1]
        with trio.fail_after(5):
            await first.idle()  # whoever gave up has hung up


async def test_when_nobody_is_of_use_there_is_none_within_the_budget() -> None:
    hangs = TranslatorReply.hangs()
    async with stage(hangs, hangs, PATIENCE_S) as (service, first, second):
        began = trio.current_time()
        assert await service.translate("The sea is calm today.", "en", "de") is None
        assert trio.current_time() - began < 2 * PATIENCE_S + 0.3
        began = trio.current_time()
        assert await service.translate("The moon is full.", "en", "de") is None
        assert trio.current_time() - began < 0.1  # both rest
        assert [len(each.questions) for each in (first, second)] == [1, 1]


async def test_a_thread_that_nobody_waits_for_is_counted_and_asks_nobody_else() -> None:
    metrics = Metrics()
    async with open_translators(TranslatorReply(), TranslatorReply.hangs()) as vendor:
        translatepy = Translatepy(metrics, vendor.url)
        await translatepy("warm", "en", "de")
        vendor.tried.clear()
        with trio.move_on_after(PATIENCE_S) as waiting:
            await translatepy("The sea is calm today.", "en", "de")
        assert waiting.cancelled_caught
        assert vendor.waiting == 1
        assert 'neko_abandoned_calls_total{vendor="translatepy"} 1.0' in metrics.exposition("")[0].decode()
        tried = len(vendor.tried)
    # The stand-in is gone, so that the request fails; the thread would go on to the next of nine services.
    async with open_translators() as other:
        assert other.questions == []
        assert len(vendor.tried) == tried


async def test_chinese_in_the_script_that_is_wanted() -> None:
    async with stage(said("早安，由依。"), said("早上好，由依。")) as (service, first, second):
        assert await service.translate("Good morning, Yui.", "en", "zh-TW") == "早安，由依。"
        first.replies = (TranslatorReply(status=503),)
        assert await service.translate("Good morning, Yui.", "en", "zh-CN") == "早上好，由依。"
        assert [question.wanted for question in (*first.questions, *second.questions)] == ["zh-tw", "zh-cn", "zh-cn"]


async def test_fifty_at_once_are_one_question() -> None:
    answers: list[str | None] = []

    async def ask(service: TranslationService) -> None:
        answers.append(await service.translate("Good morning.", "en", "de"))

    async with stage(TranslatorReply(after_s=0.1), said("")) as (service, first, _):
        async with trio.open_nursery() as nursery:
            for _ in range(50):
                nursery.start_soon(ask, service)
        assert answers == ["Guten Morgen."] * 50
        assert len(first.questions) == 1
