"""``assay compare``: two or more sides beside each other, stored or launched in turns, with a verdict for each case."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from assay.cli.compare_requests import (
    DEFAULT_LAUNCHES,
    Question,
    Windows,
    across_of,
    groups_of,
    refuse,
    request_again,
    request_of,
)
from assay.cli.compare_sides import complete_field, complete_metric, complete_run, put_first, read_sides
from assay.cli.compare_web import compare_with_native
from assay.cli.flags import (
    choose_suite,
    complete_engine,
    complete_mode,
    complete_model,
    complete_option,
    complete_suite,
    implied_mode,
    in_utf8,
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
    open_for_reading,
    print_csv,
    print_json,
)
from assay.core.errors import UsageError
from assay.core.words import Change

if TYPE_CHECKING:
    from collections.abc import Sequence

    from assay.analysis.values import CompareReport
    from assay.store import Store
    from assay.trials.values import TrialRequest

EXIT_REGRESSED = 1
EXIT_MISSING = 4
EXIT_INTERRUPTED = 130


def compare(  # noqa: PLR0913  (a command has as many options as people need)
    sides: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SIDE",
            help="Runs (last~1, the end of an id, baseline:NAME, tag:NAME), or flags to launch (engine=onnxruntime).",
            autocompletion=complete_run,
            show_default=False,
        ),
    ] = None,
    ref: Annotated[
        list[str] | None,
        typer.Option("--ref", help="A commit of your own code to launch: two, or one beside the code as it is."),
    ] = None,
    python: Annotated[
        list[str] | None, typer.Option("--python", help="Interpreter or folder of another environment to launch in.")
    ] = None,
    by: Annotated[
        str | None,
        typer.Option("--by", help="Compare parts of one run: engine, batch ...", autocompletion=complete_field),
    ] = None,
    baseline: Annotated[
        str | None, typer.Option("--baseline", help="The side that others are held against. Default: the first.")
    ] = None,
    across: Annotated[
        list[str] | None,
        typer.Option(
            "--across", help="Fields in which the sides differ on purpose: batch,seq.", autocompletion=complete_field
        ),
    ] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Launch again, in turns, what the stored runs have in common.")
    ] = False,
    metric: Annotated[
        str, typer.Option("--metric", help="Which number.", autocompletion=complete_metric)
    ] = "latency_ns",
    stat: Annotated[str | None, typer.Option("--stat", help="Which statistic of it: median, best, p90 ...")] = None,
    phase: Annotated[str | None, typer.Option("--phase", help="Which phase, of a metric that has several.")] = None,
    with_imported: Annotated[
        bool, typer.Option("--with-imported", help="Let imported numbers stand beside measured ones.")
    ] = False,
    web: Annotated[
        bool,
        typer.Option("--web", help="Browsers beside native. SIDE is then runs, or web engines; without, all there is."),
    ] = False,
    native: Annotated[
        str | None,
        typer.Option(
            "--native", help="With --web: the engine outside. Default: the fastest.", autocompletion=complete_engine
        ),
    ] = None,
    suite: Annotated[
        str | None,
        typer.Option("--suite", "-s", help="Suite to launch, as for assay run.", autocompletion=complete_suite),
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option("--model", "-m", help="Models to launch, as for assay run.", autocompletion=complete_model),
    ] = None,
    engine: Annotated[
        list[str] | None, typer.Option("--engine", "-e", help="Engines.", autocompletion=complete_engine)
    ] = None,
    device: Annotated[list[str] | None, typer.Option("--device", "-d", help="cpu, cuda:0, mps ... or auto.")] = None,
    precision: Annotated[list[str] | None, typer.Option("--precision", "-p", help="fp32, bf16, int8 ...")] = None,
    mode: Annotated[
        list[str] | None, typer.Option("--mode", help="inference, generation ...", autocompletion=complete_mode)
    ] = None,
    batch: Annotated[list[str] | None, typer.Option("--batch", "-b", help="Batch sizes: 1,8.")] = None,
    seq: Annotated[list[str] | None, typer.Option("--seq", help="Sequence lengths.")] = None,
    image: Annotated[list[str] | None, typer.Option("--image", help="Image sides in pixels.")] = None,
    shape: Annotated[list[str] | None, typer.Option("--shape", help="Any other dimension: seconds=10.")] = None,
    threads: Annotated[list[str] | None, typer.Option("--threads", help="CPU threads.")] = None,
    option: Annotated[
        list[str] | None,
        typer.Option("--option", "-o", help="A case option: hint=throughput.", autocompletion=complete_option),
    ] = None,
    new_tokens: Annotated[list[str] | None, typer.Option("--new-tokens", help="Generation: tokens to make.")] = None,
    max_size: Annotated[str | None, typer.Option("--max-size", help="Leave out larger sizes.")] = None,
    launches: Annotated[
        int | None, typer.Option("--launches", "-n", min=2, help=f"Launches a side. Default: {DEFAULT_LAUNCHES}.")
    ] = None,
    min_time: Annotated[float | None, typer.Option("--min-time", help="Shortest timed window, seconds.")] = None,
    max_time: Annotated[float | None, typer.Option("--max-time", help="Longest timed window, seconds.")] = None,
    launch_limit: Annotated[str | None, typer.Option("--launch-limit", help="Kill a launch after this long.")] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="Seed of weights, inputs and the order.")] = None,
    tag: Annotated[
        list[str] | None, typer.Option("--tag", callback=in_utf8, help="Words to find the launched runs by.")
    ] = None,
    note: Annotated[
        str | None, typer.Option("--note", callback=in_utf8, help="A sentence kept with the launched runs.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be launched, and launch nothing.")] = False,
    fail_on_regression: Annotated[
        bool,
        typer.Option("--fail-on-regression", help="Exit 1 where a case regressed, 4 where one is missing or failed."),
    ] = False,
    store: StoreOption = None,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """Compare runs, flags, commits, environments, or the parts of one run, case by case.

    Stored runs are compared as they are. Flags, --ref and --python launch every side afresh, in turns, so that whatever
    drifts meets all sides alike: only such launches can make a regression.

    For example:

      assay compare last~1 last

      assay compare last --by engine --baseline torch

      assay compare engine=torch engine=onnxruntime --model bert/tiny

      assay compare --ref main --ref HEAD --model mymodel:make

      assay compare --native onnxruntime --web
    """
    form = choose_form(as_json=as_json, as_csv=as_csv)
    if web or native is not None:
        flags = {
            "--ref": ref, "--python": python, "--by": by, "--baseline": baseline, "--across": across, "--fresh": fresh,
            "--phase": phase, "--suite": suite, "--engine": engine, "--device": device, "--mode": mode, "--seq": seq,
            "--image": image, "--shape": shape, "--threads": threads, "--option": option, "--new-tokens": new_tokens,
            "--max-size": max_size, "--launches": launches, "--min-time": min_time, "--max-time": max_time,
            "--launch-limit": launch_limit, "--seed": seed, "--tag": tag, "--note": note, "--dry-run": dry_run,
            "--fail-on-regression": fail_on_regression,
        }  # fmt: skip
        if not web:
            raise UsageError(
                f"--native {native} was given without --web.",
                hint=f"`assay compare --native {native} --web` holds browsers against it.",
            )
        hint = "--model, --precision and --batch narrow; `assay compare engine=onnxruntime engine=web-wasm` launches."
        refuse(flags, "and --web compares the stored results of browsers with native ones", hint=hint)
        where = {"workload": split_values(model), "precision": split_values(precision)}
        compare_with_native(
            open_for_reading(store), sides or (), native=native, metric=metric, stat=stat,
            where=where | {"batch": read_integers("batch", batch)}, with_imported=with_imported, form=form,
        )  # fmt: skip
        return
    asked = read_sides(sides or (), ref or (), python or ())
    cases = {
        "model": split_values(model), "engine": split_values(engine), "device": split_values(device),
        "precision": split_values(precision), "batch": read_integers("batch", batch),
        "threads": read_integers("threads", threads), "shape": read_shape(seq=seq, image=image, others=shape),
        "mode": split_values(mode) or implied_mode(None, new_tokens),
        "options": read_options(option) | read_mode_options(None, new_tokens),
    }  # fmt: skip
    cases = {key: value for key, value in cases.items() if value}
    choosing = {"--suite": suite, "--max-size": max_size, **{f"--{key}": value for key, value in cases.items()}}
    keeping = {"--tag": tag, "--note": note, "--dry-run": dry_run}
    question = Question(metric, stat, phase, tuple(split_values(across)), with_imported=with_imported)
    question.check()
    windows = Windows(launches, min_time, max_time, launch_limit, seed)
    if asked.specs:
        hint = "--by and --fresh are for stored runs."
        refuse({"--by": by, "--fresh": fresh}, "and these sides are to be launched", hint=hint)
        request = request_of(asked.specs, choose_suite(suite, cases, max_size), windows, baseline)
    elif fresh:
        hint = "To choose the cases, give flags in place of runs."
        refuse({**choosing, "--by": by}, "and --fresh launches what the stored runs have in common", hint=hint)
        request = request_again(open_for_reading(store), _at_least_two(asked.stored), question, windows, baseline)
    else:
        hint = (
            "--fresh launches the cases of stored runs again; flags, --ref and --python in place of runs launch others."
        )
        refuse({**choosing, **windows.given(), **keeping}, "and stored runs are compared as they are", hint=hint)
        report = _compare_stored(open_for_reading(store), asked.stored, question, by, baseline)
        _finish(report, form, wants_code=fail_on_regression)
        return
    request = replace(request, tags=tuple(tag or ()), note=note)
    _launch(request, question, store, form, dry_run=dry_run, wants_code=fail_on_regression)


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("compare")(compare)


# -- stored runs -----------------------------------------------------------------------------------------------


def _compare_stored(
    store: Store, refs: Sequence[str], question: Question, by: str | None, baseline: str | None
) -> CompareReport:
    from assay.analysis.sides import find_named_run, gather_sides, split_run

    if by is not None:
        if len(refs) > 1:
            raise UsageError(f"--by compares the parts of one run, and {len(refs)} were given.")
        run = find_named_run(store, refs[0] if refs else "last")
        return question.ask(store, split_run(store, run, by, baseline=baseline), more_across=[by])
    groups = gather_sides(store, [find_named_run(store, ref) for ref in _at_least_two(refs)])
    order = put_first([group.side.label for group in groups], baseline)
    return question.ask(store, [groups[place] for place in order])


def _at_least_two(refs: Sequence[str]) -> Sequence[str]:
    if len(refs) < 2:  # noqa: PLR2004  (a comparison has two sides)
        given = f"only {refs[0]!r} was given" if refs else "none was given"
        raise UsageError(
            f"A comparison has two sides or more, and {given}.",
            hint="For instance: assay compare last~1 last; assay compare last --by engine; "
            "assay compare engine=torch engine=onnxruntime -m bert/tiny; assay compare --ref main -m mymodel:make",
        )
    return refs


# -- launches --------------------------------------------------------------------------------------------------


def _launch(
    request: TrialRequest, question: Question, location: str | None, form: Form, *, dry_run: bool, wants_code: bool
) -> None:
    from assay.cli.trial_launch import launch_trial, print_trial_plan
    from assay.core.words import RunStatus
    from assay.store import Store

    store = Store.open(location)
    if dry_run:
        print_trial_plan(request, store, form)
        return
    trial = launch_trial(request, store)
    groups = groups_of(trial)
    is_interrupted = any(finished.run.status is RunStatus.INTERRUPTED for finished in trial.runs)
    try:
        report = question.ask(store, groups, is_interleaved=True, more_across=across_of(request.sides, groups))
    except UsageError:
        if not is_interrupted:
            raise
        report = None  # cut off before any case had a launch on two sides
    if is_interrupted:
        if report is not None:
            _print(report, form)
        typer.secho("Interrupted. What was launched is kept, each side as a run of its own.", err=True)
        sys.exit(EXIT_INTERRUPTED)
    if report is not None:
        has_failed = any(result.status.is_failure for finished in trial.runs for result in finished.results)
        _finish(report, form, wants_code=wants_code, has_failed=has_failed)


# -- the end ---------------------------------------------------------------------------------------------------


def _finish(report: CompareReport, form: Form, *, wants_code: bool, has_failed: bool = False) -> None:
    """Print, and end with METHOD 6's code: a regression outweighs what is missing; neither counts unless asked for."""
    _print(report, form)
    changes = report.counts()
    if wants_code and Change.REGRESSED in changes:
        sys.exit(EXIT_REGRESSED)
    if has_failed or (wants_code and changes.keys() & {Change.MISSING, Change.FAILED}):
        sys.exit(EXIT_MISSING)


def _print(report: CompareReport, form: Form) -> None:
    from assay.cli.comparison import COMPARISON_COLUMNS, comparison_rows, print_report, report_row

    if form is Form.JSON:
        print_json(report_row(report))
    elif form is Form.CSV:
        print_csv(comparison_rows(report), COMPARISON_COLUMNS)
    else:
        print_report(report)
