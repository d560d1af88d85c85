"""Logging in with a browser: a token is exchanged for a cookie that is not the token. May import: core, web."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from assay.web.access import COOKIE, SESSION_S, Access
from assay.web.problem import RefusalError, bare_page

if TYPE_CHECKING:
    from assay.web.access import Doorkeeper

router = APIRouter(include_in_schema=False)
_FORM = "application/x-www-form-urlencoded"
_NO_STORE = {"Cache-Control": "no-store"}


@router.get("/login")
async def show_login(request: Request, next: str = "/") -> Response:  # noqa: A002  (the word in the address)
    """Ask for a token, unless none is needed."""
    target = own_path(next, request)
    if request.state.access in (Access.LOCAL, Access.TOKEN):
        return RedirectResponse(target, 303, _NO_STORE)
    return HTMLResponse(_form(request, target), headers=_NO_STORE)


@router.post("/login")
async def log_in(request: Request) -> Response:
    """Begin a session for a right token; ask again for a wrong one."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM:
        raise RefusalError(415, "media-type", f"Logging in takes a form ({_FORM}).")
    fields = parse_qs((await request.body()).decode("utf-8", "replace"), max_num_fields=8, keep_blank_values=True)
    target = own_path(fields.get("next", ["/"])[0], request)
    doorkeeper: Doorkeeper = request.app.state.doorkeeper
    session = doorkeeper.begin_session(fields.get("token", [""])[0].strip())
    if session is None:
        return HTMLResponse(_form(request, target, "That is not one of this server's tokens."), 401, _NO_STORE)
    response = RedirectResponse(target, 303, _NO_STORE)
    response.set_cookie(
        COOKIE,
        session,
        max_age=SESSION_S,
        path=_root(request) or "/",
        secure=_is_https(request),
        httponly=True,
        samesite="strict",
    )
    return response


@router.post("/logout")
async def log_out(request: Request) -> Response:
    """End this browser's session."""
    response = RedirectResponse(f"{_root(request)}/login", 303, {**_NO_STORE, "Clear-Site-Data": '"cache"'})
    response.delete_cookie(COOKIE, path=_root(request) or "/", httponly=True, samesite="strict")
    return response


def own_path(text: str, request: Request) -> str:
    """Return a path of this server, or its overview for anything that might lead elsewhere."""
    parts = urlsplit(text) if text.isprintable() and "\\" not in text else None
    if parts is None or parts.scheme or parts.netloc or not text.startswith("/") or text.startswith("//"):
        return f"{_root(request)}/"
    return text


def _form(request: Request, target: str, complaint: str | None = None) -> str:
    said = "" if complaint is None else f'<p role="alert">{html.escape(complaint)}</p>'
    return bare_page(
        "Log in",
        f'{said}<form method="post" action="{html.escape(_root(request), quote=True)}/login">'
        f'<input type="hidden" name="next" value="{html.escape(target, quote=True)}">'
        '<input type="text" name="username" value="assay" autocomplete="username" hidden>'
        '<p><label for="token">Token</label> '
        '<input id="token" name="token" type="password" autocomplete="current-password" required autofocus> '
        '<button type="submit">Log in</button></p></form>'
        "<p>Whoever runs this server makes tokens with <code>assay serve token new NAME</code>.</p>",
        root=_root(request),
    )


def _root(request: Request) -> str:
    return str(request.scope.get("root_path", "")).rstrip("/")


def _is_https(request: Request) -> bool:
    """Also behind a proxy that ends TLS: a client that lies about it only keeps its own cookie from itself."""
    return request.url.scheme == "https" or request.headers.get("x-forwarded-proto", "").lower() == "https"
