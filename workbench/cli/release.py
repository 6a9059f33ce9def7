"""Commands of releases: assemble, build, show; and what those that verify, compare and hand over share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from workbench import __version__
from workbench.adapters import dvc, git
from workbench.cli import release_formats, release_gate, release_ledger, revocations
from workbench.cli.command import command
from workbench.cli.report import Report
from workbench.cli.wiring import Workspace
from workbench.domain.findings import Finding, Refused, Severity, refused
from workbench.ports import Files

release = typer.Typer(help="Build, verify, compare and hand over dataset versions.", no_args_is_help=True)

#: Findings that `verify` prints; the rest are counted.
TOLD = 20
NameOption = Annotated[str | None, typer.Argument(help="A release's name. [default: the newest]")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Say what would be done and do nothing.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.add_typer(release, name="release")
    release_gate.register(release)


@command(release, "assemble")
def assemble_release(*, workspace: Workspace) -> Report:
    """Write data/07_release from the stages' tables (what DVC runs; `release build` does all of it)."""
    from workbench.release.assemble import assemble

    made = assemble(
        workspace.layout,
        workspace.section("release"),
        workspace.taxonomy,
        draw=release_formats.real_draw(),
        track=workspace.track,
    )
    return Report(
        summary=f"Assembled {made.facts['images']} images with {made.facts['instances']} labelled objects.",
        data={
            "manifest_sha256": made.manifest_sha256,
            "files": made.files,
            "written": made.written,
            "facts": made.facts,
        },
        next_command="workbench release build NAME",
    )


@command(release, "build")
def build(
    name: Annotated[str, typer.Argument(help="The new release's name; it becomes a git tag.")],
    *,
    workspace: Workspace,
    dry_run: DryRunOption = False,
) -> Report:
    """Bring every stage up to date, assemble, sign, and name the release: once and for good."""
    from workbench.release.increment import known_digests
    from workbench.release.manifest import check_files, manifest_digest
    from workbench.release.record import RECORD, require_name

    layout = workspace.layout
    require_name(name)
    target = layout.records / name
    if git.tag_exists(layout.root, name):
        raise refused(
            "release.name-taken", name, "is the name of a release already.", "Choose a new name: releases stay."
        )
    if dry_run:
        return Report(
            summary=f"Would bring all stages up to date, assemble and sign release {name}, and tag it in git.",
            data={"release": name, "dry_run": True},
        )
    with workspace.exclusive("release"):
        dvc.repro(layout.root, ["release"])
        require_clean(check_files(layout.release, known=known_digests(layout.release, layout.state / "release")))
        release_gate.require_day_holds(workspace)
        digest = manifest_digest(layout.release)
        _require_new(workspace, name, digest)
        _write_record(workspace, name, digest)
        paths = [target / RECORD, target / "splits.csv", target / "public_key.pem"]
        paths += revocations.name_successor(workspace, name)
        git.commit_and_tag(layout.root, name, paths, f"Release {name}")
    facts = _facts(layout.release)
    return Report(
        summary=f"Release {name}: {facts['images']} images, {facts['instances']} labelled objects, signed and tagged.",
        data={"release": name, "manifest_sha256": digest, "record": str(target / RECORD), "facts": facts},
        rows=_split_rows(facts),
        next_command=f"workbench release verify {name}",
    )


def require_clean(findings: Iterator[Finding]) -> None:
    """Refuse to sign what is not what was assembled."""
    found = [finding for finding, _ in zip(findings, range(TOLD), strict=False)]
    if found:
        raise Refused(*found)


def _require_new(workspace: Workspace, name: str, digest: str) -> None:
    """Refuse data that the newest release holds already, and a name that stands for other data."""
    records = records_of(workspace)
    for record in records:
        if record.name == name and record.manifest_sha256 != digest:
            raise refused(
                "release.name-taken", name, "has a record of other data already.", "Choose a new name: releases stay."
            )
    others = [record for record in records if record.name != name]
    if others and others[-1].manifest_sha256 == digest:
        raise refused(
            "release.unchanged",
            f"release {others[-1].name}",
            "holds this very data already.",
            "Nothing to release; use that one.",
        )


def _write_record(workspace: Workspace, name: str, digest: str) -> None:
    """Enter the release in the ledger and write its signed record; after a broken run, the same entry again."""
    from workbench.adapters.environment import environment
    from workbench.custody.ledger import Ledger
    from workbench.domain.lineage import sha256_hex
    from workbench.release.record import RECORD, envelope_bytes, statement, write_whole

    layout = workspace.layout
    ledger = Ledger.open(layout.custody)
    sources = {
        file: layout.root / file for file in ("dvc.lock", "dvc.yaml", "params.yaml", "label_configs/taxonomy.yaml")
    }
    facts = _facts(layout.release)
    document = statement(
        name=name,
        manifest_sha256=digest,
        inputs={file: sha256_hex(path.read_bytes()) for file, path in sources.items() if path.is_file()},
        code_version=__version__,
        counts={key: facts[key] for key in ("images", "instances", "groups", "images_by_split_and_origin")},
        ledger=release_ledger.enter_release(ledger, name, digest),
        environment=environment(),
    )
    target = layout.records / name
    write_whole(target / "splits.csv", (layout.release / "splits.csv").read_bytes())
    write_whole(target / "public_key.pem", ledger.public_key_pem().encode())
    write_whole(target / RECORD, envelope_bytes(document, ledger.sign))


def note(code: str, subject: str, message: str, remedy: str) -> Finding:
    """Return a finding that is a warning."""
    return Finding(code=code, subject=subject, message=message, remedy=remedy, severity=Severity.WARNING)


def data_of(workspace: Workspace, record: Any) -> tuple[Files, list[Finding]]:
    """Return the files of a release: the working folder's if it is that release, else as DVC has them."""
    from workbench.adapters.dvc_files import DvcFiles
    from workbench.release.manifest import check_files, manifest_digest
    from workbench.release.places import FolderFiles

    layout = workspace.layout
    revocations.require_current(workspace, record)
    newest = records_of(workspace)[-1].name == record.name
    there = layout.release.is_dir()
    if there:
        try:
            right = manifest_digest(layout.release) == record.manifest_sha256
            # A folder that breaks its own manifest was tampered with; one that keeps it is another state of the data.
            tampered = newest and not right and next(check_files(layout.release), None) is not None
        except Refused:
            right, tampered = False, newest
        if right or tampered:
            return FolderFiles(layout.release), []
    remark = note(
        "release.other-data",
        "data/07_release",
        f"holds another state of the data than release {record.name}, which was read from DVC.",
        f"To work on that release: `git checkout {record.name} && dvc checkout`.",
    )
    return DvcFiles(str(layout.root), record.name, "data/07_release"), [remark] if there else []


@command(release, "card")
def card(name: NameOption = None, *, workspace: Workspace) -> Report:
    """Print where a release's card is, and what it says in short."""
    import json

    from workbench.release.places import read

    record = record_of(workspace, name)
    facts = json.loads(read(data_of(workspace, record)[0], "summary.json"))
    path = workspace.layout.release / "card.html"
    return Report(
        summary=f"{facts['title']}, release {record.name}: {facts['images']} images, "
        f"{facts['instances']} labelled objects. Open {path} in a browser.",
        data={"release": record.name, "path": str(path), "facts": facts},
        rows=_split_rows(facts),
    )


@command(release, "list")
def list_releases(*, workspace: Workspace) -> Report:
    """List the releases of this workspace, oldest first, and whether each may still be used."""
    states = revocations.states(workspace)
    rows = [
        {
            "name": record.name,
            "images": record.predicate["counts"]["images"],
            "objects": record.predicate["counts"]["instances"],
            "manifest_sha256": record.manifest_sha256[:16],
            "state": states.get(record.manifest_sha256, "current"),
        }
        for record in records_of(workspace)
    ]
    return Report(
        summary=f"{len(rows)} releases.", data={"releases": [row["name"] for row in rows]}, rows=rows, next_command=None
    )


def records_of(workspace: Workspace) -> list[Any]:
    """Return the records of a workspace in the order the ledger knows them."""
    from workbench.release.record import RECORD, read_record

    records = [read_record(path) for path in sorted(workspace.layout.records.glob(f"*/{RECORD}"))]
    return sorted(records, key=lambda record: int(record.predicate["ledger"]["proof"]["index"]))


def record_of(workspace: Workspace, name: str | None) -> Any:
    """Return the record of a release, or of the newest.

    Raises
    ------
    Refused
        ``release.unknown-name``.

    """
    records = records_of(workspace)
    for record in reversed(records):
        if name in (None, record.name):
            return record
    raise refused(
        "release.unknown-name",
        name or "the newest release",
        "is no release of this workspace, nor a folder.",
        "See `workbench release list`; build one with `workbench release build NAME`.",
    )


def need(workspace: Workspace | None) -> Workspace:
    """Return the workspace, or refuse where there is none."""
    return workspace or Workspace.find(None)


def _facts(folder: Path) -> dict[str, Any]:
    import json

    facts: dict[str, Any] = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    return facts


def _split_rows(facts: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"split": split, **counts} for split, counts in facts["images_by_split_and_origin"].items()]
