"""Notifications: when, what, and to a real server."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from assay.analysis.values import CheckReport
from assay.ci.http import RefusedError
from assay.ci.notify import MOST_FINDINGS, SCHEMA, is_wanted, make_payload, make_slack_payload, send
from assay.ci.values import CheckContext
from assay.ci.words import When
from assay.core.errors import UsageError
from assay.core.records import FindingRecord
from assay.core.words import Change

MakeFinding = Callable[..., FindingRecord]
MakeReport = Callable[..., CheckReport]
SECRET = "/services/T000/B000/s3cret"  # noqa: S105  (of the servers below)


def test_told_of_alarms_by_default(make_finding: MakeFinding, make_report: MakeReport) -> None:
    def wanted(*changes: Change, muted: str | None = None) -> list[bool]:
        report = make_report(*(make_finding(f"{change}", change, muted=muted) for change in changes))
        return [is_wanted(report, when) for when in When]

    assert wanted(Change.UNCHANGED, Change.INCONCLUSIVE) == [False, False, True]
    assert wanted(Change.IMPROVED) == [False, True, True]
    assert wanted(Change.IMPROVED, muted="known") == [False, False, True]
    for change in (Change.REGRESSED, Change.SUSPECT, Change.MISSING, Change.FAILED):
        assert wanted(change) == [True, True, True]
        assert wanted(change, muted="known") == [False, False, True]


def test_the_payload_is_worst_first_and_counts_what_it_leaves_out(
    mixed: CheckReport, make_finding: MakeFinding
) -> None:
    payload = make_payload(mixed, CheckContext(reference_branch="main", link="https://x.example/r"), strict=True)
    assert payload["schema"] == SCHEMA == "assay.check/1"
    assert payload["counts"] == {str(change): 1 + (change is Change.REGRESSED) for change in Change}
    assert (payload["alarms"], payload["exit_code"], payload["reference_branch"]) == (4, 1, "main")
    assert [one["change"] for one in payload["findings"]] == ["regressed", "failed", "missing", "suspect", "improved"]
    assert payload["findings"][0]["ratio"] == 1.102
    assert payload["findings"][2]["ratio"] is None
    many = replace(mixed, findings=tuple(make_finding(f"case {n}", Change.SUSPECT) for n in range(150)))
    payload = make_payload(many, CheckContext())
    assert (len(payload["findings"]), payload["findings_left_out"]) == (MOST_FINDINGS, 50)


def test_every_field_of_the_payload_is_documented(mixed: CheckReport) -> None:
    page = (Path(__file__).parents[2] / "docs" / "ci.md").read_text(encoding="utf-8")
    section = page.partition("### The webhook's JSON")[2].partition("\n## ")[0].partition("\n### ")[0]
    documented = {line.split("`")[1] for line in section.splitlines() if line.startswith("| `")}
    payload = make_payload(mixed, CheckContext())
    assert documented == {*payload, *(f"findings[].{name}" for name in payload["findings"][0])}


def test_a_message_for_slack(mixed: CheckReport, make_finding: MakeFinding) -> None:
    message = make_slack_payload(mixed, CheckContext(link="https://x.example/r"))
    header, context, *rest = message["blocks"]
    assert header["text"]["text"].startswith("assay ci: 1 regressed, 1 failed")
    assert context["elements"][0]["text"] == "run c0ffee12, commit bbbbbbb, branch feature/x, against history"
    assert rest[0]["text"]["text"].startswith("regressed: case/regressed, latency_ns median: +10.2 % (worse)")
    assert rest[-1]["elements"][0]["url"] == "https://x.example/r"
    many = replace(mixed, findings=tuple(make_finding(f"{n} {'x' * 900}", Change.SUSPECT) for n in range(150)))
    blocks = make_slack_payload(many, CheckContext())["blocks"]
    assert blocks[-1]["text"]["text"] == "and 135 more"
    assert sum(len(json.dumps(block)) for block in blocks) < 13_000


def test_sent_again_until_it_arrives(serve: Callable[..., Any], mixed: CheckReport) -> None:
    host = serve(lambda _: (200, {}, b"ok"))
    host.troubles += [(503, {}, {}), (429, {"Retry-After": "2"}, {})]
    payload = make_payload(mixed, CheckContext())
    send(f"{host.url}{SECRET}", payload, what="the webhook", sleep=host.sleep)
    assert host.methods() == ["POST"] * 3
    assert host.slept == [1.0, 2.0]
    assert host.asked[-1].path == SECRET
    assert host.asked[-1].body == json.loads(json.dumps(payload))


@pytest.mark.parametrize("status", [302, 400, 403, 404, 410, 500])
def test_the_address_is_in_no_message(serve: Callable[..., Any], status: int) -> None:
    host = serve(lambda one: (status, {"Location": "/x"}, f"no_service for {one.path}".encode()))
    with pytest.raises(
        RefusedError, match=rf"127\.0\.0\.1 answered {status} .* to POST the webhook: no_service"
    ) as caught:
        send(f"{host.url}{SECRET}", {}, what="the webhook", sleep=host.sleep)
    assert "s3cret" not in str(caught.value)
    with pytest.raises(UsageError) as usage:
        send(SECRET, {}, what="the webhook")
    assert "s3cret" not in str(usage.value)
