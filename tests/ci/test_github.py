"""GitHub: what a job is told, the files of its step, and the comment against a server that does as GitHub does."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from assay.analysis.values import CheckReport
from assay.ci.github import (
    SUMMARY_LIMIT_BYTES,
    GithubJob,
    append_summary,
    check_outputs,
    publish_github_comment,
    read_github_job,
    render_annotations,
)
from assay.ci.http import RefusedError, UnreachableError
from assay.ci.markdown import comment_marker, render_check
from assay.ci.publish import comment_on_github, publish_on_github
from assay.ci.values import CheckContext
from assay.core.errors import AssayError, UsageError
from assay.core.records import FindingRecord
from assay.core.words import Change

TOKEN = "token-0123456789abcdef"  # noqa: S105  (of the server in conftest.py)
MARKER = comment_marker("ci")
BODY = f"{MARKER}\nsomething"
BOT = {"login": "github-actions[bot]", "type": "Bot"}

MakeFinding = Callable[..., FindingRecord]
MakeReport = Callable[..., CheckReport]


def job_of(comments: Any, **more: Any) -> GithubJob:
    return replace(GithubJob(comments.host.url, "o/r", TOKEN, 12), **more)


def publish(comments: Any, body: str = BODY, **more: Any) -> Any:
    return publish_github_comment(job_of(comments, **more), body, MARKER, sleep=comments.host.sleep)


# -- the job ---------------------------------------------------------------------------------------------------


def pull(number: object = 12, head: object = "o/r") -> dict[str, Any]:
    repo = None if head is None else {"full_name": head}
    return {"number": number, "head": {"repo": repo}, "base": {"repo": {"full_name": "o/r"}}}


@pytest.mark.parametrize(
    ("event", "number", "is_fork"),
    [
        ({"pull_request": pull()}, 12, False),
        ({"pull_request": pull(head="other/r")}, 12, True),
        ({"pull_request": pull(head=None)}, 12, True),
        ({"issue": {"number": 12, "pull_request": {}}}, 12, False),
        ({"issue": {"number": 12}}, None, False),
        ({"ref": "refs/heads/main"}, None, False),
        ({"pull_request": pull(number="12; rm")}, None, False),
        ({"pull_request": pull(number=True)}, None, False),
        ([], None, False),
        ("no json", None, False),
    ],
)
def test_what_the_event_says(event: object, number: int | None, *, is_fork: bool, tmp_path: Path) -> None:
    path = tmp_path / "event.json"
    path.write_text(event if isinstance(event, str) else json.dumps(event), encoding="utf-8")
    job = read_github_job({"GITHUB_EVENT_PATH": str(path)})
    assert (job.pull_request, job.is_fork) == (number, is_fork)


def test_what_the_variables_say(tmp_path: Path) -> None:
    job = read_github_job({
        "GITHUB_API_URL": "https://ghe.example/api/v3", "GITHUB_SERVER_URL": "https://ghe.example",
        "GITHUB_REPOSITORY": "o/r", "GITHUB_RUN_ID": "77", "GITHUB_TOKEN": f"{TOKEN}\n", "GITHUB_BASE_REF": "main",
        "GITHUB_STEP_SUMMARY": str(tmp_path / "s"), "GITHUB_OUTPUT": str(tmp_path / "o"),
        "GITHUB_EVENT_PATH": str(tmp_path / "absent"),
    })  # fmt: skip
    assert job == GithubJob(
        "https://ghe.example/api/v3", "o/r", TOKEN, base_branch="main",
        run_url="https://ghe.example/o/r/actions/runs/77", commit_url="https://ghe.example/o/r/commit/",
        summary_path=tmp_path / "s", output_path=tmp_path / "o",
    )  # fmt: skip
    assert job.against == "fork-point:origin/main"
    assert TOKEN not in repr(job)


def test_outside_of_github() -> None:
    job = read_github_job({})
    assert job == GithubJob("https://api.github.com")
    assert job.against is None
    with pytest.raises(UsageError, match="GITHUB_REPOSITORY is 'x'"):
        read_github_job({"GITHUB_REPOSITORY": "x"})
    with pytest.raises(UsageError, match="GITHUB_API_URL is no http"):
        read_github_job({"GITHUB_API_URL": "file:///etc"})


# -- files of the step -----------------------------------------------------------------------------------------


def test_the_summary_is_appended_and_never_longer_than_github_takes(
    tmp_path: Path, make_finding: MakeFinding, make_report: MakeReport
) -> None:
    path = tmp_path / "summary"
    report = make_report(*(make_finding(f"case {n} {'x' * 150}", Change.SUSPECT) for n in range(5500)))
    path.write_text("before\n", encoding="utf-8")
    assert append_summary(path, report, CheckContext(), note="a note")
    text = path.read_text(encoding="utf-8")
    assert text.startswith(f"before\n\n> a note\n\n{MARKER}\n")
    assert SUMMARY_LIMIT_BYTES * 0.8 < path.stat().st_size <= SUMMARY_LIMIT_BYTES
    size = path.stat().st_size
    path.write_text("x" * (SUMMARY_LIMIT_BYTES - 1000), encoding="utf-8")
    assert not append_summary(path, report, CheckContext())
    assert path.stat().st_size == SUMMARY_LIMIT_BYTES - 1000 != size


def test_a_file_that_cannot_be_written_is_an_error(tmp_path: Path, mixed: CheckReport) -> None:
    with pytest.raises(AssayError, match="cannot be written"):
        append_summary(tmp_path / "absent" / "summary", mixed, CheckContext())


def test_outputs_say_what_later_steps_ask(mixed: CheckReport) -> None:
    outputs = check_outputs(mixed, strict=False)
    assert outputs["headline"].startswith("1 regressed, 1 failed, 1 missing")
    assert (outputs["exit-code"], outputs["alarms"], outputs["regressed"], outputs["new"]) == ("1", "4", "1", "1")
    assert outputs["comment-url"] == ""
    calm = replace(mixed, findings=tuple(one for one in mixed.findings if one.change is Change.INCONCLUSIVE))
    assert [check_outputs(calm, strict=strict)["exit-code"] for strict in (False, True)] == ["0", "3"]


def test_annotations_are_errors_and_warnings(mixed: CheckReport) -> None:
    lines = render_annotations(mixed).splitlines()
    assert [line.partition("%3A case")[0] for line in lines] == [
        "::error title=assay%3A regressed", "::error title=assay%3A failed", "::error title=assay%3A missing",
        "::warning title=assay%3A suspect",
    ]  # fmt: skip
    assert lines[1].endswith("::failed: case/failed, latency_ns median%0Afailed: out of memory")
    assert render_annotations(mixed, strict=True).count("::warning") == 2


def test_no_more_annotations_than_github_shows(make_finding: MakeFinding, make_report: MakeReport) -> None:
    report = make_report(
        *(make_finding(f"case {n}", Change.MISSING) for n in range(23)), make_finding("x", Change.SUSPECT)
    )
    lines = render_annotations(report).splitlines()
    assert len(lines) == 11
    assert lines[9] == "::error title=assay::and 14 more like these; see the summary"
    assert render_annotations(make_report(*report.findings[:10])).count("\n") == 10


# -- the comment -----------------------------------------------------------------------------------------------


def test_the_first_comment_is_created_and_the_next_takes_its_place(github: Any) -> None:
    for n in range(8):
        github.add(f"somebody's {n}", user={"login": "person", "type": "User"})
    first = publish(github)
    assert (first.is_new, first.url) == (True, "https://github.com/o/r/pull/12#issuecomment-109")
    github.add("one more", user={"login": "person", "type": "User"})
    second = publish(github, f"{MARKER}\nnewer")
    assert (second.is_new, second.url) == (False, first.url)
    assert [row["body"] for row in github.rows[8:]] == [f"{MARKER}\nnewer", "one more"]
    pages = [one.query for one in github.host.asked if one.path.endswith("/comments") and one.method == "GET"]
    assert [one.get("page") for one in pages] == [None, "2", "3", None, "2", "3"]
    assert pages[0] == {"per_page": "100"}
    assert github.host.asked[0].headers["x-github-api-version"] == "2022-11-28"


def test_comments_of_others_are_never_touched(github: Any) -> None:
    github.add(BODY, user={"login": "person", "type": "User"})
    github.add(f"> {MARKER}\nquoted", user=BOT)
    github.add(f"{comment_marker('other')}\nanother suite's", user=BOT)
    github.add(BODY, user=None)
    github.add("", user=BOT)
    before = [row["body"] for row in github.rows]
    assert publish(github).is_new
    assert [row["body"] for row in github.rows[:-1]] == before


def test_a_token_of_a_person_updates_what_that_person_wrote(github: Any) -> None:
    github.add(BODY, user=BOT)
    mine = github.add(BODY, user={"login": "me", "type": "User"})
    github.host.troubles.append(lambda one: (200, {}, {"login": "me"}) if one.path == "/user" else None)
    assert not publish(github, f"{MARKER}\nnewer").is_new
    assert mine["body"].endswith("newer")


def test_a_comment_that_arrived_after_all_is_not_made_twice(github: Any) -> None:
    def arrive_and_fail(request: Any) -> Any:
        if request.method != "POST":
            return None
        github.add(request.body["body"], user=BOT)
        return 502, {}, {"message": "Bad gateway"}

    github.host.troubles.append(arrive_and_fail)
    assert not publish(github).is_new
    assert len(github.rows) == 1
    assert github.host.methods() == ["GET", "GET", "POST", "GET", "PATCH"]


def test_a_server_that_keeps_failing_is_given_up(github: Any) -> None:
    github.host.troubles += [lambda one: (500, {}, {}) if one.method == "POST" else None] * 3
    with pytest.raises(RefusedError, match="answered 500"):
        publish(github)
    assert github.host.methods().count("POST") == 3


def test_another_server_than_the_job_was_told_is_reached_by_nobody(github: Any) -> None:
    with pytest.raises(UnreachableError):
        publish(github, api_url="http://127.0.0.1:1")


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ((401, {"message": "Bad credentials"}), "answered 401 .*Bad credentials.*not expired"),
        ((403, {"message": "Resource not accessible by integration"}), "answered 403 .*pull-requests: write"),
        ((404, {"message": "Not Found"}), "answered 404 .*pull-requests: write"),
        ((422, {"message": "Validation Failed"}), "answered 422 .*Validation Failed"),
    ],
)
def test_refusals_say_what_to_do(github: Any, answer: tuple[int, Any], message: str) -> None:
    github.host.troubles.append(lambda one: (answer[0], {}, answer[1]) if one.method == "POST" else None)
    with pytest.raises(RefusedError, match=message) as caught:
        publish(github)
    assert TOKEN not in str(caught.value)
    assert "pull request 12 of o/r" in str(caught.value)


def test_what_is_not_known_is_asked_for(github: Any) -> None:
    for job, message in (
        (job_of(github, repository=None), "GITHUB_REPOSITORY"),
        (job_of(github, pull_request=None), "--pull-request N"),
        (job_of(github, token=None), "no token"),
    ):
        with pytest.raises(UsageError, match=message):
            publish_github_comment(job, BODY, MARKER)
    assert github.host.asked == []


# -- all of it -------------------------------------------------------------------------------------------------


def refuse_writing(request: Any) -> Any:
    return (403, {}, {"message": "Resource not accessible by integration"}) if request.method == "POST" else None


def test_a_fork_gets_its_summary_and_is_told_why_there_is_no_comment(
    github: Any, tmp_path: Path, mixed: CheckReport
) -> None:
    github.host.troubles.append(refuse_writing)
    job = job_of(github, is_fork=True, summary_path=tmp_path / "s", output_path=tmp_path / "o")
    outcome = publish_on_github(job, mixed, CheckContext())
    assert (outcome.posted, outcome.failure) == (None, None)
    assert "comes from a fork" in outcome.text
    summary = (tmp_path / "s").read_text(encoding="utf-8")
    assert summary.startswith("\n> This pull request comes from a fork")
    assert "### assay: 1 regressed" in summary
    assert "comment-url<<" in (tmp_path / "o").read_text(encoding="utf-8")


def test_a_refusal_that_is_no_forks_is_a_failure_and_the_summary_is_written(
    github: Any, tmp_path: Path, mixed: CheckReport
) -> None:
    github.host.troubles.append(refuse_writing)
    outcome = publish_on_github(job_of(github, summary_path=tmp_path / "s"), mixed, CheckContext())
    assert isinstance(outcome.failure, RefusedError)
    assert "pull-requests: write" in (tmp_path / "s").read_text(encoding="utf-8")


def test_all_goes_well(github: Any, tmp_path: Path, mixed: CheckReport) -> None:
    job = job_of(github, summary_path=tmp_path / "s", output_path=tmp_path / "o")
    outcome = publish_on_github(job, mixed, CheckContext(), strict=True)
    assert outcome.text == "The comment was created: https://github.com/o/r/pull/12#issuecomment-101"
    assert github.rows[0]["body"] == render_check(mixed)
    assert (tmp_path / "s").read_text(encoding="utf-8") == "\n" + render_check(
        mixed, limit_bytes=SUMMARY_LIMIT_BYTES - 1
    )
    assert "https://github.com/o/r/pull/12#issuecomment-101" in (tmp_path / "o").read_text(encoding="utf-8")


def test_no_pull_request_and_no_token_are_no_failures(github: Any, tmp_path: Path, mixed: CheckReport) -> None:
    for more in ({"pull_request": None}, {"token": None}):
        outcome = comment_on_github(job_of(github, **more), BODY, MARKER)
        assert outcome.failure is None
        assert "there is no comment" in outcome.text
    publish_on_github(job_of(github, pull_request=None, summary_path=tmp_path / "s"), mixed, CheckContext())
    assert (tmp_path / "s").read_text(encoding="utf-8").startswith(f"\n{MARKER}")
    assert (
        publish_on_github(job_of(github), mixed, CheckContext(), with_comment=False).text == "No comment was asked for."
    )
    assert github.host.asked == []
