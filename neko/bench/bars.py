"""The bars of the voice benchmark, and whether a measurement reaches them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from attrs import frozen

from neko.bench.words import word_error_rate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from neko.bench.conversation import Conversation
    from neko.bench.resampling import Resampling
    from neko.bench.startup import Startup

# On two cores without a GPU, with the 1.5B model.
MEDIAN_S = 1.4
WORST_S = 3.5
READY_S = 10.0
WORD_ERRORS = 0.10
LATE_P99_MS = 10.0  # half a microphone frame
SNR_DB = 80.0  # 16-bit rounding, once on the way in and once on the way out, leaves 86 to 92 dB of a -6 dB sine


@frozen
class Bar:
    """One line of the report."""

    name: str
    figure: str
    wanted: str
    reached: bool


@frozen
class Figures:
    """Everything that one run of the benchmark measures. Seconds, milliseconds and decibels as named."""

    turns: int
    voice_to_voice_median_s: float
    voice_to_voice_worst_s: float
    word_error_rate: float
    start_to_ready_s: float
    stop_s: float
    loop_delay_p50_ms: float
    loop_delay_p99_ms: float
    loop_delay_max_ms: float
    resampled_in: int
    resampled_out: int
    resampling_worst_snr_db: float
    resampling_worst_at_hz: int


def figures(conversation: Conversation, startup: Startup, resampling: Resampling) -> Figures:
    """The measurements as the numbers that are reported."""
    waits = [turn.voice_to_voice_s for turn in conversation.turns]
    delays_ms = np.array(conversation.loop_delays_s) * 1000
    p50, p99, worst = np.percentile(delays_ms, [50, 99, 100])
    return Figures(
        turns=len(waits),
        voice_to_voice_median_s=float(np.median(waits)),
        voice_to_voice_worst_s=max(waits),
        word_error_rate=word_error_rate(
            [turn.said for turn in conversation.turns], [turn.heard for turn in conversation.turns]
        ),
        start_to_ready_s=startup.ready_s,
        stop_s=startup.stopped_s,
        loop_delay_p50_ms=float(p50),
        loop_delay_p99_ms=float(p99),
        loop_delay_max_ms=float(worst),
        resampled_in=resampling.samples_in,
        resampled_out=resampling.samples_out,
        resampling_worst_snr_db=resampling.worst_snr_db,
        resampling_worst_at_hz=resampling.worst_at_hz,
    )


def bars(got: Figures) -> Iterator[Bar]:
    """Each bar with what was measured."""
    yield _at_most("voice to voice, median", got.voice_to_voice_median_s, MEDIAN_S, "s")
    yield _at_most("voice to voice, worst", got.voice_to_voice_worst_s, WORST_S, "s")
    yield _at_most("word error rate", got.word_error_rate * 100, WORD_ERRORS * 100, "%")
    yield _at_most("process start to ready", got.start_to_ready_s, READY_S, "s")
    yield _at_most("event loop late while answering, p99", got.loop_delay_p99_ms, LATE_P99_MS, "ms")
    wanted = 2 * got.resampled_in
    length = f"{got.resampled_in:,} in, {got.resampled_out:,} out"
    yield Bar("resampled 24 to 48 kHz, samples", length, f"{wanted:,} out", got.resampled_out == wanted)
    snr = f"{got.resampling_worst_snr_db:.1f} dB at {got.resampling_worst_at_hz} Hz"
    reached = got.resampling_worst_snr_db >= SNR_DB
    yield Bar("resampled 24 to 48 kHz, worst signal to noise", snr, f"≥ {SNR_DB:.0f} dB", reached)


def _at_most(name: str, figure: float, bar: float, unit: str) -> Bar:
    return Bar(name, f"{figure:.3f} {unit}", f"≤ {bar:g} {unit}", figure <= bar)
