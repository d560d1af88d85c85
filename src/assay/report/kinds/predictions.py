"""Predictions against what was measured later: errors, and whether intervals held what they promised.

A prediction is paired with the newest usable measurement of the same case on the same hardware. May import: core,
store, analysis, report.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from assay.analysis.usable_numbers import TABLES_READ, NumberWanted
from assay.core.words import Provenance, Verdict
from assay.report.base import ReportKind, ReportRequest, report_kinds
from assay.report.cells import device_cell, metric_column, metric_title, workload_cell
from assay.report.display import format_number
from assay.report.figures.predicted import Pair, PredictionScore, draw_predicted, score_pairs
from assay.report.how_to_read import how_to_read
from assay.report.kinds._over_many import cut, empty_report, say_rows_cut, selection_of, start_report, unit_of
from assay.report.values import Cell, Column, Ref, RefKind, Report, Section, Table, Text, Tone
from assay.report.wording import say_count
from assay.store.query import fetch_rows
from assay.store.rows import optional_aware

if TYPE_CHECKING:
    from assay.store import Store

KIND = "predictions"
TITLE = "Predicted against measured"
OPTIONS: Mapping[str, str] = {}
_HOW = (
    (
        "Predictions are kept with `assay predict --save`, each with its interval, and whatever is measured later of "
        "the same case on the same hardware is held against it here."
    ),
    "What nobody foretold is not estimated: a number that was not measured is missing.",
)
_MOST_ROWS = 200


@dataclass(frozen=True, slots=True)
class ScoredPrediction:
    """A prediction and what was measured of the same case on the same hardware; None where nothing was.

    ``is_before``: the prediction is older than the measurement, as a prediction has to be; None where a time is
    missing.
    """

    label: str
    workload: str
    hardware: str | None
    engine: str | None
    predicted: Cell
    measured: Cell
    is_before: bool | None


def build(store: Store, request: ReportRequest) -> Report:
    """Build the report. Raises StoreError, UsageError."""
    wanted = NumberWanted.of(request.metric or "latency_ns", request.stat)
    found = read_predictions(store, request, wanted)
    if not found:
        what = f"No predicted {metric_title(wanted.metric)} is in this selection."
        return empty_report(KIND, TITLE, request, what, _HOW)
    pairs = [_pair(one) for one in found if one.measured.value is not None]
    score = score_pairs(pairs)
    figure = draw_predicted(pairs=pairs, metric=metric_title(wanted.metric), unit=wanted.unit)
    sections = [
        Section("score", "How good they were", (_score_table(found, pairs), figure)),
        Section("pairs", "Every prediction", (_pairs_table(found, wanted, request.limit),)),
    ]
    return start_report(
        KIND,
        TITLE,
        request,
        summary=_summary(found, score),
        scope=[("metric", metric_title(wanted.metric, request.stat))],
        sections=sections,
        how_to_read=[
            *how_to_read(),
            ("error", "|predicted / measured − 1|. Only measurements that rankings may use are scored."),
            ("coverage", "The share of intervals that hold the measured number, beside the share they promise."),
        ],
    )


def read_predictions(store: Store, request: ReportRequest, wanted: NumberWanted) -> list[ScoredPrediction]:
    """Read the newest prediction of every series with the newest usable measurement of it. Raises StoreError."""
    where, parameters = selection_of(request, provenance=Provenance.PREDICTED.value).where()
    rows = fetch_rows(
        store.location,
        f"""
        WITH predicted AS (
          SELECT result_id, case_id, hardware, workload, engine, precision, batch, unit_of_work, measured_at AS made_at,
                 {wanted.sql()} AS number FROM results WHERE {where}
          QUALIFY row_number() OVER (
            PARTITION BY case_id, hardware ORDER BY measured_at DESC NULLS LAST, result_id DESC) = 1
        ), measured AS (
          SELECT case_id, hardware, max_by(
            {{'id': result_id, 'number': {wanted.sql()}, 'verdict': verdict, 'usable': usable, 'last_at': measured_at}},
            {{'rank': usable AND verdict IS DISTINCT FROM 'contaminated',
              'time': coalesce(measured_at, '-infinity'::TIMESTAMP), 'id': result_id}}) AS newest
          FROM results WHERE provenance = '{Provenance.MEASURED}' AND status = 'ok'
            AND case_id IN (SELECT case_id FROM predicted) GROUP BY ALL
        )
        SELECT predicted.*, newest FROM predicted
        LEFT JOIN measured ON predicted.case_id = measured.case_id
          AND predicted.hardware IS NOT DISTINCT FROM measured.hardware
        WHERE predicted.number IS NOT NULL ORDER BY workload, hardware, predicted.result_id
        """,  # noqa: S608  (words of ours; what is asked is bound or quoted)
        parameters,
        tables=TABLES_READ,
        versions=store.versions,
    )
    return [_read(row, wanted) for row in rows]


def _read(row: Mapping[str, Any], wanted: NumberWanted) -> ScoredPrediction:
    unit = unit_of(wanted.unit, row["unit_of_work"])
    number = row["number"]
    predicted = Cell(
        number["value"], Provenance.PREDICTED, lo=number["lo"], hi=number["hi"], n=number["n"], unit=unit,
        ref=Ref(RefKind.RESULT, row["result_id"]),
    )  # fmt: skip
    newest = row["newest"]
    known = None if newest is None else newest["number"]
    if newest is None or known is None:
        measured = Cell(reason="not measured yet" if newest is None else "measured, without this number")
    else:
        measured = Cell(
            known["value"], Provenance.MEASURED, None if newest["verdict"] is None else Verdict(newest["verdict"]),
            lo=known["lo"], hi=known["hi"], n=known["n"], unit=unit, is_usable=bool(newest["usable"]),
            ref=Ref(RefKind.RESULT, newest["id"]),
        )  # fmt: skip
    words = [
        row["workload"],
        row["engine"],
        row["precision"],
        None if row["batch"] is None else f"batch {row['batch']}",
    ]
    return ScoredPrediction(
        label=", ".join(word for word in words if word),
        workload=row["workload"],
        hardware=row["hardware"],
        engine=row["engine"],
        predicted=predicted,
        measured=measured,
        is_before=_is_before(row["made_at"], None if newest is None else newest["last_at"]),
    )


def _is_before(made: datetime | None, measured: datetime | None) -> bool | None:
    first, second = optional_aware(made), optional_aware(measured)
    return None if first is None or second is None else first < second


def _pair(one: ScoredPrediction) -> Pair:
    return Pair(one.label, one.measured, one.predicted, group=one.hardware)


# -- sections --------------------------------------------------------------------------------------------------


def _score_table(found: Sequence[ScoredPrediction], pairs: Sequence[Pair]) -> Table:
    columns = (
        Column("of", "of", description="Which predictions"),
        Column("n", "scored", description="Predictions beside a measurement that rankings may use"),
        Column("median", "median error", unit="share", description="Of |predicted / measured - 1|"),
        Column("mean", "mean error", unit="share"),
        Column("within_10", "within 10 %", unit="share"),
        Column("within_20", "within 20 %", unit="share"),
        Column("coverage", "coverage", unit="share", description="Intervals that hold the measured number"),
        Column("promised", "promised", unit="share", description="What the intervals promise to hold"),
    )
    groups = [("all", list(pairs))]
    for title, key in (("workload", "workload"), ("hardware", "hardware")):
        names = sorted({str(getattr(one, key)) for one in found})
        if len(names) > 1:
            of = {name: [_pair(one) for one in found if str(getattr(one, key)) == name] for name in names}
            groups += [
                (f"{title} {name}", [pair for pair in own if pair.measured.value is not None])
                for name, own in of.items()
            ]
    rows = [_score_row(name, score_pairs(own)) for name, own in groups]
    return Table("score", "Errors and coverage", columns, tuple(rows))


def _score_row(name: str, score: PredictionScore | None) -> tuple[Cell, ...]:
    if score is None:
        return (Cell(name), Cell(0), *(Cell(reason="nothing to score yet") for _ in range(6)))
    word = Provenance.PREDICTED
    covered = (
        Cell(score.covered / score.with_interval, word, n=score.with_interval)
        if score.with_interval
        else Cell(reason="no prediction has an interval")
    )
    promised = Cell(score.level) if score.level is not None else Cell(reason="none, or levels differ")
    return (
        Cell(name),
        Cell(score.n),
        *(
            Cell(value, word, n=score.n)
            for value in (score.median_error, score.mean_error, score.within_10, score.within_20)
        ),
        covered,
        promised,
    )


def _pairs_table(found: Sequence[ScoredPrediction], wanted: NumberWanted, limit: int) -> Table:
    kept, left = cut(found, min(limit, _MOST_ROWS))
    columns = (
        Column("workload", "workload"),
        Column("case", "case"),
        Column("hardware", "hardware"),
        metric_column(wanted.metric, key="predicted", title="predicted"),
        metric_column(wanted.metric, key="measured", title="measured"),
        Column("error", "predicted over measured", unit="ratio"),
        Column(
            "covered", "in its interval", description="Whether the measured number lies in the prediction's interval"
        ),
        Column("before", "made before", description="Whether the prediction is older than the measurement"),
    )
    rows = []
    for one in kept:
        before = one.is_before
        rows.append((
            workload_cell(one.workload),
            Cell(one.label),
            device_cell(one.hardware),
            one.predicted,
            one.measured,
            *_judge(one),
            Cell(None if before is None else before, reason="a time is missing" if before is None else None),
        ))  # fmt: skip
    return Table(
        "predictions", "Every prediction", columns, tuple(rows), notes=say_rows_cut(left, len(found), "predictions"),
        rows_left_out=left,
    )  # fmt: skip


def _judge(one: ScoredPrediction) -> tuple[Cell, Cell]:
    predicted, measured = one.predicted, one.measured
    if (
        not isinstance(measured.value, float | int)
        or not isinstance(predicted.value, float | int)
        or not measured.value
    ):
        missing = Cell(reason=measured.reason or "not measured yet")
        return missing, missing
    error = Cell(predicted.value / measured.value, Provenance.PREDICTED)
    if predicted.lo is None or predicted.hi is None:
        return error, Cell(reason="the prediction has no interval")
    return error, Cell(predicted.lo <= measured.value <= predicted.hi)


def _summary(found: Sequence[ScoredPrediction], score: PredictionScore | None) -> list[Text]:
    first = f"{say_count(len(found), 'prediction')}, {score.n if score else 0} of them scored."
    if score is None:
        return [
            Text((first, "None of these cases has been measured on its hardware since: run them, and they are scored."))
        ]
    said = (
        f"Median error {format_number(score.median_error, 'share')}, mean {format_number(score.mean_error, 'share')}; "
        f"{format_number(score.within_10, 'share')} within 10 %, {format_number(score.within_20, 'share')} within 20 %."
    )
    coverage = "No prediction has an interval."
    if score.with_interval:
        promised = "" if score.level is None else f", {format_number(score.level, 'share')} promised"
        share = format_number(score.covered / score.with_interval, "share")
        coverage = f"{share} of {score.with_interval} intervals hold the measured number{promised}."
    late = sum(one.is_before is False for one in found)
    texts = [Text((first, said, coverage))]
    if late:
        note = f"{say_count(late, 'prediction')} not older than the measurement beside it: no test of anything."
        texts.append(Text((note,), Tone.WARNING))
    return texts


report_kinds.add(
    KIND,
    ReportKind(
        name=KIND,
        title=TITLE,
        description="Predictions beside what was measured later: error, coverage of intervals",
        build=build,
        options=OPTIONS,
    ),
)
