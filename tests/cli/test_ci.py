"""``assay ci ...`` over a store with a check: the texts, the sending, the exit codes."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from assay.core.ids import new_id
from assay.core.records import FindingRecord
from assay.core.words import Change
from assay.store import Store
from assay.store.findings import append_findings

Here = Callable[..., Any]
TOKEN = "token-0123456789abcdef"  # noqa: S105  (of the server below)


def finding(label: str, change: Change, **more: Any) -> FindingRecord:
    values: dict[str, Any] = {
        "finding_id": new_id(), "check_id": "0197-first", "created_at": datetime(2026, 5, 1, tzinfo=UTC),
        "run_id": "0197-run-c0ffee12", "series_id": label, "case_label": label, "metric": "latency_ns",
        "stat": "median", "unit": "ns", "change": change, "against": "history", "method": "prediction-interval",
        "ratio": 1.1, "is_worse": True, "value": 1.1e6, "reference_value": 1e6,
    }  # fmt: skip
    return FindingRecord(**{**values, **more})


@pytest.fixture
def checks(here: Here, tmp_path: Path) -> Callable[..., None]:
    """Keep a check in the store that every command looks into; the newest is the last."""
    del here
    store = Store.open(tmp_path / "store")
    kept: list[str] = []

    def keep(*changes: Change) -> None:
        kept.append(f"0197-{len(kept)}")
        moment = datetime(2026, 5, 1, len(kept), tzinfo=UTC)
        findings = [finding(f"case/{change}", change, check_id=kept[-1], created_at=moment) for change in changes]
        append_findings(store.location, findings)

    return keep


@dataclass
class Host:
    """A server that answers everything with one status, and remembers what it was asked."""

    url: str = ""
    status: int = 201
    asked: list[tuple[str, str, Any]] = field(default_factory=list)


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    host = Host()

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            length = int(self.headers.get("Content-Length", "0"))
            body = json.loads(self.rfile.read(length)) if length else None
            host.asked.append((self.command, self.path, body))
            is_list = self.command == "GET" and self.path != "/user"
            status = 200 if is_list else 403 if self.path == "/user" else host.status
            data = json.dumps([] if is_list else {"html_url": "https://x.example/c", "message": "no"}).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PATCH = do_PUT = _answer  # noqa: N815  (the names that http.server looks for)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    host.url = f"http://127.0.0.1:{server.server_address[1]}"
    yield host
    server.shutdown()
    server.server_close()


@pytest.fixture
def github(host: Host, monkeypatch: pytest.MonkeyPatch, here: Here, tmp_path: Path) -> Host:
    """A job of GitHub's for pull request 12."""
    del here  # which empties the environment first
    event = {
        "pull_request": {"number": 12, "head": {"repo": {"full_name": "o/r"}}, "base": {"repo": {"full_name": "o/r"}}}
    }
    (tmp_path / "event.json").write_text(json.dumps(event), encoding="utf-8")
    for name, value in {
        "GITHUB_API_URL": host.url, "GITHUB_REPOSITORY": "o/r", "GITHUB_TOKEN": TOKEN, "GITHUB_RUN_ID": "77",
        "GITHUB_SERVER_URL": "https://github.com", "GITHUB_EVENT_PATH": str(tmp_path / "event.json"),
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary"), "GITHUB_OUTPUT": str(tmp_path / "output"),
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    return host


# -- texts -----------------------------------------------------------------------------------------------------


def test_every_form_is_printed_or_written(here: Here, checks: Callable[..., None], tmp_path: Path) -> None:
    checks(Change.REGRESSED, Change.SUSPECT)
    begins = {
        ("summary",): "<!-- assay:check:unknown -->\n### assay: 1 regressed, 1 suspect\n",
        ("comment", "--print"): "<!-- assay:check:unknown -->\n### assay: 1 regressed, 1 suspect\n",
        ("junit",): '<?xml version="1.0" encoding="UTF-8"?>\n<testsuite name="assay.unknown" tests="2" ',
        ("annotations",): "::error title=assay%3A regressed%3A case/regressed::",
        ("badge",): '<svg xmlns="http://www.w3.org/2000/svg" ',
        ("badge", "--form", "shields", "--label", "speed"): '{"schemaVersion": 1, "label": "speed", ',
        ("openmetrics",): "# TYPE assay_result_latency_seconds gauge\n",
        ("feed",): '<?xml version="1.0" encoding="UTF-8"?>\n<feed xmlns="http://www.w3.org/2005/Atom">\n',
    }
    for words, begin in begins.items():
        said = here("ci", *words)
        assert (said.code, said.err) == (0, ""), words
        assert said.out.startswith(begin), said.out
        file = tmp_path / "written"
        silent = here("ci", *words, "--output", file)
        assert (silent.code, silent.out, silent.err) == (0, "", "")
        if words != ("feed",):  # whose id is of the moment only where it is empty
            assert file.read_text(encoding="utf-8") == said.out


def test_the_check_that_is_named(here: Here, checks: Callable[..., None]) -> None:
    checks(Change.UNCHANGED)
    checks(Change.REGRESSED)
    assert "### assay: no change\n" in here("ci", "summary", "0197-0").out
    assert "### assay: no change\n" in here("ci", "summary", "last~1").out
    assert "### assay: 1 regressed\n" in here("ci", "summary", "c0ffee12").out
    said = here("ci", "summary", "other")
    assert said.code == 2
    assert "There is no check 'other'" in said.err


def test_strict_is_for_junit_and_annotations(here: Here, checks: Callable[..., None]) -> None:
    checks(Change.INCONCLUSIVE)
    assert [here("ci", "junit", *words).out.count("<skipped") for words in ((), ("--strict",))] == [0, 1]
    assert [here("ci", "annotations", *words).out.count("::warning") for words in ((), ("--strict",))] == [0, 1]


def test_a_feed_is_of_all_checks_or_of_one(here: Here, checks: Callable[..., None]) -> None:
    checks(Change.REGRESSED)
    checks(Change.SUSPECT, Change.UNCHANGED)

    def entries(*words: str) -> int:
        feed = ET.fromstring(here("ci", "feed", *words).out)  # noqa: S314  (our own text)
        return len(feed.findall("{http://www.w3.org/2005/Atom}entry"))

    assert entries() == 2
    assert entries("last") == 1
    assert entries("--all") == 3
    assert entries("--newest", "1") == 1


def test_what_cannot_be_done_says_so(here: Here, checks: Callable[..., None], tmp_path: Path) -> None:
    said = here("ci", "summary")
    assert said.code == 2
    assert "There is no check in the store" in said.err
    checks(Change.NEW)
    for words, message in {
        ("junit", "--output", str(tmp_path / "no" / "file")): "cannot be written: No such file or directory",
        ("summary", "--link", "javascript:x"): "--link: 'javascript:x' is no address of a page",
        ("feed", "--link", "nowhere"): "--link: 'nowhere' is no address of a page",
        ("notify",): "There is nobody to tell",
        ("comment", "--body", str(tmp_path / "none")): "cannot be read",
        ("notify", "--webhook", "s3cret"): "the webhook is no http(s) address",
    }.items():
        said = here("ci", *words, *(["--when", "always"] if words[0] == "notify" else []))
        assert (said.code, said.out) == (2, ""), words
        assert message in said.err
        assert "s3cret" not in said.err


# -- GitHub ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "flags", "code"),
    [
        ([Change.UNCHANGED], [], 0),
        ([Change.REGRESSED, Change.MISSING], [], 1),
        ([Change.MISSING], [], 4),
        ([Change.SUSPECT], [], 0),
        ([Change.SUSPECT], ["--strict"], 3),
    ],
)
def test_github_does_it_all_and_ends_as_the_check_did(
    changes: list[Change],
    flags: list[str],
    code: int,
    here: Here,
    checks: Callable[..., None],
    github: Host,
    tmp_path: Path,
) -> None:
    checks(*changes)
    said = here("ci", "github", *flags, "--junit", tmp_path / "j.xml", "--badge", tmp_path / "b.svg")
    assert said.code == code
    assert said.err == "The comment was created: https://x.example/c\n"
    assert said.out.count("::error") + said.out.count("::warning") == sum(change.is_alarm for change in changes)
    method, path, body = github.asked[-1]
    assert (method, path) == ("POST", "/repos/o/r/issues/12/comments")
    assert "[Full report](https://github.com/o/r/actions/runs/77)" in body["body"]
    assert "### assay: " in (tmp_path / "summary").read_text(encoding="utf-8")
    outputs = (tmp_path / "output").read_text(encoding="utf-8").splitlines()
    assert outputs[outputs.index(next(line for line in outputs if line.startswith("exit-code<<"))) + 1] == str(code)
    assert (tmp_path / "j.xml").exists()
    assert (tmp_path / "b.svg").exists()


def test_a_comment_that_fails_never_hides_what_the_check_said(
    here: Here, checks: Callable[..., None], github: Host
) -> None:
    github.status = 422
    checks(Change.REGRESSED)
    said = here("ci", "github")
    assert said.code == 1
    assert "answered 422" in said.err
    checks(Change.UNCHANGED)
    assert here("ci", "github").code == 2
    assert here("ci", "github", "--no-comment").code == 0
    assert TOKEN not in said.err + said.out


def test_a_fork_is_no_failure(here: Here, checks: Callable[..., None], github: Host, tmp_path: Path) -> None:
    event = {
        "pull_request": {"number": 12, "head": {"repo": {"full_name": "x/r"}}, "base": {"repo": {"full_name": "o/r"}}}
    }
    (tmp_path / "event.json").write_text(json.dumps(event), encoding="utf-8")
    github.status = 403
    checks(Change.UNCHANGED)
    for words in (["github"], ["comment"]):
        said = here("ci", *words)
        assert said.code == 0
        assert "comes from a fork" in said.err
    assert (tmp_path / "summary").read_text(encoding="utf-8").count("> This pull request comes from a fork") == 2


def test_the_summary_of_a_step_is_appended_to(
    here: Here, checks: Callable[..., None], github: Host, tmp_path: Path
) -> None:
    del github
    checks(Change.UNCHANGED)
    for _ in range(2):
        assert here("ci", "summary") == here("ci", "summary", "--output", tmp_path / "x")
    assert (tmp_path / "summary").read_text(encoding="utf-8").count("### assay: no change") == 2
    assert "### assay" in here("ci", "summary", "--print").out


def test_another_job_posts_what_a_forks_job_wrote(
    here: Here, checks: Callable[..., None], github: Host, tmp_path: Path
) -> None:
    checks(Change.REGRESSED)
    assert here("ci", "comment", "--output", tmp_path / "comment.md").code == 0
    assert github.asked == []
    said = here(
        "ci", "comment", "--body", tmp_path / "comment.md", "--pull-request", "7", "--store", tmp_path / "absent"
    )
    assert (said.code, said.err) == (0, "The comment was created: https://x.example/c\n")
    method, path, body = github.asked[-1]
    assert (method, path) == ("POST", "/repos/o/r/issues/7/comments")
    assert body["body"] == (tmp_path / "comment.md").read_text(encoding="utf-8")
    for text in ("anything", "<!-- assay:check:x -->\n" + "x" * 60_000):
        (tmp_path / "evil.md").write_text(text, encoding="utf-8")
        refused = here("ci", "comment", "--body", tmp_path / "evil.md")
        assert (refused.code, len(github.asked)) == (2, 3)
        assert "is no comment of assay's" in refused.err


# -- GitLab and channels ---------------------------------------------------------------------------------------


def test_gitlab_does_it_all(
    here: Here, checks: Callable[..., None], host: Host, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name, value in {
        "GITLAB_CI": "true", "CI_API_V4_URL": f"{host.url}/api/v4", "CI_PROJECT_ID": "7", "CI_MERGE_REQUEST_IID": "12",
        "ASSAY_GITLAB_TOKEN": TOKEN, "CI_JOB_URL": "https://gitlab.example/j/1",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    checks(Change.MISSING)
    files = [tmp_path / name for name in ("j.xml", "m.txt", "b.svg")]
    said = here("ci", "gitlab", "--junit", files[0], "--metrics", files[1], "--badge", files[2])
    assert (said.code, said.out, said.err) == (4, "", "The comment was created: https://x.example/c\n")
    assert host.asked[-1][:2] == ("POST", "/api/v4/projects/7/merge_requests/12/notes")
    assert "[Full report](https://gitlab.example/j/1)" in host.asked[-1][2]["body"]
    assert all(file.exists() for file in files)
    assert here("ci", "comment").err == said.err  # it knows where it runs
    assert here("ci", "gitlab", "--no-comment").err == "No comment was asked for.\n"


def test_channels_are_told_of_alarms(
    here: Here, checks: Callable[..., None], host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASSAY_WEBHOOK", f"{host.url}/hook-s3cret")
    monkeypatch.setenv("ASSAY_SLACK", f"{host.url}/slack-s3cret")
    checks(Change.UNCHANGED)
    said = here("ci", "notify")
    assert (said.code, said.err, host.asked) == (0, "Nobody was told: there is no alarm.\n", [])
    checks(Change.SUSPECT)
    said = here("ci", "notify", "--link", "https://x.example/r")
    assert (said.code, said.out, said.err) == (0, "", "Told.\n")
    (_, webhook, payload), (_, slack, message) = host.asked
    assert (webhook, slack) == ("/hook-s3cret", "/slack-s3cret")
    assert (payload["schema"], payload["headline"], payload["link"]) == (
        "assay.check/1",
        "1 suspect",
        "https://x.example/r",
    )
    assert message["text"] == "assay unknown: 1 suspect"
    host.status = 404
    refused = here("ci", "notify")
    assert refused.code == 2
    assert "answered 404" in refused.err
    assert "s3cret" not in refused.err
    printed = json.loads(here("ci", "notify", "--print").out)
    assert printed["webhook"]["headline"] == "1 suspect"
    assert "s3cret" not in json.dumps(printed)
