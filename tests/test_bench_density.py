"""The benchmarks under load: they find what they are there to find, and a small run of each fills its table."""

from __future__ import annotations

import json
import subprocess
import sys
from math import inf, nan

import numpy as np
import orjson
import pytest
import soxr
from attrs import asdict, evolve

from neko.bench.density import Plan, Window, bars, measure_window, medians
from neko.bench.load.order import MicFrames, Work
from neko.bench.load.record import Speech, Utterances, down, up
from neko.bench.load.wire import (
    MOST_CLIENTS,
    caption_frame,
    client_of,
    decoded_size,
    delta_frame,
    mic_frame,
    sound_in,
)
from neko.bench.servers import FLOOR, NEKO, PIPECAT_PEER
from neko.protocol.client import Microphone
from neko.protocol.codec import ClientCodec
from neko.realtime.dialects.openai import OpenAiDialect
from neko.realtime.dialects.realtime import append
from neko.realtime.session import AudioDelta, TextDelta

DELTAS = 50


@pytest.mark.parametrize("client", [0, 1, 99, MOST_CLIENTS])
@pytest.mark.parametrize(("frames", "hz"), [(MicFrames.BASE64, 16_000), (MicFrames.INTEGERS, 48_000)])
def test_a_client_is_known_by_its_sound_after_resampling(client: int, frames: MicFrames, hz: int) -> None:
    heard = ClientCodec().read(mic_frame(client, frames).decode())
    assert isinstance(heard, Microphone)
    assert (heard.sample_rate, len(heard.pcm)) == (hz, hz * frames.ms // 1000 * 2)
    stream = soxr.ResampleStream(hz, 24_000, 1, dtype="int16", quality="HQ")
    samples = np.frombuffer(heard.pcm, dtype="<i2")
    out = b"".join(stream.resample_chunk(samples).tobytes() for _ in range(20))
    assert client_of(orjson.dumps(append(out))) == client


def test_the_provider_speaks_as_openai_does() -> None:
    delta, caption = (OpenAiDialect().read(orjson.loads(make("r1"))) for make in (delta_frame, caption_frame))
    assert isinstance(delta[0], AudioDelta)
    assert len(delta[0].pcm) == 24_000 * 2 * 40 // 1000
    assert isinstance(caption[0], TextDelta)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 1920])
def test_the_sound_in_a_frame_is_measured_without_reading_it(size: int) -> None:
    assert decoded_size(sound_in(orjson.dumps(append(bytes(size))))) == size
    assert decoded_size(sound_in(json.dumps(append(bytes(size))).encode())) == size


def speech(late_s: float, deltas: int = DELTAS) -> Speech:
    """Deltas that arrive so late, resampled."""
    heard, stream = Speech(), soxr.ResampleStream(24_000, 48_000, 1, dtype="int16", quality="HQ")
    for number in range(deltas):
        heard.sent.append(number * 0.04)
        if size := 2 * len(stream.resample_chunk(np.zeros(960, dtype=np.int16))):
            heard.heard(number * 0.04 + late_s, size)
    return heard


def test_what_the_resampler_holds_back_is_no_latency_of_the_servers() -> None:
    got = down([speech(0.007)], 0.0, 10.0, "HQ")
    assert (got.p50, got.max, got.delivered) == pytest.approx((7, 7, 1.0))


def test_joined_deltas_are_late_by_as_much_as_the_first_of_them_waited() -> None:
    heard = speech(0.0)
    joined = [(at + 0.04 * (number % 2 == 0), size) for number, (at, size) in enumerate(heard.arrived)]
    got = down([evolve(heard, arrived=joined)], 0.0, 10.0, "HQ")
    assert got.max == pytest.approx(40)


def test_what_never_arrives_is_not_delivered() -> None:
    heard = speech(0.0)
    got = down([evolve(heard, arrived=heard.arrived[:-10])], 0.0, 10.0, "HQ")
    assert got.delivered == pytest.approx(1 - 10 / len(heard.arrived), abs=0.001)


def test_the_microphones_latency_is_that_of_each_millisecond() -> None:
    mic = Utterances()
    for number in range(100):
        mic.sent.append(number * 0.02)
        if number % 2:  # two frames in one append, of which the last 10 ms come with the next
            mic.heard(number * 0.02, 24 * 2 * (40 - 10 * (number == 1)))
    got = up([mic], 0.1, 1.8, 20)
    # A quarter waits for the next append, half for the second frame.
    assert (got.p50, got.max, got.delivered) == pytest.approx((20, 40, 1.0))


def window(server: str, sessions: int, cpu: float = 1.0, p99: float = 5.0) -> Window:
    return Window(
        server=server,
        sessions=sessions,
        work=Work.BOTH,
        frames=MicFrames.BASE64,
        cpu_percent=cpu,
        down_ms=(1.0, p99, 9.0),
        up_ms=(20.0, 40.0, 50.0),
        delivered=1.0,
        loop_ms=(1.0, 2.0),
        waited=0.0,
        late_ms=1.0,
        load=0.1,
    )


async def test_a_window_in_which_nothing_arrived_is_endlessly_late() -> None:
    """As a server that is full gives it out, through a pipe and JSON."""
    nothing = orjson.loads(orjson.dumps(asdict(down([], 0.0, 1.0, "HQ"))))

    class Full:
        async def have(self, *_: object, **__: object) -> dict[str, object]:
            times = {"seconds": 1.0, "ran_s": 1.0, "waited_s": 0.0, "late_p99_ms": 0.0, "load_ran_s": 0.1}
            return times | {"down": nothing, "up": nothing, "loop": {"p99_ms": 0.0, "max_ms": 0.0}}

    window = await measure_window(Full(), "full", 50, MicFrames.BASE64, Plan())  # type: ignore[arg-type]
    assert (window.down_ms, window.delivered, window.whole) == ((inf, inf, inf), 0.0, False)


def test_the_median_of_the_rounds_counts_what_disturbed_them() -> None:
    rounds = [evolve(window(NEKO, 50, cpu), disturbed=cpu == 9.0) for cpu in (1.0, 9.0, 2.0)]
    (row,) = medians(rounds)
    assert (row.cpu_percent, row.disturbed, row.windows) == (2.0, 1, 3)


def test_a_bar_is_reached_missed_or_not_measured() -> None:
    rows = [window(NEKO, 50, 1.0), window(FLOOR, 50, 1.0), window(NEKO, 25, 1.2), window(FLOOR, 25, 1.0)]
    answers = {bar.name: bar.reached for bar in bars(rows)}
    assert answers["CPU per session at 50, × relay"] is True
    assert answers["CPU per session at 25, × relay"] is False
    assert answers["CPU per session at 10, × pipecat"] is None


def test_a_server_that_loses_sound_or_fails_carries_nothing() -> None:
    full = evolve(window(NEKO, 75), delivered=0.9)
    failed = evolve(window(NEKO, 100), failed="ConnectionError", cpu_percent=nan)
    rows = [full, failed, window(PIPECAT_PEER, 25)]
    answers = {bar.name: (bar.figure, bar.reached) for bar in bars(rows)}
    assert answers["75 sessions: p99 added, ms"] == (inf, False)
    assert answers["100 sessions: p99 added, ms"] == (inf, False)


def test_a_server_that_delivers_everything_carries_what_it_is_in_time_with() -> None:
    late = evolve(window(NEKO, 75), down_ms=(1.0, 21.0, 25.0))
    in_time = evolve(window(NEKO, 100), down_ms=(1.0, 12.0, 15.0))
    answers = {bar.name: (bar.figure, bar.reached) for bar in bars([late, in_time])}
    assert answers["75 sessions: p99 added, ms"] == (21.0, False)
    assert answers["100 sessions: p99 added, ms"] == (12.0, True)


@pytest.mark.parametrize(
    ("ours", "theirs", "ratio"),
    [
        ([5.0, 15.0, 25.0], [5.0, 25.0, 90.0], 0.4),
        ([5.0, 25.0, 90.0], [5.0, 15.0, 25.0], 2.5),
        ([5.0, 15.0, 19.0], [5.0, 15.0, 19.0], None),  # both carry all there were
        ([25.0], [25.0], inf),
        ([5.0], [], None),
    ],
)
def test_how_many_sessions_the_relay_carries_for_each_of_nekos(
    ours: list[float], theirs: list[float], ratio: float | None
) -> None:
    rows = [
        evolve(window(server, sessions), down_ms=(1.0, p99, p99))
        for server, late in ((NEKO, ours), (FLOOR, theirs))
        for sessions, p99 in zip((10, 25, 50), late, strict=False)
    ]
    answers = {bar.name: bar.figure for bar in bars(rows)}
    assert answers["sessions that the relay carries in time, × neko's"] == ratio


FEW = 10


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "rows"),
    [
        ("density --sessions 2 --rounds 1 --seconds 1 --server relay", 2),
        ("density --sessions 2 --rounds 1 --seconds 2 --work turns", 1),
        ("density --sessions 2 --rounds 1 --seconds 1 --frames integers", 1),
        ("start --sessions 3 --rounds 1", 1),
        ("memory --sessions 2", 1),
        ("latency --rounds 1 --seconds 1", 6),
        ("agents --sessions 2 --rounds 1 --seconds 2", 2),
    ],
)
def test_a_small_run_fills_the_table(command: str, rows: int) -> None:
    asked = [*command.split(), *(() if command.startswith("agents") else ("--server", NEKO)), "--json"]
    run = subprocess.run(
        [sys.executable, "-m", "neko.cli", "bench", *asked], capture_output=True, timeout=150, check=False
    )
    # 1: a bar was missed, as may be on a busy machine; what was measured is told all the same.
    assert run.returncode in (0, 1), run.stderr.decode()
    got = orjson.loads(run.stdout)
    assert len(got["rows"]) == rows
    for row in got["rows"]:
        # How much a machine carries is what the benchmark is to tell; a few sessions any machine carries.
        assert row.get("sessions", 0) > FEW or row.get("delivered", 1.0) > 0.9
        assert row.get("left_open", 0) == 0
        assert row.get("failed", "") == ""
