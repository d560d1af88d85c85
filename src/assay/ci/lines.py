"""One finding in words: its number, how far it moved, how sure that is. Every form in CI says it alike.

May import: core, analysis.values, ci.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from assay.analysis.values import CheckReport
from assay.ci.words import WORST_FIRST
from assay.core.records import FindingRecord
from assay.core.units import MISSING, format_bytes, format_duration_ns, format_significant
from assay.core.words import Change

PREDICTION_INTERVAL = "prediction-interval"
"""The method whose limits say what was to be expected, and not how sure the ratio is."""
_READABLE_RATIO = 2.0
"""Beyond this a change is a factor: ×3 says more than +200 %."""
_TOLD = frozenset({Change.IMPROVED, Change.INCONCLUSIVE})
"""What a headline tells besides alarms."""
_RANK = {change: rank for rank, change in enumerate(WORST_FIRST)}


@dataclass(frozen=True, slots=True)
class MeanRatio:
    """The geometric mean of the ratios of one metric: over ``n`` of the ``of`` series that the check has of it."""

    metric: str
    ratio: float
    n: int
    of: int


def sort_findings(findings: Sequence[FindingRecord]) -> list[FindingRecord]:
    """Return findings worst first: by verdict, then by how much worse; those that are muted last."""
    return sorted(findings, key=lambda one: (one.muted is not None, _RANK[one.change], -_badness(one), one.case_label))


def headline(report: CheckReport) -> str:
    """Return the check in a few words: ``2 regressed, 1 suspect``, ``no change``, ``nothing to compare with yet``.

    "No change" is said only where everything was shown to be unchanged, or is new.
    """
    counts = Counter(one.change for one in report.findings if one.muted is None)
    told = [change for change in WORST_FIRST if change in _TOLD or change.is_alarm]
    if words := [f"{counts[change]} {change}" for change in told if counts[change]]:
        return ", ".join(words)
    if report.environment_break is not None:
        return "new environment, nothing compared"
    if counts[Change.UNCHANGED]:
        return f"no change, {counts[Change.NEW]} new" if counts[Change.NEW] else "no change"
    return "nothing to compare with yet" if counts[Change.NEW] else "nothing compared"


def mean_ratios(findings: Sequence[FindingRecord]) -> list[MeanRatio]:
    """Return, for each metric in which something was compared, the geometric mean of new over old."""
    found = []
    for metric in dict.fromkeys(one.metric for one in findings):
        of_metric = [one for one in findings if one.metric == metric]
        logs = [math.log(one.ratio) for one in of_metric if one.ratio is not None and one.ratio > 0]
        if logs:
            found.append(MeanRatio(metric, math.exp(math.fsum(logs) / len(logs)), len(logs), len(of_metric)))
    return found


def format_ratio(ratio: float | None) -> str:
    """Return how far a ratio is from 1: ``+10.2 %``, ``−4.0 %``, ``×3.1``, ``÷2.4``."""
    if ratio is None or not math.isfinite(ratio) or ratio <= 0:
        return MISSING
    if ratio > _READABLE_RATIO:
        return f"×{format_significant(ratio, 2)}"
    if ratio < 1 / _READABLE_RATIO:
        return f"÷{format_significant(1 / ratio, 2)}"
    percent = 100 * (ratio - 1)
    text = f"{abs(percent):.1f}"
    return f"{'' if float(text) == 0 else '+' if percent > 0 else '−'}{text} %"


def format_change(finding: FindingRecord) -> str:
    """Return the change of a finding, and whether that is worse, which for the unchanged says nothing."""
    text = format_ratio(finding.ratio)
    if text in {MISSING, "0.0 %"} or finding.is_worse is None or finding.change is Change.UNCHANGED:
        return text
    return f"{text} ({'worse' if finding.is_worse else 'better'})"


def format_interval(finding: FindingRecord) -> str:
    """Return the bounds: of the ratio, or, where a history was asked, of what was to be expected."""
    lo, hi = format_ratio(finding.ci_lo), format_ratio(finding.ci_hi)
    if lo == hi == MISSING:
        return MISSING
    text = f"up to {hi}" if lo == MISSING else f"from {lo}" if hi == MISSING else f"{lo} … {hi}"
    return f"expected {text}" if finding.method == PREDICTION_INTERVAL else text


def format_value(value: float | None, unit: str) -> str:
    """Return a number of the store with a unit that reads well: ``1.23 ms``, ``417 MiB``, ``81.2 /s``."""
    if value is None or not math.isfinite(value):
        return MISSING
    if unit == "ns":
        return format_duration_ns(value)
    if unit == "B":
        return format_bytes(value)
    number = format_significant(value)
    return {"1": number, "": number, "1/s": f"{number} /s"}.get(unit, f"{number} {unit}")


def format_line(finding: FindingRecord) -> str:
    """Return a finding in one line of plain text."""
    parts = [f"{finding.change}: {finding.case_label}, {finding.metric} {finding.stat}"]
    if finding.ratio is not None:
        now, before = (format_value(value, finding.unit) for value in (finding.value, finding.reference_value))
        parts.append(f"{format_change(finding)}, {before} -> {now}")
    if finding.muted is not None:
        parts.append(f"muted: {finding.muted}")
    return ": ".join(parts)


def format_reasons(finding: FindingRecord) -> str:
    """Return why, in one line: the reasons, the p-value, what confirmed it, and what would decide it."""
    parts = list(finding.reasons)
    if finding.p is not None and math.isfinite(finding.p):
        parts.append(f"p {finding.p:.2g}" + ("" if finding.q is None else f" (q {finding.q:.2g})"))
    if finding.floor is not None:
        parts.append(f"floor {100 * finding.floor:.3g} %")
    if finding.confirmed_by:
        parts.append(f"fresh launches: {', '.join(f'run {short_id(run)}' for run in finding.confirmed_by)}")
    if finding.launches_needed is not None:
        parts.append(f"{finding.launches_needed} launches a side would decide")
    return "; ".join(parts)


def short_id(identifier: str) -> str:
    """Return the last eight characters of an id: its random end, which every command takes."""
    return identifier[-8:]


def short_hash(commit: str) -> str:
    """Return a commit as people write it."""
    return commit[:7]


def _badness(finding: FindingRecord) -> float:
    if finding.ratio is None or not math.isfinite(finding.ratio) or finding.ratio <= 0:
        return 0.0
    return abs(math.log(finding.ratio)) * (-1 if finding.is_worse is False else 1)
