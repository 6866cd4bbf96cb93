"""pipecat's hand-over as a peer of the swap benchmark: its own virtual environment, and the script that runs in it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs
import trio

from neko.bench.errors import NothingMeasured

if TYPE_CHECKING:
    from collections.abc import Sequence

# Pinned: the script stands around the helper as the service of this version does.
PACKAGE = "pipecat-ai==1.14.0"
_IMPORT = "import pipecat.services.aws.nova_sonic.session_continuation, websockets, soxr"
_PATIENCE = "half a gigabyte; kept for the next time"


async def pipecat_python() -> Path:
    """A Python that has pipecat; the first time it is installed from PyPI into the user's cache folder.

    Raises:
        NothingMeasured: there is none and none can be installed, or the peer's script is not here.
    """
    pipecat_script()
    folder = Path(platformdirs.user_cache_dir("neko"), "bench", PACKAGE.replace("==", "-"))
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not python.exists() or await _said(python, "-c", _IMPORT) is not None:
        print(f"installing {PACKAGE} into {folder} ({_PATIENCE})", file=sys.stderr)
        why = await _said(sys.executable, "-m", "venv", folder) or await _said(
            python, "-m", "pip", "install", "-q", PACKAGE
        )
        if why is not None:
            raise NothingMeasured(f"{PACKAGE} cannot be installed: {why}")
    return python


def pipecat_script() -> Path:
    """It is in the repository, not in the package: what belongs to a peer is not shipped."""
    script = Path(__file__).parents[2] / "benchmarks" / "pipecat_handover.py"
    if not script.exists():
        raise NothingMeasured("the scripts of the peers are in the repository (benchmarks/), not in the package")
    return script


async def _said(*command: str | Path) -> str | None:
    """None when the command did what it was asked, otherwise its last line."""
    words: Sequence[str] = [str(word) for word in command]
    done = await trio.run_process(words, capture_stdout=True, capture_stderr=True, check=False)
    if done.returncode == 0:
        return None
    lines = done.stderr.decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else f"{subprocess.list2cmdline(words)} ended with {done.returncode}"
