"""What the person said: Whisper straight on CTranslate2, with a window no longer than the utterance needs."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Self

import numpy as np
import trio

from neko.local.engines import HEARING_HZ
from neko.local.errors import ModelMissing
from neko.local.mel import HOP, Floats, log_mel

FULL_WINDOW = 3000  # frames: the 30 s that Whisper was trained on
SHORT_WINDOW = 1000  # frames: a third of the work at equal accuracy on utterances (measured)
SILENCE_BEHIND = 300  # frames: a window that ends near the speech makes Whisper repeat itself
LONGEST_PIECE = (FULL_WINDOW - SILENCE_BEHIND) * HOP  # samples; longer speech is cut where it is quietest
CUT_WITHIN = 5 * HEARING_HZ  # samples before that end in which a pause is looked for
PAUSE = HEARING_HZ // 10  # samples: the quietest 100 ms is the pause

NO_SPEECH = 0.6  # section 4.5 of the Whisper paper; measured: speech up to 0.35, silence, noise and hum from 0.88
TOKENS_PER_S = 15  # twice what fast speech needs: bounds what a loop may cost
SPARE_TOKENS = 16  # for the shortest utterance
MOST_TOKENS = 224  # half of Whisper's text context, the bound of its own decoder
LONGEST_LOOP = 8  # tokens of a repeated phrase
LOOP_TIMES = 4  # people do say "no, no, no"

MAX_THREADS = 4  # an utterance of two seconds does not spread further
ONE_AT_A_TIME = 1  # two utterances at once would only slow each other: the cores are shared
ENGLISH = "en"


class WhisperRecogniser:
    """A loaded Whisper model; satisfies `neko.local.engines.Recogniser` and may be shared by all conversations."""

    def __init__(self, model: Any, tokenizer: Any) -> None:
        self._model = model
        self._tokenizer = tokenizer
        self._limiter = trio.CapacityLimiter(ONE_AT_A_TIME)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Blocks (0.2 s). `folder` holds `model.bin` as CTranslate2 writes it, and `tokenizer.json`.

        Raises `ModelMissing` when a package of the engine is not installed.
        """
        try:
            import ctranslate2
            import tokenizers
        except ImportError as error:
            raise ModelMissing(f"the speech recognition engine ({error.name})") from error
        threads = min(MAX_THREADS, os.cpu_count() or 1)
        model = ctranslate2.models.Whisper(
            str(folder), device="cpu", compute_type="int8", inter_threads=1, intra_threads=threads
        )
        return cls(model, tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json")))

    @property
    def english_only(self) -> bool:
        """Whether every utterance is heard as English, whatever language is asked for."""
        return not self._model.is_multilingual

    def warm(self) -> None:
        """Blocks: the first recognition is slower than the others, so let it be this one."""
        self._hear(np.zeros(HEARING_HZ, dtype=np.float32), ENGLISH)

    async def transcribe(self, pcm: bytes, language: str) -> str:
        """The words in PCM16 mono at 16 kHz; "" when there are none, or when it is noise.

        `language` is a tag such as "en" or "zh-CN"; one that the model does not know is heard as English. On cancel it
        returns when the engine has: one piece of at most 27 s.
        """
        return await trio.to_thread.run_sync(self._transcribe, pcm, language, limiter=self._limiter)

    def _transcribe(self, pcm: bytes, language: str) -> str:
        samples: Floats = np.frombuffer(pcm, dtype="<i2").astype(np.float32) / np.float32(32768)
        heard = []
        for piece in cut_in_pauses(samples):
            trio.from_thread.check_cancelled()
            heard.append(self._hear(piece, language))
        return " ".join(filter(None, heard))

    def _hear(self, samples: Floats, language: str) -> str:
        """The words in at most 27 s of sound."""
        spoken = samples.size // HOP
        tokens = self._generate(samples, max(SHORT_WINDOW, spoken + SILENCE_BEHIND), language)
        if repeats(tokens):
            tokens = self._generate(samples, FULL_WINDOW, language)
        return str(self._tokenizer.decode(tokens)).strip()

    def _generate(self, samples: Floats, frames: int, language: str) -> list[int]:
        from ctranslate2 import StorageView

        seconds = samples.size / HEARING_HZ
        (result,) = self._model.generate(
            StorageView.from_array(log_mel(samples, frames)[np.newaxis]),
            [self._prompt(language)],
            beam_size=1,
            max_length=min(MOST_TOKENS, SPARE_TOKENS + int(TOKENS_PER_S * seconds)),
            return_no_speech_prob=True,
        )
        # Told to write down silence, Whisper writes "you" or "Thank you."
        return [] if result.no_speech_prob > NO_SPEECH else list(result.sequences_ids[0])

    def _prompt(self, language: str) -> list[str]:
        if self.english_only:
            return ["<|startoftranscript|>", "<|notimestamps|>"]
        wanted = f"<|{language.partition('-')[0].lower()}|>"
        known = wanted if self._tokenizer.token_to_id(wanted) is not None else f"<|{ENGLISH}|>"
        return ["<|startoftranscript|>", known, "<|transcribe|>", "<|notimestamps|>"]


def repeats(tokens: Sequence[int]) -> bool:
    """Whether the end of it is one phrase over and over, as when a decoder has run into a loop."""
    return any(_loops(tokens, length) for length in range(1, LONGEST_LOOP + 1))


def _loops(tokens: Sequence[int], length: int) -> bool:
    tail = tokens[-length * LOOP_TIMES :]
    phrases = [tuple(tail[start : start + length]) for start in range(0, len(tail), length)]
    return len(tail) == length * LOOP_TIMES and all(a == b for a, b in pairwise(phrases))


def cut_in_pauses(samples: Floats) -> Iterator[Floats]:
    """The sound in pieces that fit Whisper's window, cut in pauses."""
    while samples.size > LONGEST_PIECE:
        cut = _quietest(samples, LONGEST_PIECE - CUT_WITHIN, LONGEST_PIECE)
        yield samples[:cut]
        samples = samples[cut:]
    if samples.size:
        yield samples


def _quietest(samples: Floats, start: int, end: int) -> int:
    """The middle of the quietest 100 ms between two samples."""
    energy = np.square(samples[start:end]).reshape(-1, PAUSE).sum(axis=1)
    return start + int(energy.argmin()) * PAUSE + PAUSE // 2
