"""All that fits into one host in one go: what is written where, and what happens where a comment is refused.

A comment is an extra: where it cannot be made, everything else still is, and what went wrong is returned and not
raised, so that it never hides what the check said. May import: core, analysis.values, ci.
"""

from __future__ import annotations

from dataclasses import dataclass

from assay.analysis.values import CheckReport
from assay.ci.comments import Posted
from assay.ci.github import (
    GithubJob,
    append_summary,
    check_outputs,
    explain_forbidden,
    publish_github_comment,
    write_outputs,
)
from assay.ci.gitlab import GitlabJob, publish_gitlab_note
from assay.ci.http import RefusedError
from assay.ci.markdown import comment_marker, render_check
from assay.ci.values import CheckContext
from assay.core.errors import AssayError

_FORBIDDEN = 403


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the comment: ``posted``, or ``note`` says why there is none, or ``failure`` what went wrong.

    A note is nothing to mend in this job: no pull request, no token, a fork.
    """

    posted: Posted | None = None
    note: str | None = None
    failure: AssayError | None = None

    @property
    def text(self) -> str:
        """One sentence for the job's log."""
        if self.posted is not None:
            page = f": {self.posted.url}" if self.posted.url else "."
            return f"The comment was {'created' if self.posted.is_new else 'updated'}{page}"
        return str(self.failure or self.note or "No comment was asked for.")


def comment_on_github(job: GithubJob, body: str, marker: str) -> Outcome:
    """Comment on the job's pull request; a fork's token that may not is a note and no failure."""
    if job.pull_request is None:
        return Outcome(note="This job is of no pull request, so there is no comment; the check is in the summary.")
    if job.token is None:
        return Outcome(note="There is no GITHUB_TOKEN, so there is no comment; the check is in the summary.")
    try:
        return Outcome(publish_github_comment(job, body, marker))
    except RefusedError as error:
        if job.is_fork and error.status == _FORBIDDEN:
            return Outcome(note=explain_forbidden(job))
        return Outcome(failure=error)
    except AssayError as error:
        return Outcome(failure=error)


def comment_on_gitlab(job: GitlabJob, body: str, marker: str) -> Outcome:
    """Write the note on the job's merge request."""
    if job.merge_request is None:
        return Outcome(note="This job is of no merge request, so there is no note.")
    if job.token is None:
        return Outcome(note="There is no token that may write notes (ASSAY_GITLAB_TOKEN), so there is no note.")
    try:
        return Outcome(publish_gitlab_note(job, body, marker))
    except AssayError as error:
        return Outcome(failure=error)


def publish_on_github(
    job: GithubJob, report: CheckReport, context: CheckContext, *, strict: bool = False, with_comment: bool = True
) -> Outcome:
    """Comment, write the step's summary and outputs. The summary says where there is no comment and should be one.

    Raises AssayError where a file of the step cannot be written.
    """
    outcome = Outcome()
    if with_comment:
        body = render_check(report, context)
        outcome = comment_on_github(job, body, comment_marker(report.suite))
    if job.summary_path is not None:
        missed = job.pull_request is not None and with_comment and outcome.posted is None
        append_summary(job.summary_path, report, context, note=outcome.text if missed else None)
    if job.output_path is not None:
        url = outcome.posted.url if outcome.posted else None
        write_outputs(job.output_path, check_outputs(report, strict=strict, comment_url=url))
    return outcome
