"""Launch by launch: the table of launches of a run, and the samples that figures of distributions are drawn from.

May import: core, store, report.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from assay.core.records import LaunchRecord, ResultRecord, SampleSeries
from assay.core.words import Provenance, Status, Verdict
from assay.report.cells import result_ref
from assay.report.run_content import RunContent
from assay.report.values import Cell, Column, Table
from assay.store.query import fetch_rows
from assay.store.schema import SAMPLES

if TYPE_CHECKING:
    from assay.store import Store

_LAUNCH_COLUMNS = (
    Column("case", "case", description="What was measured"),
    Column("launch", "launch", description="Its number within the case"),
    Column("median", "median", unit="ns", description="Of the samples of this launch"),
    Column("samples", "stopped because", description="Why timing ended"),
    Column("warmup", "warm-up calls", description="Calls before timing began"),
    Column("threads", "threads"),
    Column("verdict", "verdict", description="What disturbed it, if anything"),
)


def launches_table(content: RunContent, *, limit: int | None = None) -> Table | None:
    """One row a launch: its median, how it went, and what disturbed it. None of a run without launches."""
    pairs = [(result, launch) for result in content.results for launch in content.launches_of(result)]
    if not pairs:
        return None
    shown = pairs if limit is None else pairs[:limit]
    left_out = len(pairs) - len(shown)
    return Table(
        "launches", "Launches", _LAUNCH_COLUMNS, tuple(_row(result, launch) for result, launch in shown),
        caption="Each is a fresh process. The result is the median of their medians.",
        rows_left_out=left_out,
    )  # fmt: skip


def with_samples(store: Store, content: RunContent, result: ResultRecord) -> tuple[LaunchRecord, ...]:
    """Return the launches of a result with their raw readings. Raises StoreError."""
    rows = fetch_rows(
        store.location,
        'SELECT launch_id, name, unit, calls_per_sample, rank, "values" FROM samples '
        "WHERE run_id = ? AND result_id = ? ORDER BY launch_id, ordinal",
        [result.run_id, result.result_id],
        tables=[SAMPLES],
        versions=store.versions,
    )
    found: dict[str, list[SampleSeries]] = {}
    for row in rows:
        series = SampleSeries(row["name"], row["unit"], tuple(row["values"]), row["calls_per_sample"], row["rank"])
        found.setdefault(row["launch_id"], []).append(series)
    return tuple(replace(one, samples=tuple(found.get(one.launch_id, ()))) for one in content.launches_of(result))


def most_telling(results: Sequence[ResultRecord], most: int) -> tuple[ResultRecord, ...]:
    """The results whose launches a person should see, in the plan's order: disturbed ones first, then the widest."""
    ranked = sorted(results, key=_interest)[:most]
    chosen = {one.result_id for one in ranked}
    return tuple(one for one in results if one.result_id in chosen)


def _interest(result: ResultRecord) -> tuple[int, float]:
    latency = result.metric("latency_ns")
    width = 0.0
    if latency is not None and latency.value and latency.ci_lo and latency.ci_hi:
        width = latency.ci_hi / latency.ci_lo
    order = {Verdict.CONTAMINATED: 0, Verdict.NOISY: 1}
    return order.get(result.verdict, 2) if result.verdict else 2, -width


def _row(result: ResultRecord, launch: LaunchRecord) -> tuple[Cell, ...]:
    case = Cell(result.case.label, ref=result_ref(result))
    number = Cell(launch.ordinal + 1)
    if launch.status is not Status.OK:
        why = launch.reason or "no reason recorded"
        missing = [Cell(reason=f"{launch.status.text}: {why}") for _ in _LAUNCH_COLUMNS[2:-1]]
        return (case, number, *missing, Cell(launch.status.text, reason=why, is_usable=False))
    verdict = launch.verdict
    reasons = "; ".join(launch.verdict_reasons) or None
    median = Cell(launch.median_ns, Provenance(result.provenance), verdict, is_usable=result.is_usable)
    return (
        case,
        number,
        median if launch.median_ns is not None else Cell(reason="it has no latency"),
        _known(launch.stop_reason),
        _known(launch.warmup_calls),
        _known(launch.threads),
        Cell(None if verdict is None else verdict.value, verdict=verdict, reason=reasons or _no(verdict)),
    )


def _known(value: str | int | None) -> Cell:
    return Cell(value, reason="it was not recorded" if value is None else None)


def _no(verdict: Verdict | None) -> str | None:
    return "no noise was recorded" if verdict is None else None
