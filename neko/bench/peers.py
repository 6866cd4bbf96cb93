"""The peers that benchmarks compare neko with: a script of the repository, and an environment that is built once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import platformdirs
import trio
from attrs import frozen

from neko.bench.errors import NothingMeasured


@frozen
class Environment:
    """A virtual environment in the user's cache folder; several peers may share one."""

    name: str  # of its folder
    requirements: tuple[str, ...]
    patience: str  # what one waits for the first time

    @property
    def folder(self) -> Path:
        return Path(platformdirs.user_cache_dir("neko"), "bench", self.name)

    @property
    def python(self) -> Path:
        return self.folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


@frozen
class Peer:
    """Started as `python script …`; it says `ready: talk at URL` once it listens there."""

    script: str  # in the folder `benchmarks` of the repository
    environment: Environment


# Pinned, all that is measured: a figure belongs to its versions.
_WEB = ("fastapi==0.165.0", "uvicorn[standard]==0.54.0", "websockets==17.4", "orjson==3.13.0", "pybase64==1.5.1")
_RELAY = Environment(
    "relay-fastapi-0.165.0",
    (*_WEB, "soxr==1.1.0"),
    "140 megabytes; kept for the next time",
)
_PIPECAT = Environment(
    "pipecat-ai-1.14.0",
    (*_WEB, "pipecat-ai[openai,websocket]==1.14.0"),
    "half a gigabyte; kept for the next time",
)

RELAY = Peer("relay_fastapi.py", _RELAY)
PIPECAT = Peer("pipecat_realtime.py", _PIPECAT)
PIPECAT_HANDOVER = Peer("pipecat_handover.py", _PIPECAT)


async def command(peer: Peer) -> list[str]:
    """What starts the peer, to which its arguments are added; the first time its environment is built, from PyPI.

    Raises:
        NothingMeasured: its environment is not there and cannot be built, or its script is not here.
    """
    script = _script(peer)
    await _build(peer.environment)
    return [str(peer.environment.python), str(script)]


def _script(peer: Peer) -> Path:
    """It is in the repository, not in the package: what belongs to a peer is not shipped."""
    script = Path(__file__).parents[2] / "benchmarks" / peer.script
    if not script.exists():
        raise NothingMeasured("the scripts of the peers are in the repository (benchmarks/), not in the package")
    return script


async def _build(environment: Environment) -> None:
    # Without an index, pip can only see that everything is there, in the versions that are asked for.
    if environment.python.exists() and await _install(environment, "--no-index") is None:
        return
    print(f"building {environment.folder} ({environment.patience})", file=sys.stderr)
    why = await _said(sys.executable, "-m", "venv", environment.folder) or await _install(environment)
    if why is not None:
        raise NothingMeasured(f"{environment.name} cannot be installed: {why}")


async def _install(environment: Environment, *options: str) -> str | None:
    pip = ("-m", "pip", "install", "-q", "--disable-pip-version-check")
    return await _said(environment.python, *pip, *options, *environment.requirements)


async def _said(*words: str | Path) -> str | None:
    """None when the command did what it was asked, otherwise its last line."""
    line = [str(word) for word in words]
    done = await trio.run_process(line, capture_stdout=True, capture_stderr=True, check=False)
    if done.returncode == 0:
        return None
    lines = done.stderr.decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else f"{subprocess.list2cmdline(line)} ended with {done.returncode}"
