"""Fewer points where nobody could tell them apart, without losing an extreme.

A figure holds at most some thousand points: a page has to carry them. Which are kept is decided here, always the same
way for the same data, and the figure's notes say so. May import: report.display; numpy inside functions.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

from assay.report.display import format_number

MOST_POINTS = 2_000
"""Points of a figure that is not thinned."""
_KEPT_OF_A_STRETCH = 5
_FINEST_GRID = 1 << 16


def thin_series(values: Sequence[float | None], limit: int = MOST_POINTS) -> tuple[int, ...]:
    """Return the places, in order, of at most ``limit`` values that show the course of a long series.

    The series is cut into stretches of equal count; of each the first, last, lowest and highest value are kept, and
    the first gap (None). A line through those four looks as the line through all, where a stretch is at most a pixel
    wide (M4: Jugel, Jerzak, Hackenbroich and Markl 2014, PVLDB 7). Raises ValueError for a limit below 5.
    """
    if limit < _KEPT_OF_A_STRETCH:
        raise ValueError(f"got a limit of {limit} points; expected at least {_KEPT_OF_A_STRETCH}")
    count = len(values)
    if count <= limit:
        return tuple(range(count))
    has_gaps = any(value is None for value in values)
    stretches = limit // (_KEPT_OF_A_STRETCH if has_gaps else _KEPT_OF_A_STRETCH - 1)
    kept: set[int] = set()
    for number in range(stretches):
        places = range(number * count // stretches, (number + 1) * count // stretches)
        known = [(value, place) for place in places if (value := values[place]) is not None]
        kept |= {places[0], places[-1]}
        if known:
            kept |= {min(known)[1], max(known, key=lambda one: (one[0], -one[1]))[1]}
        if len(known) < len(places):
            kept.add(next(place for place in places if values[place] is None))
    return tuple(sorted(kept))


def thin_ranks(count: int, limit: int = MOST_POINTS) -> tuple[int, ...]:
    """Return at most ``limit`` places among ``count`` sorted values: both ends, and evenly spaced ranks between them.

    A distribution function through them is exact at each and nowhere further off than 1 / (limit - 1).
    Raises ValueError for a limit below 2.
    """
    if limit < 2:  # noqa: PLR2004  (both ends)
        raise ValueError(f"got a limit of {limit} points; expected at least 2")
    if count <= limit:
        return tuple(range(count))
    return tuple(sorted({round(step * (count - 1) / (limit - 1)) for step in range(limit)}))


def thin_cloud(
    points: Sequence[tuple[float, float]], *, keep: Collection[int] = (), limit: int = MOST_POINTS
) -> tuple[int, ...]:
    """Return the places, in order, of about ``limit`` points that show where a cloud is.

    ``points`` are coordinates as they are drawn (logarithms on a logarithmic axis), all finite. The plane between the
    extremes is cut into the finest square grid with at most ``limit`` cells that hold a point; the first point of each
    is kept, and besides all in ``keep`` and the lowest and highest of either coordinate.
    """
    import numpy as np

    if len(points) <= limit:
        return tuple(range(len(points)))
    places = np.asarray(points, np.float64)
    low, high = places.min(axis=0), places.max(axis=0)
    width = np.where(high > low, high - low, 1.0)
    # Halving the finest grid's steps gives those of every coarser one.
    steps = np.minimum((places - low) / width * _FINEST_GRID, _FINEST_GRID - 1).astype(np.int64)
    for halvings in range(_FINEST_GRID.bit_length()):
        cells = (steps[:, 0] >> halvings) * _FINEST_GRID + (steps[:, 1] >> halvings)
        _, first = np.unique(cells, return_index=True)
        if first.size <= limit:
            break
    extremes = [*places.argmin(axis=0).tolist(), *places.argmax(axis=0).tolist()]
    return tuple(sorted({*first.tolist(), *extremes, *keep}))


def share_out(sizes: Sequence[int], limit: int, *, fewest: int = _KEPT_OF_A_STRETCH) -> tuple[int, ...]:
    """Return how many points each of several series may have, about ``limit`` in all: short ones are left whole.

    What they do not need goes to the long ones in equal parts; none gets less than ``fewest``.
    """
    shares = [0] * len(sizes)
    left = limit
    for done, place in enumerate(sorted(range(len(sizes)), key=lambda each: sizes[each])):
        fair = max(fewest, left // (len(sizes) - done))
        left -= min(sizes[place], fair)
        shares[place] = fair
    return tuple(shares)


def say_thinned(drawn: int, total: int, rule: str) -> str:
    """The note of a thinned figure: how many of how many points, and by which rule."""
    return f"{format_number(drawn)} of {format_number(total)} points are drawn: {rule}."


def is_log_worth(values: Sequence[float], factor: float) -> bool:
    """True where all values are positive and the largest is more than so many times the smallest."""
    return bool(values) and min(values) > 0 and max(values) > factor * min(values)


def drawn_at(value: float, *, is_log: bool) -> float:
    """Where a value lies on its axis, for finding neighbours."""
    return math.log(value) if is_log else value
