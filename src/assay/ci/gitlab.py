"""GitLab CI: the note on a merge request, and what the job's variables say.

By GitLab's documentation: "Notes API", "Predefined CI/CD variables reference". JUnit and metrics reports are files
that the job names as artifacts, so nothing is sent for them. A job's own token cannot write notes (GitLab issue
464591), so a project access token is needed. May import: core, analysis, ci.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

from assay.analysis.against import fork_point_of
from assay.ci.comments import Posted, Thread, find_login, publish_comment
from assay.ci.http import RefusedError, Server, Sleep, check_address, check_token
from assay.core.errors import UsageError

TOKEN_VARIABLES = ("ASSAY_GITLAB_TOKEN", "GITLAB_TOKEN")
_DENIED = frozenset({401, 403, 404})


@dataclass(frozen=True, slots=True)
class GitlabJob:
    """What GitLab told a job. None: not told, as outside of GitLab or where there is no merge request.

    ``project`` is the project that the merge request is in, which for one from a fork is not the job's.
    """

    api_url: str | None = None
    project: str | None = None
    merge_request: int | None = None
    token: str | None = field(default=None, repr=False)
    base_branch: str | None = None
    job_url: str | None = None
    commit_url: str | None = None

    @property
    def against(self) -> str | None:
        """What ``assay check --against`` takes for this job: where a merge request left its target branch."""
        return fork_point_of(self.base_branch)


def read_gitlab_job(environ: Mapping[str, str]) -> GitlabJob:
    """Read the job from GitLab's variables. Raises UsageError for an address or token that is none."""
    api, number = environ.get("CI_API_V4_URL"), environ.get("CI_MERGE_REQUEST_IID", "")
    tokens = (check_token(environ.get(name), name) for name in TOKEN_VARIABLES)
    page = environ.get("CI_PROJECT_URL")
    return GitlabJob(
        api_url=check_address(api, "CI_API_V4_URL") if api else None,
        project=environ.get("CI_MERGE_REQUEST_PROJECT_ID") or environ.get("CI_PROJECT_ID") or None,
        merge_request=int(number) if number.isdigit() else None, token=next((one for one in tokens if one), None),
        base_branch=environ.get("CI_MERGE_REQUEST_TARGET_BRANCH_NAME") or None,
        job_url=environ.get("CI_JOB_URL") or None, commit_url=f"{page}/-/commit/" if page else None,
    )  # fmt: skip


def publish_gitlab_note(
    job: GitlabJob, body: str, marker: str, *, timeout_s: float = 20.0, sleep: Sleep = time.sleep
) -> Posted:
    """Update our note on the job's merge request, or create it.

    Raises UsageError where the merge request or the token are not known, RefusedError with what to do where GitLab
    refuses, UnreachableError where it cannot be reached.
    """
    if job.api_url is None or job.project is None or job.merge_request is None:
        raise UsageError(
            "It is not known which merge request to comment on.",
            hint="Run the job in merge request pipelines: `rules: - if: $CI_PIPELINE_SOURCE == 'merge_request_event'`.",
        )
    if job.token is None:
        raise UsageError(
            "There is no token that may write notes; a job's own (CI_JOB_TOKEN) may not.",
            hint=f"Make a project access token with scope `api` and keep it in the variable {TOKEN_VARIABLES[0]}.",
        )
    headers = {"PRIVATE-TOKEN": job.token}
    server = Server(job.api_url, headers, (job.token,), timeout_s, sleep=sleep)
    base = f"/projects/{quote(job.project, safe='')}/merge_requests/{job.merge_request}/notes"
    login = find_login(server, "/user", "username")
    thread = Thread(
        server, list_path=f"{base}?per_page=100&sort=asc&order_by=created_at", create_path=base,
        update_path=f"{base}/{{id}}", update_method="PUT",
        is_own=lambda note: login is not None and (note.get("author") or {}).get("username") == login,
        what=f"the note on merge request {job.merge_request}",
    )  # fmt: skip
    try:
        return publish_comment(thread, body, marker)
    except RefusedError as error:
        hint = None
        if error.status in _DENIED:
            hint = "The token needs scope `api` and, in this project, a role that may comment and edit its own notes."
        raise RefusedError(f"{error.message}.", status=error.status, hint=hint) from error
