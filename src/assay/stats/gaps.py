"""A table of positive numbers with gaps, and what stands in one when it is filled: never a bare number.

Logarithms throughout: data sheets spread over three powers of ten, and an error of a factor is the same statement in
either direction. May import: numpy.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Flags = NDArray[np.bool_]


class Situation(StrEnum):
    """What is known of a gap's column where the gap is. Each has its own test: the second is far harder."""

    WITHIN = "within"
    """Another row of the group (the architecture) has a value."""
    BEYOND = "beyond"
    """No row of the group has one."""


class Method(StrEnum):
    """How a gap is filled."""

    MEDIAN = "architecture median"
    REGRESSION = "regression on logs"
    NEIGHBOURS = "k nearest neighbours"


@dataclass(frozen=True, slots=True)
class GapTable:
    """Rows (devices) by columns (fields).

    ``logs`` (rows, columns) are natural logarithms, NaN where there is no value. ``is_gap`` marks those of the NaN that
    are to be filled; the others are no gaps (the device has no such thing, or the value is not evidence). ``groups``
    have, for each row, what it shares with others, narrow first: architecture, maker and kind, kind. ``twins`` name
    rows that are one product under several names; they are masked together. ``is_target`` marks columns that may be
    filled, ``is_whole`` those whose values are counts or steps: a filled one takes the nearest value of the column.
    """

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    logs: Floats
    is_gap: Flags
    groups: tuple[tuple[Hashable, ...], ...]
    twins: tuple[Hashable, ...]
    is_target: Flags
    is_whole: Flags

    def __post_init__(self) -> None:
        """Refuse parts of different sizes."""
        shape = (len(self.rows), len(self.columns))
        sizes = (self.logs.shape, self.is_gap.shape, (len(self.groups), len(self.is_target)))
        if any(size != shape for size in sizes) or len(self.twins) != shape[0] or len(self.is_whole) != shape[1]:
            raise ValueError(f"got {sizes} for {shape} rows and columns; expected the same")
        if (np.isfinite(self.logs) & self.is_gap).any():
            raise ValueError("got a gap that has a value; expected NaN in every gap")

    @property
    def is_known(self) -> Flags:
        """(rows, columns), True where there is a value."""
        known: Flags = np.isfinite(self.logs)
        return known

    def nearest_step(self, column: int, log: float) -> float:
        """Of a column of counts or steps its value that is nearest to ``log``; of another ``log`` itself."""
        if not self.is_whole[column] or not np.isfinite(log):
            return log
        values = self.logs[self.is_known[:, column], column]
        return float(values[np.argmin(np.abs(values - log))])


@dataclass(frozen=True, slots=True)
class Imputed:
    """What an empty cell probably holds. Not known, not measured, not stated by anybody.

    ``value`` with the interval ``lo`` to ``hi``, which holds the truth in ``level`` of masked cells of this column and
    situation (as tested, not as assumed). ``n`` known cells taught the method.
    """

    value: float
    lo: float
    hi: float
    method: Method
    n: int
    situation: Situation
    level: float

    @property
    def is_imputed(self) -> bool:
        """Always True: whoever holds this value can ask."""
        return True


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a gap stays empty."""

    reason: str
