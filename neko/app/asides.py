"""What is asked of a character's text provider beside the conversation: the conversation's answers go first."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from functools import partial

from attrs import define, field

from neko.app.embedded import Embedded
from neko.app.engines import SCRIPTED
from neko.app.precedence import Answering, Answers, Piece_co, Precedence
from neko.app.voicing import WORDS_ONLY
from neko.config.model import Provider, ProviderKind
from neko.config.snapshot import Snapshot
from neko.realtime.chat import ChatEndpoint, ChatModel, open_chat
from neko.realtime.errors import NotReady
from neko.translation.with_model import Ask


@define
class Asides:
    """Of one house."""

    _embedded: Embedded
    _endpoint: Callable[[Provider], ChatEndpoint]
    _precedence: defaultdict[str, Precedence] = field(factory=lambda: defaultdict(Precedence), init=False)

    def of(self, snapshot: Snapshot) -> Ask | None:
        """How the provider is asked, None where it cannot be. What is asked raises `ProviderError`."""
        provider = snapshot.text_provider
        if not speaks_text(provider):
            return None
        return self._ask_embedded if provider.kind is ProviderKind.LOCAL else partial(self._ask_endpoint, snapshot)

    def answering(self, character: str, model: Answers[Piece_co], aside: ChatModel) -> Answering[Piece_co]:
        """The model of an endpoint, as a character's session is to use it."""
        return Answering(model, aside, self._precedence[character])

    async def _ask_embedded(self, instructions: str, text: str, longest: int) -> str:
        warm = await self._embedded.warm()
        if warm.ask is None:
            raise NotReady("the engines that run are scripted")
        return await warm.ask(instructions, text, longest)

    async def _ask_endpoint(self, snapshot: Snapshot, instructions: str, text: str, longest: int) -> str:
        async with open_chat(self._endpoint(snapshot.text_provider)) as chat:
            return await self.answering(snapshot.name, chat, chat).ask(instructions, text, longest)


def speaks_text(provider: Provider) -> bool:
    """A language model that can be asked anything."""
    return provider.kind in WORDS_ONLY and provider.model != SCRIPTED
