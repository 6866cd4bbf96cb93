"""Azure OpenAI: OpenAI's events behind a URL and a header of its own; a model is the name of a deployment.

Source, as of November 2026: https://learn.microsoft.com/azure/foundry/openai/how-to/realtime-audio-websockets. GA:
`wss://NAME.openai.azure.com/openai/v1/realtime?model=DEPLOYMENT`; previews:
`wss://NAME.openai.azure.com/openai/realtime?api-version=…&deployment=DEPLOYMENT`; both with the header `api-key`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar
from urllib.parse import parse_qsl, urlencode, urlsplit

from neko.realtime.dialects.openai import OpenAiDialect
from neko.realtime.dialects.openai_beta import OpenAiBetaDialect

GA_PATH, BETA_PATH = "/openai/v1/realtime", "/openai/realtime"
API_VERSION = "2025-04-01-preview"  # the last one; a URL that names another keeps it


class AzureDialect(OpenAiDialect):
    """One session's dialect."""

    transcriber: ClassVar[str] = "whisper-1"  # OpenAI's others have to be deployed, under names that nobody here knows

    def url(self, base: str, model: str) -> str:
        return _url(base, GA_PATH, {"model": model})

    def headers(self, api_key: str | None) -> Mapping[str, str]:
        return _key(api_key)


class AzureBetaDialect(OpenAiBetaDialect):
    """One session's dialect, of a preview."""

    def url(self, base: str, model: str) -> str:
        return _url(base, BETA_PATH, {"api-version": API_VERSION, "deployment": model})

    def headers(self, api_key: str | None) -> Mapping[str, str]:
        return _key(api_key)


def _url(base: str, path: str, query: dict[str, str]) -> str:
    """What the configuration says goes before what is added: a whole URL may stand there, or the resource alone."""
    parts = urlsplit(base)
    asked = urlencode({**query, **dict(parse_qsl(parts.query))})
    return parts._replace(path=parts.path if parts.path.strip("/") else path, query=asked).geturl()


def _key(api_key: str | None) -> Mapping[str, str]:
    return {"api-key": api_key} if api_key else {}
