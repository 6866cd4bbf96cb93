"""The agent that has much to say: `python -m neko.bench.load.agent ADDRESS CHARACTERS PER_SECOND`.

A line on standard input has it begin, the next one has it end and say how much it has sent, as one line of JSON.
"""

from __future__ import annotations

import os
import select
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from itertools import count

import orjson
import zmq

TICK_S = 0.002  # between two looks at what is due
TASKS = 50  # that it is at work on
# Of twenty messages. The last result is brought twice.
UPDATES, HEARTBEATS, RESULTS = 12, 4, 3


def messages(characters: int) -> Iterator[bytes]:
    """Without end: how far tasks are, that it is there, and results, each character's in turn."""
    for number in count():
        who, result = f"C{number % characters}", b""
        for update in range(UPDATES):
            task = {"id": (number + update) % TASKS, "status": "running", "step": number}
            yield _message("task_update", lanlan_name=who, task=task)
        for _ in range(HEARTBEATS):
            yield _message("agent_bridge_heartbeat", pid=os.getpid())
        for each in range(RESULTS):
            how = ("proactive", "passive", "silent")[each]
            task_id = f"{os.getpid()}-{number}-{each}"
            result = _message("task_result", lanlan_name=who, task_id=task_id, summary="Done.", delivery_mode=how)
            yield result
        yield result


def _message(kind: str, **fields: object) -> bytes:
    return orjson.dumps({"event_type": kind, "timestamp": time.time(), **fields})


def send(push: zmq.Socket[bytes], source: Iterator[bytes], per_second: float) -> dict[str, float]:
    """At that pace until the next line; whoever does not take it in time makes it late, and nothing is left out."""
    began, sent, behind = time.monotonic(), 0, 0.0
    held: bytes | None = None
    while not select.select([sys.stdin], [], [], TICK_S)[0]:
        due = int((time.monotonic() - began) * per_second)
        with suppress(zmq.Again):
            while sent < due:
                held = held or next(source)
                push.send(held, zmq.NOBLOCK)
                held, sent = None, sent + 1
        behind = max(behind, (due - sent) / per_second)
    return {"sent": sent, "seconds": time.monotonic() - began, "behind_s": behind}


def main() -> None:
    address, characters, per_second = sys.argv[1:]
    with zmq.Context() as context, context.socket(zmq.PUSH) as push:
        push.connect(address)
        source = messages(int(characters))
        print(f"ready: talk at {address}", flush=True)
        while sys.stdin.readline():
            sent = send(push, source, float(per_second))
            sys.stdin.readline()
            print(orjson.dumps(sent).decode(), flush=True)


if __name__ == "__main__":
    main()
