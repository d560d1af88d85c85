"""A case over time: the pieces that its history falls into, and where the level changed inside them (METHOD 6, trend).

A history is told apart by environment (see ``segments``): results of one environment belong together, also where
another came in between, as in a matrix of CI jobs or an upgrade that was taken back. Within it, ``split`` begins anew.
In each piece change points are looked for (see ``stats.cusum``), and those cut it into segments of one level.
``accept`` says that the level from some result on is the new normal. The change point that stands there is then
accepted, and so is each before it in that piece; where none stands there, since five results are needed to see one,
the accepted result begins a segment by itself. May import: core, catalog, stats, store, analysis.
"""

from __future__ import annotations

import bisect
import itertools
import math
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from assay.analysis.launch_values import settle_stat
from assay.analysis.levels import ACCEPT, SPLIT, describe_annotation, find_mute
from assay.analysis.surroundings import Surroundings
from assay.analysis.trend_pieces import Begin, Piece, Said, cut_pieces, find_places, is_after
from assay.analysis.trend_points import SeriesPoints, TrendPoint, find_series, read_points
from assay.catalog.metrics import metrics as registry
from assay.core.display import Displayed
from assay.core.records import AnnotationRecord
from assay.core.words import Direction
from assay.stats.change import is_worse_ratio
from assay.stats.cusum import MIN_SEGMENT, ChangePoint, find_change_points

if TYPE_CHECKING:
    from assay.store import Store
    from assay.store.selection import Selection

__all__ = ["Begin", "Trend", "TrendBreak", "TrendChange", "TrendPoint", "TrendSegment", "find_series", "find_trends"]


@dataclass(frozen=True, slots=True)
class TrendSegment:
    """Results of one level: their places among the points, their geometric mean in the metric's unit, their spread.

    ``sd_log`` is the standard deviation of the logarithms, None of a single result.
    """

    places: tuple[int, ...]
    level: float
    sd_log: float | None
    env_id: str
    begun_by: Begin


@dataclass(frozen=True, slots=True)
class TrendChange:
    """The level changed between two results: places of the last of the old level and of the first of the new.

    ``ratio`` is new over old; ``is_worse`` by the metric's direction, None where it has none. ``accepted`` and
    ``muted`` say who said so, and why.
    """

    before: int
    after: int
    ratio: float
    p: float
    is_worse: bool | None
    accepted: str | None = None
    muted: str | None = None


@dataclass(frozen=True, slots=True)
class TrendBreak:
    """Here something else begins, and nothing has regressed by it.

    ``text`` says what: which facts of the environment differ, or who said what. ``is_return`` is set where the
    environment is one that the series had before. ``before`` is None where nothing used comes before.
    """

    kind: Begin
    before: int | None
    after: int
    text: str
    is_return: bool = False


@dataclass(frozen=True, slots=True)
class Trend(Displayed):
    """One series of one metric over time; places in segments, changes and breaks count ``points`` from 0."""

    series_id: str
    case_label: str
    hardware: str | None
    metric: str
    stat: str
    unit: str
    direction: Direction
    points: tuple[TrendPoint, ...]
    segments: tuple[TrendSegment, ...] = ()
    changes: tuple[TrendChange, ...] = ()
    breaks: tuple[TrendBreak, ...] = ()

    @property
    def newest(self) -> TrendPoint | None:
        """The newest result that is used."""
        return next((point for point in reversed(self.points) if point.is_used), None)

    @property
    def level(self) -> float | None:
        """The level of the segment that the newest used result is in."""
        newest = max((place for segment in self.segments for place in segment.places), default=None)
        return next((segment.level for segment in self.segments if newest in segment.places), None)

    def between(self, change: TrendChange) -> tuple[TrendPoint, TrendPoint]:
        """The last result of the old level, and the first of the new."""
        return self.points[change.before], self.points[change.after]


def find_trends(
    store: Store,
    selection: Selection,
    *,
    metric: str = "latency_ns",
    stat: str | None = None,
    series: Sequence[SeriesPoints] | None = None,
) -> tuple[Trend, ...]:
    """Return the trend of every measured series of a selection, or of ``series`` alone (see ``find_series``).

    ``stat`` None is the statistic that results are summed up by. Five queries, however many series.
    Raises UnknownNameError for metric and statistic, UsageError for the selection, StoreError.
    """
    stat = settle_stat(metric, stat)
    chosen = find_series(store, selection) if series is None else series
    found = read_points(store, chosen, selection, metric=metric, stat=stat)
    if not found:
        return ()
    said = [one for one in store.annotations() if one.metric in (None, metric)]
    question = _Question(metric, stat, Surroundings(store), _by_subject(said))
    return tuple(_trace(one, question) for one in found)


@dataclass(frozen=True, slots=True)
class _Question:
    """What is asked of every series alike; ``said`` are annotations by their subject."""

    metric: str
    stat: str
    surroundings: Surroundings
    said: Mapping[str, Sequence[AnnotationRecord]]

    def annotations(self, subjects: Iterable[str]) -> list[AnnotationRecord]:
        """What was said of any of these, oldest first."""
        found = {one.annotation_id: one for subject in subjects for one in self.said.get(subject, ())}
        return sorted(found.values(), key=lambda one: (one.created_at, one.annotation_id))


def _by_subject(annotations: Iterable[AnnotationRecord]) -> dict[str, list[AnnotationRecord]]:
    found: dict[str, list[AnnotationRecord]] = {}
    for one in annotations:
        found.setdefault(one.subject_id, []).append(one)
    return found


def _trace(series: SeriesPoints, question: _Question) -> Trend:
    """Cut the history of one series into pieces, and those at their change points."""
    points, surroundings = series.points, question.surroundings
    said = question.annotations([series.series_id, *(id_ for one in points for id_ in (one.run_id, one.result_id))])
    used = [place for place, point in enumerate(points) if point.is_used]
    names = [surroundings.name(point.env_id) for point in points]
    splits, accepts = find_places(series, said, SPLIT), find_places(series, said, ACCEPT)
    breaks = [*_environment_breaks(points, used, names, surroundings), *_split_breaks(used, splits)]
    segments: list[TrendSegment] = []
    changes: list[TrendChange] = []
    direction = registry.get(question.metric).direction
    for piece in cut_pieces(used, names, [place for place, _ in splits]):
        name = names[piece.places[0]]
        accepted = [one for one in accepts if names[one[0]] == name and piece.places[0] <= one[0] < piece.end]
        found = find_change_points([_value(points[place]) for place in piece.places])
        changes += [_change(series, piece, one, accepted, said, question) for one in found]
        begun = _anew(piece, found, accepted)
        breaks += [
            TrendBreak(Begin.ACCEPT, piece.places[start - 1], piece.places[start], describe_annotation(one))
            for start, one in begun.items()
        ]
        segments += _segments(
            points, piece, {one.index: Begin.CHANGE for one in found} | dict.fromkeys(begun, Begin.ACCEPT)
        )
    return Trend(
        series.series_id, series.case_label, series.hardware, question.metric, question.stat,
        registry.get(question.metric).unit, direction, points,
        segments=tuple(sorted(segments, key=lambda one: one.places[0])),
        changes=tuple(_mute_newest(sorted(changes, key=lambda one: one.after), series, said, question.metric)),
        breaks=tuple(sorted(breaks, key=lambda one: (one.after, one.kind))),
    )  # fmt: skip


# -- breaks and changes ---------------------------------------------------------------------------------------


def _environment_breaks(
    points: Sequence[TrendPoint], used: Sequence[int], names: Sequence[str], surroundings: Surroundings
) -> Iterator[TrendBreak]:
    known: set[str] = set()
    for before, after in itertools.pairwise(used):
        known.add(names[before])
        if names[before] != names[after]:
            text = surroundings.describe_break(points[before].env_id, points[after].env_id)
            yield TrendBreak(Begin.ENVIRONMENT, before, after, text, is_return=names[after] in known)


def _split_breaks(used: Sequence[int], splits: Sequence[Said]) -> Iterator[TrendBreak]:
    for place, annotation in splits:
        index = bisect.bisect_left(used, place)
        if 0 < index < len(used):
            yield TrendBreak(Begin.SPLIT, used[index - 1], used[index], describe_annotation(annotation))


def _change(
    series: SeriesPoints,
    piece: Piece,
    found: ChangePoint,
    accepted: Sequence[Said],
    said: Sequence[AnnotationRecord],
    question: _Question,
) -> TrendChange:
    near = piece.places[max(0, found.index - MIN_SEGMENT + 1) : found.index + MIN_SEGMENT]
    subjects = [id_ for place in near for id_ in (series.points[place].run_id, series.points[place].result_id)]
    mute = find_mute(said, question.metric, subjects)
    accept = next((one for place, one in accepted if piece.start(place) > found.index - MIN_SEGMENT), None)
    return TrendChange(
        before=piece.places[found.index - 1],
        after=piece.places[found.index],
        ratio=found.ratio,
        p=found.p,
        is_worse=is_worse_ratio(found.ratio, registry.get(question.metric).direction),
        accepted=None if accept is None else describe_annotation(accept),
        muted=None if mute is None else describe_annotation(mute),
    )


def _mute_newest(
    changes: Sequence[TrendChange], series: SeriesPoints, said: Sequence[AnnotationRecord], metric: str
) -> Iterator[TrendChange]:
    """Mark what a mute of the whole series is about: the newest change when it was said, and those that came later."""
    mute = find_mute(said, metric, [series.series_id])
    for number, change in enumerate(changes):
        later = changes[number + 1 :]
        if mute is None or change.muted or any(not is_after(series.points[one.after], mute) for one in later):
            yield change
        else:
            yield replace(change, muted=describe_annotation(mute))


def _anew(piece: Piece, found: Sequence[ChangePoint], accepted: Sequence[Said]) -> dict[int, AnnotationRecord]:
    """Where in the piece an accepted level begins that no change point near it shows."""
    starts = {piece.start(place): one for place, one in accepted}
    return {
        start: one
        for start, one in starts.items()
        if 0 < start < len(piece.places) and all(abs(start - point.index) >= MIN_SEGMENT for point in found)
    }


def _segments(points: Sequence[TrendPoint], piece: Piece, cuts: Mapping[int, Begin]) -> Iterator[TrendSegment]:
    borders = [0, *sorted(cuts), len(piece.places)]
    for start, stop in itertools.pairwise(borders):
        places = piece.places[start:stop]
        logs = [math.log(_value(points[place])) for place in places]
        yield TrendSegment(
            places=places,
            level=math.exp(statistics.fmean(logs)),
            sd_log=statistics.stdev(logs) if len(logs) > 1 else None,
            env_id=points[places[0]].env_id,
            begun_by=cuts.get(start, piece.begun_by),
        )


def _value(point: TrendPoint) -> float:
    if point.value is None:
        raise AssertionError("a point that is used has a value")
    return point.value
