"""The file that the configuration comes from, watched: each new text of it is handed to the house."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path

import trio
from attrs import define, evolve, field, frozen
from watchfiles import awatch

from neko.config.errors import ConfigError
from neko.config.model import Configuration
from neko.config.read import parse, read_text
from neko.telemetry import get_logger

log = get_logger("config")

# ms without another change before a change counts, so that nothing is read between an editor's two writes. The
# library's thread wakes up that often to see whether it is to end: 0.1 % of a core at 100, 0.2 % at 50.
QUIET_MS = 100
BURST_MS = 1_600  # a file that is written without a pause is read that often all the same
MOST_LINKS = 40  # symbolic links on the way to a file; as many as Linux follows

Adopt = Callable[[Configuration, str], None]
"""Takes over what was read, and where it stands. Raises `ConfigError` when it cannot."""


def as_written(configuration: Configuration) -> Configuration:
    return configuration


@frozen
class Source:
    """Where the configuration is read: the file it came from, or the places where the first one may appear.

    `finish` adds what the command line says beside the file.
    """

    places: tuple[Path, ...]
    finish: Callable[[Configuration], Configuration] = as_written

    def read(self) -> tuple[Path, str] | None:
        """The file and its text; None where one may appear and has not. Raises ConfigError when it cannot be read."""
        several = len(self.places) > 1
        place = next((place for place in self.places if not several or place.is_file()), None)
        return None if place is None else (place, read_text(place))


async def watch_configuration(source: Source, adopt: Adopt) -> None:
    """Hands each new text to `adopt`, until cancelled. One that cannot be used is a sentence in the log."""
    looking = Looking(source, adopt)
    why_not: OSError | RuntimeError | None = None
    while why_not is None:
        why_not = await _next_look(looking)
    log.warning("config.not_watched", details=str(why_not))


async def _next_look(looking: Looking) -> OSError | RuntimeError | None:
    """Looks, and returns when it is time to look again, or why that will never be known."""
    try:
        posts = await trio.to_thread.run_sync(_all_signposts, looking.source.places)
    except OSError as error:
        return error
    async with trio.open_nursery() as nursery:
        # It looks when the watch is set, so that nothing written meanwhile is missed: no checkpoint before that.
        nursery.start_soon(looking.look)
        why_not = await _change(posts)
    return why_not


@define
class Looking:
    """What was read last. A file that was found stays the one, whatever appears elsewhere."""

    source: Source
    _adopt: Adopt
    _seen: str | None = field(default=None, init=False)

    async def look(self) -> None:
        try:
            # In a thread: a disk that takes its time, or a long file, is no reason for silence.
            news = await trio.to_thread.run_sync(self._read)
            if news is not None:
                self._adopt(*news)
        except ConfigError as error:
            log.error("config.refused", details=f"{error}; what was in force stays in force")
        except Exception:  # a bug here costs one reading, and nobody's conversation
            log.exception("config.bug")

    def _read(self) -> tuple[Configuration, str] | None:
        """None when nothing has changed; what was refused is not refused again before it has."""
        found = self.source.read()
        if found is None:
            return None
        place, text = found
        self.source = evolve(self.source, places=(place,))
        before, self._seen = self._seen, text
        if text == before:
            return None
        # Who writes a file anew empties it first, and an empty file would send every character away.
        if before is not None and not text.strip():
            raise ConfigError(str(place), "is empty")
        return self.source.finish(parse(text, str(place))), str(place)


def signposts(place: Path) -> set[Path]:
    """Whatever makes `place` another file when it changes: the file itself, each symbolic link on the way to it, or
    the first folder that is missing. A config map of Kubernetes is a link through a link, and that one is replaced.
    """
    posts: set[Path] = set()
    todo = [*reversed(place.absolute().parts)]
    here, links = Path(todo.pop()), 0
    while todo and links < MOST_LINKS:
        part = todo.pop()
        if part == "..":
            here = here.parent
        elif (here / part).is_symlink():
            posts.add(here / part)
            links += 1
            # The first part of an absolute target takes the place of all that is before it.
            todo += reversed((here / part).readlink().parts)
        elif todo and (here / part).exists():
            here /= part
        else:
            return posts | {here / part}
    return posts


def _all_signposts(places: tuple[Path, ...]) -> set[Path]:
    return {post for place in places for post in signposts(place)}


async def _change(posts: set[Path]) -> OSError | RuntimeError | None:
    """Returns when one of them has changed, or with the reason why that cannot be known."""
    folders = {post.parent for post in posts}
    names = {str(path) for path in posts | folders}  # a folder that is moved away takes its file along
    stop = trio.Event()
    why_not: OSError | RuntimeError | None = None
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_set_when_cancelled, stop)
        watch = awatch(
            *folders,
            watch_filter=lambda _event, name: name in names,
            step=QUIET_MS,
            debounce=BURST_MS,
            rust_timeout=0,  # none
            stop_event=stop,
            recursive=False,
        )
        async with aclosing(watch):
            try:
                await anext(watch, None)
            except FileNotFoundError:
                pass  # a folder has gone meanwhile: its signposts are others now
            except (OSError, RuntimeError) as error:
                why_not = error
        nursery.cancel_scope.cancel()
    return why_not


async def _set_when_cancelled(event: trio.Event) -> None:
    """The library's thread does not hear of a cancel: left alone, it holds its caller for up to 5 s."""
    try:
        await trio.sleep_forever()
    finally:
        event.set()
