"""Voice engines by name, and the blocking program that a thread runs to speak with one.

Others add theirs without a fork: an entry point in the group `neko.tts`, whose name is the engine's and whose object is
an `OpenVoice`, a function from a voice id to a `Voice`.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import entry_points

import trio
from attrs import frozen

from neko.tts import hibari, tone
from neko.tts.errors import UnknownWorker
from neko.tts.voice import OpenVoice, Voice

GROUP = "neko.tts"
BUILT_IN: dict[str, OpenVoice] = {"embedded": hibari.open_voice, "tone": tone.open_voice}


@frozen
class TtsWorker:
    """One voice engine."""

    name: str
    open_voice: OpenVoice


def get_tts_worker(name: str) -> TtsWorker:
    """The voice engine of that name; `UnknownWorker` lists those there are. Loads no model."""
    if name in BUILT_IN:
        return TtsWorker(name, BUILT_IN[name])
    plugged_in = entry_points(group=GROUP)
    if name not in plugged_in.names:
        raise UnknownWorker(name, (*BUILT_IN, *sorted(plugged_in.names)))
    return TtsWorker(name, plugged_in[name].load())


def work(voice: Voice, next_text: Callable[[], str | None], emit: Callable[[bytes], None]) -> None:
    """Speak until there is no next text. Runs in a trio thread, where a cancelled speech raises `trio.Cancelled`."""
    while (text := next_text()) is not None:
        for pcm in voice.synthesize(text):
            trio.from_thread.check_cancelled()
            emit(pcm)
