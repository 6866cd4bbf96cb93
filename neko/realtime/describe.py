"""A picture in words, by a model that sees, for one that does not."""

from __future__ import annotations

from neko.realtime.chat import ChatModel

MOST_TOKENS = 160  # three or four sentences; the conversation around it has room for a few of them
TASK = (
    "Somebody shows this picture, of their screen or their camera, to a friend who cannot see it. Tell that friend in "
    "at most three short sentences what matters in it: who and what is there, what happens, and what is written large. "
    "Write in the language {language}, and write nothing else."
)


async def describe(model: ChatModel, url: str, language: str) -> str:
    """What the picture (a data: URL) shows; "" when the model says nothing of it. Raises `ProviderError`.

    A cancel ends the model's work.
    """
    question = {
        "role": "user",
        "content": [
            {"type": "text", "text": TASK.format(language=language)},
            {"type": "image_url", "image_url": {"url": url}},
        ],
    }
    async with model.with_options(max_tokens=MOST_TOKENS).reply([question]) as pieces:
        return "".join([piece async for piece in pieces])
