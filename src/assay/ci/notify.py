"""Telling a channel: a plain webhook with JSON of a documented schema, or a message in Slack's format.

The address of a webhook is a secret and stands in no message. May import: core, analysis.values, ci.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from typing import Any

from assay import __version__
from assay.analysis.values import CheckReport, exit_code
from assay.ci.http import Server, Sleep, ask, check_address
from assay.ci.lines import format_line, format_reasons, headline, short_hash, short_id, sort_findings
from assay.ci.text import flatten_text
from assay.ci.values import CheckContext
from assay.ci.words import When
from assay.core.records import FindingRecord
from assay.core.words import Change

SCHEMA = "assay.check/1"
"""Name and version of the webhook's JSON. A field that is added keeps it; one that changes or goes does not."""
MOST_FINDINGS = 100
"""In one notification, worst first; ``findings_left_out`` counts the rest."""
_SLACK_FINDINGS = 15
_SLACK_HEADER_LETTERS = 150
_SLACK_LINE_LETTERS = 400
"""15 such lines stay below Slack's 13 000 or so for all blocks together, and each below its 3 000 for one."""


def is_wanted(report: CheckReport, when: When) -> bool:
    """Say whether this check is something to tell of."""
    if when is When.ALWAYS or report.alarms():
        return True
    improved = any(one.change is Change.IMPROVED and one.muted is None for one in report.findings)
    return when is When.CHANGE and improved


def make_payload(report: CheckReport, context: CheckContext, *, strict: bool = False) -> dict[str, Any]:
    """Return what a webhook gets: plain JSON values, numbers in base units, null for what is not known."""
    told = _told(report)
    return {
        "schema": SCHEMA, "assay_version": __version__, "headline": headline(report), "suite": report.suite,
        "check_id": report.check_id, "run_id": report.run_id, "created_at": report.created_at.isoformat(),
        "git_commit": report.git_commit, "git_branch": report.git_branch, "git_dirty": report.git_dirty,
        "against": report.against, "reference_run_id": report.reference_run_id,
        "reference_git_commit": report.reference_git_commit, "reference_branch": context.reference_branch,
        "environment_break": report.environment_break, "expected": report.expected, "alarms": len(report.alarms()),
        "exit_code": exit_code(report, strict=strict),
        "counts": {str(change): count for change, count in report.counts().items()}, "link": context.link,
        "findings": [_plain_finding(one) for one in told[:MOST_FINDINGS]],
        "findings_left_out": max(0, len(told) - MOST_FINDINGS),
    }  # fmt: skip


def make_slack_payload(report: CheckReport, context: CheckContext) -> dict[str, Any]:
    """Return a message for Slack's incoming webhooks, which Mattermost and others read too.

    Texts are plain and not Slack's markup, so that no name in them can become a link or call a channel.
    """
    title = f"assay {report.suite}: {headline(report)}"
    about = [f"run {short_id(report.run_id)}"]
    if report.git_commit:
        about.append(f"commit {short_hash(report.git_commit)}")
    if report.git_branch:
        about.append(f"branch {report.git_branch}")
    about.append(f"against {report.against}")
    if report.environment_break is not None:
        about.append(f"environment changed: {report.environment_break}")
    told = _told(report)
    lines = [_slack_text(format_line(one), _SLACK_LINE_LETTERS) for one in told[:_SLACK_FINDINGS]]
    if len(told) > _SLACK_FINDINGS:
        lines.append(_slack_text(f"and {len(told) - _SLACK_FINDINGS} more", _SLACK_LINE_LETTERS))
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": _slack_text(title, _SLACK_HEADER_LETTERS)},
        {"type": "context", "elements": [_slack_text(", ".join(about), _SLACK_LINE_LETTERS)]},
        *({"type": "section", "text": line} for line in lines),
    ]
    if context.link is not None:
        button = {"type": "button", "text": _slack_text("Full report", 75), "url": context.link}
        blocks.append({"type": "actions", "elements": [button]})
    return {"text": _escape_slack(flatten_text(title, 300)), "mrkdwn": False, "blocks": blocks}


def send(
    address: str, payload: Mapping[str, Any], *, what: str, timeout_s: float = 20.0, sleep: Sleep = time.sleep
) -> None:
    """POST a payload to a webhook, again where that may help: told twice is better than not told.

    Raises UsageError for an address that is none, RefusedError, UnreachableError; none of them shows the address.
    """
    server = Server(check_address(address, what), timeout_s=timeout_s, sleep=sleep)
    ask(server, "POST", body=dict(payload), what=what, is_repeatable=True)


def _told(report: CheckReport) -> list[FindingRecord]:
    """Return what a channel reads of: alarms, and what improved; not what is muted, nor what says nothing."""
    wanted = [one for one in report.findings if one.change.is_alarm or one.change is Change.IMPROVED]
    return sort_findings([one for one in wanted if one.muted is None])


def _plain_finding(finding: FindingRecord) -> dict[str, Any]:
    names: Sequence[str] = (
        "finding_id", "series_id", "case_label", "hardware", "metric", "stat", "unit", "method", "value",
        "reference_value", "ratio", "is_worse", "ci_lo", "ci_hi", "p", "q", "p_slower", "floor", "launches",
        "environment_break",
    )  # fmt: skip
    plain = {name: _plain_value(getattr(finding, name)) for name in names}
    return {"change": str(finding.change), **plain, "line": format_line(finding), "why": format_reasons(finding)}


def _plain_value(value: Any) -> Any:
    """JSON has no word for what is not a number or is infinite, and neither is a measurement."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _slack_text(text: str, limit: int) -> dict[str, Any]:
    return {"type": "plain_text", "text": flatten_text(text, limit) or "-", "emoji": False}


def _escape_slack(text: str) -> str:
    """Escape the three letters that Slack reads in any text (its "Formatting text for app surfaces")."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
