"""``assay fleet``: cases spread over the nodes of a Ray cluster or a Slurm queue, into one store."""

from __future__ import annotations

import shlex
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from assay.cli import fleet_more
from assay.cli.flags import complete_engine, complete_mode, complete_model, complete_suite
from assay.cli.output import (
    CsvOption,
    Form,
    JsonOption,
    StatusLine,
    StoreOption,
    choose_form,
    make_console,
    new_table,
    open_for_reading,
    print_csv,
    print_json,
    print_table,
    short_id,
)
from assay.core.errors import UsageError

if TYPE_CHECKING:
    from assay.fleet.ledger import Ledger
    from assay.fleet.sitting import Sat
    from assay.fleet.status import FleetStatus
    from assay.runner.suite_model import Suite
    from assay.store import Store

EXIT_FAILED_RESULTS = 4
EXIT_HEAD_LOST = 75
"""sysexits.h's EX_TEMPFAIL: the same command again, with --resume, may well go through."""
EXIT_INTERRUPTED = 130
_TARGETS = ("ray://local", "ray://auto", "ray://", "slurm", "slurm:")
ATTEMPT_COLUMNS = (
    "case", "case_id", "attempt", "node", "host", "pid", "began_at", "ended_at", "seconds", "outcome", "status",
    "run_id", "error",
)  # fmt: skip

app = typer.Typer(
    name="fleet", help="Run cases on many machines, and see how they differ.", no_args_is_help=True,
    rich_markup_mode=None,
)  # fmt: skip


def complete_target(incomplete: str) -> list[str]:
    """Engines that ``--on`` can name, for the shell."""
    return [one for one in _TARGETS if one.startswith(incomplete)]


def complete_fleet(incomplete: str) -> list[str]:
    """Ids of the fleet runs beside the usual store, for the shell."""
    from assay.fleet.ledger import list_ledgers
    from assay.store.location import default_location, normalise

    ids = [short_id(path.stem) for path in list_ledgers(normalise(default_location()))]
    return [one for one in ids if one.startswith(incomplete)]


fleet_more.register(app)


@app.command("run")
def run(  # noqa: PLR0913  (a command has as many options as people need)
    suite: Annotated[
        str | None,
        typer.Argument(
            metavar="[SUITE]",
            help="Name of a shipped suite or path of a YAML file.",
            autocompletion=complete_suite,
            show_default=False,
        ),
    ] = None,
    on: Annotated[
        str | None,
        typer.Option(
            "--on",
            metavar="ENGINE",
            autocompletion=complete_target,
            show_default=False,
            help="ray://HOST:PORT, ray://auto, ray://local, slurm or slurm:PARTITION.",
        ),
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option("--model", "-m", help="Models, by commas.", autocompletion=complete_model),
    ] = None,
    engine: Annotated[
        list[str] | None, typer.Option("--engine", "-e", help="Engines, by commas.", autocompletion=complete_engine)
    ] = None,
    device: Annotated[
        list[str] | None, typer.Option("--device", "-d", help="cpu, cuda ... auto: what the nodes have.")
    ] = None,
    precision: Annotated[list[str] | None, typer.Option("--precision", "-p", help="fp32, bf16 ...")] = None,
    mode: Annotated[
        list[str] | None, typer.Option("--mode", help="inference, training ...", autocompletion=complete_mode)
    ] = None,
    batch: Annotated[list[str] | None, typer.Option("--batch", "-b", help="Batch sizes: 1,8.")] = None,
    seq: Annotated[list[str] | None, typer.Option("--seq", help="Sequence lengths: 128,512.")] = None,
    option: Annotated[list[str] | None, typer.Option("--option", "-o", help="A case option: ranks=4.")] = None,
    max_size: Annotated[str | None, typer.Option("--max-size", help="Leave out larger sizes.")] = None,
    launches: Annotated[int | None, typer.Option("--launches", "-n", min=1, help="Fresh processes a case.")] = None,
    min_time: Annotated[float | None, typer.Option("--min-time", help="Shortest timed window, seconds.")] = None,
    max_time: Annotated[float | None, typer.Option("--max-time", help="Longest timed window, seconds.")] = None,
    launch_limit: Annotated[str | None, typer.Option("--launch-limit", help="Kill a launch after: 90s.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="One launch a case, short windows.")] = False,
    accelerator: Annotated[
        str | None, typer.Option("--accelerator", help="Only nodes with this model, as the engine names it: H100.")
    ] = None,
    memory_gib: Annotated[
        float | None, typer.Option("--memory-gib", min=0.0, help="Host memory that a case needs, GiB.")
    ] = None,
    each_node: Annotated[
        bool, typer.Option("--each-node", help="Every case on every node: what assay fleet drift compares.")
    ] = False,
    retries: Annotated[
        int, typer.Option("--retries", min=0, help="Further attempts of a case whose worker was lost.")
    ] = 2,
    reconnect: Annotated[
        str, typer.Option("--reconnect", metavar="TIME", help="How long a lost head is waited for.")
    ] = "120s",
    parallel: Annotated[int, typer.Option("--parallel", min=1, help="Slurm: jobs at a time.")] = 4,
    resume: Annotated[
        str | None,
        typer.Option("--resume", metavar="ID", help="Go on with a fleet run.", autocompletion=complete_fleet),
    ] = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run a suite on the nodes of a cluster; each case has its device for itself, results go to one store.

    For example:

      assay fleet run standard --on ray://head:10001 --store s3://team/assay

      assay fleet run --model bert/base --device cuda --on slurm:gpu --parallel 16

      assay fleet run --resume 1a2b3c4d
    """
    from assay.cli.flags import (
        choose_suite,
        implied_mode,
        override_suite,
        read_duration,
        read_integers,
        read_options,
        read_shape,
        split_values,
    )
    from assay.fleet.backend import BackendLostError, read_target
    from assay.fleet.drive import Policy
    from assay.fleet.plan import Needs
    from assay.fleet.sitting import Asked, begin_fleet, resume_fleet
    from assay.runner.plan import read_machine
    from assay.runner.quick import quicken
    from assay.store import Store

    opened = Store.open(store)
    target = None if on is None else read_target(on)
    policy = Policy(retries=retries, reconnect_s=read_duration("reconnect", reconnect))
    asked = {
        "model": split_values(model), "engine": split_values(engine), "device": split_values(device),
        "precision": split_values(precision), "batch": read_integers("batch", batch),
        "shape": read_shape(seq=seq, image=None, others=None),
        "mode": split_values(mode) or implied_mode(None, None), "options": read_options(option),
    }  # fmt: skip
    asked = {key: value for key, value in asked.items() if value}
    with StatusLine("connecting") as line:
        try:
            if resume is not None:
                if suite is not None or asked:
                    raise UsageError("--resume was given with what chooses cases.", hint="It has the plan that it had.")
                sat = resume_fleet(opened, resume, target=target, policy=policy, listener=_shower(line))
            else:
                if target is None:
                    raise UsageError("--on is missing: where are the cases to run?", hint="--on ray://local tries it.")
                chosen: Suite = choose_suite(suite, asked, max_size)
                chosen = quicken(chosen) if quick else chosen
                chosen = override_suite(chosen, launches, min_time, max_time, launch_limit, None)
                memory_bytes = None if memory_gib is None else round(memory_gib * 2**30)
                options: dict[str, Any] = {"parallel": parallel} if target.engine == "slurm" else {}
                wanted = Asked(chosen, target, policy, Needs(accelerator, memory_bytes, each_node), options)
                sat = begin_fleet(wanted, read_machine(), opened, listener=_shower(line))
        except BackendLostError as error:
            hint = "Is it up, and can it be reached from here? Try: ray status --address HOST:6379"
            raise UsageError(error.message, hint=hint) from error
    _finish(sat, opened, as_json=as_json)


@app.command("status")
def status(
    fleet: Annotated[str, typer.Argument(metavar="ID", help="Fleet run, or last.", autocompletion=complete_fleet)] = (
        "last"
    ),
    attempts: Annotated[bool, typer.Option("--attempts", help="Every attempt, as rows.")] = False,
    store: StoreOption = None,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """Say where a fleet run stands: counts, what each node did, what befell it.

    For example:

      assay fleet status last --attempts --csv
    """
    from assay.fleet.ledger import find_ledger, read_state
    from assay.fleet.status import attempt_rows, read_status

    form = choose_form(as_json=as_json, as_csv=as_csv)
    path = find_ledger(open_for_reading(store).location, fleet)
    rows = attempt_rows(read_state(path))
    if form is Form.CSV:
        print_csv(rows, ATTEMPT_COLUMNS)
        return
    found = read_status(path)
    if form is Form.JSON:
        print_json({**asdict(found), "attempt_rows": rows} if attempts else asdict(found))
        return
    _print_status(found)
    if attempts:
        table = new_table("attempts")
        for header in ("case", "attempt", "node", "pid", "seconds", "outcome", "error"):
            table.add_column(header, overflow="fold")
        for row in rows:
            table.add_row(
                row["case"], str(row["attempt"]), row["node"], str(row["pid"] or "-"),
                "-" if row["seconds"] is None else f"{row['seconds']:.1f}", row["outcome"] or "running",
                row["error"] or "",
            )  # fmt: skip
        print_table(table)


@app.command("ls")
def ls(store: StoreOption = None, as_json: JsonOption = False, as_csv: CsvOption = False) -> None:
    """List the fleet runs that were driven from here, newest first.

    For example:

      assay fleet ls
    """
    from assay.fleet.ledger import list_ledgers
    from assay.fleet.status import read_status

    form = choose_form(as_json=as_json, as_csv=as_csv)
    found = [read_status(path) for path in list_ledgers(open_for_reading(store).location)]
    columns = ("fleet_id", "began_at", "on", "suite", "cases", "ok", "failed", "running", "waiting", "attempts", "last")
    rows = [{name: getattr(one, name) for name in columns} for one in found]
    if form is Form.JSON:
        print_json(rows)
        return
    if form is Form.CSV:
        print_csv(rows, columns)
        return
    table = new_table()
    for header in columns:
        table.add_column(header)
    for row in rows:
        table.add_row(*(short_id(row[name]) if name == "fleet_id" else str(row[name]) for name in columns))
    print_table(table)


def _shower(line: StatusLine) -> Any:
    def show(ledger: Ledger) -> None:
        from assay.fleet.status import describe_state

        found = describe_state(ledger.state, is_driven=True)
        line.show(
            f"{found.ok} ok, {found.failed} failed, {found.running} running, {found.waiting} waiting of {found.cases}"
        )

    return show


def _finish(sat: Sat, store: Store, *, as_json: bool) -> None:
    from assay.fleet.drive import End
    from assay.fleet.status import describe_state

    found = describe_state(sat.state, is_driven=False)
    if as_json:
        print_json({**asdict(found), "end": sat.end.value, "ledger": sat.ledger})
    else:
        _print_status(found)
    if found.is_complete:
        sys.exit(EXIT_FAILED_RESULTS if found.failed else 0)
    command = f"assay fleet run --resume {short_id(found.fleet_id)}"
    command += f" --store {shlex.quote(store.location)}"
    left = found.cases - found.ok - found.failed
    typer.secho(f"{sat.end.value}: {left} of {found.cases} cases have no answer yet. Go on with: {command}", err=True)
    codes = {End.INTERRUPTED: EXIT_INTERRUPTED, End.FINISHED: EXIT_FAILED_RESULTS}
    sys.exit(codes.get(sat.end, EXIT_HEAD_LOST))


def _print_status(found: FleetStatus) -> None:
    console = make_console()
    outcomes = ", ".join(f"{count} {name}" for name, count in sorted(found.outcomes.items()))
    console.print(
        f"fleet run {short_id(found.fleet_id)} of suite {found.suite} on {found.on}: {found.last}\n"
        f"{found.cases} cases: {found.ok} ok, {found.failed} failed, {found.given_up} given up, "
        f"{found.running} running, {found.waiting} waiting; {found.attempts} attempts ({outcomes})",
        soft_wrap=True,
    )
    table = new_table()
    for header in ("node", "host", "ok", "failed", "lost", "timeout", "s at the median", "running"):
        table.add_column(header, overflow="fold")
    for one in found.nodes:
        table.add_row(
            one.node, ", ".join(one.hosts) or "-", str(one.ok), str(one.failed), str(one.lost), str(one.timeout),
            "-" if one.median_s is None else f"{one.median_s:.1f}", ", ".join(one.running) or "-",
        )  # fmt: skip
    console.print(table)
