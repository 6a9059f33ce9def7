"""FiftyOne's own app, started as a process of its own, held to one folder of images.

FiftyOne's ``/media`` route serves any file this user can read to anything that can reach the port. Here a request for
a file outside the data folder, or one that names another host (DNS rebinding), is refused before FiftyOne sees it.
The app's pages also ask others for fonts and usage figures; a content security policy keeps the browser from it.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]

_FORBIDDEN = 403

#: Everything from this server alone; FiftyOne's pages run inline scripts, WebAssembly and workers from blobs.
_POLICY = (b"content-security-policy", b"default-src 'self' 'unsafe-inline' 'unsafe-eval' blob: data:")


def confined(app: Asgi, folder: Path, hosts: frozenset[str]) -> Asgi:
    """Return the app, but with files outside the folder and requests to other host names refused (403), and a policy sent."""
    allowed = folder.resolve()

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not (_for_us(scope, hosts) and _inside(scope, allowed)):
            headers = [(b"content-type", b"text/plain")]
            await send({"type": "http.response.start", "status": _FORBIDDEN, "headers": headers})
            await send({"type": "http.response.body", "body": b"Outside the workspace's data folder."})
            return

        async def send_with_policy(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), _POLICY]
            await send(message)

        await app(scope, receive, send_with_policy)

    return serve


def _for_us(scope: Scope, hosts: frozenset[str]) -> bool:
    named = [value.decode("latin-1") for key, value in scope["headers"] if key == b"host"]
    return all(host in hosts for host in named)


def _inside(scope: Scope, allowed: Path) -> bool:
    """Tell whether every file a media request names lies in the folder, links followed."""
    if not str(scope["path"]).rstrip("/").endswith("/media"):
        return True
    query = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    try:
        return all(Path(os.path.realpath(name)).is_relative_to(allowed) for name in query.get("filepath", []))
    except ValueError:  # a name with a null byte
        return False


def main(port: int, address: str, folder: Path) -> None:
    """Serve until told to stop; the environment says which database (FIFTYONE_DATABASE_URI)."""
    os.environ.pop("FIFTYONE_DISABLE_SERVICES", None)  # as fiftyone/server/main.py does: this is the service
    os.environ["FIFTYONE_SERVER"] = "1"
    from fiftyone.server.app import app
    from fiftyone.server.events import set_port
    from hypercorn.asyncio import serve
    from hypercorn.config import Config

    config = Config()
    config.bind = [f"{address}:{port}"]
    set_port(port)
    hosts = frozenset({f"{address}:{port}", f"localhost:{port}"})
    asyncio.run(serve(confined(app, folder, hosts), config))  # type: ignore[arg-type]


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
