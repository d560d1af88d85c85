"""Where an axis has its ticks and what stands at them: the same for pictures, plots in text and heat's colour bars.

Values stay in base units; only the labels are scaled. One display unit for the whole axis, named in its title; where a
logarithmic axis spans more than one unit can show, each label carries its own (``10 µs``, ``1 ms``). No exponents.
Times are seconds since 1970 in UTC. May import: core, report.values, report.display, report.cleaning.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from assay.report.cleaning import clean_line
from assay.report.display import choose_unit, format_number, format_plain
from assay.report.renderers.time_ticks import choose_time_ticks, time_text
from assay.report.values import Axis, Scale

_EPSILON = 1e-9
_PAD = 0.045
"""Share of the axis left free beyond the outermost value."""
_ZERO_FROM = 0.55
"""A linear axis begins at zero where its values cover more than this share of the way there."""
_SAME_ROOM = 0.05
"""Relative room around values that are all the same."""
_NO_DECADES = 1.1
"""Below so many decades a logarithmic axis has ticks at evenly spaced values."""
_DENSE_DECADES = 2.2
_FEW_COUNTS = 10
_APART = 0.055
"""Ticks at the values themselves stand at least this share of the axis apart."""
_PERCENT_SPAN = 3.0
_COUNTS = frozenset({None, "", "1", "count"})
_BEYOND_STEPS = 1e15
"""A unit that is itself at this size has no larger one."""
_LETTERS = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
_LETTERS_FROM = 2e5
_ONE_UNIT = (0.001, 9_999.0)
_BINARY_STEPS = (1, 2, 3, 5, 10, 20)
_GROUPED = 10_000
_MEBI = 20


@dataclass(frozen=True, slots=True)
class Ticks:
    """An axis from ``low`` to ``high``: labelled ``places``, unlabelled ``minor`` ones, and the ``unit`` of the labels.

    ``unit`` is empty where there is none or the labels carry it. ``scale`` is linear or log for the renderer: times and
    categories are laid out linearly.
    """

    low: float
    high: float
    places: tuple[float, ...]
    labels: tuple[str, ...]
    minor: tuple[float, ...] = ()
    unit: str = ""
    is_log: bool = False
    note: str = ""
    """What stands behind the title: the day that times of an axis are in."""

    def share(self, value: float) -> float:
        """Where a value lies between the ends: 0 at ``low``, 1 at ``high``. Raises ValueError for a log of none."""
        if self.is_log:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)


def choose_ticks(axis: Axis, values: Sequence[float], *, count: int = 6, from_zero: bool = False) -> Ticks:
    """Lay out an axis over values in base units, with about ``count`` labels.

    ``from_zero``: bars stand on zero. Values that are not finite, and on a log axis those of zero and below, are left
    out; of none, the axis is 0 to 1 without labels (1 to 10 if logarithmic).
    """
    if axis.scale is Scale.CATEGORY:
        size = max(1, len(axis.categories))
        return Ticks(-0.5, size - 0.5, tuple(map(float, range(len(axis.categories)))), axis.categories)
    is_log = axis.scale is Scale.LOG
    known = [value for value in values if math.isfinite(value) and (value > 0 or not is_log)]
    if not known:
        return Ticks(1.0, 10.0, (), (), is_log=True) if is_log else Ticks(0.0, 1.0, (), ())
    low, high = min(known), max(known)
    if axis.scale is Scale.TIME:
        low, high = _padded(low, high)
        places, labels, note = choose_time_ticks(low, high, count)
        return Ticks(low, high, places, labels, note=note)
    if is_log:
        return _log(low, high, axis.unit, count, sorted(set(known)))
    return _linear(low, high, axis.unit, count, from_zero=from_zero)


def span_ticks(axis: Axis, low: float, high: float, *, count: int = 5) -> Ticks:
    """Lay out an axis that ends exactly at two values: a colour bar. Of two equal ones it is the middle."""
    if high - low <= abs(high) * _EPSILON:
        return _linear_between(*_padded(low, high), axis.unit, count)
    if axis.scale is Scale.LOG and low > 0:
        return _log_between(low, high, axis.unit, count, ())
    return _linear_between(low, high, axis.unit, count)


def top_down(ticks: Ticks) -> Ticks:
    """The same axis with its first value on top, as names are read."""
    return replace(ticks, low=ticks.high, high=ticks.low)


def is_plain(unit: str | None) -> bool:
    """True for a unit without larger ones (none at all, ``1/s``, ``samples/s``): large numbers get a letter instead."""
    return unit not in {"share", "ratio"} and choose_unit(_BEYOND_STEPS, unit).divisor == 1


def _plain_label(unit: str | None) -> str:
    return "1/s" if unit == "1/s" else choose_unit(1.0, unit).label


def round_step(least: float) -> float:
    """Return the smallest of 1, 2 and 5 times a power of ten that is not below ``least``."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= least * (1 - _EPSILON))


def _padded(low: float, high: float) -> tuple[float, float]:
    room = _PAD * (high - low) or abs(high) * _SAME_ROOM or 1.0
    return low - room, high + room


def _linear(low: float, high: float, unit: str | None, count: int, *, from_zero: bool) -> Ticks:
    bottom, top = _padded(low, high)
    if low >= 0 and (from_zero or (high > 0 and (high - low) / high > _ZERO_FROM) or bottom < 0):
        bottom = 0.0
        top = high * (1 + _PAD) or 1.0
    elif high <= 0 and (from_zero or (low < 0 and (high - low) / -low > _ZERO_FROM)):
        top = 0.0
    elif from_zero:
        bottom, top = min(bottom, 0.0), max(top, 0.0)
    return _linear_between(bottom, top, unit, count)


def _linear_between(low: float, high: float, unit: str | None, count: int) -> Ticks:
    divisor, label, letter = _axis_unit(max(abs(low), abs(high)), unit)
    offset = 1.0 if unit == "ratio" else 0.0
    first, last = (low - offset) / divisor, (high - offset) / divisor
    step = round_step((last - first) / max(1, count))
    numbers = [
        step * number for number in range(math.ceil(first / step - _EPSILON), math.floor(last / step + _EPSILON) + 1)
    ]
    digits = max(0, -math.floor(math.log10(step) + _EPSILON))
    sign = "+" if unit == "ratio" else ""
    return Ticks(
        low, high, tuple(number * divisor + offset for number in numbers),
        tuple(_number_text(number, digits, sign, letter) for number in numbers), unit=label,
    )  # fmt: skip


def _axis_unit(size: float, unit: str | None) -> tuple[float, str, str]:
    """What labels are divided by, the unit in the title, and the letters behind each label."""
    if unit == "ratio":
        return 0.01, "", "\u00a0%"
    if is_plain(unit):
        big = next(((step, f"\u00a0{text}") for step, text in _LETTERS if size >= max(step, _LETTERS_FROM)), (1.0, ""))
        return big[0], _plain_label(unit), big[1]
    scaled = choose_unit(size, unit)
    return scaled.divisor, scaled.label, ""


def _number_text(value: float, digits: int, sign: str, letter: str) -> str:
    """A tick's number with the decimals of its step, thousands apart from 10 000 on, with a true minus."""
    if abs(value) < 0.5 * 10.0**-digits:
        return "0\u00a0%" if sign else "0"
    text = f"{abs(value):.{digits}f}" if abs(value) < _GROUPED else f"{abs(value):,.{digits}f}".replace(",", "\u202f")
    return f"{'−' if value < 0 else sign}{text}{letter}"


def _log(low: float, high: float, unit: str | None, count: int, distinct: Sequence[float]) -> Ticks:
    room = (high / low) ** _PAD if high > low else 1 + _SAME_ROOM
    return _log_between(low / room, high * room, unit, count, distinct)


def _log_between(low: float, high: float, unit: str | None, count: int, distinct: Sequence[float]) -> Ticks:
    if unit == "ratio":
        return _log_ratio(low, high, count)
    if unit in _COUNTS and 1 < len(distinct) <= _FEW_COUNTS and all(value == int(value) for value in distinct):
        places = _apart(distinct, low, high)
        return Ticks(low, high, places, tuple(map(_short, places)), unit=_plain_label(unit), is_log=True)
    decades = math.log10(high / low)
    minor: tuple[float, ...] = ()
    if unit == "B":
        places = _powers_of_two(low, high, count)
    elif decades < _NO_DECADES:
        even = _linear_between(low, high, unit, count)
        return Ticks(low, high, even.places, even.labels, unit=even.unit, is_log=True)
    else:
        places, minor = _decades(low, high, count)
    labels, label = _log_labels(places, unit)
    return Ticks(low, high, places, labels, minor, label, is_log=True)


def _apart(values: Sequence[float], low: float, high: float) -> tuple[float, ...]:
    """Those of the values that stand far enough from the one before; the last always."""
    least = math.log(high / low) * _APART
    kept: list[float] = []
    for value in reversed(values):
        if not kept or math.log(kept[-1] / value) >= least:
            kept.append(value)
    return tuple(reversed(kept))


def _powers_of_two(low: float, high: float, count: int) -> tuple[float, ...]:
    first, last = math.ceil(math.log2(low) - _EPSILON), math.floor(math.log2(high) + _EPSILON)
    least = max(1, math.ceil((last - first) / count))
    step = next((step for step in _BINARY_STEPS if step >= least), least)
    # Counted from 1 MiB, so that the units themselves have ticks: 1, 8, 64, 512 MiB, 4 GiB.
    start = math.ceil((first - _MEBI) / step) * step + _MEBI
    return tuple(2.0**power for power in range(start, last + 1, step))


def _decades(low: float, high: float, count: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    step = max(1, math.ceil(math.log10(high / low) / max(1, count + 3)))
    factors = (1, 2, 5) if math.log10(high / low) < _DENSE_DECADES else (1,)
    inside = [
        (power, factor, factor * 10.0**power)
        for power in range(first, last + 1)
        for factor in range(1, 10)
        if low * (1 - _EPSILON) <= factor * 10.0**power <= high * (1 + _EPSILON)
    ]
    places = tuple(place for power, factor, place in inside if factor in factors and power % step == 0)
    minor = tuple(place for _, _, place in inside if place not in places) if step == 1 else ()
    return places, minor


def _log_labels(places: Sequence[float], unit: str | None) -> tuple[tuple[str, ...], str]:
    if not places:
        return (), ""
    if is_plain(unit):
        return tuple(map(_short, places)), _plain_label(unit)
    scaled = choose_unit(places[len(places) // 2], unit)
    shown = [place / scaled.divisor for place in places]
    if _ONE_UNIT[0] <= min(shown) and max(shown) <= _ONE_UNIT[1]:
        return tuple(_short(number) for number in shown), scaled.label
    own = [(place, choose_unit(place, unit)) for place in places]
    return tuple(f"{_short(place / one.divisor)}\u00a0{one.label}".rstrip("\u00a0") for place, one in own), ""


def _short(value: float) -> str:
    """A round number as short as it can be written without an exponent: ``0.05``, ``200``, ``1 M``."""
    for step, letter in _LETTERS:
        if value >= max(step, 1e4) * (1 - _EPSILON):
            return f"{value / step:.6g}\u00a0{letter}"
    if value < _ONE_UNIT[0] / 10:
        return format_plain(value, 1)
    return f"{value:.6f}".rstrip("0").rstrip(".") if value < 1 else f"{value:.6g}"


def _log_ratio(low: float, high: float, count: int) -> Ticks:
    """Ratios around 1: per cent where they are near it, factors where they are not."""
    if high / low < _PERCENT_SPAN:
        even = _linear_between(low, high, "ratio", count)
        return Ticks(low, high, even.places, even.labels, is_log=True)
    first, last = math.ceil(math.log2(low) - _EPSILON), math.floor(math.log2(high) + _EPSILON)
    if last - first <= 2 * count:
        step = max(1, math.ceil((last - first) / count))
        places = tuple(2.0**power for power in range(math.ceil(first / step) * step, last + 1, step))
    else:
        places, _ = _decades(low, high, count)
    return Ticks(low, high, places, tuple(_factor(place) for place in places), is_log=True)


def _factor(ratio: float) -> str:
    if math.isclose(ratio, 1):
        return "×1"
    return f"×{_short(ratio)}" if ratio > 1 else f"÷{_short(1 / ratio)}"


def value_text(value: float, axis: Axis) -> str:
    """Return the text of one value of an axis, as everywhere: a number with its unit, a category, a time."""
    if axis.scale is Scale.CATEGORY:
        place = round(value)
        return clean_line(axis.categories[place]) if 0 <= place < len(axis.categories) else str(place)
    if axis.scale is Scale.TIME:
        return time_text(value)
    return format_number(value, axis.unit)
