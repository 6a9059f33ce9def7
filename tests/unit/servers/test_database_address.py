"""The address of a team's database: read, remembered, and its password kept from where others look."""

from __future__ import annotations

from pathlib import Path

import pytest

from workbench.adapters.postgres import ADDRESS_VARIABLE, PASSWORD_VARIABLE, choose_database, parse_database, remember
from workbench.domain.findings import BadUsage, Refused

BARE = "postgresql://team@db.example.org/labels"


def test_an_address_is_read_and_shown_without_its_password() -> None:
    one = parse_database("postgresql://t%40m:s%3Acret@[::1]:5433/a%20b?sslmode=verify-full&sslrootcert=/ca.pem")
    assert (one.user, one.password, one.host, one.port, one.name) == ("t@m", "s:cret", "::1", 5433, "a b")
    assert "s:cret" not in repr(one) + one.shown
    said = one.environment()
    assert (said["LABEL_STUDIO_POSTGRE_PASSWORD"], said["PGSSLMODE"], said["PGSSLROOTCERT"]) == (
        "s:cret",
        "verify-full",
        "/ca.pem",
    )
    assert parse_database("postgresql://team@/labels?host=/run/postgresql").host == "/run/postgresql"


@pytest.mark.parametrize(
    "address",
    [
        "mysql://team@h/labels",
        "postgresql://h/labels",
        "postgresql://team@h",
        "postgresql://team@h:port/labels",
        "postgresql://team@h/labels?options=-csearch_path",
        "labels",
    ],
)
def test_what_is_no_address_is_refused_without_repeating_it(address: str) -> None:
    with pytest.raises(BadUsage) as refusal:
        parse_database(address.replace("team", "team:secret"))
    assert "secret" not in str(refusal.value)


def test_a_password_on_the_command_line_is_refused_and_one_in_the_environment_taken(tmp_path: Path) -> None:
    kept = tmp_path / "database.json"
    with pytest.raises(BadUsage, match="list of processes") as refusal:
        choose_database("postgresql://team:secret@db.example.org/labels", environment={}, remembered=kept)
    assert "secret" not in str(refusal.value)
    one = choose_database(BARE, environment={PASSWORD_VARIABLE: "p"}, remembered=kept)
    assert one is not None
    assert (one.password, one.shown) == ("p", "postgresql://team@db.example.org:5432/labels")
    whole = choose_database(None, environment={ADDRESS_VARIABLE: "postgresql://t:q@h/n"}, remembered=kept)
    assert whole is not None
    assert (whole.user, whole.password) == ("t", "q")


def test_the_database_is_remembered_for_its_owner_alone_until_another_is_named(tmp_path: Path) -> None:
    kept = tmp_path / "database.json"
    assert choose_database(None, environment={}, remembered=kept) is None
    one = parse_database(BARE, password="p")  # noqa: S106 -- nobody's
    remember(kept, one)
    assert kept.stat().st_mode & 0o777 == 0o600
    assert choose_database(None, environment={}, remembered=kept) == one
    assert choose_database(BARE, environment={}, remembered=kept) == one  # its password is known by now
    assert choose_database("sqlite", environment={}, remembered=kept) is None
    kept.chmod(0o644)
    with pytest.raises(Refused, match="chmod 600"):
        choose_database(None, environment={}, remembered=kept)
    kept.chmod(0o600)
    kept.write_text("{}", encoding="utf-8")
    with pytest.raises(Refused, match="is damaged"):
        choose_database(None, environment={}, remembered=kept)
    remember(kept, None)
    assert not kept.exists()
