"""What was entered in the journals, written to the file."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import assert_never

from attrs import frozen

from neko.conversation.history import Utterance
from neko.conversation.journal import Began, Corrected, Entry, Forgot, ResultBrought, ResultExpired, ResultTold, Said

SETTLED_S = 3600.0  # for so long a second delivery of a result is known for what it is


@frozen
class Entered:
    """An entry, whose it is, and when, Unix time."""

    character: str
    entry: Entry
    at: float


def write(database: sqlite3.Connection, batch: Iterable[Entered]) -> None:
    """All of it in one transaction, durable on return. Raises `sqlite3.Error`, and nothing of it is there."""
    database.execute("BEGIN IMMEDIATE")
    try:
        for entered in batch:
            _apply(database, _id_of(database, entered.character), entered)
        database.execute("COMMIT")
    except BaseException:
        # A full disk has rolled it back already.
        if database.in_transaction:
            database.execute("ROLLBACK")
        raise


def _id_of(database: sqlite3.Connection, character: str) -> int:
    find = "SELECT id FROM characters WHERE name = ?"
    row = database.execute(find, (character,)).fetchone()
    if row is None:
        database.execute("INSERT INTO characters (name) VALUES (?)", (character,))
        row = database.execute(find, (character,)).fetchone()
    found: int = row[0]
    return found


def _apply(database: sqlite3.Connection, whose: int, entered: Entered) -> None:
    execute = database.execute
    match entered.entry:
        case Said(utterance):
            _said(database, whose, utterance)
        case Corrected(number, ""):
            execute("DELETE FROM utterances WHERE character = ? AND number = ?", (whose, number))
        case Corrected(number, text):
            corrected = "UPDATE utterances SET text = ? WHERE character = ? AND number = ?"
            execute(corrected, (storable(text), whose, number))
        case Began(number):
            execute("UPDATE characters SET fresh_from = ? WHERE id = ?", (number, whose))
        case Forgot(since, before):
            execute("DELETE FROM utterances WHERE character = ? AND at >= ? AND at < ?", (whose, since, before))
        case ResultBrought(result, at, record):
            brought = "INSERT OR REPLACE INTO results (character, id, at, record) VALUES (?, ?, ?, ?)"
            execute(brought, (whose, storable(result), at, storable(record)))
        case ResultTold(result) | ResultExpired(result):
            _settle(database, whose, result, entered.at)
        case _:
            assert_never(entered.entry)


def _said(database: sqlite3.Connection, whose: int, said: Utterance) -> None:
    row = (whose, said.number, said.role.value, storable(said.text), storable(said.mood), said.at)
    into = "INSERT INTO utterances (character, number, role, text, mood, at) VALUES (?, ?, ?, ?, ?, ?)"
    database.execute(into, row)
    database.execute("UPDATE characters SET mark = ? WHERE id = ?", (said.number + 1, whose))


def _settle(database: sqlite3.Connection, whose: int, result: str, at: float) -> None:
    """What it said is part of what was said from now on, or of nothing."""
    settled = "UPDATE results SET settled = ?, record = '' WHERE character = ? AND id = ?"
    database.execute(settled, (at, whose, storable(result)))
    database.execute("DELETE FROM results WHERE settled < ?", (at - SETTLED_S,))


def storable(text: str) -> str:
    """UTF-8 has no place for half a surrogate pair."""
    return text.encode(errors="replace").decode()


def erase_traces(database: sqlite3.Connection) -> None:
    """Leaves of what was deleted no byte: not in the index, in free pages, or in the write-ahead log.

    `secure_delete` overwrites what is deleted, and not the copies that are left behind when a page is split: the file
    is written anew. Takes about half a second for 100,000 utterances.
    """
    database.execute("INSERT INTO words (words) VALUES ('optimize')")
    database.execute("VACUUM")
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
