"""Looking things up in what was said: a page of it, a search, all of it, and what older talk has to do with words."""

from __future__ import annotations

import sqlite3
import time
from itertools import takewhile

from attrs import frozen

from neko.conversation.history import Utterance
from neko.memory.reading import COLUMNS, utterances
from neko.memory.words import all_of, terms_of

# A word that was said in more utterances says nothing about what is talked of: one in 25 of them, but not of a handful,
# and no more than can be ranked in some milliseconds.
COMMON_SHARE, COMMON_LEAST, COMMON_MOST = 25, 8, 1_000
RECALL_S = 0.2  # a model session that waits for it is dialled 0.2 s later at most
LOOK_EVERY = 1_000  # steps of SQLite's virtual machine between two looks at the clock: some microseconds

_NAMED = "character = (SELECT id FROM characters WHERE name = :name)"


@frozen
class Wanted:
    """`limit` utterances, the youngest that were said before `before` (Unix time) and have all words of `query`."""

    before: float
    limit: int
    query: str = ""


def page(database: sqlite3.Connection, name: str, wanted: Wanted) -> tuple[Utterance, ...]:
    """Oldest first. What was said at the very moment of the oldest is there too, so that the next page begins with
    that moment and leaves nothing out."""
    matching, query = "", all_of(wanted.query)
    if wanted.query:
        if not query:
            return ()
        matching = "AND id IN (SELECT rowid FROM words WHERE words MATCH :query)"
    rows = database.execute(
        f"SELECT {COLUMNS} FROM utterances WHERE {_NAMED} AND at < :before {matching} ORDER BY at DESC, id DESC",
        {"name": name, "before": wanted.before, "query": query},
    )
    youngest = rows.fetchmany(wanted.limit)
    if youngest:
        youngest += takewhile(lambda row: row[2] == youngest[-1][2], rows)
        rows.close()
    return utterances(youngest)[::-1]


def after(database: sqlite3.Connection, name: str, number: int, limit: int) -> tuple[Utterance, ...]:
    """The oldest with a higher number, oldest first."""
    rows = database.execute(
        f"SELECT {COLUMNS} FROM utterances WHERE {_NAMED} AND number > :number ORDER BY number LIMIT :limit",
        {"name": name, "number": number, "limit": limit},
    )
    return utterances(rows)


@frozen
class Recollection:
    """What is looked for: `most` utterances with numbers `since` … `before`, `before` not included."""

    words: str
    since: int
    before: int
    most: int


def recalled(database: sqlite3.Connection, name: str, about: Recollection) -> tuple[Utterance, ...]:
    """What has the most to do with these words first; nothing when that would take longer than `RECALL_S`."""
    ends = time.monotonic() + RECALL_S
    database.set_progress_handler(lambda: time.monotonic() > ends, LOOK_EVERY)
    try:
        query = " OR ".join(_telling(database, terms_of(about.words)))
        if not query:
            return ()
        rows = database.execute(
            f"SELECT {COLUMNS} FROM utterances JOIN"
            " (SELECT rowid AS found, rank AS weight FROM words WHERE words MATCH :query)"
            f" ON id = found WHERE {_NAMED} AND number >= :since AND number < :before ORDER BY weight LIMIT :most",
            {"name": name, "query": query, "since": about.since, "before": about.before, "most": about.most},
        )
        return utterances(rows)
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
            raise
        return ()
    finally:
        database.set_progress_handler(None, 0)


def _telling(database: sqlite3.Connection, terms: list[str]) -> list[str]:
    """Those that were said, and not all the time."""
    said = database.execute("SELECT max(id) FROM utterances").fetchone()[0] or 0
    common = min(max(said // COMMON_SHARE, COMMON_LEAST), COMMON_MOST)
    count = "SELECT count(*) FROM (SELECT 1 FROM words WHERE words MATCH ? LIMIT ?)"
    hits = {term: database.execute(count, (term, common + 1)).fetchone()[0] for term in terms}
    return [term for term in terms if 0 < hits[term] <= common]
