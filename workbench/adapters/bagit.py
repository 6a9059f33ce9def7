"""BagIt (RFC 8493): is a folder a bag, and does it hold what its manifests say."""

from __future__ import annotations

import logging
from pathlib import Path

from workbench.domain.findings import WorkbenchError, refused


def is_bag(folder: Path) -> bool:
    """Say whether a folder is meant as a bag: it declares itself one, or has a bag's payload and manifest."""
    if not folder.is_dir():
        return False
    return (folder / "bagit.txt").is_file() or ((folder / "data").is_dir() and any(folder.glob("manifest-*.txt")))


def validate_bag(folder: Path) -> Path:
    """Return the payload folder of a valid bag.

    fetch.txt is never followed: a bag that leaves files to be fetched is valid only where they are all there.

    Raises
    ------
    Refused
        ``intake.bag-invalid``.

    """
    import bagit

    logging.getLogger("bagit").setLevel(logging.CRITICAL)  # it logs what it also raises
    if not (folder / "bagit.txt").is_file():
        raise _invalid(folder, "has no bagit.txt")
    declaration = (folder / "bagit.txt").read_bytes()
    # The library strips white space that the specification does not allow in the declaration.
    if any(line != line.strip() or b" :" in line for line in declaration.splitlines()):
        raise _invalid(folder, "has stray white space in bagit.txt")
    # A link would be hashed as what it points at, and then not be received.
    if any(path.is_symlink() for path in (folder / "data", *folder.rglob("*"))):
        raise _invalid(folder, "holds links")
    try:
        bagit.Bag(str(folder)).validate(processes=1)
    except (bagit.BagError, OSError, UnicodeDecodeError, ValueError) as error:
        fetch = "; what fetch.txt names is never fetched" if (folder / "fetch.txt").is_file() else ""
        raise _invalid(folder, f"does not hold what its manifests say ({error}{fetch})") from error
    return folder / "data"


def _invalid(folder: Path, what: str) -> WorkbenchError:
    return refused("intake.bag-invalid", folder, f"{what}.", "Make the bag anew and hand it over again.")
