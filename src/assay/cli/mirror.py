"""``assay store mirror URL``: keep a PostgreSQL database as the store is, for dashboards and SQL users."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from assay.cli.flags import split_values
from assay.cli.output import JsonOption, StatusLine, StoreOption, new_table, print_json, print_table

if TYPE_CHECKING:
    from assay.mirrors.plan import Progress, Report
    from assay.mirrors.verify import Verification

EXIT_DIFFERENT = 4


def register(store_app: typer.Typer) -> None:
    """Add the command to the group ``assay store``."""
    store_app.command("mirror")(mirror)


def complete_table(incomplete: str) -> list[str]:
    """Names of optional tables that begin so, for the shell."""
    from assay.mirrors.tables import OPTIONAL

    return [name for name in OPTIONAL if name.startswith(incomplete)]


def mirror(  # noqa: PLR0913  (a command has as many options as people need)
    url: Annotated[
        str,
        typer.Argument(
            metavar="URL",
            help="postgresql://user@host:5432/database; the password may come from PGPASSWORD or ~/.pgpass.",
        ),
    ],
    store: StoreOption = None,
    schema: Annotated[str, typer.Option("--schema", help="Schema of the database to mirror into.")] = "assay",
    tables: Annotated[
        list[str] | None,
        typer.Option(
            "--tables",
            metavar="NAMES",
            help="Only these of launches, launch_metrics, samples, telemetry; the other tables always come.",
            autocompletion=complete_table,
        ),
    ] = None,
    with_samples: Annotated[
        bool, typer.Option("--with-samples/--no-samples", help="Copy raw samples too, which are most of the bytes.")
    ] = True,
    full: Annotated[bool, typer.Option("--full", help="Empty the mirror first, and copy everything again.")] = False,
    verify: Annotated[
        bool,
        typer.Option(
            "--verify", help="Compare rows and checksums of every table afterwards; exits 4 where they differ."
        ),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Change nothing: say what would be copied; with --verify, only compare.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Copy into PostgreSQL what is new in the store, and remove there what is gone. Safe to repeat and to interrupt."""
    from assay.mirrors.plan import Settings, choose_tables
    from assay.mirrors.transfer import mirror_store, plan_mirror
    from assay.mirrors.verify import verify_mirror
    from assay.store import Store

    chosen = choose_tables(None if tables is None else split_values(tables), with_samples=with_samples)
    settings = Settings(schema, chosen, full)
    location = Store.open(store, create=False).location
    report = None
    if not dry_run:
        with StatusLine("Looking for what is new") as line:
            report = mirror_store(location, url, settings, on_progress=lambda progress: line.show(_describe(progress)))
    elif not verify:
        report = plan_mirror(location, url, settings)
    verification = verify_mirror(location, url, schema) if verify else None
    if as_json:
        print_json(
            {
                "mirror": None if report is None else {**asdict(report), "moved": report.moved},
                "verification": None if verification is None else _plain(verification),
            }
        )
    else:
        if report is not None:
            _print_report(report)
        if verification is not None:
            _print_verification(verification)
    if verification is not None and not verification.is_equal:
        raise typer.Exit(EXIT_DIFFERENT)


def _describe(progress: Progress) -> str:
    return f"{progress.runs_done} of {progress.runs} runs, {progress.rows} rows"


def _print_report(report: Report) -> None:
    would = "would be " if report.dry_run else ""
    place = f"{report.target} schema {report.schema}{' (new)' if report.created else ''}"
    runs = f"{report.runs_copied} {would}copied, {report.runs_completed} completed, {report.runs_removed} removed"
    typer.echo(f"{place}: of {report.runs_in_store} runs {runs}.")
    if not report.moved:
        typer.echo(f"Nothing {'would move' if report.dry_run else 'moved'}: the mirror is as the store.")
        return
    table = new_table()
    for header in ("table", "rows", "removed"):
        table.add_column(header, justify="left" if header == "table" else "right")
    for name in {**report.rows, **report.rows_removed}:
        table.add_row(name, str(report.rows.get(name, 0)), str(report.rows_removed.get(name, 0)))
    print_table(table)


def _print_verification(verification: Verification) -> None:
    table = new_table(f"{verification.runs_compared} runs compared")
    for header in ("table", "store rows", "mirror rows", "store checksum", "mirror checksum", ""):
        table.add_column(header, justify="right" if header.endswith("rows") else "left")
    for one in verification.tables:
        verdict = "equal" if one.is_equal else "DIFFERENT"
        table.add_row(
            one.table, str(one.store_rows), str(one.mirror_rows), one.store_checksum, one.mirror_checksum, verdict
        )
    print_table(table)
    for one in verification.tables:
        for difference in one.differences:
            typer.echo(f"{one.table}: {difference}")
    if verification.runs_not_mirrored:
        typer.echo(f"{verification.runs_not_mirrored} runs of the store are not mirrored yet.")
    typer.echo("The mirror is as the store." if verification.is_equal else "The mirror differs from the store.")


def _plain(verification: Verification) -> dict[str, Any]:
    content = asdict(verification)
    return {**content, "is_equal": verification.is_equal}
