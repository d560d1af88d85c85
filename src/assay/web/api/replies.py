"""How every resource answers: parameters that are known, a tag of the store's state, JSON without surprises.

All of it happens in the worker thread that a plain ``def`` endpoint runs in, so that neither queries nor writing JSON
hold up the event loop. May import: core, store, web; fastapi.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from time import time
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict

from assay import __version__
from assay.core.errors import nearest_names
from assay.store import Store
from assay.store.address import is_remote
from assay.store.log import commit_identity, newest_version
from assay.store.schema import TABLES
from assay.web.access import Access
from assay.web.openapi import query_names
from assay.web.problem import FieldError, RefusalError, route_path
from assay.web.settings import ServeSettings

ANNOTATIONS_HOLD_S = 300
"""What people said expires by itself, without a change of the store: answers that depend on it are looked at anew."""


class Model(BaseModel):
    """A value of the API: what its schema says, and nothing else."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def api_router(tag: str) -> APIRouter:
    """Return a router below ``/api/v1`` whose operations stand under this heading."""
    return APIRouter(prefix="/api/v1", tags=[tag])


def store_of(request: Request) -> Store:
    """Return the store that is served."""
    store: Store = request.app.state.store
    return store


def settings_of(request: Request) -> ServeSettings:
    """Return how the server was started."""
    settings: ServeSettings = request.app.state.settings
    return settings


def is_trusted(request: Request) -> bool:
    """True where whoever asks may know how the server itself is."""
    return request.state.access in (Access.LOCAL, Access.TOKEN)


def answer(
    request: Request,
    build: Callable[[], BaseModel],
    *,
    is_tagged: bool = True,
    holds_s: int | None = None,
) -> Response:
    """Answer with what ``build`` returns, or that nothing changed, which asks ``build`` nothing.

    ``is_tagged`` False is for what depends on more than the store; ``holds_s`` bounds how long a tag is good. A value
    with a ``next`` that is not None is a page, and its successor's address is sent along. Raises RefusalError for a
    parameter that nobody knows.
    """
    check_names(request)
    tag = _tag_of(request, holds_s) if is_tagged else None
    headers = {} if tag is None else {"ETag": tag}
    if tag is not None and _is_known(tag, request.headers.get("if-none-match")):
        return Response(status_code=304, headers=headers)
    content = build()
    cursor = getattr(content, "next", None)
    if isinstance(cursor, str):
        headers["Link"] = f'<{_next_address(request, cursor)}>; rel="next"'
    return Response(content.model_dump_json().encode(), headers=headers, media_type="application/json")


def answer_bytes(
    request: Request, build: Callable[[], tuple[bytes, str, Mapping[str, str]]], *, holds_s: int | None = None
) -> Response:
    """As :func:`answer`, with a file: its bytes, its media type, more headers."""
    check_names(request)
    tag = _tag_of(request, holds_s)
    headers = {} if tag is None else {"ETag": tag}
    if tag is not None and _is_known(tag, request.headers.get("if-none-match")):
        return Response(status_code=304, headers=headers)
    content, media_type, more = build()
    return Response(content, headers={**headers, **more}, media_type=media_type)


def check_names(request: Request) -> None:
    """Refuse parameters that the operation does not take: a slip in a name would silently select everything."""
    route = request.scope.get("route")
    known = query_names(request.app, getattr(route, "path", ""), request.method)
    unknown = [name for name in dict.fromkeys(request.query_params.keys()) if known is not None and name not in known]
    if not unknown or known is None:
        return
    near = nearest_names(unknown[0], known)
    raise RefusalError(
        422,
        "invalid",
        f"The query has {unknown[0][:100]!r}, which is no parameter here.",
        hint=f"Did you mean {near[0]!r}?" if near else f"Expected: {', '.join(sorted(known)) or 'none'}.",
        errors=[
            FieldError(where=["query", name[:100]], message="There is no such parameter.", kind="extra_forbidden")
            for name in unknown
        ],
    )


def finite(value: float | None) -> float | None:
    """The number, or None for what JSON has no word for (NaN, infinities)."""
    return value if value is None or math.isfinite(value) else None


def plain(value: Any) -> Any:
    """Stored JSON as any reader takes it: no NaN, no halves of surrogate pairs, no keys that are not text."""
    if isinstance(value, float):
        return finite(value)
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, Mapping):
        return {str(plain(str(key))): plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(entry) for entry in value]
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).isoformat()
    return value if value is None or isinstance(value, (bool, int)) else str(value)


def state_of(store: Store) -> str | None:
    """Return a text that changes whenever a table of the store does; None where asking would take requests of its own.

    A listing of thirteen folders, without reading a file.
    """
    if is_remote(store.location):
        return None
    parts = []
    for table in TABLES:
        folder = Path(store.location) / table
        version = newest_version(folder)
        parts.append((table, version, commit_identity(folder, version)))
    return json.dumps(parts)


def _tag_of(request: Request, holds_s: int | None) -> str | None:
    state = state_of(store_of(request))
    if state is None:
        return None
    window = None if holds_s is None else int(time()) // holds_s
    query = sorted(request.query_params.multi_items())
    content = [__version__, state, route_path(request.scope), query, window, is_trusted(request)]
    return f'W/"{hashlib.sha256(json.dumps(content).encode()).hexdigest()[:32]}"'


def _is_known(tag: str, presented: str | None) -> bool:
    """RFC 9110, 13.1.2: weak comparison with any of a list, or with anything."""
    if presented is None:
        return False
    known = [part.strip() for part in presented.split(",")]
    return "*" in known or tag in known or tag.removeprefix("W/") in known


def _next_address(request: Request, cursor: str) -> str:
    root = str(request.scope.get("root_path", "")).rstrip("/")
    url = request.url.include_query_params(cursor=cursor)
    return f"{root}{route_path(request.scope)}?{url.query}"
