"""The one text of every number: terminal, pages, files and notebooks ask here, so the same number reads the same.

Three significant digits, scaled to the unit that reads best, as ``cli.tables`` and ``ci.lines`` write them. Units that
are understood: ``ns`` and ``s`` (times), ``B`` (binary prefixes), ``B/s`` ``FLOP/s`` ``OP/s`` ``Hz`` (decimal ones),
``J`` and ``W`` (alone and as ``J/token``), ``1/s``, ``%`` (in per cent already), ``share`` (0.12 is 12.0 %), ``ratio``
(1.1 is +10.0 %, 3 is ×3.0), ``count`` (whole numbers), ``C``; ``1``, an empty one and None are plain numbers; any other
unit is written behind the number. May import: core, report.values, report.cleaning.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from assay.core.units import MISSING, format_significant
from assay.core.words import Direction, Provenance
from assay.report.cleaning import clean_line
from assay.report.values import Cell, Column, Report, Table

DIGITS = 3
_MINUS = "−"
_GROUP = "\u202f"
"""A narrow space that does not break (ISO 80000-1 groups by a small space)."""
_GROUPED_FROM = 10_000
"""Numbers of four digits stay together, as the command line writes them."""
_HUGE, _TINY = 1e15, 1e-6
"""Beyond these a row of zeros says less than a power of ten."""
_READABLE_RATIO = 2.0
"""Beyond this a change is a factor: ×3 says more than +200 %."""
USUAL_LEVEL = 0.95
_MOST_DIGITS = 6
"""Digits that the ends of an interval get at most, so as to differ."""

_TIMES = ((1e9, "s"), (1e6, "ms"), (1e3, "µs"), (1.0, "ns"))
_SECONDS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))
_BYTES = ((2.0**40, "TiB"), (2.0**30, "GiB"), (2.0**20, "MiB"), (2.0**10, "KiB"), (1.0, "B"))
_LARGE = ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""))
_SMALL = ((1e-3, "m"), (1e-6, "µ"), (1e-9, "n"))
_ONLY_LARGE = frozenset({"B", "FLOP", "OP", "Hz", "bit"})
_BOTH_WAYS = frozenset({"J", "W", "Wh", "V", "A"})
_WRITTEN = {"1": "", "": "", "1/s": "/s", "C": "°C", "share": "%", "ratio": "", "count": ""}


@dataclass(frozen=True, slots=True)
class ScaledUnit:
    """What a number is divided by to be shown, and the unit then (``ms``; empty for plain numbers)."""

    divisor: float
    label: str


def choose_unit(value: float, unit: str | None) -> ScaledUnit:
    """Return the unit in which a number in base ``unit`` reads best: of the largest step that leaves at least 1."""
    steps = _steps(unit or "")
    if not steps:
        label = _label(unit or "")
        return ScaledUnit(0.01 if unit == "share" else 1.0, label)
    for divisor, label in steps:
        # By the number as it will be shown: 999 999 ns is 1.00 ms, not 1000 µs.
        if abs(float(f"{value / divisor:.2e}")) >= 1:
            return ScaledUnit(divisor, label)
    if value == 0:
        return next((ScaledUnit(*step) for step in steps if step[0] == 1.0), ScaledUnit(*steps[-1]))
    return ScaledUnit(*steps[-1])


def format_number(value: float, unit: str | None = None) -> str:
    """Return a number with its unit: ``12.3 ms``, ``417 MiB``, ``1234 /s``, ``7.5 %``; a dash for one that is none.

    ``value`` is in the base unit. A whole number without a unit is written in full (``58 559``).
    """
    if not math.isfinite(value):
        return MISSING
    if unit == "ratio":
        return _format_ratio(value)
    if isinstance(value, bool) or (unit in {None, "", "1", "count"} and _is_whole(value, unit)):
        return _grouped(f"{abs(value):.0f}", is_negative=value < 0)
    scale = choose_unit(value, unit)
    return f"{format_plain(value / scale.divisor)} {scale.label}".rstrip()


def format_plain(value: float, digits: int = DIGITS) -> str:
    """Return a bare number to so many significant digits: ``12.3``, ``−0.00457``, ``12 346``, ``1.23e-9``."""
    size = abs(value)
    if not math.isfinite(size):  # it overflowed on its way into another unit
        return MISSING
    if size >= _HUGE or 0 < size < _TINY:
        mantissa, _, exponent = f"{size:.{digits - 1}e}".partition("e")
        return f"{_MINUS if value < 0 else ''}{mantissa}e{int(exponent)}"
    return _grouped(format_significant(size, digits), is_negative=value < 0)


def format_interval(lo: float | None, hi: float | None, unit: str | None = None) -> str | None:
    """Return ``12.1 … 12.6 ms``, with as many digits as its ends need to differ; with one end ``up to`` or ``from``."""
    ends = [end for end in (lo, hi) if end is not None and math.isfinite(end)]
    if not ends:
        return None
    if len(ends) == 1:
        return f"{'up to' if hi in ends else 'from'} {format_number(ends[0], unit)}"
    if unit == "ratio":
        return f"{_format_ratio(ends[0])} … {_format_ratio(ends[1])}"
    scale = choose_unit(max(ends, key=abs), unit)
    low, high = (end / scale.divisor for end in ends)
    texts = ("", "")
    for digits in range(DIGITS, _MOST_DIGITS + 1):
        texts = format_plain(low, digits), format_plain(high, digits)
        if texts[0] != texts[1] or low == high:
            break
    return f"{texts[0]} … {texts[1]} {scale.label}".rstrip()


def format_time(moment: datetime, *, seconds: bool = False) -> str:
    """Return a time in UTC: ``2026-11-22 14:45 UTC``. One without a zone is taken for UTC."""
    aware = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return f"{aware:%Y-%m-%d %H:%M:%S} UTC" if seconds else f"{aware:%Y-%m-%d %H:%M} UTC"


def is_missing(cell: Cell) -> bool:
    """True where a cell has nothing to show: no value, or a number that is none."""
    return cell.value is None or (isinstance(cell.value, float) and not math.isfinite(cell.value))


def is_number(cell: Cell) -> bool:
    """True where a cell holds a number that is known."""
    return isinstance(cell.value, int | float) and not isinstance(cell.value, bool) and not is_missing(cell)


def cell_unit(cell: Cell, column: Column | None = None) -> str | None:
    """Return the base unit of a cell: its own, else its column's."""
    return cell.unit if cell.unit is not None else column.unit if column else None


def cell_text(cell: Cell, column: Column | None = None) -> str:
    """Return what stands in a cell, on one line: a number with its unit, a time in UTC, a name, or a dash."""
    value = cell.value
    if value is None or is_missing(cell):
        return MISSING
    if isinstance(value, str):
        return clean_line(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return format_time(value)
    if column is not None and column.is_code:
        return str(value)
    return format_number(value, cell_unit(cell, column))


def interval_text(cell: Cell, column: Column | None = None, *, shared_level: float | None = USUAL_LEVEL) -> str | None:
    """Return the interval of a cell with its unit, None where it has none.

    Its level is said (``(90 %)``) where it is not the one that all around it share.
    """
    text = None if is_missing(cell) else format_interval(cell.lo, cell.hi, cell_unit(cell, column))
    return text if text is None or cell.level == shared_level else f"{text} ({100 * cell.level:g} %)"


def cell_title(cell: Cell, column: Column | None = None) -> str:
    """Return the whole truth of a cell in words: exact value, interval and level, n, provenance, verdict, reason."""
    if is_missing(cell):
        reason = clean_line(cell.reason) if cell.reason else "no reason was given"
        return f"not known: {reason}"
    parts = [cell_text(cell, column)]
    unit = cell_unit(cell, column)
    if is_number(cell) and unit not in {None, "", "1", "count"} and not (column and column.is_code):
        parts.append(f"exactly {cell.value!r} {unit}")
    if interval := interval_text(cell, column, shared_level=cell.level):
        parts.append(f"{100 * cell.level:g} % interval {interval}")
    if cell.n is not None:
        parts.append(f"n = {cell.n}")
    if cell.provenance is not None:
        parts.append(cell.provenance.value)
    if cell.verdict is not None:
        parts.append(cell.verdict.value)
    if cell.change is not None and cell.change.value != parts[0]:
        parts.append(cell.change.value)
    if not cell.is_usable:
        parts.append("left out of rankings")
    if cell.reason:
        parts.append(clean_line(cell.reason))
    return "; ".join(parts)


def number_column_unit(table: Table, index: int) -> ScaledUnit | None:
    """Return the one unit in which a column of numbers can be written, of its median; None where there is none.

    For spreadsheets, where a column has one unit. Cells of a column that has several base units have no unit in common.
    """
    column = table.columns[index]
    cells = [row[index] for row in table.rows if is_number(row[index])]
    units = {cell_unit(cell, column) for cell in cells}
    if len(units) != 1 or column.is_code:
        return None
    unit = units.pop()
    if unit == "ratio":
        return ScaledUnit(1.0, unit)
    values = [abs(float(cell.value)) for cell in cells if isinstance(cell.value, int | float)]
    return choose_unit(statistics.median_low([value for value in values if value] or values), unit)


def direction_words(direction: Direction | None) -> str | None:
    """Return ``lower is better`` or ``higher is better``, None where neither is."""
    return f"{direction} is better" if direction in {Direction.LOWER, Direction.HIGHER} else None


def better_words(table: Table) -> str:
    """Return ``lower is better: latency; higher is better: throughput``; empty where no column has a direction."""
    found: dict[str, list[str]] = {}
    for column in table.columns:
        if said := direction_words(column.direction):
            found.setdefault(said, []).append(clean_line(column.title))
    return "; ".join(f"{said}: {', '.join(dict.fromkeys(titles))}" for said, titles in found.items())


def direction_arrow(direction: Direction | None) -> str:
    """Return the arrow that points where it gets better, empty where nowhere."""
    return {Direction.LOWER: "↓", Direction.HIGHER: "↑"}.get(direction, "") if direction else ""


def count_provenance(counts: Mapping[Provenance, int]) -> str:
    """Return ``15 numbers: 12 measured, 3 imported``, ``5 numbers, all measured``; ``no numbers yet`` of none."""
    total = sum(counts.values())
    if not total:
        return "no numbers yet"
    noun = f"{format_number(total)} number{'' if total == 1 else 's'}"
    if len(counts) == 1:
        return f"{noun}, {'all ' if total > 1 else ''}{next(iter(counts))}"
    return f"{noun}: " + ", ".join(f"{format_number(count)} {word}" for word, count in counts.items())


def made_words(report: Report) -> str:
    """Return ``Run report, made 2026-11-22 14:45 UTC by assay 1.0``."""
    kind = clean_line(report.kind)
    version = clean_line(report.assay_version)
    return f"{kind[:1].upper()}{kind[1:]} report, made {format_time(report.generated_at)} by assay {version}"


def is_number_column(cells: Iterable[Cell], column: Column | None = None) -> bool:
    """True where a column is to be aligned as numbers: all that it knows are numbers or times.

    A column that knows nothing is one of numbers where it has a unit or a direction.
    """
    known = [cell for cell in cells if not is_missing(cell) and cell.value != ""]
    if not known:
        return column is not None and (column.unit is not None or direction_words(column.direction) is not None)
    return all(is_number(cell) or isinstance(cell.value, datetime) for cell in known)


def _steps(unit: str) -> Sequence[tuple[float, str]]:
    if unit == "ns":
        return _TIMES
    if unit == "s":
        return _SECONDS
    if unit == "B":
        return _BYTES
    head, _, tail = unit.partition("/")
    if head in _ONLY_LARGE:
        steps: tuple[tuple[float, str], ...] = _LARGE
    elif head in _BOTH_WAYS:
        steps = _LARGE + _SMALL
    else:
        return ()
    return tuple((step, f"{letter}{head}{'/' if tail else ''}{tail}") for step, letter in steps)


def _label(unit: str) -> str:
    return _WRITTEN[unit] if unit in _WRITTEN else unit.removeprefix("1") if unit.startswith("1/") else unit


def _is_whole(value: float, unit: str | None) -> bool:
    return abs(value) < _HUGE and (isinstance(value, int) or (unit == "count" and value.is_integer()))


def _format_ratio(ratio: float) -> str:
    """As ``ci.lines`` writes it: ``+10.2 %``, ``−4.0 %``, ``×3.1``, ``÷2.4``."""
    if ratio <= 0:
        return MISSING
    if ratio > _READABLE_RATIO:
        return f"×{_format_times(ratio)}"
    if ratio < 1 / _READABLE_RATIO:
        return f"÷{_format_times(1 / ratio)}" if math.isfinite(1 / ratio) else MISSING
    percent = 100 * (ratio - 1)
    text = f"{abs(percent):.1f}"
    return f"{'' if float(text) == 0 else '+' if percent > 0 else _MINUS}{text} %"


def _format_times(ratio: float) -> str:
    """A ratio beyond all sense is written with its exponent, and not with hundreds of digits."""
    return format_significant(ratio, 2) if ratio < _HUGE else format_plain(ratio, 2)


def _grouped(digits: str, *, is_negative: bool) -> str:
    whole, point, rest = digits.partition(".")
    if len(whole) >= len(str(_GROUPED_FROM)):
        whole = f"{int(whole):,}".replace(",", _GROUP)
    return f"{_MINUS if is_negative else ''}{whole}{point}{rest}"
