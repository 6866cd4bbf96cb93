"""The dialects of the simulator, by the names that `kind` has in a configuration; `BETAS` for `api = "beta"`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import evolve

from neko.testing.dialects.azure import Azure, AzureBeta
from neko.testing.dialects.gemini import Gemini
from neko.testing.dialects.glm import Glm
from neko.testing.dialects.openai import OpenAI
from neko.testing.dialects.openai_beta import OpenAIBeta
from neko.testing.dialects.qwen import Qwen
from neko.testing.dialects.step import Step
from neko.testing.dialects.xai import Xai

if TYPE_CHECKING:
    from neko.testing.behaviour import Behaviour
    from neko.testing.dialects import Dialect

DIALECTS: dict[str, type[Dialect]] = {
    "openai": OpenAI,
    "azure": Azure,
    "xai": Xai,
    "qwen": Qwen,
    "glm": Glm,
    "step": Step,
    "gemini": Gemini,
}
BETAS: dict[str, type[Dialect]] = {"openai": OpenAIBeta, "azure": AzureBeta}


def with_real_limits(behaviour: Behaviour, dialect: type[Dialect]) -> Behaviour:
    """The behaviour, with sessions that live as long as the provider's own and warn of their end as they do."""
    return evolve(behaviour, expires_after_s=dialect.max_session_s, go_away_s=dialect.go_away_s)
