"""Numbers of a source into metrics of the registry: the unit by name, the factor kept, and no zero for "unknown".

May import: core, catalog, importers.base.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from assay.catalog.metrics import metrics as registry
from assay.core.records import MetricValue
from assay.core.words import Direction
from assay.importers.base import Conversion, RowError

_FACTORS: dict[str, dict[str, float]] = {
    "ns": {"ns": 1, "us": 1e3, "µs": 1e3, "ms": 1e6, "s": 1e9, "min": 60e9, "h": 3600e9},
    "B": {"B": 1, "KB": 1e3, "MB": 1e6, "GB": 1e9, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3},
    "1/s": {"1/s": 1, "1/ms": 1e3, "1/min": 1 / 60, "1/h": 1 / 3600},
    "J": {"J": 1, "mJ": 1e-3, "uJ": 1e-6, "µJ": 1e-6, "kJ": 1e3, "Wh": 3600.0, "kWh": 3.6e6},
    "W": {"W": 1, "mW": 1e-3, "kW": 1e3},
    "1": {"1": 1, "%": 0.01},
}
"""Ours, then the source's, then what its values are multiplied by."""
_THOUSANDS = re.compile(r"^[+-]?\d{1,3}(,\d{3})+(\.\d+)?$")
_PLAIN = re.compile(r"^[+\-.0-9a-zA-Z]+$")
_UNKNOWN_WORDS = frozenset({"", "-", "–", "n/a", "na", "nan", "none", "null", "unknown"})
_SIGNED = frozenset({Direction.NEITHER})
_MAY_BE_NEGATIVE = frozenset({"loss", "fidelity_cosine"})
"""A loss may be a log-likelihood, a cosine that of opposite directions."""


def read_number(raw: object) -> float | None:
    """Read a number, or None for what stands for "not known" (empty, ``N/A``, NaN). ``1,014.45`` has thousands marked.

    Raises RowError for anything else, truth values and infinities among them.
    """
    if raw is None:
        return None
    if isinstance(raw, bool):
        raise RowError(f"{raw} is a truth value, expected a number.")
    if isinstance(raw, (int, float, Decimal)):
        value = _as_float(raw)
    elif isinstance(raw, str):
        text = raw.strip()
        if text.casefold() in _UNKNOWN_WORDS:
            return None
        try:
            # Python would take 1_000 and digits of other scripts, which no source means as numbers.
            value = float(text.replace(",", "") if _THOUSANDS.match(text) else text if _PLAIN.match(text) else "none")
        except ValueError:
            raise RowError(f"{_cut(raw)!r} is not a number.") from None
    else:
        raise RowError(f"{_cut(str(raw))} is a {type(raw).__name__}, expected a number.")
    if math.isinf(value):
        raise RowError(f"{_cut(str(raw))} is not finite.")
    return None if math.isnan(value) else value


def read_count(raw: object) -> int | None:
    """Read a whole number of at least 0, or None where it is not known. Raises RowError."""
    value = read_number(raw)
    if value is None:
        return None
    if value < 0 or not value.is_integer():
        raise RowError(f"{_cut(str(raw))} is not a count, expected a whole number of at least 0.")
    return int(value)


@dataclass(slots=True)
class Numbers:
    """Collects the metrics of one row, with how each came about."""

    metrics: list[MetricValue] = field(default_factory=list)
    conversions: dict[str, Conversion] = field(default_factory=dict)

    def add(  # noqa: PLR0913  (what a table of numbers needs to say, by keyword)
        self,
        name: str,
        raw: object,
        *,
        field: str,
        unit: str,
        stat: str = "mean",
        phase: str = "steady",
        zero_is_unknown: bool = True,
        n: int | None = None,
        note: str | None = None,
    ) -> float | None:
        """Add one number of the source, and return it in the registry's unit.

        What is not known becomes a metric without a value whose reason says so, and so does a 0 of a metric that
        cannot be 0, unless ``zero_is_unknown`` is off. Raises RowError for what is no number or negative where that
        has no meaning, and UnknownNameError or KeyError for a metric or unit that this module does not know.
        """
        metric: Any = registry.get(name)
        factor = _FACTORS[metric.unit][unit] if unit != metric.unit else 1.0
        try:
            value = read_number(raw)
        except RowError as error:
            raise RowError(f"{field}: {error.message}") from None
        reason = None
        if value is None:
            reason = f"the source gives no number ({_cut(repr(raw))})"
        elif value == 0 and zero_is_unknown:
            value, reason = None, f"the source says 0 in {field}, which stands for unknown"
        elif value < 0 and metric.direction not in _SIGNED and name not in _MAY_BE_NEGATIVE:
            raise RowError(f"{field}: {value:g} {unit} is negative.")
        converted = None if value is None else value * factor
        if converted is not None and math.isinf(converted):
            raise RowError(f"{field}: {value:g} {unit} is more than can be kept in {metric.unit}.")
        self.metrics.append(MetricValue(name, converted, metric.unit, stat, phase, n=n, reason=reason))
        self.conversions[_key(name, stat, phase)] = Conversion(field, unit, factor, note)
        return converted

    def derive(
        self, name: str, value: float | None, *, field: str, how: str, stat: str = "mean", phase: str = "steady"
    ) -> None:
        """Add a number that was computed from others of the row; ``how`` is the formula. The row is to be marked so."""
        metric = registry.get(name)
        reason = None if value is not None else f"cannot be computed: {how}"
        self.metrics.append(MetricValue(name, value, metric.unit, stat, phase, reason=reason))
        self.conversions[_key(name, stat, phase)] = Conversion(field, metric.unit, None, how)


def conversion_factor(metric_name: str, unit: str) -> float:
    """Return what values in ``unit`` are multiplied by. Raises KeyError for a unit this metric does not come in."""
    ours = registry.get(metric_name).unit
    return 1.0 if unit == ours else float(_FACTORS[ours][unit])


def known_units(metric_name: str) -> tuple[str, ...]:
    """Return the units in which values of a metric may come."""
    ours = registry.get(metric_name).unit
    return tuple(_FACTORS.get(ours, {ours: 1.0}))


def _as_float(raw: float | Decimal) -> float:
    try:
        return float(raw)
    except OverflowError:  # an integer of a thousand digits
        return math.inf
    except ValueError:  # a signalling NaN of decimal
        return math.nan


def _key(name: str, stat: str, phase: str) -> str:
    return f"{name}.{stat}" if phase == "steady" else f"{name}.{stat}.{phase}"


def _cut(text: str, length: int = 60) -> str:
    return text if len(text) <= length else f"{text[:length]}..."
