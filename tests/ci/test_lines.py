"""A finding in words: order, headline, numbers."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from assay.analysis.values import CheckReport
from assay.ci.lines import (
    format_change,
    format_interval,
    format_line,
    format_ratio,
    format_reasons,
    format_value,
    headline,
    mean_ratios,
    sort_findings,
)
from assay.ci.words import MEANINGS, WORST_FIRST
from assay.core.records import FindingRecord
from assay.core.words import Change

MakeFinding = Callable[..., FindingRecord]
MakeReport = Callable[..., CheckReport]


def test_every_verdict_has_its_place_and_its_meaning() -> None:
    assert sorted(WORST_FIRST) == sorted(Change)
    assert set(MEANINGS) == set(Change)
    alarms = [change.is_alarm for change in WORST_FIRST]
    assert alarms == sorted(alarms, reverse=True)


def test_the_worst_comes_first_and_what_is_muted_last(make_finding: MakeFinding) -> None:
    findings = [
        make_finding("a", Change.UNCHANGED), make_finding("b", Change.REGRESSED, ratio=1.1),
        make_finding("c", Change.REGRESSED, ratio=9.0, muted="known"), make_finding("d", Change.REGRESSED, ratio=1.3),
        make_finding("e", Change.REGRESSED, metric="throughput_per_s", unit="1/s", ratio=0.5, is_worse=True),
        make_finding("f", Change.INCONCLUSIVE, ratio=0.9, is_worse=False), make_finding("g", Change.INCONCLUSIVE),
    ]  # fmt: skip
    assert "".join(one.case_label for one in sort_findings(findings)) == "edbgfac"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ([Change.REGRESSED, Change.SUSPECT, Change.REGRESSED, Change.UNCHANGED], "2 regressed, 1 suspect"),
        ([Change.MISSING, Change.FAILED, Change.IMPROVED], "1 failed, 1 missing, 1 improved"),
        ([Change.UNCHANGED, Change.UNCHANGED], "no change"),
        ([Change.UNCHANGED, Change.NEW], "no change, 1 new"),
        ([Change.UNCHANGED, Change.INCONCLUSIVE], "1 inconclusive"),
        ([Change.NEW], "nothing to compare with yet"),
        ([Change.INCOMPARABLE], "nothing compared"),
        ([], "nothing compared"),
    ],
)
def test_a_headline_never_says_no_change_of_what_was_not_shown(
    changes: list[Change], words: str, make_finding: MakeFinding, make_report: MakeReport
) -> None:
    findings = [make_finding(f"case/{index}", change) for index, change in enumerate(changes)]
    assert headline(make_report(*findings)) == words
    assert headline(make_report(*findings, make_finding("m", Change.REGRESSED, muted="known"))) == words


def test_a_headline_of_another_environment(make_finding: MakeFinding, make_report: MakeReport) -> None:
    finding = make_finding("a", Change.INCOMPARABLE, environment_break="kernel")
    assert headline(make_report(finding, environment_break="kernel")) == "new environment, nothing compared"


@pytest.mark.parametrize(
    ("ratio", "text"),
    [
        (1.1024, "+10.2 %"), (0.96, "−4.0 %"), (1.0, "0.0 %"), (0.99999, "0.0 %"), (2.0, "+100.0 %"), (3.14159, "×3.1"),
        (1 / 3, "÷3.0"), (None, "–"), (0.0, "–"), (float("inf"), "–"), (float("nan"), "–"), (-1.0, "–"),
    ],
)  # fmt: skip
def test_how_far_a_ratio_is_from_one(ratio: float | None, text: str) -> None:
    assert format_ratio(ratio) == text


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (1.234e6, "ns", "1.23 ms"), (3 * 1024**2, "B", "3.00 MiB"), (81.25, "1/s", "81.2 /s"), (0.5, "1", "0.500"),
        (2.5, "J", "2.50 J"), (None, "ns", "–"), (float("nan"), "J", "–"),
    ],
)  # fmt: skip
def test_values_with_units(value: float | None, unit: str, text: str) -> None:
    assert format_value(value, unit) == text


def test_a_change_says_whether_it_is_worse(make_finding: MakeFinding) -> None:
    assert format_change(make_finding(change=Change.REGRESSED)) == "+10.2 % (worse)"
    assert format_change(make_finding(change=Change.IMPROVED)) == "−20.0 % (better)"
    assert format_change(make_finding(change=Change.REGRESSED, ratio=0.8, is_worse=True)) == "−20.0 % (worse)"
    assert format_change(make_finding(change=Change.UNCHANGED)) == "+0.1 %"
    assert format_change(make_finding(change=Change.MISSING)) == "–"


def test_limits_of_a_history_are_not_shown_as_an_interval_of_the_ratio(make_finding: MakeFinding) -> None:
    assert format_interval(make_finding(change=Change.SUSPECT)) == "expected −3.0 % … +4.0 %"
    assert format_interval(make_finding(change=Change.SUSPECT, ci_lo=None)) == "expected up to +4.0 %"
    assert format_interval(make_finding(change=Change.SUSPECT, method="welch", ci_hi=None)) == "from −3.0 %"
    assert format_interval(make_finding(change=Change.SUSPECT, method="fresh-welch")) == "−3.0 % … +4.0 %"
    assert format_interval(make_finding(change=Change.MISSING)) == "–"


def test_a_line_and_its_reasons(make_finding: MakeFinding) -> None:
    finding = make_finding(
        change=Change.REGRESSED, muted="known", reasons=("too slow", "twice"), p=1e-9, q=2e-9, launches_needed=7,
        confirmed_by=("0197-aaaaaaaa", "0197-bbbbbbbb"),
    )  # fmt: skip
    assert format_line(finding) == (
        "regressed: bert/tiny torch cpu fp32 b1, latency_ns median: +10.2 % (worse), 1.00 ms -> 1.10 ms: muted: known"
    )
    assert format_reasons(finding) == (
        "too slow; twice; p 1e-09 (q 2e-09); floor 3 %; fresh launches: run aaaaaaaa, run bbbbbbbb; "
        "7 launches a side would decide"
    )
    assert format_reasons(make_finding(change=Change.MISSING)) == ""


def test_means_are_of_one_metric_each_and_say_of_how_many(make_finding: MakeFinding) -> None:
    findings = [
        make_finding("a", Change.REGRESSED, ratio=1.21), make_finding("b", ratio=1.0),
        make_finding("c", Change.MISSING), make_finding("a", Change.IMPROVED, metric="throughput_per_s", ratio=0.5),
        make_finding("d", metric="load_ns", ratio=None),
    ]  # fmt: skip
    means = mean_ratios(findings)
    assert [(mean.metric, mean.n, mean.of) for mean in means] == [("latency_ns", 2, 3), ("throughput_per_s", 1, 1)]
    assert means[0].ratio == pytest.approx(1.1)
