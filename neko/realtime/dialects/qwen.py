"""Qwen-Omni-Realtime of Alibaba Cloud Model Studio.

Sources, as of November 2026: https://www.alibabacloud.com/help/en/model-studio/client-events, …/server-events,
…/realtime, …/error-code and …/qwen-omni (what sound counts for). The documents have items for tools' results only, so
what was said before goes into the instructions. That typed words are answered all the same was found by the original
N.E.K.O. against the vendor's endpoint with qwen3.5-omni-flash-realtime (its main_logic/omni_realtime_client.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from neko.realtime.codes import CODES
from neko.realtime.dialects.base import Setup
from neko.realtime.dialects.beta import BETA_PCM_HZ, BetaDialect
from neko.realtime.dialects.realtime import HARMLESS
from neko.realtime.errors import (
    Arrears,
    KeyRejected,
    Kind,
    Misconfigured,
    PolicyViolation,
    ProviderFault,
    RateLimited,
)
from neko.realtime.session import Facts, Hear, ModelCommand


class QwenDialect(BetaDialect):
    """One session's dialect."""

    known: ClassVar[Facts] = Facts(
        hears_hz=16_000,
        speaks_hz=BETA_PCM_HZ,
        max_session_s=7200,
        context_tokens=49_152,  # the input of qwen3-omni-flash-realtime; its successor's is not documented
        tokens_per_s=12.5,  # of the model's speech; of the person's 7 in qwen3.5-omni
    )
    # To cancel a reply that has just ended gives an error without a code.
    harmless: ClassVar[frozenset[str]] = HARMLESS | {"Conversation has none active response"}
    codes: ClassVar[Mapping[str, Kind]] = CODES | {
        "InvalidApiKey": KeyRejected,
        "AccessDenied": KeyRejected,
        "Arrearage": Arrears,
        "ModelNotFound": Misconfigured,
        "DataInspectionFailed": PolicyViolation,
        "InternalError": ProviderFault,
        "Throttling": RateLimited,
        "Throttling.RateQuota": RateLimited,
        "Throttling.AllocationQuota": RateLimited,
    }

    def __init__(self, *, speaks: bool = True, max_session_s: float | None = None) -> None:
        super().__init__(speaks=speaks, max_session_s=max_session_s)
        self._has_heard = False
        self._picture: dict[str, Any] | None = None  # the youngest that came before any sound

    def session(self, setup: Setup) -> dict[str, Any]:
        return super().session(setup) | {"input_audio_format": "pcm", "output_audio_format": "pcm"}

    def write(self, command: ModelCommand) -> Iterable[dict[str, Any]]:
        yield from super().write(command)
        if isinstance(command, Hear):
            self._has_heard = True
            if self._picture is not None:
                yield self._picture
                self._picture = None

    def see(self, url: str, /) -> Iterable[dict[str, Any]]:
        """A JPEG; refused before the first sound, so until then it waits."""
        picture = {"type": "input_image_buffer.append", "image": url.partition(",")[2]}
        if self._has_heard:
            yield picture
        else:
            self._picture = picture
