"""Where this workspace's Label Studio is, and how to ask it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from workbench.adapters.label_studio import LabelStudioServer
from workbench.adapters.label_studio_http import TIMEOUT_S
from workbench.cli.wiring import Workspace
from workbench.domain.findings import busy, refused


def connect(workspace: Workspace) -> tuple[LabelStudioServer, Path]:
    """Return the Label Studio that `workbench up` started, and the folder it serves photographs from.

    WORKBENCH_LABEL_STUDIO_URL, _TOKEN and _MEDIA_ROOT name a server that somebody else runs; _TIMEOUT_S says how long an
    answer is waited for.

    Raises
    ------
    Busy
        ``labelling.server-away`` if none has been started.
    Refused
        ``labelling.no-server`` if it is not known how to reach it.

    """
    state = workspace.layout.state
    known = {**_read(state / "credentials.json"), **_read(state / "servers.json")}
    url = os.environ.get("WORKBENCH_LABEL_STUDIO_URL") or known.get("url")
    token = os.environ.get("WORKBENCH_LABEL_STUDIO_TOKEN") or known.get("token")
    media_root = os.environ.get("WORKBENCH_LABEL_STUDIO_MEDIA_ROOT") or known.get("media_root")
    if not url:
        raise busy(
            "labelling.server-away",
            "Label Studio",
            "is not running in this workspace.",
            "Start it with `workbench up`, then repeat the command.",
        )
    if not token:
        raise refused(
            "labelling.no-server",
            "Label Studio",
            "cannot be asked without an access token.",
            "Start it with `workbench up`, or set WORKBENCH_LABEL_STUDIO_TOKEN.",
        )
    timeout_s = float(os.environ.get("WORKBENCH_LABEL_STUDIO_TIMEOUT_S") or TIMEOUT_S)
    return LabelStudioServer(url, token, timeout_s=timeout_s), Path(media_root) if media_root else workspace.layout.data


def _read(path: Path) -> Mapping[str, str]:
    """Return what a file of `workbench up` says about Label Studio; nothing if there is no such file."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        server: Mapping[str, str] = document.get("label_studio") or {}
    except FileNotFoundError:
        return {}
    except (ValueError, AttributeError) as error:
        raise refused(
            "labelling.no-server", path, f"is damaged ({error}).", "Restart the servers with `workbench up`."
        ) from error
    return server
