"""The voice benchmark: how long a person waits for an answer on the built-in configuration."""

from __future__ import annotations

from contextlib import contextmanager
from itertools import cycle, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from neko.app import open_house
from neko.bench.bars import Figures, figures
from neko.bench.conversation import Conversation, MeasuredTurn, converse
from neko.bench.resampling import measure_resampling
from neko.bench.speech import read_questions
from neko.bench.startup import measure_startup
from neko.client import connect
from neko.config.manager import ConfigManager
from neko.config.read import read_configuration
from neko.config.store import OverrideStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from neko.bench.speech import Question

LOOPBACK = "127.0.0.1"


async def measure_voice(
    folder: Path,
    turns: int,
    *,
    on_progress: Callable[[str, int, int], None],
    on_turn: Callable[[MeasuredTurn], None],
) -> Figures:
    """The startup of a server, then one conversation of `turns` questions from the recordings in `folder`, in turn.

    The startup is that of a process of its own. The conversation shares one loop with its server, so that the loop
    delays hold the client's work too: what a server alone has is less. Both take minutes of real time.

    Raises:
        BadRecording: as `read_questions`.
        NothingMeasured, NotReady, ClientError: there is nothing to measure.
    """
    asked = list(islice(cycle(read_questions(folder)), turns))
    resampling = measure_resampling()
    with _built_in_configuration() as path:
        startup = await measure_startup(path)
        conversation = await _conversation(path, asked, on_progress, on_turn)
    return figures(conversation, startup, resampling)


async def _conversation(
    path: Path,
    questions: Sequence[Question],
    on_progress: Callable[[str, int, int], None],
    on_turn: Callable[[MeasuredTurn], None],
) -> Conversation:
    config = ConfigManager(read_configuration(path), OverrideStore.in_folder(path.parent))
    async with open_house(config, host=LOOPBACK, port=0, on_progress=on_progress) as house:
        await house.ready()
        async with connect(house.url, config.first) as client:
            return await converse(client, questions, on_turn)


@contextmanager
def _built_in_configuration() -> Iterator[Path]:
    """A file that adds nothing to the built-in configuration but a folder of its own: no history, no overrides."""
    with TemporaryDirectory(prefix="neko-bench-") as folder:
        path = Path(folder, "neko.toml")
        # A literal string: Windows paths have backslashes.
        path.write_text(f"[server]\ndata_dir = '{folder}'\n", encoding="utf-8")
        yield path
