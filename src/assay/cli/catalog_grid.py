"""``assay catalog grid``: what a kWh brings with it in carbon dioxide, by zone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from assay.cli.output import (
    CsvOption,
    Form,
    JsonOption,
    choose_form,
    make_console,
    new_table,
    print_csv,
    print_json,
    print_table,
)

if TYPE_CHECKING:
    from rich.table import Table

    from assay.catalog.grid import GridFactor

_GRID_COLUMNS = ("zone", "name", "g_co2e_per_kwh", "year", "source_id", "source", "counts")


def register(parent: typer.Typer) -> None:
    """Add the command to the group ``assay catalog``."""
    parent.command("grid")(show_grid)


def show_grid(
    region: Annotated[
        str | None, typer.Argument(help="A country (DE), a state (US-VA) or a cloud's region (us-east-1).")
    ] = None,
    provider: Annotated[
        str | None, typer.Option("--provider", help="Whose region it is, where several have the name.")
    ] = None,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """List how much carbon dioxide a kWh brings with it, by zone, each with year and source.

    For example:

      assay catalog grid us-east-1
    """
    from assay.catalog.grid import find_grid_factor, load_grid

    form = choose_form(as_json=as_json, as_csv=as_csv)
    chosen = list(load_grid().values()) if region is None else [find_grid_factor(region, provider=provider)]
    rows = [_grid_row(one) for one in chosen]
    if form is Form.JSON:
        print_json(rows)
    elif form is Form.CSV:
        print_csv(rows, _GRID_COLUMNS)
    else:
        _print_grid(chosen)


def _grid_row(factor: GridFactor) -> dict[str, Any]:
    source = factor.source
    row = {name: getattr(factor, name) for name in _GRID_COLUMNS[:5]}
    return row | {"source": f"{source.publisher}, {source.title}, {source.date}", "counts": source.kind}


def _print_grid(factors: Sequence[GridFactor]) -> None:
    table = _grid_table()
    for one in factors:
        table.add_row(one.zone, one.name, f"{one.g_co2e_per_kwh:g}", str(one.year), one.source_id)
    print_table(table)
    console = make_console()
    for source in {one.source_id: one.source for one in factors}.values():
        text = f"{source.source_id}: {source.publisher}, {source.title}, {source.date}; counts {source.kind}"
        console.print(text, style="dim", soft_wrap=True)


def _grid_table() -> Table:
    table = new_table()
    for header in ("zone", "where", "g CO2e/kWh", "year", "source"):
        is_number = header in {"g CO2e/kWh", "year"}
        table.add_column(header, justify="right" if is_number else "left", no_wrap=header == "zone")
    return table
