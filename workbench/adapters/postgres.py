"""A PostgreSQL database for Label Studio: named without its password being seen, asked whether it can be used.

A command line can be read by every user of a machine, so a password is never taken from one. It comes in the environment or in
a file that only its owner can read. Messages of the database's client name host, port, user and database, never the password.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from workbench.domain.findings import BadUsage, Refused, bad_usage, busy, refused

#: The whole address, password included; and the password alone, where the address is named on the command line.
ADDRESS_VARIABLE = "WORKBENCH_DATABASE"
PASSWORD_VARIABLE = "WORKBENCH_DATABASE_PASSWORD"  # noqa: S105 -- a variable's name

_SCHEMES = ("postgresql", "postgres")

#: What may follow the ``?`` of an address: how the connection is secured, and a socket's folder.
_OPTIONS = ("sslmode", "sslrootcert", "host")

#: The oldest version that Label Studio 1.23 and its Django support.
_OLDEST = 130000

_CONNECT_S = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    """Where a PostgreSQL database is, and as whom it is used; the password stays out of its representation."""

    host: str
    port: int
    name: str
    user: str
    password: str = field(default="", repr=False)
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def shown(self) -> str:
        """The address without the password: for people, logs and servers.json."""
        host = "" if self.host.startswith("/") else f"{self.host}:{self.port}"
        return f"postgresql://{self.user}@{host}/{self.name}"

    def environment(self) -> dict[str, str]:
        """Return the variables that Label Studio and the client library below it read."""
        django = {"DJANGO_DB": "default", "POSTGRE_HOST": self.host, "POSTGRE_PORT": str(self.port)}
        django |= {"POSTGRE_NAME": self.name, "POSTGRE_USER": self.user, "POSTGRE_PASSWORD": self.password}
        libpq = {f"PG{key.upper()}": value for key, value in self.options.items()}
        return {**{f"LABEL_STUDIO_{key}": value for key, value in django.items()}, **libpq}

    def to_json(self) -> dict[str, Any]:
        """Return everything, the password too: for a file of mode 0600 alone."""
        known = {"host": self.host, "port": self.port, "name": self.name, "user": self.user}
        return {**known, "password": self.password, "options": dict(self.options)}


def parse_database(address: str, *, password: str | None = None) -> Database:
    """Return the database that an address names, as ``postgresql://user@host:5432/name?sslmode=verify-full``.

    Raises
    ------
    BadUsage
        ``servers.database-invalid`` if it is no such address.

    """
    try:
        parts = urlsplit(address)
        port, options = parts.port or 5432, dict(parse_qsl(parts.query, strict_parsing=bool(parts.query)))
    except ValueError as error:
        raise _invalid(f"is no address ({error})") from error
    if parts.scheme not in _SCHEMES:
        raise _invalid("does not begin with postgresql://")
    name = unquote(parts.path.lstrip("/"))
    host = options.pop("host", "") or parts.hostname or ""
    stray = sorted(options.keys() - set(_OPTIONS))
    if not name or not host or not parts.username or stray:
        lacking = [what for what, there in (("host", host), ("user", parts.username), ("name", name)) if not there]
        raise _invalid(f"has the unknown setting {stray[0]}" if stray else f"lacks {', '.join(lacking)}")
    given = unquote(parts.password) if parts.password else ""
    return Database(
        host=host,
        port=port,
        name=name,
        user=unquote(parts.username),
        password=given or password or "",
        options=options,
    )


def choose_database(option: str | None, *, environment: Mapping[str, str], remembered: Path) -> Database | None:
    """Return the database that the option, the environment or an earlier start names; None for SQLite.

    An earlier start's is used until another is named, so that a restart never quietly shows an empty server.

    Parameters
    ----------
    option
        ``--database``: an address without password, or ``sqlite``.
    remembered
        The file that `remember` writes.

    Raises
    ------
    BadUsage
        ``servers.database-invalid``; ``servers.database-password`` if the option holds a password.
    Refused
        ``servers.database-password`` if others may read the remembered file.

    """
    password = environment.get(PASSWORD_VARIABLE)
    if option == "sqlite":
        return None
    if option is not None:
        database = parse_database(option)
        if database.password:
            raise bad_usage(
                "servers.database-password",
                "--database",
                "holds a password, which every user of this machine can read in the list of processes.",
                f"Change that password; leave it out here and set {PASSWORD_VARIABLE}, or set {ADDRESS_VARIABLE}.",
            )
        known = _recall(remembered)
        if password is None and known and known.shown == database.shown:
            password = known.password
        return parse_database(option, password=password)
    if address := environment.get(ADDRESS_VARIABLE):
        return parse_database(address, password=password)
    return _recall(remembered)


def remember(path: Path, database: Database | None) -> None:
    """Keep the database for the next start, in a file that only its owner can read; None forgets it."""
    if database is None:
        path.unlink(missing_ok=True)
        return
    partial = path.with_suffix(".partial")
    partial.unlink(missing_ok=True)
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as out:
        json.dump(database.to_json(), out, indent=2)
        out.flush()
        os.fsync(out.fileno())
    os.replace(partial, path)


def _recall(path: Path) -> Database | None:
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077:
            raise refused(
                "servers.database-password", path, "can be read by others.", f"Run `chmod 600 {path}`, and repeat."
            )
        return Database(**json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError) as error:
        raise refused(
            "servers.database-invalid", path, f"is damaged ({error}).", "Name the database again with --database."
        ) from error


def require_usable(database: Database) -> None:
    """Connect once, so that what is wrong is said in a sentence and not in a server's log.

    Raises
    ------
    Busy
        ``servers.database-away`` if nothing answers there.
    Refused
        ``servers.database-refused`` if it does not let this user in or is too old.

    """
    with connected(database) as connection:
        version = connection.server_version
    if version < _OLDEST:
        raise refused(
            "servers.database-refused",
            database.shown,
            f"is PostgreSQL {version // 10000}, which Label Studio no longer supports.",
            f"Use PostgreSQL {_OLDEST // 10000} or later.",
        )


class connected:  # noqa: N801 -- reads as the context manager it is
    """A connection for a with block, committed at its end and closed; see `require_usable` for what it raises."""

    def __init__(self, database: Database) -> None:
        """Say which database; nothing is asked yet."""
        self._database = database
        self._connection: Any = None

    def __enter__(self) -> Any:
        """Connect."""
        import psycopg2

        one = self._database
        try:
            self._connection = psycopg2.connect(
                host=one.host,
                port=one.port,
                dbname=one.name,
                user=one.user,
                password=one.password or None,
                connect_timeout=_CONNECT_S,
                application_name="workbench",
                **one.options,
            )
        except psycopg2.OperationalError as error:
            raise _away(one, " ".join(str(error).split())) from error
        return self._connection

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        """Commit what was done, or undo it, and close; what the database itself objects to becomes a sentence."""
        import psycopg2

        try:
            if kind is None:
                self._connection.commit()
        except psycopg2.Error as late:
            raise _objects(self._database, late) from late
        finally:
            self._connection.close()
        if isinstance(error, psycopg2.Error):
            raise _objects(self._database, error) from error


def _objects(database: Database, error: Exception) -> Refused:
    return refused(
        "servers.database-refused",
        database.shown,
        f"did not accept what it was asked, and stays as it was ({' '.join(str(error).split())[:200]}).",
        "Give the user all rights in this database, or name an empty one.",
    )


def _away(database: Database, words: str) -> Exception:
    reason = words.rsplit("FATAL:", maxsplit=1)[-1].strip() or words
    if "FATAL" in words or "no password supplied" in words or "certificate" in words.lower():
        return refused(
            "servers.database-refused",
            database.shown,
            f"does not let this user in ({reason[:200]}).",
            f"Make user and database there, and give the password in {PASSWORD_VARIABLE} or the address in {ADDRESS_VARIABLE}.",
        )
    return busy(
        "servers.database-away",
        database.shown,
        f"does not answer ({reason[:200]}).",
        "Start it, or correct host and port, then repeat the command.",
    )


def _invalid(what: str) -> BadUsage:
    # The address itself is not repeated: it may hold a password.
    return bad_usage(
        "servers.database-invalid",
        "the database's address",
        f"{what}.",
        "Write postgresql://USER@HOST:5432/NAME, or sqlite.",
    )
