"""Asking a server over HTTP with JSON, and being refused: time limits, retries, and secrets that stay out of messages.

Only the standard library, since CI jobs are where a client's dependencies hurt most. A redirect is an error: urllib
would take the token along to wherever it leads. May import: core.
"""

from __future__ import annotations

import http.client
import json
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urljoin, urlsplit

from assay import __version__
from assay.ci.text import flatten_text
from assay.core.errors import AssayError, UsageError

_LARGEST_REPLY_BYTES = 16 * 1024**2
_LONGEST_WAIT_S = 60.0
"""A server that asks for more patience than this is not waited for."""
_MOST_PAGES = 100
_PASSING = frozenset({429, 500, 502, 503, 504})
_FORBIDDEN = 403
_NEXT = re.compile(r'<([^>]*)>\s*;[^,]*\brel="?next"?', re.IGNORECASE)
"""In a Link header, RFC 8288."""

Sleep = Callable[[float], None]


class RefusedError(AssayError):
    """A server answered, and the answer was no. ``status`` is what it answered with."""

    def __init__(self, message: str, *, status: int, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.status = status


class UnreachableError(AssayError):
    """A server gave no answer that could be understood."""


@dataclass(frozen=True, slots=True)
class Server:
    """Where to ask and how: ``url`` without a slash at its end, headers, seconds to wait, how often to try.

    Headers and ``secrets`` (further texts that must not appear in a message) are left out of the ``repr``; so is the
    address, which is itself the secret of a webhook.
    """

    url: str = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)
    timeout_s: float = 20.0
    attempts: int = 4
    backoff_s: float = 1.0
    sleep: Sleep = field(default=time.sleep, repr=False)

    @property
    def host(self) -> str:
        """The name of the server, which may be shown."""
        return urlsplit(self.url).hostname or "the server"


@dataclass(frozen=True, slots=True)
class Reply:
    """What a server answered: the parsed JSON (None where there was none) and where the next page is."""

    status: int
    body: Any
    next_url: str | None


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        """Follow nowhere, so that the redirect becomes an error."""


def check_address(address: str, what: str) -> str:
    """Return an http(s) address without a slash at its end; raises UsageError for another, without showing it."""
    stripped = address.strip()
    parts = urlsplit(stripped) if stripped.isascii() and stripped.isprintable() and " " not in stripped else None
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError(f"{what} is no http(s) address (it is not shown, since it may be a secret).")
    return stripped.rstrip("/")


def check_token(token: str | None, what: str) -> str | None:
    """Return a token without white space around it, None for an empty one; raises UsageError without showing it.

    Python's own complaint about a header that holds a line break would print the token.
    """
    stripped = (token or "").strip()
    if not (stripped.isascii() and stripped.isprintable()) or " " in stripped:
        raise UsageError(f"{what} is no token: it has letters that no token has (it is not shown).")
    return stripped or None


def ask(
    server: Server, method: str, path: str = "", *, body: Any = None, what: str, is_repeatable: bool | None = None
) -> Reply:
    """Send a request and return what was answered.

    ``path`` is appended to the server's address, or is a whole address on the same server. ``what`` names the thing in
    messages, since the address itself may be a secret. What passes (429, 5xx, no connection) is tried again after 1,
    2, 4 ... times ``backoff_s`` seconds or as long as the server says, unless the request must not be repeated: a POST
    by default. Raises RefusedError for another answer, UnreachableError where there was none, UsageError for a path on
    another server.
    """
    url = _join(server, path)
    repeatable = method != "POST" if is_repeatable is None else is_repeatable
    for attempt in range(server.attempts):
        wait_s = server.backoff_s * 2**attempt
        try:
            return _send(server, method, url, body)
        except urllib.error.HTTPError as error:
            with error:
                text = _read_text(error)
            asked_s = _asked_wait_s(error)
            passing = error.code in _PASSING or (error.code == _FORBIDDEN and asked_s is not None)
            wait_s = wait_s if asked_s is None else asked_s
            if not (passing and repeatable and wait_s <= _LONGEST_WAIT_S) or attempt + 1 == server.attempts:
                raise _refusal(server, method, what, error, text) from None
        except (urllib.error.URLError, http.client.HTTPException, OSError) as error:
            if not repeatable or attempt + 1 == server.attempts:
                reason = getattr(error, "reason", None) or error
                message = f"{server.host} could not be reached for {what}: {flatten_text(str(reason), 200)}."
                raise UnreachableError(_redact(server, message)) from None
        server.sleep(wait_s)
    raise UnreachableError(f"{server.host} was not asked for {what}: no attempt was allowed.")


def ask_pages(server: Server, path: str, *, what: str) -> Iterator[Any]:
    """Give each page of a list, following ``Link: <...>; rel="next"``. Raises as :func:`ask` does.

    Ends at 100 pages: a server whose pages never end must not hold a job.
    """
    next_url: str | None = path
    for _ in range(_MOST_PAGES):
        if next_url is None:
            return
        reply = ask(server, "GET", next_url, what=what)
        yield reply.body
        next_url = reply.next_url


def _join(server: Server, path: str) -> str:
    if not path.startswith(("http://", "https://")):
        return server.url + path
    ours, theirs = urlsplit(server.url), urlsplit(path)
    if (ours.scheme, ours.netloc) != (theirs.scheme, theirs.netloc):
        raise UsageError(f"{server.host} sent us on to {theirs.hostname}, which is not asked: it would get the token.")
    return path


def _send(server: Server, method: str, url: str, body: Any) -> Reply:
    data = None if body is None else json.dumps(body).encode()
    headers = {"User-Agent": f"assay/{__version__}", "Accept": "application/json", **server.headers}
    if data is not None:
        headers["Content-Type"] = "application/json"
    request = urllib.request.Request(url, data=data, headers=headers, method=method)  # noqa: S310  (check_address)
    opener = urllib.request.build_opener(_NoRedirect())
    with opener.open(request, timeout=server.timeout_s) as reply:
        text = _read_text(reply)
        found = _NEXT.search(reply.headers.get("Link", ""))
        return Reply(reply.status, _parse(text), urljoin(url, found[1]) if found else None)


def _read_text(reply: Any) -> str:
    content: bytes = reply.read(_LARGEST_REPLY_BYTES + 1)
    if len(content) > _LARGEST_REPLY_BYTES:
        raise http.client.HTTPException(f"the answer is longer than {_LARGEST_REPLY_BYTES} bytes")
    return content.decode("utf-8", "replace")


def _parse(text: str) -> Any:
    """Return JSON, or the text where it is none: Slack answers ``ok``."""
    if not text.strip():
        return None
    try:
        return json.loads(text)
    except ValueError:
        return text


def _asked_wait_s(error: urllib.error.HTTPError) -> float | None:
    """Return how long the server asks to wait: ``Retry-After`` in seconds, or GitHub's reset of a used-up limit."""
    after = error.headers.get("Retry-After", "")
    if after.isdigit():
        return float(after)
    reset = error.headers.get("X-RateLimit-Reset", "")
    if error.headers.get("X-RateLimit-Remaining") == "0" and reset.isdigit():
        return max(0.0, float(reset) - time.time())
    return None


def _refusal(server: Server, method: str, what: str, error: urllib.error.HTTPError, text: str) -> RefusedError:
    body = _parse(text)
    said = body.get("message") or body.get("error") or body.get("errors") if isinstance(body, dict) else body
    detail = f": {flatten_text(str(said), 300)}" if said else ""
    reason = flatten_text(str(error.reason), 100)
    return RefusedError(
        _redact(server, f"{server.host} answered {error.code} {reason} to {method} {what}{detail}"), status=error.code
    )


def _redact(server: Server, text: str) -> str:
    """Take out of a message what a server or library may have echoed into it."""
    hidden = {server.url, urlsplit(server.url).path, *server.secrets}
    for secret in sorted((one for one in hidden if len(one) > 3), key=len, reverse=True):  # noqa: PLR2004
        text = text.replace(secret, "***")
    return text
