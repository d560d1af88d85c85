"""``assay store ...``: looking after the store itself."""

from __future__ import annotations

from dataclasses import asdict

import typer

from assay.cli import mirror
from assay.cli.output import JsonOption, StoreOption, print_json, short_id

EXIT_FINDINGS = 4

app = typer.Typer(
    help="Look after the store: check and repair it, name and restore states, copy, let go.", no_args_is_help=True
)


mirror.register(app)


@app.command()
def recover(store: StoreOption = None, as_json: JsonOption = False) -> None:
    """Publish what crashed or killed runs had measured, as interrupted runs."""
    from assay.store import Store

    recovered = Store.open(store).recover()
    if as_json:
        print_json([asdict(one) for one in recovered])
        return
    if not recovered:
        typer.echo("Nothing to recover: every run was published.")
    for one in recovered:
        kept = f"{one.results} results from {one.launches} launches" if one.results else "nothing was measured"
        typer.echo(f"{short_id(one.run_id)}: {one.outcome}: {one.reason or kept}")


@app.command()
def check(store: StoreOption = None, as_json: JsonOption = False) -> None:
    """Look for damage and for leavings of killed processes. Changes nothing; exits 4 where there is something."""
    _report(store, as_json=as_json, mend=False)


@app.command()
def repair(store: StoreOption = None, as_json: JsonOption = False) -> None:
    """Mend what check finds, and say what is left."""
    _report(store, as_json=as_json, mend=True)


@app.command()
def info(store: StoreOption = None, as_json: JsonOption = False) -> None:
    """Show each table's version, rows, files and bytes."""
    from assay.cli.output import new_table, print_table
    from assay.core.units import format_bytes
    from assay.store import Store

    described = Store.open(store).info()
    if as_json:
        print_json(asdict(described))
        return
    table = new_table(described.location)
    for header in ("table", "version", "rows", "files", "size"):
        table.add_column(header, justify="left" if header == "table" else "right")
    for one in described.tables:
        table.add_row(
            one.name,
            "–" if one.version is None else str(one.version),
            str(one.rows),
            str(one.files),
            format_bytes(one.live_bytes),
        )
    print_table(table)


def _report(store: str | None, *, as_json: bool, mend: bool) -> None:
    from assay.store import Store

    opened = Store.open(store)
    report = opened.repair() if mend else opened.check()
    if as_json:
        print_json(asdict(report))
    else:
        for mended in report.repaired:
            typer.echo(f"repaired: {mended}")
        for problem in report.problems:
            typer.echo(f"{problem.flaw}: {problem.subject}: {problem.detail}")
        if not report.problems:
            typer.echo(f"{opened.location}: clean, {report.runs} runs")
    if report.problems:
        raise typer.Exit(EXIT_FINDINGS)
