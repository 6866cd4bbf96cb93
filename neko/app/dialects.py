"""Which dialect a kind of provider speaks, and where it is reached unless the configuration says otherwise."""

from __future__ import annotations

from attrs import frozen

from neko.config.model import Generation, Provider, ProviderKind
from neko.realtime.dialects.azure import AzureBetaDialect, AzureDialect
from neko.realtime.dialects.base import Dialect
from neko.realtime.dialects.gemini import GeminiDialect
from neko.realtime.dialects.glm import GlmDialect
from neko.realtime.dialects.openai import OpenAiDialect
from neko.realtime.dialects.openai_beta import OpenAiBetaDialect
from neko.realtime.dialects.qwen import QwenDialect
from neko.realtime.dialects.step import StepDialect
from neko.realtime.dialects.vendor import Vendor, plugged_in
from neko.realtime.dialects.xai import XaiDialect

VENDORS: dict[ProviderKind, Vendor] = {
    ProviderKind.OPENAI: Vendor(
        OpenAiDialect, "wss://api.openai.com/v1/realtime", "gpt-realtime", beta=OpenAiBetaDialect
    ),
    ProviderKind.AZURE: Vendor(AzureDialect, "", "", beta=AzureBetaDialect),
    ProviderKind.XAI: Vendor(XaiDialect, "wss://api.x.ai/v1/realtime", "grok-voice-latest"),
    ProviderKind.QWEN: Vendor(
        QwenDialect, "wss://dashscope.aliyuncs.com/api-ws/v1/realtime", "qwen3.5-omni-plus-realtime"
    ),
    ProviderKind.GLM: Vendor(GlmDialect, "wss://open.bigmodel.cn/api/paas/v4/realtime", "glm-realtime"),
    ProviderKind.STEP: Vendor(StepDialect, "wss://api.stepfun.com/v1/realtime", "stepaudio-2.5-realtime"),
    ProviderKind.GEMINI: Vendor(
        GeminiDialect,
        "wss://generativelanguage.googleapis.com/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent",
        "gemini-3.8-live",  # stable since September 2026
    ),
}


@frozen
class Reached:
    """A provider of the configuration with what it left open filled in; the dialect is for one session."""

    dialect: Dialect
    url: str
    model: str


def reach(provider: Provider, *, speaks: bool) -> Reached:
    """How to talk to a provider of one of the `VENDORS`, or of a kind that is plugged in. Raises `NotReady`."""
    kind = provider.kind
    vendor = VENDORS[kind] if isinstance(kind, ProviderKind) else plugged_in(kind)
    beta = vendor.beta if provider.api is Generation.BETA else None
    dialect = (beta or vendor.dialect)(speaks=speaks, max_session_s=provider.max_session_s)
    return Reached(dialect, provider.url or vendor.url, provider.model or vendor.model)
