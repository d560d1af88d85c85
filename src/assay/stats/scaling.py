"""What a scaling curve says: where it bends, which size is best, which is enough, and where it ended.

Numbers in, values out. May import: core; numpy is not needed.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from assay.core.words import Status

TOLERANCE = 0.05
"""A size is enough where its rate is at most this share below the best."""

_FEWEST_FOR_KNEE = 4
_SENSITIVITY = 1.0


class End(StrEnum):
    """Why a curve has no further points."""

    RANGE = "the end of the range asked for"
    MEMORY = "out of memory"
    TIME = "time limit"
    FAILURE = "failure"
    UNSUPPORTED = "not supported"
    LEFT_OUT = "left out"


@dataclass(frozen=True, slots=True)
class Point:
    """One size of a curve. ``x`` is the size; times in ns; ``rate`` is work per second; bounds are 95 % intervals.

    Numbers are None where the point was not measured; ``status`` and ``reason`` then say why.
    """

    x: int
    status: Status
    latency_ns: float | None = None
    latency_lo_ns: float | None = None
    latency_hi_ns: float | None = None
    rate: float | None = None
    rate_lo: float | None = None
    rate_hi: float | None = None
    memory_bytes: float | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Scaling:
    """What a curve says.

    ``knee`` is the size after which the rate grows less than in proportion to the effort, None with ``knee_reason``
    where there is none. ``best`` has the highest rate. ``enough`` is the smallest size within the tolerance of the
    best or, with a latency target, the one with the highest rate that meets it; ``enough_reason`` says which, or why
    there is none. ``undecided`` are smaller sizes that might be enough too, by their intervals. ``end`` says why the
    curve has no further points, ``end_x`` at which size, ``end_reason`` in whose words. ``exponents[i]`` is the growth
    of latency from point i to i + 1: 1 where doubling the size doubles the time, None where that is not known.
    """

    points: tuple[Point, ...]
    knee: int | None
    knee_reason: str | None
    best: int | None
    enough: int | None
    enough_reason: str
    undecided: tuple[int, ...]
    end: End
    end_x: int | None
    end_reason: str | None
    exponents: tuple[float | None, ...]


def analyse_scaling(
    points: Sequence[Point], *, tolerance: float = TOLERANCE, latency_target_ns: float | None = None
) -> Scaling:
    """Read a curve. ``points`` may come in any order; sizes must differ."""
    ordered = tuple(sorted(points, key=lambda point: point.x))
    measured = [point for point in ordered if point.status is Status.OK and point.rate is not None]
    knee, knee_reason = find_knee(measured)
    best = max(measured, key=_rate, default=None)
    enough, reason, undecided = _find_enough(measured, best, tolerance, latency_target_ns)
    end, end_x, end_reason = _find_end(ordered)
    return Scaling(
        points=ordered,
        knee=knee,
        knee_reason=knee_reason,
        best=best.x if best else None,
        enough=enough,
        enough_reason=reason,
        undecided=undecided,
        end=end,
        end_x=end_x,
        end_reason=end_reason,
        exponents=tuple(_exponent(one, other) for one, other in itertools.pairwise(ordered)),
    )


def find_knee(points: Sequence[Point]) -> tuple[int | None, str | None]:
    """Return the size at the knee of the rate, or None and why there is none.

    Kneedle (Satopaa, Albrecht, Irwin, Raghavan 2011, "Finding a 'Kneedle' in a Haystack", ICDCSW; offline form for a
    concave rising curve): size and rate are scaled to 0..1, the knee is where the curve lies furthest above the
    diagonal, and it counts if the curve comes back towards the diagonal by more than the mean step times a
    sensitivity of 1. The logarithm of the size is taken, since sizes grow geometrically. No smoothing: the points are
    few, and each is a median of launches. A curve that rises by no more than its intervals is flat and has none.
    """
    known = [point for point in points if point.rate is not None]
    if len(known) < _FEWEST_FOR_KNEE:
        return None, f"needs {_FEWEST_FOR_KNEE} measured sizes, has {len(known)}"
    rates = [_rate(point) for point in known]
    top = max(known, key=_rate)
    if _lower(top) <= _upper(known[0]):
        return None, "the rate does not rise with the size beyond its noise"
    sizes = [math.log(point.x) for point in known]
    low, high = min(rates), max(rates)
    above = [
        (rate - low) / (high - low) - (size - sizes[0]) / (sizes[-1] - sizes[0])
        for size, rate in zip(sizes, rates, strict=True)
    ]
    highest = max(range(len(above)), key=above.__getitem__)
    threshold = above[highest] - _SENSITIVITY / (len(known) - 1)
    if above[highest] <= 0 or min(above[highest:]) >= threshold:
        return None, "the rate still rises in proportion at the last size"
    return known[highest].x, None


def _find_enough(
    measured: Sequence[Point], best: Point | None, tolerance: float, target_ns: float | None
) -> tuple[int | None, str, tuple[int, ...]]:
    if best is None:
        return None, "no size was measured", ()
    if target_ns is not None:
        meeting = [point for point in measured if _latest(point) <= target_ns]
        if not meeting:
            return None, "no size meets the latency target", ()
        fastest = max(meeting, key=_rate)
        return fastest.x, "the highest rate among the sizes that meet the latency target", ()
    threshold = (1 - tolerance) * _rate(best)
    enough = next(point for point in measured if _rate(point) >= threshold)
    undecided = tuple(point.x for point in measured if point.x < enough.x and _upper(point) >= threshold)
    return enough.x, f"the smallest size within {100 * tolerance:g} % of the best rate", undecided


def _find_end(points: Sequence[Point]) -> tuple[End, int | None, str | None]:
    """Look for the first point that was tried or planned in vain."""
    for point in points:
        match point.status:
            case Status.OOM:
                return End.MEMORY, point.x, point.reason
            case Status.TIMEOUT:
                return End.TIME, point.x, point.reason
            case Status.FAILED:
                return End.FAILURE, point.x, point.reason
            case Status.UNSUPPORTED:
                return End.UNSUPPORTED, point.x, point.reason
            case Status.SKIPPED:
                return End.LEFT_OUT, point.x, point.reason
    return End.RANGE, points[-1].x if points else None, None


def _exponent(one: Point, other: Point) -> float | None:
    if one.latency_ns is None or other.latency_ns is None:
        return None
    return math.log(other.latency_ns / one.latency_ns) / math.log(other.x / one.x)


def _rate(point: Point) -> float:
    return point.rate if point.rate is not None else -math.inf


def _upper(point: Point) -> float:
    return point.rate_hi if point.rate_hi is not None else _rate(point)


def _lower(point: Point) -> float:
    return point.rate_lo if point.rate_lo is not None else _rate(point)


def _latest(point: Point) -> float:
    """The longest latency that the point may have, by its interval."""
    known = point.latency_hi_ns if point.latency_hi_ns is not None else point.latency_ns
    return math.inf if known is None else known
