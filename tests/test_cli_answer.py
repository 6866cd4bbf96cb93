"""The patience of a command that takes one turn."""

from __future__ import annotations

import pytest

from neko.cli import answer, start
from neko.cli.answer import answer_to_speech, answer_to_text
from neko.cli.failures import Failure
from neko.client import CharacterClient, Recording, Reply, SessionEnded, TurnRefused, connect
from neko.protocol.errors import StatusCode
from neko.protocol.server import ReplyText, Status, TurnEnd, UserTranscript
from tests.character_server import Peer, Script, character_server, reply

SHORT_S = 0.1


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answer, "UNDERSTOOD_WITHIN_S", SHORT_S)
    monkeypatch.setattr(answer, "ANSWERED_WITHIN_S", SHORT_S)
    monkeypatch.setattr(start, "STARTED_WITHIN_S", SHORT_S)


def saying(*messages: object) -> Script:
    async def script(peer: Peer) -> None:
        await peer.accept_start()
        await peer.say(*messages)  # type: ignore[arg-type]
        while True:
            await peer.receive()

    return script


async def outcome(script: Script, question: str | Recording) -> Reply | Exception:
    """What came of it; returned, because the fake server's nursery would wrap an error."""
    async with character_server(script) as server, connect(server.url, "Yui") as client:
        try:
            return await ask(client, question)
        except (Failure, TurnRefused, SessionEnded) as error:
            return error
        except ExceptionGroup as group:
            return group.exceptions[0]


async def ask(client: CharacterClient, question: str | Recording) -> Reply:
    if isinstance(question, str):
        return await answer_to_text(client, question)
    return await answer_to_speech(client, question)


SILENCE = Recording(bytes(1_600), 16_000)


@pytest.mark.parametrize(
    ("script", "question", "sentence"),
    [
        (saying(), SILENCE, "nothing was understood: is there speech in the recording?"),
        (saying(), "hello", "there was no answer"),
        (saying(UserTranscript("hello")), SILENCE, "the answer stopped in the middle"),
        (saying(ReplyText("Well", True, "t1")), "hello", "the answer stopped in the middle"),
    ],
)
async def test_one_sentence_for_an_answer_that_does_not_come(
    script: Script, question: str | Recording, sentence: str
) -> None:
    failed = await outcome(script, question)
    assert isinstance(failed, Failure)
    assert failed.message == sentence


async def test_a_server_that_starts_nothing() -> None:
    async def script(peer: Peer) -> None:
        while True:
            await peer.receive()

    failed = await outcome(script, "hello")
    assert isinstance(failed, Failure)
    assert "did not start a session" in failed.message


async def test_a_recording_with_a_pause_is_answered_once() -> None:
    first = [UserTranscript("I was"), ReplyText("You were", True, "t1"), TurnEnd("t1", interrupted=True)]
    got = await outcome(saying(*first, UserTranscript("at the sea"), *reply("t2", "How nice.")), SILENCE)
    assert isinstance(got, Reply)
    assert (got.heard, got.text) == ("I was at the sea", "How nice.")


async def test_a_refusal_comes_out_as_it_is() -> None:
    failed = await outcome(saying(Status(StatusCode.MESSAGE_TOO_BIG, "too long")), "hello")
    assert isinstance(failed, TurnRefused)
