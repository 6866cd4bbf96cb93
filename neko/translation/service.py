"""`TranslationService`: a chain of steps; the first answer that is in the wanted language counts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import assert_never

import trio
from attrs import define, field, frozen

from neko.config.model import Translation
from neko.telemetry import get_logger
from neko.telemetry.metrics import Metrics
from neko.translation.judge import Judge, Judging, load_judge
from neko.translation.memory import Asked, Memory
from neko.translation.outcome import Outcome, Result
from neko.translation.rest import Rests
from neko.translation.step import NotInstalled, Step, StepFailed, Translator, plugged_in
from neko.translation.tags import written

log = get_logger("translation")

MODEL = "llm"  # the step that is another one for each character
JUDGE = "judge"  # as the log and the metrics call it: no step, and what every step waits for
BUDGET_MOST_S = 30.0  # for all steps together: by then the conversation is elsewhere
LONGEST = 5_000  # characters; more no service takes at once, and no reply is longer


@define(eq=False)
class UnderWay:
    """A translation that somebody is at. `known`: it ended by itself, and `answer` is what came of it."""

    over: trio.Event = field(factory=trio.Event)
    known: bool = False
    answer: str | None = None


@frozen
class Call:
    """How one text is to be translated, and until when."""

    settings: Translation
    model: Step | None
    until: float


class TranslationService:
    """Shared by any number of tasks. `steps` are those that every chain may name, beside `llm` and the plugged-in ones.

    `settings` is read for each text, so that a changed configuration counts from the next one on.
    """

    def __init__(
        self,
        settings: Callable[[], Translation],
        steps: Mapping[str, Translator],
        metrics: Metrics,
        judging: Judging = load_judge,
    ) -> None:
        self._settings = settings
        self._steps = {**plugged_in(), **steps}
        self._metrics = metrics
        self._judging = judging
        self._memory = Memory()
        self._under_way: dict[Asked, UnderWay] = {}
        self._rests = Rests()
        self._without_model = False  # has been said

    async def prepare(self) -> None:
        """Loads the judge."""
        await self._judging()

    async def translate(self, text: str, spoken: str, wanted: str, model: Step | None = None) -> str | None:
        """The text in another language (canonical tags), None when no step can or it is in that language already.

        Each step has `step_timeout_s`, all of them together as many times that, at most `BUDGET_MOST_S`. `model` is the
        step `llm` of whoever asks. What is asked twice at the same time is translated once.
        """
        settings = self._settings()
        asked = Asked(text.strip(), written(spoken), written(wanted))
        if not settings.chain or not asked.text or len(asked.text) > LONGEST or asked.spoken == asked.wanted:
            return None
        budget_s = min(len(settings.chain) * settings.step_timeout_s, BUDGET_MOST_S)
        return await self._once(asked, Call(settings, model, trio.current_time() + budget_s))

    async def _once(self, asked: Asked, call: Call) -> str | None:
        known = self._memory.get(asked)
        if known is not None:
            return known
        while (other := self._under_way.get(asked)) is not None:
            with trio.move_on_at(call.until):
                await other.over.wait()
            if other.known or trio.current_time() >= call.until:
                return other.answer
        # Nobody is at it, or whoever was has been cancelled.
        mine = self._under_way[asked] = UnderWay()
        try:
            mine.answer = await self._ask_all(asked, call)
            mine.known = True
        finally:
            del self._under_way[asked]
            mine.over.set()
        return mine.answer

    async def _ask_all(self, asked: Asked, call: Call) -> str | None:
        judge = None
        with trio.move_on_at(call.until):
            judge = await self._judging()
        if judge is None:
            self._tell(JUDGE, Result(Outcome.LATE, "it takes long to load; the next reply has it"))
            return None
        if judge.confirms(asked.text, asked.wanted, rather_than=asked.spoken):
            return None
        for step in self._awake(asked, call):
            answer = await self._ask(step, asked, call, judge)
            if answer is not None:
                self._memory.keep(asked, answer)
                return answer
        return None

    def _awake(self, asked: Asked, call: Call) -> Iterator[Step]:
        """The steps that do not rest, each looked at when its turn has come, while there is time."""
        for name in call.settings.chain:
            now = trio.current_time()
            step = call.model if name == MODEL else Step(name, self._steps[name])
            if step is None:
                self._say_once_that_there_is_no_model()
            elif now < call.until and self._rests.awake(step.name, asked.wanted, now):
                yield step

    async def _ask(self, step: Step, asked: Asked, call: Call, judge: Judge) -> str | None:
        result = Result(Outcome.LATE, "no answer in time")
        # The budget's end is the last step's: it is known to have been late then.
        until = min(trio.current_time() + call.settings.step_timeout_s, call.until)
        # A group may hold a cancel beside the error, which has to go on.
        try:
            with trio.move_on_at(until):
                answer = await step.translate(asked.text, asked.spoken, asked.wanted)
                result = _judged(answer.strip(), asked, judge)
        except* NotInstalled as errors:
            result = Result(Outcome.MISSING, str(_first(errors)))
        except* StepFailed as errors:
            result = Result(Outcome.FAILED, str(_first(errors)))
        except* Exception as errors:  # somebody else's library raises what it likes, and may quote the text
            result = Result(Outcome.FAILED, type(_first(errors)).__name__)
        self._enter(step.name, asked.wanted, result)
        return result.answer

    def _enter(self, step: str, wanted: str, result: Result) -> None:
        now = trio.current_time()
        match result.outcome:
            case Outcome.TRANSLATED:
                self._rests.worked(step, wanted)
            case Outcome.UNCHANGED:
                pass  # names and cries are the same in every language
            case Outcome.WRONG_LANGUAGE:
                self._rests.cannot(step, wanted, now)
            case Outcome.LATE | Outcome.FAILED | Outcome.MISSING:
                self._rests.failed(step, now, for_good=result.outcome is Outcome.MISSING)
            case _:
                assert_never(result.outcome)
        self._tell(step, result)

    def _tell(self, step: str, result: Result) -> None:
        self._metrics.translations.labels(step, result.outcome).inc()
        if result.why:
            log.warning("translation.failed", step=step, outcome=result.outcome, details=result.why)

    def _say_once_that_there_is_no_model(self) -> None:
        if not self._without_model:
            self._without_model = True
            log.info("translation.no_model", details="the step llm needs a text_provider of kind local or chat")


def _judged(answer: str, asked: Asked, judge: Judge) -> Result:
    if not answer:
        return Result(Outcome.FAILED, "an empty answer")
    if answer.casefold() == asked.text.casefold():
        return Result(Outcome.UNCHANGED)
    if judge.refutes(answer, asked.wanted):
        return Result(Outcome.WRONG_LANGUAGE, f"the answer is not in {asked.wanted}")
    return Result(Outcome.TRANSLATED, answer=answer)


def _first(group: BaseExceptionGroup[Exception]) -> Exception:
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error
