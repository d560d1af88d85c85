"""``assay check``: did a run get worse, and if so, do fresh launches say the same."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from assay.cli.compare_sides import complete_metric, complete_run
from assay.cli.flags import complete_suite
from assay.cli.output import (
    CsvOption,
    Form,
    JsonOption,
    StoreOption,
    choose_form,
    make_console,
    open_for_reading,
    print_csv,
    print_json,
    short_id,
)
from assay.core.errors import StoreError, UsageError

if TYPE_CHECKING:
    from assay.analysis.against import Against
    from assay.analysis.values import CheckReport
    from assay.core.records import RunRecord
    from assay.runner.request import FinishedRun, RunRequest
    from assay.store import Store
    from assay.trials.values import Trial, TrialRequest

EXIT_INTERRUPTED = 130
_CONFIRM_HELP = (
    "Launch suspects again, beside the earlier code, before calling them regressed. Default: where it can be."
)


def complete_against(ctx: typer.Context, incomplete: str) -> list[str]:
    """Offer references that begin so, for the shell."""
    from assay.core.errors import AssayError

    names = ["history", "fork-point", "run:last~1"]
    try:
        store = open_for_reading(ctx.params.get("store"))
        names += [f"baseline:{one.name}" for one in store.baselines()]
        names += dict.fromkeys(f"tag:{tag}" for run in store.runs(limit=50) for tag in run.tags if ":" not in tag)
    except AssayError:  # there is nothing to offer, and nowhere to say why
        pass
    return [name for name in dict.fromkeys(names) if name.startswith(incomplete)]


def check(  # noqa: PLR0913  (a command has as many options as people need)
    run: Annotated[
        str | None,
        typer.Argument(
            metavar="RUN",
            help="Id, the end of one, or last~1. Default: the newest that is no trial.",
            autocompletion=complete_run,
            show_default=False,
        ),
    ] = None,
    store: StoreOption = None,
    suite: Annotated[
        str | None,
        typer.Option("--suite", "-s", help="Run this suite first, and check that run.", autocompletion=complete_suite),
    ] = None,
    against: Annotated[
        str,
        typer.Option(
            "--against",
            "-a",
            metavar="REF",
            help="history, baseline:NAME, tag:NAME, run:RUN or fork-point[:BRANCH].",
            autocompletion=complete_against,
        ),
    ] = "history",
    metric: Annotated[
        list[str] | None,
        typer.Option(
            "--metric",
            "-m",
            help="Which number, with a statistic if need be: latency_ns.p90, memory_peak_bytes. Repeatable.",
            autocompletion=complete_metric,
        ),
    ] = None,
    confirm: Annotated[bool | None, typer.Option("--confirm/--no-confirm", help=_CONFIRM_HELP)] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit 3 where anything is suspect or inconclusive.")] = False,
    everything: Annotated[bool, typer.Option("--all", help="List every series, also where there are many.")] = False,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """Say of every series of a run whether it got worse, worst first.

    Exits 1 where a regression is confirmed by fresh launches, 4 where expected results are missing or failed, with
    --strict 3 where something is open. For example:

      assay check --suite nightly.yaml

      assay check last --against fork-point:main --no-confirm
    """
    from assay.analysis.against import Against
    from assay.analysis.check import DEFAULT_METRICS
    from assay.analysis.values import exit_code
    from assay.cli.check_table import FINDING_COLUMNS, finding_rows, print_check, report_row
    from assay.store import Store

    form = choose_form(as_json=as_json, as_csv=as_csv)
    reference = Against.parse(against)
    if suite is not None and run is not None:
        raise UsageError("A run and --suite were both given; expected one of them.")
    opened = open_for_reading(store) if suite is None else Store.open(store)
    judged = find_judged_run(opened, run) if suite is None else _run_suite(opened, suite)
    metrics = tuple(part.strip() for one in metric or DEFAULT_METRICS for part in one.split(",") if part.strip())
    report, was_stopped = _check(opened, judged, reference, metrics, confirm=confirm)
    _keep(opened, report)
    code = EXIT_INTERRUPTED if was_stopped else exit_code(report, strict=strict)
    if form is Form.JSON:
        print_json(report_row(report, code))
    elif form is Form.CSV:
        print_csv(finding_rows(report), FINDING_COLUMNS)
    else:
        print_check(report, everything=everything)
    sys.exit(code)


def register(app: typer.Typer) -> None:
    """Add ``check`` to the application."""
    app.command("check")(check)


# -- the run ---------------------------------------------------------------------------------------------------


def find_judged_run(store: Store, ref: str | None) -> RunRecord:
    """Return the run meant; without a name the newest measured one that is no trial, for checks make those.

    Raises NotFoundError, UsageError for a run that was not measured.
    """
    from assay.analysis.history import find_newest_run
    from assay.core.errors import NotFoundError
    from assay.core.words import Provenance

    if ref is None:
        newest = find_newest_run(store)
        if newest is None:
            raise NotFoundError(
                f"There is nothing to check in {store.location}: it holds no measured runs.",
                hint="`assay run` makes one; `assay check --suite NAME` makes and checks one.",
            )
        return newest
    found = store.find_run(ref)
    if found.provenance is not Provenance.MEASURED:
        raise UsageError(f"Run {short_id(found.run_id)} was {found.provenance}; only measured runs are checked.")
    return found


def _run_suite(store: Store, ref: str) -> RunRecord:
    from assay.cli.flags import choose_suite
    from assay.core.words import RunStatus
    from assay.probes.environment import collect_environment
    from assay.runner.plan import make_plan, read_machine
    from assay.runner.request import RunRequest

    plan = make_plan(choose_suite(ref, {}, None), read_machine())
    finished = _execute(store, RunRequest(plan, collect_environment()))
    if finished.run.status is RunStatus.INTERRUPTED:
        typer.secho("Interrupted. What was done is kept; nothing was checked.", err=True)
        sys.exit(EXIT_INTERRUPTED)
    return finished.run


def _execute(store: Store, request: RunRequest) -> FinishedRun:
    """Execute a plan, drawn on a terminal."""
    from assay.cli.live import LiveRun
    from assay.runner.estimate import estimate_plan, read_history
    from assay.runner.execute import execute_plan

    plan, environment = request.plan, request.environment
    whole = estimate_plan(plan, read_history(store, plan, environment))
    count = max(1, len(plan.ready) * plan.suite.launches)
    title = f"{plan.suite.name}: {count} launches on {environment.hardware_class}"
    console = make_console(stderr=True)
    with LiveRun(console, plan.cases, title=title, expected_launch_s=whole.lo / count) as live:
        return execute_plan(request, store, listener=live)


# -- the check -------------------------------------------------------------------------------------------------


def _check(
    store: Store, run: RunRecord, against: Against, metrics: tuple[str, ...], *, confirm: bool | None
) -> tuple[CheckReport, bool]:
    """Return the report, and whether Ctrl-C stopped the confirmation."""
    from assay.analysis.check import check_run
    from assay.core.words import Change

    folder = Path.cwd()
    is_wanted = confirm is not False
    report = check_run(store, run, against=against, metrics=metrics, folder=folder, settles_chance=not is_wanted)
    if not is_wanted or Change.SUSPECT not in report.counts():
        return report, False
    return _confirm(store, run, report, against, folder)


def _confirm(
    store: Store, run: RunRecord, report: CheckReport, against: Against, folder: Path
) -> tuple[CheckReport, bool]:
    """Have the suspects launched again, as far as they can be, and say beforehand how long that takes."""
    from assay.cli.trial_launch import launch_trial
    from assay.core.units import format_elapsed
    from assay.core.words import RunStatus
    from assay.probes.environment import collect_environment
    from assay.trials.confirm import Launchers, confirm_suspects
    from assay.trials.confirm_plan import plan_confirmation

    here = collect_environment()
    plan = plan_confirmation(store, run, report, folder=folder, here=here)
    if plan.count:
        suspects = sum(len(one.findings) for one in plan.launches)
        takes = "" if plan.seconds is None else f", about {format_elapsed(plan.seconds)}"
        message = f"Launching {suspects} suspect{'s' if suspects != 1 else ''} again: {plan.count} launches{takes}"
        typer.secho(f"{message} (--no-confirm leaves them suspect).", fg=typer.colors.CYAN, err=True)
    made: list[FinishedRun] = []

    def launch_sides(request: TrialRequest) -> Trial:
        trial = launch_trial(request, store)
        made.extend(trial.runs)
        return trial

    def launch_alone(request: RunRequest) -> FinishedRun:
        made.append(_execute(store, request))
        return made[-1]

    launchers = Launchers(launch_sides, launch_alone)
    settled = confirm_suspects(store, run, report, plan, against=against, folder=folder, here=here, launchers=launchers)
    return settled, any(one.run.status is RunStatus.INTERRUPTED for one in made)


def _keep(store: Store, report: CheckReport) -> None:
    """Keep the findings; a store that cannot be written (a mounted archive, say) can be checked all the same."""
    from assay.store.findings import append_findings

    try:
        append_findings(store.location, report.findings)
    except StoreError as error:
        message = f"These findings were not kept: {error.message}"
        typer.secho(message, fg=typer.colors.YELLOW, err=True)
