"""The command that compares two releases."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from workbench.cli.command import command
from workbench.cli.release import TOLD, data_of, need, note, record_of, release
from workbench.cli.report import Report
from workbench.cli.wiring import Workspace
from workbench.domain.findings import Refused
from workbench.ports import Files

#: Longest side of a picture on the page.
_THUMBNAIL_PX = 480


def register(_app: typer.Typer) -> None:
    """Add the command of this module to the group `release`."""
    command(release, "diff")(diff)


def diff(
    old: Annotated[str, typer.Argument(metavar="OLD", help="A release's name, or a folder or bundle.")],
    new: Annotated[str, typer.Argument(metavar="NEW", help="Another name, folder or bundle.")],
    *,
    workspace: Workspace | None,
    html: Annotated[
        Path | None, typer.Option("--html", help="Write a page with the pictures side by side to this file.")
    ] = None,
    pictures: Annotated[int, typer.Option("--pictures", help="At most so many pictures on the page.", min=0)] = 40,
) -> Report:
    """Compare two releases: images and objects added, removed and changed, why and by whom, and whether a split moved."""
    from workbench.release.diff import diff_releases, read_tables
    from workbench.release.diff_page import Side, deciders, records_of

    places = [_files_of(workspace, subject) for subject in (old, new)]
    tables = [read_tables(files) for files, _ in places]
    found = diff_releases(*tables, reasons=_reasons(workspace, tables, places[1][1]))
    sides = [
        Side(name=Path(subject).name, tables=own, files=files)
        for subject, own, (files, _) in zip((old, new), tables, places, strict=True)
    ]
    if html is not None:
        _write_page(html, found, sides, pictures)
    counts = found.counts()
    kept = counts["images_kept"]
    return Report(
        summary=f"From {old} to {new}: {counts['images_added']} images added, {counts['images_removed']} removed, "
        f"{counts['images_relabelled']} relabelled; {counts['images_moved']} of {kept} in both moved to another split.",
        data={
            "counts": counts,
            "splits_moved": counts["images_moved"],
            "classes": records_of(found.classes),
            "images": records_of(found.images),
            "instances": records_of(found.instances),
            "by": deciders(found),
            "html": html and str(html),
        },
        rows=_rows(found, counts),
        findings=[
            note(
                "release.split-leakage",
                f"image {row['image_id']}",
                f"moved from {row['split_old']} to {row['split_new']}.",
                "Do not compare results across these releases.",
            )
            for row in records_of(found.images[found.images["change"] == "moved"].head(TOLD))
        ],
        next_command=None if html else f"workbench release diff {old} {new} --html diff.html",
    )


def _rows(found: Any, counts: dict[str, int]) -> list[dict[str, Any]]:
    """Return what people read: counts, why images were removed, and the categories whose number changed."""
    removed = found.images.loc[found.images["change"] == "removed", "reason"].fillna("not known here")
    changed = found.classes[found.classes["old"] != found.classes["new"]]
    return [
        *({"change": name.replace("_", " "), "count": value} for name, value in counts.items()),
        *(
            {"change": f"  removed, {reason}", "count": int(count)}
            for reason, count in sorted(removed.value_counts().items())
        ),
        *(
            {"change": f"  {row.category}", "count": f"{row.old} -> {row.new} ({row.new - row.old:+d})"}
            for row in changed.itertuples()
        ),
    ]


def _files_of(workspace: Workspace | None, subject: str) -> tuple[Files, str | None]:
    """Return the files of a release and, for one that a workspace knows by name, its name."""
    from workbench.release.bundle import bundle_data, bundle_files, is_bundle
    from workbench.release.places import FolderFiles

    path = Path(subject)
    if path.is_file() or is_bundle(path):
        return bundle_data(bundle_files(path)), None
    if path.is_dir():
        return FolderFiles(path), None
    space = need(workspace)
    record = record_of(space, subject)
    return data_of(space, record)[0], record.name


def _reasons(workspace: Workspace | None, tables: list[Any], name: str | None) -> dict[str, str]:
    """Return why images were removed, from the workspace's state at the newer release; nothing where that is not known."""
    import pyarrow.compute as pc

    from workbench.adapters.dvc_files import DvcFiles
    from workbench.release.places import read
    from workbench.release.reasons import removal_reasons
    from workbench.tables import IMAGES, LABELLED, table_of

    if name is None or workspace is None:
        return {}
    old, new = (table.images for table in tables)
    removed = old.filter(pc.invert(pc.is_in(old["image_id"], new["image_id"].combine_chunks())))
    if not len(removed):
        return {}
    root = str(workspace.layout.root)
    try:
        curated = table_of(read(DvcFiles(root, name, "data/04_curation"), "images.parquet"), IMAGES, "curation")
        labelled = table_of(
            read(DvcFiles(root, name, "data/03_adjudication"), "labelled.parquet"), LABELLED, "labelled"
        )
    except Refused:  # fetched without the stages' data: the diff itself needs only the release
        return {}
    statuses = {row["image_id"]: row["status"] for row in labelled.to_pylist()}
    return removal_reasons(removed.to_pylist(), curated.to_pylist(), statuses)


def _write_page(path: Path, found: Any, sides: list[Any], pictures: int) -> None:
    from workbench.adapters.pixels import thumbnail_jpeg
    from workbench.release.diff_page import diff_page
    from workbench.release.record import write_whole

    page = diff_page(found, *sides, thumbnail=partial(thumbnail_jpeg, side_px=_THUMBNAIL_PX), pictures=pictures)
    write_whole(path, page.encode())
