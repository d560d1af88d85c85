"""``assay sweep``: grow a batch, a length, an image or the threads until something gives way, and read the curve."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from assay.cli.flags import (
    complete_engine,
    complete_mode,
    complete_model,
    imply,
    in_utf8,
    read_duration,
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
    make_console,
    new_table,
    print_csv,
    print_json,
    short_id,
)
from assay.core.errors import UsageError

if TYPE_CHECKING:
    from rich.table import Table

    from assay.core.records import EnvironmentRecord
    from assay.runner.execute import FinishedRun
    from assay.runner.plan import Plan
    from assay.runner.sweep import Axis, Curve
    from assay.stats.scaling import Point, Scaling
    from assay.store import Store

EXIT_FAILED_RESULTS = 4
EXIT_INTERRUPTED = 130
_SUITE = "sweep"
_LAUNCHES = 3
_BAR_WIDTH = 30
_EIGHTHS = " ▏▎▍▌▋▊▉"
POINT_COLUMNS = (
    "workload", "engine", "device", "precision", "over", "x", "status", "reason", "latency_ns", "latency_lo_ns",
    "latency_hi_ns", "rate", "rate_lo", "rate_hi", "rate_unit", "memory_bytes", "verdict", "is_knee", "is_best",
    "is_enough", "result_id", "run_id",
)  # fmt: skip


def complete_axis(incomplete: str) -> list[str]:
    """What a sweep can go over, for the shell."""
    return [name for name in ("batch", "seq", "image", "threads", "seconds") if name.startswith(incomplete)]


def sweep(  # noqa: PLR0913  (a command has as many options as people need)
    model: Annotated[
        list[str],
        typer.Option("--model", "-m", help="What to measure, as for assay run.", autocompletion=complete_model),
    ],
    over: Annotated[
        str,
        typer.Option(
            "--over", help="What grows: batch, threads, seq, image or another dimension.", autocompletion=complete_axis
        ),
    ] = "batch",
    first: Annotated[int | None, typer.Option("--from", min=1, help="Smallest size.")] = None,
    last: Annotated[int | None, typer.Option("--to", min=1, help="Largest size.")] = None,
    factor: Annotated[int, typer.Option("--factor", min=2, help="Each size is this many times the one before.")] = 2,
    engine: Annotated[
        list[str] | None, typer.Option("--engine", "-e", help="Engines.", autocompletion=complete_engine)
    ] = None,
    device: Annotated[list[str] | None, typer.Option("--device", "-d", help="cpu, cuda:0, mps ... or auto.")] = None,
    precision: Annotated[list[str] | None, typer.Option("--precision", "-p", help="fp32, bf16, int8 ...")] = None,
    mode: Annotated[
        str | None, typer.Option("--mode", help="inference, training or data.", autocompletion=complete_mode)
    ] = None,
    batch: Annotated[
        int | None, typer.Option("--batch", "-b", min=1, help="Batch, where something else grows. Default: 1.")
    ] = None,
    shape: Annotated[list[str] | None, typer.Option("--shape", help="Other dimensions: seq=128.")] = None,
    threads: Annotated[
        int | None, typer.Option("--threads", min=1, help="CPU threads, where they do not grow.")
    ] = None,
    option: Annotated[list[str] | None, typer.Option("--option", "-o", help="A case option: hint=throughput.")] = None,
    latency_target_ms: Annotated[
        float | None, typer.Option("--latency-target-ms", min=0, help="Recommend the fastest size within this latency.")
    ] = None,
    tolerance: Annotated[
        float, typer.Option("--tolerance", min=0, max=1, help="A size this share below the best rate is enough.")
    ] = 0.05,
    launches: Annotated[int, typer.Option("--launches", "-n", min=1, help="Fresh processes a size.")] = _LAUNCHES,
    min_time: Annotated[float | None, typer.Option("--min-time", help="Shortest timed window, seconds.")] = None,
    max_time: Annotated[float | None, typer.Option("--max-time", help="Longest timed window, seconds.")] = None,
    launch_limit: Annotated[
        str | None, typer.Option("--launch-limit", help="Kill a launch after this long, and end its curve there: 90s.")
    ] = None,
    time_limit: Annotated[
        str | None, typer.Option("--time-limit", help="Begin no further size after this long: 10m.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option("--seed", help="Seed of weights, inputs and the order of launches.")
    ] = None,
    store: StoreOption = None,
    note: Annotated[str | None, typer.Option("--note", callback=in_utf8, help="A sentence kept with the run.")] = None,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """Measure growing sizes until the range ends, memory does, or a time limit; say where the curve bends.

    Each size is a case of one run, which is kept. A curve ends at the first size that fails.

    For example:

      assay sweep --model bert/tiny --over batch --to 64

      assay sweep --model resnet/50 --engine torch,openvino --over threads --latency-target-ms 20
    """
    from assay.probes.environment import collect_environment
    from assay.runner.plan import make_plan, read_machine
    from assay.runner.suite_flags import FlagPositions
    from assay.runner.suite_model import build_suite
    from assay.runner.sweep import Axis, grow_sizes, read_curves
    from assay.stats.scaling import analyse_scaling
    from assay.store import Store

    form = choose_form(as_json=as_json, as_csv=as_csv)
    axis = Axis(over)
    sizes = grow_sizes(axis, first, last, factor, cpus=os.cpu_count() or 1)
    others = read_shape(seq=None, image=None, others=shape)
    _refuse_both(axis, batch, threads, others)
    entry: dict[str, Any] = {
        "model": split_values(model), "engine": split_values(engine), "device": split_values(device),
        "precision": split_values(precision), "mode": [mode] if mode else [],
        "batch": [batch or 1], "threads": [threads] if threads else [],
        "shape": others, "options": read_options(option),
    }  # fmt: skip
    content: dict[str, Any] = {
        "name": _SUITE,
        "launches": launches,
        "launch_limit_s": None if launch_limit is None else read_duration("launch-limit", launch_limit),
        "seed": seed,
        "timing": {key: value for key, value in (("min_time_s", min_time), ("max_time_s", max_time)) if value},
        "cases": [_lay_over(imply({key: value for key, value in entry.items() if value}), axis.suite_keys(sizes))],
    }
    suite = build_suite({key: value for key, value in content.items() if value is not None}, positions=FlagPositions())
    opened = Store.open(store)
    environment = collect_environment()
    plan = make_plan(suite, read_machine())
    limit_s = None if time_limit is None else read_duration("time-limit", time_limit)
    finished = _execute(opened, plan, environment, axis, limit_s, note)
    target_ns = None if latency_target_ms is None else latency_target_ms * 1e6
    curves = [
        (curve, analyse_scaling(curve.points, tolerance=tolerance, latency_target_ns=target_ns))
        for curve in read_curves(axis, finished.results)
    ]
    _print(finished, curves, form, opened)
    _exit_for(finished, curves)


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("sweep")(sweep)


def _refuse_both(axis: Axis, batch: int | None, threads: int | None, shape: dict[str, list[int]]) -> None:
    given = {"batch": batch, "threads": threads, **shape}.get(axis.name)
    if given is not None:
        flag = f"--{axis.name}" if axis.name in {"batch", "threads"} else f"--shape {axis.name}="
        raise UsageError(f"{flag} was given beside --over {axis.name}.", hint="--from and --to say where it goes.")


def _lay_over(entry: dict[str, Any], keys: dict[str, Any]) -> dict[str, Any]:
    merged = entry | keys
    if "shape" in keys:
        merged["shape"] = {**entry.get("shape", {}), **keys["shape"]}
    return merged


def _execute(
    store: Store, plan: Plan, environment: EnvironmentRecord, axis: Axis, limit_s: float | None, note: str | None
) -> FinishedRun:
    from assay.cli.live import LiveRun
    from assay.runner.estimate import estimate_plan, read_history
    from assay.runner.execute import RunRequest, execute_plan
    from assay.runner.sweep import schedule_growing, stop_when_failed

    whole = estimate_plan(plan, read_history(store, plan, environment))
    count = max(1, len(plan.ready) * plan.suite.launches)
    title = f"sweep over {axis.name}: {len(plan.ready)} sizes on {environment.hardware_class}"
    rule = stop_when_failed(axis, time_limit_s=limit_s)
    request = RunRequest(plan, environment, note=note, schedule=schedule_growing, stop_rule=rule)
    with LiveRun(make_console(stderr=True), plan.cases, title=title, expected_launch_s=whole.lo / count) as live:
        return execute_plan(request, store, listener=live)


# -- printing --------------------------------------------------------------------------------------------------


def _print(finished: FinishedRun, curves: list[tuple[Curve, Scaling]], form: Form, store: Store) -> None:
    from assay.cli.plain import run_row

    if form is Form.JSON:
        print_json({"run": run_row(finished.run), "curves": [_curve_row(*one) for one in curves]})
    elif form is Form.CSV:
        print_csv([row for one in curves for row in _point_rows(*one)], POINT_COLUMNS)
    else:
        from rich.text import Text

        console = make_console()
        for curve, scaling in curves:
            console.print(_curve_table(curve, scaling))
            for line in describe_scaling(curve, scaling):
                console.print(Text(f"  {line}"), soft_wrap=True)
            console.print()
        run = short_id(finished.run.run_id)
        console.print(Text(f"kept in {store.location} · assay show {run}", style="dim"), soft_wrap=True)


def _point_rows(curve: Curve, scaling: Scaling) -> list[dict[str, Any]]:
    rows = []
    for result, point in zip(curve.results, scaling.points, strict=True):
        case = result.own_case
        numbers = {name: getattr(point, name) for name in ("latency_ns", "latency_lo_ns", "latency_hi_ns", "rate")}
        rows.append({
            "workload": case.workload, "engine": case.engine, "device": case.device, "precision": case.precision.value,
            "over": curve.axis.name, "x": point.x, "status": point.status.value, "reason": point.reason, **numbers,
            "rate_lo": point.rate_lo, "rate_hi": point.rate_hi, "rate_unit": f"{curve.unit}/s",
            "memory_bytes": point.memory_bytes, "verdict": result.verdict.value if result.verdict else None,
            "is_knee": point.x == scaling.knee, "is_best": point.x == scaling.best,
            "is_enough": point.x == scaling.enough, "result_id": result.result_id, "run_id": result.run_id,
        })  # fmt: skip
    return rows


def _curve_row(curve: Curve, scaling: Scaling) -> dict[str, Any]:
    names = ("knee", "knee_reason", "best", "enough", "enough_reason", "undecided", "end_x", "end_reason", "exponents")
    return {
        **{name: getattr(scaling, name) for name in names},
        "end": scaling.end.value,
        "over": curve.axis.name,
        "case": curve.results[0].case.to_dict(),
        "points": _point_rows(curve, scaling),
    }


def _curve_table(curve: Curve, scaling: Scaling) -> Table:
    from rich.text import Text

    from assay.cli.tables import verdict_text
    from assay.core.units import MISSING, format_bytes, format_duration_ns, format_significant

    case = curve.results[0].own_case
    rest = [f"{name} {size}" for name, size in case.shape if name != curve.axis.name]
    rest += [f"batch {case.batch}"] if curve.axis.name != "batch" else []
    rest += [f"{name} {value}" for name, value in case.options if name != curve.axis.name]
    table = new_table(" · ".join([case.workload, case.engine, case.device, case.precision.value, *rest]))
    for header in (curve.axis.name, "median", f"{curve.unit}s/s", "memory", "verdict", ""):
        table.add_column(header, justify="left" if header in {"verdict", ""} else "right", no_wrap=True)
    top = max((point.rate for point in scaling.points if point.rate is not None), default=None)
    for result, point in zip(curve.results, scaling.points, strict=True):
        rate = MISSING if point.rate is None else format_significant(point.rate)
        bar = Text(draw_bar(point.rate, top), style="cyan") + Text(_marks(point, scaling), style="bold")
        table.add_row(
            str(point.x), format_duration_ns(point.latency_ns), rate, format_bytes(point.memory_bytes),
            verdict_text(result), bar,
        )  # fmt: skip
    return table


def draw_bar(value: float | None, top: float | None) -> str:
    """A bar of block characters, an eighth of a cell fine; empty where there is no value."""
    if value is None or not top:
        return ""
    eighths = round(value / top * _BAR_WIDTH * 8)
    return "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()


def _marks(point: Point, scaling: Scaling) -> str:
    words = [
        word
        for word, x in (("knee", scaling.knee), ("best", scaling.best), ("enough", scaling.enough))
        if x is not None and point.x == x
    ]
    return f" ← {', '.join(words)}" if words else ""


def describe_scaling(curve: Curve, scaling: Scaling) -> list[str]:
    """What the curve says, in sentences."""
    from assay.core.words import Verdict

    name = curve.axis.name
    lines = []
    if scaling.knee is not None:
        lines.append(f"knee: {name} {scaling.knee}; beyond it the rate grows less than in proportion")
    else:
        lines.append(f"no knee: {scaling.knee_reason}")
    if scaling.enough is None:
        lines.append(f"no recommendation: {scaling.enough_reason}")
    elif curve.axis.is_chosen or "target" in scaling.enough_reason:
        lines.append(f"recommended: {name} {scaling.enough}, {scaling.enough_reason}")
    if scaling.undecided and curve.axis.is_chosen:
        sizes = ", ".join(str(x) for x in scaling.undecided)
        lines.append(f"undecided: {name} {sizes} may do as well by the intervals; more launches would tell")
    steepest = [one for one in scaling.exponents if one is not None]
    if steepest:
        lines.append(
            f"from size to size latency grows with {name} to the power {min(steepest):.2f} … {max(steepest):.2f}"
        )
    doubtful = [result for result in curve.results if result.verdict not in {None, Verdict.TRUSTED}]
    if doubtful:
        lines.append(f"{len(doubtful)} of {len(curve.results)} sizes are not trusted: read the curve with that in mind")
    where = f" at {name} {scaling.end_x}" if scaling.end_x is not None else ""
    why = f": {scaling.end_reason}" if scaling.end_reason else ""
    lines.append(f"ended by {scaling.end}{where}{why}")
    return lines


def _exit_for(finished: FinishedRun, curves: list[tuple[Curve, Scaling]]) -> None:
    """A curve that ends for want of memory or time has done its work; one without a single number has not."""
    from assay.core.words import RunStatus
    from assay.stats.scaling import End

    if finished.run.status is RunStatus.INTERRUPTED:
        typer.secho("Interrupted. What was done is kept.", err=True)
        sys.exit(EXIT_INTERRUPTED)
    if any(scaling.best is None or scaling.end is End.FAILURE for _, scaling in curves):
        sys.exit(EXIT_FAILED_RESULTS)
