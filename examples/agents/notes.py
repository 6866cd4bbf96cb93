"""An agent that looks things up in a folder of notes: a program of its own beside `neko serve`, with pyzmq and nothing
else of neko.

    python examples/agents/notes.py FOLDER [--results ADDRESS] [--requests ADDRESS]

After each turn the server asks it to look into the conversation. It says that it has the request, searches the notes
(FOLDER/*.txt) for the words of the person's last sentence, shows in the client that it does, and has the character tell
what it found. The addresses are `result_pull` and `analyze_push` under `[agents]` of neko.toml.
"""

from __future__ import annotations

import argparse
import os
import re
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import zmq

HEARTBEAT_MS = 1_000
WORD = re.compile(r"\w{4,}")  # shorter ones are in every note


class Server:
    """The neko that this agent works for."""

    def __init__(self, results: str, requests: str) -> None:
        context: zmq.Context[zmq.Socket[bytes]] = zmq.Context.instance()
        self._results = context.socket(zmq.PUSH)
        self._results.connect(results)
        self._requests = context.socket(zmq.PULL)
        self._requests.connect(requests)
        self._requests.setsockopt(zmq.RCVTIMEO, HEARTBEAT_MS)

    def tell(self, event_type: str, **fields: Any) -> None:
        self._results.send_json({"event_type": event_type, "timestamp": time.time(), **fields})

    def request(self) -> dict[str, Any] | None:
        """The next one; None when none came for a heartbeat."""
        try:
            request = self._requests.recv_json()
        except zmq.Again:
            return None
        return request if isinstance(request, dict) else None


def main() -> None:
    parser = argparse.ArgumentParser(description="Look things up in a folder of notes.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--results", default="tcp://127.0.0.1:48962")
    parser.add_argument("--requests", default="tcp://127.0.0.1:48963")
    options = parser.parse_args()
    if not options.folder.is_dir():
        parser.error(f"{options.folder} is no folder")
    server = Server(options.results, options.requests)
    server.tell("agent_bridge_ready", pid=os.getpid())
    while True:
        # Said again and again, so that a server that is started later knows it as well.
        server.tell("agent_bridge_heartbeat", pid=os.getpid())
        server.tell("agent_status_update", snapshot={"flags": {"agent_enabled": True}, "folder": options.folder.name})
        request = server.request()
        if request is not None:
            server.tell("analyze_ack", event_id=request["event_id"], lanlan_name=request["lanlan_name"])
            look_into(request, options.folder, server)


def look_into(request: dict[str, Any], folder: Path, server: Server) -> None:
    """Nothing is said about what no note knows of."""
    name, asked = request["lanlan_name"], last_words(request["messages"])
    found = search(folder, asked)
    if found is None:
        return
    # The same question asked again is another task, a request that was sent twice is not.
    task = {"id": request["event_id"], "title": f"look up: {asked}"}
    server.tell("task_update", lanlan_name=name, task=task | {"status": "running"})
    server.tell(
        "task_result",
        lanlan_name=name,
        task_id=request["event_id"],
        status="completed",
        summary=f"{found[0]}: {found[1]}",
        source_name="notes",
        delivery_mode="proactive",
    )
    server.tell("task_update", lanlan_name=name, task=task | {"status": "completed"})


def last_words(messages: list[dict[str, str]]) -> str:
    return next((message["content"] for message in reversed(messages) if message["role"] == "user"), "")


def search(folder: Path, asked: str) -> tuple[str, str] | None:
    """The note, by its name, and the line of it that has most of the words."""
    wanted = words(asked)
    notes = ((note.stem, note.read_text("utf-8")) for note in sorted(folder.glob("*.txt")))
    lines = ((name, line) for name, text in notes for line in text.splitlines())
    best = max(lines, key=lambda line: len(wanted & words(" ".join(line))), default=None)
    return best if best is not None and wanted & words(" ".join(best)) else None


def words(text: str) -> set[str]:
    return {word.lower() for word in WORD.findall(text)}


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        main()
