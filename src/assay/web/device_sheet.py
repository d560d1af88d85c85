"""One device's page below its results: the sheet with layers and sources, its offers, what follows from both.

May import: core, catalog, store, analysis, report, web.
"""

from __future__ import annotations

from collections.abc import Mapping

from assay.analysis.device_compare import compare_devices
from assay.catalog.hardware.cells import CatalogueCell, Layer
from assay.catalog.hardware.facts import IDENTITY, DeviceFacts
from assay.catalog.hardware.fields import NUMBER_COLUMNS, RATE_COLUMNS
from assay.catalog.hardware.load import load_sources
from assay.catalog.hardware.prices import PriceKind, Terms, choose_price, current_offers
from assay.catalog.hardware.quantities import read_column
from assay.core.words import Provenance
from assay.report.kinds._derived import derived_table
from assay.report.values import Cell, Column, Source, Table, Text
from assay.store.catalogue import read_prices
from assay.web.inventory import Held
from assay.web.page import Ask

_LAYER_WORDS = {Layer.SHIPPED: "the catalogue", Layer.IMPORTED: "imported", Layer.OWN: "your own"}
_IDENTITY = ("vendor", "architecture", "category")
_MOST_OFFERS = 20


def sheet_table(sheet: DeviceFacts | None, held: Held | None) -> Table | Text:
    """Every figure of the sheet with its source, whose it is, and when that was so."""
    if sheet is None:
        reason = held.device.reason if held is not None and held.device is not None else None
        return Text((f"The catalogue has no sheet of it{f': {reason}' if reason else ''}.",))
    said: list[tuple[str, Cell, CatalogueCell | None]] = [
        (word, Cell(getattr(sheet, word)), None) for word in _IDENTITY
    ]
    said += [
        (_words_of(column), _figure(sheet, column), cell)
        for column, cell in sheet.cells.items()
        if column not in IDENTITY
    ]
    columns = (
        Column("figure", "figure"),
        Column("value", "value"),
        Column("layer", "whose", description="The shipped catalogue's, an imported table's, or your own"),
        Column("source", "source"),
        Column("as_of", "as of", description="When its source says so"),
    )
    rows = tuple((Cell(words), value, *_origin(cell)) for words, value, cell in said)
    return Table("sheet", "The sheet of the catalogue", columns, rows)


def _origin(cell: CatalogueCell | None) -> tuple[Cell, Cell, Cell]:
    if cell is None:
        why = "it says which device this is"
        return Cell(reason=why), Cell(reason=why), Cell(reason=why)
    source = load_sources().get(cell.source_id) if cell.layer is Layer.SHIPPED else None
    title = cell.source_id if source is None else f"{source.publisher}: {source.title}"
    as_of = Cell(cell.as_of) if cell.as_of else Cell(reason="its source does not tell")
    return Cell(_LAYER_WORDS[cell.layer]), Cell(title), as_of


def _figure(sheet: DeviceFacts, column: str) -> Cell:
    if column in RATE_COLUMNS:
        return Cell(read_column(sheet, column), unit="OP/s" if "_int" in column else "FLOP/s")
    if column not in NUMBER_COLUMNS:
        return Cell(sheet.text(column))
    return Cell(read_column(sheet, column), unit=_UNITS.get(column, "count"))


_UNITS = {
    "process_nm": "nm", "die_mm2": "mm2", "transistors_m": "M", "memory_gib": "B", "memory_bus_bits": "bit",
    "memory_bandwidth_gb_s": "B/s", "l2_mib": "B", "l3_mib": "B", "base_mhz": "MHz", "boost_mhz": "MHz", "tdp_w": "W",
    "release_price_usd": "USD", "interconnect_gb_s": "B/s",
}  # fmt: skip
_ENDS = ("_tflops", "_tops", "_gb_s", "_gib", "_mib", "_mhz", "_mm2", "_usd", "_bits", "_nm", "_w", "_m")
_TITLES = {
    "tdp_w": "power limit",
    "release": "released",
    "process_nm": "process class",
    "die_mm2": "die area",
    "l2_mib": "L2 cache",
    "l3_mib": "L3 cache",
    "base_mhz": "base clock",
    "boost_mhz": "highest clock",
}


def _words_of(column: str) -> str:
    if column in _TITLES:
        return _TITLES[column]
    for end in _ENDS:
        if column.endswith(end):
            return column.removesuffix(end).replace("_", " ")
    return column.replace("_", " ")


def price_table(ask: Ask, sheet: DeviceFacts) -> Table | Text:
    """The current offers of it, those on demand first, then other terms and kinds; of each the cheapest first."""
    prices = read_prices(ask.store, hw_id=sheet.hw_id)
    asked = [(PriceKind.CLOUD, terms) for terms in Terms] + [(PriceKind.STREET, None), (PriceKind.RELEASE, None)]
    offers = [one for kind, terms in asked for one in current_offers(prices, sheet.hw_id, kind, terms=terms)]
    if not offers:
        return Text(("No price of it is stored: import price lists with assay catalog import-prices.",))
    chosen = choose_price(prices, sheet.hw_id)
    columns = (
        Column("price", "for one", description="An hour of one, or one to buy"),
        Column("terms", "terms"),
        Column("provider", "provider"),
        Column("machine", "machine"),
        Column("devices", "devices", unit="count"),
        Column("region", "region"),
        Column("as_of", "as of"),
        Column("source", "price list"),
    )
    missing = "its list does not say"
    rows = tuple(
        (
            Cell(one.per_device_usd, Provenance.IMPORTED, unit="USD/h" if one.per_hour else "USD"),
            Cell(str(one.terms or one.kind).replace("_", " ")),
            *(Cell(text or None, reason=None if text else missing) for text in (one.provider, one.instance)),
            Cell(one.n_devices),
            Cell(one.region or None, reason=None if one.region else missing),
            Cell(one.as_of),
            Cell(one.source if one.source_row is None else f"{one.source}, row {one.source_row}"),
        )
        for one in offers[:_MOST_OFFERS]
    )
    caption = "" if chosen is None else f"An hour of it on demand is taken to cost what this says: {chosen.label}."
    return Table("offers", "Offers", columns, rows, caption=caption, rows_left_out=max(0, len(offers) - _MOST_OFFERS))


def derived_figures(ask: Ask, sheet: DeviceFacts | None, facts: Mapping[str, DeviceFacts]) -> Table | None:
    """What follows from sheet and price, with formulas and reasons; None without a sheet."""
    if sheet is None:
        return None
    prices = read_prices(ask.store, hw_id=sheet.hw_id)
    return derived_table(compare_devices(facts, [sheet.hw_id], prices=prices))


def sheet_sources(sheet: DeviceFacts | None) -> tuple[Source, ...]:
    """Every source that the sheet rests on, once."""
    if sheet is None:
        return ()
    found: dict[str, Source] = {}
    for cell in sheet.cells.values():
        known = load_sources().get(cell.source_id) if cell.layer is Layer.SHIPPED else None
        found[cell.source_id] = (
            Source(cell.source_id, f"{_LAYER_WORDS[cell.layer]}, {cell.as_of}")
            if known is None
            else Source(f"{known.publisher}: {known.title}", f"{known.kind}, {known.date}")
        )
    return tuple(found.values())
