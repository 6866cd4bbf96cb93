"""GLM-Realtime of Zhipu.

Sources, as of November 2026: GLM-Realtime-doc-for-llm.md and python/rtclient/models.py in
github.com/MetaGLM/glm-realtime-sdk, https://docs.bigmodel.cn/cn/guide/models/sound-and-video/glm-realtime (the memory
of 2 minutes) and https://docs.bigmodel.cn/cn/api/api-code (the errors).

The model forgets what was said more than 2 minutes ago, but not its instructions: they tell it what was said before.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

from neko.realtime.codes import CODES
from neko.realtime.dialects.base import Setup
from neko.realtime.dialects.beta import BETA_PCM_HZ, BetaDialect
from neko.realtime.dialects.realtime import described
from neko.realtime.errors import (
    Arrears,
    KeyRejected,
    Kind,
    Misconfigured,
    PolicyViolation,
    ProviderFault,
    QuotaExceeded,
    RateLimited,
)
from neko.realtime.session import Facts, ModelEvent, ReplyDone, ReplyStarted, Tool

REMEMBERS_S = 120.0
AUDIO, VIDEO = "audio", "video_passive"


class GlmDialect(BetaDialect):
    """One session's dialect."""

    known: ClassVar[Facts] = Facts(hears_hz=16_000, speaks_hz=BETA_PCM_HZ, remembers_s=REMEMBERS_S)
    codes: ClassVar[Mapping[str, Kind]] = {
        **CODES,
        **dict.fromkeys(["1000", "1001", "1002", "1003", "1004", "1220"], KeyRejected),
        **dict.fromkeys(["1110", "1111", "1112", "1113", "1121", "1309"], Arrears),
        **dict.fromkeys(["1211", "1212", "1221", "1222", "1311"], Misconfigured),
        **dict.fromkeys(["1300", "1301"], PolicyViolation),
        **dict.fromkeys(["1302", "1303", "1305", "1312", "1313"], RateLimited),
        **dict.fromkeys(["1304", "1308", "1310"], QuotaExceeded),
        **dict.fromkeys(["500", "1120", "1234"], ProviderFault),
    }

    def __init__(self, *, speaks: bool = True, max_session_s: float | None = None) -> None:
        super().__init__(speaks=speaks, max_session_s=max_session_s)
        self._chat_mode = AUDIO
        self._words_in: str | None = None  # the kind of event that brings this reply's words

    def session(self, setup: Setup) -> dict[str, Any]:
        return super().session(setup) | {
            "model": setup.model,
            "input_audio_format": "pcm16",
            "output_audio_format": "pcm",
            "beta_fields": {"chat_mode": self._chat_mode},
        }

    def tool(self, tool: Tool) -> dict[str, Any]:
        return {"type": "function"} | described(tool)

    def see(self, url: str, /) -> Iterable[dict[str, Any]]:
        """A JPEG; the model looks at pictures in a mode of its own, to which the conversation is carried over."""
        if self._chat_mode != VIDEO:
            self._chat_mode = VIDEO
            yield self.update()
        yield {"type": "input_audio_buffer.append_video_frame", "video_frame": url.partition(",")[2]}

    def result(self, _call_id: str, output: str, /) -> dict[str, Any]:
        return {"type": "function_call_output", "output": output}

    def read(self, frame: Mapping[str, Any]) -> Sequence[ModelEvent]:
        events = super().read(frame)
        if any(isinstance(event, ReplyStarted | ReplyDone) for event in events):
            self._words_in = None
        return () if self._twice(frame) else events

    def _twice(self, frame: Mapping[str, Any]) -> bool:
        """A reply may come with its words in two kinds of event; either kind has all of them."""
        match frame:
            case {"type": "response.audio_transcript.delta" | "response.text.delta" as kind}:
                self._words_in = self._words_in or str(kind)
                return str(kind) != self._words_in
            case _:
                return False
