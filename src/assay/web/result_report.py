"""The report on one result: what it is, its numbers, each launch with its samples, and where it is from.

Of an imported result it shows the record of its source and how each number was converted. May import: core, report,
store.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

from assay.core.records import LaunchRecord, ResultRecord, TelemetrySeries
from assay.core.words import Mark, Provenance, Status, Verdict
from assay.report.cells import result_ref, run_cell, series_ref, short_id, workload_cell
from assay.report.display import format_number
from assay.report.figures.cumulative import draw_cumulative
from assay.report.figures.distribution import draw_distributions
from assay.report.results_table import (
    fidelity_cell,
    launches_cell,
    numbers_table,
    precision_text,
    settings_text,
    verdict_cell,
)
from assay.report.values import Cell, Column, Facts, Ref, RefKind, Report, Section, Source, Table, Text, Tone
from assay.report.wording import plural, sentence
from assay.store.query import fetch_rows
from assay.store.rows import launch_from_row, sample_from_row, telemetry_from_row
from assay.web.reports import page_report, section

if TYPE_CHECKING:
    from assay.store import Store

_MOST_LAUNCHES = 200
_LONGEST_FIELD = 4_000


def report_result(store: Store, result: ResultRecord) -> Report:
    """Make the report. Raises StoreError."""
    launches = read_result_launches(store, result)
    numbers = numbers_table([result], title="Every number")
    without_case = Table(
        numbers.key,
        numbers.title,
        numbers.columns[1:],
        tuple(row[1:] for row in numbers.rows),
        numbers.caption,
        numbers.notes,
        when_empty=numbers.when_empty,
    )
    sections = [
        section("result", "The result", _facts(result)),
        *_distribution(result, launches),
        section("launches", "Launches", _launch_table(result, launches)) if launches else section("launches", ""),
        section("numbers", "Every number", without_case),
        section("witnesses", "What was seen beside the timing", _witness_table(launches)),
        section("telemetry", "Sensors", _sensor_table(launches)),
        *_origin(result),
    ]
    return page_report(
        "result",
        result.case.label,
        sections,
        summary=[*_summary(result)],
        scope=(("result", result.result_id), ("provenance", result.provenance.value)),
        sources=[Source(result.source, result.source_place or "")] if result.source else (),
        topics=("memory", "throughput", "fidelity"),
        ref=result_ref(result),
    )


def read_result_launches(store: Store, result: ResultRecord) -> list[LaunchRecord]:
    """Return the launches of one result with their samples and sensors, in order. Raises StoreError."""

    def read(table: str, order: str) -> list[dict[str, object]]:
        sql = f"SELECT * FROM {table} WHERE result_id = ? AND run_id = ? ORDER BY {order}"  # noqa: S608  (words of ours; values are bound)
        return fetch_rows(store.location, sql, [result.result_id, result.run_id], versions=store.versions)

    rows = read("launches", f"ordinal, launch_id LIMIT {_MOST_LAUNCHES}")
    if not rows:
        return []
    samples, sensors = read("samples", "launch_id, ordinal"), read("telemetry", "launch_id, ordinal")
    return [
        launch_from_row(
            row,
            [sample_from_row(one) for one in samples if one["launch_id"] == row["launch_id"]],
            [telemetry_from_row(one) for one in sensors if one["launch_id"] == row["launch_id"]],
        )
        for row in rows
    ]


# -- in words ---------------------------------------------------------------------------------------------------


def _summary(result: ResultRecord) -> Iterator[Text]:
    if result.provenance is Provenance.IMPORTED:
        yield Text(("Somebody else's numbers, read from the source named below. Nothing here was measured by assay.",))
    if result.status is not Status.OK:
        tone = Tone.BAD if result.status.is_failure else Tone.WARNING
        yield Text((sentence(f"{result.status.text}: {result.reason or 'no reason recorded'}"),), tone)
    elif not result.is_usable:
        yield Text(("Rankings and means leave this result out.", *_why_left_out(result)), Tone.WARNING)
    elif result.verdict is Verdict.CONTAMINATED:
        yield Text(("It was disturbed and should be measured again.", *result.verdict_reasons), Tone.WARNING)
    elif result.verdict is Verdict.NOISY:
        yield Text(("The machine was not quiet.", *result.verdict_reasons), Tone.WARNING)


def _why_left_out(result: ResultRecord) -> Iterator[str]:
    if result.fidelity_reason:
        yield sentence(result.fidelity_reason)
    for mark, why in result.marks.items():
        if Mark(mark).excludes:
            yield sentence(f"{mark}: {why}")


def _facts(result: ResultRecord) -> Facts:
    case = result.case
    unsaid = "its source does not say" if result.provenance is Provenance.IMPORTED else "it is not known"

    def known(value: str | int | None) -> Cell:
        return Cell(value, reason=unsaid if value is None else None)

    items = [
        ("workload", workload_cell(case.workload)),
        ("engine", known(case.engine)),
        ("device", known(case.device)),
        (
            "hardware",
            Cell(result.hardware, ref=Ref(RefKind.DEVICE, result.hardware)) if result.hardware else known(None),
        ),
        ("mode", Cell(case.mode.value)),
        ("precision", known(precision_text(result))),
        ("batch", known(case.batch)),
        ("settings", Cell(settings_text(result), reason=None if case.shape or case.options else "none")),
        ("run", run_cell(result.run_id)),
        ("verdict", verdict_cell(result)),
        ("fidelity", fidelity_cell(result)),
        ("launches", launches_cell(result)),
        ("measured", Cell(result.measured_at, reason=unsaid if result.measured_at is None else None)),
        ("parameters", known(result.parameters)),
    ]
    if result.provenance is Provenance.MEASURED:
        items.append(("series", Cell(short_id(result.series_id), ref=series_ref(result.series_id))))
    for mark, why in result.marks.items():
        items.append((f"marked {mark}", Cell(why)))
    return Facts("result", "The result", tuple(items))


# -- launches ---------------------------------------------------------------------------------------------------


def _distribution(result: ResultRecord, launches: list[LaunchRecord]) -> list[Section]:
    if not any(launch.samples for launch in launches):
        return []
    return [
        section(
            "distribution",
            "How its launches spread",
            draw_distributions(launches=launches, result=result),
            draw_cumulative(launches=launches, result=result),
        )
    ]


_LAUNCH_COLUMNS = (
    Column("launch", "launch", description="Its number within the case"),
    Column("began", "began", description="When the worker process began"),
    Column("median", "median", unit="ns", description="Of the samples of this launch"),
    Column("samples", "samples", description="Raw readings that are kept"),
    Column("stopped", "stopped because", description="Why timing ended"),
    Column("warmup", "warm-up calls", description="Calls before timing began"),
    Column("threads", "threads", description="Threads that the engine used"),
    Column("took", "took", unit="ns", description="The whole life of its process"),
    Column("verdict", "verdict", description="Whether something disturbed it"),
)


def _launch_table(result: ResultRecord, launches: list[LaunchRecord]) -> Table:
    return Table(
        "launches",
        "Launches",
        _LAUNCH_COLUMNS,
        tuple(_launch_row(result, launch) for launch in launches),
        caption="Each is a fresh process. The result is the median of their medians.",
    )


def _launch_row(result: ResultRecord, launch: LaunchRecord) -> tuple[Cell, ...]:
    def known(value: str | int | None, reason: str = "it was not recorded") -> Cell:
        return Cell(value, reason=reason if value is None else None)

    is_ok = launch.status is Status.OK
    ended = "; ".join(filter(None, (launch.status.text, launch.reason)))
    median = (
        Cell(launch.median_ns, result.provenance, launch.verdict, is_usable=result.is_usable)
        if is_ok and launch.median_ns is not None
        else Cell(reason="it has no latency" if is_ok else ended)
    )
    counted = sum(len(series.values) for series in launch.samples)
    verdict = launch.verdict
    return (
        Cell(launch.ordinal + 1),
        Cell(launch.started_at, reason=None if launch.started_at else "it was not recorded"),
        median,
        Cell(counted) if counted else Cell(reason="none are kept"),
        known(launch.stop_reason, "it was not recorded" if is_ok else ended),
        known(launch.warmup_calls),
        known(launch.threads),
        Cell(launch.wall_ns, result.provenance) if launch.wall_ns is not None else Cell(reason="it was not recorded"),
        Cell(
            None if verdict is None else verdict.value,
            verdict=verdict,
            reason="; ".join(launch.verdict_reasons) or None,
        )
        if is_ok
        else Cell(launch.status.text, reason=launch.reason or "no reason recorded", is_usable=False),
    )


def _witness_table(launches: list[LaunchRecord]) -> Table | None:
    """What could have disturbed each launch, a column a launch."""
    names = list(dict.fromkeys(name for launch in launches for name in launch.witnesses))
    shown = launches[:8]
    if not names:
        return None
    columns = (
        Column("witness", "witness", is_code=True, description="docs/measuring.md says what each is, and its unit"),
        *(Column(f"launch-{launch.ordinal + 1}", f"launch {launch.ordinal + 1}") for launch in shown),
    )
    rows = tuple((Cell(name), *(_witness(launch, name) for launch in shown)) for name in sorted(names))
    notes = (f"The first {len(shown)} of {len(launches)} launches.",) if len(shown) < len(launches) else ()
    return Table("witnesses", "What was seen beside the timing", columns, rows, notes=notes)


def _witness(launch: LaunchRecord, name: str) -> Cell:
    value = launch.witnesses.get(name)
    return Cell(reason="this launch has none") if value is None else Cell(value)


def _sensor_table(launches: list[LaunchRecord]) -> Table | None:
    """Every sensor of every launch, in one line each."""
    pairs = [(launch, one) for launch in launches for one in launch.telemetry]
    if not pairs:
        return None
    columns = (
        Column("launch", "launch"),
        Column("sensor", "sensor", description="What was read"),
        Column("device", "of", description="Of which device, or part of it"),
        Column("readings", "readings"),
        Column("lowest", "lowest"),
        Column("mean", "mean"),
        Column("highest", "highest"),
        Column("source", "read from", description="Who was asked, and what the sensor covers"),
    )
    rows = tuple(_sensor_row(launch, series) for launch, series in pairs)
    return Table("sensors", "Sensors", columns, rows, caption="Read by the supervisor beside the worker.")


def _sensor_row(launch: LaunchRecord, series: TelemetrySeries) -> tuple[Cell, ...]:
    known = [value for value in series.values if value is not None]
    unit = series.unit
    failed = len(series.values) - len(known)
    numbers = (
        tuple(
            Cell(value, Provenance.MEASURED, unit=unit) for value in (min(known), sum(known) / len(known), max(known))
        )
        if known
        else (Cell(reason="no reading worked"),) * 3
    )
    return (
        Cell(launch.ordinal + 1),
        Cell(series.sensor),
        Cell(series.device),
        Cell(len(known), reason=f"{plural(failed, 'reading')} failed" if failed else None),
        *numbers,
        Cell(f"{series.source}, {series.scope}"),
    )


# -- where it is from -------------------------------------------------------------------------------------------


def _origin(result: ResultRecord) -> Iterator[Section]:
    """The record of the source under its own names, and what became of each field."""
    if result.provenance is not Provenance.IMPORTED:
        return
    conversions = Table(
        "conversions",
        "How each number was read",
        (
            Column("number", "number", is_code=True, description="Metric and statistic"),
            Column("field", "field of the source", is_code=True),
            Column("unit", "its unit"),
            Column("factor", "factor", description="What the source's number was multiplied by"),
            Column("note", "note"),
        ),
        tuple(
            (
                Cell(name),
                _said(how.get("field")),
                _said(how.get("unit")),
                _said(how.get("factor")),
                _said(how.get("note"), "there is nothing to say"),
            )
            for name, how in sorted(result.conversions.items())
        ),
        when_empty="Its numbers were taken as they stand.",
    )
    fields = Facts(
        "source",
        "The record in the source, under its own names",
        tuple((name, _field(value)) for name, value in sorted(result.source_fields.items())),
    )
    yield section("conversions", "How each number was read", conversions)
    yield section("source", "The record in the source", fields if fields.items else None)


def _said(value: object, otherwise: str = "its source does not say") -> Cell:
    if value is None:
        return Cell(reason=otherwise)
    return Cell(value if isinstance(value, str | int | float) else json.dumps(value, ensure_ascii=False))


def _field(value: object) -> Cell:
    if value is None or value == "":
        return Cell(reason="empty in the source")
    if isinstance(value, bool | int | float):
        return Cell(value if isinstance(value, bool) else str(value))
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    left = len(text) - _LONGEST_FIELD
    return Cell(text if left <= 0 else f"{text[:_LONGEST_FIELD]}… ({format_number(left)} more characters)")
