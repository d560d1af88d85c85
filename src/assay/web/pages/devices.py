"""Devices: those with results and those of the catalogue, and one with its sheet and what was measured on it.

May import: core, catalog, analysis, report, store, web.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from fastapi import APIRouter

from assay.catalog.hardware.facts import DeviceFacts
from assay.catalog.hardware.prices import Price, choose_price, group_by_device
from assay.catalog.hardware.quantities import QUANTITIES, DeviceInputs
from assay.core.errors import NotFoundError
from assay.core.words import Provenance
from assay.report.results_table import choose_metrics, results_table
from assay.report.values import Cell, Column, Ref, RefKind, Table
from assay.report.wording import count_words, plural
from assay.store.catalogue import read_facts, read_prices
from assay.store.rows import result_from_row
from assay.web.device_sheet import derived_figures, price_table, sheet_sources, sheet_table
from assay.web.forms import Form, box, hidden, search, select
from assay.web.inventory import Held, find_device, read_devices
from assay.web.lists import read_choice, read_pager, table_of
from assay.web.navigation import Place
from assay.web.page import Ask, Page, Sorting
from assay.web.reports import Lesson, page_report, section
from assay.web.views import add_page

router = APIRouter()

_COLUMNS = (
    Column("device", "device", description="As the catalogue calls it, or as its source does"),
    Column("vendor", "vendor"),
    Column("measured", "measured", unit="count", description="Results by assay"),
    Column("imported", "imported", unit="count", description="Results of others"),
    Column("workloads", "workloads", unit="count"),
    Column(
        "peak",
        "peak, 16 bit",
        unit="FLOP/s",
        description="Highest dense rate in fp16 or bf16, by the catalogue's source",
    ),
    Column("bandwidth", "bandwidth", unit="B/s", description="Of its memory, by the catalogue's source"),
    Column("memory", "memory", unit="B", description="By the catalogue's source"),
    Column("power", "power limit", unit="W", description="TDP or board power, by the catalogue's source"),
    Column("per_watt", "16 bit per watt", unit="FLOP/s/W", description="Derived: peak / power limit"),
    Column("rent", "an hour", unit="USD", description="On demand, for one: the stored offer that answers for it"),
)
_NUMBERS = ("measured", "imported", "workloads", "peak", "bandwidth", "memory", "power", "per_watt", "rent")
_SORTS = {"device": False, "vendor": False, **dict.fromkeys(_NUMBERS, True)}
_NEWEST = 15
"""Results that stand above a device's sheet; a link leads to all."""
_TEACH = (Lesson("No result names its hardware yet. The catalogue below has the sheets of known devices."),)


def build(ask: Ask) -> Page:
    """List devices, or show the one that ``name`` means."""
    name = ask.query.exact("name")
    return _one(ask, name) if name is not None else _list(ask)


def _list(ask: Ask) -> Page:
    query = ask.query
    held = read_devices(ask)
    facts, prices = _catalogue(ask), _prices(ask)
    rows = [_row(one.name, one, _sheet_of(one, facts), prices) for one in held]
    if query.flag("all") or not held:
        met = {one.device.hw_id for one in held if one.device is not None}
        rows += [_row(sheet.name, None, sheet, prices) for sheet in facts.values() if sheet.hw_id not in met]
    vendors = sorted({str(row["vendor"].value) for row in rows if row["vendor"].value})
    rows = [row for row in rows if _fits(row, query.text("q"), query.text("vendor"))]
    sorting = read_choice(ask, _SORTS, usual="measured")
    rows = _sorted(rows, sorting)
    pager = read_pager(ask, len(rows), "device" if len(rows) == 1 else "devices")
    shown = rows[(pager.page - 1) * pager.size : pager.page * pager.size]
    table = table_of("devices", "Devices", _COLUMNS, shown, pager=pager, when_empty="No device fits.")
    notes = (
        "Peaks and sizes are the catalogue's, whose sheets name their sources: nothing of them was measured here.",
    )
    report = page_report(
        "devices", "Devices", [section("devices", "Devices", replace(table, notes=notes))], topics=("roofline",)
    )
    fields = (
        search(query.text("q"), hint="name or vendor"),
        select("vendor", "Vendor", [(one, one) for one in vendors], query.text("vendor")),
        box("all", "the whole catalogue", is_ticked=query.flag("all"), hint="Devices without results too"),
        hidden("sort", query.text("sort")),
    )
    reset = ask.url_of("/devices") if any(query.text(one) for one in ("q", "vendor", "all")) else None
    return Page(
        report,
        Place.DEVICES,
        # A list hides itself where nothing was measured, and here it is the catalogue.
        template="list.html" if held else "page.html",
        main="devices",
        form=Form(ask.url_of("/devices"), fields, reset=reset),
        pager=pager,
        sorting=sorting,
        parts={"teach": () if held else _TEACH},
    )


def _catalogue(ask: Ask) -> Mapping[str, DeviceFacts]:
    return ask.kept("catalogue facts", lambda: read_facts(ask.store))


def _prices(ask: Ask) -> Mapping[str, Price]:
    """What an hour of each device costs on demand, where an offer says so."""
    return ask.kept("catalogue prices", lambda: _choose_prices(ask))


def _choose_prices(ask: Ask) -> Mapping[str, Price]:
    offers = group_by_device(read_prices(ask.store))
    chosen = {hw_id: choose_price(ours, hw_id) for hw_id, ours in offers.items()}
    return {hw_id: price for hw_id, price in chosen.items() if price is not None}


def _sheet_of(held: Held, facts: Mapping[str, DeviceFacts]) -> DeviceFacts | None:
    hw_id = None if held.device is None else held.device.hw_id
    return None if hw_id is None else facts.get(hw_id)


def _row(name: str, held: Held | None, sheet: DeviceFacts | None, prices: Mapping[str, Price]) -> dict[str, Cell]:
    why = "its sheet is not in the catalogue" if sheet is None else "its sheet does not say"
    if held is not None and held.device is not None and held.device.reason:
        why = held.device.reason

    def of_sheet(key: str) -> Cell:
        reading = None if sheet is None else QUANTITIES[key].read(DeviceInputs(sheet))
        return Cell(reason=why) if reading is None or reading.value is None else Cell(reading.value)

    peak, power = of_sheet("peak16"), of_sheet("tdp")
    known = [one.value for one in (peak, power) if isinstance(one.value, float)]
    price = None if sheet is None else prices.get(sheet.hw_id)
    return {
        "device": Cell(name, ref=Ref(RefKind.DEVICE, name if held is not None or sheet is None else sheet.hw_id)),
        "vendor": Cell(sheet.vendor) if sheet is not None else Cell(reason=why),
        "measured": Cell(0 if held is None else held.measured),
        "imported": Cell(0 if held is None else held.imported),
        "workloads": Cell(0 if held is None else held.others),
        "peak": peak,
        "bandwidth": of_sheet("bandwidth"),
        "memory": of_sheet("memory"),
        "power": power,
        "per_watt": Cell(known[0] / known[1]) if len(known) == 2 else Cell(reason=why),  # noqa: PLR2004  (both)
        "rent": Cell(reason="no price of it is stored") if price is None else _rent_cell(price),
    }


def _rent_cell(price: Price) -> Cell:
    return Cell(price.per_device_usd, Provenance.IMPORTED, reason=price.label)


def _fits(row: dict[str, Cell], words: str | None, vendor: str | None) -> bool:
    text = f"{row['device'].value} {row['vendor'].value or ''}".casefold()
    return all(word in text for word in (words or "").casefold().split()) and vendor in (None, row["vendor"].value)


def _sorted(rows: Iterable[dict[str, Cell]], sorting: Sorting) -> list[dict[str, Cell]]:
    """By the chosen column, what is not known last; equal ones by results, then by name."""
    every = sorted(
        rows, key=lambda row: (-_number(row["measured"]), -_number(row["imported"]), str(row["device"].value))
    )
    known = [row for row in every if row[sorting.key].value is not None]
    unknown = [row for row in every if row[sorting.key].value is None]
    if sorting.key in _NUMBERS:
        return [
            *sorted(known, key=lambda row: _number(row[sorting.key]) * (-1 if sorting.is_descending else 1)),
            *unknown,
        ]
    words = sorted(known, key=lambda row: str(row[sorting.key].value).casefold(), reverse=sorting.is_descending)
    return [*words, *unknown]


def _number(cell: Cell) -> float:
    return float(cell.value) if isinstance(cell.value, int | float) else 0.0


# -- one device -------------------------------------------------------------------------------------------------


def _one(ask: Ask, name: str) -> Page:
    held = find_device(ask, name)
    facts = _catalogue(ask)
    sheet = _sheet(name, held, facts)
    if held is None and sheet is None:
        raise NotFoundError(
            f"No result was measured on {name[:80]!r}, and the catalogue has no sheet of that name.",
            hint="The list of devices has every name.",
        )
    title = held.name if held is not None else sheet.name if sheet is not None else name
    counts = {} if held is None else {"measured": held.measured, "imported": held.imported}
    said = count_words(counts)
    newest = None if held is None else _newest(ask, held)
    report = page_report(
        "device",
        title,
        [
            section("results", "Newest results", newest),
            section("sheet", "The sheet of the catalogue", sheet_table(sheet, held)),
            section("prices", "What it costs", None if sheet is None else price_table(ask, sheet)),
            section("derived", "What follows from sheet and price", derived_figures(ask, sheet, facts)),
        ],
        summary=[
            f"{plural(sum(counts.values()), 'result')} of {plural(held.others, 'workload')}: {said}."
            if held and said
            else "Nothing was measured on it yet; this is what the catalogue knows."
        ],
        scope=[("stored as", ", ".join(held.raw))] if held is not None and held.raw != (title,) else (),
        sources=sheet_sources(sheet),
        topics=("roofline",),
        ref=Ref(RefKind.DEVICE, title),
    )
    ways = (
        []
        if held is None
        else [
            ("All its results", ask.url_of("/results", hardware=held.raw[0], provenance="any")),
            ("Beside other devices", ask.url_of("/matrix")),
        ]
    )
    return Page(
        report,
        Place.DEVICES,
        main="results" if newest else None,
        parts={"kicker": "Device", "ways": ways, "listed": "results"},
    )


def _sheet(name: str, held: Held | None, facts: Mapping[str, DeviceFacts]) -> DeviceFacts | None:
    if held is not None:
        return _sheet_of(held, facts)
    return facts.get(name) or next((one for one in facts.values() if one.name.casefold() == name.casefold()), None)


def _newest(ask: Ask, held: Held) -> Table | None:
    """The newest result of each of its series, measured ones first."""
    marks = ", ".join("?" for _ in held.raw)
    rows = ask.rows(
        f"SELECT * FROM latest WHERE hardware IN ({marks}) "  # noqa: S608  (words of ours; values are bound)
        f"ORDER BY provenance DESC, measured_at DESC NULLS LAST, result_id DESC LIMIT {_NEWEST}",
        list(held.raw),
    )
    records = [result_from_row(row) for row in rows]
    if not records:
        return None
    table = results_table(
        records,
        metrics=choose_metrics(records, most=4),
        title="Newest results",
        caption="The newest of each series; measured ones come first.",
    )
    if held.total <= len(records):
        return table
    note = f"{plural(held.total, 'result')} in all, of which the newest of {plural(len(records), 'series')} are shown."
    return replace(table, notes=(*table.notes, note))


add_page(router, "/devices", build, name="devices")
