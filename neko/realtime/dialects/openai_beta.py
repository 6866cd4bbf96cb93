"""OpenAI Realtime as it was in its beta: Azure's previews and many servers of one's own still speak it.

Sources, as of November 2026: https://learn.microsoft.com/azure/ai-services/openai/realtime-audio-reference and the
package `openai`, `types/beta/realtime`. That a server speaks it is for the configuration to say (`api = "beta"`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar

from neko.realtime.dialects.base import Setup
from neko.realtime.dialects.beta import BETA_PCM_HZ, BetaDialect
from neko.realtime.dialects.realtime import bearer, called, described, truncate
from neko.realtime.session import Facts, Interrupt, ModelEvent, Tool

MAX_SESSION_S = 1800.0  # half of what it is in GA
CONTEXT_TOKENS = 27_904  # of the 32,000 of gpt-4o-realtime-preview 4,096 are for the reply
TOKENS_PER_S = 20.0  # of the model's speech


class OpenAiBetaDialect(BetaDialect):
    """One session's dialect."""

    known: ClassVar[Facts] = Facts(
        hears_hz=BETA_PCM_HZ,
        speaks_hz=BETA_PCM_HZ,
        max_session_s=MAX_SESSION_S,
        sees=False,
        context_tokens=CONTEXT_TOKENS,
        tokens_per_s=TOKENS_PER_S,
    )
    items: ClassVar[frozenset[str]] = frozenset({"system", "user", "assistant"})

    def session(self, setup: Setup) -> dict[str, Any]:
        return super().session(setup) | {
            "input_audio_format": "pcm16",
            "output_audio_format": "pcm16",
            "input_audio_transcription": {"model": "whisper-1", "language": setup.language},
        }

    def tool(self, tool: Tool) -> dict[str, Any]:
        return {"type": "function"} | described(tool)

    def headers(self, api_key: str | None) -> Mapping[str, str]:
        return {**bearer(api_key), "OpenAI-Beta": "realtime=v1"}

    def _read(self, frame: Mapping[str, Any]) -> Iterator[ModelEvent]:
        match frame:
            case {"type": "response.function_call_arguments.done"}:
                return  # it does not say of which tool
            case {"type": "response.output_item.done", "item": {"type": "function_call", **call}, **rest}:
                yield called(call, rest.get("response_id"))
            case _:
                yield from super()._read(frame)

    def interrupt(self, cut: Interrupt) -> Iterable[dict[str, Any]]:
        yield from super().interrupt(cut)
        if cut.item_id is not None:
            yield truncate(cut.item_id, cut.heard_ms)
