"""What every request and every answer has, whatever happened in between: an id, strict headers, a line in the log.

May import: core, web.
"""

from __future__ import annotations

import logging
import re
import secrets
from time import perf_counter
from typing import TYPE_CHECKING

from starlette.datastructures import MutableHeaders

from assay.web.gate import Application, Send
from assay.web.limits import Message, Receive
from assay.web.problem import Scope, crash_response, header
from assay.web.traffic import Traffic

if TYPE_CHECKING:
    from collections.abc import Mapping

access_log = logging.getLogger("assay.access")
log = logging.getLogger("assay.web")

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=(), browsing-topics=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "private, no-cache",
}
"""Of every answer that has not its own."""
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_LONGEST_PATH = 300


class Envelope:
    """The outermost ASGI middleware."""

    def __init__(self, app: Application, traffic: Traffic, *, root_path: str = "") -> None:
        self._app = app
        self._traffic = traffic
        self._root_path = root_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if self._root_path and not scope.get("root_path"):
            scope["root_path"] = self._root_path  # a proxy that takes it off does not say so to the server
        given = header(scope, b"x-request-id") or ""
        request_id = given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(8)
        scope.setdefault("state", {})["request_id"] = request_id
        answer = _Answer(send, request_id, is_head=scope["method"] == "HEAD")
        method = scope["method"]
        # Whatever can be fetched can be asked for its headers alone; routes need not know.
        inner = {**scope, "method": "GET"} if answer.is_head else scope
        began = perf_counter()
        self._traffic.begin()
        try:
            await self._app(inner, receive, answer.send)
        except Exception:
            log.exception("request %s: %s broke", request_id, _line(method, scope))
            if answer.status is not None:
                raise  # too late for another answer: the server cuts the connection, and nobody takes half for whole
            await crash_response(inner)(inner, receive, answer.send)
        finally:
            seconds = perf_counter() - began
            route = getattr(inner.get("route"), "path", None)
            self._traffic.end(method, route, answer.status or 0, seconds)
            access_log.info(
                "%s %s %d %d bytes %.1f ms, client %s, access %s, request %s",
                method, _line("", scope), answer.status or 0, answer.sent_bytes, seconds * 1e3,
                (scope.get("client") or ("unknown",))[0], scope["state"].get("access"), request_id,
            )  # fmt: skip


class _Answer:
    """One answer on its way out."""

    def __init__(self, send: Send, request_id: str, *, is_head: bool) -> None:
        self._send = send
        self._request_id = request_id
        self._is_over = False
        self.is_head = is_head
        self.status: int | None = None
        self.sent_bytes = 0

    async def send(self, message: Message) -> None:
        if self._is_over:
            return
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message.setdefault("headers", [])
            headers = MutableHeaders(raw=message["headers"])
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
            headers["X-Request-ID"] = self._request_id
            del headers["server"]
            await self._send(message)
            if self.is_head:
                self._is_over = True
                await self._send({"type": "http.response.body", "body": b"", "more_body": False})
            return
        self.sent_bytes += len(message.get("body", b""))
        await self._send(message)


def _line(method: str, scope: Scope) -> str:
    """The request without the values of its query, which may be anybody's secret; nothing in it can end the line."""
    names = [part.partition("=")[0] for part in scope.get("query_string", b"").decode("latin-1").split("&") if part]
    shown = f"{method} {scope['path']}".strip() + (f"?{'&'.join(names)}" if names else "")
    plain = shown.encode("unicode_escape").decode("ascii")
    return plain if len(plain) <= _LONGEST_PATH else f"{plain[:_LONGEST_PATH]}..."
