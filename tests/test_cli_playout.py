"""What reaches the loudspeaker, and what the server is told of it."""

from __future__ import annotations

from neko.audio.fade import fade_out
from neko.audio.pcm import bytes_for
from neko.cli.playout import Heard, Playout
from neko.protocol.server import AudioChunk

BLOCK = bytes_for(20, 48_000)


def speech(speech_id: str, level: int, ms: int) -> AudioChunk:
    return AudioChunk(speech_id, "t", level.to_bytes(2, "little") * (bytes_for(ms, 48_000) // 2))


def test_speech_comes_out_in_order_and_then_silence() -> None:
    playout = Playout()
    chunks = [speech("s1", 1, 30), speech("s1", 2, 25)]
    for chunk in chunks:
        playout.push(chunk)
    played = b"".join(playout.pull(BLOCK)[0] for _ in range(4))
    said = b"".join(chunk.pcm for chunk in chunks)
    assert played == said + bytes(4 * BLOCK - len(said))


def test_a_stopped_speech_fades_and_the_next_one_is_played() -> None:
    playout = Playout()
    playout.push(speech("s1", 10_000, 60))
    playout.pull(BLOCK)
    playout.stop()
    playout.stop()
    playout.push(speech("s2", 2, 32))
    fade = fade_out(speech("s1", 10_000, 8).pcm, 48_000)
    assert playout.pull(BLOCK) == (fade + speech("s2", 2, 12).pcm, None)
    assert playout.pull(BLOCK) == (speech("s2", 2, 20).pcm, Heard("s2", 32))


def test_what_was_heard_of_a_stopped_speech_is_reported() -> None:
    playout = Playout()
    playout.push(speech("s1", 1, 60))
    playout.pull(BLOCK)
    playout.stop()
    assert playout.pull(BLOCK)[1] == Heard("s1", 28)
    assert playout.pull(BLOCK) == (bytes(BLOCK), None)


def test_a_speech_that_is_stopped_before_it_begins_is_not_heard() -> None:
    playout = Playout()
    playout.push(speech("s1", 10_000, 60))
    playout.stop()
    assert playout.pull(BLOCK) == (bytes(BLOCK), None)


def test_a_fade_goes_on_over_the_edge_of_a_chunk() -> None:
    playout = Playout()
    for _ in range(9):
        playout.push(speech("s1", 10_000, 3))
    playout.pull(BLOCK)
    playout.stop()
    fade = fade_out(speech("s1", 10_000, 7).pcm, 48_000)
    assert playout.pull(BLOCK)[0] == fade.ljust(BLOCK, b"\0")


def test_what_was_heard_is_reported_five_times_a_second_and_at_the_end() -> None:
    playout = Playout()
    playout.push(speech("s1", 1, 500))
    reports = [report for report in (playout.pull(BLOCK)[1] for _ in range(40)) if report is not None]
    assert reports == [Heard("s1", 200), Heard("s1", 400), Heard("s1", 500)]
