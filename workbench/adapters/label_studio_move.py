"""Label Studio's tables taken over from SQLite to PostgreSQL: every row as it is, in one transaction.

Both databases have the tables of one version, made by the same migrations, so rows go over as text and PostgreSQL reads them
as its own types. Through the server's interface it could not be done: it would give tasks and answers other numbers and times.
"""

from __future__ import annotations

import io
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.adapters.postgres import Database, connected
from workbench.domain.findings import refused

#: What stands in both databases already: which migrations were run.
_OWN = frozenset({"django_migrations"})

_ROWS_AT_ONCE = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """How many tasks and answers a database of Label Studio holds."""

    tasks: int = 0
    answers: int = 0


def held_in_sqlite(path: Path) -> Held:
    """Return what a SQLite database holds; nothing where there is none."""
    if not path.is_file():
        return Held()
    with closing(_open(path)) as base:
        return Held(**{name: base.execute(query).fetchone()[0] for name, query in _counts().items()})


def held_in(database: Database) -> Held:
    """Return what a PostgreSQL database holds; nothing where Label Studio has not made its tables yet.

    Raises
    ------
    Busy, Refused
        As `postgres.require_usable`.

    """
    with connected(database) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('task'), to_regclass('task_completion')")
        if None in cursor.fetchone():
            return Held()
        found = {}
        for name, query in _counts().items():
            cursor.execute(query)
            found[name] = cursor.fetchone()[0]
        return Held(**found)


def move_tasks(path: Path, database: Database) -> Held:
    """Put every row of the SQLite database into the prepared, empty PostgreSQL one; return what it holds then.

    All or nothing: cut short anywhere, the PostgreSQL database is as it was. The SQLite file goes once all rows are there, since
    a withdrawal would not look into a copy that no server runs on.

    Raises
    ------
    Refused
        ``servers.tasks-elsewhere`` if the PostgreSQL database holds tasks, or tables of another version.

    """
    there = held_in(database)
    if there.tasks and there == held_in_sqlite(path):
        return _moved(path, there)  # an earlier run was cut short after its rows were safe
    if there.tasks:
        raise refused(
            "servers.tasks-elsewhere",
            database.shown,
            f"holds {there.tasks} tasks already, and two sets of tasks cannot be joined.",
            "Name an empty database, or go on with the one named by --leave-tasks.",
        )
    with closing(_open(path)) as base, connected(database) as connection, connection.cursor() as cursor:
        names = _tables(base, cursor, database)
        cursor.execute("SET TIME ZONE 'UTC'")  # SQLite has times in UTC without saying so
        cursor.execute(f"TRUNCATE {', '.join(map(_quoted, names))} CASCADE")
        for name in names:
            _copy(base, cursor, name)
    return _moved(path, held_in(database))


def _moved(path: Path, held: Held) -> Held:
    path.unlink()
    return held


def _open(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)


def _counts() -> dict[str, str]:
    return {"tasks": "SELECT count(*) FROM task", "answers": "SELECT count(*) FROM task_completion"}


def _tables(base: sqlite3.Connection, cursor: Any, database: Database) -> list[str]:
    """Return the tables to take over; refuse where one database has rows for a table that the other lacks."""
    listed = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
    own = {str(row[0]) for row in base.execute(listed)}
    cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()")
    there = {str(row[0]) for row in cursor.fetchall()}
    filled = [n for n in sorted(own - there) if base.execute(f"SELECT 1 FROM {_quoted(n)} LIMIT 1").fetchone()]  # noqa: S608 -- a table's own name, quoted
    if filled:
        raise refused(
            "servers.tasks-elsewhere",
            database.shown,
            f"lacks the table {filled[0]}, so it is of another version of Label Studio.",
            "Name an empty database.",
        )
    return sorted((own & there) - _OWN)


def _copy(base: sqlite3.Connection, cursor: Any, name: str) -> None:
    cursor.execute(  # a generated column makes itself from the others
        "SELECT column_name FROM information_schema.columns"
        " WHERE table_schema = current_schema() AND table_name = %s AND is_generated = 'NEVER'",
        (name,),
    )
    there = {str(row[0]) for row in cursor.fetchall()}
    columns = [str(row[1]) for row in base.execute(f"PRAGMA table_info({_quoted(name)})") if str(row[1]) in there]
    listed = ", ".join(map(_quoted, columns))
    rows = base.execute(f"SELECT {listed} FROM {_quoted(name)}")  # noqa: S608 -- names of the table itself, quoted
    line = f"COPY {_quoted(name)} ({listed}) FROM STDIN WITH (FORMAT csv, NULL '\\N')"
    count = 0
    for text, number in _chunks(rows):
        cursor.copy_expert(line, io.StringIO(text))
        count += number
    cursor.execute(f"SELECT count(*) FROM {_quoted(name)}")  # noqa: S608 -- as above
    if cursor.fetchone()[0] != count:
        raise RuntimeError(f"{name} has other rows than were put into it")
    if "id" in columns:
        cursor.execute("SELECT pg_get_serial_sequence(%s, 'id')", (_quoted(name),))
        (sequence,) = cursor.fetchone()
        if sequence:
            cursor.execute(
                f"SELECT setval(%s, (SELECT coalesce(max(id), 0) + 1 FROM {_quoted(name)}), false)",  # noqa: S608 -- as above
                (sequence,),
            )


def _chunks(rows: sqlite3.Cursor) -> Iterator[tuple[str, int]]:
    while some := rows.fetchmany(_ROWS_AT_ONCE):
        yield "".join(",".join(map(_cell, row)) + "\n" for row in some), len(some)


def _cell(value: object) -> str:
    r"""Return a value as CSV; only a null stands without quotes, as \N."""
    if value is None:
        return "\\N"
    text = "\\x" + value.hex() if isinstance(value, bytes) else str(value)
    return '"' + text.replace('"', '""') + '"'


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
