"""From the API settings of N.E.K.O. to providers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from attrs import frozen

from neko.config.model import ProviderKind
from neko.importing.installation import CORE, table, words

if TYPE_CHECKING:
    from collections.abc import Mapping

    from neko.importing.installation import Installation

FREE = "free"  # the project's own service, for its own program only
KINDS = {
    "qwen": ProviderKind.QWEN,
    "qwen_intl": ProviderKind.QWEN,
    "openai": ProviderKind.OPENAI,
    "step": ProviderKind.STEP,
    "gemini": ProviderKind.GEMINI,
    "glm": ProviderKind.GLM,
    "grok": ProviderKind.XAI,
}
# What these vendors' own documents call the variable.
VARIABLES = {
    "qwen": "DASHSCOPE_API_KEY",
    "qwen_intl": "DASHSCOPE_INTL_API_KEY",  # another account than that of qwen, and often beside it
    "glm": "ZHIPUAI_API_KEY",
    "kimi": "MOONSHOT_API_KEY",
    "doubao": "ARK_API_KEY",
    "silicon": "SILICONFLOW_API_KEY",
    "claude": "ANTHROPIC_API_KEY",
    "grok": "XAI_API_KEY",
    "minimax_intl": "MINIMAX_API_KEY",
}


@frozen
class Secret:
    """A key that stays where it is: the person puts it into `variable`. `field` names where it stands, "" nowhere."""

    variable: str
    field: str


@frozen
class Carried:
    """A provider's table, under the name that characters use; None: nothing was carried, for that reason."""

    name: str
    table: Mapping[str, Any] | None
    secret: Secret | None = None
    why_not: str = ""


EMBEDDED = Carried("local", None)
OWN = {"conversation": "own-text", "vision": "own-vision"}  # what the person's own endpoints are called here


def spoken(installation: Installation) -> Carried:
    """Who speaks with the person."""
    core = installation.core
    vendor = words(core, "coreApi")
    kind = KINDS.get(vendor)
    if not vendor:
        return EMBEDDED
    if kind is None:
        return Carried("local", None, why_not=f"{CORE}: coreApi {vendor!r} {_no_place(vendor)}")
    profile = table(table(installation.providers, "core_api_providers"), vendor)
    secret = Secret(_variable(vendor), "coreApiKey" if words(core, "coreApiKey") else "")
    settings = {
        "kind": kind.value,
        "url": words(profile, "core_url"),
        "model": words(profile, "core_model"),
        "api_key_env": secret.variable,
    }
    return Carried(vendor, _said(settings), secret)


def typed(installation: Installation) -> Carried:
    """Who answers in writing: an endpoint of the person's own, or the assisting vendor."""
    core = installation.core
    if core.get("enableCustomApi") is True and words(core, "conversationModelUrl"):
        return _own(core, "conversation")
    vendor = words(core, "assistApi")
    if not vendor:
        return EMBEDDED
    profile = table(table(installation.providers, "assist_api_providers"), vendor)
    url = words(profile, "openrouter_url")
    if vendor == FREE:
        return Carried("local", None, why_not=f"{CORE}: assistApi {vendor!r} {_no_place(vendor)}")
    if not url:
        return Carried("local", None, why_not=f"{CORE}: assistApi {vendor!r} is not in api_providers.json")
    secret = Secret(_variable(vendor), _key_field(core, vendor))
    settings = {
        "kind": "chat",
        "url": url,
        "model": words(profile, "conversation_model"),
        "api_key_env": secret.variable,
    }
    return Carried(f"{vendor}-text", _said(settings), secret)


def seeing(installation: Installation) -> Carried | None:
    """Who describes pictures to a model that does not see: as `typed`. None: nobody was named for it."""
    core = installation.core
    if core.get("enableCustomApi") is True and words(core, "visionModelUrl"):
        return _own(core, "vision")
    vendor = words(core, "assistApi")
    profile = table(table(installation.providers, "assist_api_providers"), vendor)
    url, model = words(profile, "openrouter_url"), words(profile, "vision_model")
    if vendor in ("", FREE) or not url or not model:
        return None
    secret = Secret(_variable(vendor), _key_field(core, vendor))
    return Carried(
        f"{vendor}-vision", {"kind": "chat", "url": url, "model": model, "api_key_env": secret.variable}, secret
    )


def _own(core: Mapping[str, Any], what: str) -> Carried:
    """The person's own endpoint for `conversation` or `vision`."""
    has_key = bool(words(core, f"{what}ModelApiKey"))
    secret = Secret(f"{what.upper()}_API_KEY", f"{what}ModelApiKey") if has_key else None
    settings = {
        "kind": "chat",
        "url": words(core, f"{what}ModelUrl"),
        "model": words(core, f"{what}ModelId"),
        "api_key_env": secret.variable if secret else "",
    }
    return Carried(OWN[what], _said(settings), secret)


def _key_field(core: Mapping[str, Any], vendor: str) -> str:
    """`assistApiKeyQwenIntl` for qwen_intl; the key of the speaking vendor where that is the same one."""
    field = "assistApiKey" + "".join(part.capitalize() for part in vendor.split("_"))
    if words(core, field):
        return field
    return "coreApiKey" if words(core, "coreApi") == vendor and words(core, "coreApiKey") else ""


def _variable(vendor: str) -> str:
    return VARIABLES.get(vendor) or re.sub(r"\W", "_", f"{vendor.upper()}_API_KEY", flags=re.ASCII)


def _no_place(vendor: str) -> str:
    return "is for N.E.K.O. only" if vendor == FREE else "is a vendor that is not known here"


def _said(settings: Mapping[str, str]) -> Mapping[str, str]:
    return {key: value for key, value in settings.items() if value}
