"""Names of languages as clients and configurations write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neko.translation.tags import canonical, differ, written

SPELLINGS = [
    ("en", "en"),
    ("EN", "en"),
    ("en-us", "en-US"),
    ("zh-CN", "zh-CN"),
    ("zh_TW", "zh-TW"),
    ("zh-hant-hk", "zh-Hant-HK"),
    ("cmn", "zh"),
    ("jp", "ja"),
    ("iw", "he"),
    ("de_DE.UTF-8", "de-DE"),
    ("ca_ES@valencia", "ca-ES"),
    (" fr ", "fr"),
    ("tlh", "tlh"),
]
NONE = ["", " ", "klingon", "auto", "xx", "und", "german", "x-private", "-", "e", "ja jp", "zh-😀"]


@pytest.mark.parametrize(("said", "tag"), SPELLINGS)
def test_a_language_has_one_spelling(said: str, tag: str) -> None:
    assert canonical(said) == tag
    assert canonical(tag) == tag


@pytest.mark.parametrize("said", NONE)
def test_what_is_no_language_has_none(said: str) -> None:
    assert canonical(said) is None


@given(st.text())
def test_whatever_a_client_sends_is_a_language_or_none(said: str) -> None:
    tag = canonical(said)
    assert tag is None or canonical(tag) == tag


@pytest.mark.parametrize(
    ("one", "other"), [("en", "en-US"), ("pt-BR", "pt-PT"), ("zh", "zh-CN"), ("zh-TW", "zh-Hant"), ("sr", "sr-Cyrl")]
)
def test_regions_read_each_other(one: str, other: str) -> None:
    assert not differ(one, other)


@pytest.mark.parametrize(("one", "other"), [("en", "de"), ("zh-CN", "zh-TW"), ("sr", "sr-Latn"), ("nl", "af")])
def test_languages_and_scripts_do_not(one: str, other: str) -> None:
    assert differ(one, other)


def test_a_script_is_named_where_it_is_not_the_usual_one() -> None:
    tags = ("en-US", "zh-CN", "zh-TW", "zh-HK", "sr-Latn-RS", "ja")
    assert [written(tag) for tag in tags] == ["en", "zh", "zh-Hant", "zh-Hant", "sr-Latn", "ja"]
