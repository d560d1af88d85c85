"""``assay targets``: are the results of a run within their targets."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from assay.cli.output import (
    CsvOption,
    Form,
    JsonOption,
    StoreOption,
    choose_form,
    new_table,
    open_for_reading,
    print_csv,
    print_json,
    print_table,
    short_id,
)
from assay.core.errors import UsageError

if TYPE_CHECKING:
    from assay.analysis.targets import GroupScore, Outcome, TargetReport
    from assay.catalog.targets import Target
    from assay.core.records import RunRecord

_EXIT_NOT_MET = 1
_EXIT_UNKNOWN = 3


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("targets")(targets)


def targets(
    run: Annotated[str, typer.Argument(help="The run: an id, last, last~2.")] = "last",
    target: Annotated[
        list[str] | None,
        typer.Option("--target", "-t", help="Instead of the suite's: 'p99_latency_ms <= 50'.", show_default=False),
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option("--file", "-f", help="Instead: a suite file's 'targets', as they stand now.", show_default=False),
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit 3 where a target is unknown.")] = False,
    store: StoreOption = None,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """Hold a run's results to its targets: pass, fail or unknown, a score and a grade.

    The targets are those of the suite as it was run, unless others are given. Exits 1 where one is not met.

    For example:

      assay targets last --target "p50_latency_ms <= 50" --target "speedup(onnxruntime/torch) >= 1.2"
    """
    from assay.analysis.targets import Met, judge_targets

    form = choose_form(as_json=as_json, as_csv=as_csv)
    opened = open_for_reading(store)
    found = opened.find_run(run)
    report = judge_targets(opened.results(run_id=found.run_id), _choose(found, target, file))
    _print(found, report, form)
    if report.count(Met.FAIL):
        raise typer.Exit(_EXIT_NOT_MET)
    if strict and report.count(Met.UNKNOWN):
        raise typer.Exit(_EXIT_UNKNOWN)


def _choose(run: RunRecord, written: list[str] | None, file: Path | None) -> tuple[Target, ...]:
    from assay.catalog.targets import parse_target
    from assay.runner.suite_model import load_suite

    if written and file is not None:
        raise UsageError("--target and --file were both given; expected one of them.")
    if written:
        return tuple(map(parse_target, written))
    if file is not None:
        chosen = load_suite(file).targets
        if not chosen:
            raise UsageError(f"{file} has no 'targets'.", hint="docs/targets.md shows how they are written.")
        return chosen
    suite = run.config.get("suite")
    content = suite.get("targets", ()) if isinstance(suite, dict) else ()
    if not content:
        raise UsageError(
            f"Run {short_id(run.run_id)} ({run.suite}) has no targets.",
            hint="Write them into the suite file, or give some with --target 'p50_latency_ms <= 50'.",
        )
    return tuple(map(parse_target, content))


# -- output ------------------------------------------------------------------------------------------------------

COLUMNS = (
    "target", "case", "hardware", "met", "value", "lo", "hi", "sign", "bound", "unit", "close", "provenance",
    "reason", "group",
)  # fmt: skip


def _row(outcome: Outcome) -> dict[str, Any]:
    bound = outcome.bound
    return {
        "group": outcome.target.group or None, "target": outcome.target.label, "case": outcome.case_label,
        "hardware": outcome.hardware,
        "met": outcome.met.value, "metric": bound.metric, "stat": bound.stat, "value": outcome.value, "lo": outcome.lo,
        "hi": outcome.hi, "sign": bound.sign, "bound": bound.bound, "unit": bound.unit, "close": outcome.is_close,
        "credit": outcome.credit, "weight": outcome.target.weight,
        "provenance": outcome.provenance and outcome.provenance.value, "result_ids": list(outcome.result_ids),
        "reason": outcome.reason,
    }  # fmt: skip


def _print(run: RunRecord, report: TargetReport, form: Form) -> None:
    rows = [_row(outcome) for outcome in report.outcomes]
    if form is Form.JSON:
        known = {name: value for name, value in asdict(report).items() if name != "outcomes"}
        print_json({"run": run.run_id, "suite": run.suite, **known, "targets": rows})
        return
    if form is Form.CSV:
        print_csv(rows, COLUMNS)
        return
    _print_table(run, report)


def _print_table(run: RunRecord, report: TargetReport) -> None:
    from rich.text import Text

    from assay.analysis.targets import Met
    from assay.core.units import MISSING

    styles = {Met.PASS: "green", Met.FAIL: "red", Met.UNKNOWN: "yellow"}
    table = new_table(f"targets of {run.suite}, run {short_id(run.run_id)}")
    headers = ("target", "case", "", "value", "95 % CI", "note")
    for header in ("group", *headers) if report.groups else headers:
        table.add_column(header, overflow="fold", justify="right" if header == "value" else "left")
    for one in sorted(report.outcomes, key=lambda one: (list(Met).index(one.met) != 1, one.met is Met.PASS)):
        interval = MISSING if one.lo is None else f"{_shown(one.lo, one)} .. {_shown(one.hi, one)}"
        close = "the bound lies within the interval" if one.is_close else None
        foreign = None if one.provenance in (None, "measured") else str(one.provenance)
        note = "; ".join(filter(None, (close, foreign, one.reason)))
        met = Text(one.met.value, style=styles[one.met])
        row = (one.target.label, one.case_label, met, _shown(one.value, one), interval, note)
        table.add_row(*((one.target.group, *row) if report.groups else row))
    print_table(table)
    for group in report.groups:
        counts = ", ".join(f"{group.met[met]} {met.value}" for met in Met)
        typer.echo(f"{group.name}: {counts}; {_grade(group)}")
    counts = ", ".join(f"{report.count(met)} {met.value}" for met in Met)
    weight = f"{100 * report.known_share:.0f} % of the weight is known"
    typer.echo(f"{counts}; {_grade(report)} ({weight}; docs/targets.md says how it is made)")


def _grade(scored: TargetReport | GroupScore) -> str:
    from assay.core.units import MISSING

    return f"score {MISSING if scored.score is None else f'{scored.score:.0f} of 100, grade {scored.grade}'}"


def _shown(value: float | None, outcome: Outcome) -> str:
    from assay.core.units import MISSING, format_bytes, format_duration_ns, format_significant

    if value is None:
        return MISSING
    match outcome.bound.unit, outcome.bound.metric:
        case "ns", _:
            text = format_duration_ns(value)
        case "B", _:
            text = format_bytes(value)
        case "B/s", _:
            text = f"{format_bytes(value)}/s"
        case _, "saving":
            text = f"{100 * value:.0f} %"
        case _, "speedup":
            text = f"{format_significant(value)}x"
        case "1", _:
            text = format_significant(value)
        case "1/s", _:
            text = f"{format_significant(value)}/s"
        case unit, _:
            text = f"{format_significant(value)} {unit}"
    return text
