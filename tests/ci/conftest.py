"""Findings composed by hand, and hosts that answer over HTTP as GitHub's and GitLab's documentation says they do."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from tests.loading import load_module

from assay.analysis.values import CheckReport
from assay.core.ids import new_id
from assay.core.records import FindingRecord
from assay.core.words import Change
from assay.store import Store

MOMENT = datetime(2026, 5, 1, 12, 30, 15, tzinfo=UTC)
TOKEN = "token-0123456789abcdef"  # noqa: S105  (of the server below)
PAGE = 3
"""Comments a page, so that few of them make many pages."""

MakeFinding = Callable[..., FindingRecord]
MakeReport = Callable[..., CheckReport]


@pytest.fixture(scope="session")
def make_finding() -> MakeFinding:
    """Make a finding; what is worse or better gets numbers that fit."""

    def make(label: str = "bert/tiny torch cpu fp32 b1", change: Change = Change.UNCHANGED, **more: Any) -> Any:
        ratio = {Change.REGRESSED: 1.102, Change.SUSPECT: 1.05, Change.IMPROVED: 0.8, Change.UNCHANGED: 1.001}
        values: dict[str, Any] = {
            "finding_id": new_id(), "check_id": "0197-check", "created_at": MOMENT, "run_id": "0197-run-c0ffee12",
            "series_id": f"series of {label}", "case_label": label, "metric": "latency_ns", "stat": "median",
            "unit": "ns", "change": change, "against": "history", "method": "prediction-interval",
            "hardware": "AMD EPYC 2c 24GiB",
        }  # fmt: skip
        if change in ratio:
            values |= {
                "ratio": ratio[change], "is_worse": ratio[change] > 1, "value": 1e6 * ratio[change],
                "reference_value": 1e6, "ci_lo": 0.97, "ci_hi": 1.04, "floor": 0.03, "launches": 5,
                "reference_run_id": "0196-run-feedbeef", "reference_n": 12,
            }  # fmt: skip
        return FindingRecord(**{**values, **more})

    return make


@pytest.fixture(scope="session")
def make_report() -> MakeReport:
    def make(*findings: FindingRecord, **more: Any) -> CheckReport:
        report = CheckReport(
            check_id="0197-check", run_id="0197-run-c0ffee12", created_at=MOMENT, suite="ci", against="history",
            findings=findings, expected=len(findings), git_commit="b" * 40, git_branch="feature/x",
            reference_run_id="0196-run-feedbeef", reference_git_commit="a" * 40,
        )  # fmt: skip
        return replace(report, **more)

    return make


@pytest.fixture(scope="session")
def mixed(make_finding: MakeFinding, make_report: MakeReport) -> CheckReport:
    """One finding of each verdict, and a regression that is muted."""
    said = {Change.FAILED: ("failed: out of memory",), Change.MISSING: ("not in the plan",)}
    findings = [make_finding(f"case/{change}", change, reasons=said.get(change, ())) for change in Change]
    muted = make_finding("case/muted", Change.REGRESSED, ratio=1.5, value=1.5e6, muted="known, see the ticket")
    return make_report(muted, *findings)


@pytest.fixture(scope="session")
def bundles() -> Any:
    """The module that makes runs to store."""
    return load_module("store.bundles")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "store")


# -- hosts -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as it arrived."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any


Answer = tuple[int, dict[str, str], Any]
"""Status, headers, and what becomes JSON (bytes go as they are)."""


@dataclass
class Host:
    """A server on loopback. ``answer`` is asked for every request; ``troubles`` are answers that come before it."""

    url: str
    answer: Callable[[Asked], Answer]
    asked: list[Asked] = field(default_factory=list)
    troubles: list[Answer | Callable[[Asked], Answer | None]] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        """Waste no time, but remember how long it would have been."""
        self.slept.append(seconds)

    def reply(self, request: Asked) -> Answer:
        self.asked.append(request)
        for index, trouble in enumerate(self.troubles):
            found = trouble(request) if callable(trouble) else trouble
            if found is not None:
                del self.troubles[index]
                return found
        return self.answer(request)

    def methods(self) -> list[str]:
        return [one.method for one in self.asked]


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Callable[[Asked], Answer]], Host]]:
    """Start a host that answers as a function says; every one of a test is stopped at its end."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    servers: list[ThreadingHTTPServer] = []

    def start(answer: Callable[[Asked], Answer]) -> Host:
        host = Host("", answer)
        server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(host))
        server.daemon_threads = True
        servers.append(server)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        host.url = f"http://127.0.0.1:{server.server_address[1]}"
        return host

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def _handler(host: Host) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            length = int(self.headers.get("Content-Length", "0"))
            body = json.loads(self.rfile.read(length)) if length else None
            parts = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, more, content = host.reply(Asked(self.command, parts.path, query, headers, body))
            data = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_response(status)
            for name, value in more.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PATCH = do_PUT = _answer  # noqa: N815  (the names that http.server looks for)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler


@dataclass
class Comments:
    """The comments of one change, kept as either host keeps them, a page at a time."""

    host: Host = field(init=False)
    rows: list[dict[str, Any]] = field(default_factory=list)
    next_id: int = 100

    def add(self, body: str, **more: Any) -> dict[str, Any]:
        self.next_id += 1
        row = {"id": self.next_id, "body": body, **more}
        self.rows.append(row)
        return row

    def page(self, request: Asked) -> Answer:
        number, size = int(request.query.get("page", "1")), min(PAGE, int(request.query["per_page"]))
        shown = self.rows[(number - 1) * size : number * size]
        headers = {}
        if number * size < len(self.rows):
            address = f"{self.host.url}{request.path}?per_page={size}&page={number + 1}"
            headers["Link"] = f'<{address}>; rel="next", <{self.host.url}{request.path}?page=9>; rel="last"'
        return 200, headers, shown

    def update(self, request: Asked) -> Answer:
        row = next(one for one in self.rows if str(one["id"]) == request.path.rpartition("/")[2])
        row["body"] = request.body["body"]
        return 200, {}, row


@pytest.fixture
def github(serve: Callable[[Callable[[Asked], Answer]], Host]) -> Comments:
    """GitHub's REST API of one repository, o/r, with pull request 12; the token is that of a job, a bot's."""
    comments = Comments()

    def answer(request: Asked) -> Answer:  # noqa: PLR0911  (one for each thing that can be asked)
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return 401, {}, {"message": "Bad credentials", "documentation_url": "https://docs.github.com/rest"}
        match request.method, request.path:
            case "GET", "/user":
                return 403, {}, {"message": "Resource not accessible by integration"}
            case "GET", "/repos/o/r/issues/12/comments":
                return comments.page(request)
            case "POST", "/repos/o/r/issues/12/comments":
                if len(request.body["body"]) > 65_536:
                    return 422, {}, {"message": "Validation Failed", "errors": ["body is too long"]}
                address = f"https://github.com/o/r/pull/12#issuecomment-{comments.next_id + 1}"
                user = {"login": "github-actions[bot]", "type": "Bot"}
                return 201, {}, comments.add(request.body["body"], user=user, html_url=address)
            case "PATCH", path if path.startswith("/repos/o/r/issues/comments/"):
                return comments.update(request)
        return 404, {}, {"message": "Not Found"}

    comments.host = serve(answer)
    return comments


@pytest.fixture
def gitlab(serve: Callable[[Callable[[Asked], Answer]], Host]) -> Comments:
    """GitLab's REST API of project 7 with merge request 12; the token is that of a project's bot."""
    comments = Comments()
    notes = "/api/v4/projects/7/merge_requests/12/notes"

    def answer(request: Asked) -> Answer:
        if request.headers.get("private-token") != TOKEN:
            return 401, {}, {"message": "401 Unauthorized"}
        match request.method, request.path:
            case "GET", "/api/v4/user":
                return 200, {}, {"username": "project_7_bot"}
            case "GET", path if path == notes:
                return comments.page(request)
            case "POST", path if path == notes:
                return 201, {}, comments.add(request.body["body"], author={"username": "project_7_bot"})
            case "PUT", path if path.startswith(notes + "/"):
                return comments.update(request)
        return 404, {}, {"message": "404 Not found"}

    comments.host = serve(answer)
    return comments
