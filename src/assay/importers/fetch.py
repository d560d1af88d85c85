"""Downloading one file over http or https, bounded in bytes, time and redirects.

Only those two schemes are spoken, also after a redirect: an address must not make us read a local file. May import:
core, importers.base, importers.archive, importers.source; urllib inside functions.
"""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from assay.core.errors import AssayError
from assay.importers.base import ImportFileError
from assay.importers.source import Limits

if TYPE_CHECKING:
    from urllib.request import OpenerDirector, Request

_SILENCE_S = 30.0
_REDIRECTS = 5
_PIECE_BYTES = 1 << 16
_SECRET = re.compile(r"token|sig|key|secret|password|credential|auth|^x-amz|^x-goog", re.IGNORECASE)


def is_address(target: str) -> bool:
    """True for what is to be downloaded."""
    return target.lower().startswith(("http://", "https://"))


def shown_address(address: str) -> str:
    """The address as it is kept: without a name and password, and without the values of what looks like a secret.

    Raises ImportFileError for what is no address.
    """
    from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

    try:
        parts = urlsplit(address)
    except ValueError as error:
        raise ImportFileError(f"The address is none: {error}.", hint="Give it as https://host/path.") from None
    host = parts.netloc.rpartition("@")[2]
    query = parts.query
    pairs = parse_qsl(query, keep_blank_values=True)
    if any(_SECRET.search(name) for name, _ in pairs):
        kept = [(name, "***" if _SECRET.search(name) else value) for name, value in pairs]
        query = urlencode(kept, safe="*", errors="replace")
    return urlunsplit((parts.scheme, host, parts.path, query, ""))


def fetch_url(address: str, target: Path, limits: Limits) -> None:
    """Download into a file. Raises ImportFileError saying what went wrong, secrets left out."""
    import http.client

    name = shown_address(address)
    try:
        with _opener().open(_request(address), timeout=_SILENCE_S) as answer, target.open("wb") as file:
            _copy(answer, file, name, limits)
    except AssayError:
        raise
    except (OSError, http.client.HTTPException, ValueError) as error:  # URLError, HTTPError and timeouts are OSErrors
        raise ImportFileError(f"{name} could not be downloaded: {_reason(error)}.") from None


def _request(address: str) -> Request:
    """Ask with the name and password that the address has, which only the host it names gets to see."""
    import base64
    from urllib.parse import unquote_to_bytes, urlsplit, urlunsplit
    from urllib.request import Request

    parts = urlsplit(address)
    known, _, host = parts.netloc.rpartition("@")
    request = Request(urlunsplit(parts._replace(netloc=host)))  # noqa: S310  (the opener knows http and https alone)
    if known:
        token = base64.b64encode(unquote_to_bytes(known)).decode()
        request.add_unredirected_header("Authorization", f"Basic {token}")
    return request


def _copy(answer: IO[bytes], file: IO[bytes], name: str, limits: Limits) -> None:
    began, copied = time.monotonic(), 0
    while piece := answer.read(_PIECE_BYTES):
        copied += len(piece)
        if copied > limits.download_bytes:
            raise ImportFileError(
                f"{name} has more than the {limits.download_bytes} bytes that are downloaded.",
                hint="Download it yourself and import the file.",
            )
        if time.monotonic() - began > limits.download_s:
            raise ImportFileError(
                f"{name} was not there after {limits.download_s:.0f} s ({copied} bytes were).",
                hint="Download it yourself and import the file.",
            )
        file.write(piece)
    expected: str | None = getattr(answer, "headers", {}).get("Content-Length")
    if expected is not None and expected.isdecimal() and int(expected) != copied:
        raise ImportFileError(f"{name} ended after {copied} of {expected} bytes; try again.")


def _opener() -> OpenerDirector:
    """An opener that knows http and https and nothing else (``build_opener`` would add files and ftp)."""
    from urllib import request

    class Redirects(request.HTTPRedirectHandler):
        max_redirections = _REDIRECTS

        def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
            if not is_address(newurl) or (req.full_url.lower().startswith("https:") and newurl.lower()[:6] != "https:"):
                scheme = newurl.partition(":")[0]
                raise ImportFileError(
                    f"{shown_address(req.full_url)} leads to an address of {scheme!r}, which is not followed."
                )
            return super().redirect_request(req, fp, code, msg, headers, newurl)

    opener = request.OpenerDirector()
    for handler in (
        request.ProxyHandler(),
        request.HTTPHandler(),
        request.HTTPSHandler(),
        request.HTTPDefaultErrorHandler(),
        Redirects(),
        request.HTTPErrorProcessor(),
        request.UnknownHandler(),
    ):
        opener.add_handler(handler)
    opener.addheaders = [("User-Agent", "assay")]
    return opener


def _reason(error: Exception) -> str:
    from urllib.error import HTTPError, URLError

    if isinstance(error, HTTPError):
        return f"the server answered {error.code} {error.reason}".rstrip()
    if isinstance(error, URLError):
        return str(error.reason)
    return str(error) or type(error).__name__
