"""A comparison as a person reads it, and as rows for ``--json`` and ``--csv``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from rich.text import Text

from assay.cli.output import make_console, new_table, short_id
from assay.core.units import MISSING, format_bytes, format_duration_ns, format_significant
from assay.core.words import Change, Direction

if TYPE_CHECKING:
    from rich.table import Table

    from assay.analysis.values import CompareReport, Comparison, GeometricMean, Side

COMPARISON_COLUMNS = (
    "case", "side", "baseline", "metric", "stat", "unit", "baseline_value", "value", "ratio", "ratio_lo", "ratio_hi",
    "speedup", "p", "p_worse", "baseline_launches", "launches", "floor", "change", "launches_needed", "reasons",
    "baseline_result_id", "result_id", "baseline_series_id", "series_id",
)  # fmt: skip
CHANGE_STYLES = {
    Change.REGRESSED: "bold red",
    Change.IMPROVED: "green",
    Change.UNCHANGED: "dim",
    Change.INCONCLUSIVE: "yellow",
    Change.SUSPECT: "yellow",
    Change.MISSING: "red",
    Change.FAILED: "red",
}
_MOST_NOTES = 24
_ROOMY = 110
"""Columns of a terminal from which on a row of the table is one line."""
_TWO = 2
"""Sides: the baseline and one more. From three on a row says which side it is of."""
_TIMES_AND_RATES = ("ns", "1/s")


def report_row(report: CompareReport) -> dict[str, Any]:
    """A whole comparison as plain values."""
    return {
        "metric": report.metric, "stat": report.stat, "unit": report.unit, "direction": report.direction.value,
        "is_interleaved": report.is_interleaved, "varied": list(report.varied),
        "sides": [_side_row(side) for side in report.sides],
        "comparisons": comparison_rows(report),
        "means": [_mean_row(mean, report) for mean in report.means],
        "counts": {change.value: count for change, count in report.counts().items()},
    }  # fmt: skip


def comparison_rows(report: CompareReport) -> list[dict[str, Any]]:
    """One row for each case and each side beside the baseline."""
    return [_comparison_row(one, report) for one in report.comparisons]


def print_report(report: CompareReport) -> None:
    """Print the table, and under it what the sides are and what the words mean."""
    console = make_console()
    shared, labels = _split_labels([one.case_label for one in report.comparisons])
    console.print(_comparison_table(report, shared, labels, is_narrow=console.width < _ROOMY))
    for line in _mean_lines(report):
        console.print(Text(line, style="bold"), soft_wrap=True)
    for line in _notes(report, labels):
        console.print(Text(f"  ! {line}", style="yellow"), soft_wrap=True)
    described = [_describe_side(letter, side) for letter, side in zip(_letters(report), report.sides, strict=True)]
    for line in (*described, *_legend(report)):
        console.print(Text(line, style="dim"), soft_wrap=True)


def format_value(value: float | None, unit: str) -> str:
    """A number of a metric in the unit that reads best: ``12.3 ms``, ``417 MiB``, ``149 /s``."""
    if value is None:
        return MISSING
    if unit == "ns":
        return format_duration_ns(value)
    if unit == "B":
        return format_bytes(value)
    suffix = unit.removeprefix("1")
    return f"{format_significant(value)} {suffix}".rstrip()


def p_worse(comparison: Comparison, direction: Direction) -> float | None:
    """Probability that a launch of the side is worse than one of the baseline; None where nothing is worse."""
    if comparison.estimate is None or direction is Direction.NEITHER:
        return None
    greater = comparison.estimate.p_greater
    return greater if direction is Direction.LOWER else 1 - greater


# -- rows ------------------------------------------------------------------------------------------------------


def _side_row(side: Side) -> dict[str, Any]:
    return {
        "label": side.label, "run_ids": list(side.run_ids), "env_ids": list(side.env_ids),
        "hardware": list(side.hardware), "git_commit": side.git_commit, "described": dict(side.described),
        "provenance": side.provenance.value,
    }  # fmt: skip


def _comparison_row(one: Comparison, report: CompareReport) -> dict[str, Any]:
    estimate = one.estimate
    return {
        "case": one.case_label, "side": report.sides[one.side].label, "baseline": report.sides[0].label,
        "metric": report.metric, "stat": report.stat, "unit": report.unit,
        "baseline_value": one.value_a, "value": one.value_b,
        "ratio": estimate.ratio if estimate else None, "ratio_lo": estimate.lo95 if estimate else None,
        "ratio_hi": estimate.hi95 if estimate else None, "speedup": one.speedup(report.direction),
        "p": estimate.p if estimate else None, "p_worse": p_worse(one, report.direction),
        "baseline_launches": estimate.n_a if estimate else None, "launches": estimate.n_b if estimate else None,
        "floor": one.floor, "change": one.change.value, "launches_needed": one.launches_needed,
        "reasons": list(one.reasons), "baseline_result_id": one.result_a, "result_id": one.result_b,
        "baseline_series_id": one.series_a, "series_id": one.series_b,
    }  # fmt: skip


def _mean_row(mean: GeometricMean, report: CompareReport) -> dict[str, Any]:
    return {
        "side": report.sides[mean.side].label, "ratio": mean.ratio, "ratio_lo": mean.lo95, "ratio_hi": mean.hi95,
        "n": mean.n, "of": mean.of,
    }  # fmt: skip


# -- table -----------------------------------------------------------------------------------------------------


def _comparison_table(report: CompareReport, shared: str, labels: Sequence[str], *, is_narrow: bool) -> Table:
    """One row for each case and side; where there is little room a row has two lines."""
    names = [f"{letter} {side.label}" for letter, side in zip(_letters(report), report.sides, strict=True)]
    table = new_table(f"{_name_of(report)} · {names[0]} → {', '.join(names[1:])}")
    table.caption_justify = "left"
    if shared:
        table.caption = Text(f"all cases: {shared}")
    second = "B" if len(report.sides) == _TWO else "side"
    probability = f"P({_worse_word(report)})"
    table.add_column("case", overflow="fold")
    if len(report.sides) > _TWO:
        table.add_column("side")
    headers = [("A", second), ("ratio", "95 % CI"), (probability, "launches")]
    for pair in headers:
        for header in [", ".join(pair)] if is_narrow else pair:
            table.add_column(header, justify="right", no_wrap=not is_narrow)
    table.add_column("verdict", overflow="fold", min_width=12)
    for label, one in zip(labels, report.comparisons, strict=True):
        cells = _cells(one, report)
        table.add_row(
            label,
            *([_letters(report)[one.side]] if len(report.sides) > _TWO else []),
            *(["\n".join(pair) for pair in cells] if is_narrow else [cell for pair in cells for cell in pair]),
            Text(one.change.value, style=CHANGE_STYLES.get(one.change, "")),
        )
    return table


def _letters(report: CompareReport) -> str:
    """A name of one letter for each side, the baseline's first; labels are too long for the head of a column."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    return letters[: len(report.sides)].ljust(len(report.sides), "·")


def _cells(one: Comparison, report: CompareReport) -> list[tuple[str, str]]:
    values = format_value(one.value_a, report.unit), format_value(one.value_b, report.unit)
    estimate = one.estimate
    if estimate is None:
        return [values, (MISSING, MISSING), (MISSING, MISSING)]
    probability = p_worse(one, report.direction)
    return [
        values,
        (_ratio(estimate.ratio), f"{_ratio(estimate.lo95)} … {_ratio(estimate.hi95)}"),
        (MISSING if probability is None else f"{probability:.2f}", f"{estimate.n_a}+{estimate.n_b}"),
    ]


def _ratio(value: float) -> str:
    """Three digits beside 1, where changes are small, as many as a ratio needs elsewhere."""
    return f"{value:.3f}" if 0.1 <= value < 10 else format_significant(value)  # noqa: PLR2004


def _split_labels(labels: Sequence[str]) -> tuple[str, list[str]]:
    """Take out the words that every label has, but for the first of each: ``cpu fp32 b1``, and what is left."""
    words = [label.split() for label in labels]
    if len(set(labels)) < _TWO:  # a case by itself has nothing to share
        return "", list(labels)
    shared = [word for word in words[0][1:] if all(word in others for others in words)]
    left = [" ".join(word for word in one if word not in shared) for one in words]
    return " ".join(shared), left


def _name_of(report: CompareReport) -> str:
    from assay.catalog.launch_metrics import usual_stat

    return report.metric if report.stat == usual_stat(report.metric) else f"{report.metric} {report.stat}"


def _worse_word(report: CompareReport) -> str:
    return "slower" if report.unit in _TIMES_AND_RATES else "worse"


# -- lines under the table -------------------------------------------------------------------------------------


def _mean_lines(report: CompareReport) -> Iterable[str]:
    for mean in report.means:
        if mean.of < _TWO:
            continue  # the one row says it
        label = report.sides[mean.side].label
        span = "" if mean.lo95 is None or mean.hi95 is None else f" ({_ratio(mean.lo95)} … {_ratio(mean.hi95)})"
        line = f"{label}: geometric mean {_ratio(mean.ratio)}{span} over {mean.n} of {mean.of} cases"
        yield line + _speedup_words(mean.ratio, report)
    counts = ", ".join(f"{count} {change.value}" for change, count in report.counts().items())
    yield counts


def _speedup_words(ratio: float, report: CompareReport) -> str:
    if report.direction is Direction.NEITHER:
        return ""
    times = 1 / ratio if report.direction is Direction.LOWER else ratio
    word = "as fast" if report.unit in _TIMES_AND_RATES else "as good"
    return f": {_ratio(times)} times {word} as {report.sides[0].label}"


def _notes(report: CompareReport, labels: Sequence[str]) -> list[str]:
    """Why verdicts are what they are: what several cases share is said once, the rest in a line for each case."""
    often = Counter(reason for one in report.comparisons for reason in _reasons(one))
    total = len(report.comparisons)
    lines = []
    for reason, count in often.items():
        if count > 1:
            lines.append(f"{'all' if count == total else count} cases: {reason}")
    for label, one in zip(labels, report.comparisons, strict=True):
        own = [reason for reason in _reasons(one) if often[reason] == 1]
        if own:
            side = f" ({report.sides[one.side].label})" if len(report.sides) > _TWO else ""
            lines.append(f"{label}{side}: {'; '.join(own)}" if total > 1 else "; ".join(own))
    if len(lines) > _MOST_NOTES:
        lines = [*lines[:_MOST_NOTES], f"and {len(lines) - _MOST_NOTES} more lines: --json has every reason"]
    return lines


def _reasons(one: Comparison) -> tuple[str, ...]:
    if one.change is not Change.INCONCLUSIVE or one.launches_needed is None or one.estimate is None:
        return one.reasons
    return (*one.reasons, f"about {one.launches_needed} launches a side would decide")


def _describe_side(letter: str, side: Side) -> str:
    runs = ", ".join(short_id(run_id) for run_id in side.run_ids)
    facts = [f"{name} {value}" for name, value in side.described]
    return " · ".join([f"{letter} {side.label}: run {runs}", *facts])


def _legend(report: CompareReport) -> Iterable[str]:
    second = "B" if len(report.sides) == _TWO else "the side"
    word = _worse_word(report)
    yield (
        f"ratio: a typical launch of {second} over one of A; "
        f"P({word}): probability that a launch of {second} is {word} than one of A"
    )
    if report.varied:
        varied = ", ".join(report.varied)
        yield f"the sides differ on purpose in {varied}: the verdict says which is better, not that something broke"
    if report.is_interleaved:
        yield "the launches took turns, so what drifted met both sides alike"
    elif report.counts().keys() & {Change.REGRESSED, Change.IMPROVED}:
        yield "the sides are other machines, whose launches cannot take turns: a verdict is of the days they were made"
    else:
        yield "the launches did not take turns, so no difference here is more than suspect; --fresh launches in turns"
