"""A client of the REST API on the standard library alone, for scripts and CI jobs.

Answers are the server's JSON, typed as it is described: times are ISO 8601 texts, numbers stand beside their units.
Errors of the server are raised as the errors of assay that they were. May import: core; nothing that serves.
"""

from __future__ import annotations

import http.client
import json
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote, urlencode, urlsplit

from assay import __version__
from assay.core.errors import AssayError, NotFoundError, StoreError, UnsupportedError, UsageError
from assay.web.client_types import Result, Run, Series, Table

_PREFIX = "/api/v1"
_LARGEST_ANSWER_BYTES = 256 * 1024 * 1024
_PASSING = frozenset({429, 503})
_LONGEST_WAIT_S = 30.0
_ATTEMPTS = 4
_PAGE = 500
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})

Value = str | int | float | bool | datetime | Enum
Query = Mapping[str, Value | Sequence[Value] | None]


class RequestError(AssayError):
    """The server refused, and no other error says it better. ``kind`` is the last word of the problem's type."""

    def __init__(self, message: str, *, status: int, kind: str, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.kind = kind


class UnreachableError(AssayError):
    """No answer that could be understood."""


_ERRORS: Mapping[str, type[AssayError]] = {
    "not-found": NotFoundError,
    "usage": UsageError,
    "unknown-name": UsageError,
    "unsupported": UnsupportedError,
    "cursor": UsageError,
    "invalid": UsageError,
    "store": StoreError,
}


class Client:
    """One server. ``url`` is where its overview is; ``token`` what it lets somebody in for.

    What is refused because too much is asked at once (429, 503) is asked again as the server says, up to four times;
    what changes something is not. ``sleep`` is for tests.
    """

    def __init__(
        self,
        url: str,
        token: str | None = None,
        *,
        timeout_s: float = 60.0,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._url = _check_address(url)
        self._headers = {"User-Agent": f"assay/{__version__}", "Accept": "application/json, application/problem+json"}
        if token is not None:
            self._headers["Authorization"] = f"Bearer {_check_token(token)}"
        self._timeout_s = timeout_s
        self._sleep = sleep
        # A redirect would take the token along to wherever it leads; and a proxy has no business on this machine.
        handlers: list[urllib.request.BaseHandler] = [_NoRedirect()]
        if (urlsplit(self._url).hostname or "") in _LOOPBACK:
            handlers.append(urllib.request.ProxyHandler({}))
        self._opener = urllib.request.build_opener(*handlers)

    # ------------------------------------------------------------------ what is in the store

    def runs(self, **only: Value | Sequence[Value] | None) -> Iterator[Run]:
        """Yield runs, newest first: ``suite``, ``status``, ``tag``, ``provenance``, ``since`` ... narrow them."""
        return cast("Iterator[Run]", self._items("/runs", only))

    def run(self, ref: str = "last") -> dict[str, Any]:
        """Return one run with its settings and environment. Raises NotFoundError."""
        return self._get(f"/runs/{_part(ref)}")

    def results(self, *, run: str | None = None, **only: Value | Sequence[Value] | None) -> Iterator[Result]:
        """Yield results, newest first, of all runs or of one: ``workload="bert/*"``, ``engine``, ``since`` ..."""
        path = "/results" if run is None else f"/runs/{_part(run)}/results"
        return cast("Iterator[Result]", self._items(path, only))

    def result(self, result_id: str) -> dict[str, Any]:
        """Return one result whole, with its source's own record. Raises NotFoundError."""
        return self._get(f"/results/{_part(result_id)}")

    def launches(self, run: str = "last", *, result_id: str | None = None) -> Iterator[dict[str, Any]]:
        """Yield the launches of a run."""
        return self._items(f"/runs/{_part(run)}/launches", {"result_id": result_id})

    def samples(
        self, run: str = "last", *, result_id: str | None = None, max_values: int = 200_000
    ) -> Iterator[dict[str, Any]]:
        """Yield the series of raw readings of a run."""
        asked = {"result_id": result_id, "max_values": max_values, "limit": 20}
        return self._items(f"/runs/{_part(run)}/samples", asked)

    def series(self, **only: Value | Sequence[Value] | None) -> Iterator[Series]:
        """Yield series with their newest results, by workload."""
        return cast("Iterator[Series]", self._items("/series", only))

    def trend(
        self, series_id: str, *, metric: str = "latency_ns", stat: str | None = None, since: datetime | None = None
    ) -> dict[str, Any]:
        """Return the points, levels, changes and breaks of a measured series. Raises NotFoundError."""
        return self._get(f"/series/{_part(series_id)}/trend", {"metric": metric, "stat": stat, "since": since})

    def imports(self) -> Iterator[dict[str, Any]]:
        """Yield the files that were imported, newest first."""
        return self._items("/imports", {})

    # ------------------------------------------------------------------ what is asked of it

    def compare(
        self, a: str = "last~1", b: str | Sequence[str] = "last", **asked: Value | Sequence[Value] | None
    ) -> dict[str, Any]:
        """Compare runs, the first being the baseline; ``metric``, ``across``, ``with_imported`` as of the command."""
        return self._get("/compare", {"a": a, "b": b, **asked})

    def check(
        self, run: str | None = None, *, against: str = "history", metric: str | Sequence[str] | None = None
    ) -> dict[str, Any]:
        """Check a run against its history, a baseline or a tag; nothing is launched and nothing kept."""
        return self._get("/check", {"run": run, "against": against, "metric": metric})

    def recommend(self, run: str = "last", *, rule: str | Sequence[str] | None = None) -> dict[str, Any]:
        """Return advice for a run, each with the numbers behind it."""
        return self._get("/recommend", {"run": run, "rule": rule})

    def rank_hardware(self, workload: str, **asked: Value | Sequence[Value] | None) -> dict[str, Any]:
        """Return devices in order of what was measured on them for a workload."""
        return self._get("/recommend/hardware", {"workload": workload, **asked})

    def report(
        self,
        kind: str,
        *,
        run: str | Sequence[str] | None = None,
        format: str = "json",  # noqa: A002  (the word of the command)
        options: Mapping[str, str] | None = None,
        **only: Value | Sequence[Value] | None,
    ) -> bytes:
        """Return a report as a file of some format: ``html``, ``xlsx``, ``markdown`` ... (``/api/v1/reports``)."""
        chosen = [f"{name}:{value}" for name, value in (options or {}).items()]
        return self._fetch("GET", f"/reports/{_part(kind)}", {"run": run, "format": format, "set": chosen, **only})[0]

    def sql(self, statement: str, *, max_rows: int = 1000) -> Table:
        """Run one reading statement in the server's sandbox. Raises UsageError with DuckDB's message."""
        body = json.dumps({"sql": statement, "max_rows": max_rows}).encode()
        content, _ = self._fetch("POST", "/sql", body=body, media_type="application/json")
        return cast("Table", _parse(content))

    def import_file(
        self,
        path: str | Path,
        *,
        format: str | None = None,  # noqa: A002  (the word of the command)
        dry_run: bool = False,
    ) -> dict[str, Any]:
        """Send a file to be imported, and return what was taken and refused. Takes a token."""
        file = Path(path)
        try:
            body = file.read_bytes()
        except OSError as error:
            raise UsageError(f"{file} cannot be read: {error.strerror or error}.") from error
        asked = {"name": _file_name(file.name), "format": format, "dry_run": dry_run}
        content, _ = self._fetch("POST", "/imports", asked, body=body, media_type="application/octet-stream")
        return _parse(content)

    def health(self) -> dict[str, Any]:
        """Return how the server is. Never raises because the server says that it fails."""
        try:
            return self._get("/health")
        except _AnsweredError as error:
            return error.content

    # ------------------------------------------------------------------ how

    def _items(self, path: str, only: Query) -> Iterator[dict[str, Any]]:
        asked: Query = {"limit": _PAGE, **only}
        while True:
            page = self._get(path, asked)
            yield from page["items"]
            if page["next"] is None:
                return
            asked = {**asked, "cursor": page["next"]}

    def _get(self, path: str, asked: Query | None = None) -> dict[str, Any]:
        return _parse(self._fetch("GET", path, asked)[0])

    def _fetch(
        self,
        method: str,
        path: str,
        asked: Query | None = None,
        *,
        body: bytes | None = None,
        media_type: str | None = None,
    ) -> tuple[bytes, Mapping[str, str]]:
        query = urlencode([(name, text) for name, text in _pairs(asked or {})])
        url = f"{self._url}{_PREFIX}{path}" + (f"?{query}" if query else "")
        headers = {**self._headers, **({"Content-Type": media_type} if media_type else {})}
        request = urllib.request.Request(url, body, headers, method=method)  # noqa: S310  (the scheme was checked)
        is_repeatable = not path.startswith("/imports") or method == "GET"
        for attempt in range(_ATTEMPTS):
            try:
                with self._opener.open(request, timeout=self._timeout_s) as answer:
                    return _read(answer), dict(answer.headers)
            except urllib.error.HTTPError as error:
                wait_s = _wait_of(error)
                is_last = attempt + 1 == _ATTEMPTS
                if error.code in _PASSING and is_repeatable and wait_s is not None and not is_last:
                    self._sleep(wait_s)
                    continue
                raise _error_of(error) from None
            except (OSError, http.client.HTTPException) as error:
                reason = getattr(error, "reason", None) or error
                raise UnreachableError(
                    f"{self._url} gave no answer: {reason}.", hint="Is `assay serve` running there?"
                ) from error
        raise AssertionError("the last attempt returns or raises")


class _AnsweredError(RequestError):
    """A refusal that came with an answer of the usual form."""

    def __init__(self, content: dict[str, Any], status: int) -> None:
        super().__init__(str(content.get("reason")), status=status, kind="failing")
        self.content = content


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        """Follow nowhere, so that the redirect becomes an error."""


def _error_of(error: urllib.error.HTTPError) -> AssayError:
    """Return what the server said as the error that it was."""
    try:
        content = json.loads(error.read(1 << 20))
    except (ValueError, OSError):
        content = None
    if not isinstance(content, dict):
        return RequestError(f"The server answered {error.code} {error.reason}.", status=error.code, kind="http")
    if "is_store_readable" in content:
        return _AnsweredError(content, error.code)
    kind = str(content.get("type", "")).rpartition(":")[2]
    message, hint = str(content.get("detail") or error.reason), content.get("hint")
    known = _ERRORS.get(kind)
    if known is not None:
        return known(message, hint=hint)
    return RequestError(message, status=error.code, kind=kind, hint=hint)


def _wait_of(error: urllib.error.HTTPError) -> float | None:
    """Return how long the server asks to wait; None where it does not, or for too long."""
    text = str(error.headers.get("Retry-After", ""))
    return float(text) if text.isdigit() and float(text) <= _LONGEST_WAIT_S else None


def _read(answer: Any) -> bytes:
    content: bytes = answer.read(_LARGEST_ANSWER_BYTES + 1)
    if len(content) > _LARGEST_ANSWER_BYTES:
        raise UnreachableError(f"The answer is larger than {_LARGEST_ANSWER_BYTES} bytes.", hint="Ask for less.")
    return content


def _parse(content: bytes) -> dict[str, Any]:
    try:
        found = json.loads(content)
    except ValueError as error:
        raise UnreachableError("The answer is no JSON: that is hardly an assay server.") from error
    if not isinstance(found, dict):
        raise UnreachableError("The answer is no JSON object: that is hardly an assay server.")
    return found


def _pairs(asked: Query) -> Iterator[tuple[str, str]]:
    for name, value in asked.items():
        if value is None:
            continue
        for one in [value] if isinstance(value, (str, int, float, bool, datetime, Enum)) else value:
            yield name, _text(one)


def _text(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise UsageError(f"{value.isoformat()} has no time zone.", hint="Use datetime.UTC.")
        return value.isoformat()
    return str(value.value if isinstance(value, Enum) else value)


def _part(text: str) -> str:
    """One part of a path: whatever is in it, it stays one."""
    return quote(text, safe="~")


def _file_name(name: str) -> str:
    """A name as the server takes it: it is shown to people later, and leads nowhere."""
    plain = re.sub(r"[^A-Za-z0-9_. -]", "_", name)[-150:].lstrip(". -")
    return plain or "upload"


def _check_address(url: str) -> str:
    text = url.strip()
    parts = urlsplit(text) if text.isascii() and text.isprintable() and " " not in text else None
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise UsageError(f"{url[:200]!r} is no address of a server.", hint="Expected http://127.0.0.1:8337")
    return text.rstrip("/")


def _check_token(token: str) -> str:
    """Python's own complaint about a header that holds a line break would print the token."""
    text = token.strip()
    if not text or not (text.isascii() and text.isprintable()) or " " in text:
        raise UsageError("The token has letters that no token has (it is not shown).")
    return text
