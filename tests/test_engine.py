"""The language model's process: ready by handshake, failing by type, never outliving its owner."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest
import trio

from neko.local.child import LAST_WORDS
from neko.local.engine import GOODBYE_S, ChatEndpoint, language_model_process
from neko.local.errors import EngineFailed, ModelMissing, UnsupportedProcessor
from neko.local.models import QWEN_0_5B
from neko.local.processor import lacks_avx2
from neko.local.weights import weights_of

GGUF = Path("some model.gguf")
LISTEN = "settings = json.loads(sys.stdin.readline())"
ANSWER = 'print(json.dumps({"url": "http://127.0.0.1:9/v1"}), flush=True)'
READY = f"{LISTEN}; {ANSWER}"


def child(*lines: str) -> tuple[str, ...]:
    """A command that runs these lines of Python in place of the engine."""
    return (sys.executable, "-c", "\n".join(("import json, os, signal, sys, time", *lines)))


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.slow
async def test_the_endpoint_says_where_the_model_answers_and_hides_the_key() -> None:
    async with language_model_process(GGUF, command=child(READY, "sys.stdin.read()")) as endpoint:
        assert endpoint == ChatEndpoint("http://127.0.0.1:9/v1", endpoint.api_key, "some model")
        assert len(endpoint.api_key) >= 32
        assert endpoint.api_key not in repr(endpoint)


@pytest.mark.slow
async def test_the_child_is_told_its_settings_by_stdin_and_not_by_its_arguments(tmp_path: Path) -> None:
    told = tmp_path / "told"
    note = f"open({str(told)!r}, 'w').write(json.dumps([settings, sys.argv]))"
    async with language_model_process(GGUF, command=child(LISTEN, note, ANSWER, "sys.stdin.read()")) as endpoint:
        settings, argv = json.loads(told.read_text())
    assert settings == {"gguf": str(GGUF), "model": "some model", "api_key": endpoint.api_key}
    assert endpoint.api_key not in argv


@pytest.mark.slow
async def test_a_child_that_dies_before_it_is_ready_fails_with_its_last_words() -> None:
    lines = f"[print('line', n, file=sys.stderr) for n in range({LAST_WORDS + 5})]"
    with pytest.raises(EngineFailed) as caught:
        async with language_model_process(GGUF, command=child("sys.stdin.readline()", lines, "sys.exit(3)")):
            pytest.fail("a dead engine became ready")
    assert caught.value.status == 3
    assert caught.value.last_words == tuple(f"line {n}" for n in range(5, LAST_WORDS + 5))


@pytest.mark.slow
async def test_a_child_that_never_reads_its_settings_fails_too() -> None:
    with pytest.raises(EngineFailed, match="no such thing"):
        async with language_model_process(GGUF, command=child("sys.exit('no such thing')")):
            pytest.fail("a dead engine became ready")


@pytest.mark.slow
async def test_an_illegal_instruction_is_explained() -> None:
    with pytest.raises(UnsupportedProcessor, match="AVX2"):
        async with language_model_process(GGUF, command=child("os.kill(os.getpid(), signal.SIGILL)")):
            pytest.fail("a dead engine became ready")


@pytest.mark.slow
async def test_a_child_that_dies_later_ends_its_owners_work() -> None:
    command = child(READY, "print('out of memory', file=sys.stderr, flush=True)", "os.abort()")
    with pytest.raises(ExceptionGroup) as caught:
        async with language_model_process(GGUF, command=command):
            await trio.sleep_forever()
    (failure,) = caught.value.exceptions
    assert isinstance(failure, EngineFailed)
    assert failure.status == -signal.SIGABRT
    assert "out of memory" in failure.last_words


@pytest.mark.slow
async def test_a_child_that_chatters_does_not_block() -> None:
    chatter = "[print('x' * 1000, file=sys.stderr) for n in range(1000)]"
    command = child(chatter, READY, chatter, "print('done', file=sys.stderr, flush=True); sys.exit(1)")
    with pytest.raises(ExceptionGroup) as caught:
        async with language_model_process(GGUF, command=command):
            await trio.sleep_forever()
    (failure,) = caught.value.exceptions
    assert isinstance(failure, EngineFailed)
    assert failure.last_words[-1] == "done"


@pytest.mark.slow
async def test_a_cancel_while_it_loads_leaves_no_process(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    os.mkfifo(pid_file)
    command = child(f"open({str(pid_file)!r}, 'w').write(str(os.getpid()))", "time.sleep(60)")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_enter, command)
        pid = int(await trio.Path(pid_file).read_text())
        nursery.cancel_scope.cancel()
    assert not is_alive(pid)


@pytest.mark.slow
async def test_a_child_that_ignores_sigterm_is_killed_and_waited_for(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    stubborn = "signal.signal(signal.SIGTERM, signal.SIG_IGN)"
    command = child(stubborn, f"open({str(pid_file)!r}, 'w').write(str(os.getpid()))", READY, "time.sleep(60)")
    async with language_model_process(GGUF, command=command):
        pid = int(pid_file.read_text())
        left_at = trio.current_time()
    assert not is_alive(pid)
    assert GOODBYE_S <= trio.current_time() - left_at < 2 * GOODBYE_S


async def _enter(command: tuple[str, ...]) -> None:
    async with language_model_process(GGUF, command=command):
        pytest.fail("a child that never answered became ready")


async def test_a_missing_engine_says_how_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "xllamacpp", None)
    with pytest.raises(ModelMissing, match=r"pip install 'neko\[local\]'"):
        async with language_model_process(GGUF):
            pytest.fail("an engine that is not installed became ready")


def test_an_x86_without_avx2_is_told_apart() -> None:
    assert lacks_avx2("x86_64", "flags : fpu sse4_2 avx")
    assert not lacks_avx2("x86_64", "flags : fpu sse4_2 avx avx2")
    assert not lacks_avx2("x86_64", "")
    assert not lacks_avx2("aarch64", "Features : fp asimd")


@pytest.mark.slow
async def test_a_file_that_is_no_model_fails_clearly(tmp_path: Path) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"not a model")
    with pytest.raises(EngineFailed) as caught:
        async with language_model_process(broken):
            pytest.fail("a broken model became ready")
    assert any("broken.gguf" in line for line in caught.value.last_words)


@pytest.fixture(scope="module")
def small_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NEKO_CACHE", str(tmp_path_factory.mktemp("cache")))
        return weights_of(QWEN_0_5B)


@pytest.mark.slow
async def test_the_real_engine_answers_only_to_its_key(small_model: Path) -> None:
    async with language_model_process(small_model) as endpoint, httpx.AsyncClient(timeout=60) as client:
        question = {
            "model": endpoint.model,
            "messages": [{"role": "user", "content": "Say hello."}],
            "max_tokens": 8,
        }
        chat = f"{endpoint.url}/chat/completions"
        answer = await client.post(chat, json=question, headers={"Authorization": f"Bearer {endpoint.api_key}"})
        refused = await client.post(chat, json=question)
    assert answer.json()["choices"][0]["message"]["content"]
    assert refused.status_code == 401


OWNER = """
import sys, trio
from pathlib import Path
from neko.local.engine import language_model_process

async def main():
    async with language_model_process(Path(sys.argv[1])) as endpoint:
        Path(sys.argv[2]).write_text(endpoint.url)
        await trio.sleep_forever()

trio.run(main)
"""


@contextmanager
def owner_that_is_killed(*arguments: Path) -> Iterator[None]:
    """A process that owns an engine, killed at the end of the context."""
    owner = subprocess.Popen([sys.executable, "-c", OWNER, *map(str, arguments)], stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        owner.kill()
        owner.wait()


@pytest.mark.slow
async def test_the_engine_does_not_outlive_a_killed_owner(small_model: Path, tmp_path: Path) -> None:
    url_file = tmp_path / "url"
    os.mkfifo(url_file)
    with owner_that_is_killed(small_model, url_file):
        url = httpx.URL(await trio.Path(url_file).read_text())
        assert url.port is not None
        stream = await trio.open_tcp_stream(url.host, url.port)
    # The engine's end of the connection closes when it dies.
    async with stream:
        with trio.fail_after(10), suppress(trio.BrokenResourceError):
            assert await stream.receive_some() == b""
