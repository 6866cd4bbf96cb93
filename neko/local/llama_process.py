"""The language model's own process: `python -m neko.local.llama_process`, started and owned by `neko.local.engine`.

stdin brings one line of JSON (`Settings`) and then stays open for as long as the owner lives; stdout answers with one
line of JSON (`{"url": …}`) when requests are welcome; stderr carries what llama.cpp has to complain about.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any, TextIO

import cattrs
import orjson
from attrs import frozen

NICENESS = 5  # sound flows while the model thinks
# Two conversations, each with a pending session that has something else to read than the current one. More would answer
# too slowly on a processor that this is made for.
SLOTS = 4
SLOT_TOKENS = 4096  # persona, examples and ten turns fit several times; 115 MB of memory per slot (1.5B)
BATCH = 64  # tokens read between two looks at whether the asker has gone; larger ones are no faster on a CPU
NO_PROMPT_CACHE = 0  # MiB; the owner names the slot, and the library looks there only when nobody does
MAX_THREADS = 8  # generation waits for memory, not for cores, beyond that
WARNINGS_ONLY = 2  # of llama.cpp's verbosity levels; information would hold the words of the conversation
# Rounds that a thread of libgomp's spins for the other one before it sleeps; both wait for each other many times in
# each word. ms per word of the 1.5B model on two cores (2026-11):
#                    both cores free    one of them busy
#   libgomp's own          34                3,000          who spins keeps off its core the one that it waits for
#   2,000                  35                   95
#   1,000              34 to 37                75          free: taken from its neighbours, it was not quiet then
#   300                    37                   67
#   "passive", none        51                   56          a core that slept wakes up late
SPIN_ROUNDS = 1_000
# Read by the libraries when they are loaded. Nothing is fetched at run time.
ENVIRONMENT = {"HF_HUB_OFFLINE": "1", "GOMP_SPINCOUNT": str(SPIN_ROUNDS)}


@frozen
class Settings:
    """What one language model process serves, and to whom."""

    gguf: str
    model: str
    """The name that the API answers to."""
    api_key: str


def main() -> None:
    # Ctrl-C reaches the whole foreground group: the owner decides when a running answer ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    answer = _claim_stdout()
    settings = cattrs.structure(orjson.loads(sys.stdin.readline()), Settings)
    os.environ.update(ENVIRONMENT)
    if hasattr(os, "nice"):
        os.nice(NICENESS)
    server = _serve(settings)
    answer.write(orjson.dumps({"url": f"{server.listening_address}/v1"}).decode() + "\n")
    answer.flush()
    sys.stdin.read()  # ends when the owner closes it or is gone, in whatever way
    os._exit(0)  # no destructor may wait for an answer that nobody will read


def _claim_stdout() -> TextIO:
    """The owner's line alone goes to stdout; what native code prints there goes to stderr."""
    answer = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return answer


def _serve(settings: Settings) -> Any:
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = settings.gguf
    params.model_alias = {settings.model}
    params.api_keys = [settings.api_key]
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.n_parallel = SLOTS
    params.n_ctx = SLOTS * SLOT_TOKENS
    params.n_batch = params.n_ubatch = BATCH
    params.cache_ram_mib = NO_PROMPT_CACHE
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = _threads()
    params.ui = params.endpoint_slots = params.endpoint_props = params.endpoint_metrics = False
    params.fit_params = False  # the context is given: nothing to probe the memory for
    params.offline = True
    params.verbosity = WARNINGS_ONLY
    return xllamacpp.Server(params)


def _threads() -> int:
    return min(MAX_THREADS, os.cpu_count() or 1)


if __name__ == "__main__":
    main()
