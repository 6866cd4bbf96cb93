"""Weights ready for use: joined once into the cache, verified before the first use.

A model of several parts is joined into one file of the cache; a model of one part is used where it is installed.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import orjson
import platformdirs
import trio

from neko.local.errors import CacheUnusable, WrongHash, WrongSize
from neko.local.installed import LocatedPart, locate
from neko.local.models import Model

Progress = Callable[[int, int], None]
"""Called with (bytes done, bytes total) after each block, in the thread that works. What it raises ends the work."""

BLOCK = 4 * 1024 * 1024  # a few ms of hashing: a cancel is noticed at once
ABANDONED_AFTER_S = 600  # a temporary file that nobody wrote to for so long lost its process


def _unseen(_done: int, _total: int) -> None:
    pass


async def prepare(model: Model, progress: Progress = _unseen) -> Path:
    """`weights_of` in a thread. A cancel ends it within one block, and nothing half-written is left."""

    def step(done: int, total: int) -> None:
        trio.from_thread.check_cancelled()
        progress(done, total)

    return await trio.to_thread.run_sync(weights_of, model, step)


def weights_of(model: Model, progress: Progress = _unseen) -> Path:
    """The verified file of the model's weights, joined first if need be. Blocks.

    Raises `ModelMissing`, `WrongSize`, `WrongHash`, `CacheUnusable`, and whatever `progress` raises: no file is left.

    A joined file is hashed once. Its receipt, beside it, remembers which size and time of change were verified: to read
    and hash 1.1 GB takes 0.7 s from memory and 4 s from a disk, and a start may take 10. Who can forge a time of change
    can also change the program, so the hash guards against broken and exchanged packages, not against the user.
    """
    parts = locate(model)
    if len(parts) == 1:
        _verify(parts[0].path, model, progress, remedy=_reinstall(model))
        return parts[0].path
    path = cache_folder() / f"{model.name.replace(' ', '-')}.gguf"
    try:
        if not _has_receipt(path, model):
            _fill_cache(parts, path, model, progress)
    except OSError as error:
        raise CacheUnusable(path.parent, model.size, error) from error
    return path


def cache_folder() -> Path:
    """`$NEKO_CACHE`, or the user's cache folder."""
    override = os.environ.get("NEKO_CACHE")
    return Path(override) if override else platformdirs.user_cache_path("neko")


def _fill_cache(parts: Sequence[LocatedPart], path: Path, model: Model, progress: Progress) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
        _verify(path, model, progress, remedy="delete this file, the next start joins it again")
    else:
        _check_sizes(parts)
        _remove_abandoned(path)
        _join([part.path for part in parts], path, model, progress)
    _receipt_of(path).write_bytes(_describe(path, model))


def _join(sources: Sequence[Path], path: Path, model: Model, progress: Progress) -> None:
    """The file gets its name only when it is whole, right and on the disk; two processes may join side by side."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f"{path.name}.", suffix=".part")
    try:
        with open(descriptor, "wb") as out:
            _copy_verified(_blocks(sources, model.size, progress), out, path, model)
            out.flush()
            os.fsync(out.fileno())
        os.replace(temporary, path)
    finally:
        Path(temporary).unlink(missing_ok=True)


def _copy_verified(blocks: Iterator[bytes], out: BinaryIO, path: Path, model: Model) -> None:
    digest = hashlib.sha256()
    for block in blocks:
        digest.update(block)
        out.write(block)
    _check_hash(digest.hexdigest(), path, model, remedy=_reinstall(model))


def _verify(path: Path, model: Model, progress: Progress, *, remedy: str) -> None:
    digest = hashlib.sha256()
    for block in _blocks([path], model.size, progress):
        digest.update(block)
    _check_hash(digest.hexdigest(), path, model, remedy=remedy)


def _blocks(sources: Sequence[Path], total: int, progress: Progress) -> Iterator[bytes]:
    done = 0
    for source in sources:
        with source.open("rb") as file:
            while block := file.read(BLOCK):
                yield block
                done += len(block)
                progress(done, total)


def _check_sizes(parts: Sequence[LocatedPart]) -> None:
    """Name the broken part: the hash of the whole could only say that one of them is."""
    for part in parts:
        found = part.path.stat().st_size
        if part.size is not None and found != part.size:
            raise WrongSize(part.path, part.size, found, part.distribution)


def _check_hash(found: str, path: Path, model: Model, *, remedy: str) -> None:
    if found != model.sha256:
        raise WrongHash(path, model.sha256, found, remedy)


def _reinstall(model: Model) -> str:
    return f"pip install --force-reinstall 'neko[{model.extra}]'"


def _receipt_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.verified")


def _has_receipt(path: Path, model: Model) -> bool:
    try:
        return _receipt_of(path).read_bytes() == _describe(path, model)
    except FileNotFoundError:
        return False


def _describe(path: Path, model: Model) -> bytes:
    stat = path.stat()
    return orjson.dumps({"sha256": model.sha256, "size": stat.st_size, "mtime_ns": stat.st_mtime_ns})


def _remove_abandoned(path: Path) -> None:
    """A killed process cannot tidy up: its gigabyte goes with the next join."""
    for stale in path.parent.glob(f"{path.name}.*.part"):
        if time.time() - stale.stat().st_mtime > ABANDONED_AFTER_S:
            stale.unlink(missing_ok=True)
