"""The inbox of agents' results: what waits, what is told, what expires, and what a later process knows of it."""

from __future__ import annotations

import time

from attrs import define, evolve, field

from neko.conversation.callbacks import KEPT, KEPT_S, AgentCallbacks, Callback, Fate, result_id
from neko.conversation.journal import Entry, NoJournal, ResultBrought, ResultExpired, ResultTold
from neko.protocol.agents.reports import Delivery


@define
class Clock:
    now: float = 1_000.0

    def __call__(self) -> float:
        return self.now


@define
class ListJournal(NoJournal):
    entries: list[Entry] = field(factory=list)

    def enter(self, entry: Entry) -> None:
        self.entries.append(entry)

    def of(self, kind: type[ResultBrought | ResultTold | ResultExpired]) -> list[str]:
        return [each.id for each in self.entries if isinstance(each, kind)]


def texts(callbacks: AgentCallbacks) -> list[str]:
    return [each.text for each in callbacks]


def test_a_result_that_is_brought_again_is_known() -> None:
    clock = Clock()
    inbox = AgentCallbacks(clock=clock)
    done, failed = (Callback("tea", result_id("t1", status)) for status in ("completed", "failed"))
    assert [inbox.append(each) for each in (done, failed, done)] == [True, True, False]
    taken = inbox.take()
    assert taken is done
    assert not inbox.append(done)
    inbox.told([done])
    clock.now += KEPT_S - 1
    assert not inbox.append(done)
    clock.now += 1
    assert inbox.append(done)
    assert inbox.fates[Fate.AGAIN] == 3


def test_two_results_without_a_task_are_two() -> None:
    inbox = AgentCallbacks()
    assert inbox.append("tea")
    assert inbox.append("tea")
    assert len(inbox) == 2


def test_the_oldest_makes_room_and_is_listed() -> None:
    journal = ListJournal()
    inbox = AgentCallbacks(journal)
    for number in range(KEPT + 2):
        inbox.append(Callback(f"news {number}", f"id {number}"))
    assert [each.text for each in inbox.expired] == ["news 0", "news 1"]
    assert journal.of(ResultExpired) == ["id 0", "id 1"]
    assert len(inbox) == KEPT


def test_news_of_an_hour_ago_is_none() -> None:
    clock, journal = Clock(), ListJournal()
    inbox = AgentCallbacks(journal, clock)
    inbox.append(Callback("tea", "1"))
    clock.now += KEPT_S - 1
    inbox.append(Callback("coffee", "2"))
    clock.now += 1
    assert [each.text for each in inbox.expired] == ["tea"]
    assert texts(inbox) == ["coffee"]
    assert journal.of(ResultExpired) == ["1"]


def test_what_is_put_back_comes_before_the_rest() -> None:
    inbox = AgentCallbacks()
    for text in ("a", "b", "c"):
        inbox.append(text)
    taken = [inbox.take(), inbox.take()]
    inbox.put_back([each for each in taken if each])
    assert texts(inbox) == ["a", "b", "c"]
    assert inbox.news_wait


def test_what_a_reply_does_not_tell_is_tried_again_at_once_and_then_seldom() -> None:
    clock = Clock()
    inbox = AgentCallbacks(clock=clock)
    inbox.append("tea")
    tries = []
    while (callback := inbox.take()) or inbox.next_at < clock.now + KEPT_S:
        if callback:
            tries.append(clock.now - 1_000)
            inbox.failed([callback])
        else:
            clock.now = inbox.next_at
    assert tries[:5] == [0, 0, 1, 3, 7]
    assert 10 < len(tries) < 30
    assert [each.text for each in inbox.expired] == ["tea"]


def test_each_way_of_delivery_is_taken_as_it_is_to_be_told() -> None:
    inbox = AgentCallbacks()
    for way in Delivery:
        inbox.append(Callback(way, delivery=way))
    assert (inbox.news_wait, inbox.notes_wait) == (True, True)
    news = inbox.take()
    assert news is not None
    assert news.text == "proactive"
    assert inbox.take() is None
    assert [each.text for each in inbox.take_notes(1)] == ["passive"]
    assert [each.text for each in inbox.take_notes(5)] == ["silent"]


def test_a_later_process_goes_on_where_this_one_ended() -> None:
    journal = ListJournal()
    inbox = AgentCallbacks(journal)
    for name in ("waits", "is being told", "is told", "is said"):
        inbox.append(Callback(f"what {name}", name, Delivery.PASSIVE, "a cook"))
    told = inbox.take_notes(4)[1:]
    inbox.told(told[1:])
    inbox.said(told[2:])
    brought = [each for each in journal.entries if isinstance(each, ResultBrought)]
    left = [each for each in brought if each.id not in journal.of(ResultTold)]
    later = AgentCallbacks()
    later.restore(left, [each.id for each in brought])
    assert texts(later) == ["what waits", "what is being told", "what is told"]
    assert {(each.delivery, each.source) for each in later} == {(Delivery.PASSIVE, "a cook")}
    assert not later.append(Callback("what is said", "is said"))


def test_what_waited_too_long_between_two_processes_has_expired() -> None:
    journal, clock = ListJournal(), Clock()
    inbox = AgentCallbacks(clock=clock)
    AgentCallbacks(journal).append(Callback("tea", "1"))
    [brought] = [each for each in journal.entries if isinstance(each, ResultBrought)]
    inbox.restore([evolve(brought, at=time.time() - KEPT_S - 1), evolve(brought, id="2", at=time.time() - 3_000)], [])
    assert [each.id for each in inbox.expired] == ["1"]
    assert [each.id for each in inbox] == ["2"]
    clock.now += 601
    assert [each.id for each in inbox.expired] == ["1", "2"]


def test_a_long_name_of_a_task_takes_no_room() -> None:
    one, other = (result_id("x" * 60_000 + end, "completed") for end in "ab")
    assert one != other
    assert len(one) < 150
