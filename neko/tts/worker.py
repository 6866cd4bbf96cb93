"""Voice engines by name, and the blocking program that a thread runs to speak with one.

Others add theirs without a fork: an entry point in the group `neko.tts`, whose name is the engine's and whose object is
an `OpenVoice`, a function from a voice id and a `Setup` to a `Voice`. One that speaks on somebody else's computer is
best a `RemoteVoice`, which has its connections made by Trio and several sentences made at once.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from importlib.metadata import entry_points

import trio
from attrs import frozen

from neko.tts import (
    cosyvoice,
    elevenlabs,
    espeak,
    gemini,
    glm,
    gpt_sovits,
    hibari,
    japanese,
    minimax,
    openai,
    qwen,
    silent,
    step,
    tone,
)
from neko.tts.errors import UnknownWorker
from neko.tts.voice import OpenVoice, Voice

GROUP = "neko.tts"
BUILT_IN: dict[str, OpenVoice] = {
    "embedded": hibari.open_voice,
    "tone": tone.open_voice,
    "embedded-ja": japanese.open_voice,
    "silent": silent.open_voice,
    "espeak": espeak.open_voice,
    "openai": openai.open_voice,
    "qwen": qwen.open_voice,
    "cosyvoice": cosyvoice.open_voice,
    "step": step.open_voice,
    "glm": glm.open_voice,
    "gemini": gemini.open_voice,
    "elevenlabs": elevenlabs.open_voice,
    "minimax": minimax.open_voice,
    "gpt-sovits": gpt_sovits.open_voice,
}
OF_CORE_API = {"local": "embedded", "chat": "embedded"}  # kinds of provider that have no engine of their own name
CUSTOM_VOICES = {"qwen": "cosyvoice"}  # where a cloned voice is spoken by another service than the vendor's own voices


@frozen
class TtsWorker:
    """One voice engine."""

    name: str
    open_voice: OpenVoice


def get_tts_worker(core_api_type: str, has_custom_voice: bool = False) -> TtsWorker:
    """The voice engine of that name, or the one that goes with a provider of that kind. Loads no model.

    `has_custom_voice`: for a voice that was cloned there. `UnknownWorker` lists the engines there are.
    """
    name = OF_CORE_API.get(core_api_type, core_api_type)
    if has_custom_voice:
        name = CUSTOM_VOICES.get(name, name)
    if name in BUILT_IN:
        return TtsWorker(name, BUILT_IN[name])
    plugged_in = entry_points(group=GROUP)
    if name not in plugged_in.names:
        raise UnknownWorker(name, (*BUILT_IN, *sorted(plugged_in.names)))
    return TtsWorker(name, plugged_in[name].load())


def work(voice: Voice, next_text: Callable[[], str | None], emit: Callable[[bytes], None]) -> None:
    """Speak until there is no next text. Runs in a trio thread, where a cancelled speech raises `trio.Cancelled`."""
    while (text := next_text()) is not None:
        say(voice, text, emit)


def say(voice: Voice, text: str, emit: Callable[[bytes], None]) -> None:
    """Speak one text. As `work`; what the voice has open is closed when this ends, however it ends."""
    with _closing(voice.synthesize(text)) as blocks:
        for pcm in blocks:
            trio.from_thread.check_cancelled()
            emit(pcm)


@contextmanager
def _closing(blocks: Iterator[bytes]) -> Iterator[Iterator[bytes]]:
    try:
        yield blocks
    finally:
        # Left to the garbage collector, a generator would keep its connection for as long as a traceback is kept.
        if isinstance(blocks, Generator):
            blocks.close()
