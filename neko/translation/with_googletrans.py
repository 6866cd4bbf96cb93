"""The step `googletrans`: an unofficial client of Google Translate, which gets the text."""

from __future__ import annotations

from typing import Any

import httpx
import trio

from neko.translation.gateway import Gateway
from neko.translation.step import NotInstalled

# What Google calls it, where that is not the language of the tag. In 4.0 the library knows names in lower case only.
CODES = {"zh": "zh-cn", "zh-Hant": "zh-tw", "nb": "no", "nn": "no"}


class Googletrans:
    """A `Translator`. The library (4.x) is made of httpx, which runs on Trio as it is: a cancel ends its request.

    `gateway`, for tests, is the `http://` address where its requests go. Whoever makes it closes it.
    """

    def __init__(self, gateway: str = "") -> None:
        self._gateway = gateway
        self._library: Any = None

    async def __call__(self, text: str, spoken: str, wanted: str) -> str:
        library = await self._loaded()
        translated = await library.translate(text, src=_code(spoken), dest=_code(wanted))
        return str(translated.text)

    async def prepare(self) -> None:
        """Loads the library. Raises `NotInstalled`."""
        await self._loaded()

    async def aclose(self) -> None:
        if self._library is not None:
            await self._library.client.aclose()

    async def _loaded(self) -> Any:
        if self._library is None:
            # It reads certificates when it is made.
            made = await trio.to_thread.run_sync(_make, abandon_on_cancel=True)
            if self._gateway:
                made.client = httpx.AsyncClient(transport=Gateway(self._gateway), headers=made.client.headers)
            if self._library is None:
                self._library = made
        return self._library


def _make() -> Any:
    try:
        from googletrans import Translator
    except ImportError as error:
        raise NotInstalled("googletrans") from error
    # Without this it returns the text as its own translation when Google refuses.
    return Translator(raise_exception=True)


def _code(tag: str) -> str:
    return CODES.get(tag, tag.partition("-")[0])
