"""Where an utterance begins and ends: each table is one line of frames, 32 ms each."""

from __future__ import annotations

import pytest

from neko.local.endpointing import Endpointer, Verdict

S, D, R, E = Verdict.STARTED, Verdict.SUSPECTED, Verdict.RESUMED, Verdict.ENDED

# "#" is a voice, "." silence, "~" a voice that fades (between the two thresholds). 128 ms are 4 frames, 400 ms are 13.
TABLE = {
    "silence": ("....................", []),
    "a loud click of one frame": ("....#......#....", []),
    "a click that rings for a second frame": ("...##......##...", []),
    "one utterance": ("###" + 13 * ".", [(2, S), (6, D), (15, E)]),
    "a pause inside a sentence that nobody suspects": ("####...####" + 13 * ".", [(2, S), (14, D), (23, E)]),
    "a pause long enough to be suspected": ("####.......####" + 13 * ".", [(2, S), (7, D), (12, R), (18, D), (27, E)]),
    "a click while the end is awaited": ("####........#.....", [(2, S), (7, D), (17, E)]),
    "a click does not keep an utterance open": ("####...#...#...#....", [(2, S), (8, D), (19, E)]),
    "fading is still speaking": ("####~~~~~~~~~~~~~~~~", [(2, S)]),
    "fading does not begin": ("~~~~~~~~", []),
    "fading does not resume": ("####........~~~~~~", [(2, S), (7, D), (16, E)]),
    "two utterances": (2 * ("###" + 13 * "."), [(2, S), (6, D), (15, E), (18, S), (22, D), (31, E)]),
}


@pytest.mark.parametrize("case", TABLE)
def test_verdicts(case: str) -> None:
    frames, expected = TABLE[case]
    endpointer = Endpointer(threshold=0.5, silence_ms=400)
    verdicts = [endpointer.push({"#": 0.9, "~": 0.4, ".": 0.05}[frame]) for frame in frames]
    assert [(at, verdict) for at, verdict in enumerate(verdicts) if verdict] == expected


def test_a_short_silence_ends_without_suspicion() -> None:
    endpointer = Endpointer(threshold=0.5, silence_ms=128)
    verdicts = [endpointer.push(p) for p in [0.9] * 3 + [0.0] * 4]
    assert verdicts == [None, None, S, None, None, None, E]


def test_reset_forgets_the_speech() -> None:
    endpointer = Endpointer(threshold=0.5, silence_ms=400)
    assert S in [endpointer.push(0.9) for _ in range(5)]
    endpointer.reset()
    assert [endpointer.push(0.0) for _ in range(20)] == [None] * 20
