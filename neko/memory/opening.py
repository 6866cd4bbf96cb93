"""The file `conversations.sqlite3`, opened for this process alone."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from neko.config.errors import ConfigError, StorageError
from neko.memory.schema import OURS, VERSION, migrate, version_of
from neko.memory.words import spaced

FILE = "conversations.sqlite3"
BUSY_WITHIN_S = 3.0  # for a neko that is just closing; its last words take two
TAKEN = "is in use by another neko; talk to that one with --url, or name another folder in $NEKO_DATA"
DAMAGED = "is damaged ({}); it is left as it is: move it away to begin anew, or put a copy of it in its place"
FOREIGN = "is a database of another program; move it away, or name another folder in server.data_dir or $NEKO_DATA"
NEWER = "was written by a newer neko (schema {}, this one knows {}); install that one, or move the file away"
# The file is locked as long as it is open, so that two processes never number the same conversation.
ALONE = "locking_mode = EXCLUSIVE"
# In WAL mode FULL waits for the disk at each commit: what was committed survives a power cut. fullfsync is how macOS
# spells that.
PRAGMAS = (
    "journal_mode = WAL",
    "synchronous = FULL",
    "fullfsync = ON",
    "checkpoint_fullfsync = ON",
    "foreign_keys = ON",
    "secure_delete = ON",
)


class InUse(ConfigError):
    """Another neko has the file open."""


def open_database(folder: Path) -> sqlite3.Connection:
    """The open file, brought to today's schema. Blocks; to be used by one thread at a time, and closed by the caller.

    Raises:
        InUse: another neko has it.
        ConfigError: it is damaged, somebody else's or a newer neko's. It is left as it is.
        StorageError: the folder cannot take it.
    """
    path = folder / FILE
    try:
        folder.mkdir(parents=True, exist_ok=True)
        database = sqlite3.connect(path, timeout=BUSY_WITHIN_S, isolation_level=None, check_same_thread=False)
    except (OSError, sqlite3.OperationalError) as error:
        raise StorageError(str(path), str(error)) from error
    try:
        _prepare(database, str(path))
    except BaseException:
        database.close()
        raise
    return database


def open_nowhere() -> sqlite3.Connection:
    """The same in memory: gone with the process."""
    database = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    _prepare(database, "memory")
    return database


def _prepare(database: sqlite3.Connection, path: str) -> None:
    try:
        database.execute(f"PRAGMA {ALONE}")
        _require_ours(database, path)
        for pragma in PRAGMAS:
            database.execute(f"PRAGMA {pragma}").fetchall()
        _require_sound(database, path)
        database.create_function("spaced", 1, spaced, deterministic=True)
        migrate(database)
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
            raise InUse(path, TAKEN) from error
        raise StorageError(path, str(error)) from error
    except sqlite3.DatabaseError as error:
        raise ConfigError(path, DAMAGED.format(error)) from error


def _require_ours(database: sqlite3.Connection, path: str) -> None:
    """Before anything is written to it."""
    whose = database.execute("PRAGMA application_id").fetchone()[0]
    empty = database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
    if whose != OURS and not (whose == 0 and empty):
        raise ConfigError(path, FOREIGN)
    if version_of(database) > VERSION:
        raise ConfigError(path, NEWER.format(version_of(database), VERSION))


def _require_sound(database: sqlite3.Connection, path: str) -> None:
    found = database.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        raise ConfigError(path, DAMAGED.format(" ".join(found.split())))
