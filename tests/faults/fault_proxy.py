"""A proxy that spoils things between a command and a real server, request by request, as a seed says."""

from __future__ import annotations

import http.client
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

#: What may happen to a request, and how often relative to the others.
FAULTS = {
    "down": 3,  # the connection closes; the server never hears of it
    "away": 1,  # so do this and the next few
    "refuse": 2,  # status 500 without asking the server
    "fail": 3,  # the server does it, the answer says 500
    "lose": 4,  # the server does it, the connection closes without an answer
    "cut": 3,  # the server does it, half of the answer comes
    "lag": 2,  # the answer takes a while
    "late": 2,  # the client gives up, and then the server does it
    "restart": 0,  # the server is killed while it does it, and started again
}

#: Headers that are between two neighbours only.
_OWN = {"connection", "keep-alive", "transfer-encoding", "content-length", "host"}


@dataclass
class Trouble:
    """Which requests are spoilt: each with some chance, and at most so many."""

    rng: random.Random
    chance: float
    most: int
    late_s: float
    restart: Callable[[], None] | None = None
    struck: Counter[str] = field(default_factory=Counter)
    _away: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def next(self, path: str, *, writes: bool) -> str | None:  # noqa: ARG002 -- as `Once` has it
        """Return what happens to the next request, None if nothing; what writes is struck more often."""
        with self._lock:
            if self._away:
                self._away -= 1
                return "down"
            if self.restart is not None and writes and not self.struck["restart"] and self.rng.random() < 0.5:
                self.struck["restart"] += 1
                return "restart"
            chance = self.chance * (1.5 if writes else 0.7)
            if sum(self.struck.values()) >= self.most or self.rng.random() > chance:
                return None
            weights = dict(FAULTS)
            if self.struck["late"] >= 2:
                weights["late"] = 0
            fault = self.rng.choices(list(weights), weights=list(weights.values()))[0]
            self.struck[fault] += 1
            if fault == "away":
                self._away, fault = self.rng.randrange(1, 5), "down"
            return fault


@dataclass
class Once(Trouble):
    """One fault for the first request that writes to a path that ends so, and no other."""

    fault: str = "lose"
    ending: str = "/import"

    def next(self, path: str, *, writes: bool) -> str | None:
        if self.struck or not writes or not path.endswith(self.ending):
            return None
        self.struck[self.fault] += 1
        return self.fault


class FaultProxy:
    """Listens on this machine and passes on to ``port``, unless there is trouble."""

    def __init__(self, port: int) -> None:
        self.trouble: Trouble | None = None
        self.upstream = port
        self._under_way = 0
        self._lock = threading.Lock()
        proxy = self

        class Handler(_Handler):
            of = proxy

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def begun(self, step: int) -> None:
        with self._lock:
            self._under_way += step

    def drain(self) -> None:
        """Wait until no request is under way, those that nobody waits for among them."""
        while self._under_way:
            time.sleep(0.02)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    of: FaultProxy
    protocol_version = "HTTP/1.1"

    def log_message(self, *_words: object) -> None:
        """Say nothing."""

    def _serve(self) -> None:
        self.close_connection = True
        self.of.begun(1)
        try:
            with suppress(OSError, http.client.HTTPException):
                self._pass_on()
        finally:
            self.of.begun(-1)

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _serve  # noqa: N815 -- the names that http.server calls

    def _pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        trouble = self.of.trouble
        fault = trouble.next(self.path, writes=self.command != "GET") if trouble else None
        if fault == "down":
            return
        if fault == "refuse":
            self._answer(500, [], b"refused")
            return
        if trouble and fault == "late":
            time.sleep(trouble.late_s)
        if trouble and fault == "restart" and trouble.restart:
            killing = threading.Timer(trouble.rng.uniform(0, 0.15), trouble.restart)
            killing.start()
            with suppress(OSError, http.client.HTTPException):
                self._ask(body)
            killing.join()
            return
        status, headers, answer = self._ask(body)
        if fault in {"lose", "late"}:
            return
        if fault == "lag":
            time.sleep(0.3)
        if fault == "fail":
            status, headers, answer = 500, [], b"failed"
        self._answer(status, headers, answer, whole=fault != "cut")

    def _ask(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        """Have the server do it; return status, headers and body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.of.upstream, timeout=120)
        try:
            headers = {name: value for name, value in self.headers.items() if name.lower() not in _OWN}
            connection.request(self.command, self.path, body=body or None, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            connection.close()

    def _answer(self, status: int, headers: list[tuple[str, str]], body: bytes, *, whole: bool = True) -> None:
        self.send_response(status)
        for name, value in headers:
            if name.lower() not in _OWN:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body if whole else body[: len(body) // 2])
