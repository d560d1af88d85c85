"""``assay catalog compare`` and ``metrics``: devices by what follows from sheets and prices, and by which rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from assay.cli.catalog_view import PreferOption, resolve_in
from assay.cli.output import (
    CsvOption,
    Form,
    JsonOption,
    StoreOption,
    choose_form,
    make_console,
    new_table,
    open_for_reading,
    print_csv,
    print_json,
    print_table,
)
from assay.core.errors import UnknownNameError, UsageError

if TYPE_CHECKING:
    from assay.analysis.device_compare import DeviceComparison, Terrain
    from assay.catalog.hardware.derived_metric import DerivedValue
    from assay.catalog.hardware.facts import DeviceFacts

_HEADLINE = ("rate16_per_w", "rate16_per_usd", "usd_per_h", "balance16", "memory_reads_per_s", "latency_index")
"""What a list of many devices shows: all metrics would not fit any line."""
_LEAST_COLUMN = 15
_METRIC_COLUMN = 34
_DEVICE_COLUMN = 26
_COLUMNS = ("name", "group", "title", "unit", "direction", "is_estimate", "needs", "formula", "source")


def register(parent: typer.Typer) -> None:
    """Add the commands to the group ``assay catalog``."""
    parent.command("compare")(compare)
    parent.command("metrics")(list_metrics)


def compare(  # noqa: PLR0913  (a command has as many options as people need)
    devices: Annotated[list[str] | None, typer.Argument(help="Ids of devices, or names that mean one.")] = None,
    metrics: Annotated[
        list[str] | None,
        typer.Option("--metric", "-m", help="Only this metric, or group of them; may be repeated."),
    ] = None,
    vendor: Annotated[list[str] | None, typer.Option("--vendor", help="Also all devices of this maker.")] = None,
    category: Annotated[
        list[str] | None, typer.Option("--category", help="Also all of this category, or kind (gpu, cpu).")
    ] = None,
    sort: Annotated[str | None, typer.Option("--sort", help="Best in this metric first.")] = None,
    terms: Annotated[str, typer.Option("--terms", help="Of rent: on_demand, reserved or spot.")] = "on_demand",
    region: Annotated[str | None, typer.Option("--region", help="Only rent of this region.")] = None,
    as_of: Annotated[str | None, typer.Option("--date", metavar="DATE", help="As prices were then.")] = None,
    street: Annotated[
        bool, typer.Option("--street", help="Take street prices for the price of a device, not those at release.")
    ] = False,
    grid: Annotated[
        str | None, typer.Option("--grid", help="Whose electricity: a country, a state, a cloud's region.")
    ] = None,
    reference: Annotated[
        str | None, typer.Option("--reference", help="The device that relative metrics take as 1.")
    ] = None,
    prefer: PreferOption = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """Hold devices against each other by figures that follow from their data sheets and prices.

    Nothing of it was measured. Estimates are marked ~; JSON has every note and why a figure is missing.

    For example:

      assay catalog compare "H100 SXM5" "A100 SXM4 80GB" L4

      assay catalog compare --category "datacentre gpu" --metric rate16_per_w --sort rate16_per_w
    """
    from assay.analysis.device_compare import compare_devices
    from assay.catalog.hardware.cells import PREFERENCE
    from assay.store.catalogue import read_facts, read_prices

    form = choose_form(as_json=as_json, as_csv=as_csv)
    opened = open_for_reading(store)
    facts = read_facts(opened, prefer=tuple(dict.fromkeys([*(prefer or ()), *PREFERENCE])))
    chosen = [*(resolve_in(name, facts) for name in devices or ()), *_select(facts, vendor, category)]
    if not chosen:
        raise UsageError(
            "No device is named.", hint="Name some, or choose them: assay catalog compare --category 'datacentre gpu'."
        )
    terrain = _read_terrain(
        terms, region, as_of, grid, resolve_in(reference, facts) if reference else None, is_street=street
    )
    found = compare_devices(facts, chosen, metrics or (), prices=read_prices(opened), terrain=terrain)
    rows = _order(found, sort)
    if form is Form.JSON:
        print_json([_plain_device(found, row) for row in rows])
    elif form is Form.CSV:
        names = [metric.name for metric in found.metrics]
        print_csv([_flat_device(found, row) for row in rows], ["hw_id", "name", "vendor", *names])
    else:
        _print(found, rows, is_chosen=bool(metrics))


def list_metrics(
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """List the derived metrics: unit, formula, inputs and source of each."""
    from assay.catalog.hardware.derived import GROUPS

    form = choose_form(as_json=as_json, as_csv=as_csv)
    rows: list[dict[str, Any]] = [
        {name: getattr(metric, name, group) for name in _COLUMNS} for group, ones in GROUPS.items() for metric in ones
    ]
    if form is Form.JSON:
        print_json(rows)
    elif form is Form.CSV:
        print_csv(rows, _COLUMNS)
    else:
        _print_metrics(rows)


def _select(facts: Mapping[str, DeviceFacts], vendors: list[str] | None, categories: list[str] | None) -> list[str]:
    if not vendors and not categories:
        return []
    for asked, known, what in (
        (vendors, {one.vendor for one in facts.values()}, "vendor"),
        (categories, {word for one in facts.values() for word in (one.category, one.kind)}, "category"),
    ):
        folded = {name.casefold() for name in known}
        for name in asked or ():
            if name.casefold() not in folded:
                raise UnknownNameError(what, name, known)
    makers, kinds = ({name.casefold() for name in names or ()} for names in (vendors, categories))
    return [
        one.hw_id
        for one in facts.values()
        if (not makers or one.vendor.casefold() in makers) and (not kinds or kinds & {one.category, one.kind})
    ]


def _read_terrain(
    terms: str, region: str | None, as_of: str | None, grid: str | None, reference: str | None, *, is_street: bool
) -> Terrain:
    from assay.analysis.device_compare import Terrain
    from assay.catalog.grid import find_grid_factor
    from assay.catalog.hardware.derived import REFERENCE
    from assay.catalog.hardware.prices import Terms, first_day

    if terms not in set(Terms):
        raise UnknownNameError("terms", terms, [one.value for one in Terms])
    if as_of is not None:
        first_day(as_of)
    factor = None if grid is None else find_grid_factor(grid)
    return Terrain(Terms(terms), region, as_of, is_street, factor, reference or REFERENCE)


def _order(found: DeviceComparison, sort: str | None) -> Sequence[int]:
    if sort is None:
        return range(len(found.devices))
    names = [metric.name for metric in found.metrics]
    if sort not in names:
        raise UnknownNameError("metric of this comparison", sort, names)
    return found.order(names.index(sort))


def _plain_device(found: DeviceComparison, row: int) -> dict[str, Any]:
    device = found.devices[row]
    return {
        "hw_id": device.hw_id,
        "name": device.name,
        "vendor": device.vendor,
        "metrics": {value.metric.name: _plain_value(value) for value in found.values[row]},
    }


def _plain_value(value: DerivedValue) -> dict[str, Any]:
    metric = value.metric
    return {
        "value": value.value, "unit": metric.unit, "is_estimate": metric.is_estimate, "reason": value.reason,
        "note": value.note, "layers": list(value.layers),
    }  # fmt: skip


def _flat_device(found: DeviceComparison, row: int) -> dict[str, Any]:
    device = found.devices[row]
    said = {"hw_id": device.hw_id, "name": device.name, "vendor": device.vendor}
    return said | {value.metric.name: value.value for value in found.values[row]}


# -- tables ------------------------------------------------------------------------------------------------------


def _print(found: DeviceComparison, rows: Sequence[int], *, is_chosen: bool) -> None:
    fitting = max(1, (make_console().width - _METRIC_COLUMN) // _LEAST_COLUMN)
    if len(rows) <= fitting:
        _print_few(found, rows)
    else:
        _print_many(found, rows, is_chosen=is_chosen)
    _print_legend(found, rows)


def _print_few(found: DeviceComparison, rows: Sequence[int]) -> None:
    """Metrics down, devices across; what no device has stands below with its reason."""
    from rich.text import Text

    table = new_table()
    table.add_column("metric", overflow="fold", min_width=20)
    for row in rows:
        table.add_column(found.devices[row].name, justify="right", overflow="fold")
    missing: dict[str, list[str]] = {}
    several = "each device lacks something else: --json"
    for place, metric in enumerate(found.metrics):
        best = found.best(place)
        column = found.column(place)
        if all(column[row].value is None for row in rows):
            reasons = {column[row].reason or "" for row in rows}
            missing.setdefault(reasons.pop() if len(reasons) == 1 else several, []).append(metric.name)
            continue
        table.add_row(metric.name, *(Text(_cell(column[row]), style="bold" if row in best else "") for row in rows))
    print_table(table)
    for reason, names in missing.items():
        text = f"not known: {', '.join(names)}: {reason}"
        make_console().print(Text(text, style="dim"), soft_wrap=True)


def _print_many(found: DeviceComparison, rows: Sequence[int], *, is_chosen: bool) -> None:
    """Devices down, as many metrics across as fit; the others stand in JSON and CSV."""
    from rich.text import Text

    names = [metric.name for metric in found.metrics]
    wanted = [place for place, name in enumerate(names) if is_chosen or name in _HEADLINE]
    width = make_console().width - _DEVICE_COLUMN
    shown = wanted[: max(1, width // _LEAST_COLUMN)]
    table = new_table()
    table.add_column("device", overflow="fold", min_width=_DEVICE_COLUMN - 6)
    for place in shown:
        table.add_column(found.metrics[place].name, justify="right", overflow="fold")
    best = {place: found.best(place) for place in shown}
    for row in rows:
        cells = [Text(_cell(found.values[row][place]), style="bold" if row in best[place] else "") for place in shown]
        table.add_row(found.devices[row].hw_id, *cells)
    print_table(table)
    left = len(names) - len(shown)
    if left:
        text = f"{left} more metrics: with --metric, or in --json and --csv"
        make_console().print(Text(text, style="dim"), soft_wrap=True)


def _cell(value: DerivedValue) -> str:
    from assay.core.units import MISSING

    if value.value is None:
        return MISSING
    from assay.report.display import format_number

    return f"{'~' if value.metric.is_estimate else ''}{format_number(value.value, value.metric.unit)}"


def _print_legend(found: DeviceComparison, rows: Sequence[int]) -> None:
    from rich.text import Text

    said = ["by data sheets and prices, nothing of it measured; bold: best of these; rules: assay catalog metrics"]
    if any(metric.is_estimate for metric in found.metrics):
        said.append("~: estimate, the most that the roofline allows; assumptions: --json")
    offers = {
        found.devices[row].hw_id: value.note
        for row in rows
        for value in found.values[row]
        if value.metric.name == "usd_per_h" and value.note
    }
    if len(offers) <= _MOST_OFFERS:
        said += [f"rent of {hw_id}: {note}" for hw_id, note in offers.items()]
    if found.terrain.grid is not None:
        said.append(f"carbon: {found.terrain.grid.label}")
    for text in said:
        make_console().print(Text(text, style="dim"), soft_wrap=True)


_MOST_OFFERS = 6


def _print_metrics(rows: Sequence[Mapping[str, Any]]) -> None:
    from rich.text import Text

    table = new_table()
    for header in ("metric", "unit", "better"):
        table.add_column(header, no_wrap=True)
    table.add_column("formula", overflow="fold")
    group = None
    for row in rows:
        if row["group"] != group:
            group = row["group"]
            table.add_row(Text(group, style="bold"), "", "", "")
        mark = "~" if row["is_estimate"] else ""
        direction = "" if row["direction"] == "neither" else str(row["direction"])
        table.add_row(f"{mark}{row['name']}", row["unit"], direction, row["formula"])
    print_table(table)
    text = f"{len(rows)} metrics; ~: estimate; sources and assumptions: --json, docs/derived-metrics.md"
    make_console().print(Text(text, style="dim"), soft_wrap=True)
