"""What a request has to pass before any page or query sees it, in the order of what is cheapest to refuse.

The Host header names this server; no page of somebody else's sent it; the client has not asked too often; whoever asks
may; the body is not too large. Pure ASGI, so that answers are streamed through. May import: core, web.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from assay.core.errors import AssayError
from assay.web.access import (
    IMPORT_PATH,
    SAFE_METHODS,
    Access,
    Doorkeeper,
    Need,
    allowed_names,
    is_enough,
    is_known_host,
    is_wildcard,
    need_of,
)
from assay.web.limits import BodyLimitError, LimitedBody, Message, RateLimit, Receive, client_key, too_large
from assay.web.problem import (
    RefusalError,
    Scope,
    error_response,
    header,
    is_for_programs,
    problem_response,
    route_path,
)
from assay.web.settings import ServeSettings

if TYPE_CHECKING:
    from starlette.responses import Response

Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

LOGIN_BYTES = 4096
_OWN = frozenset({"same-origin", "none"})
_CHALLENGE = 'Bearer realm="assay"'


class Gate:
    """ASGI middleware: lets a request in, or answers it."""

    def __init__(self, app: Application, settings: ServeSettings, doorkeeper: Doorkeeper) -> None:
        self._app = app
        self._settings = settings
        self._doorkeeper = doorkeeper
        self._names = allowed_names(settings)
        self._is_wildcard = is_wildcard(settings)
        # Writing a site asks for thousands of pages, and nobody from outside asks at all.
        self._rate = RateLimit(0 if settings.is_static else settings.requests_per_minute)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            self._check_host(scope)
            _check_origin(scope)
            self._check_rate(scope)
            limit = self._limit_of(scope)
            _check_length(scope, limit)
            refused = self._check_access(scope)
        except AssayError as error:
            refused = error_response(scope, error)
        if refused is not None:
            await refused(scope, receive, send)
        else:
            await self._pass(scope, LimitedBody(receive, limit), send)

    def _check_host(self, scope: Scope) -> None:
        host = header(scope, b"host")
        if is_known_host(host, self._names, is_wildcard=self._is_wildcard):
            return
        raise RefusalError(
            421,
            "host",
            f"This server does not answer to the name {(host or '')[:100]!r}.",
            hint="Ask for it by its own address, or start it with `assay serve --allow-host NAME`.",
        )

    def _check_rate(self, scope: Scope) -> None:
        client = scope.get("client")
        wait_s = self._rate.take(client_key(client[0] if client else None), monotonic())
        if wait_s > 0:
            seconds = max(1, math.ceil(wait_s))
            raise RefusalError(
                429,
                "too-many",
                f"This client asked more than {self._settings.requests_per_minute} times a minute.",
                hint=f"Ask again in {seconds} s.",
                headers={"Retry-After": str(seconds)},
            )

    def _limit_of(self, scope: Scope) -> int:
        path = route_path(scope)
        if path == IMPORT_PATH and scope["method"] == "POST":
            return self._settings.upload_bytes
        return min(LOGIN_BYTES, self._settings.body_bytes) if path == "/login" else self._settings.body_bytes

    def _check_access(self, scope: Scope) -> Response | None:
        """Note as whom the request is answered. Returns where a browser is sent instead. Raises RefusalError."""
        access = Access.LOCAL if self._settings.is_static else self._doorkeeper.admit(scope)
        need = need_of(scope)
        scope.setdefault("state", {})["access"] = access
        if is_enough(access, need):
            return None
        if need is Need.READ and not is_for_programs(scope):
            return _to_login(scope)
        raise self._unauthorised(scope, need)

    def _unauthorised(self, scope: Scope, need: Need) -> RefusalError:
        is_wrong = header(scope, b"authorization") is not None
        challenge = f'{_CHALLENGE}, error="invalid_token"' if is_wrong else _CHALLENGE
        what = {Need.READ: "Reading", Need.QUERY: "SQL of one's own", Need.WRITE: "Writing"}.get(need, "This")
        detail = "The token is not one of this server's." if is_wrong else f"{what} takes a token."
        if self._doorkeeper.has_tokens:
            hint = "Send it as `Authorization: Bearer TOKEN`."
        else:
            hint = "This server has no tokens: `assay serve token new NAME` makes one."
        return RefusalError(401, "token", detail, hint=hint, headers={"WWW-Authenticate": challenge})

    async def _pass(self, scope: Scope, body: LimitedBody, send: Send) -> None:
        """Let the request in; where its body turns out too large, answer that in place of what the framework says."""
        is_started = False

        async def send_unless_refused(message: Message) -> None:
            nonlocal is_started
            if body.refusal is not None and not is_started:
                return
            is_started = True
            await send(message)

        try:
            await self._app(scope, body, send_unless_refused)
        except BodyLimitError:
            if is_started:
                raise
        if body.refusal is not None and not is_started:
            response = problem_response(
                scope, body.refusal.status, body.refusal.detail, headers={"Connection": "close"}
            )
            await response(scope, body, send)


def _check_origin(scope: Scope) -> None:
    """Refuse what a page of somebody else's has a browser send here.

    Browsers say where a request is from (Sec-Fetch-Site; Origin where it changes something); programs say nothing.
    Other ports of the same machine are "same-site", and no less somebody else's. Following a link here is allowed.
    """
    site, origin = header(scope, b"sec-fetch-site"), header(scope, b"origin")
    if scope["method"] in SAFE_METHODS:
        is_foreign = site is not None and site not in _OWN and not _is_link(scope)
    elif site is not None:
        is_foreign = site not in _OWN
    else:
        is_foreign = origin is not None and urlsplit(origin).netloc.lower() != (header(scope, b"host") or "").lower()
    if is_foreign:
        raise RefusalError(
            403,
            "origin",
            f"The request was made by a page of another origin ({(origin or site or '')[:100]!r}).",
            hint="Only this server's own pages and programs may ask; a proxy has to pass the Host header on.",
        )


def _is_link(scope: Scope) -> bool:
    return header(scope, b"sec-fetch-mode") == "navigate" and header(scope, b"sec-fetch-dest") in (None, "document")


def _check_length(scope: Scope, limit_bytes: int) -> None:
    text = header(scope, b"content-length")
    if text is None:
        return
    if not (text.isascii() and text.isdigit()):
        raise RefusalError(400, "usage", f"Content-Length {text[:40]!r} is no number of bytes.")
    if len(text) > 18 or int(text) > limit_bytes:  # noqa: PLR2004  (more digits than any limit has)
        refusal: BodyLimitError = too_large(limit_bytes)
        raise RefusalError(refusal.status, "too-large", refusal.detail, headers={"Connection": "close"})


def _to_login(scope: Scope) -> Response:
    """Send a browser to where a token can be given, and from there back to what it asked for."""
    from starlette.responses import HTMLResponse, RedirectResponse

    from assay.web.problem import bare_page

    root = str(scope.get("root_path", "")).rstrip("/")
    query = scope.get("query_string", b"").decode("latin-1")
    target = root + quote(route_path(scope)) + (f"?{query}" if query else "")
    login = f"{root}/login?next={quote(target, safe='')}"
    if header(scope, b"hx-request") is not None:
        return HTMLResponse("", 401, {"HX-Redirect": login, "Cache-Control": "no-store"})
    if header(scope, b"sec-fetch-site") not in (None, *_OWN):
        # The session's cookie is not sent with a link from elsewhere (SameSite=Strict). Asked for again by a page of
        # this server it is, so whoever is logged in gets where the link leads.
        page = bare_page("Opening", "<p>One moment.</p>", root=root, head=_refresh(target))
        return HTMLResponse(page, 200, {"Cache-Control": "no-store"})
    return RedirectResponse(login, 303, {"Cache-Control": "no-store"})


def _refresh(target: str) -> str:
    from html import escape

    return f'<meta http-equiv="refresh" content="0; url={escape(target, quote=True)}">'
