"""The peers of the benchmarks: what starts them, and what is said when they cannot be had."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from attrs import evolve

from neko.bench import peers
from neko.bench.errors import NothingMeasured
from neko.bench.peers import PIPECAT, PIPECAT_HANDOVER, RELAY, Environment, command

if TYPE_CHECKING:
    from pathlib import Path

posix = pytest.mark.skipif(os.name == "nt", reason="pip is stood in for by a shell script")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda name: str(tmp_path / name))
    return tmp_path / "neko" / "bench"


def there(environment: Environment, answer: str) -> None:
    """An environment whose Python answers every command with these shell words."""
    environment.python.parent.mkdir(parents=True)
    environment.python.write_text(f"#!/bin/sh\n{answer}\n")
    environment.python.chmod(0o755)


@posix
@pytest.mark.parametrize("peer", [RELAY, PIPECAT, PIPECAT_HANDOVER], ids=lambda peer: str(peer.script))
async def test_a_peer_whose_environment_is_complete_is_started_at_once(
    peer: peers.Peer, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    there(peer.environment, f'echo "$@" >> {cache}/asked')
    python, script = await command(peer)
    assert python == str(cache / peer.environment.name / "bin" / "python")
    assert script.endswith(f"benchmarks{os.sep}{peer.script}")
    asked = (cache / "asked").read_text().splitlines()
    assert len(asked) == 1
    assert "--no-index" in asked[0]
    assert capsys.readouterr() == ("", "")


@posix
async def test_what_is_missing_is_installed_from_the_index(
    cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.executable", "true")  # the folder is there already
    there(RELAY.environment, f'echo "$@" >> {cache}/asked; case "$*" in *--no-index*) exit 1;; esac')
    await command(RELAY)
    first, second = (cache / "asked").read_text().splitlines()
    assert first.replace("--no-index ", "") == second
    assert second.endswith(" ".join(RELAY.environment.requirements))
    assert str(RELAY.environment.folder) in capsys.readouterr().err


@posix
async def test_without_a_network_the_reason_is_one_sentence(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "true")
    there(RELAY.environment, "echo WARNING: Retrying >&2; echo ERROR: No matching distribution >&2; exit 1")
    with pytest.raises(NothingMeasured) as caught:
        await command(RELAY)
    assert str(caught.value) == "relay-fastapi-0.165.0 cannot be installed: ERROR: No matching distribution"


@pytest.mark.usefixtures("cache")
async def test_without_the_repository_there_are_no_peers(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(NothingMeasured, match="are in the repository"):
        await command(evolve(RELAY, script="not_here.py"))
    assert capsys.readouterr() == ("", "")  # nothing was built


@pytest.mark.slow
async def test_an_environment_is_built_once(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    empty = evolve(RELAY, environment=Environment("empty", ("pip",), "none"))
    first = await command(empty)
    assert str(cache / "empty") in capsys.readouterr().err
    assert await command(empty) == first
    assert capsys.readouterr() == ("", "")
