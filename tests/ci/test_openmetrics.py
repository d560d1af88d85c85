"""OpenMetrics text, read back by its grammar and as GitLab reads it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable

from assay.analysis.values import CheckReport
from assay.ci.openmetrics import render_openmetrics
from assay.core.records import FindingRecord
from assay.core.words import Change

MakeFinding = Callable[..., FindingRecord]
MakeReport = Callable[..., CheckReport]

LABEL = r'[a-z_]+="(?:[^"\\\n]|\\["\\n])*"'
SAMPLE = re.compile(rf"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{{({LABEL}(?:,{LABEL})*)\}})? (\S+)")


def parse(text: str) -> dict[tuple[str, str], float]:
    """Read the text by the grammar of OpenMetrics 1.0: families whole and once, values numbers, an end."""
    lines = text.split("\n")
    assert lines[-2:] == ["# EOF", ""]
    found: dict[tuple[str, str], float] = {}
    announced: list[str] = []
    for line in lines[:-2]:
        if line.startswith("# TYPE "):
            announced.append(line.split()[2])
            assert line.endswith(" gauge")
            continue
        if line.startswith("# HELP "):
            assert line.split()[2] == announced[-1]
            continue
        match = SAMPLE.fullmatch(line)
        assert match, line
        assert match[1] == announced[-1]
        key = (match[1], match[2] or "")
        assert key not in found
        found[key] = float(match[3])
    assert len(announced) == len(set(announced))
    return found


def parse_as_gitlab(text: str) -> dict[str, str]:
    """Read as GitLab's parser does: comments cut at the first ``#``, then words as of a shell."""
    words = [shlex.split(re.sub("#.*$", "", line)) for line in text.splitlines()]
    return {name: values[0] for name, *values in (line for line in words if line)}


def test_values_in_base_units_ratios_and_verdicts(mixed: CheckReport) -> None:
    found = parse(render_openmetrics(mixed))
    assert found["assay_result_latency_seconds", 'case="case/regressed",stat="median"'] == 1.102e-3
    assert found["assay_check_ratio", 'case="case/regressed",stat="median",metric="latency_ns"'] == 1.102
    assert found["assay_check_findings", 'verdict="regressed"'] == 2
    assert found["assay_check_findings", 'verdict="missing"'] == 1
    assert found["assay_check_alarms", ""] == 4
    assert not [key for key in found if "case/missing" in key[1]]


def test_other_units_keep_their_names(make_finding: MakeFinding, make_report: MakeReport) -> None:
    findings = [
        make_finding("a", metric="throughput_per_s", unit="1/s", value=81.5),
        make_finding("a", metric="memory_peak_bytes", unit="B", value=3e6, stat="max"),
        make_finding("a", metric="my.own-metric", unit="J", value=float("nan"), ratio=float("inf")),
    ]  # fmt: skip
    found = parse(render_openmetrics(make_report(*findings)))
    assert found["assay_result_throughput_per_s", 'case="a",stat="median"'] == 81.5
    assert found["assay_result_memory_peak_bytes", 'case="a",stat="max"'] == 3e6
    assert not [key for key in found if "own" in key[0]]


def test_one_case_on_two_machines(make_finding: MakeFinding, make_report: MakeReport) -> None:
    findings = [make_finding("a", series_id="1", hardware="CPU"), make_finding("a", series_id="2", hardware=None)]
    found = parse(render_openmetrics(make_report(*findings)))
    assert [key[1] for key in found if key[0] == "assay_result_latency_seconds"] == [
        'case="a",stat="median",hardware="CPU",series="1"', 'case="a",stat="median",hardware="",series="2"',
    ]  # fmt: skip


def test_gitlab_reads_every_line(make_finding: MakeFinding, make_report: MakeReport) -> None:
    label = """it's a "model" #1 \\ of `mine`"""
    text = render_openmetrics(make_report(make_finding(label, Change.REGRESSED, value=2e6)))
    assert len(parse(text)) == len(parse_as_gitlab(text)) == 12
    name = next(name for name in parse_as_gitlab(text) if name.startswith("assay_result_latency_seconds"))
    assert name == """assay_result_latency_seconds{case=it's a "model" %231 \\ of `mine`,stat=median}"""
