"""A comparison as Markdown."""

from __future__ import annotations

import pytest

from assay.analysis.values import CompareReport, Comparison, GeometricMean, Side
from assay.ci.comparison import render_comparison
from assay.core.words import Change, Direction
from assay.stats.change import estimate_ratio


def side(label: str, **more: object) -> Side:
    return Side(label, (f"0197-run-{label[:8]:>8}",), ("env",), ("AMD EPYC 2c 24GiB",), **more)  # type: ignore[arg-type]


def compare(
    *comparisons: Comparison, sides: tuple[str, ...] = ("main", "HEAD"), interleaved: bool = True
) -> CompareReport:
    return CompareReport(
        tuple(side(label, git_commit="a" * 40, described=(("torch", "2.13|x"),)) for label in sides), "latency_ns",
        "median", "ns", Direction.LOWER, comparisons, (GeometricMean(1, 1.04, 2, 3, 1.01, 1.07),), interleaved,
    )  # fmt: skip


def judged(label: str, change: Change, ratio: float, number: int = 1) -> Comparison:
    base = [1.0e6, 1.01e6, 0.99e6, 1.0e6, 1.005e6]
    estimate = estimate_ratio(base, [value * ratio for value in base])
    return Comparison(label, number, "s", "s", "r", "r", 1e6, 1e6 * ratio, change, estimate, 0.03, ("so it is",), 9)


def test_worst_first_with_every_number_that_the_method_asks_for() -> None:
    text = render_comparison(
        compare(
            judged("a|b", Change.UNCHANGED, 1.001), judged("c", Change.REGRESSED, 1.1),
            Comparison("d", 1, None, "s", None, "r", None, 2e6, Change.NEW),
        )
    )  # fmt: skip
    lines = text.splitlines()
    assert lines[0] == "### assay: `HEAD` against `main`: 1 regressed, 1 new, 1 unchanged"
    assert "- Geometric mean of `HEAD`: +4.0 % (+1.0 % … +7.0 %) over 2 of 3 cases" in lines
    rows = [line for line in lines if line.startswith("| ")]
    assert rows[0] == "| verdict | case | change | interval | launches | P(worse) | value | baseline |"
    assert rows[2].startswith("| **regressed** | `c` | +10.0 % | +")
    assert rows[2].endswith(" | 5 and 5 | 1.00 | 1.10 ms | 1.00 ms |")
    assert rows[3] == "| new | `d` | – | – | – | – | 2.00 ms | – |"
    assert rows[4].startswith(r"| unchanged | `a\|b` | +0.1 % |")
    assert "- `c`: **regressed**: so it is; 9 launches a side would decide" in lines
    assert r"- torch: 2.13\|x" in lines


def test_several_sides_and_launches_that_were_not_interleaved() -> None:
    text = render_comparison(
        compare(
            judged("a", Change.INCONCLUSIVE, 1.02), judged("a", Change.SUSPECT, 1.05, 2),
            sides=("torch", "onnxruntime", "openvino"), interleaved=False,
        )
    )  # fmt: skip
    assert "| **suspect** | `a` | `openvino` | +5.0 % |" in text
    assert "**not interleaved**" in text
    assert "### assay: `onnxruntime` against `openvino` against `torch`" in text


def test_a_long_comparison_is_cut_between_rows() -> None:
    report = compare(*(judged(f"case {n}", Change.REGRESSED, 1.1 + n / 1000) for n in range(400)))
    text = render_comparison(report, limit_bytes=20_000)
    assert len(text.encode()) <= 20_000
    rows = [line for line in text.splitlines() if line.startswith("| **")]
    assert "`case 399`" in rows[0]
    assert f"and {400 - len(rows)} more cases, all of them alarms." in text
    with pytest.raises(ValueError, match="expected at least"):
        render_comparison(report, limit_bytes=100)
