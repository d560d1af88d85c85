"""``assay run`` (and its alias ``bench``): plan, show or execute, print the table."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from assay.cli.output import (
    CsvOption,
    JsonOption,
    StoreOption,
    choose_form,
    make_console,
    new_table,
    print_csv,
    print_json,
)
from assay.core.errors import UsageError

if TYPE_CHECKING:
    from assay.core.records import EnvironmentRecord
    from assay.runner.execute import FinishedRun, Inheritance
    from assay.runner.plan import Machine, Plan
    from assay.runner.suite_model import Suite
    from assay.store import Store

EXIT_FAILED_RESULTS = 4
EXIT_INTERRUPTED = 130
_DEFAULT_SUITE = "quick"


def _complete_model(incomplete: str) -> list[str]:
    from assay.workloads.base import families

    names = [f"{name}/{size}" for name in families.names() for size in families.get(name).sizes]
    return [name for name in names if name.startswith(incomplete)]


def _complete_suite(incomplete: str) -> list[str]:
    from assay.runner.suite_model import suite_names

    return [name for name in suite_names() if name.startswith(incomplete)]


def _complete_engine(incomplete: str) -> list[str]:
    from assay.engines.base import engines

    return [name for name in engines.names() if name.startswith(incomplete)]


def run(  # noqa: PLR0913  (a command has as many options as people need)
    store: StoreOption = None,
    suite: Annotated[
        str | None,
        typer.Option(
            "--suite", "-s", help="Name of a shipped suite or path of a YAML file.", autocompletion=_complete_suite
        ),
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            "-m",
            help="family/size, hf:org/name, ./folder or module:function; several with commas.",
            autocompletion=_complete_model,
        ),
    ] = None,
    engine: Annotated[list[str] | None, typer.Option("--engine", "-e", autocompletion=_complete_engine)] = None,
    device: Annotated[list[str] | None, typer.Option("--device", "-d", help="cpu, cuda:0, mps ... or auto.")] = None,
    precision: Annotated[list[str] | None, typer.Option("--precision", "-p", help="fp32, bf16, fp16.")] = None,
    batch: Annotated[list[str] | None, typer.Option("--batch", "-b", help="Batch sizes: 1,8.")] = None,
    seq: Annotated[list[str] | None, typer.Option("--seq", help="Sequence lengths: 128,512.")] = None,
    image: Annotated[list[str] | None, typer.Option("--image", help="Image sides in pixels.")] = None,
    shape: Annotated[list[str] | None, typer.Option("--shape", help="Any other dimension: seconds=10.")] = None,
    threads: Annotated[
        list[str] | None, typer.Option("--threads", help="CPU threads: 1,2. Default: physical cores.")
    ] = None,
    max_size: Annotated[
        str | None, typer.Option("--max-size", help="Leave out larger sizes: tiny, small, base, large.")
    ] = None,
    launches: Annotated[int | None, typer.Option("--launches", "-n", min=1, help="Fresh processes a case.")] = None,
    min_time: Annotated[
        float | None, typer.Option("--min-time", help="Shortest timed window of a launch, seconds.")
    ] = None,
    max_time: Annotated[
        float | None, typer.Option("--max-time", help="Longest timed window of a launch, seconds.")
    ] = None,
    launch_limit: Annotated[
        str | None, typer.Option("--launch-limit", help="Kill a launch after this long: 90s, 10m.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option("--seed", help="Seed of weights, inputs and the order of launches.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the plan and how long it will take; run nothing.")
    ] = False,
    resume: Annotated[str | None, typer.Option("--resume", metavar="RUN", help="Finish an interrupted run.")] = None,
    skip_fresh: Annotated[
        str | None, typer.Option("--skip-fresh", metavar="AGE", help="Leave out cases measured here within AGE: 7d.")
    ] = None,
    tag: Annotated[list[str] | None, typer.Option("--tag", help="Words to find the run by.")] = None,
    note: Annotated[str | None, typer.Option("--note", help="A sentence kept with the run.")] = None,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """Measure workloads on this machine and keep the results.

    Without --suite and --model this runs the quick suite: a handful of model families in under three minutes.

    Examples:
      assay run

      assay run --model bert/base,resnet/50 --batch 1,8 --precision fp32,bf16

      assay run --suite standard --max-size tiny --dry-run
    """
    from assay.probes.environment import collect_environment
    from assay.runner.plan import make_plan, read_machine
    from assay.store import Store

    form = choose_form(as_json=as_json, as_csv=as_csv)
    opened = Store.open(store)
    environment, machine = collect_environment(), read_machine()
    inheritance = None
    asked = {
        "model": _split(model), "engine": _split(engine), "device": _split(device), "precision": _split(precision),
        "batch": _integers("batch", batch), "threads": _integers("threads", threads),
        "shape": _shape(seq=seq, image=image, others=shape),
    }  # fmt: skip
    asked = {key: value for key, value in asked.items() if value}
    if resume is not None:
        _refuse_beside_resume(asked, suite)
        inheritance, chosen = _inherit(opened, resume, environment)
    else:
        chosen = _choose_suite(suite, asked, max_size)
        chosen = _override(chosen, launches, min_time, max_time, launch_limit, seed)
    plan = make_plan(chosen, machine)
    if not plan.cases:
        raise UsageError("The plan is empty: nothing of this suite is within --max-size.")
    plan = _leave_out_fresh(opened, plan, environment, skip_fresh)
    if dry_run:
        _print_plan(opened, plan, environment, machine, as_json=as_json)
        return
    finished = _execute(opened, plan, environment, inheritance, tuple(tag or ()), note)
    _print_finished(finished, environment, form.value, opened)
    _exit_for(finished)


def register(app: typer.Typer) -> None:
    """Add ``run`` and ``bench`` to the application."""
    app.command("run")(run)
    app.command("bench", help="The same as run.", hidden=True)(run)


# -- from flags to a suite -------------------------------------------------------------------------------------


def _split(values: Sequence[str] | None) -> list[str]:
    return [part.strip() for value in values or () for part in value.split(",") if part.strip()]


def _integers(option: str, values: Sequence[str] | None) -> list[int]:
    parts = _split(values)
    for part in parts:
        if not part.isdecimal() or int(part) < 1:
            raise UsageError(f"--{option} got {part!r}; expected whole numbers of at least 1, such as 1,8.")
    return [int(part) for part in parts]


def _shape(
    *, seq: Sequence[str] | None, image: Sequence[str] | None, others: Sequence[str] | None
) -> dict[str, list[int]]:
    shape = {"seq": _integers("seq", seq), "image": _integers("image", image)}
    for part in _split(others):
        name, equals, value = part.partition("=")
        if not equals:
            raise UsageError(f"--shape got {part!r}; expected a dimension and its size, such as seconds=10.")
        shape.setdefault(name, []).extend(_integers(f"shape {name}", [value]))
    return {name: sizes for name, sizes in shape.items() if sizes}


def _choose_suite(suite: str | None, asked: dict[str, Any], max_size: str | None) -> Suite:
    from assay.runner.suite_model import build_suite, load_suite, suite_to_dict

    if suite is None and "model" in asked:
        chosen = build_suite({"name": "command-line", "cases": [asked]})
    else:
        chosen = load_suite(suite or _DEFAULT_SUITE)
        if asked:
            content = suite_to_dict(chosen)
            content["cases"] = [_merge(entry, asked) for entry in content["cases"]]
            chosen = build_suite(content)
    return _limit_size(chosen, max_size) if max_size else chosen


def _merge(entry: dict[str, Any], asked: dict[str, Any]) -> dict[str, Any]:
    """A flag replaces the suite's key; dimensions replace one by one."""
    merged = {**entry, **asked}
    if "shape" in asked:
        merged["shape"] = {**entry.get("shape", {}), **asked["shape"]}
    return merged


def _limit_size(suite: Suite, max_size: str) -> Suite:
    from assay.core.errors import UnknownNameError
    from assay.workloads.base import Tier
    from assay.workloads.resolve import resolve_workload

    if max_size not in {tier.value for tier in Tier}:
        raise UnknownNameError("size limit", max_size, [tier.value for tier in Tier])
    limit = Tier(max_size)
    matrices = []
    for matrix in suite.cases:
        models = tuple(name for name in matrix.models if resolve_workload(name).size.tier.fits(limit))
        if models:
            matrices.append(replace(matrix, models=models))
    return replace(suite, cases=tuple(matrices))


def _override(
    suite: Suite,
    launches: int | None,
    min_time: float | None,
    max_time: float | None,
    launch_limit: str | None,
    seed: int | None,
) -> Suite:
    from assay.runner.suite_model import build_suite, suite_to_dict

    timing = {"min_time_s": min_time, "max_time_s": max_time}
    given: dict[str, Any] = {
        "launches": launches,
        "launch_limit_s": None if launch_limit is None else _duration("launch-limit", launch_limit),
        "seed": seed,
    }
    given = {key: value for key, value in given.items() if value is not None}
    timing = {key: value for key, value in timing.items() if value is not None}
    if not given and not timing:
        return suite
    content = suite_to_dict(suite) | given
    content["timing"] = {**content["timing"], **timing}
    return replace(build_suite(content), positions=suite.positions)


def _duration(option: str, text: str) -> float:
    from assay.core.units import parse_duration_s

    try:
        return parse_duration_s(text)
    except ValueError as error:
        raise UsageError(f"--{option}: {error}") from error


# -- resume and skip -------------------------------------------------------------------------------------------


def _refuse_beside_resume(asked: dict[str, Any], suite: str | None) -> None:
    if asked or suite:
        raise UsageError(
            "--resume was given with flags that choose cases.",
            hint="A resumed run has the plan of the run it resumes; give --resume alone.",
        )


def _inherit(store: Store, ref: str, environment: EnvironmentRecord) -> tuple[Inheritance, Suite]:
    from assay.runner.execute import Inheritance
    from assay.runner.suite_model import build_suite

    store.recover()
    parent = store.find_run(ref)
    content = parent.config.get("suite")
    if not isinstance(content, dict):
        raise UsageError(f"Run {parent.run_id} was not made by `assay run`, so it cannot be resumed.")
    same = parent.env_id == environment.env_id
    if not same:
        message = "The environment has changed since that run (see `assay show`): every case is measured anew."
        typer.secho(message, fg=typer.colors.YELLOW, err=True)
    launches = tuple(store.launches(run_id=parent.run_id, with_samples=True)) if same else ()
    return Inheritance(parent, launches, tuple(store.results(run_id=parent.run_id))), build_suite(content)


def _leave_out_fresh(store: Store, plan: Plan, environment: EnvironmentRecord, age: str | None) -> Plan:
    from assay.core.units import format_elapsed
    from assay.runner.estimate import find_fresh

    if age is None:
        return plan
    fresh = find_fresh(store, plan, environment, within_s=_duration("skip-fresh", age))
    if fresh:
        oldest = format_elapsed(max(fresh.values()))
        message = f"{len(fresh)} of {len(plan.cases)} cases left out: measured here within {age} (oldest {oldest} ago)."
        typer.secho(message, fg=typer.colors.CYAN, err=True)
    left = tuple(planned for planned in plan.cases if planned.case.case_id not in fresh)
    if not left:
        raise typer.Exit
    return replace(plan, cases=left)


# -- show and execute ------------------------------------------------------------------------------------------


def _print_plan(store: Store, plan: Plan, environment: EnvironmentRecord, machine: Machine, *, as_json: bool) -> None:
    from assay.core.units import format_count, format_elapsed
    from assay.runner.estimate import estimate_launch, estimate_plan, read_history

    history = read_history(store, plan, environment)
    whole = estimate_plan(plan, history)
    rows: list[dict[str, Any]] = []
    for planned in plan.cases:
        one = None if planned.obstacle else estimate_launch(planned, plan, history)
        rows.append({
            **planned.case.to_dict(), "case_id": planned.case.case_id, "threads": planned.threads,
            "parameters": planned.workload.size.parameters,
            "obstacle": planned.obstacle.reason if planned.obstacle else None,
            "launch_lo_s": one.lo if one else None, "launch_hi_s": one.hi if one else None,
        })  # fmt: skip
    if as_json:
        print_json({"suite": plan.suite.name, "launches": plan.suite.launches, "cases": rows,
                    "total_lo_s": whole.lo, "total_hi_s": whole.hi, "from_history": whole.from_history})  # fmt: skip
        return
    table = new_table(f"plan of suite {plan.suite.name}")
    for header in ("case", "parameters", "a launch takes"):
        table.add_column(header, overflow="fold")
    for planned, row in zip(plan.cases, rows, strict=True):
        takes = row["obstacle"] or f"{row['launch_lo_s']:.0f} to {row['launch_hi_s']:.0f} s"
        table.add_row(planned.case.label, format_count(row["parameters"]), takes)
    basis = "what these cases took here before" if whole.from_history else "the windows of the method, as bounds"
    make_console().print(table)
    typer.echo(
        f"{len(plan.ready)} cases × {plan.suite.launches} launches on {machine.threads} threads: "
        f"{format_elapsed(whole.lo)} to {format_elapsed(whole.hi)}, by {basis}. Nothing was run."
    )


def _execute(
    store: Store,
    plan: Plan,
    environment: EnvironmentRecord,
    inheritance: Inheritance | None,
    tags: tuple[str, ...],
    note: str | None,
) -> FinishedRun:
    from assay.cli.live import LiveRun
    from assay.runner.estimate import estimate_plan, read_history
    from assay.runner.execute import RunRequest, execute_plan

    request = RunRequest(plan, environment, tags=tags, note=note, inheritance=inheritance)
    whole = estimate_plan(plan, read_history(store, plan, environment))
    count = max(1, len(plan.ready) * plan.suite.launches)
    title = (
        f"{plan.suite.name}: {len(plan.ready)} cases × {plan.suite.launches} launches on {environment.hardware_class}"
    )
    console = make_console(stderr=True)
    with LiveRun(console, plan.cases, title=title, expected_launch_s=whole.lo / count) as live:
        return execute_plan(request, store, listener=live)


def _print_finished(finished: FinishedRun, environment: EnvironmentRecord, form: str, store: Store) -> None:
    from assay.cli.plain import RESULT_COLUMNS, result_row, run_row

    rows = [result_row(result) for result in finished.results]
    if form == "json":
        print_json({"run": run_row(finished.run), "results": rows})
        return
    if form == "csv":
        print_csv(rows, RESULT_COLUMNS)
        return
    from assay.cli.listing import print_run

    print_run(finished.run, finished.results, environment, store_location=store.location)


def _exit_for(finished: FinishedRun) -> None:
    from assay.cli.output import short_id
    from assay.core.words import RunStatus

    if finished.run.status is RunStatus.INTERRUPTED:
        ref = short_id(finished.run.run_id)
        typer.secho(f"Interrupted. What was done is kept; finish with: assay run --resume {ref}", err=True)
        sys.exit(EXIT_INTERRUPTED)
    if any(result.status.is_failure for result in finished.results):
        sys.exit(EXIT_FAILED_RESULTS)
