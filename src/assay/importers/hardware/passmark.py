"""Tables of PassMark's charts as they go round: a row a device with mark, price and power, for GPUs or for CPUs.

Headers are ``gpuName, G3Dmark, G2Dmark, price, gpuValue, TDP, powerPerformance, testDate, category`` and ``cpuName,
price, cpuMark, cpuValue, threadMark, threadValue, TDP, powerPerformance (or powerPerf), cores, testDate, socket,
category``. A mark is others' measurement and no fact of a device, and ``testDate`` is the year of the first test and no
release: neither is taken. The price is a shop's, and needs a date that the table does not have. May import: core,
catalog, importers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from assay.importers.base import Note, Refusal, RowError
from assay.importers.hardware.columns import Column, NumberColumn, is_header_again, read_statements
from assay.importers.hardware.table import DeviceRow, Item, StreetPrice
from assay.importers.numbers import read_number
from assay.importers.source import Source

_GPU = frozenset({"gpuName", "G3Dmark", "TDP"})
_CPU = frozenset({"cpuName", "cpuMark", "TDP"})
_COLUMNS: tuple[Column, ...] = (NumberColumn(("TDP",), ("tdp_w",)), NumberColumn(("cores",), ("units",)))


class PassmarkFormat:
    """Reads either table."""

    name = "passmark"
    title = "PassMark charts (CSV of GPUs or CPUs)"
    publisher = "PassMark Software"

    def recognise(self, source: Source) -> bool:
        """True for a CSV file with the headers of either table."""
        header = set(source.csv_header)
        return header >= _GPU or header >= _CPU

    def read(self, source: Source) -> Iterator[Item]:
        """Give one row a device. Raises ImportFileError."""
        is_gpu = set(source.csv_header) >= _GPU
        yield Note("PassMark's marks are measurements and testDate is no release: power, cores and prices are taken.")
        for number, record in source.csv_rows():
            yield _read_row(number, record, is_gpu=is_gpu)


def _read_row(number: int, record: Mapping[str, str], *, is_gpu: bool) -> DeviceRow | Refusal:
    if is_header_again(record):
        return Refusal(f"row {number}", "it is the header again.", "")
    name = " ".join(record["gpuName" if is_gpu else "cpuName"].split())
    if not name:
        return Refusal(f"row {number}", "it names no device.", str(dict(record))[:2000])
    statements, problems = read_statements(record, _COLUMNS)
    price, wrong = _read_price(record)
    return DeviceRow(
        number, name, tuple(statements), kind="gpu" if is_gpu else "cpu", price=price, problems=(*problems, *wrong)
    )


def _read_price(record: Mapping[str, str]) -> tuple[StreetPrice | None, list[str]]:
    raw = record.get("price", "").strip().rstrip("*").lstrip("$")
    try:
        usd = read_number(raw)
    except RowError as error:
        return None, [f"price: {error.message}"]
    return (StreetPrice(usd, "price") if usd else None), []
