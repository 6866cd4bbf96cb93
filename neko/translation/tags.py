"""Names of languages: the one place that knows `zh_TW`, `en-US` and `jp` for what they are."""

from __future__ import annotations

import re
from functools import lru_cache

from langcodes import Language, standardize_tag
from langcodes.tag_parser import LanguageTagError

KNOWN = 256  # spellings that are remembered
# Countries that people write for their language, as far as the code is not that of another language.
COUNTRIES = {"jp": "ja", "cn": "zh", "cz": "cs", "dk": "da", "gr": "el", "ua": "uk"}
NO_LANGUAGE = {"und", "mul", "mis", "zxx"}  # of ISO 639: undetermined, several, uncoded, none


@lru_cache(KNOWN)
def canonical(name: str) -> str | None:
    """The tag (RFC 5646) of a language in its usual spelling, such as `zh-TW`; None when there is no such language.

    Takes `_` for `-`, drops what POSIX appends (`de_DE.UTF-8`), knows withdrawn codes (`iw`) and some countries (`jp`).
    """
    tag = re.split("[.@]", name.strip())[0].replace("_", "-")
    try:
        language = Language.get(standardize_tag(COUNTRIES.get(tag.lower(), tag), macro=True))
    except LanguageTagError:
        return None
    named = language.language is not None and language.language.isalpha() and language.language not in NO_LANGUAGE
    return language.to_tag() if named and language.is_valid() else None


@lru_cache(KNOWN)
def written(tag: str) -> str:
    """The language of a canonical tag as it is written: `en` of `en-US`, `zh` of `zh-CN`, `zh-Hant` of `zh-TW`.

    The script is named where it is not the language's usual one (CLDR, likely subtags); the region never is.
    """
    language = Language.get(tag)
    assert language.language is not None  # of a canonical tag
    script = language.maximize().script
    usual = Language.get(language.language).maximize().script
    return language.language if script == usual else f"{language.language}-{script}"


def differ(one: str, other: str) -> bool:
    """Who reads one language (canonical tags) cannot be expected to read the other."""
    return written(one) != written(other)
