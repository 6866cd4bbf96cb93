"""The dialects of the simulator, by the names that `kind` has in a configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import evolve

from neko.testing.dialects.gemini import Gemini
from neko.testing.dialects.glm import Glm
from neko.testing.dialects.openai import OpenAI
from neko.testing.dialects.qwen import Qwen
from neko.testing.dialects.step import Step

if TYPE_CHECKING:
    from neko.testing.behaviour import Behaviour
    from neko.testing.dialects import Dialect

DIALECTS: dict[str, type[Dialect]] = {"openai": OpenAI, "qwen": Qwen, "glm": Glm, "step": Step, "gemini": Gemini}


def with_real_limits(behaviour: Behaviour, dialect: type[Dialect]) -> Behaviour:
    """The behaviour, with sessions that live as long as the provider's own and warn of their end as they do."""
    return evolve(behaviour, expires_after_s=dialect.max_session_s, go_away_s=dialect.go_away_s)
