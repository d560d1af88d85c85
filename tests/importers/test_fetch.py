"""Downloads, from a real server on loopback."""

from __future__ import annotations

import base64
import http.server
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ClassVar

import pytest

from assay.importers.base import ImportFileError
from assay.importers.fetch import shown_address
from assay.importers.report import ImportReport, Outcome
from assay.importers.source import Limits
from assay.store import Store

GOOD = b'{"plain": [{"model": "bert/base", "ms": 12.5}]}'
LEADS_OUT = "Redirection to url 'file:///etc/hostname' is not allowed"
RunImport = Callable[..., ImportReport]


class Handler(http.server.BaseHTTPRequestHandler):
    sent: ClassVar[list[tuple[str, str | None]]] = []

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        self.sent.append((path, self.headers["Authorization"]))
        if path == "/good":
            self._answer(200, GOOD)
        elif path == "/short":
            self._answer(200, GOOD, length=1000)
        elif path == "/endless":
            self._answer(200, b"x" * 200_000)
        elif path.startswith("/to/"):
            self.send_response(302)
            self.send_header("Location", {"file": "file:///etc/hostname", "good": "/good"}.get(path[4:], self.path))
            self.end_headers()
        else:
            self._answer(404, b"no")

    def _answer(self, code: int, content: bytes, *, length: int | None = None) -> None:
        self.send_response(code)
        self.send_header("Content-Length", str(length or len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002  (the name of the overridden method)
        """Say nothing."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as serving:
        threading.Thread(target=serving.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{serving.server_port}"
        serving.shutdown()


def test_an_address_is_downloaded_and_kept_as_the_source(run_import: RunImport, server: str, store: Store) -> None:
    report = run_import(f"{server}/good?token=abc&page=1", f"{server}/to/good")
    assert [one.outcome for one in report.files] == [Outcome.TAKEN, Outcome.ALREADY_THERE]
    assert store.results(provenance="imported")[0].source == f"{server}/good?token=***&page=1"


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/none", "could not be downloaded: the server answered 404 Not Found."),
        ("/short", "ended after 47 of 1000 bytes; try again."),
        ("/endless", "has more than the 100000 bytes that are downloaded."),
        ("/to/file", f"could not be downloaded: the server answered 302 Found - {LEADS_OUT}."),
    ],
)
def test_what_cannot_be_downloaded_is_named(run_import: RunImport, server: str, path: str, message: str) -> None:
    (one,) = run_import(f"{server}{path}", limits=Limits(download_bytes=100_000)).files
    assert (one.outcome, one.reason) == (Outcome.REFUSED, f"{server}{path} {message}")


def test_redirects_in_a_circle_end(run_import: RunImport, server: str) -> None:
    (one,) = run_import(f"{server}/to/itself").files
    assert one.outcome is Outcome.REFUSED
    assert "infinite loop" in str(one.reason)


def test_a_server_that_is_not_there_is_named(run_import: RunImport, tmp_path: Path) -> None:
    assert tmp_path.exists()
    (one,) = run_import("http://127.0.0.1:9/x").files
    assert str(one.reason).startswith("http://127.0.0.1:9/x could not be downloaded: ")


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://me:pass@host/a.json", "https://host/a.json"),
        ("https://host/a?X-Amz-Signature=abc&v=2#part", "https://host/a?X-Amz-Signature=***&v=2"),
        ("https://host/a?b=c%20d", "https://host/a?b=c%20d"),
    ],
)
def test_secrets_in_an_address_are_not_kept(address: str, shown: str) -> None:
    assert shown_address(address) == shown


def test_a_password_goes_to_the_host_that_it_was_given_for(run_import: RunImport, server: str) -> None:
    Handler.sent.clear()
    address = server.replace("http://", "http://me:s%40id@")
    (report,) = run_import(f"{address}/to/good").files
    assert report.outcome is Outcome.TAKEN
    asked = "Basic " + base64.b64encode(b"me:s@id").decode()
    # The answer leads elsewhere, and that place is told nothing.
    assert Handler.sent == [("/to/good", asked), ("/good", None)]


def test_what_is_no_address_is_refused_in_words() -> None:
    with pytest.raises(ImportFileError, match="The address is none"):
        shown_address("http://[::1/a")
    assert shown_address("http://h/x?sig=1&b=\udcf7") == "http://h/x?sig=***&b=%3F"
