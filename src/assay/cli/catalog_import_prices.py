"""``assay catalog import-prices``: a price list into the store, with what was and was not taken."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from assay.cli.output import JsonOption, StoreOption, make_console, print_json

if TYPE_CHECKING:
    from assay.importers.prices.read import PriceList

EXIT_INCOMPLETE = 4
_SHOWN_REFUSALS = 5
_SHOWN_NAMES = 8


def register(parent: typer.Typer) -> None:
    """Add the command to the group ``assay catalog``."""
    parent.command("import-prices")(import_prices)


def import_prices(  # noqa: PLR0913  (a command has as many options as people need)
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A price list: CSV with a header.")],
    format_name: Annotated[
        str | None, typer.Option("--as", metavar="FORMAT", help="What the file is, where its header does not say.")
    ] = None,
    mapping: Annotated[
        Path | None, typer.Option("--mapping", metavar="FILE", help="What the columns mean (docs/prices.md).")
    ] = None,
    as_of: Annotated[
        str | None, typer.Option("--date", metavar="DATE", help="When the prices were asked, where rows do not say.")
    ] = None,
    provider: Annotated[str | None, typer.Option("--provider", help="Whose they are, where rows do not say.")] = None,
    again: Annotated[bool, typer.Option("--again", help="Read a file that is there already once more.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Read and report, and write nothing.")] = False,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Import a price list into the store. The same file again adds nothing.

    For example:

      assay catalog import-prices aws_gpu_instances_2025-11-30.csv

      assay catalog import-prices quotes.csv --mapping quotes.yaml --date 2026-11
    """
    from assay.importers.prices.read import read_price_list

    found = read_price_list(file, format_name=format_name, mapping=mapping, as_of=as_of, provider=provider)
    added = 0 if dry_run else _keep(found, store, again=again)
    if as_json:
        print_json(_plain_list(found) | {"dry_run": dry_run, "added": added})
    else:
        _print_list(found, "nothing was written" if dry_run else "added" if added else "already there")
    if found.refused:
        raise typer.Exit(EXIT_INCOMPLETE)


def _keep(found: PriceList, store: str | None, *, again: bool) -> int:
    from assay.store import Store
    from assay.store.catalogue import CatalogueImport, append_prices

    facts = CatalogueImport(
        file=found.source,
        format=found.format,
        sha256=found.sha256,
        rows_seen=found.rows,
        rows_refused=len(found.refused),
        settings=found.settings,
    )
    return append_prices(Store.open(store), found.prices, facts, again=again)


def _plain_list(found: PriceList) -> dict[str, Any]:
    resolved = [one for one in found.prices if one.hw_id is not None]
    return {
        "source": found.source,
        "format": found.format,
        "rows": found.rows,
        "prices": len(found.prices),
        "of_known_devices": len(resolved),
        "devices": len({one.hw_id for one in resolved}),
        "repeated": found.repeated,
        "refused": [
            {"place": one.place, "error": one.error, "raw": one.raw} for one in found.refused
        ],
        "corrected_machines": list(found.corrected),
        "unresolved": found.unresolved,
    }  # fmt: skip


def _print_list(found: PriceList, outcome: str) -> None:
    from rich.text import Text

    console = make_console()
    plain = _plain_list(found)
    lines = [
        f"{found.source}: {found.format}, {found.rows} rows, {plain['prices']} prices; {outcome}",
        f"  {plain['of_known_devices']} of them of {plain['devices']} devices of the catalogue",
    ]
    if found.repeated:
        lines.append(f"  {found.repeated} repeated, to the last digit, and left out")
    if found.corrected:
        names = _some(found.corrected)
        lines.append(f"  the provider's own table says another device than the list: {names}")
    if found.unresolved:
        names = _some([f"{name} ({count})" for name, count in found.unresolved.items()])
        lines.append(f"  no one device of the catalogue: {names}")
    for line in lines:
        console.print(Text(line), soft_wrap=True)
    for one in found.refused[:_SHOWN_REFUSALS]:
        console.print(Text(f"  refused, {one.place}: {one.error}", style="red"), soft_wrap=True)
    if len(found.refused) > _SHOWN_REFUSALS:
        console.print(Text(f"  and {len(found.refused) - _SHOWN_REFUSALS} more refused (--json)", style="red"))


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN_NAMES} more" if len(names) > _SHOWN_NAMES else ""
    return ", ".join(names[:_SHOWN_NAMES]) + more
