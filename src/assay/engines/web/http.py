"""HTTP under the job server: one thread a connection, one event stream, nothing that wakes up by itself.

Only what a page of ours needs: GET of known names, POST of answers. May import: engines.web.happenings.
"""

from __future__ import annotations

import contextlib
import hmac
import json
import os
import re
import selectors
import socket
import threading
import time
from collections import deque
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.engines.web.happenings import Came, Left

if TYPE_CHECKING:
    import ssl

    from assay.engines.web.server import JobServer

_LARGEST_EVENT = 64 << 10
_LARGEST_REPLY = 64 << 20
_LARGEST_BLOB = 2 << 30
_LARGEST_DRAIN = 4 << 20
_DRAIN_S = 2.0
_BYE_PATIENCE_S = 1.0
_HANDSHAKE_S = 10.0
_BODY_PATIENCE_S = 60.0
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".wasm": "application/wasm",  # without it the browser cannot compile while it reads
}
_ISOLATION = {
    # Isolated pages get threads and a fine clock. Every script of the Worker needs the headers as well.
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    # The page asks nobody but its server; ONNX Runtime starts its threads from blobs, and its WebNN writes functions.
    "Content-Security-Policy": (
        "default-src 'self'; script-src 'self' blob: 'wasm-unsafe-eval' 'unsafe-eval'; worker-src 'self' blob:; "
        "connect-src 'self' blob: data:; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_REPLY = re.compile(r"replies/(\d{1,9})\Z")
_BLOB = re.compile(r"blobs/(\d{1,9})/([A-Za-z0-9._-]{1,80})\Z")


class Outbox:
    """What goes down the event stream, from the thread that sends to the one that serves the page.

    A socket pair wakes the server's thread, which so sleeps on the page's connection and on this at once. One page may
    listen, once: a second would answer the first one's jobs.
    """

    def __init__(self) -> None:
        self.was_claimed = False
        self._lines: deque[bytes | None] = deque()
        self._lock = threading.Lock()
        self._is_over = threading.Event()
        self._inner, self._outer = socket.socketpair()
        self._inner.settimeout(0.0)

    def claim(self) -> bool:
        """Become the one listener; False where there is or was one."""
        with self._lock:
            is_first = not self.was_claimed
            self.was_claimed = True
        return is_first

    def put(self, lines: bytes) -> None:
        """Queue lines of the stream, and wake the thread that writes them."""
        self._add(lines)

    def end(self) -> None:
        """Say good-bye, end the stream, and wait a moment until the page has been told."""
        self._add(b"event: bye\ndata: {}\n\n")
        self._add(None)
        if self.was_claimed:
            self._is_over.wait(_BYE_PATIENCE_S)

    def note_end(self) -> None:
        """Note that nothing is written any more."""
        self._is_over.set()

    def take(self) -> bytes | None:
        """Return what is queued, which may be nothing; None where the stream has ended."""
        taken = b""
        while self._lines:
            lines = self._lines.popleft()
            if lines is None:
                return None if not taken else self._put_back_end(taken)
            taken += lines
        return taken

    def _put_back_end(self, taken: bytes) -> bytes:
        self._add(None)
        return taken

    def _add(self, lines: bytes | None) -> None:
        self._lines.append(lines)
        with contextlib.suppress(OSError):
            self._outer.send(b"\0")

    def fileno(self) -> int:
        """What to wait on, by `selectors`."""
        return self._inner.fileno()

    def clear_wakes(self) -> None:
        """Read the wakes that came, so that the next one is noticed."""
        with contextlib.suppress(OSError):
            while self._inner.recv(4096):
                pass

    def close(self) -> None:
        """Close the socket pair."""
        self._inner.close()
        self._outer.close()


class HttpServer(ThreadingHTTPServer):
    """Accepts connections, in a thread of its own, until closed.

    It wakes for connections alone, and not by a timer as ``serve_forever`` does.
    """

    daemon_threads = True
    allow_reuse_address = os.name != "nt"  # there it would let two servers share a port
    timeout = None
    request_queue_size = 32

    def __init__(self, address: str, port: int, jobs: JobServer, tls: ssl.SSLContext | None) -> None:
        self.jobs = jobs
        self.address_family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._tls = tls
        self._open: set[socket.socket] = set()
        self._is_closing = False
        self._thread = threading.Thread(target=self._serve, name="assay-web-server", daemon=True)
        super().__init__((address, port), _Handler)
        self.port: int = self.server_address[1]

    def server_bind(self) -> None:
        """Bind without looking the machine's own name up, which can take seconds."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1) if self.allow_reuse_address else None
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]

    def start(self) -> None:
        """Take connections until `close`."""
        self._thread.start()

    def _serve(self) -> None:
        while not self._is_closing:
            self.handle_request()

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Serve one connection, over TLS where there is a certificate; in the connection's own thread."""
        request.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if self._tls is None:
            self._attend(request, client_address)
            return
        request.settimeout(_HANDSHAKE_S)
        with self._tls.wrap_socket(request, server_side=True) as secure:
            secure.settimeout(None)
            self._attend(secure, client_address)

    def _attend(self, connection: socket.socket, client_address: Any) -> None:
        self._open.add(connection)
        try:
            if not self._is_closing:
                _Handler(connection, client_address, self)
        finally:
            self._open.discard(connection)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a connection that breaks is heard of where it matters."""

    def close(self) -> None:
        """End every connection and stop listening."""
        self._is_closing = True
        # Wakes the accepting thread, which then sees that it is over.
        with contextlib.suppress(OSError), socket.socket(self.address_family, socket.SOCK_STREAM) as knock:
            knock.settimeout(1.0)
            address = self.socket.getsockname()
            any_address = address[0] in ("0.0.0.0", "::")  # noqa: S104  (asked about, not bound to)
            loopback = "::1" if self.address_family == socket.AF_INET6 else "127.0.0.1"
            knock.connect((loopback if any_address else address[0], self.port))
            self._thread.join()
        for connection in tuple(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    """One connection of the page."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # an answer is two writes, and the second would wait for the first one's receipt
    server: HttpServer

    def do_GET(self) -> None:
        """Serve the event stream, the launch's own words, or a file by its name."""
        name = self._admitted_name()
        jobs = self.server.jobs
        if name == "jobs":
            self._stream()
        elif name == "launch":
            self._send(json.dumps(jobs.describe_launch()).encode(), "application/json")
        elif name is None or (content := jobs.find_file(name)) is None:
            self._refuse()
        else:
            if not name:
                jobs.greet()
            self._send(content, _TYPES.get(Path(name or "index.html").suffix, "application/octet-stream"))

    def do_POST(self) -> None:
        """Take an answer, bytes that belong to one, or what the page says unasked."""
        name = self._admitted_name()
        if name is None:
            self._refuse()
        elif name == "events":
            self._take(_LARGEST_EVENT, self.server.jobs.accept_event)
        elif reply := _REPLY.match(name):
            self._take(_LARGEST_REPLY, lambda body: self.server.jobs.accept_reply(int(reply[1]), body))
        elif blob := _BLOB.match(name):
            self._take(_LARGEST_BLOB, lambda body: self.server.jobs.accept_blob(int(blob[1]), blob[2], body))
        else:
            self._refuse()

    def _admitted_name(self) -> str | None:
        """What was asked for, behind the token; None without the token or under another name of the server."""
        given = self.path.partition("?")[0].encode()
        wanted = self.server.jobs.path("").encode()
        if self.headers.get("Host", "").casefold() not in self.server.jobs.hosts:
            return None
        if not hmac.compare_digest(given[: len(wanted)].ljust(len(wanted)), wanted):
            return None
        return given[len(wanted) :].decode()

    def _send(self, content: Path | bytes, content_type: str) -> None:
        try:
            length = len(content) if isinstance(content, bytes) else content.stat().st_size
        except OSError:
            self._refuse()
            return
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(length))
        self.end_headers()
        if isinstance(content, bytes):
            self.wfile.write(content)
        else:
            with content.open("rb") as file:
                self.connection.sendfile(file, 0, length)

    def _take(self, largest: int, accept: Any) -> None:
        """Read a body and hand it on."""
        try:
            length = int(self.headers.get("Content-Length", ""))
        except ValueError:
            length = -1
        if not 0 <= length <= largest:
            self._answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE if length > largest else HTTPStatus.LENGTH_REQUIRED)
            self._drain(length)
            return
        self.connection.settimeout(_BODY_PATIENCE_S)
        body = self.rfile.read(length)
        self.connection.settimeout(None)
        is_whole = len(body) == length
        self._answer(HTTPStatus.NO_CONTENT if is_whole and accept(body) is not False else HTTPStatus.BAD_REQUEST)

    def _drain(self, length: int) -> None:
        """Read on for a while what was refused: who closes on unread bytes takes his answer back."""
        self.connection.settimeout(_DRAIN_S)
        with contextlib.suppress(OSError):
            self.rfile.read(max(0, min(length, _LARGEST_DRAIN)))

    def _stream(self) -> None:
        """Write jobs down the event stream until the page leaves or the launch is over."""
        jobs, outbox = self.server.jobs, self.server.jobs.outbox
        if not outbox.claim():
            self._answer(HTTPStatus.CONFLICT)
            return
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "text/event-stream")
        self.close_connection = True
        self.end_headers()
        self.wfile.write(b": assay\n\n")
        jobs.report(Came(time.perf_counter_ns()))
        try:
            self._write_until_left()
        except OSError:
            pass
        finally:
            outbox.note_end()
            jobs.report(Left(time.perf_counter_ns()))

    def _write_until_left(self) -> None:
        outbox = self.server.jobs.outbox
        with selectors.DefaultSelector() as selector:
            selector.register(self.connection, selectors.EVENT_READ)
            selector.register(outbox, selectors.EVENT_READ)
            while (lines := outbox.take()) is not None:
                if lines:
                    self.wfile.write(lines)
                for key, _ in selector.select():
                    if key.fileobj is outbox:
                        outbox.clear_wakes()
                    elif not self._is_connected():
                        return

    def _is_connected(self) -> bool:
        """Whether the page still holds the connection, which has something to read or has ended."""
        self.connection.settimeout(0.0)
        try:
            return bool(self.connection.recv(1))
        except (BlockingIOError, TimeoutError):
            return True
        except OSError as error:
            # TLS has records of its own, which carry no bytes of ours.
            return type(error).__name__ in ("SSLWantReadError", "SSLWantWriteError")
        finally:
            self.connection.settimeout(None)

    def _answer(self, status: HTTPStatus) -> None:
        self.send_response(status)
        if status is not HTTPStatus.NO_CONTENT:
            self.send_header("Content-Length", "0")
            self.close_connection = True  # an unread body may follow
        self.end_headers()

    def _refuse(self) -> None:
        self._answer(HTTPStatus.NOT_FOUND)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer what is no HTTP of ours like everything else that is not known."""
        del code, message, explain
        self.close_connection = True
        self._refuse()

    def end_headers(self) -> None:
        """Add what every answer of ours carries."""
        for name, value in _ISOLATION.items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        super().end_headers()

    def version_string(self) -> str:
        """Name no program."""
        return "assay"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  (the base class names it)
        """Say nothing: a worker's output is for what went wrong."""
