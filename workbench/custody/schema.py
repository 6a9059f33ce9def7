"""The tables of the ledger's database, and how an older database gets those it lacks.

Only ``entry``, ``once`` and ``checkpoint`` hold something. ``node`` has the hashes of complete subtrees and ``said``
what entries are looked up by: both follow from the entries, spare reading them all, and are held against them by
`audit`.
"""

from __future__ import annotations

import sqlite3

_FIRST = """
CREATE TABLE IF NOT EXISTS entry (
  seq INTEGER PRIMARY KEY, body BLOB NOT NULL, leaf BLOB NOT NULL, chain BLOB NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS once (key TEXT PRIMARY KEY, seq INTEGER NOT NULL REFERENCES entry(seq)) STRICT;
CREATE TABLE IF NOT EXISTS checkpoint (size INTEGER PRIMARY KEY, note TEXT NOT NULL) STRICT;
CREATE TRIGGER IF NOT EXISTS entry_stays BEFORE UPDATE ON entry BEGIN SELECT RAISE(ABORT, 'append only'); END;
CREATE TRIGGER IF NOT EXISTS entry_kept BEFORE DELETE ON entry BEGIN SELECT RAISE(ABORT, 'append only'); END;
CREATE TRIGGER IF NOT EXISTS note_stays BEFORE UPDATE ON checkpoint BEGIN SELECT RAISE(ABORT, 'append only'); END;
CREATE TRIGGER IF NOT EXISTS note_kept BEFORE DELETE ON checkpoint BEGIN SELECT RAISE(ABORT, 'append only'); END;
"""

_DERIVED = """
CREATE TABLE IF NOT EXISTS node (
  level INTEGER NOT NULL, position INTEGER NOT NULL, hash BLOB NOT NULL, PRIMARY KEY (level, position)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS said (
  seq INTEGER PRIMARY KEY REFERENCES entry(seq), kind TEXT, contribution_id TEXT, object_sha256 TEXT
) STRICT;
CREATE INDEX IF NOT EXISTS said_kind ON said (kind);
CREATE INDEX IF NOT EXISTS said_contribution ON said (contribution_id);
CREATE INDEX IF NOT EXISTS said_object ON said (object_sha256);
CREATE TRIGGER IF NOT EXISTS node_stays BEFORE UPDATE ON node BEGIN SELECT RAISE(ABORT, 'append only'); END;
CREATE TRIGGER IF NOT EXISTS node_kept BEFORE DELETE ON node BEGIN SELECT RAISE(ABORT, 'append only'); END;
CREATE TRIGGER IF NOT EXISTS said_stays BEFORE UPDATE ON said BEGIN SELECT RAISE(ABORT, 'append only'); END;
CREATE TRIGGER IF NOT EXISTS said_kept BEFORE DELETE ON said BEGIN SELECT RAISE(ABORT, 'append only'); END;
"""

SCHEMA = _FIRST + _DERIVED

Schema = frozenset[tuple[str, str, str]]


def schema_of(database: sqlite3.Connection) -> Schema:
    """Return (kind, name, SQL) of each table, index and trigger of a database."""
    rows = database.execute("SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL")
    return frozenset((kind, name, sql) for kind, name, sql in rows)


def made_by(script: str) -> Schema:
    """Return the schema that a script makes."""
    fresh = sqlite3.connect(":memory:")
    try:
        fresh.executescript(script)
        return schema_of(fresh)
    finally:
        fresh.close()


def furnish(database: sqlite3.Connection) -> bool:
    """Furnish a new database, or one of the first version, inside the caller's transaction; say whether it was done.

    Any other database is left as it is: what is missing in it is for `audit` to find.
    """
    present = schema_of(database)
    if present and present != made_by(_FIRST):
        return False
    for statement in _statements(SCHEMA):
        database.execute(statement)
    return True


def _statements(script: str) -> list[str]:
    """Return a script's statements; `executescript` would commit the transaction it is called in."""
    statements, begun = [], ""
    for line in script.strip().splitlines(keepends=True):
        begun += line
        if sqlite3.complete_statement(begun):
            statements.append(begun)
            begun = ""
    return statements
