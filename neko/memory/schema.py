"""What the file looks like, and how a file of an older neko becomes one of today's."""

from __future__ import annotations

import sqlite3

Migration = tuple[str, ...]

OURS = 0x6E656B6F  # the application id: "neko"

# Each is one transaction, and never changes once it was published: a file has been through some of them already.
# `spaced` is `neko.memory.words.spaced`; a change to it is a migration that fills `words` anew.
MIGRATIONS: tuple[Migration, ...] = (
    (
        f"PRAGMA application_id = {OURS}",
        """CREATE TABLE characters (
            id INTEGER PRIMARY KEY,
            name TEXT NOT NULL UNIQUE,
            mark INTEGER NOT NULL DEFAULT 0, -- the number of the next utterance
            fresh_from INTEGER NOT NULL DEFAULT 0 -- the first number that models are told of
        )""",
        """CREATE TABLE utterances (
            id INTEGER PRIMARY KEY,
            character INTEGER NOT NULL REFERENCES characters (id),
            number INTEGER NOT NULL,
            role TEXT NOT NULL CHECK (role IN ('user', 'assistant', 'system')),
            text TEXT NOT NULL,
            mood TEXT NOT NULL,
            at REAL NOT NULL, -- Unix time
            UNIQUE (character, number)
        )""",
        "CREATE INDEX utterances_by_time ON utterances (character, at)",
        "CREATE VIRTUAL TABLE words USING fts5 (text, content = '', tokenize = 'unicode61 remove_diacritics 2')",
        """CREATE TRIGGER said AFTER INSERT ON utterances BEGIN
            INSERT INTO words (rowid, text) VALUES (new.id, spaced(new.text));
        END""",
        """CREATE TRIGGER corrected AFTER UPDATE OF text ON utterances BEGIN
            INSERT INTO words (words, rowid, text) VALUES ('delete', old.id, spaced(old.text));
            INSERT INTO words (rowid, text) VALUES (new.id, spaced(new.text));
        END""",
        """CREATE TRIGGER forgotten AFTER DELETE ON utterances BEGIN
            INSERT INTO words (words, rowid, text) VALUES ('delete', old.id, spaced(old.text));
        END""",
        """CREATE TABLE results (
            character INTEGER NOT NULL REFERENCES characters (id),
            id TEXT NOT NULL,
            at REAL NOT NULL,
            record TEXT NOT NULL,
            settled REAL, -- when it was told or expired; NULL while it waits
            PRIMARY KEY (character, id)
        )""",
    ),
    # What was settled long ago is deleted with each result that is settled: agents may bring hundreds in a second.
    ("CREATE INDEX results_by_settled ON results (settled) WHERE settled IS NOT NULL",),
)
VERSION = len(MIGRATIONS)


def version_of(database: sqlite3.Connection) -> int:
    version: int = database.execute("PRAGMA user_version").fetchone()[0]
    return version


def migrate(database: sqlite3.Connection) -> None:
    """Brings the file to `VERSION`, a step and a transaction at a time; each holds or has not happened."""
    for number in range(version_of(database), VERSION):
        database.execute("BEGIN IMMEDIATE")
        try:
            for statement in MIGRATIONS[number]:
                database.execute(statement)
            database.execute(f"PRAGMA user_version = {number + 1}")
            database.execute("COMMIT")
        except BaseException:
            database.execute("ROLLBACK")
            raise
