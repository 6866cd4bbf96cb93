"""Sound in line: whatever the pieces, what comes out is what went in, in order."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from neko.audio.line import SoundLine


@given(st.lists(st.one_of(st.binary(max_size=20), st.integers(-3, 30))))
def test_it_behaves_as_one_buffer_does(steps: list[bytes | int]) -> None:
    line, buffer = SoundLine(), bytearray()
    for step in steps:
        if isinstance(step, bytes):
            line.add(step)
            buffer += step
        else:
            assert line.take(step) == bytes(buffer[: max(0, step)])
            del buffer[: max(0, step)]
        assert (len(line), bytes(line)) == (len(buffer), bytes(buffer))
