"""Devices: those with results and those of the catalogue, and one with its sheet and what was measured on it.

May import: core, catalog, report, store, web.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from fastapi import APIRouter

from assay.catalog.hardware.entry import Hardware
from assay.catalog.hardware.load import find_source, load_catalogue
from assay.core.errors import NotFoundError
from assay.report.results_table import choose_metrics, results_table
from assay.report.values import Cell, Column, Facts, Ref, RefKind, Source, Table, Text
from assay.report.wording import count_words, plural
from assay.store.rows import result_from_row
from assay.web.forms import Form, box, hidden, search, select
from assay.web.inventory import Held, find_device, read_devices
from assay.web.lists import read_pager, table_of
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
)
_NUMBERS = ("measured", "imported", "workloads", "peak", "bandwidth", "memory", "power")
_SORTS = {"device": False, "vendor": False, **dict.fromkeys(_NUMBERS, True)}
_TEACH = (Lesson("No result names its hardware yet. The catalogue below has the sheets of known devices."),)


def build(ask: Ask) -> Page:
    """List devices, or show the one that ``name`` means."""
    name = ask.query.exact("name")
    return _one(ask, name) if name is not None else _list(ask)


def _list(ask: Ask) -> Page:
    query = ask.query
    held = read_devices(ask)
    rows = [_row(one.name, one, None if one.device is None else one.device.hardware) for one in held]
    if query.flag("all") or not held:
        met = {one.device.hw_id for one in held if one.device is not None}
        rows += [_row(sheet.name, None, sheet) for sheet in load_catalogue().values() if sheet.hw_id not in met]
    vendors = sorted({str(row["vendor"].value) for row in rows if row["vendor"].value})
    rows = [row for row in rows if _fits(row, query.text("q"), query.text("vendor"))]
    sorting = _read_sorting(ask)
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
        template="list.html",
        main="devices",
        form=Form(ask.url_of("/devices"), fields, reset=reset),
        pager=pager,
        sorting=sorting,
        parts={"teach": () if held else _TEACH},
    )


def _row(name: str, held: Held | None, sheet: Hardware | None) -> dict[str, Cell]:
    why = "its sheet is not in the catalogue" if sheet is None else "its sheet does not say"
    if held is not None and held.device is not None and held.device.reason:
        why = held.device.reason

    def of_sheet(value: float | None) -> Cell:
        return Cell(value, reason=why if value is None else None)

    rates = [] if sheet is None else [rate for word in ("fp16", "bf16") if (rate := sheet.peak(word)) is not None]
    return {
        "device": Cell(name, ref=Ref(RefKind.DEVICE, name if held is not None or sheet is None else sheet.hw_id)),
        "vendor": Cell(sheet.vendor) if sheet is not None else Cell(reason=why),
        "measured": Cell(0 if held is None else held.measured),
        "imported": Cell(0 if held is None else held.imported),
        "workloads": Cell(0 if held is None else held.others),
        "peak": of_sheet(max(rates, default=None)),
        "bandwidth": of_sheet(None if sheet is None else sheet.memory_bandwidth_bytes_per_s),
        "memory": of_sheet(None if sheet is None else sheet.memory_bytes),
        "power": of_sheet(None if sheet is None else sheet.tdp_w),
    }


def _fits(row: dict[str, Cell], words: str | None, vendor: str | None) -> bool:
    text = f"{row['device'].value} {row['vendor'].value or ''}".casefold()
    return all(word in text for word in (words or "").casefold().split()) and vendor in (None, row["vendor"].value)


def _read_sorting(ask: Ask) -> Sorting:
    asked = ask.query.text("sort")
    name = "measured" if asked is None else ask.query.choice("sort", [*_SORTS, *(f"-{key}" for key in _SORTS)], "")
    return Sorting(name.removeprefix("-"), asked is None or name.startswith("-"), _SORTS)


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
    sheet = _sheet(name, held)
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
            section("sheet", "The sheet of the catalogue", _sheet_facts(sheet, held)),
        ],
        summary=[
            f"{plural(sum(counts.values()), 'result')} of {plural(held.others, 'workload')}: {said}."
            if held and said
            else "Nothing was measured on it yet; this is what the catalogue knows."
        ],
        scope=[("stored as", ", ".join(held.raw))] if held is not None and held.raw != (title,) else (),
        sources=_sheet_sources(sheet),
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


def _sheet(name: str, held: Held | None) -> Hardware | None:
    if held is not None:
        return None if held.device is None else held.device.hardware
    catalogue = load_catalogue()
    return catalogue.get(name) or next(
        (one for one in catalogue.values() if one.name.casefold() == name.casefold()), None
    )


def _newest(ask: Ask, held: Held) -> Table | None:
    """The newest result of each of its series, measured ones first."""
    marks = ", ".join("?" for _ in held.raw)
    rows = ask.rows(
        f"SELECT * FROM latest WHERE hardware IN ({marks}) "  # noqa: S608  (words of ours; values are bound)
        f"ORDER BY provenance DESC, measured_at DESC NULLS LAST, result_id DESC LIMIT {ask.size}",
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


_WORDS = {
    "vendor": "vendor",
    "name": "name",
    "architecture": "architecture",
    "category": "category",
    "codename": "codename",
    "form_factor": "form factor",
    "release": "released",
    "memory_kind": "kind of memory",
    "unit_kind": "kind of unit",
    "interconnect": "interconnect",
}
_FIGURES: Sequence[tuple[str, str, str | None, str]] = (
    ("memory", "memory_bytes", "B", "memory_gib"),
    ("memory bandwidth", "memory_bandwidth_bytes_per_s", "B/s", "memory_bandwidth_gb_s"),
    ("power limit", "tdp_w", "W", "tdp_w"),
    ("units", "units", "count", "units"),
    ("tensor units", "tensor_units", "count", "tensor_units"),
    ("threads", "threads", "count", "threads"),
    ("process", "process_nm", "nm", "process_nm"),
    ("L2 cache", "l2_bytes", "B", "l2_mib"),
    ("L3 cache", "l3_bytes", "B", "l3_mib"),
    ("interconnect rate", "interconnect_bytes_per_s", "B/s", "interconnect_gb_s"),
)


def _sheet_facts(sheet: Hardware | None, held: Held | None) -> Facts | Text:
    if sheet is None:
        reason = held.device.reason if held is not None and held.device is not None else None
        return Text((f"The catalogue has no sheet of it{f': {reason}' if reason else ''}.",))
    items = [(words, Cell(getattr(sheet, key))) for key, words in _WORDS.items() if getattr(sheet, key)]
    for words, key, unit, column in _FIGURES:
        value = getattr(sheet, key)
        if value is not None:
            items.append((words, Cell(value, unit=unit, reason=f"source: {find_source(sheet, column).title}")))
    for rate, value in sorted(sheet.rates.items()):
        unit = "OP/s" if "int" in rate else "FLOP/s"
        items.append((rate.replace("_", " "), Cell(value, unit=unit)))
    return Facts("sheet", "The sheet of the catalogue", tuple(items))


def _sheet_sources(sheet: Hardware | None) -> tuple[Source, ...]:
    if sheet is None:
        return ()
    found = {find_source(sheet, column).source_id: find_source(sheet, column) for _, _, _, column in _FIGURES}
    return tuple(Source(f"{one.publisher}: {one.title}", f"{one.kind}, {one.date}") for one in found.values())


add_page(router, "/devices", build, name="devices")
