"""What Prometheus is told: over HTTP, and of a house in conversation."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text
from trio.testing import MockClock, wait_all_tasks_blocked

from neko.audio.ledger import Heard, Ledger, Spoken
from neko.realtime.errors import SessionLost
from neko.realtime.session import AudioDelta, ReplyDone, ReplyStarted, ReplyStatus, TextDelta
from neko.telemetry.metrics import Census, Metrics
from tests.conftest import FakeHouse
from tests.web_house import fake_house, open_web

NOBODY = Census(0, 0, {"pending": 0, "current": 0, "retired": 0})


def values(text: str, reader: Any = read_text) -> dict[tuple[str, ...], float]:
    """Each sample's name and its labels in the order of their names, and its value."""
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in reader(text)
        for sample in family.samples
    }


def read(metrics: Metrics) -> dict[tuple[str, ...], float]:
    return values(metrics.exposition("text/plain")[0].decode())


@pytest.mark.parametrize(
    ("accept", "content_type", "reader"),
    [
        ("text/plain", "text/plain; version=0.0.4; charset=utf-8", read_text),
        ("application/openmetrics-text; version=1.0.0", "application/openmetrics-text", read_openmetrics),
    ],
)
async def test_over_http_in_the_format_that_is_asked_for(accept: str, content_type: str, reader: Any) -> None:
    house, ledger = fake_house(), Ledger()
    ledger.heard(Heard.QUIET, 2 * 24_000, 16_000)
    ledger.spoken(Spoken.CUT, 2 * 12_000, 48_000)
    swaps = house.metrics.of("小天", ledger, lambda: Census(1, 1, {"pending": 1, "current": 1, "retired": 0}))
    swaps.swapped("lost", 300.0, 20.0)
    swaps.failed()
    async with open_web(house) as web, web.http() as http:
        response = await http.get("/metrics", headers={"accept": accept})
    assert response.status_code == 200
    assert response.headers["content-type"].startswith(content_type)
    got = values(response.text, reader)
    expected = {
        ("neko_mic_seconds_total", "小天", "quiet"): 1.5,
        ("neko_mic_seconds_total", "小天", "utterance"): 0.0,
        ("neko_speech_seconds_total", "小天", "cut"): 0.25,
        ("neko_swaps_total", "小天", "lost"): 1.0,
        ("neko_swap_gap_seconds_bucket", "0.2", "lost"): 0.0,
        ("neko_swap_gap_seconds_bucket", "0.5", "lost"): 1.0,
        ("neko_swap_gap_seconds_sum", "lost"): 0.3,
        ("neko_swap_lost_seconds_total", "小天"): 0.02,
        ("neko_swap_failures_total", "小天"): 1.0,
        ("neko_sessions",): 1.0,
        ("neko_connections",): 1.0,
        ("neko_model_sessions", "pending"): 1.0,
        ("neko_model_sessions", "retired"): 0.0,
    }
    assert {key: got.get(key) for key in expected} == expected


async def test_the_token_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEKO_TOKEN", "secret")
    async with open_web(fake_house()) as web, web.http() as http:
        assert (await http.get("/metrics")).status_code == 401
        assert (await http.get("/metrics", headers={"Authorization": "Bearer secret"})).status_code == 200


async def test_two_houses_in_one_process_count_apart() -> None:
    one, other = Metrics(), Metrics()
    one.of("Mimi", Ledger(), lambda: NOBODY).failed()
    other.of("Mimi", Ledger(), lambda: NOBODY)
    assert [read(each)["neko_swap_failures_total", "Mimi"] for each in (one, other)] == [1, 0]


def here(house: FakeHouse) -> list[float]:
    """Sessions, connections; model sessions pending, current and retired."""
    got = read(house.metrics)
    counted = [got["neko_sessions",], got["neko_connections",]]
    return counted + [got["neko_model_sessions", each] for each in ("pending", "current", "retired")]


async def test_who_is_there(house: FakeHouse, autojump_clock: MockClock) -> None:
    assert here(house) == [0, 0, 0, 0, 0]
    async with house.client() as person:
        await wait_all_tasks_blocked()
        assert here(house) == [0, 1, 0, 0, 0]
        house.models.dial_s = 1
        await person.send("start_session", input_type="audio")
        await wait_all_tasks_blocked()
        assert here(house) == [1, 1, 0, 0, 0]
        await trio.sleep(1.5)
        assert here(house)[3:] == [1, 0]
        old = house.model
        old.say(ReplyStarted("r1"), TextDelta("r1", "A long story. "), AudioDelta("r1", "i1", bytes(48_000)))
        await person.send("swap_session", when="now", prompt="You are a pirate.")
        await trio.sleep(1.5)
        assert here(house)[3:] == [1, 1]  # the old one speaks to the end of its sentence
        old.say(SessionLost("gone"))
        await trio.sleep(1)
        assert here(house)[3:] == [1, 0]
        await person.send("end_session")
        await trio.sleep(60)
        assert here(house) == [0, 1, 0, 0, 0]
    await wait_all_tasks_blocked()
    assert here(house) == [0, 0, 0, 0, 0]


async def test_the_ledgers_are_read_when_somebody_asks(house: FakeHouse, autojump_clock: MockClock) -> None:
    async with house.client() as person:
        await person.send("start_session", input_type="audio")
        await wait_all_tasks_blocked()
        house.model.say(ReplyStarted("r1"), TextDelta("r1", "Hello. "), AudioDelta("r1", "i1", bytes(48_000)))
        house.model.say(ReplyDone("r1", ReplyStatus.COMPLETED))
        await wait_all_tasks_blocked()
        assert read(house.metrics)["neko_speech_seconds_total", "Mimi", "sent"] == 1.0
        assert read(house.metrics)["neko_speech_seconds_total", "Taro", "sent"] == 0.0
