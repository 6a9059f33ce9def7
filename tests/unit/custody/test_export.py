"""An exported ledger verifies with a shell script, openssl and sha256sum; any change to it is found."""

from __future__ import annotations

import base64
import hashlib
import shutil
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from workbench.custody.export import write_export
from workbench.custody.keys import SigningKey
from workbench.custody.ledger import Event, Ledger
from workbench.custody.merkle import leaf_hash, root_hash

#: A forger's key.
_KEY = SigningKey(Ed25519PrivateKey.generate())
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SCRIPT = Path(__file__).resolve().parents[3] / "docs" / "verify-ledger.sh"

#: Nothing of an entry may become a command or a format of printf.
AWKWARD = 'it\'s 100%s \\ \\n "quoted" $(touch owned) `touch owned` \N{LATIN SMALL LETTER U WITH DIAERESIS}'


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The export of a ledger of 21 entries under two keys."""
    home = tmp_path_factory.mktemp("ledger")
    ledger = Ledger.open(home / "custody")
    for number in range(5):
        events = [Event(kind="receive", actor="a", reason=f"{number} {n} {AWKWARD}") for n in range(number)]
        ledger.append(events, now=NOW)
    ledger = ledger.rotate_key(actor="a", reason="yearly", now=NOW)
    ledger.append([Event(kind="admit", actor="a", reason=str(n)) for n in range(9)], now=NOW)
    assert write_export(home / "export", ledger, SCRIPT.read_bytes()) == 21
    return home / "export"


@pytest.fixture
def copy(sound: Path, tmp_path: Path) -> Path:
    """The export, to be spoilt."""
    shutil.copytree(sound, tmp_path / "copy")
    return tmp_path / "copy"


def _run(folder: Path, *arguments: str, shell: str = "sh") -> subprocess.CompletedProcess[str]:
    line = [shell, str(folder / "verify-ledger.sh"), *arguments]
    return subprocess.run(line, cwd=folder.parent, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_an_export_verifies_without_us(sound: Path, shell: str) -> None:
    done = _run(sound, shell=shell)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Sound: 21 entries, 8 checkpoints, 2 keys.")
    assert not list(sound.rglob("owned")) + list(sound.parent.glob("owned"))


@pytest.mark.parametrize("number", [0, 7, 15, 16, 20])
def test_one_entry_verifies_by_its_proof(sound: Path, number: int) -> None:
    done = _run(sound, "--entry", str(number))
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == (sound / "entries.jsonl").read_text().splitlines()[number]


def test_an_entry_altered_or_moved_is_not_proved(copy: Path) -> None:
    assert _run(copy, "--entry", "21").returncode == 1
    path = copy / "entries.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([lines[1], lines[0], *lines[2:]]))
    for number in ("0", "1"):
        assert "NOT SOUND" in _run(copy, "--entry", number).stderr
    assert _run(copy, "--entry", "2").returncode == 0


def _edit(folder: Path) -> None:
    path = folder / "entries.jsonl"
    path.write_text(path.read_text().replace("receive", "release", 1))


def _rechain(folder: Path) -> None:
    """Edit an entry, then make chain and proofs of it anew."""
    _edit(folder)
    bodies = (folder / "entries.jsonl").read_bytes().splitlines()
    chain, links = bytes(32), []
    for body in bodies:
        chain = hashlib.sha256(chain + leaf_hash(body)).digest()
        links.append(chain.hex())
    (folder / "chain.txt").write_text("\n".join(links) + "\n")
    (folder / "proofs.txt").unlink()


def _forge(folder: Path) -> None:
    """Edit, re-chain and sign it with another key."""
    _rechain(folder)
    leaves = [leaf_hash(body) for body in (folder / "entries.jsonl").read_bytes().splitlines()]
    for path in (folder / "checkpoints").glob("*.txt"):
        size = int(path.stem)
        path.write_text(_KEY.checkpoint(size, root_hash(leaves[:size])).note)


def _forge_with_its_key(folder: Path) -> None:
    _forge(folder)
    for path in (folder / "keys").glob("*.pem"):
        path.write_text(_KEY.public_pem())


def _truncate(folder: Path) -> None:
    for name in ("entries.jsonl", "chain.txt", "proofs.txt"):
        path = folder / name
        path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))


def _grow(folder: Path) -> None:
    _edit_lines(folder / "entries.jsonl", lambda lines: [*lines, '{"kind":"release"}\n'])
    _rechain(folder)


def _edit_lines(path: Path, change: Callable[[list[str]], list[str]]) -> None:
    path.write_text("".join(change(path.read_text().splitlines(keepends=True))))


def _alter_chain(folder: Path) -> None:
    _edit_lines(folder / "chain.txt", lambda lines: [*lines[:3], "0" * 64 + "\n", *lines[4:]])


def _alter_proof(folder: Path) -> None:
    path = folder / "proofs.txt"
    path.write_text(path.read_text()[:-3] + ("00\n" if path.read_text()[-3:-1] != "00" else "11\n"))


def _swap_keys(folder: Path) -> None:
    one, two = sorted((folder / "keys").glob("*.pem"))
    first, second = one.read_text(), two.read_text()
    one.write_text(second)
    two.write_text(first)


def _drop_second_key(folder: Path) -> None:
    max((folder / "keys").glob("*.pem")).unlink()


def _resign_with_retired_key(folder: Path) -> None:
    shutil.copyfile(min((folder / "keys").glob("*.pem")), max((folder / "keys").glob("*.pem")))


def _drop_newest_checkpoint(folder: Path) -> None:
    max((folder / "checkpoints").glob("*.txt")).unlink()


def _alter_signature(folder: Path) -> None:
    path = max((folder / "checkpoints").glob("*.txt"))
    text, line = path.read_text().split("\n\n")
    raw = bytearray(base64.b64decode(line.split(" ")[-1]))
    raw[20] ^= 1
    path.write_text(f"{text}\n\n{line.rsplit(' ', 1)[0]} {base64.b64encode(raw).decode()}\n")


def _other_root(folder: Path) -> None:
    path = min((folder / "checkpoints").glob("*.txt"))
    shutil.copyfile(max((folder / "checkpoints").glob("*.txt")), path)
    (folder / "checkpoints" / "mine.txt").write_text(path.read_text().replace("\n21\n", "\n20\n"))


TAMPERINGS = [
    _edit,
    _rechain,
    _forge,
    _truncate,
    _grow,
    _alter_chain,
    _alter_proof,
    _swap_keys,
    _drop_second_key,
    _resign_with_retired_key,
    _drop_newest_checkpoint,
    _alter_signature,
    _other_root,
]


@pytest.mark.parametrize("tamper", TAMPERINGS)
def test_a_tampered_export_is_found(copy: Path, tamper: Callable[[Path], None]) -> None:
    tamper(copy)
    done = _run(copy)
    assert done.returncode == 1, done.stdout
    assert done.stderr.startswith("NOT SOUND: ")


def test_a_receipt_s_checkpoint_shows_a_ledger_made_anew(copy: Path) -> None:
    held = max((copy / "checkpoints").glob("*.txt")).read_text()
    _edit_lines(copy / "entries.jsonl", lambda lines: [line for line in lines if "rotate-key" not in line])
    _forge_with_its_key(copy)
    max((copy / "keys").glob("*.pem")).unlink()
    for path in (copy / "checkpoints").glob("*.txt"):
        if int(path.stem) > 20:
            path.unlink()
    (copy / "checkpoints" / "000000000020.txt").write_text(
        _KEY.checkpoint(20, root_hash([leaf_hash(b) for b in (copy / "entries.jsonl").read_bytes().splitlines()])).note
    )
    forged = _run(copy)
    assert forged.returncode == 0, forged.stderr  # whoever makes a ledger anew makes one that agrees with itself
    (copy / "checkpoints" / "mine.txt").write_text(held)
    assert _run(copy).returncode == 1
