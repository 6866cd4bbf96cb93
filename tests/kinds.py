"""Every dialect by one name: a provider's `kind`, with "beta" behind it where `api = "beta"` is meant."""

from __future__ import annotations

from neko.app.dialects import reach
from neko.config.model import Generation, Provider, ProviderKind
from neko.realtime.dialects.base import Dialect
from neko.testing import BETAS, DIALECTS
from neko.testing.dialects import Dialect as Simulator

GA = ("openai", "azure")  # OpenAI's own words of today; the others build on the older ones
KINDS = (*DIALECTS, *(f"{kind} beta" for kind in BETAS))
KIN = tuple(kind for kind in KINDS if kind != "gemini")  # those with OpenAI's words


def provider_of(kind: str, *, max_session_s: float | None = None) -> Provider:
    """As the configuration has it; Azure's cannot do without a URL and a deployment."""
    name, _, beta = kind.partition(" ")
    url, model = ("wss://mine.openai.azure.com", "sim") if name == "azure" else ("", "")
    api = Generation.BETA if beta else Generation.GA
    return Provider(kind=ProviderKind(name), api=api, url=url, model=model, max_session_s=max_session_s)


def dialect_of(kind: str, *, speaks: bool = True, max_session_s: float | None = None) -> Dialect:
    return reach(provider_of(kind, max_session_s=max_session_s), speaks=speaks).dialect


def simulator(kind: str) -> type[Simulator]:
    name, _, beta = kind.partition(" ")
    return (BETAS if beta else DIALECTS)[name]
