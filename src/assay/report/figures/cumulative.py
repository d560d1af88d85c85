"""Which share of a result's calls was faster than a time: the empirical distribution function.

May import: core, stats, report; numpy inside functions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from assay.core.records import LaunchRecord, ResultRecord
from assay.core.words import Direction, Verdict
from assay.report.cells import metric_title
from assay.report.display import format_number
from assay.report.figures._samples import METRIC_OF_SERIES, NS, Calls, find_series, read_calls, why_no_calls
from assay.report.figures._thinning import say_thinned, thin_ranks
from assay.report.figures._words import empty_figure, join_sentences, say_name, say_range
from assay.report.values import Axis, Figure, FigureKind, Layer, Marker, Role, Shape
from assay.report.wording import say_count
from assay.stats.summary import PERCENTILE_MINIMUM_N, percentile

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_OWN_LINES = 12
"""Launches up to which each has a line of its own beside that of all calls."""
_POINTS_OF_ALL, _POINTS_OF_ONE = 1_000, 80
_RANKS = (90, 99)


def draw_cumulative(
    *,
    launches: Sequence[LaunchRecord],
    result: ResultRecord,
    series: str | None = None,
    title: str | None = None,
    key: str = "cumulative",
) -> Figure:
    """Draw the share of calls that took at most so many ns, over all launches of one result that went well.

    ``launches`` are the result's, with their samples; ``series`` as in ``draw_distributions``. Up to twelve launches
    have a thin line each besides: lines that part are launches that differ. Markers are the median of all calls, p90
    and p99; a percentile has none where there are too few samples (METHOD 2: 46 and 473) or calls were timed in blocks,
    which a note says. Long lines are thinned to evenly spaced ranks, both ends kept.
    """
    import numpy as np

    series = series or find_series(launches)
    name = metric_title(METRIC_OF_SERIES.get(series, series))
    title = title or f"Share of calls by {name}"
    x = Axis(name, NS, direction=Direction.LOWER)
    y = Axis("share of calls", "share")
    ordered = sorted(launches, key=lambda one: one.ordinal)
    read = [found for one in ordered if (found := read_calls(one, series)) is not None]
    if not read:
        return empty_figure(key, FigureKind.DISTRIBUTION, title, x, y, why=why_no_calls(launches, series))
    pooled = np.sort(np.concatenate([one.times for one in read]))
    size = int(pooled.size)
    markers, notes = _percentiles(pooled, is_blocked=any(one.is_blocked for one in read))
    layers = []
    if 1 < len(read) <= _OWN_LINES:
        layers = [_steps("each launch", one.times, _POINTS_OF_ONE, result, one) for one in read]
    layers.append(_steps("all launches", pooled, _POINTS_OF_ALL, result))
    if len(layers[-1].x) < size:
        rule = "evenly spaced ranks and both ends, so the share is exact at each"
        notes.append(say_thinned(len(layers[-1].x), size, rule))
    if any(one.verdict is Verdict.CONTAMINATED for one in read):
        notes.append("Contaminated launches are among all, as in the percentiles of the result.")
    of = f"{say_count(size, 'sample')} of {say_count(len(read), 'launch', 'launches')}"
    return Figure(
        key,
        FigureKind.DISTRIBUTION,
        title,
        x,
        y,
        layers=tuple(layers),
        markers=tuple(markers),
        caption=f"{result.case.label}: {of}.",
        alt=join_sentences(
            f"{title} of {say_name(result.case.label)}: {of}, {say_range([float(pooled[0]), float(pooled[-1])], NS)}.",
            f"Marked: {', '.join(marker.label for marker in markers)}.",
        ),
        notes=tuple(notes),
    )


def _percentiles(pooled: NDArray[np.float64], *, is_blocked: bool) -> tuple[list[Marker], list[str]]:
    import numpy as np

    median = float(np.median(pooled))
    markers = [Marker("x", median, f"p50 {format_number(median, NS)}")]
    notes = []
    for rank in _RANKS:
        value = None if is_blocked else percentile(pooled, rank)
        if value is not None:
            markers.append(Marker("x", value, f"p{rank} {format_number(value, NS)}"))
        elif is_blocked:
            notes.append(
                f"p{rank} is not stated: calls are timed in blocks, and a percentile of their means is none of calls."
            )
        else:
            needed = PERCENTILE_MINIMUM_N[rank]
            notes.append(f"p{rank} is not stated: it takes {needed} samples, and there are {pooled.size}.")
    return markers, notes


def _steps(
    label: str, times: NDArray[np.float64], limit: int, result: ResultRecord, calls: Calls | None = None
) -> Layer:
    """A distribution function through sorted values: at the k-th of n the share is k / n."""
    kept = thin_ranks(int(times.size), limit)
    return Layer(
        label,
        Shape.STEPS,
        x=tuple(float(times[place]) for place in kept),
        y=tuple((place + 1) / times.size for place in kept),
        labels=() if calls is None else (calls.name,) * len(kept),
        provenance=result.provenance,
        role=Role.DATA if calls is None else Role.GUIDE,
        group=label,
        is_usable=calls is None or calls.verdict is not Verdict.CONTAMINATED,
    )
