"""Ticks of a time axis, in UTC: whole seconds, minutes, hours, days, months and years.

Times are seconds since 1970. May import: standard library, report.display.
"""

from __future__ import annotations

from datetime import MAXYEAR, UTC, datetime, timedelta

from assay.report.display import format_time

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
_EVEN_STEPS = (
    1, 2, 5, 10, 15, 30, _MINUTE, 2 * _MINUTE, 5 * _MINUTE, 10 * _MINUTE, 15 * _MINUTE, 30 * _MINUTE, _HOUR, 2 * _HOUR,
    3 * _HOUR, 6 * _HOUR, 12 * _HOUR, _DAY, 2 * _DAY, 4 * _DAY, 7 * _DAY, 14 * _DAY,
)  # fmt: skip
_MONTH_STEPS = (1, 3, 6, 12, 24, 60, 120, 600, 1200)
_MONTH_S = 30.4 * _DAY
_MONDAY_S = 4 * _DAY
"""1970-01-05 was a Monday: weeks are counted from it."""
_YEAR_MONTHS = 12
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_S = (datetime.min.replace(tzinfo=UTC) - _EPOCH).total_seconds()
_LAST_S = (datetime.max.replace(tzinfo=UTC, microsecond=0) - _EPOCH).total_seconds()


def seconds_of(moment: datetime) -> float:
    """Seconds since 1970; a time without a zone is taken for UTC."""
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def time_text(seconds: float) -> str:
    """``2026-11-22 14:45 UTC``."""
    return format_time(moment_of(seconds))


def choose_time_ticks(low: float, high: float, count: int) -> tuple[tuple[float, ...], tuple[str, ...], str]:
    """Return places, labels and what is to be said behind the axis' title: ``UTC``, and the day where there is one."""
    span = high - low
    step = next((step for step in _EVEN_STEPS if span / step <= count), None)
    if step is None:
        return _month_ticks(low, high, count)
    shift = _MONDAY_S if step % (7 * _DAY) == 0 else 0
    first = int(-(-(low - shift) // step)) * step + shift
    places = tuple(float(place) for place in range(first, int(high) + 1, step))
    if step >= _DAY:
        return places, tuple(f"{moment_of(place):%Y-%m-%d}" for place in places), "UTC"
    pattern = "%H:%M:%S" if step < _MINUTE else "%H:%M"
    days = {f"{moment_of(place):%Y-%m-%d}" for place in places}
    if len(days) == 1:
        return places, tuple(moment_of(place).strftime(pattern) for place in places), f"{days.pop()}, UTC"
    return places, tuple(moment_of(place).strftime(f"%m-%d {pattern}") for place in places), "UTC"


def _month_ticks(low: float, high: float, count: int) -> tuple[tuple[float, ...], tuple[str, ...], str]:
    months = (high - low) / _MONTH_S
    step = next((step for step in _MONTH_STEPS if months / step <= count), _MONTH_STEPS[-1])
    start = moment_of(low)
    number = -(-(start.year * _YEAR_MONTHS + start.month - 1) // step) * step
    places: list[float] = []
    while (place := _month_start(number)) is not None and place <= high:
        if place >= low:
            places.append(place)
        number += step
    pattern = "%Y" if step % _YEAR_MONTHS == 0 else "%Y-%m"
    return tuple(places), tuple(moment_of(place).strftime(pattern) for place in places), "UTC"


def _month_start(number: int) -> float | None:
    year, month = divmod(number, _YEAR_MONTHS)
    return datetime(year, month + 1, 1, tzinfo=UTC).timestamp() if 1 <= year <= MAXYEAR else None


def moment_of(seconds: float) -> datetime:
    """Return the time in UTC; beyond the calendar, its end."""
    # Not fromtimestamp, which refuses times before 1970 on some systems.
    return _EPOCH + timedelta(seconds=min(max(seconds, _FIRST_S), _LAST_S))
