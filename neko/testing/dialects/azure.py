"""Azure OpenAI: OpenAI's events behind paths of its own; the key comes in the header `api-key`.

Source, read in November 2026: https://learn.microsoft.com/azure/foundry/openai/how-to/realtime-audio-websockets. The
facts are OpenAI's: see `openai.py` for GA and `openai_beta.py` for the previews.
"""

from __future__ import annotations

from typing import ClassVar

from neko.testing.dialects.openai import OpenAI
from neko.testing.dialects.openai_beta import OpenAIBeta


class Azure(OpenAI):
    """One session's codec."""

    path: ClassVar[str] = "/openai/v1/realtime"


class AzureBeta(OpenAIBeta):
    """One session's codec, of a preview."""

    path: ClassVar[str] = "/openai/realtime"
