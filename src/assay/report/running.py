"""Runs that are going on, as a report: what is being measured, how far it is, and the numbers so far.

They are measured, and not stored yet: an interval of a case may still change with its next launch.
May import: core, store, report.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from assay import __version__
from assay.core.units import format_elapsed
from assay.core.words import Direction, Provenance, Status, Verdict
from assay.report.cells import run_cell, short_id
from assay.report.how_to_read import how_to_read
from assay.report.values import Block, Cell, Column, Facts, Report, Section, Table, Text, Tone
from assay.store.running import RunningLaunch, RunningResult, RunningRun

_RESULT_COLUMNS = (
    Column("case", "case"),
    Column("status", "status"),
    Column("latency_ns", "latency so far", unit="ns", direction=Direction.LOWER),
    Column("launches", "launches", description="made without failing, of those planned"),
    Column("verdict", "verdict"),
)
_LAUNCH_COLUMNS = (
    Column("case", "case"),
    Column("ordinal", "launch", description="of its case, from 1"),
    Column("status", "status"),
    Column("median_ns", "median", unit="ns", direction=Direction.LOWER),
    Column("ended_at", "ended (UTC)"),
)
_LAUNCHES_SHOWN = 8


def report_of_running(runs: Sequence[RunningRun], ended: Sequence[str], now: datetime) -> Report:
    """Build the report. ``ended`` are runs that were published while somebody watched, oldest first."""
    alive = [run for run in runs if run.is_alive]
    dead = [run for run in runs if not run.is_alive]
    return Report(
        kind="running",
        title="Running now",
        generated_at=now,
        assay_version=__version__,
        summary=(_summary(alive), *_dead(dead)),
        sections=tuple(_sections(alive, dead, ended, now)),
        how_to_read=how_to_read(),
    )


def progress_of(run: RunningRun) -> tuple[int, int] | None:
    """Launches that ended, and all of them; None before the first began. A trial counts those of all its sides."""
    if run.number is None or run.total is None:
        return None
    return (run.total, run.total) if run.is_publishing else (run.number - 1, run.total)


def _summary(alive: Sequence[RunningRun]) -> Text:
    if not alive:
        return Text(("No run is going on in this store now.",))
    words = "1 run is going on." if len(alive) == 1 else f"{len(alive)} runs are going on."
    return Text((words,), Tone.GOOD)


def _dead(dead: Sequence[RunningRun]) -> tuple[Text, ...]:
    if not dead:
        return ()
    them = "1 run was" if len(dead) == 1 else f"{len(dead)} runs were"
    return (
        Text(
            (f"{them} cut off: the process is gone. What was measured is safe; `assay store recover` publishes it.",),
            Tone.WARNING,
        ),
    )


def _sections(
    alive: Sequence[RunningRun], dead: Sequence[RunningRun], ended: Sequence[str], now: datetime
) -> list[Section]:
    sections = [_section(run, now) for run in (*alive, *dead)]
    if ended:
        rows = tuple((run_cell(run_id),) for run_id in reversed(ended))
        table = Table("ended", "Ended while this server ran", (Column("run", "run", is_code=True),), rows)
        sections.append(Section("ended", "Ended", (table,)))
    return sections


def _section(run: RunningRun, now: datetime) -> Section:
    blocks: list[Block] = [Facts(f"facts-{run.run_id}", "How far", _facts(run, now))]
    if run.results:
        rows = tuple(_result_row(one) for one in run.results)
        blocks.append(Table(f"cases-{run.run_id}", "Cases so far", _RESULT_COLUMNS, rows))
    if run.launches:
        shown = tuple(_launch_row(one) for one in run.launches[:_LAUNCHES_SHOWN])
        blocks.append(
            Table(
                f"launches-{run.run_id}", "Newest launches", _LAUNCH_COLUMNS, shown,
                rows_left_out=max(0, run.ended - len(shown)),
            )
        )  # fmt: skip
    return Section(f"run-{run.run_id}", f"{run.suite or 'run'} {short_id(run.run_id)}", tuple(blocks))


def _facts(run: RunningRun, now: datetime) -> tuple[tuple[str, Cell], ...]:
    progress, left_s = progress_of(run), run.remaining_s(now)
    elapsed = None if run.started_at is None else format_elapsed((now - run.started_at).total_seconds())
    found = {
        "state": "publishing" if run.is_publishing else "measuring" if run.is_alive else "cut off",
        "launches": "preparing" if progress is None else f"{progress[0]} of {progress[1]} made",
        "now": run.doing if run.is_alive and not run.is_publishing else None,
        "cases": str(run.cases_planned),
        "hardware": run.hardware,
        "note": run.note,
        "running for": elapsed if run.is_alive else None,
        "time left, about": None if left_s is None or not run.is_alive else format_elapsed(left_s),
    }
    items = [(name, Cell(text)) for name, text in found.items() if text]
    if run.started_at is not None:
        items.append(("started (UTC)", Cell(run.started_at)))
    return tuple(items)


def _result_row(one: RunningResult) -> tuple[Cell, ...]:
    verdict = None if one.verdict is None else Verdict(one.verdict)
    is_ok = one.status == Status.OK.value
    return (
        Cell(one.case_label),
        Cell(one.status, reason=one.reason),
        Cell(
            one.latency_ns, Provenance.MEASURED, verdict=verdict, lo=one.lo_ns, hi=one.hi_ns, n=one.launches_ok,
            reason=None if one.latency_ns is not None else one.reason or "no launch gave a latency yet",
            is_usable=is_ok,
        ),
        Cell(f"{one.launches_ok} of {one.launches_planned}"),
        Cell(one.verdict),
    )  # fmt: skip


def _launch_row(one: RunningLaunch) -> tuple[Cell, ...]:
    verdict = None if one.verdict is None else Verdict(one.verdict)
    why_none = None if one.median_ns is not None else one.reason or f"the launch ended {one.status}"
    return (
        Cell(one.case_label),
        Cell(one.ordinal + 1),
        Cell(one.status, reason=one.reason),
        Cell(one.median_ns, Provenance.MEASURED, verdict=verdict, n=1, reason=why_none),
        Cell(one.ended_at),
    )
