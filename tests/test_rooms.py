"""The rooms of the decisions are free of any event loop."""

from __future__ import annotations

import subprocess
import sys

import pytest

ROOMS = {
    "protocol": ["codec", "client", "server", "stream", "realtime", "agents.codec"],
    "config": ["manager", "read", "find"],
    "conversation": [
        "callbacks",
        "results",
        "emotion",
        "heard",
        "history",
        "journal",
        "past",
        "phrases",
        "recollection",
    ],
    "audio": ["pcm", "resample", "ledger", "given"],
}


@pytest.mark.parametrize("room", ROOMS)
def test_rows_0_and_1_import_without_trio(room: str) -> None:
    modules = ", ".join(f"neko.{room}.{module}" for module in ROOMS[room])
    code = f"import sys; sys.modules['trio'] = None; import {modules}"
    subprocess.run([sys.executable, "-c", code], check=True)
