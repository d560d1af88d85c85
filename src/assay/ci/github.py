"""GitHub Actions: the summary of a step, annotations, outputs, and the comment on a pull request.

The forms are those of GitHub's own documentation: "Workflow commands for GitHub Actions", "Variables reference", and
"REST API endpoints for issue comments" (version 2022-11-28), which also serves pull requests. The address comes from
``GITHUB_API_URL``, so GitHub Enterprise works alike. May import: core, analysis, ci.
"""

from __future__ import annotations

import json
import secrets
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from assay.analysis.against import fork_point_of
from assay.analysis.values import CheckReport, exit_code
from assay.ci.comments import Posted, Thread, find_login, publish_comment
from assay.ci.http import RefusedError, Server, Sleep, check_address, check_token
from assay.ci.lines import format_line, format_reasons, headline, sort_findings
from assay.ci.markdown import SMALLEST_LIMIT_BYTES, render_check
from assay.ci.text import flatten_text, without_surrogates
from assay.ci.values import CheckContext
from assay.core.errors import AssayError, UsageError
from assay.core.records import FindingRecord
from assay.core.words import Change

SUMMARY_LIMIT_BYTES = 1024**2
"""Of everything that one step writes; beyond it GitHub drops all of it."""
ANNOTATIONS_OF_A_KIND = 10
"""GitHub shows no more errors, and no more warnings, of one step."""
_LARGEST_EVENT_BYTES = 32 * 1024**2
_FORBIDDEN, _NOT_FOUND = 403, 404
_ERRORS = frozenset({Change.REGRESSED, Change.MISSING, Change.FAILED})


@dataclass(frozen=True, slots=True)
class GithubJob:
    """What the runner told a step of its job. None: not told, as outside of GitHub Actions.

    ``base_branch`` is what a pull request is to be merged into; ``is_fork`` says that it comes from another repository.
    """

    api_url: str
    repository: str | None = None
    token: str | None = field(default=None, repr=False)
    pull_request: int | None = None
    is_fork: bool = False
    base_branch: str | None = None
    run_url: str | None = None
    commit_url: str | None = None
    summary_path: Path | None = None
    output_path: Path | None = None

    @property
    def against(self) -> str | None:
        """What ``assay check --against`` takes for this job: where a pull request left its base branch."""
        return fork_point_of(self.base_branch)


def read_github_job(environ: Mapping[str, str]) -> GithubJob:
    """Read the job from the variables of the runner and the event's file. Raises UsageError for a variable that lies.

    The token is ``GITHUB_TOKEN``, which a workflow has to hand over.
    """
    repository = environ.get("GITHUB_REPOSITORY") or None
    if repository is not None and repository.count("/") != 1:
        raise UsageError(f"GITHUB_REPOSITORY is {repository!r}; expected owner/name.")
    server, run = environ.get("GITHUB_SERVER_URL", "").rstrip("/"), environ.get("GITHUB_RUN_ID", "")
    page = f"{server}/{repository}" if server and repository else None
    number, is_fork = _read_event(environ.get("GITHUB_EVENT_PATH"))
    return GithubJob(
        api_url=check_address(environ.get("GITHUB_API_URL") or "https://api.github.com", "GITHUB_API_URL"),
        repository=repository, token=check_token(environ.get("GITHUB_TOKEN"), "GITHUB_TOKEN"),
        pull_request=number, is_fork=is_fork, base_branch=environ.get("GITHUB_BASE_REF") or None,
        run_url=f"{page}/actions/runs/{run}" if page and run else None,
        commit_url=f"{page}/commit/" if page else None,
        summary_path=_path(environ.get("GITHUB_STEP_SUMMARY")), output_path=_path(environ.get("GITHUB_OUTPUT")),
    )  # fmt: skip


# -- files of the step -----------------------------------------------------------------------------------------


def append_summary(path: Path, report: CheckReport, context: CheckContext, *, note: str | None = None) -> bool:
    """Append the check to the step's summary, as long as the room that is left; False where there is none.

    ``note`` is a sentence of ours that stands first. Raises AssayError where the file cannot be written.
    """
    begun = path.stat().st_size if path.exists() else 0
    first = f"\n> {note}\n\n" if note else "\n"
    room = SUMMARY_LIMIT_BYTES - begun - len(first.encode())
    if room < SMALLEST_LIMIT_BYTES:
        return False
    _append(path, first + render_check(report, context, limit_bytes=room))
    return True


def write_outputs(path: Path, outputs: Mapping[str, str]) -> None:
    """Append the outputs of the step. Each has a delimiter that nobody can guess, so no text can end it early."""
    lines = []
    for name, value in outputs.items():
        delimiter = f"assay-{secrets.token_hex(16)}"
        lines.append(f"{name}<<{delimiter}\n{without_surrogates(value)}\n{delimiter}\n")
    _append(path, "".join(lines))


def check_outputs(report: CheckReport, *, strict: bool, comment_url: str | None = None) -> dict[str, str]:
    """Return what later steps may ask: the headline, how many of each verdict, the exit code, the ids."""
    counts = Counter(one.change for one in report.findings if one.muted is None)
    return {
        "headline": headline(report), "exit-code": str(exit_code(report, strict=strict)),
        "alarms": str(len(report.alarms())), **{str(change): str(counts[change]) for change in Change},
        "check-id": report.check_id, "run-id": report.run_id, "comment-url": comment_url or "",
    }  # fmt: skip


def _append(path: Path, text: str) -> None:
    try:
        with path.open("a", encoding="utf-8", newline="\n") as file:
            file.write(text)
    except OSError as error:
        raise AssayError(f"{path} cannot be written: {error.strerror}.") from error


# -- annotations -----------------------------------------------------------------------------------------------


def render_annotations(report: CheckReport, *, strict: bool = False) -> str:
    """Return workflow commands: an error for what regressed, is missing or failed, a warning for what is suspect.

    With ``strict`` what is inconclusive is a warning too. At most ten of each, the last of which counts the rest.
    """
    heard = sort_findings([one for one in report.findings if one.muted is None])
    warned = {Change.SUSPECT, Change.INCONCLUSIVE} if strict else {Change.SUSPECT}
    errors = _annotate("error", [one for one in heard if one.change in _ERRORS])
    return "".join(errors + _annotate("warning", [one for one in heard if one.change in warned]))


def _annotate(kind: str, findings: list[FindingRecord]) -> list[str]:
    shown = findings if len(findings) <= ANNOTATIONS_OF_A_KIND else findings[: ANNOTATIONS_OF_A_KIND - 1]
    lines = [
        _command(kind, f"assay: {one.change}: {one.case_label}", f"{format_line(one)}\n{format_reasons(one)}".strip())
        for one in shown
    ]
    if rest := len(findings) - len(shown):
        lines.append(_command(kind, "assay", f"and {rest} more like these; see the summary"))
    return lines


def _command(kind: str, title: str, message: str) -> str:
    lines = [flatten_text(line, 1000) for line in message.splitlines()]
    return f"::{kind} title={_escape_property(flatten_text(title, 200))}::{_escape_data(chr(10).join(lines))}\n"


def _escape_data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _escape_property(text: str) -> str:
    return _escape_data(text).replace(":", "%3A").replace(",", "%2C")


# -- the comment -----------------------------------------------------------------------------------------------


def publish_github_comment(
    job: GithubJob, body: str, marker: str, *, timeout_s: float = 20.0, sleep: Sleep = time.sleep
) -> Posted:
    """Update our comment on the job's pull request, or create it.

    Raises UsageError where repository, pull request or token are not known, RefusedError with the reason and what to
    do where GitHub refuses, UnreachableError where it cannot be reached.
    """
    if job.repository is None or job.pull_request is None:
        missing = "repository (GITHUB_REPOSITORY)" if job.repository is None else "pull request"
        raise UsageError(f"It is not known which {missing} to comment on.", hint="Name it: --pull-request N.")
    if job.token is None:
        raise UsageError("There is no token.", hint="Hand it over: `env: GITHUB_TOKEN: ${{ github.token }}`.")
    headers = {
        "Authorization": f"Bearer {job.token}", "Accept": "application/vnd.github+json",
        "X-GitHub-Api-Version": "2022-11-28",
    }  # fmt: skip
    server = Server(job.api_url, headers, (job.token,), timeout_s, sleep=sleep)
    base = f"/repos/{quote(job.repository)}/issues"
    login = find_login(server, "/user", "login")
    thread = Thread(
        server, list_path=f"{base}/{job.pull_request}/comments?per_page=100",
        create_path=f"{base}/{job.pull_request}/comments", update_path=f"{base}/comments/{{id}}",
        update_method="PATCH", is_own=lambda comment: _is_own(comment, login),
        what=f"the comment on pull request {job.pull_request} of {job.repository}",
    )  # fmt: skip
    try:
        return publish_comment(thread, body, marker)
    except RefusedError as error:
        hint = "Does GITHUB_TOKEN belong to this repository, and has it not expired?"
        if error.status in (_FORBIDDEN, _NOT_FOUND):
            hint = explain_forbidden(job)
        raise RefusedError(f"{error.message}.", status=error.status, hint=hint) from error


def explain_forbidden(job: GithubJob) -> str:
    """Return why GitHub lets this job not comment, as far as can be told, and what to do."""
    if job.is_fork:
        return (
            "This pull request comes from a fork, whose jobs get a token that can only read. The check is in the "
            "summary of this job; docs/ci.md says how a second workflow can comment."
        )
    return "The job needs the permission `pull-requests: write`; the check is in the summary of this job."


def _is_own(comment: Mapping[str, Any], login: str | None) -> bool:
    """Of a token that may not ask who it is, as the job's own may not, the comments of bots are its own."""
    user = comment.get("user")
    if not isinstance(user, dict):
        return False
    return bool(user.get("type") == "Bot") if login is None else user.get("login") == login


def _read_event(path: str | None) -> tuple[int | None, bool]:
    """Return the number of the event's pull request and whether it comes from a fork."""
    if not path:
        return None, False
    try:
        file = Path(path)
        event = json.loads(file.read_bytes()) if file.stat().st_size <= _LARGEST_EVENT_BYTES else None
    except (OSError, ValueError):
        return None, False
    if not isinstance(event, dict):
        return None, False
    pull = event.get("pull_request")
    if not isinstance(pull, dict):
        # A comment on a pull request is an event of an issue.
        issue = event.get("issue")
        pull = issue if isinstance(issue, dict) and "pull_request" in issue else {}
    number = pull.get("number")
    head, base = (_repository(pull.get(side)) for side in ("head", "base"))
    # Of a fork that was deleted the head has no repository.
    is_fork = "head" in pull and head != base
    return (number if isinstance(number, int) and not isinstance(number, bool) else None), is_fork


def _repository(side: Any) -> Any:
    repository = side.get("repo") if isinstance(side, dict) else None
    return repository.get("full_name") if isinstance(repository, dict) else None


def _path(text: str | None) -> Path | None:
    return Path(text) if text else None
