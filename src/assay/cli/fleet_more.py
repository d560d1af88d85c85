"""``assay fleet drift``, ``cron`` and ``simulate``: what is asked of a fleet without running anything on it."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from assay.cli.output import (
    JsonOption,
    StoreOption,
    make_console,
    new_table,
    open_for_reading,
    print_json,
    print_table,
)
from assay.core.errors import NotFoundError, UsageError

if TYPE_CHECKING:
    from assay.fleet.drift import DriftReport
    from assay.fleet.simulate import Simulated

_KINDS = ("systemd", "github", "k8s")
_SHOWN_CHARS = 60


def complete_kind(incomplete: str) -> list[str]:
    """Schedulers that a manifest can be written for, for the shell."""
    return [one for one in _KINDS if one.startswith(incomplete)]


def register(app: typer.Typer) -> None:
    """Add the commands to the group."""
    app.command("drift")(drift)
    app.command("cron")(cron)
    app.command("simulate")(simulate)


def drift(
    run: Annotated[
        str | None,
        typer.Argument(metavar="[ID]", help="A fleet run. Default: all that the store holds.", show_default=False),
    ] = None,
    contaminated: Annotated[bool, typer.Option("--contaminated", help="Count contaminated results too.")] = False,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say how hosts with the same hardware differ: in their settings, and in speed on the cases that they share.

    For example:

      assay fleet drift last
    """
    from assay.fleet.drift import read_drift
    from assay.fleet.ledger import find_ledger

    opened = open_for_reading(store)
    fleet_id, run_id = None, None
    if run is not None:
        try:
            fleet_id = find_ledger(opened.location, run).stem
        except NotFoundError:  # driven from another machine: the runs of the store know it by its tag
            run_id = opened.find_run(run).run_id
            tags = [one for one in opened.find_run(run).tags if one.startswith("fleet:")]
            fleet_id, run_id = (tags[0].partition(":")[2], None) if tags else (None, run_id)
    reports = read_drift(opened, fleet_id=fleet_id, run_id=run_id, with_contaminated=contaminated)
    if as_json:
        print_json([{**asdict(one), "sentences": one.sentences()} for one in reports])
        return
    if not reports:
        make_console().print("no two hosts with the same hardware: nothing to hold against each other")
        return
    for one in reports:
        _print_drift(one)


def cron(
    arguments: Annotated[list[str], typer.Argument(metavar="-- SUITE ARGS", help="What assay fleet run gets.")],
    every: Annotated[str, typer.Option("--every", metavar="TIME", help="15m, 6h, 1d, 1w, or five fields of cron.")],
    kind: Annotated[
        str, typer.Option("--as", help="systemd, github or k8s.", autocompletion=complete_kind)
    ] = "systemd",
    name: Annotated[str, typer.Option("--name", help="What units and objects are called.")] = "assay-fleet",
    image: Annotated[str, typer.Option("--image", help="k8s: the container image.")] = "assay:latest",
    as_json: JsonOption = False,
) -> None:
    """Print what a scheduler needs to run a fleet regularly; nothing is installed.

    For example:

      assay fleet cron --every 1d --as k8s -- standard --on ray://head:10001 --store s3://team/assay
    """
    from assay.fleet.cron import read_every, write_manifest

    when = read_every(every)
    text = write_manifest(kind, when, arguments, name=name, image=image)
    if as_json:
        print_json({"kind": kind, "cron": when.cron, "calendar": when.calendar, "name": name, "manifest": text})
    else:
        typer.echo(text, nl=False)


def simulate(
    nodes: Annotated[int, typer.Option("--nodes", min=1, help="Nodes of the simulated fleet.")] = 1000,
    cases: Annotated[int, typer.Option("--cases", min=1, help="Cases to run.")] = 10_000,
    seconds: Annotated[
        float | None, typer.Option("--seconds", min=0.001, help="Median of an attempt. Default: recorded in the store.")
    ] = None,
    loss: Annotated[float, typer.Option("--loss", min=0.0, max=0.9, help="Share of attempts that are lost.")] = 0.01,
    commit_s: Annotated[
        float | None, typer.Option("--commit-s", help="Seconds a run's commit takes. Default: measured here.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Seed of durations and losses.")] = 0,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Simulate a large fleet from recorded durations, and say what breaks first. SIMULATED: nothing is run.

    For example:

      assay fleet simulate --nodes 1000 --cases 10000
    """
    from assay.fleet.simulate import Load, measure_costs, read_durations, simulate_fleet

    durations = (seconds,) if seconds is not None else read_durations(open_for_reading(store))
    if not durations:
        raise UsageError("The store has no launches to take durations from.", hint="Give a median: --seconds 30")
    costs = measure_costs(commit_s=commit_s)
    found = simulate_fleet(Load(nodes, cases, tuple(durations), loss, seed), costs)
    if as_json:
        print_json({"simulated": True, **asdict(found), "recorded_durations": len(durations)})
        return
    _print_simulated(found, recorded=0 if seconds is not None else len(durations))


def _print_drift(report: DriftReport) -> None:
    console = make_console()
    console.print(f"{report.hardware_class}: {len(report.hosts)} hosts", soft_wrap=True)
    for sentence in report.sentences() or ["no host is slow or has settings of its own"]:
        console.print(f"  {sentence}", soft_wrap=True)
    for name, values in report.undecided.items():
        said = ", ".join(f"{host} {str(value)[:_SHOWN_CHARS]}" for host, value in values.items())
        console.print(f"  {name} differs without a majority: {said}", soft_wrap=True)
    if report.speeds:
        table = new_table()
        for header in ("host", "time beside the others", "z", "shared cases"):
            table.add_column(header)
        for one in report.speeds:
            table.add_row(one.host, f"{one.ratio:.3f}", f"{one.z:+.1f}", str(one.cases))
        print_table(table)
    else:
        console.print("  too few shared cases to compare speeds: 5 that are not contaminated are needed (--each-node)")


def _print_simulated(found: Simulated, *, recorded: int) -> None:
    table = new_table(f"SIMULATED: {found.nodes} nodes, {found.cases} cases")
    for header in ("what", "value"):
        table.add_column(header)
    rows: list[tuple[str, Any]] = [
        ("durations from", f"{recorded} recorded launches" if recorded else "--seconds"),
        ("attempts (simulated)", found.attempts),
        ("time, with the store's load (simulated)", f"{found.makespan_s:.0f} s"),
        ("time, were the store free (simulated)", f"{found.ideal_s:.0f} s"),
        ("nodes busy with cases (simulated)", f"{found.busy_share:.1%}"),
        ("longest wait for a commit (simulated)", f"{found.worst_commit_wait_s:.1f} s"),
        ("asked: commits/s (simulated)", f"{found.commits_asked_per_s:.1f}"),
        ("store (measured here, one writer; --commit-s: given): runs committed/s", f"{found.costs.commits_per_s:.1f}"),
        ("ledger (measured): synced lines/s", f"{found.costs.ledger_lines_per_s:.0f}"),
        ("scheduler (measured): decisions/s", f"{found.costs.decisions_per_s:.0f}"),
    ]
    for name, value in rows:
        table.add_row(name, str(value))
    print_table(table)
    for one in found.limits:
        typer.echo(f"{one.name}: {one.use:.0%} of what it can do; full at {one.nodes_at_limit} nodes")
    typer.echo(f"breaks first: {found.breaks_first}")
