"""``assay store snapshot | restore | diff | backup | retain | compact | vacuum``: earlier states, copies, upkeep."""

from __future__ import annotations

import re
import sys
from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from assay.cli.flags import in_utf8
from assay.cli.output import JsonOption, StatusLine, StoreOption, new_table, print_json, print_table, short_id
from assay.core.errors import UsageError

if TYPE_CHECKING:
    from assay.store.copying import CopyReport

_AGE = re.compile(r"(\d+)\s*(min|h|d|w)")
_UNITS = {"min": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_SHOWN = 10
TablesOption = Annotated[str | None, typer.Option("--tables", help="Only these tables, by commas.", show_default=False)]
YesOption = Annotated[bool, typer.Option("--yes", help="Do not ask.")]

snapshots = typer.Typer(help="Name the present state, list the names, end one, prove one.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands to ``assay store``."""
    app.add_typer(snapshots, name="snapshot")
    for command in (restore, diff, backup, retain, compact, vacuum):
        app.command()(command)


@snapshots.command("make")
def make_snapshot(
    name: Annotated[str, typer.Argument(help="Its name: letters, digits, '.', '_', '-'.")],
    note: Annotated[str | None, typer.Option("--note", callback=in_utf8, help="Why.", show_default=False)] = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Name the present state; its files are kept for as long as the name exists."""
    from assay.store import Store

    made = Store.open(store, create=False).snapshot(name, note=note)
    if as_json:
        print_json(asdict(made))
    else:
        typer.echo(f"snapshot {made.name}: {made.rows['runs']} runs, {made.rows['results']} results")


@snapshots.command("ls")
def list_snapshots(store: StoreOption = None, as_json: JsonOption = False) -> None:
    """List the snapshots, newest first."""
    from assay.cli.output import format_age
    from assay.store import Store

    found = Store.open(store, create=False).snapshots()
    if as_json:
        print_json([asdict(one) for one in found])
        return
    if not found:
        typer.echo("No snapshots yet. Make one with: assay store snapshot make NAME")
        return
    table = new_table()
    for header in ("snapshot", "when", "runs", "results", "note"):
        table.add_column(header, overflow="fold", justify="right" if header in {"runs", "results"} else "left")
    for one in found:
        rows = one.rows
        table.add_row(
            one.name, format_age(one.created_at), str(rows.get("runs", 0)), str(rows.get("results", 0)), one.note or ""
        )
    print_table(table)


@snapshots.command("rm")
def remove_snapshot(name: Annotated[str, typer.Argument(help="Its name.")], store: StoreOption = None) -> None:
    """End a name. Its files go with the next vacuum, unless something else needs them."""
    from assay.store import Store
    from assay.store.snapshots import remove_snapshot as remove

    remove(Store.open(store, create=False).location, name)
    typer.echo(f"snapshot {name} ended")


@snapshots.command("verify")
def verify_snapshot(name: Annotated[str, typer.Argument(help="Its name.")], store: StoreOption = None) -> None:
    """Read a snapshot again and compare it with the counts and checksums noted then; exits 4 where they differ."""
    from assay.store import Store
    from assay.store.snapshots import verify_snapshot as verify

    differences = verify(Store.open(store, create=False).location, name)
    for one in differences:
        typer.echo(one)
    if differences:
        raise typer.Exit(4)
    typer.echo(f"snapshot {name}: every row is as it was")


def restore(
    state: Annotated[
        str | None, typer.Argument(help="A snapshot, a time, or an age (2d) to go back to.", show_default=False)
    ] = None,
    source: Annotated[
        str | None,
        typer.Option("--from", metavar="STORE", help="Instead: copy back what this backup has.", show_default=False),
    ] = None,
    store: StoreOption = None,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Go back to an earlier state (which is itself undone by restoring what it names), or copy back from a backup."""
    from assay.store import Store
    from assay.store.snapshots import diff_states
    from assay.store.snapshots import restore as go_back

    if (state is None) == (source is None):
        raise UsageError("Expected either a state to go back to, or --from a backup.")
    if source is not None:
        _report_copy(_copy(source, Store.open(store).location), as_json=as_json)
        return
    opened = Store.open(store, create=False)
    then = opened.as_of(str(state))
    change = diff_states(opened.location, None, then.versions)
    if not yes:
        question = f"{len(change.only_in_first)} runs would vanish and {len(change.only_in_second)} come back. Go on?"
        _confirm(question)
    before = go_back(opened.location, then.versions or {})
    if as_json:
        print_json({"restored": state, "undo": before.name, **asdict(change)})
        return
    typer.echo(
        f"restored {state}: {len(change.only_in_first)} runs vanished, {len(change.only_in_second)} came back; "
        f"undo with: assay store restore {before.name}"
    )


def diff(
    first: Annotated[str, typer.Argument(help="A snapshot, a time, or an age.")],
    second: Annotated[str, typer.Argument(help="Another, or 'now'.")] = "now",
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare two states: runs that only one has, rows of each table."""
    from assay.store import Store
    from assay.store.snapshots import diff_states

    opened = Store.open(store, create=False)
    states = [None if one == "now" else opened.as_of(one).versions for one in (first, second)]
    found = diff_states(opened.location, states[0], states[1])
    if as_json:
        print_json(asdict(found))
        return
    table = new_table(f"{first} -> {second}")
    for header in ("table", first, second, "difference"):
        table.add_column(header, justify="left" if header == "table" else "right")
    for name, (before, after) in found.rows.items():
        table.add_row(name, str(before), str(after), f"{after - before:+d}" if after != before else "")
    print_table(table)
    typer.echo(f"runs: {found.in_both} in both")
    for where, run_ids in ((first, found.only_in_first), (second, found.only_in_second)):
        if run_ids:
            more = f" and {len(run_ids) - _SHOWN} more" if len(run_ids) > _SHOWN else ""
            typer.echo(f"only in {where}: {', '.join(short_id(run_id) for run_id in run_ids[:_SHOWN])}{more}")


def backup(
    target: Annotated[str, typer.Argument(metavar="STORE", help="Folder or address; made if need be.")],
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Copy what another store does not have yet, and compare both. Repeat it to keep the copy up to date."""
    from assay.store import Store

    _report_copy(_copy(Store.open(store, create=False).location, Store.open(target).location), as_json=as_json)


def retain(
    runs_older_than: Annotated[
        str | None,
        typer.Option("--runs-older-than", metavar="AGE", help="Remove whole runs: 365d.", show_default=False),
    ] = None,
    samples_older_than: Annotated[
        str | None,
        typer.Option(
            "--samples-older-than", metavar="AGE", help="Remove raw readings, keep results.", show_default=False
        ),
    ] = None,
    keep_last: Annotated[int, typer.Option("--keep-last", min=0, help="Newest runs of each suite to keep whole.")] = 30,
    keep_tags: Annotated[
        str | None, typer.Option("--keep-tags", help="Runs with one of these tags stay; by commas.", show_default=False)
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go; remove nothing.")] = False,
    yes: YesOption = False,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let old data go. Runs with a note or a baseline are kept, and so are the newest of each suite."""
    from assay.store import Store
    from assay.store.retention import Policy, apply_retention, plan_retention

    opened = Store.open(store, create=False)
    policy = Policy(_read_age(runs_older_than), _read_age(samples_older_than), keep_last, tuple(_split(keep_tags)))
    plan = plan_retention(opened.location, policy)
    acts = bool(plan.remove or plan.thin) and not dry_run
    if acts:
        if not yes:
            _confirm(f"{len(plan.remove)} runs would be removed and {len(plan.thin)} lose their raw readings. Go on?")
        apply_retention(opened.location, plan)
    if as_json:
        print_json({"applied": acts, **asdict(plan)})
        return
    word = "removed" if acts else "would be removed"
    rows = ", ".join(f"{count} {table}" for table, count in plan.rows.items() if count) or "nothing"
    typer.echo(f"{len(plan.remove)} runs whole, {len(plan.thin)} runs' raw readings: {rows} {word}")
    for run_id, reason in sorted(plan.protected.items()):
        typer.echo(f"kept {short_id(run_id)}: {reason}")


def compact(tables: TablesOption = None, store: StoreOption = None, as_json: JsonOption = False) -> None:
    """Rewrite many small files into few. Happens by itself after many appends; safe at any time."""
    from assay.store import Store
    from assay.store.upkeep import compact as compact_tables

    done = compact_tables(Store.open(store, create=False).location, _split(tables))
    if as_json:
        print_json([asdict(one) for one in done])
        return
    for one in done:
        typer.echo(f"{one.table}: {one.files_before} files, now {one.files_after}")


def vacuum(
    keep_hours: Annotated[float, typer.Option("--keep-hours", help="How long earlier states stay readable.")] = 168,
    tables: TablesOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go; remove nothing.")] = False,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Remove files that no recent state and no snapshot needs."""
    from assay.store import Store
    from assay.store.upkeep import vacuum as vacuum_tables

    opened = Store.open(store, create=False)
    done = vacuum_tables(opened.location, _split(tables), keep_hours=keep_hours, dry_run=dry_run)
    if as_json:
        print_json([asdict(one) for one in done])
        return
    for one in done:
        typer.echo(f"{one.table}: {one.files} files {'would be removed' if dry_run else 'removed'}")


def _copy(source: str, target: str) -> CopyReport:
    from assay.store import Store
    from assay.store.copying import copy_runs

    with StatusLine("Looking for what is new") as line:
        return copy_runs(
            Store.open(source, create=False).location,
            target,
            progress=lambda done, everything: line.show(f"{done} of {everything} runs"),
        )


def _report_copy(report: CopyReport, *, as_json: bool) -> None:
    if as_json:
        print_json(asdict(report))
        return
    rows = sum(report.rows.values())
    typer.echo(
        f"{report.runs_copied} runs copied ({rows} rows), {report.runs_there} were there; "
        f"{report.verified} runs compared, equal on both sides"
    )


def _confirm(question: str) -> None:
    if not sys.stdin.isatty():
        raise UsageError(f"{question} There is nobody to ask.", hint="Say --yes.")
    typer.confirm(question, abort=True)


def _read_age(text: str | None) -> timedelta | None:
    if text is None:
        return None
    found = _AGE.fullmatch(text.strip())
    if found is None:
        raise UsageError(f"{text!r} is no age.", hint="Expected for instance 90d, 12h or 8w.")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def _split(tables: str | None) -> list[str]:
    return [name.strip() for name in tables.split(",") if name.strip()] if tables else []
