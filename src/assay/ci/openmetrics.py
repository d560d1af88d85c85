"""A check as OpenMetrics text: for GitLab's metrics reports, and whatever else reads Prometheus' format.

OpenMetrics 1.0: base units, seconds and not nanoseconds; every family announced once, ``# EOF`` at the end. GitLab
drops everything from ``#`` to the end of the line before it splits a line into words, so no label may hold one.
May import: core, analysis.values, ci.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence

from assay.analysis.values import CheckReport
from assay.ci.text import flatten_text
from assay.core.records import FindingRecord
from assay.core.words import Change

_NS_PER_S = 1e9

Sample = tuple[dict[str, str], float]


def render_openmetrics(report: CheckReport) -> str:
    """Return the numbers of a check: each metric's values, the ratios to the reference, how many have which verdict.

    A number that is not known has no line. Findings of one case and metric differ by ``hardware`` and ``series``.
    """
    findings = sorted(report.findings, key=lambda one: (*_identity(one), one.series_id, one.finding_id))
    alike = Counter(_identity(one) for one in findings)
    families: dict[str, list[Sample]] = {}
    ratios: list[Sample] = []
    for one in findings:
        labels = _labels(one, is_alone=alike[_identity(one)] == 1)
        if one.value is not None and math.isfinite(one.value):
            name, divisor = _family(one)
            families.setdefault(name, []).append((labels, one.value / divisor))
        if one.ratio is not None and math.isfinite(one.ratio):
            ratios.append(({**labels, "metric": one.metric}, one.ratio))
    counts = Counter(one.change for one in report.findings)
    verdicts: list[Sample] = [({"verdict": str(change)}, float(counts[change])) for change in Change]
    texts = [_announce(name, "As judged by the check", families[name]) for name in sorted(families)]
    texts.append(_announce("assay_check_ratio", "New over old", ratios))
    texts.append(_announce("assay_check_findings", "Findings by verdict, muted ones too", verdicts))
    texts.append(_announce("assay_check_alarms", "Findings to look at", [({}, float(len(report.alarms())))]))
    return "".join(texts) + "# EOF\n"


def _family(finding: FindingRecord) -> tuple[str, float]:
    """Return the name of a metric's family and what its values are divided by."""
    name, divisor = finding.metric, 1.0
    if finding.unit == "ns":
        name, divisor = f"{name.removesuffix('_ns')}_seconds", _NS_PER_S
    return f"assay_result_{re.sub('[^a-zA-Z0-9_]', '_', name)}", divisor


def _labels(finding: FindingRecord, *, is_alone: bool) -> dict[str, str]:
    labels = {"case": finding.case_label, "stat": finding.stat}
    return labels if is_alone else labels | {"hardware": finding.hardware or "", "series": finding.series_id}


def _identity(finding: FindingRecord) -> tuple[str, str, str]:
    return finding.case_label, _family(finding)[0], finding.stat


def _announce(name: str, explanation: str, samples: Sequence[Sample]) -> str:
    if not samples:
        return ""
    lines: dict[str, str] = {}
    for labels, value in samples:
        listed = ",".join(f'{label}="{_escape(text)}"' for label, text in labels.items())
        # Texts that differ only in what is flattened or cut would be the same sample twice, which no reader takes.
        lines.setdefault(f"{name}{{{listed}}}" if listed else name, repr(value))
    text = "".join(f"{sample} {value}\n" for sample, value in lines.items())
    return f"# TYPE {name} gauge\n# HELP {name} {explanation}.\n{text}"


def _escape(text: str) -> str:
    flat = flatten_text(text, 200).replace("#", "%23")
    return flat.replace("\\", r"\\").replace('"', r"\"")
