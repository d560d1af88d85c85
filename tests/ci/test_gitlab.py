"""GitLab: what a job is told, and the note against a server that does as GitLab does."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from assay.ci.gitlab import GitlabJob, publish_gitlab_note, read_gitlab_job
from assay.ci.http import RefusedError
from assay.ci.markdown import comment_marker
from assay.ci.publish import comment_on_gitlab
from assay.core.errors import UsageError

TOKEN = "token-0123456789abcdef"  # noqa: S105  (of the server in conftest.py)
MARKER = comment_marker("ci")
BODY = f"{MARKER}\nsomething"


def job_of(notes: Any, **more: Any) -> GitlabJob:
    return replace(GitlabJob(f"{notes.host.url}/api/v4", "7", 12, TOKEN), **more)


def publish(notes: Any, body: str = BODY, **more: Any) -> Any:
    return publish_gitlab_note(job_of(notes, **more), body, MARKER, sleep=notes.host.sleep)


def test_what_the_variables_say() -> None:
    job = read_gitlab_job({
        "CI_API_V4_URL": "https://gitlab.example/api/v4", "CI_PROJECT_ID": "8", "CI_MERGE_REQUEST_PROJECT_ID": "7",
        "CI_MERGE_REQUEST_IID": "12", "GITLAB_TOKEN": "other", "ASSAY_GITLAB_TOKEN": TOKEN, "CI_JOB_TOKEN": "never",
        "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main", "CI_JOB_URL": "https://gitlab.example/j/1",
        "CI_PROJECT_URL": "https://gitlab.example/g/p",
    })  # fmt: skip
    assert job == GitlabJob(
        "https://gitlab.example/api/v4", "7", 12, TOKEN, "main", "https://gitlab.example/j/1",
        "https://gitlab.example/g/p/-/commit/",
    )  # fmt: skip
    assert job.against == "fork-point:origin/main"
    assert TOKEN not in repr(job)
    assert read_gitlab_job({}) == GitlabJob()
    assert read_gitlab_job({"CI_MERGE_REQUEST_IID": "x"}).merge_request is None


def test_the_note_is_created_and_then_updated_over_pages(gitlab: Any) -> None:
    for n in range(7):
        gitlab.add(f"somebody's {n}", author={"username": "person"})
    assert publish(gitlab).is_new
    assert not publish(gitlab, f"{MARKER}\nnewer").is_new
    assert [row["body"] for row in gitlab.rows[7:]] == [f"{MARKER}\nnewer"]
    assert gitlab.host.methods() == ["GET"] * 4 + ["POST"] + ["GET"] * 4 + ["PUT"]
    assert gitlab.host.asked[1].query == {"per_page": "100", "sort": "asc", "order_by": "created_at"}


def test_notes_of_others_are_never_touched(gitlab: Any) -> None:
    gitlab.add(BODY, author={"username": "person"})
    gitlab.add(BODY, author=None)
    assert publish(gitlab).is_new
    gitlab.host.troubles.append((403, {}, {"message": "403 Forbidden"}))  # who the token belongs to is not told
    assert publish(gitlab).is_new


@pytest.mark.parametrize("status", [401, 403, 404])
def test_refusals_say_what_to_do(gitlab: Any, status: int) -> None:
    gitlab.host.troubles.append(lambda one: (status, {}, {"message": f"{status} no"}) if one.method == "POST" else None)
    with pytest.raises(RefusedError, match=f"answered {status} .*: {status} no.*scope `api`") as caught:
        publish(gitlab)
    assert TOKEN not in str(caught.value)


def test_a_wrong_token(gitlab: Any) -> None:
    with pytest.raises(RefusedError, match="401 Unauthorized"):
        publish(gitlab, token="wrong-token")  # noqa: S106  (the point)
    assert gitlab.rows == []


def test_what_is_not_known_is_asked_for(gitlab: Any) -> None:
    with pytest.raises(UsageError, match="merge_request_event"):
        publish(gitlab, merge_request=None)
    with pytest.raises(UsageError, match="ASSAY_GITLAB_TOKEN"):
        publish(gitlab, token=None)
    outcomes = [
        comment_on_gitlab(job_of(gitlab, **more), BODY, MARKER) for more in ({"merge_request": None}, {"token": None})
    ]
    assert [outcome.failure for outcome in outcomes] == [None, None]
    assert gitlab.host.asked == []


def test_what_goes_wrong_is_returned(gitlab: Any) -> None:
    assert isinstance(comment_on_gitlab(job_of(gitlab, project="9"), BODY, MARKER).failure, RefusedError)
    assert comment_on_gitlab(job_of(gitlab), BODY, MARKER).text == "The comment was created."
