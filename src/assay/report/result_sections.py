"""Sections on results beside the table of all: failures, one-off costs, memory, energy, fidelity, generation.

Each is a table of one case a row and the metrics of one subject, or None where no result has any. May import: core,
catalog, report.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from assay.catalog.launch_metrics import COSTS, FIDELITY, MEMORY
from assay.core.records import ResultRecord
from assay.core.words import Status
from assay.report.cells import choose_metric, result_ref
from assay.report.results_table import NumberColumn, fidelity_cell, verdict_cell
from assay.report.values import Block, Cell, Column, Section, Table, Text, Tone
from assay.report.wording import plural

COST_METRICS = ("spawn_ns", *(name for name in COSTS if name != "spawn_ns"), "export_ns")
MEMORY_METRICS = (*MEMORY, "model_bytes", "memory_used_bytes")
ENERGY_METRICS = (
    "energy_j_per_sample", "energy_net_j_per_sample", "energy_j_per_call", "energy_net_j_per_call", "energy_j",
    "average_power_w", "peak_power_w", "idle_power_w",
)  # fmt: skip
FIDELITY_METRICS = (*FIDELITY, "fidelity_tolerance")
GENERATION_METRICS = (
    "time_to_first_token_ns", "time_per_output_token_ns", "inter_token_latency_ns", "prefill_tokens_per_s",
    "decode_tokens_per_s", "output_tokens_per_s",
)  # fmt: skip
SERVING_METRICS = (
    "serving_rate_per_s", "serving_completed_rate_per_s", "serving_samples_per_s", "serving_latency_ns",
    "serving_early_stopping_latency_ns", "serving_latency_target_ns", "serving_queries",
)  # fmt: skip
LATENCY_STATS = {
    "best": ("best", "The fastest sample"),
    "p90": ("p90", "90 % of samples are at most this"),
    "p95": ("p95", "95 % of samples are at most this"),
    "p99": ("p99", "99 % of samples are at most this"),
    "mad": ("MAD", "Median absolute deviation of launches"),
    "cv": ("spread of launches", "Their standard deviation over their mean"),
}
_OVER_LAUNCHES = "Medians over launches, each of which is a fresh process."


def metrics_table(
    results: Sequence[ResultRecord], names: Sequence[str], *, key: str, title: str, caption: str = ""
) -> Table | None:
    """One row a result that ended well, one column for each of these metrics that any of them has; None if none."""
    good = [one for one in results if one.status is Status.OK]
    chosen = [NumberColumn(name) for name in names if any(_has(one, name) for one in good)]
    if not chosen:
        return None
    columns = (Column("case", "case", description="What was measured"), *(one.column for one in chosen))
    rows = tuple((case_cell(result), *(one.cell(result) for one in chosen)) for result in good)
    return Table(key, title, columns, rows, caption=caption)


def case_cell(result: ResultRecord) -> Cell:
    """A case in one text, leading to its result."""
    return Cell(result.case.label, ref=result_ref(result))


def spread_section(results: Sequence[ResultRecord]) -> Section | None:
    """The other statistics of latency: best, percentiles where there are samples enough, spread."""
    good = [one for one in results if one.status is Status.OK]
    chosen = [
        NumberColumn("latency_ns", stat) for stat in LATENCY_STATS if any(_has(one, "latency_ns", stat) for one in good)
    ]
    if not chosen:
        return None
    columns = (Column("case", "case"), *(_stat_column(one) for one in chosen))
    rows = tuple((case_cell(result), *(_stat_cell(one, result) for one in chosen)) for result in good)
    caption = "A percentile is given only from as many samples as can show it (90 %: 46, 95 %: 93, 99 %: 473)."
    return Section(
        "spread", "Spread of latency", (Table("spread", "Spread of latency", columns, rows, caption=caption),)
    )


def costs_section(results: Sequence[ResultRecord]) -> Section | None:
    """What is paid once, before the first answer."""
    table = metrics_table(results, COST_METRICS, key="costs", title="One-off costs", caption=_OVER_LAUNCHES)
    return None if table is None else Section("costs", "One-off costs", (table,))


def memory_section(results: Sequence[ResultRecord]) -> Section | None:
    """Peaks of memory, and the size of the model."""
    table = metrics_table(
        results, MEMORY_METRICS, key="memory", title="Memory",
        caption="Peaks over launches, in a pass of its own, above what the process used before the model was loaded.",
    )  # fmt: skip
    return None if table is None else Section("memory", "Memory", (table,))


def energy_section(results: Sequence[ResultRecord]) -> Section | None:
    """Energy and power; where nothing could be read, why. None where nobody tried."""
    table = metrics_table(results, ENERGY_METRICS, key="energy", title="Energy")
    if table is not None:
        return Section("energy", "Energy", (table,))
    reasons = Counter(
        one.reason for result in results for one in result.metrics if one.name in ENERGY_METRICS and one.reason
    )
    if not reasons:
        return None
    said = [f"{reason} ({plural(count, 'case')})." for reason, count in reasons.most_common(3)]
    return Section("energy", "Energy", (Text(("No energy is known.", *said)),))


def fidelity_section(results: Sequence[ResultRecord]) -> Section | None:
    """Whether the answers are right, and how far they are from the reference."""
    good = [one for one in results if one.status is Status.OK]
    if not any(one.fidelity is not None for one in good):
        return None
    chosen = [NumberColumn(name) for name in FIDELITY_METRICS if any(_has(one, name) for one in good)]
    columns = (Column("case", "case"), Column("fidelity", "fidelity"), *(one.column for one in chosen))
    rows = tuple(
        (case_cell(result), fidelity_cell(result), *(one.cell(result) for one in chosen))
        for result in good
        if result.fidelity is not None
    )
    caption = "Compared with float32 eager execution of the same weights and inputs; the worst launch."
    return Section("fidelity", "Fidelity", (Table("fidelity", "Fidelity", columns, rows, caption=caption),))


def mode_sections(results: Sequence[ResultRecord]) -> tuple[Section, ...]:
    """What only some kinds of work have: times of tokens, rates of serving."""
    tables = (
        metrics_table(results, GENERATION_METRICS, key="generation", title="Generation"),
        metrics_table(results, SERVING_METRICS, key="serving", title="Serving"),
    )
    return tuple(Section(table.key, table.title, (table,)) for table in tables if table is not None)


def trouble_section(results: Sequence[ResultRecord]) -> Section | None:
    """What did not work, and what rankings leave out, with the reasons; None where all went well."""
    failed = [one for one in results if one.status.is_failure]
    skipped = [one for one in results if one.status is not Status.OK and not one.status.is_failure]
    left_out = [one for one in results if one.status is Status.OK and not one.is_usable]
    blocks: list[Block] = []
    for key, title, chosen in (
        ("failures", "Failed", failed), ("skipped", "Not run", skipped), ("left-out", "Left out of rankings", left_out),
    ):  # fmt: skip
        if chosen:
            blocks.append(_trouble_table(key, title, chosen))
    if not blocks:
        return None
    if failed:
        blocks.insert(0, Text((f"{plural(len(failed), 'case')} did not work.",), Tone.BAD))
    return Section("trouble", "What did not work", tuple(blocks))


def _trouble_table(key: str, title: str, results: Sequence[ResultRecord]) -> Table:
    columns = (Column("case", "case"), Column("how", "how it ended"), Column("why", "why"))
    rows = []
    for result in results:
        ended = verdict_cell(result)
        why = ended.reason or "no reason recorded"
        rows.append((case_cell(result), Cell(ended.value), Cell(why)))
    return Table(key, title, columns, tuple(rows))


def _stat_column(one: NumberColumn) -> Column:
    """A coefficient of variation has no unit of time."""
    column = one.column
    title, about = LATENCY_STATS[one.stat or "best"]
    return Column(column.key, title, "share" if one.stat == "cv" else column.unit, column.direction, about)


def _stat_cell(one: NumberColumn, result: ResultRecord) -> Cell:
    found = choose_metric(result, one.name, one.stat)
    cell = one.cell(result)
    if one.stat != "cv" or found is None or found.value is None:
        return cell
    return Cell(
        found.value, cell.provenance, cell.verdict, cell.lo, cell.hi, n=cell.n, reason=cell.reason, unit="share",
        is_usable=cell.is_usable, ref=cell.ref,
    )  # fmt: skip


def _has(result: ResultRecord, name: str, stat: str | None = None) -> bool:
    found = choose_metric(result, name, stat)
    return found is not None and found.value is not None
