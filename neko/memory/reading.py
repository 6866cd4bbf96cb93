"""What the file has, as values."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable

from neko.conversation.history import KEPT, History, Role, Utterance
from neko.conversation.journal import Journal, ResultBrought
from neko.conversation.past import Past
from neko.memory.entering import SETTLED_S

COLUMNS = "role, text, at, number, mood"


def read_pasts(database: sqlite3.Connection, journal: Callable[[str], Journal], now: float) -> dict[str, Past]:
    """Of everybody, by name; `now` is Unix time."""
    everybody = database.execute("SELECT id, name, mark, fresh_from FROM characters").fetchall()
    return {
        name: Past(
            History(journal(name), _youngest(database, whose), mark=mark, fresh_from=fresh_from),
            _waiting(database, whose),
            _settled(database, whose, now),
        )
        for whose, name, mark, fresh_from in everybody
    }


def _youngest(database: sqlite3.Connection, whose: int) -> tuple[Utterance, ...]:
    youngest = f"SELECT {COLUMNS} FROM utterances WHERE character = ? ORDER BY number DESC LIMIT ?"
    return utterances(database.execute(youngest, (whose, KEPT)))[::-1]


def _waiting(database: sqlite3.Connection, whose: int) -> tuple[ResultBrought, ...]:
    waiting = "SELECT id, at, record FROM results WHERE character = ? AND settled IS NULL ORDER BY at, rowid"
    return tuple(ResultBrought(*row) for row in database.execute(waiting, (whose,)))


def _settled(database: sqlite3.Connection, whose: int, now: float) -> tuple[str, ...]:
    settled = "SELECT id FROM results WHERE character = ? AND settled >= ? ORDER BY settled, rowid"
    return tuple(result for (result,) in database.execute(settled, (whose, now - SETTLED_S)))


def utterances(rows: Iterable[tuple[str, str, float, int, str]]) -> tuple[Utterance, ...]:
    """Of rows of `COLUMNS`. No model session that took part in them lives any more."""
    return tuple(Utterance(Role(role), text, at, number, None, mood) for role, text, at, number, mood in rows)
