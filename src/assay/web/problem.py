"""What is said when something does not work: problem+json (RFC 9457) to programs, a page to people.

Every error ends here, whoever raised it: assay's own errors keep their words, an unforeseen one is told by its request
id only, and its traceback goes to the log. May import: core; fastapi.
"""

from __future__ import annotations

import html
import json
import logging
from collections.abc import Mapping, MutableMapping, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, Response
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from assay.core.errors import (
    AssayError,
    NotFoundError,
    StoreError,
    UnknownNameError,
    UnsupportedError,
    UsageError,
)
from assay.importers.base import ImportFileError
from assay.web.live import TooManyListenersError

if TYPE_CHECKING:
    from fastapi import FastAPI

Scope = MutableMapping[str, Any]

MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:assay:problem:"
MOST_FIELD_ERRORS = 50
_LONGEST_TEXT = 2000
_LONGEST_WORD = 200

log = logging.getLogger("assay.web")


class FieldError(BaseModel):
    """One thing that is wrong with a request: where, and what."""

    where: list[str | int] = Field(description="`query`, `path` or `body`, and the names and positions below it.")
    message: str = Field(description="What is wrong with it.", examples=["Input should be less than or equal to 1000"])
    kind: str = Field(description="The same for programs.", examples=["less_than_equal"])


class Problem(BaseModel):
    """What went wrong (RFC 9457)."""

    type: str = Field(
        description="The kind of problem, for programs: a URN that ends in one of the words of docs/rest-api.md.",
        examples=["urn:assay:problem:not-found"],
    )
    title: str = Field(description="The status in words.", examples=["Not Found"])
    status: int = Field(description="The HTTP status.", examples=[404])
    detail: str = Field(description="What was wrong, for people.", examples=["There is no run '1a2b3c4d'."])
    hint: str | None = Field(None, description="The one thing to do next, where there is one.")
    instance: str | None = Field(None, description="The path that was asked for.", examples=["/api/v1/runs/1a2b3c4d"])
    request_id: str | None = Field(None, description="Names this request in the server's log.")
    errors: list[FieldError] = Field(default_factory=list, description="Of kind `invalid`: everything that is wrong.")


class RefusalError(AssayError):
    """A request that is refused with a status of its own. ``kind`` is the last word of the problem's type."""

    def __init__(
        self,
        status: int,
        kind: str,
        message: str,
        *,
        hint: str | None = None,
        headers: Mapping[str, str] | None = None,
        errors: Sequence[FieldError] = (),
    ) -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.kind = kind
        self.headers = dict(headers or {})
        self.errors = list(errors)


_BY_CLASS: tuple[tuple[type[AssayError], int, str], ...] = (
    (NotFoundError, 404, "not-found"),
    (UnknownNameError, 400, "unknown-name"),
    (UsageError, 400, "usage"),
    (UnsupportedError, 400, "unsupported"),
    (TooManyListenersError, 503, "busy"),
    (StoreError, 503, "store"),
    (ImportFileError, 422, "file"),
    (AssayError, 422, "failed"),
)
"""The first that fits counts. 400 is a request that is well formed and asks for what cannot be."""
_OF_THE_SERVER = {"store": "The store cannot be read.", "failed": "That cannot be done here."}
"""Their own words may name files of the server, and so are for those who may know them."""
_TRUSTED = frozenset({"local", "token"})
_BY_STATUS = {404: "not-found", 405: "method", 413: "too-large", 415: "media-type", 422: "invalid"}


def add_problems(app: FastAPI) -> None:
    """Answer every error of an application with a problem."""
    app.add_exception_handler(AssayError, _on_assay_error)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_http_error)


def is_for_programs(scope: Scope) -> bool:
    """True where whoever asked reads JSON and not a page."""
    path = route_path(scope)
    if path.startswith("/api/") or path == "/metrics" or path.endswith((".json", ".csv")):
        return True
    accept = header(scope, b"accept") or ""
    return "text/html" not in accept and "json" in accept


def route_path(scope: Scope) -> str:
    """Return the path below the address that the application stands under. Some servers send it with, some without."""
    path, root = str(scope["path"]), str(scope.get("root_path", "")).rstrip("/")
    return path[len(root) :] if root and path.startswith(f"{root}/") else path


def header(scope: Scope, name: bytes) -> str | None:
    """Return a header of the request, whose name is given in lower case; of several the first."""
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == name), None)


def problem_response(
    scope: Scope,
    status: int,
    detail: str,
    *,
    kind: str | None = None,
    hint: str | None = None,
    headers: Mapping[str, str] | None = None,
    errors: Sequence[FieldError] = (),
) -> Response:
    """Return the answer to a request that failed, as whoever asked can read it."""
    words = kind or _BY_STATUS.get(status, "http")
    problem = Problem(
        type=TYPE_PREFIX + words,
        title=HTTPStatus(status).phrase,
        status=status,
        detail=_plain(detail, _LONGEST_TEXT),
        hint=None if hint is None else _plain(hint, _LONGEST_TEXT),
        instance=_plain(route_path(scope), _LONGEST_WORD),
        request_id=scope.get("state", {}).get("request_id"),
        errors=list(errors)[:MOST_FIELD_ERRORS],
    )
    sent = {"Cache-Control": "no-store", **(headers or {})}
    if is_for_programs(scope):
        return Response(_to_json(problem), status, sent, MEDIA_TYPE)
    return HTMLResponse(_to_page(scope, problem), status, sent)


def crash_response(scope: Scope) -> Response:
    """Return the answer to a request that something unforeseen happened to. It tells nothing of what that was."""
    return problem_response(
        scope,
        500,
        "Something unforeseen went wrong in the server.",
        kind="crash",
        hint="The server's log has the request id with what happened.",
    )


def error_response(scope: Scope, error: AssayError) -> Response:
    """Return the answer to a request that one of assay's own errors ended."""
    if isinstance(error, RefusalError):
        return problem_response(
            scope, error.status, error.message, kind=error.kind, hint=error.hint, headers=error.headers,
            errors=error.errors,
        )  # fmt: skip
    status, kind = next((status, kind) for known, status, kind in _BY_CLASS if isinstance(error, known))
    location = _store_location(scope)
    headers = {"Retry-After": "1"} if kind == "busy" else {}
    if kind in _OF_THE_SERVER:
        log.error("request %s: %s", scope.get("state", {}).get("request_id"), error)
        if scope.get("state", {}).get("access") not in _TRUSTED:
            return problem_response(scope, status, _OF_THE_SERVER[kind], kind=kind)
    return problem_response(
        scope,
        status,
        _without(location, error.message),
        kind=kind,
        hint=None if error.hint is None else _without(location, error.hint),
        headers=headers,
    )


async def _on_assay_error(request: Request, error: Exception) -> Response:
    return error_response(request.scope, error if isinstance(error, AssayError) else AssayError(str(error)))


async def _on_invalid(request: Request, error: Exception) -> Response:
    found = error.errors() if isinstance(error, RequestValidationError) else []
    fields = [
        FieldError(
            where=[part if isinstance(part, int) else _plain(str(part), _LONGEST_WORD) for part in one["loc"]],
            message=_plain(str(one["msg"]), _LONGEST_WORD),
            kind=str(one["type"]),
        )
        for one in found
    ]
    first = fields[0] if fields else None
    place = "" if first is None else f": {'.'.join(map(str, first.where))}: {first.message}"
    more = f", and {len(fields) - 1} more" if len(fields) > 1 else ""
    return problem_response(request.scope, 422, f"The request is not valid{place}{more}.", errors=fields)


async def _on_http_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    phrase = HTTPStatus(error.status_code).phrase
    detail = error.detail if error.detail and error.detail != phrase else _DETAILS.get(error.status_code, phrase)
    headers = dict(error.headers or {})
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = ", ".join(_methods_of(request, headers.get("Allow", "")))
    return problem_response(request.scope, error.status_code, str(detail), headers=headers)


def _methods_of(request: Request, told: str) -> list[str]:
    """Every method that an address takes; the framework tells those of one of its routes."""
    methods = {one.strip() for one in told.split(",") if one.strip()}
    path = getattr(request.scope.get("route"), "path", None)
    described = request.app.openapi()["paths"].get(path, {})
    methods |= {one.upper() for one in described if one in {"get", "post", "put", "patch", "delete"}}
    return sorted(methods | ({"HEAD"} if "GET" in methods else set()))


_DETAILS = {
    404: "There is nothing under this address.",
    405: "This address does not take that method.",
}


def _store_location(scope: Scope) -> str | None:
    store = getattr(getattr(scope.get("app"), "state", None), "store", None)
    return getattr(store, "location", None)


def _without(location: str | None, text: str) -> str:
    """Leave the store's own place out: where it lies on the server's disk is nobody else's business."""
    return text if not location else text.replace(f" {location}", "").replace(location, "the store")


def _plain(text: str, longest: int) -> str:
    """Text that any encoding can carry, cut where it is long: half a surrogate pair would break the answer."""
    sound = text.encode("utf-8", "backslashreplace").decode()
    return sound if len(sound) <= longest else f"{sound[: longest - 1]}…"


def _to_json(problem: Problem) -> bytes:
    content = problem.model_dump()
    kept = {name: value for name, value in content.items() if value not in (None, [])}
    return json.dumps(kept, ensure_ascii=False).encode()


def _to_page(scope: Scope, problem: Problem) -> str:
    """Return a page in the dashboard's clothes, or a bare one where they cannot be put on."""
    try:
        from assay.web.views import render_error

        return render_error(Request(scope), problem)
    except Exception:
        log.exception("the page of an error could not be drawn")
    return bare_page(
        f"{problem.status} {problem.title}",
        "".join(
            f"<p>{html.escape(text)}</p>"
            for text in (problem.detail, problem.hint, problem.request_id and f"Request {problem.request_id}")
            if text
        ),
        root=str(scope.get("root_path", "")),
    )


def bare_page(title: str, body: str, *, root: str, head: str = "") -> str:
    """Return a page that needs nothing but the style sheet. ``body`` and ``head`` are markup; the title is text."""
    address = html.escape(root.rstrip("/"), quote=True)
    heading = html.escape(title)
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{heading} · assay</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<link rel="stylesheet" href="{address}/static/app.css">'
        f'<link rel="icon" href="{address}/static/icon.svg" type="image/svg+xml">{head}</head>'
        f'<body class="bare"><main class="bare"><h1>{heading}</h1>{body}</main></body></html>'
    )
