"""What was made from what: activities, their versions, and the key under which a piece of work is known."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from workbench.domain.findings import refused


def canonical_json(value: object) -> str:
    """Return JSON with sorted keys and no spare white space, the same for equal values.

    Raises
    ------
    ValueError
        If a number is NaN or infinite, which JSON cannot say.

    Examples
    --------
    >>> canonical_json({"b": 1, "a": [1.5, None]})
    '{"a":[1.5,null],"b":1}'

    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def sha256_hex(data: bytes) -> str:
    """Return the SHA-256 of the bytes as 64 lower-case hexadecimal digits (FIPS 180-4)."""
    return hashlib.sha256(data).hexdigest()


def parameter_digest(parameters: Mapping[str, Any]) -> str:
    """Return the SHA-256 of the parameters' canonical JSON."""
    return sha256_hex(canonical_json(dict(parameters)).encode())


def work_key(*, activity: str, parameters: Mapping[str, Any], inputs: tuple[str, ...]) -> str:
    """Return the key of one piece of work: equal inputs, parameters and activity give an equal key.

    Parameters
    ----------
    activity
        Name and version of the code that does it, as ``working-copy/1``.
    parameters
        The parameters that shape the result.
    inputs
        Hashes of the inputs, in the order that matters.

    """
    return sha256_hex(canonical_json([activity, parameter_digest(parameters), list(inputs)]).encode())


def seed_for(*parts: object) -> int:
    """Return a 32-bit seed from the parts, the same on every machine (BLAKE2b, RFC 7693).

    Examples
    --------
    >>> seed_for(7, "image", 0) == seed_for(7, "image", 0)
    True

    """
    text = "|".join(str(part) for part in parts)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest(), "big")


def require_activity(parameters: Mapping[str, Any], installed: str, *, section: str) -> None:
    """Refuse to work when params.yaml asks for another version of an activity than is installed.

    The activity's version stands in params.yaml, so DVC reruns a stage when it changes, and nobody mixes the
    output of two versions unknowingly.

    Raises
    ------
    Refused
        With the code ``workspace.activity-version``.

    """
    asked = parameters.get("activity")
    if asked != installed:
        raise refused(
            "workspace.activity-version",
            f"params.yaml {section}.activity",
            f"asks for {asked!r}, but this workbench has {installed!r}.",
            f"Set {section}.activity to {installed!r} to redo the stage, or install the version that made it.",
        )
