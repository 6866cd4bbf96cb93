"""Whether a provider can be used: it is reached and let go of, without generating a word."""

from __future__ import annotations

from collections.abc import Mapping

from neko.app.dialects import reach
from neko.app.engines import SCRIPTED, weights_of_the_user
from neko.config.model import Provider, ProviderKind
from neko.local.engine import require_engine
from neko.local.installed import best_language_model
from neko.realtime.chat import ChatEndpoint, open_chat
from neko.realtime.dialects.base import DEFAULT_VOICE, Setup
from neko.realtime.omni_realtime import open_realtime


async def shake_hands(provider: Provider, environ: Mapping[str, str]) -> str:
    """What was seen, in words.

    Raises:
        ProviderError, LocalError, ConfigError: it cannot be used.
    """
    match provider.kind:
        case ProviderKind.LOCAL if not provider.url:
            return _embedded(provider)
        case ProviderKind.LOCAL | ProviderKind.CHAT:
            async with open_chat(ChatEndpoint(provider.url, provider.model, provider.api_key(environ))) as chat:
                await chat.check()
            return f"{provider.url} answers"
        case _:  # all others are among the `VENDORS`
            reached = reach(provider, speaks=True)
            setup, key = Setup("", DEFAULT_VOICE, "en", reached.model), provider.api_key(environ)
            async with open_realtime(reached.dialect, setup, reached.url, key) as session:
                return f"opened session {session.id}"


def _embedded(provider: Provider) -> str:
    if provider.model == SCRIPTED:
        return "the scripted persona, for demonstrations"
    require_engine()
    if provider.model:
        return f"the engine is installed and runs {weights_of_the_user(provider.model)}"
    return f"the engine is installed and runs {best_language_model().name}"
