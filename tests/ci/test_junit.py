"""JUnit XML: held to both published schemas, written out here as what they allow."""

from __future__ import annotations

import re
from collections.abc import Callable
from xml.etree import ElementTree as ET

import pytest

from assay.analysis.values import CheckReport
from assay.ci.junit import render_junit
from assay.core.records import FindingRecord
from assay.core.words import Change

MakeFinding = Callable[..., FindingRecord]
MakeReport = Callable[..., CheckReport]

SUITE = {"name", "time", "tests", "errors", "skipped", "failures", "group"}
SUITE_REQUIRED = {"name", "tests", "errors", "skipped", "failures"}
CASE = {"name", "classname", "group", "time"}
CASE_REQUIRED = {"name", "time"}
CASE_ORDER = ("failure", "skipped", "error", "system-out", "system-err")
TIME = re.compile(r"(([0-9]{0,3},)*[0-9]{3}|[0-9]{0,3})*(\.[0-9]{0,3})?")


def check_schema(text: str) -> ET.Element:
    """Hold a document to what surefire-test-report.xsd and junit-10.xsd both allow."""
    suite = ET.fromstring(text)  # noqa: S314  (our own text)
    assert suite.tag == "testsuite"
    assert SUITE_REQUIRED <= suite.attrib.keys() <= SUITE
    assert [child.tag for child in suite][:1] == ["properties"]
    assert {child.tag for child in list(suite)[1:]} <= {"testcase"}
    for one in suite[0]:
        assert (one.tag, set(one.attrib), len(one)) == ("property", {"name", "value"}, 0)
    for case in suite[1:]:
        assert CASE_REQUIRED <= case.attrib.keys() <= CASE
        assert TIME.fullmatch(case.attrib["time"])
        tags = [child.tag for child in case]
        assert tags == sorted(tags, key=CASE_ORDER.index)
        assert all(tags.count(tag) == 1 for tag in tags)
        for child in case:
            allowed = {"failure": {"message", "type"}, "skipped": {"message"}}.get(child.tag, set())
            assert set(child.attrib) <= allowed
            assert ("type" in child.attrib) == (child.tag == "failure")
            assert len(child) == 0
    counted = {tag: sum(case.find(tag) is not None for case in suite[1:]) for tag in ("failure", "skipped", "error")}
    assert suite.attrib["tests"] == str(len(suite) - 1)
    assert {"failures": counted["failure"], "skipped": counted["skipped"], "errors": counted["error"]} == {
        name: int(suite.attrib[name]) for name in ("failures", "skipped", "errors")
    }
    return suite


def outcomes(suite: ET.Element) -> dict[str, str]:
    """Verdict in the output -> what became of the case."""
    found = {}
    for case in suite[1:]:
        said = (case.findtext("system-out") or "").partition(":")[0]
        is_muted = "muted: " in (case.findtext("system-out") or "")
        found["muted" if is_muted else said] = next(
            (child.tag for child in case if child.tag in ("failure", "skipped")), "passed"
        )
    return found


def test_outcomes_of_every_verdict(mixed: CheckReport) -> None:
    usual = {
        "regressed": "failure", "missing": "failure", "failed": "failure", "suspect": "passed",
        "inconclusive": "passed", "improved": "passed", "unchanged": "passed", "new": "passed",
        "incomparable": "skipped", "muted": "skipped",
    }  # fmt: skip
    assert outcomes(check_schema(render_junit(mixed))) == usual
    strict = usual | {"suspect": "skipped", "inconclusive": "skipped"}
    assert outcomes(check_schema(render_junit(mixed, strict=True))) == strict


def test_numbers_are_properties_and_what_is_not_known_has_none(
    make_finding: MakeFinding, make_report: MakeReport
) -> None:
    finding = make_finding("a", Change.REGRESSED, p=1.25e-9, q=None, confirmed_by=("x",))
    suite = check_schema(render_junit(make_report(finding, make_finding("b", Change.MISSING), git_dirty=False)))
    found = {one.attrib["name"]: one.attrib["value"] for one in suite[0]}
    case = "a [latency_ns median]"
    assert {name.removeprefix(f"{case}: "): value for name, value in found.items() if name.startswith(case)} == {
        "verdict": "regressed", "value": repr(1e6 * 1.102), "reference_value": "1000000.0", "unit": "ns",
        "ratio": "1.102", "ci_lo": "0.97", "ci_hi": "1.04", "p": "1.25e-09", "launches": "5",
        "method": "prediction-interval",
    }  # fmt: skip
    assert found["assay.commit"] == "b" * 40
    assert found["assay.dirty"] == "False"
    assert "assay.environment_break" not in found
    assert "b [latency_ns median]: ratio" not in found
    failure = suite[1].find("failure")
    assert failure is not None
    assert failure.attrib["message"].startswith("regressed: a, latency_ns median: +10.2 % (worse)")
    assert suite[1].attrib["time"] == "0.001"
    assert suite[2].attrib["time"] == "0"


def test_cases_of_one_name_are_told_apart(make_finding: MakeFinding, make_report: MakeReport) -> None:
    findings = [
        make_finding("a", series_id="11111111aaaa"), make_finding("a", series_id="22222222bbbb"),
        make_finding("a", series_id="22222222bbbb"), make_finding("a", stat="p99"),
    ]  # fmt: skip
    names = [case.attrib["name"] for case in check_schema(render_junit(make_report(*findings)))[1:]]
    assert sorted(names) == [
        "a [latency_ns median] 11111111", "a [latency_ns median] 22222222", "a [latency_ns median] 22222222 #2",
        "a [latency_ns p99]",
    ]  # fmt: skip


@pytest.mark.parametrize("value", [0.0, 1e6, 3.2e9, 8.64e14, 1e30, -5.0, None, float("nan"), float("inf")])
def test_times_fit_the_schema(value: float | None, make_finding: MakeFinding, make_report: MakeReport) -> None:
    check_schema(render_junit(make_report(make_finding("a", value=value), make_finding("b", value=value, unit="B"))))


def test_a_check_of_nothing(make_report: MakeReport) -> None:
    assert check_schema(render_junit(make_report())).attrib["tests"] == "0"
