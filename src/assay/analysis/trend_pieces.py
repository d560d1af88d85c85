"""The pieces that a history falls into before anything is tested: by environment, and where people said so.

May import: core, analysis.
"""

from __future__ import annotations

import bisect
import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from assay.analysis.levels import ACCEPT
from assay.analysis.trend_points import SeriesPoints, TrendPoint
from assay.core.records import AnnotationRecord

Said = tuple[int, AnnotationRecord]
"""The place among a series' points that an annotation is of, and the annotation."""


class Begin(StrEnum):
    """Why a segment begins."""

    FIRST = "first"
    ENVIRONMENT = "environment"
    SPLIT = "split"
    ACCEPT = "accept"
    CHANGE = "change"


@dataclass(frozen=True, slots=True)
class Piece:
    """Used results of one environment between two splits, by place; what is said up to ``end`` is of this piece."""

    places: tuple[int, ...]
    end: float
    begun_by: Begin

    def start(self, place: int) -> int:
        """Count in the piece: its first result at a place among the points, or after it."""
        return bisect.bisect_left(self.places, place)


def cut_pieces(used: Sequence[int], names: Sequence[str], splits: Sequence[int]) -> Iterator[Piece]:
    """Yield the used results of each environment, cut where people said so; environments in order of appearance."""
    borders = sorted(set(splits))
    for name in dict.fromkeys(names[place] for place in used):
        own = [place for place in used if names[place] == name]
        begun_by = Begin.FIRST if own[0] == used[0] else Begin.ENVIRONMENT
        for number, places in itertools.groupby(own, key=lambda place: bisect.bisect_right(borders, place)):
            end = borders[number] if number < len(borders) else math.inf
            yield Piece(tuple(places), end, begun_by)
            begun_by = Begin.SPLIT


def find_places(series: SeriesPoints, said: Iterable[AnnotationRecord], kind: str) -> list[Said]:
    """Where along the series each annotation of a kind begins to hold, as ``levels`` has it."""
    found: list[Said] = []
    for one in said:
        if one.kind != kind:
            continue
        place = _place(series, one)
        if place is not None:
            found.append((place, one))
    return sorted(found, key=lambda each: each[0])


def _place(series: SeriesPoints, annotation: AnnotationRecord) -> int | None:
    points = series.points
    if annotation.subject_id != series.series_id:
        return next(
            (place for place, point in enumerate(points) if annotation.subject_id in (point.run_id, point.result_id)),
            None,
        )
    later = next((place for place, point in enumerate(points) if is_after(point, annotation)), len(points))
    if annotation.kind == ACCEPT:
        return later - 1 if later else None  # the newest result that the person saw
    return later if later < len(points) else None


def is_after(point: TrendPoint, annotation: AnnotationRecord) -> bool:
    """True where a result was measured after something was said; False where its time is not known."""
    return point.measured_at is not None and point.measured_at > annotation.created_at
