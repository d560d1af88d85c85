"""``assay run`` (and its alias ``bench``): plan, show or execute, print the table."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from assay.cli.flags import (
    choose_suite,
    complete_compression,
    complete_engine,
    complete_mode,
    complete_model,
    complete_option,
    complete_scenario,
    complete_suite,
    compress_suite,
    implied_mode,
    imply,
    in_utf8,
    override_suite,
    read_duration,
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
    make_console,
    new_table,
    print_csv,
    print_json,
)
from assay.cli.visit import CertificateOption, KeyOption, ListenOption, VisitOption, invite, plan_invitation
from assay.core.errors import UsageError

if TYPE_CHECKING:
    from assay.core.records import EnvironmentRecord
    from assay.runner.execute import FinishedRun, Inheritance
    from assay.runner.plan import Machine, Plan
    from assay.runner.suite_model import Suite
    from assay.store import Store

EXIT_FAILED_RESULTS = 4
EXIT_INTERRUPTED = 130


def run(  # noqa: PLR0913  (a command has as many options as people need)
    store: StoreOption = None,
    suite: Annotated[
        str | None,
        typer.Option(
            "--suite", "-s", help="Name of a shipped suite or path of a YAML file.", autocompletion=complete_suite
        ),
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            "-m",
            help="family/size, hf:org/name, ./folder, ./file.onnx or module:function; many by commas.",
            autocompletion=complete_model,
        ),
    ] = None,
    engine: Annotated[
        list[str] | None,
        typer.Option(
            "--engine",
            "-e",
            help="torch, torch-compile, onnxruntime, openvino, web-wasm, web-webgpu, web-webnn, loader.",
            autocompletion=complete_engine,
        ),
    ] = None,
    device: Annotated[list[str] | None, typer.Option("--device", "-d", help="cpu, cuda:0, mps ... or auto.")] = None,
    precision: Annotated[
        list[str] | None, typer.Option("--precision", "-p", help="fp32, tf32, bf16, fp16, int8, int4.")
    ] = None,
    mode: Annotated[
        list[str] | None,
        typer.Option("--mode", help="inference, generation, serving, training or data.", autocompletion=complete_mode),
    ] = None,
    batch: Annotated[list[str] | None, typer.Option("--batch", "-b", help="Batch sizes: 1,8.")] = None,
    seq: Annotated[list[str] | None, typer.Option("--seq", help="Sequence lengths: 128,512.")] = None,
    image: Annotated[list[str] | None, typer.Option("--image", help="Image sides in pixels.")] = None,
    shape: Annotated[list[str] | None, typer.Option("--shape", help="Any other dimension: seconds=10.")] = None,
    threads: Annotated[
        list[str] | None, typer.Option("--threads", help="CPU threads: 1,2. Default: physical cores.")
    ] = None,
    compress: Annotated[
        list[str] | None,
        typer.Option(
            "--compress",
            help="Beside the model as it is, these: int8-dynamic, int8-static, int4-weight, prune-structured:0.3 ...",
            autocompletion=complete_compression,
        ),
    ] = None,
    option: Annotated[
        list[str] | None,
        typer.Option("--option", "-o", help="A case option: hint=throughput.", autocompletion=complete_option),
    ] = None,
    scenario: Annotated[
        list[str] | None,
        typer.Option(
            "--scenario",
            help="Serving: single-stream, multi-stream, server, offline. Implies --mode serving.",
            autocompletion=complete_scenario,
        ),
    ] = None,
    new_tokens: Annotated[
        list[str] | None,
        typer.Option("--new-tokens", help="Generation: tokens after the prompt. Implies --mode generation."),
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
    energy: Annotated[
        bool | None,
        typer.Option("--energy/--no-energy", help="Read joules in a pass of their own, where there is a meter."),
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="A quick look: one launch a case, short windows, fewer entries.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the plan and how long it will take; run nothing.")
    ] = False,
    resume: Annotated[str | None, typer.Option("--resume", metavar="RUN", help="Finish an interrupted run.")] = None,
    skip_fresh: Annotated[
        str | None, typer.Option("--skip-fresh", metavar="AGE", help="Leave out cases measured here within AGE: 7d.")
    ] = None,
    tag: Annotated[list[str] | None, typer.Option("--tag", callback=in_utf8, help="Words to find the run by.")] = None,
    note: Annotated[str | None, typer.Option("--note", callback=in_utf8, help="A sentence kept with the run.")] = None,
    visit: VisitOption = None,
    visit_listen: ListenOption = None,
    visit_certificate: CertificateOption = None,
    visit_key: KeyOption = None,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """Measure workloads on this machine and keep the results.

    Without --suite and --model this runs the quick suite: a handful of model families in under three minutes.

    For example:

      assay run

      assay run --model bert/base,resnet/50 --batch 1,8 --precision fp32,bf16

      assay run --suite standard --max-size tiny --dry-run

      assay run --suite contrastive --quick
    """
    from assay.probes.environment import collect_environment
    from assay.runner.plan import make_plan, read_machine
    from assay.runner.quick import quicken
    from assay.store import Store

    form = choose_form(as_json=as_json, as_csv=as_csv)
    opened = Store.open(store)
    environment, machine = collect_environment(), read_machine()
    inheritance = None
    asked = {
        "model": split_values(model), "engine": split_values(engine),
        "device": split_values(device), "precision": split_values(precision),
        "batch": read_integers("batch", batch), "threads": read_integers("threads", threads),
        "shape": read_shape(seq=seq, image=image, others=shape), "mode": split_values(mode) or implied_mode(
            scenario, new_tokens
        ),
        "options": read_options(option) | read_mode_options(scenario, new_tokens),
    }  # fmt: skip
    asked = {key: value for key, value in asked.items() if value}
    asked = imply(asked) if suite is None else asked
    if resume is not None:
        others = (suite, compress, max_size, launches, min_time, max_time, launch_limit, seed, skip_fresh)
        _refuse_beside_resume(asked, (*others, quick or None))
        inheritance, chosen = _inherit(opened, resume, environment)
    else:
        chosen = choose_suite(suite, asked, max_size)
        chosen = quicken(chosen) if quick else chosen
        chosen = compress_suite(chosen, split_values(compress)) if compress else chosen
        chosen = override_suite(chosen, launches, min_time, max_time, launch_limit, seed)
        chosen = chosen if energy is None else replace(chosen, energy=energy)
    plan = make_plan(chosen, machine)
    if not plan.cases:
        raise UsageError("The plan is empty: nothing of this suite is within --max-size.")
    plan = _leave_out_fresh(opened, plan, environment, skip_fresh, form)
    invitation = plan_invitation(plan.cases, visit, visit_listen, visit_certificate, visit_key)
    if dry_run:
        _print_plan(opened, plan, environment, machine, form)
        return
    with invite(invitation, make_console(stderr=True)):
        finished = _execute(opened, plan, environment, inheritance, tuple(tag or ()), note)
    _print_finished(finished, environment, form, opened)
    _mention_targets(chosen, finished)
    if finished.results:
        from assay.cli.predict_auto import finish_run

        finish_run(opened)
    _exit_for(finished, opened)


def register(app: typer.Typer) -> None:
    """Add ``run`` and ``bench`` to the application."""
    app.command("run")(run)
    app.command("bench", help="The same as run.", hidden=True)(run)


# -- resume and skip -------------------------------------------------------------------------------------------


def _refuse_beside_resume(asked: dict[str, Any], others: Sequence[object]) -> None:
    if asked or any(value is not None for value in others):
        raise UsageError(
            "--resume was given with flags that choose cases or change how they are measured.",
            hint="A resumed run has the plan of the run it resumes; beside --resume only --store, --tag, --note, "
            "--dry-run, --json and --csv make sense.",
        )


def _inherit(store: Store, ref: str, environment: EnvironmentRecord) -> tuple[Inheritance, Suite]:
    from assay.cli.output import short_id
    from assay.core.words import RunStatus
    from assay.runner.execute import Inheritance
    from assay.runner.suite_model import build_suite

    store.recover()
    parent = store.find_run(ref)
    content = parent.config.get("suite")
    if not isinstance(content, dict):
        raise UsageError(
            f"Run {parent.run_id} was not made by `assay run`, so it cannot be resumed.", hint=_name_resumable(store)
        )
    if "trial" in parent.config:
        raise UsageError(
            f"Run {short_id(parent.run_id)} is one side of a trial, so it cannot be resumed: its launches would not be "
            "interleaved with the other side's.",
            hint="Repeat the comparison.",
        )
    if parent.status is RunStatus.OK:
        raise UsageError(
            f"Run {short_id(parent.run_id)} is complete; there is nothing to resume.",
            hint=_name_resumable(store),
        )
    same = parent.env_id == environment.env_id
    if not same:
        message = "The environment has changed since that run (see `assay show`): every case is measured anew."
        typer.secho(message, fg=typer.colors.YELLOW, err=True)
    launches = tuple(store.launches(run_id=parent.run_id, with_samples=True)) if same else ()
    return Inheritance(parent, launches, tuple(store.results(run_id=parent.run_id))), build_suite(content)


def _name_resumable(store: Store) -> str:
    """The command that resumes the newest run that can be, or where to look for one."""
    from assay.cli.output import short_id
    from assay.core.words import RunStatus

    for run in store.runs():
        if run.status is not RunStatus.OK and isinstance(run.config.get("suite"), dict) and "trial" not in run.config:
            return f"The newest that can be: assay run --resume {short_id(run.run_id)} ({run.suite}, {run.status})"
    return "`assay ls` shows the runs: none was interrupted or failed."


def _leave_out_fresh(store: Store, plan: Plan, environment: EnvironmentRecord, age: str | None, form: Form) -> Plan:
    from assay.cli.plain import RESULT_COLUMNS
    from assay.core.units import format_elapsed
    from assay.runner.estimate import find_fresh

    if age is None:
        return plan
    fresh = find_fresh(store, plan, environment, within_s=read_duration("skip-fresh", age))
    if fresh:
        oldest = format_elapsed(max(fresh.values()))
        message = f"{len(fresh)} of {len(plan.cases)} cases left out: measured here within {age} (oldest {oldest} ago)."
        typer.secho(message, fg=typer.colors.CYAN, err=True)
    left = tuple(planned for planned in plan.cases if planned.case.case_id not in fresh)
    if not left:
        if form is Form.JSON:
            print_json({"run": None, "results": []})
        elif form is Form.CSV:
            print_csv([], RESULT_COLUMNS)
        raise typer.Exit
    return replace(plan, cases=left)


# -- show and execute ------------------------------------------------------------------------------------------


def _print_plan(store: Store, plan: Plan, environment: EnvironmentRecord, machine: Machine, form: Form) -> None:
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
    if form is Form.CSV:
        print_csv(rows, list(rows[0]))
        return
    if form is Form.JSON:
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
        f"{_size_of(plan)} on {machine.threads} threads: "
        f"{format_elapsed(whole.lo)} to {format_elapsed(whole.hi)}, by {basis}. Nothing was run."
    )


def _size_of(plan: Plan) -> str:
    cases, launches = len(plan.ready), plan.suite.launches
    return f"{cases} case{'s' if cases != 1 else ''} × {launches} launch{'es' if launches != 1 else ''}"


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
    title = f"{plan.suite.name}: {_size_of(plan)} on {environment.hardware_class}"
    console = make_console(stderr=True)
    with LiveRun(console, plan.cases, title=title, expected_launch_s=whole.lo / count) as live:
        return execute_plan(request, store, listener=live)


def _print_finished(finished: FinishedRun, environment: EnvironmentRecord, form: Form, store: Store) -> None:
    from assay.cli.plain import RESULT_COLUMNS, result_row, run_row

    rows = [result_row(result) for result in finished.results]
    if form is Form.JSON:
        print_json({"run": run_row(finished.run), "results": rows})
        return
    if form is Form.CSV:
        print_csv(rows, RESULT_COLUMNS)
        return
    from assay.cli.listing import print_run

    print_run(finished.run, finished.results, environment, store_location=store.location)


def _mention_targets(suite: Suite, finished: FinishedRun) -> None:
    if not suite.targets:
        return
    from assay.analysis.targets import Met, judge_targets

    report = judge_targets(finished.results, suite.targets)
    counts = ", ".join(f"{report.count(met)} {met.value}" for met in Met)
    color = typer.colors.RED if report.count(Met.FAIL) else typer.colors.CYAN
    score = "" if report.score is None else f"; score {report.score:.0f} of 100, grade {report.grade}"
    typer.secho(f"targets: {counts}{score}; `assay targets` says which", fg=color, err=True)


def _exit_for(finished: FinishedRun, store: Store) -> None:
    from assay.cli.output import short_id
    from assay.core.words import RunStatus
    from assay.store.location import default_location, normalise

    if finished.run.status is RunStatus.INTERRUPTED:
        command = f"assay run --resume {short_id(finished.run.run_id)}"
        if store.location != normalise(default_location()):
            command += f" --store {shlex.quote(store.location)}"
        typer.secho(f"Interrupted. What was done is kept; finish with: {command}", err=True)
        sys.exit(EXIT_INTERRUPTED)
    if any(result.status.is_failure for result in finished.results):
        sys.exit(EXIT_FAILED_RESULTS)
