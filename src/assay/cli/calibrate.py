"""``assay calibrate``: launches of the same thing, which say how far equal things differ on this machine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from assay.cli.compare_sides import complete_metric
from assay.cli.flags import (
    choose_suite,
    complete_engine,
    complete_model,
    complete_option,
    complete_suite,
    implied_mode,
    override_suite,
    read_integers,
    read_mode_options,
    read_options,
    read_shape,
    split_values,
)
from assay.cli.output import (
    CsvOption,
    Form,
    JsonOption,
    StoreOption,
    choose_form,
    format_age,
    make_console,
    new_table,
    open_for_reading,
    print_csv,
    print_json,
    short_id,
)
from assay.core.errors import UsageError

if TYPE_CHECKING:
    from rich.table import Table

    from assay.analysis.calibrate import Calibrated, CalibrationReport
    from assay.core.records import CalibrationRecord
    from assay.runner.request import FinishedRun
    from assay.runner.suite_model import Suite
    from assay.store import Store

EXIT_FAILED_RESULTS = 4
EXIT_INTERRUPTED = 130
_LAUNCHES = 20
_FEWEST = 10
TAG = "calibration"
RECORD_COLUMNS = (
    "series_id", "case_label", "hardware", "metric", "stat", "launches", "launches_a_side", "sd_log", "floor",
    "false_alarm_rate", "splits", "smallest_change", "power", "launches_for_floor", "is_bimodal", "created_at",
    "env_id", "run_ids", "calibration_id",
)  # fmt: skip
COLUMNS = (
    *RECORD_COLUMNS,
    "unit",
    "typical",
    "block_difference",
    "drift_ratio",
    "drift_p",
    "contaminated",
    "is_kept",
    "notes",
)


def calibrate(  # noqa: PLR0913  (a command has as many options as people need)
    store: StoreOption = None,
    stored: Annotated[
        list[str] | None,
        typer.Option("--from", metavar="RUN", help="Launch nothing: take the launches of these runs."),
    ] = None,
    show: Annotated[bool, typer.Option("--show", help="List what is known already; launch nothing.")] = False,
    suite: Annotated[
        str | None,
        typer.Option("--suite", "-s", help="A shipped suite or a YAML file.", autocompletion=complete_suite),
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option("--model", "-m", help="Workloads, as for assay run.", autocompletion=complete_model),
    ] = None,
    engine: Annotated[
        list[str] | None, typer.Option("--engine", "-e", help="Engines.", autocompletion=complete_engine)
    ] = None,
    device: Annotated[list[str] | None, typer.Option("--device", "-d", help="cpu, cuda:0, mps ... or auto.")] = None,
    precision: Annotated[list[str] | None, typer.Option("--precision", "-p", help="fp32, bf16, int8 ...")] = None,
    mode: Annotated[
        list[str] | None, typer.Option("--mode", help="inference, generation, serving, training or data.")
    ] = None,
    batch: Annotated[list[str] | None, typer.Option("--batch", "-b", help="Batch sizes: 1,8.")] = None,
    shape: Annotated[list[str] | None, typer.Option("--shape", help="Dimensions: seq=128, image=224.")] = None,
    threads: Annotated[list[str] | None, typer.Option("--threads", help="CPU threads: 1,2.")] = None,
    option: Annotated[
        list[str] | None,
        typer.Option("--option", "-o", help="A case option: hint=throughput.", autocompletion=complete_option),
    ] = None,
    max_size: Annotated[
        str | None, typer.Option("--max-size", help="Leave out larger sizes: tiny, small, base, large.")
    ] = None,
    launches: Annotated[int, typer.Option("--launches", "-n", min=_FEWEST, help="Fresh processes a case.")] = _LAUNCHES,
    min_time: Annotated[float | None, typer.Option("--min-time", help="Shortest timed window, seconds.")] = None,
    max_time: Annotated[float | None, typer.Option("--max-time", help="Longest timed window, seconds.")] = None,
    launch_limit: Annotated[str | None, typer.Option("--launch-limit", help="Kill a launch after this long.")] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="Seed of weights, inputs and the order.")] = None,
    metric: Annotated[
        str, typer.Option("--metric", help="Which number.", autocompletion=complete_metric)
    ] = "latency_ns",
    keep_disturbed: Annotated[
        bool, typer.Option("--keep-disturbed", help="Also keep what comes mostly of contaminated launches.")
    ] = False,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """Measure the same cases many times over, and keep how far equal launches differ: the floor of compare and check.

    Cases are chosen as for `assay run`, and their launches interleaved. Calibrate on the machine as it will be when it
    measures, with the windows that will be used.

    For example:

      assay calibrate --model bert/tiny,resnet/tiny

      assay calibrate --from last

      assay calibrate --show
    """
    form = choose_form(as_json=as_json, as_csv=as_csv)
    asked = {
        "model": split_values(model), "engine": split_values(engine), "device": split_values(device),
        "precision": split_values(precision), "mode": split_values(mode) or implied_mode(None, None),
        "batch": read_integers("batch", batch), "threads": read_integers("threads", threads),
        "shape": read_shape(seq=None, image=None, others=shape),
        "options": read_options(option) | read_mode_options(None, None),
    }  # fmt: skip
    asked = {key: value for key, value in asked.items() if value}
    _refuse_mixture(launching=bool(asked or suite or max_size), stored=bool(stored), show=show)
    if show:
        _print_known(open_for_reading(store), form)
        return
    if stored:
        opened = open_for_reading(store)
        _finish(opened, [opened.find_run(ref).run_id for ref in stored], metric, form, keep_disturbed=keep_disturbed)
        return
    chosen = override_suite(choose_suite(suite, asked, max_size), launches, min_time, max_time, launch_limit, seed)
    opened, finished = _launch(store, chosen)
    _finish(opened, [finished.run.run_id], metric, form, keep_disturbed=keep_disturbed)
    _exit_for(finished)


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("calibrate")(calibrate)


def _refuse_mixture(*, launching: bool, stored: bool, show: bool) -> None:
    given = [flag for flag, is_given in (("--from", stored), ("--show", show)) if is_given]
    if len(given) > 1 or (given and launching):
        others = given[1:] or ["flags that choose cases"]
        raise UsageError(
            f"{given[0]} was given with {others[0]}.",
            hint="--from reads stored runs, --show lists what is known, and flags that choose cases launch them.",
        )


def _launch(location: str | None, suite: Suite) -> tuple[Store, FinishedRun]:
    from assay.cli.live import LiveRun
    from assay.probes.environment import collect_environment
    from assay.runner.estimate import estimate_plan, read_history
    from assay.runner.execute import execute_plan
    from assay.runner.plan import make_plan, read_machine
    from assay.runner.request import RunRequest
    from assay.store import Store

    opened = Store.open(location)
    environment = collect_environment()
    plan = make_plan(replace(suite, energy=False), read_machine())
    if not plan.ready:
        raise UsageError("Nothing of this suite can be launched here.", hint="`assay run --dry-run` says why.")
    whole = estimate_plan(plan, read_history(opened, plan, environment))
    count = len(plan.ready) * suite.launches
    title = f"calibration: {len(plan.ready)} cases × {suite.launches} launches on {environment.hardware_class}"
    request = RunRequest(plan, environment, tags=(TAG,), note="launches of the same thing, to know the noise")
    with LiveRun(make_console(stderr=True), plan.cases, title=title, expected_launch_s=whole.lo / count) as live:
        return opened, execute_plan(request, opened, listener=live)


def _finish(store: Store, run_ids: Sequence[str], metric: str, form: Form, *, keep_disturbed: bool) -> None:
    """Calibrate from stored launches, keep what can be relied on, print all."""
    from assay.analysis.calibrate import calibrate_runs
    from assay.store.findings import append_calibrations

    report = calibrate_runs(store, run_ids, metric=metric)
    kept = [one for one in report.calibrated if keep_disturbed or not one.is_disturbed]
    append_calibrations(store.location, [one.record for one in kept])
    if form is Form.JSON:
        print_json(_report_row(report, kept))
    elif form is Form.CSV:
        print_csv([_row(one, kept) for one in report.calibrated], COLUMNS)
    else:
        _print_report(store, report, kept)
    if not report.calibrated:
        raise typer.Exit(EXIT_FAILED_RESULTS)


def _exit_for(finished: FinishedRun) -> None:
    from assay.core.words import RunStatus

    if finished.run.status is RunStatus.INTERRUPTED:
        run = short_id(finished.run.run_id)
        typer.secho(f"Interrupted; what there is was used. More launches: assay run --resume {run}", err=True)
        raise typer.Exit(EXIT_INTERRUPTED)
    if finished.run.status is RunStatus.FAILED:
        raise typer.Exit(EXIT_FAILED_RESULTS)


# -- for programs ----------------------------------------------------------------------------------------------


def _report_row(report: CalibrationReport, kept: Sequence[Calibrated]) -> dict[str, Any]:
    """A calibration as plain values."""
    return {
        "calibrations": [_row(one, kept) | {"values": list(one.values)} for one in report.calibrated],
        "left_out": [{"case_label": case, "reason": reason} for case, reason in report.left_out],
        "comparisons": report.comparisons, "alarms": report.alarms,
        "alarm_rate_lo": report.rate_lo, "alarm_rate_hi": report.rate_hi,
    }  # fmt: skip


def _row(one: Calibrated, kept: Sequence[Calibrated]) -> dict[str, Any]:
    noise = one.noise
    return _record_row(one.record) | {
        "is_kept": one in kept,
        "unit": one.unit, "typical": noise.typical, "block_difference": noise.block_difference,
        "drift_ratio": noise.drift_ratio, "drift_p": noise.drift_p, "alarms": noise.alarms,
        "comparisons": noise.comparisons, "contaminated": one.contaminated, "notes": list(one.notes),
        "groups": None if noise.groups is None else [asdict(group) for group in noise.groups],
    }  # fmt: skip


def _record_row(record: CalibrationRecord) -> dict[str, Any]:
    return {name: getattr(record, name) for name in RECORD_COLUMNS}


# -- for people ------------------------------------------------------------------------------------------------


def _print_report(store: Store, report: CalibrationReport, kept: Sequence[Calibrated]) -> None:
    from rich.text import Text

    from assay.cli.scale import format_in

    console = make_console()
    if report.calibrated:
        table = _new_table("launches", "typical", *_FIGURES)
        for one in report.calibrated:
            table.add_row(
                one.record.case_label, str(one.record.launches), format_in(one.unit, one.noise.typical, digits=4),
                *_figures(one.record),
            )  # fmt: skip
        console.print(table)
    for one in report.calibrated:
        for note in one.notes:
            console.print(Text(f"  ! {one.record.case_label}: {note}", style="yellow"), soft_wrap=True)
    for one in report.calibrated:
        if one not in kept:
            note = "not kept: most launches were contaminated; calibrate on a quieter machine, or --keep-disturbed"
            console.print(Text(f"  ! {one.record.case_label}: {note}", style="red"), soft_wrap=True)
    for case, reason in report.left_out:
        console.print(Text(f"  ! {case}: not calibrated: {reason}", style="red"), soft_wrap=True)
    if report.calibrated:
        for line in _explain(report):
            console.print(Text(line, style="dim"), soft_wrap=True)
        share = f"{len(kept)} of {len(report.calibrated)} kept in {store.location} · assay calibrate --show"
        console.print(Text(share, style="dim"), soft_wrap=True)


_FIGURES = ("spread", "floor", "false alarms", "found at 5 a side", "3 % takes", "groups")


def _figures(record: CalibrationRecord) -> list[str]:
    needed = record.launches_for_floor
    return [
        _percent(record.sd_log), _percent(record.floor), f"{100 * record.false_alarm_rate:.1f} %",
        _percent(record.smallest_change), "too many" if needed is None else f"{needed} a side",
        "two" if record.is_bimodal else "one",
    ]  # fmt: skip


def _explain(report: CalibrationReport) -> list[str]:
    first = report.calibrated[0].record
    side = first.launches_a_side
    splits = max(one.noise.splits for one in report.calibrated)
    floor = (
        f"{first.metric} ({first.stat}). floor: two sides of {side} equal launches, interleaved, differ by more in 1 % "
        "of trials; compare and check use it where it is above 3 %."
    )
    rates = (
        f"false alarms: of up to {splits} random splits of these launches into two sides of {side}, how many METHOD 6 "
        f"calls changed by p < 1 % and 3 %. found: the smallest change seen in {100 * first.power:.0f} % of trials."
    )
    lines = [floor, rates]
    if report.rate_hi is not None:
        lines.append(
            f"of {report.comparisons} comparisons that share no launch, {report.alarms} called changed: "
            f"{100 * report.alarms / report.comparisons:.1f} %, at most {100 * report.rate_hi:.1f} % (Wilson, 95 %). "
            "Splits share launches, so their number says nothing of how sure this is."
        )
    return lines


def _print_known(store: Store, form: Form) -> None:
    """List the newest calibration of each series, metric and environment."""
    newest = {(one.series_id, one.metric, one.env_id): one for one in store.calibrations()}
    known = sorted(newest.values(), key=lambda one: (one.case_label, one.hardware or "", one.metric, one.created_at))
    if form is Form.JSON:
        print_json([_record_row(one) for one in known])
    elif form is Form.CSV:
        print_csv([_record_row(one) for one in known], RECORD_COLUMNS)
    elif not known:
        typer.echo(f"Nothing is calibrated in {store.location}. Make launches with: assay calibrate --model bert/tiny")
    else:
        table = _new_table("hardware", "metric", "launches", *_FIGURES, "when")
        for one in known:
            table.add_row(
                one.case_label, one.hardware or "", one.metric, str(one.launches), *_figures(one),
                format_age(one.created_at),
            )  # fmt: skip
        make_console().print(table)


def _new_table(*headers: str) -> Table:
    table = new_table()
    table.add_column("case", overflow="fold")
    words = {"hardware", "metric", "groups", "when"}
    for header in headers:
        table.add_column(header, overflow="fold", justify="left" if header in words else "right")
    return table


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
