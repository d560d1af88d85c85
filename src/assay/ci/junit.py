"""A check as JUnit XML: a test case a series, for Jenkins, GitLab and everything else that reads such files.

There is no standard; this is what both published schemas allow: Surefire's ``surefire-test-report.xsd`` and
``junit-10.xsd`` of Jenkins' xUnit plugin. Both know properties of the suite only, so those of a case carry its name.
May import: core, analysis.values, ci.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from xml.etree import ElementTree as ET

from assay.analysis.values import CheckReport
from assay.ci.lines import format_line, format_reasons, sort_findings
from assay.ci.text import clean_xml, flatten_text
from assay.core.records import FindingRecord
from assay.core.words import Change

_FAILURES = frozenset({Change.REGRESSED, Change.MISSING, Change.FAILED})
_OPEN = frozenset({Change.SUSPECT, Change.INCONCLUSIVE})
_NS_PER_S = 1e9


def render_junit(report: CheckReport, *, strict: bool = False) -> str:
    """Return the check as one XML document.

    A failure is what regressed, is missing or failed. What is suspect or inconclusive passes and says so in its
    output; with ``strict`` it is skipped. What is muted or could not be compared is skipped. The ``time`` of a case,
    which Surefire requires, is the judged value where that is a duration, in seconds, and 0 where it is not.
    """
    findings = sort_findings(report.findings)
    names = _case_names(findings)
    outcomes = [_outcome(one, strict=strict) for one in findings]
    suite = ET.Element("testsuite", {
        "name": _attribute(f"assay.{report.suite}"), "tests": str(len(findings)), "errors": "0",
        "failures": str(outcomes.count("failure")), "skipped": str(outcomes.count("skipped")),
    })  # fmt: skip
    _add_properties(suite, report, findings, names)
    for finding, name, outcome in zip(findings, names, outcomes, strict=True):
        case = ET.SubElement(suite, "testcase", {
            "classname": _attribute(f"assay.{report.suite}"), "name": name, "time": _seconds(finding),
        })  # fmt: skip
        reasons = clean_xml(format_reasons(finding))
        if outcome is not None:
            message = {"message": _attribute(format_line(finding))}
            kind = {"type": str(finding.change)} if outcome == "failure" else {}
            ET.SubElement(case, outcome, message | kind).text = reasons or None
        ET.SubElement(case, "system-out").text = clean_xml(f"{format_line(finding)}\n{reasons}").strip()
    ET.indent(suite)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(suite, encoding="unicode")}\n'


def _outcome(finding: FindingRecord, *, strict: bool) -> str | None:
    if finding.muted is not None or finding.change is Change.INCOMPARABLE:
        return "skipped"
    if finding.change in _FAILURES:
        return "failure"
    return "skipped" if strict and finding.change in _OPEN else None


def _case_names(findings: Sequence[FindingRecord]) -> list[str]:
    """Name each case by its label and metric; two of one name get the end of their series, then a number."""
    names = [_attribute(f"{one.case_label} [{one.metric} {one.stat}]") for one in findings]
    counts = Counter(names)
    names = [
        _attribute(f"{name} {one.series_id[:8]}") if counts[name] > 1 else name
        for name, one in zip(names, findings, strict=True)
    ]
    seen: Counter[str] = Counter()
    for index, name in enumerate(names):
        seen[name] += 1
        names[index] = name if seen[name] == 1 else f"{name} #{seen[name]}"
    return names


def _add_properties(
    suite: ET.Element, report: CheckReport, findings: Sequence[FindingRecord], names: Sequence[str]
) -> None:
    of_check = {
        "check": report.check_id, "run": report.run_id, "created_at": report.created_at.isoformat(),
        "against": report.against, "expected": report.expected, "commit": report.git_commit,
        "branch": report.git_branch, "dirty": report.git_dirty, "reference_run": report.reference_run_id,
        "reference_commit": report.reference_git_commit, "environment_break": report.environment_break,
    }  # fmt: skip
    properties = ET.SubElement(suite, "properties")
    for name, value in of_check.items():
        _add_property(properties, f"assay.{name}", value)
    for finding, case in zip(findings, names, strict=True):
        numbers = {
            "verdict": finding.change, "value": finding.value, "reference_value": finding.reference_value,
            "unit": finding.unit, "ratio": finding.ratio, "ci_lo": finding.ci_lo, "ci_hi": finding.ci_hi,
            "p": finding.p, "q": finding.q, "p_slower": finding.p_slower, "launches": finding.launches,
            "method": finding.method,
        }  # fmt: skip
        for name, value in numbers.items():
            _add_property(properties, f"{case}: {name}", value)


def _add_property(properties: ET.Element, name: str, value: object) -> None:
    """Add a property; what is not known has none, since an empty text or a 0 would be a value."""
    if value is not None:
        text = repr(value) if isinstance(value, float) else str(value)
        ET.SubElement(properties, "property", {"name": _attribute(name), "value": _attribute(text, limit=1000)})


def _seconds(finding: FindingRecord) -> str:
    """Three decimals are all that Surefire's schema takes; the exact number is a property."""
    is_duration = finding.unit == "ns" and finding.value is not None and 0 <= finding.value < _NS_PER_S * 1e6
    return f"{finding.value / _NS_PER_S:.3f}" if is_duration and finding.value is not None else "0"


def _attribute(text: str, *, limit: int = 300) -> str:
    return flatten_text(clean_xml(text), limit)
