"""The HTTP server of one launch: files go out, jobs go down an event stream, replies come back as posts.

It sleeps in the kernel whenever nothing is asked of it: no timer and no polling beside what is measured. What it hears
goes into one queue (`assay.engines.web.happenings`), which one thread reads. Security: docs/web.md.
May import: core, engines.web.happenings.
"""

from __future__ import annotations

import errno
import itertools
import json
import os
import queue
import secrets
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from assay.core.errors import EngineError
from assay.engines.web.happenings import Happening, Reply, Told
from assay.engines.web.http import HttpServer, Outbox

_TOKEN_BYTES = 16
_LOOPBACK = "127.0.0.1"


class PortInUseError(EngineError):
    """Somebody else listens at the port that was asked for."""


class JobServer:
    """Serves one page of one launch. ``start`` binds and listens, ``close`` ends every connection.

    ``page_url`` is what a browser opens. Every address begins with the token; whatever lacks it, or comes under another
    Host, gets the same 404. ``origin`` is what a visitor's browser calls this server (``https://192.168.1.20:8435``);
    without it, its own address. ``port`` 0 lets the system choose. ``certificate`` and ``key`` are PEM files.
    """

    def __init__(
        self,
        *,
        address: str = _LOOPBACK,
        port: int = 0,
        origin: str | None = None,
        token: str | None = None,
        certificate: Path | None = None,
        key: Path | None = None,
        is_visit: bool = False,
    ) -> None:
        self.token = token or secrets.token_urlsafe(_TOKEN_BYTES)
        self.launch = secrets.token_hex(8)
        self.is_visit = is_visit
        self.first_request_ns: int | None = None
        self._address, self._port, self._origin = address, port, origin
        self._certificate, self._key = certificate, key
        self._files: dict[str, Path | bytes] = {}
        self._blobs: dict[tuple[int, str], bytes] = {}
        self._happenings: queue.SimpleQueue[Happening] = queue.SimpleQueue()
        self._ids = itertools.count(1)
        self._http: HttpServer | None = None
        self.outbox = Outbox()

    def start(self) -> Self:
        """Bind and listen. Raises EngineError where the address cannot be had."""
        try:
            self._http = HttpServer(self._address, self._port, self, _tls_context(self._certificate, self._key))
        except OSError as error:
            raise _cannot_listen(self._address, self._port, error) from error
        self._http.start()
        return self

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return self._port if self._http is None else self._http.port

    @property
    def origin(self) -> str:
        """Scheme, name and port, as the browser calls this server."""
        if self._origin is not None:
            return self._origin
        shown = f"[{self._address}]" if ":" in self._address else self._address
        return f"{'http' if self._certificate is None else 'https'}://{shown}:{self.port}"

    @property
    def page_url(self) -> str:
        """What the browser opens."""
        return f"{self.origin}{self.path('')}"

    @property
    def hosts(self) -> frozenset[str]:
        """What a request may call this server."""
        own = urlsplit(self.origin).netloc.casefold()
        return frozenset({own, own.replace(_LOOPBACK, "localhost")})

    def path(self, name: str) -> str:
        """The path of a served name: ``ort/x.mjs`` -> ``/TOKEN/ort/x.mjs``, the same from page and Worker."""
        return f"/{self.token}/{name}"

    # Files

    def add_file(self, name: str, content: Path | bytes) -> str:
        """Serve a file, or bytes, as ``files/NAME``, and return its path. A later one of that name replaces it."""
        self._files[f"files/{name}"] = content
        return self.path(f"files/{name}")

    def add_folder(self, prefix: str, folder: Path) -> str:
        """Serve the files that a folder has now as ``PREFIX/...``, and return the path of the prefix with its slash."""
        for file in sorted(folder.rglob("*")):
            name = file.relative_to(folder).as_posix()
            if file.is_file() and not any(part.startswith((".", "__")) for part in name.split("/")):
                self._files[f"{prefix}/{name}"] = file
        return self.path(f"{prefix}/")

    def find_file(self, name: str) -> Path | bytes | None:
        """What is served under a name; None where nothing is."""
        return self._files.get(name or "page/index.html")

    # Jobs

    def send(self, verb: str, args: Mapping[str, Any] | None = None) -> int:
        """Send one job down to the page, now or when it comes, and return the job's id."""
        job = next(self._ids)
        data = json.dumps({"id": job, "verb": verb, "args": dict(args or {})}, allow_nan=False)
        self.outbox.put(f"data: {data}\n\n".encode())
        return job

    def report(self, happening: Happening) -> None:
        """Put something into the queue that `next_happening` reads."""
        self._happenings.put(happening)

    def next_happening(self, timeout_s: float) -> Happening | None:
        """Wait for what happens next; None after ``timeout_s``."""
        try:
            return self._happenings.get(timeout=max(0.0, timeout_s))
        except queue.Empty:
            return None

    def take_blob(self, job: int, name: str) -> bytes | None:
        """Bytes that the page posted with its answer to a job, which are then let go; None where there are none."""
        return self._blobs.pop((job, name), None)

    # What requests bring, called by the handler's threads

    def greet(self) -> None:
        """Note when the browser asked for the page."""
        if self.first_request_ns is None:
            self.first_request_ns = time.perf_counter_ns()

    def describe_launch(self) -> dict[str, Any]:
        """What the page is told before it listens."""
        return {"launch": self.launch, "is_visit": self.is_visit, "is_taken": self.outbox.was_claimed}

    def accept_reply(self, job: int, body: bytes) -> bool:
        """Take an answer; False where it is none."""
        answer = _read_object(body)
        if answer is None or not isinstance(answer.get("ok"), bool):
            return False
        given = answer.get("error")
        error = {name: str(value) for name, value in given.items()} if isinstance(given, dict) else {}
        self.report(Reply(job, answer["ok"], answer.get("value"), error))
        return True

    def accept_blob(self, job: int, name: str, body: bytes) -> None:
        """Keep bytes that belong to the answer of a job."""
        self._blobs[job, name] = body

    def accept_event(self, body: bytes) -> bool:
        """Take what the page said unasked; False where it is nothing."""
        said = _read_object(body)
        if said is None or not isinstance(said.get("event"), str):
            return False
        self.report(Told(said["event"], said.get("detail")))
        return True

    def close(self) -> None:
        """Tell the page that the launch is over, and end every connection."""
        http, self._http = self._http, None
        if http is None:
            return
        self._port = http.port
        self.outbox.end()
        http.close()
        self.outbox.close()
        self._blobs.clear()


def _read_object(body: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _tls_context(certificate: Path | None, key: Path | None) -> Any:
    if certificate is None:
        return None
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        raise EngineError(
            f"The certificate {certificate} cannot be used: {error}.", hint="Expected PEM: the certificate and its key."
        ) from error
    return context


def _cannot_listen(address: str, port: int, error: OSError) -> EngineError:
    """Say why the server got no place to listen at, and what helps."""
    place = f"{address}, port {port}"
    if error.errno == errno.EADDRINUSE or getattr(error, "winerror", None) == 10048:  # noqa: PLR2004  (WSAEADDRINUSE)
        return PortInUseError(
            f"The page cannot be served at {place}: the port is in use.",
            hint="End the program that listens there (another run, perhaps), or choose another port.",
        )
    if error.errno == errno.EADDRNOTAVAIL or isinstance(error, socket.gaierror):
        return EngineError(
            f"The page cannot be served at {place}: that is no address of this machine.",
            hint="Give one that it has, or name what to bind to apart from what the visitor opens (--visit-listen).",
        )
    if error.errno in (errno.EACCES, errno.EPERM):
        return EngineError(
            f"The page cannot be served at {place}: {os.strerror(error.errno)}.", hint="Choose a port above 1023."
        )
    return EngineError(f"The page cannot be served at {place}: {error}.")
