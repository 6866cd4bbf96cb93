"""The example of a package that adds to neko: installed as others install it, its own tests pass."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import trio

pytestmark = pytest.mark.slow

PACKAGE = Path(__file__).parents[1] / "examples" / "neko-parrot"
SOON_S = 120


async def run(*command: str, **variables: str) -> str:
    environment = {**os.environ, **variables}
    whole = partial(trio.run_process, capture_stdout=True, stderr=subprocess.STDOUT, check=False, env=environment)
    with trio.fail_after(SOON_S):
        ended = await whole([sys.executable, "-m", *command])
    said: str = ended.stdout.decode()
    assert ended.returncode == 0, said
    return said


async def test_its_own_tests_pass(tmp_path: Path) -> None:
    # Into a folder of its own, beside the environment; nothing is fetched.
    offline = ("--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check")
    await run("pip", "install", "--quiet", *offline, "--target", str(tmp_path / "site"), str(PACKAGE))
    paths = os.pathsep.join([str(tmp_path / "site"), *sys.path])
    tests = ("--rootdir", str(PACKAGE), "-p", "no:cacheprovider", str(PACKAGE / "tests"))
    assert " passed" in await run("pytest", "-q", *tests, PYTHONPATH=paths, NEKO_DATA=str(tmp_path))
