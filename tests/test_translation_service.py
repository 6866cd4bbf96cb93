"""A chain of translators: who is asked, for how long, and whose answer counts."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import EntryPoint
from itertools import pairwise
from math import inf

import pytest
import trio
from attrs import define, field
from structlog.testing import capture_logs
from trio.testing import MockClock, Sequencer, wait_all_tasks_blocked

from neko.config.errors import ConfigError
from neko.config.model import Translation
from neko.config.read import parse
from neko.telemetry.metrics import Metrics
from neko.translation import step as steps_module
from neko.translation.judge import Judge
from neko.translation.memory import KEPT
from neko.translation.service import BUDGET_MOST_S, LONGEST, TranslationService
from neko.translation.step import NotInstalled, Step, StepFailed

STEP_S = 5.0


def rank(text: str) -> Sequence[tuple[str, float]]:
    """Words of three languages, for a judge that knows no others."""
    words = {"en": {"the", "sea", "good"}, "de": {"das", "meer", "gut"}, "fr": {"la", "mer", "bon"}}
    found = {language: len(known & {*text.lower().split()}) for language, known in words.items()}
    return [(language, 0.9 * count / max(1, sum(found.values()))) for language, count in found.items()]


@define
class Fake:
    """Answers with `answer`, or raises it, after `takes_s`."""

    answer: str | Exception = "das Meer"
    takes_s: float = 0
    asked: list[tuple[str, str, str]] = field(factory=list)
    at_work: int = 0

    async def __call__(self, text: str, spoken: str, wanted: str) -> str:
        self.asked.append((text, spoken, wanted))
        self.at_work += 1
        try:
            await trio.sleep(self.takes_s)
        finally:
            self.at_work -= 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class Stage:
    """A service with the steps `one`, `two` and, where the chain names it, `llm`."""

    def __init__(self, one: Fake | None = None, two: Fake | None = None) -> None:
        self.one, self.two, self.model = one or Fake(), two or Fake("Das Meer"), Fake("gut")
        self.settings = Translation(chain=("one", "two"), step_timeout_s=STEP_S)
        self.metrics = Metrics()
        steps = {"one": self.one, "two": self.two}
        self.service = TranslationService(lambda: self.settings, steps, self.metrics, self._judge)

    async def _judge(self) -> Judge:
        await trio.lowlevel.checkpoint()
        return Judge(rank)

    def chain(self, *names: str) -> None:
        self.settings = Translation(chain=names, step_timeout_s=STEP_S)

    async def ask(self, text: str = "the sea", wanted: str = "de") -> str | None:
        return await self.service.translate(text, "en", wanted, Step("llm", self.model))

    def counted(self) -> dict[tuple[str, str], float]:
        return {
            (sample.labels["step"], sample.labels["outcome"]): sample.value
            for metric in self.metrics.translations.collect()
            for sample in metric.samples
            if sample.name.endswith("_total")
        }


async def test_the_first_step_that_answers_counts(autojump_clock: MockClock) -> None:
    stage = Stage(Fake(StepFailed("the service says no"), takes_s=1))
    assert await stage.ask() == "Das Meer"
    assert stage.one.asked == stage.two.asked == [("the sea", "en", "de")]
    assert trio.current_time() == 1
    assert stage.counted() == {("one", "failed"): 1, ("two", "translated"): 1}


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        ("", "failed"),
        (" \n", "failed"),
        ("The sea", "unchanged"),
        ("la mer", "wrong_language"),
        (RuntimeError("la la la"), "failed"),
        (ExceptionGroup("", [RuntimeError("la la la")]), "failed"),
        (NotInstalled("one"), "missing"),
    ],
)
async def test_what_is_no_translation_is_left_to_the_next(
    answer: str | Exception, outcome: str, autojump_clock: MockClock
) -> None:
    stage = Stage(Fake(answer))
    with capture_logs() as logs:
        assert await stage.ask() == "Das Meer"
    assert stage.counted()["one", outcome] == 1
    assert "the sea" not in str(logs)
    assert "la la la" not in str(logs)  # it may quote the text


async def test_each_step_has_its_time_and_all_of_them_a_budget(autojump_clock: MockClock) -> None:
    stage = Stage(Fake(takes_s=inf), Fake(takes_s=inf))
    assert await stage.ask() is None
    assert trio.current_time() == 2 * STEP_S
    assert (stage.one.at_work, stage.two.at_work) == (0, 0)
    assert stage.counted() == {("one", "late"): 1, ("two", "late"): 1}


async def test_the_budget_of_a_long_chain_is_bounded(autojump_clock: MockClock) -> None:
    stage = Stage(Fake(takes_s=inf), Fake(takes_s=inf))
    stage.settings = Translation(chain=("one", "two"), step_timeout_s=BUDGET_MOST_S - 1)
    assert await stage.ask() is None
    assert trio.current_time() == BUDGET_MOST_S


async def test_an_answer_that_comes_late_is_not_taken(autojump_clock: MockClock) -> None:
    stage = Stage(Fake("das meer", takes_s=STEP_S + 0.001))
    assert await stage.ask() == "Das Meer"
    assert trio.current_time() == STEP_S


async def test_a_step_that_fails_rests_longer_each_time_and_is_asked_again(autojump_clock: MockClock) -> None:
    stage = Stage(Fake(takes_s=inf))
    asked_at: list[float] = []
    for number in range(600):
        before = len(stage.one.asked)
        await stage.ask(f"the sea {number}")
        asked_at += [trio.current_time() - STEP_S] * (len(stage.one.asked) - before)
        await trio.sleep(1)
    gaps = [later - earlier for earlier, later in pairwise(asked_at)]
    assert all(10 <= gap <= 310 for gap in gaps)
    assert max(gaps) > 25
    assert 5 <= len(gaps) < 30
    assert len(stage.two.asked) == 600
    stage.one.takes_s = 0
    await trio.sleep(300)
    for number in range(3):
        assert await stage.ask(f"the good sea {number}") == "das Meer"  # and it does not rest any more


async def test_a_language_that_a_step_cannot_write_costs_no_other_language_its_help(autojump_clock: MockClock) -> None:
    stage = Stage(Fake("la mer"))
    stage.chain("one")
    assert await stage.ask() is None
    assert await stage.ask("the good sea") is None  # it rests
    stage.one.answer = "la mer"
    assert await stage.ask(wanted="fr") == "la mer"
    assert [asked[2] for asked in stage.one.asked] == ["de", "fr"]
    await trio.sleep(20)
    stage.one.answer = "das Meer"
    assert await stage.ask() == "das Meer"


async def test_a_judge_that_is_not_there_in_time_is_told_of(autojump_clock: MockClock) -> None:
    async def never() -> Judge:
        await trio.sleep_forever()
        raise AssertionError

    stage = Stage()
    stage.service = TranslationService(lambda: stage.settings, {"one": stage.one}, stage.metrics, never)
    with capture_logs() as logs:
        assert await stage.ask() is None
    assert trio.current_time() == 2 * STEP_S
    assert stage.counted() == {("judge", "late"): 1}
    assert [(entry["step"], entry["outcome"]) for entry in logs] == [("judge", "late")]


async def test_what_is_not_installed_is_never_asked_again(autojump_clock: MockClock) -> None:
    stage = Stage(Fake(NotInstalled("googletrans")))
    with capture_logs() as logs:
        for number in range(3):
            await stage.ask(f"the sea {number}")
            await trio.sleep(1_000)
    assert len(stage.one.asked) == 1
    assert [entry["details"] for entry in logs] == ["googletrans is not installed: pip install 'neko[translate]'"]


async def test_names_do_not_make_a_step_rest(autojump_clock: MockClock) -> None:
    stage = Stage(Fake("Yui!"), Fake("yui!"))
    assert await stage.ask("Yui!") is None
    stage.one.answer = "das Meer"
    assert await stage.ask() == "das Meer"


async def test_what_is_in_the_wanted_language_is_not_sent_anywhere(autojump_clock: MockClock) -> None:
    stage = Stage()
    assert await stage.ask("das Meer") is None
    assert await stage.ask("the sea", wanted="en-GB") is None
    assert await stage.ask("  \n") is None
    assert await stage.ask("the sea " * LONGEST) is None
    stage.chain()
    assert await stage.ask() is None
    assert stage.one.asked == []


async def test_a_language_that_the_judge_does_not_know_is_believed(autojump_clock: MockClock) -> None:
    stage = Stage(Fake("la mer"))
    assert await stage.ask(wanted="tlh") == "la mer"


async def test_a_translation_is_kept_and_a_failure_is_not(autojump_clock: MockClock) -> None:
    stage = Stage()
    stage.chain("one")
    for _ in range(3):
        assert await stage.ask(" the sea ") == "das Meer"
    assert len(stage.one.asked) == 1
    await stage.ask(wanted="fr")
    assert [asked[2] for asked in stage.one.asked] == ["de", "fr"]
    await trio.sleep(20)
    stage.one.answer = "la mer"
    assert await stage.ask(wanted="fr") == "la mer"


async def test_no_more_are_kept_than_there_is_room_for(autojump_clock: MockClock) -> None:
    stage = Stage()
    for number in range(KEPT + 1):
        await stage.ask(f"the sea {number}")
        await stage.ask("the sea 0")  # asked for again and again, it stays
    await stage.ask("the sea 1")
    assert [text for text, *_ in stage.one.asked].count("the sea 0") == 1
    assert [text for text, *_ in stage.one.asked].count("the sea 1") == 2


async def test_what_is_asked_twice_at_the_same_time_is_translated_once(autojump_clock: MockClock) -> None:
    stage, answers = Stage(Fake(takes_s=2)), list[str | None]()

    async def ask() -> None:
        answers.append(await stage.ask())

    async with trio.open_nursery() as nursery:
        for _ in range(10):
            nursery.start_soon(ask)
    assert answers == ["das Meer"] * 10
    assert len(stage.one.asked) == 1


async def test_a_failure_is_one_for_all_who_wait_for_it(autojump_clock: MockClock) -> None:
    stage, answers = Stage(Fake("The sea", takes_s=2)), list[str | None]()
    stage.chain("one")

    async def ask() -> None:
        answers.append(await stage.ask())

    async with trio.open_nursery() as nursery:
        for _ in range(10):
            nursery.start_soon(ask)
    assert answers == [None] * 10
    assert len(stage.one.asked) == 1


async def test_when_the_first_who_asked_goes_the_next_takes_over(autojump_clock: MockClock) -> None:
    stage, answers, order = Stage(Fake(takes_s=2)), list[str | None](), Sequencer()

    async def ask(number: int, scope: trio.CancelScope) -> None:
        async with order(number):
            pass
        with scope:
            answers.append(await stage.ask())

    scopes = [trio.CancelScope() for _ in range(3)]
    async with trio.open_nursery() as nursery:
        for number, scope in enumerate(scopes):
            nursery.start_soon(ask, number, scope)
        await trio.sleep(1)
        scopes[0].cancel()
        await wait_all_tasks_blocked()
        assert stage.one.at_work == 1
    assert answers == ["das Meer"] * 2
    assert len(stage.one.asked) == 2
    assert trio.current_time() == 3


async def test_the_model_is_the_last_step_and_without_one_that_is_said_once(autojump_clock: MockClock) -> None:
    stage = Stage(Fake(StepFailed("offline")), Fake(StepFailed("offline")))
    stage.chain("one", "two", "llm")
    assert await stage.ask() == "gut"
    assert await stage.ask("the good sea") == "gut"
    assert len(stage.one.asked) == 1  # what is offline costs one sentence its time
    with capture_logs() as logs:
        for number in range(3):
            assert await stage.service.translate(f"the sea {number}", "en", "de") is None
    assert [entry["event"] for entry in logs] == ["translation.no_model"]


async def test_a_changed_configuration_counts_from_the_next_text_on(autojump_clock: MockClock) -> None:
    stage = Stage()
    assert await stage.ask("the sea 1") == "das Meer"
    stage.chain("two", "one")
    assert await stage.ask("the sea 2") == "Das Meer"
    stage.settings = Translation(chain=("one",), step_timeout_s=1)
    stage.one.takes_s = 2
    assert await stage.ask("the sea 3") is None
    assert trio.current_time() == 1


# --- others' ----------------------------------------------------------------------------------------------------------

CHAIN = '[translation]\nchain = ["papagei"]\n[characters.Yui]\n'


async def papagei(text: str, spoken: str, wanted: str) -> str:
    """As a package of somebody else would bring it."""
    await trio.lowlevel.checkpoint()
    return f"das Meer ({text}, {spoken}, {wanted})"


def install(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    def entry_points(*, group: str) -> list[EntryPoint]:
        assert group == "neko.translators"
        return [EntryPoint("papagei", value, group)]

    monkeypatch.setattr(steps_module, "entry_points", entry_points)
    monkeypatch.setattr("neko.config.check.entry_points", entry_points)


async def test_a_package_of_somebody_else_brings_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, f"{__name__}:papagei")
    settings = parse(CHAIN, "neko.toml").translation
    judge = Stage()._judge
    service = TranslationService(lambda: settings, {}, Metrics(), judge)
    assert await service.translate("the sea", "en-GB", "zh-TW") == "das Meer (the sea, en, zh-Hant)"


def test_what_is_installed_is_accepted_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, f"{__name__}:papagei")
    with pytest.raises(ConfigError) as refused:
        parse(CHAIN.replace("papagei", "papagai"), "neko.toml")
    assert "did you mean papagei?; accepted: googletrans, translatepy, llm, papagei" in str(refused.value)


async def test_one_that_cannot_be_loaded_is_a_step_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, "no.such.module:papagei")
    stage = Stage()
    stage.settings = Translation(chain=("papagei", "one"))
    service = TranslationService(lambda: stage.settings, {"one": stage.one}, Metrics(), stage._judge)
    assert await service.translate("the sea", "en", "de") == "das Meer"


def test_a_chain_that_names_what_is_not_installed_is_refused_in_words() -> None:
    with pytest.raises(ConfigError) as refused:
        parse(CHAIN, "neko.toml")
    assert 'translation.chain[0] is "papagei", which is not configured' in str(refused.value)
    assert "accepted: googletrans, translatepy, llm" in str(refused.value)
