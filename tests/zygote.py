"""`neko serve` without its start: a process that has imported everything and forks one server for each line it reads.

For `python -m tests.zygote`. A line is the path of a configuration; the answers are `pid N`, what the server prints,
and `over` when it is dead, however it died.
"""

from __future__ import annotations

import os
import sys

import neko.app.house
import neko.cli.serve  # noqa: F401 - so that a fork need not
from neko.cli import main


def live(config: str) -> None:
    child = os.fork()
    if child == 0:
        os.close(0)
        main(["serve", "--port", "0", "--config", config, "--log", "json"])
    print("pid", child, flush=True)
    os.waitpid(child, 0)
    print("\nover", flush=True)


if __name__ == "__main__":
    for line in sys.stdin:
        live(line.strip())
