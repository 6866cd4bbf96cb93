"""The Step realtime dialect of StepFun.

Sources, as of November 2026: https://platform.stepfun.com/docs/zh/api-reference/realtime/chat.md,
…/docs/zh/guides/developer/realtime.md, and the vendor's own client in github.com/stepfun-ai/Step-Realtime-Console.
Tools are wrapped in `function`, as in the vendor's chat API; so does the original N.E.K.O. send them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from neko.realtime.dialects.base import Setup
from neko.realtime.dialects.beta import BETA_PCM_HZ, BetaDialect
from neko.realtime.dialects.realtime import message
from neko.realtime.session import Facts, Interrupt


class StepDialect(BetaDialect):
    """One session's dialect."""

    known: ClassVar[Facts] = Facts(hears_hz=BETA_PCM_HZ, speaks_hz=BETA_PCM_HZ, sees=False)
    items: ClassVar[frozenset[str]] = frozenset({"user", "assistant"})

    def session(self, setup: Setup) -> dict[str, Any]:
        return super().session(setup) | {
            "modalities": ["text", "audio"],  # the only ones that it has
            "input_audio_format": "pcm16",
            "output_audio_format": "pcm16",
            "input_audio_transcription": {"model": "whisper-1"},
        }

    def interrupt(self, cut: Interrupt) -> Iterable[dict[str, Any]]:
        """Nothing can be truncated, but what was said can be replaced by what was heard."""
        yield from super().interrupt(cut)
        if cut.item_id is not None:
            yield {"type": "conversation.item.delete", "item_id": cut.item_id}
            if cut.heard_text:
                yield message("assistant", {"type": "text", "text": cut.heard_text})
