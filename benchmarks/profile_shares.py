"""Samples of a profile by the package of the innermost frame: `python benchmarks/profile_shares.py RAW …`.

RAW is what `py-spy record -f raw` has written: a stack and a number of samples in each line.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from pathlib import Path

PACKAGES = {
    "Trio": r"(trio|outcome)/",
    "trio-websocket": r"trio_websocket/",
    "wsproto": r"wsproto/",
    "soxr": r"soxr/",
    "neko/sockets": r"(neko/)?sockets/",
    "neko": r"(neko/)?(nurseries|realtime|protocol|audio|conversation|telemetry|web|app|bench)/",
    "the relay": r".*relay_trio",
}
IDLE = "_thread_cache.py"  # a thread that waits for work


def shares(raw: Path) -> Counter[str]:
    of: Counter[str] = Counter()
    for line in raw.read_text().splitlines():
        stack, samples = line.rsplit(" ", 1)
        place = re.search(r"\(([^()]*)\)$", stack)
        path = place.group(1) if place else ""
        if IDLE not in path:
            name = next((name for name, pattern in PACKAGES.items() if re.match(pattern, path)), "everything else")
            of[name] += int(samples)
    return of


for each in sys.argv[1:]:
    counted = shares(Path(each))
    print(each, *(f"{name} {number / counted.total():.0%}" for name, number in counted.most_common()), sep="\n  ")
