"""``assay export``: results, numbers, launches or raw readings as JSON, CSV or Parquet."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from assay.cli.output import AsOfOption, StoreOption, open_for_reading
from assay.core.errors import UsageError
from assay.core.words import ExportFormat as Format
from assay.core.words import ExportWhat as What

_TextsOption = typer.Option(show_default=False, help="Only these; by commas, '*' allowed.")
Texts = Annotated[str | None, _TextsOption]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("export")(export)


def export(  # noqa: PLR0913  (a command has as many options as people need)
    runs: Annotated[list[str] | None, typer.Argument(help="Runs: ids, last, last~2. Without: all.")] = None,
    output: Annotated[str, typer.Option("--output", "-o", help="File; its ending says the format. '-': stdout.")] = "-",
    form: Annotated[
        Format | None, typer.Option("--format", "-f", help="Format, where no ending says it.", show_default=False)
    ] = None,
    what: Annotated[
        What, typer.Option("--what", "-w", help="A row a result, a number, a launch or a series.")
    ] = What.RESULTS,
    workload: Texts = None,
    engine: Texts = None,
    device: Texts = None,
    precision: Texts = None,
    status: Texts = None,
    suite: Texts = None,
    provenance: Annotated[
        str | None,
        typer.Option(help="measured (without: only these), imported, predicted, or any.", show_default=False),
    ] = None,
    usable: Annotated[bool, typer.Option("--usable", help="Only what aggregates may use.")] = False,
    limit: Annotated[
        int | None, typer.Option("--limit", "-n", min=1, help="The newest so many.", show_default=False)
    ] = None,
    as_of: AsOfOption = None,
    store: StoreOption = None,
) -> None:
    """Write results to a file for other programs. Measured and imported rows are mixed only when asked for."""
    from assay.core.units import format_bytes
    from assay.store.export import collect, format_of, write, write_to

    chosen = form or (Format.JSON if output == "-" else format_of(output))
    if output == "-" and chosen is Format.PARQUET and sys.stdout.isatty():
        raise UsageError("Parquet is not for a terminal.", hint="Name a file with -o.")
    opened = open_for_reading(store, as_of)
    wanted: dict[str, Any] = {
        "workload": workload, "engine": engine, "device": device, "precision": precision, "status": status,
        "suite": suite, "provenance": provenance,
    }  # fmt: skip
    selected = {name: text.split(",") for name, text in wanted.items() if text is not None}
    if runs:
        selected["run_id"] = [opened.find_run(ref).run_id for ref in runs]
    found = opened.results(limit=limit, usable=True if usable else None, **selected)
    content = collect(found, what, opened.location, opened.versions)
    if output == "-":
        write_to(content, chosen, sys.stdout.buffer)
        return
    size_bytes = write(content, chosen, Path(output))
    typer.echo(f"{output}: {content.num_rows} {what.value}, {format_bytes(size_bytes)}", err=True)
    if not content.num_rows and provenance is None:
        others = opened.results(limit=1, usable=True if usable else None, provenance="any", **selected)
        if len(others):
            typer.echo("  Results that were not measured here fit: --provenance imported, predicted, or any.", err=True)
