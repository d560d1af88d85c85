"""Training on several ranks in the report ``scaling``: efficiency, what the exchange takes, and how fast it carries.

May import: core, store, analysis, report.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from assay.analysis.rank_scaling import Growth, RankLine, RankStep, find_rank_lines, read_sharing
from assay.analysis.usable_numbers import TABLES_READ
from assay.core.case import Case
from assay.core.records import MetricValue, ResultRecord
from assay.core.words import Direction, Mode, Provenance
from assay.report.cells import metric_cell, metric_column, result_ref, work_unit
from assay.report.figures.curves import TrainingCurve, draw_curves
from assay.report.kinds._over_many import cut, drop_idle_columns, say_rows_cut
from assay.report.results_table import verdict_cell
from assay.report.values import Block, Cell, Column, Figure, Layer, Role, Scale, Section, Shape, Table, Text
from assay.store.query import fetch_rows

if TYPE_CHECKING:
    from assay.store import Store
    from assay.store.selection import Selection

HOW_RANKS_READ = (
    (
        "weak, strong",
        (
            "Weak scaling keeps the batch of a rank and adds ranks; strong scaling keeps the batch of a step and "
            "shares it out. Efficiency is the rate over what as many ranks would do at best; its bounds are ends of "
            "both rates' intervals."
        ),
    ),
    (
        "exchange",
        (
            "exposed: forward and backward with the exchange less the same without, which is what a step waits for. "
            "alone: the exchange of a step with nothing else going on. profiler: how long a collective was under way, "
            "computing beside it or not. Shares are of a whole step."
        ),
    ),
    (
        "straggler",
        "Work of the slowest rank in a step over that of the median rank, waiting for others not counted.",
    ),
)
_WAYS = ("exposed", "alone", "profiler")
_BETWEEN = " · "
"""What stands between the words of a label."""
_MOST_LINES = 12
_MOST_DRAWN = 8
_BYTES = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}


def read_rank_lines(store: Store, selection: Selection) -> list[RankLine]:
    """Read the measured trainings of a selection that differ in their number of ranks. Raises StoreError."""
    where, parameters = selection.where()
    rows = fetch_rows(
        store.location,
        f"""
        SELECT max_by(result_id, {{'at': coalesce(measured_at, '-infinity'::TIMESTAMP), 'id': result_id}}) AS result_id
        FROM results
        WHERE {where} AND mode = '{Mode.TRAINING}' AND provenance = '{Provenance.MEASURED}' GROUP BY series_id
        """,  # noqa: S608  (words of ours; what is asked is bound or quoted)
        parameters,
        tables=TABLES_READ,
        versions=store.versions,
    )
    ids = [row["result_id"] for row in rows]
    return find_rank_lines(store.results(result_id=ids)) if ids else []


def rank_sections(lines: Sequence[RankLine], limit: int) -> list[Section]:
    """What more ranks bring, weak and strong, and the exchange itself."""
    sections = []
    for growth in Growth:
        own = [line for line in lines if line.growth is growth]
        if own:
            blocks: list[Block] = [_draw_efficiency(growth, own), _efficiency_table(growth, own, limit)]
            sections.append(Section(f"ranks-{growth}", f"More ranks: {growth} scaling", tuple(blocks)))
    results = list({step.result.result_id: step.result for line in lines for step in line.steps}.values())
    messages = _message_blocks(results)
    if messages:
        sections.append(Section("ranks-messages", "All-reduce against message size", tuple(messages)))
    return sections


def say_ranks(lines: Sequence[RankLine]) -> Iterator[str]:
    """The largest number of ranks of each line in a sentence."""
    for line in lines[:4]:
        last = line.last
        if last is None or last.efficiency is None or last.speedup is None:
            continue
        bounds = last.efficiency_bounds
        between = f" ({100 * bounds[0]:.0f} to {100 * bounds[1]:.0f} %)" if bounds else ""
        yield (
            f"{line.label}: {last.sharing.ranks} ranks do {last.speedup:.2f} times the work of "
            f"{line.steps[0].sharing.ranks}, {line.growth} efficiency {100 * last.efficiency:.0f} %{between}."
        )


def _split_labels(lines: Sequence[RankLine]) -> tuple[str, dict[str, str]]:
    """What the labels of all lines have in common, and each without it; a single line keeps its whole label."""
    words = [line.label.split(_BETWEEN) for line in lines]
    common = [word for word in words[0] if all(word in others for others in words)] if len(words) > 1 else []
    short = {
        line.label: _BETWEEN.join(word for word in own if word not in common) or line.label
        for line, own in zip(lines, words, strict=True)
    }
    return _BETWEEN.join(common), short


def _draw_efficiency(growth: Growth, lines: Sequence[RankLine]) -> Figure:
    shown = lines[:_MOST_DRAWN]
    common, short = _split_labels(lines)
    curves = []
    for line in shown:
        known = [step for step in line.steps if step.efficiency is not None]
        bounds = [step.efficiency_bounds for step in known]
        curves.append(
            TrainingCurve(
                short[line.label],
                x=[float(step.sharing.ranks) for step in known],
                values=[step.efficiency for step in known],
                lo=[one[0] if one else None for one in bounds],
                hi=[one[1] if one else None for one in bounds],
                ref=result_ref(line.steps[-1].result),
            )
        )
    figure = draw_curves(
        curves=curves, metric="efficiency", unit="share", direction=Direction.HIGHER, over="ranks",
        title=f"What more ranks bring: {growth} scaling", key=f"ranks-{growth}",
    )  # fmt: skip
    ranks = [float(step.sharing.ranks) for line in shown for step in line.steps]
    ideal = Layer("ideal", Shape.LINE, x=(min(ranks), max(ranks)), y=(1.0, 1.0), role=Role.GUIDE)
    notes = [*figure.notes]
    if len(lines) > len(shown):
        notes.append(f"{len(shown)} of {len(lines)} lines are drawn: those with most numbers of ranks.")
    return replace(
        figure, x=replace(figure.x, scale=Scale.LOG), layers=(ideal, *figure.layers), notes=tuple(notes),
        caption=" ".join((figure.caption, "The dashed line is ideal: twice the ranks, twice the work.", _say(common))),
    )  # fmt: skip


def _efficiency_table(growth: Growth, lines: Sequence[RankLine], limit: int) -> Table:
    steps = [(line, step) for line in lines[:_MOST_LINES] for step in line.steps]
    kept, left = cut(steps, limit)
    columns = (
        Column("line", "training", description="What all numbers of ranks have in common"),
        Column("ranks", "ranks", description="Processes that train together"),
        Column("batch", "batch a rank", description="Samples of a step for each rank"),
        metric_column("latency_ns", title="step"),
        metric_column("throughput_per_s", key="rate", title="rate"),
        Column("speedup", "speed-up", unit="1", direction=Direction.HIGHER, description="Against the fewest ranks"),
        Column(
            "efficiency", "efficiency", unit="share", direction=Direction.HIGHER,
            description="Speed-up over the ratio of the numbers of ranks; 100 % is ideal",
        ),
        *map(_communication_column, _WAYS),
        metric_column("straggler_ratio", title="straggler"),
        metric_column("memory_peak_bytes", title="memory of a rank"),
        Column("verdict", "verdict", description="Whether to believe it"),
    )  # fmt: skip
    common, short = _split_labels(lines)
    rows = tuple(_row(short[line.label], step) for line, step in kept)
    table = Table(
        f"ranks-{growth}", f"{growth.capitalize()} scaling", columns, rows, caption=_say(common),
        notes=say_rows_cut(left, len(steps), "numbers of ranks"), rows_left_out=left,
    )  # fmt: skip
    return drop_idle_columns(table, keep=("rate", "efficiency"))


def _communication_column(way: str) -> Column:
    """The share of a step by one way, in percent."""
    column = metric_column("communication_share", key=f"communication_{way}", title=f"{way} exchange")
    return replace(column, unit="share")


def _say(common: str) -> str:
    return f"All: {common}." if common else ""


def _row(label: str, step: RankStep) -> tuple[Cell, ...]:
    result = step.result
    is_first = step.first is not None and step.first.result is result
    note = "the fewest ranks, which the others are held against" if is_first else None
    missing = None if step.efficiency is not None else "one of the two rates is not known, or not to be used"
    bounds = step.efficiency_bounds or (None, None)
    rate = metric_cell(result, "throughput_per_s", is_beside_verdict=True)
    return (
        Cell(label, ref=result_ref(result)),
        Cell(step.sharing.ranks),
        Cell(_whole(step.sharing.of_a_rank)),
        metric_cell(result, "latency_ns", is_beside_verdict=True),
        replace(rate, unit=rate.unit or work_unit(result.unit_of_work)),
        Cell(step.speedup, Provenance.MEASURED if step.speedup else None, unit="1", reason=note or missing),
        Cell(
            step.efficiency, Provenance.MEASURED if step.efficiency else None, lo=bounds[0], hi=bounds[1],
            unit="share", reason=note or missing, ref=result_ref(result),
        ),
        *(metric_cell(result, "communication_share", phase=way, is_beside_verdict=True) for way in _WAYS),
        metric_cell(result, "straggler_ratio", is_beside_verdict=True),
        metric_cell(result, "memory_peak_bytes", is_beside_verdict=True),
        verdict_cell(result),
    )  # fmt: skip


def _whole(count: float) -> int | float:
    """A count without decimals where it has none."""
    return int(count) if count.is_integer() else count


# -- messages --------------------------------------------------------------------------------------------------


def _message_blocks(results: Sequence[ResultRecord]) -> list[Block]:
    """Bus bandwidth over the size of the message, one line for each place and number of ranks: the newest result's."""
    newest: dict[tuple[str | None, str, int], ResultRecord] = {}
    for result in results:
        if isinstance(result.case, Case) and result.is_usable and _messages(result):
            newest[result.hardware, result.case.device.partition(":")[0], read_sharing(result.case).ranks] = result
    if not newest:
        return []
    ordered = sorted(newest.items(), key=lambda pair: (str(pair[0][0]), pair[0][1], pair[0][2]))
    several = len({hardware for hardware, _, _ in newest}) > 1
    curves, rows = [], []
    for (hardware, device, ranks), result in ordered:
        found = _messages(result)
        name = f"{ranks} ranks on {device}" + (f", {hardware}" if several else "")
        curves.append(
            TrainingCurve(
                name,
                x=[float(size) for size, _ in found],
                values=[one.value for _, one in found],
                ref=result_ref(result),
            )
        )
        rows += [
            (
                Cell(name, ref=result_ref(result)),
                Cell(float(size), unit="B"),
                Cell(one.value, Provenance.MEASURED, lo=one.ci_lo, hi=one.ci_hi, n=one.n, reason=one.reason),
            )
            for size, one in found
        ]
    figure = draw_curves(
        curves=curves, metric="bus bandwidth", unit="B/s", direction=Direction.HIGHER, over="message", over_unit="B",
        title="All-reduce: bus bandwidth over message size", key="ranks-messages",
    )  # fmt: skip
    columns = (
        Column("where", "where", description="Ranks and device"),
        Column("message", "message", unit="B", description="Bytes that every rank holds"),
        metric_column("all_reduce_bytes_per_s", key="rate", title="bus bandwidth"),
    )
    said = Text(
        ("Small messages wait, large ones carry: a flat line is a full link, or on one machine a full memory.",)
    )
    return [
        replace(figure, x=replace(figure.x, scale=Scale.LOG)),
        Table("ranks-messages", "All-reduce", columns, tuple(rows)),
        said,
    ]


def _messages(result: ResultRecord) -> list[tuple[int, MetricValue]]:
    found = [
        (read_size(one.phase), one)
        for one in result.metrics
        if one.name == "all_reduce_bytes_per_s" and one.value is not None
    ]
    return sorted(((size, one) for size, one in found if size is not None), key=lambda pair: pair[0])


def read_size(phase: str) -> int | None:
    """``64.0 KiB`` -> 65536; None for what is no size."""
    number, _, unit = phase.partition(" ")
    try:
        return round(float(number) * _BYTES[unit])
    except (ValueError, KeyError):
        return None
