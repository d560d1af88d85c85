"""Read a price list: every amount with its row, every row that is not taken with the reason.

Nothing is converted: an amount in another currency is refused, an empty one is no offer, and a list that does not say
when its prices were asked is not taken until somebody does. May import: core, catalog, importers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from assay.catalog.hardware.prices import Price, first_day
from assay.core.errors import AssayError, UnknownNameError, UsageError
from assay.importers.base import ImportFileError, Refusal, RowError
from assay.importers.numbers import read_number
from assay.importers.prices.columns import AMOUNTS, FORMATS, PriceColumns, find_format, load_columns
from assay.importers.prices.devices import PricedDevice, find_priced_device
from assay.importers.source import Source
from assay.importers.tables.cells import refuse

_DAY = re.compile(r"(?<!\d)(20\d{2}-(?:0[1-9]|1[0-2])(?:-(?:0[1-9]|[12]\d|3[01]))?)(?!\d)")
_NO_DEVICE = frozenset({"", "-", "none", "n/a", "unknown"})
_NO_DATE_HINT = "Say it: --date 2025-11-30, or a month or a year where no more is known."


@dataclass(frozen=True, slots=True)
class PriceList:
    """A price list as it was read. ``rows`` counts rows of data, refused ones too; a row may have several prices.

    ``settings`` is what the reading hung on besides the content: a date, a provider or a mapping given by hand.
    ``repeated`` are prices that an earlier row has already, to the last digit. ``corrected`` are the names of machines
    whose device the provider's own table says otherwise than the list.
    """

    source: str
    sha256: str
    format: str
    rows: int
    prices: tuple[Price, ...]
    refused: tuple[Refusal, ...]
    repeated: int
    corrected: tuple[str, ...]
    settings: str = ""

    @property
    def unresolved(self) -> dict[str, int]:
        """Names that mean no one device of the catalogue, with the number of their prices, most first."""
        found: dict[str, int] = {}
        for price in self.prices:
            if price.hw_id is None:
                found[price.device_text] = found.get(price.device_text, 0) + 1
        return dict(sorted(found.items(), key=lambda pair: (-pair[1], pair[0])))


def find_price_format(path: Path) -> str | None:
    """Return the name of a price list's format by its header; None where it is no known price list."""
    found = find_format(_source_of(path).csv_header)
    return None if found is None else found.name


def read_price_list(
    path: Path,
    *,
    format_name: str | None = None,
    mapping: Path | None = None,
    as_of: str | None = None,
    provider: str | None = None,
) -> PriceList:
    """Read a price list in a known format, or any CSV by a mapping file.

    ``as_of`` is when the prices were asked, where rows do not say: else a date in the file's name counts. ``provider``
    is whose they are, where rows do not say. Raises ImportFileError for what is no price list, MappingError for a
    mapping that cannot be used, UsageError where no date is known.
    """
    source = _source_of(path)
    columns = _choose(source, format_name, mapping)
    if provider is not None:
        columns = replace(columns, values={**columns.values, "provider": provider})
    day = as_of or columns.values.get("as_of") or _day_in(source.path.name)
    if day is not None:
        first_day(day)
    elif "as_of" not in columns.columns:
        raise UsageError(f"{source.name} does not say when its prices were asked.", hint=_NO_DATE_HINT)
    taken: list[Price] = []
    refused: list[Refusal] = []
    seen: set[Price] = set()
    corrected: dict[str, None] = {}
    rows = repeated = 0
    for number, record in source.csv_rows():
        rows += 1
        try:
            device, prices = _read_row(columns, record, number, day or "", source.path.name)
        except RowError as error:
            refused.append(refuse(f"row {number}", error, dict(record)))
            continue
        if device.is_corrected:
            corrected[columns.text("instance", record)] = None
        for price in prices:
            bare = replace(price, source_row=None)
            repeated += bare in seen
            if bare not in seen:
                seen.add(bare)
                taken.append(price)
    meant = None if mapping is None else Source(mapping, str(mapping), mapping.stat().st_size).sha256
    said = {"date": as_of, "mapping": meant, "provider": provider}
    return PriceList(
        source=source.path.name,
        sha256=source.sha256,
        format=columns.name,
        rows=rows,
        prices=tuple(taken),
        refused=tuple(refused),
        repeated=repeated,
        corrected=tuple(corrected),
        settings=", ".join(f"{name}={value}" for name, value in said.items() if value is not None),
    )


def _source_of(path: Path) -> Source:
    if not path.is_file():
        raise ImportFileError(f"{path} is not a file.", hint="Expected a CSV file of prices.")
    return Source(path, str(path), path.stat().st_size)


def _choose(source: Source, format_name: str | None, mapping: Path | None) -> PriceColumns:
    if mapping is not None:
        columns = load_columns(mapping)
    elif format_name is not None:
        if format_name not in FORMATS:
            raise UnknownNameError("format of a price list", format_name, FORMATS)
        columns = FORMATS[format_name]
    elif (found := find_format(source.csv_header)) is not None:
        columns = found
    else:
        raise ImportFileError(
            f"{source.name} is no price list that is known by its header ({', '.join(source.csv_header)[:200]}).",
            hint="Say what its columns mean with a mapping file (docs/prices.md).",
        )
    needed = columns.wanted if mapping is None else tuple(columns.columns.values())
    missing = [name for name in needed if name not in source.csv_header]
    if missing:
        raise ImportFileError(
            f"{source.name} lacks the columns {', '.join(missing)}; it has {', '.join(source.csv_header)[:200]}."
        )
    return columns


def _read_row(
    columns: PriceColumns, record: Mapping[str, str], number: int, day: str, source: str
) -> tuple[PricedDevice, list[Price]]:
    """Read the amounts of one row. Raises RowError where it offers nothing that can be priced."""
    if all(value.strip() == name for name, value in record.items()):
        raise RowError("it is the header again.")
    currency = columns.text("currency", record)
    if currency and currency.upper() not in {"USD", "$", "US$"}:
        raise RowError(f"it is priced in {currency}, expected USD: amounts are not converted.")
    text, instance = columns.text("device", record), columns.text("instance", record)
    if text.casefold() in _NO_DEVICE and not instance:
        raise RowError("it names neither a device nor a machine.")
    count = _read_count(columns, record)
    device = find_priced_device("" if text.casefold() in _NO_DEVICE else text, instance, count)
    try:
        prices = list(_amounts(columns, record, device, (text or instance, instance, day, source, number)))
    except RowError:
        raise
    except AssayError as error:  # a price that can be none: 0, a day that does not exist
        raise RowError(str(error)) from None
    if not prices:
        raise RowError("it has no amount: nothing is offered.")
    return device, prices


def _amounts(
    columns: PriceColumns,
    record: Mapping[str, str],
    device: PricedDevice,
    row: tuple[str, str, str, str, int],
) -> Iterator[Price]:
    text, instance, day, source, number = row
    for thing, terms in AMOUNTS.items():
        amount = read_number(record[columns.columns[thing]].lstrip(" $")) if thing in columns.columns else None
        if amount is None:
            continue
        is_for_one = columns.is_for_one
        yield Price(
            hw_id=device.hw_id,
            device_text=text,
            kind=columns.kind,
            provider=columns.text("provider", record),
            region=columns.text("region", record),
            instance=instance,
            n_devices=1 if is_for_one else device.n_devices,
            usd=amount,
            per_hour=terms is not None,
            terms=terms,
            as_of=(record.get(columns.columns.get("as_of", ""), "").strip() or day)[:10],
            source=source,
            source_row=number,
        )


def _read_count(columns: PriceColumns, record: Mapping[str, str]) -> float | None:
    """How many devices a row says it has; a list without such a column is of single devices only where it says so."""
    said = columns.text("count", record)
    if not said:
        return 1.0 if columns.is_for_one else None
    count = read_number(said)
    if count == 0:
        raise RowError("a machine without an accelerator.")
    if count is None or count < 0:
        raise RowError(f"{said!r} is no number of devices.")
    return count


def _day_in(name: str) -> str | None:
    """The date in a file's name: ``prices_2025-11-30.csv``; None where there is none, or several."""
    found = set(_DAY.findall(name))
    return found.pop() if len(found) == 1 else None
