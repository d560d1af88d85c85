"""Data sheets against each other: which figures go together, how they grew, and devices by figures on one scale.

The numbers are makers' figures, nobody's measurements, so no layer has a provenance. May import: core, stats,
analysis, report.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from assay.analysis.hardware_columns import HardwareColumn
from assay.analysis.hardware_matrix import NORM_TITLES, DeviceMatrix, MatrixRow
from assay.analysis.hardware_stats import DeviceCorrelations
from assay.analysis.hardware_trends import DevicePoint, DeviceTrend
from assay.core.words import Direction
from assay.report.display import format_interval, format_number, format_plain
from assay.report.figures._words import empty_figure, join_sentences, say_better, say_name
from assay.report.values import Axis, Cell, Figure, FigureKind, Heat, Layer, Ref, RefKind, Role, Scale, Shape
from assay.report.wording import say_count
from assay.stats.growth import Growth
from assay.stats.rank_association import Association

_NAMED = 3
_MOST_ROWS = 40
_YEAR_DAYS = 365.25


def association_cell(found: Association) -> Cell:
    """One rank correlation, with its interval and what it is over."""
    over = f"{say_count(found.n, 'device')} of {say_count(found.groups, 'architecture')}" if found.groups else None
    reason = "; ".join(part for part in (found.reason, over) if part) or None
    return Cell(found.r, lo=found.lo, hi=found.hi, level=found.level, n=found.n or None, reason=reason)


def draw_device_correlations(found: DeviceCorrelations, *, key: str = "hw-correlations") -> Figure:
    """Draw rank correlations of figures of data sheets, from -1 to 1."""
    given = ", ".join(column.title for column in found.given)
    title = f"Which figures go together{f', given {given}' if given else ''}"
    axis = Axis("figure", scale=Scale.CATEGORY, categories=tuple(column.title for column in found.columns))
    known = [(one, other, cell) for one, other, cell in found.pairs() if cell.r is not None]
    blank = len(found.pairs()) - len(known)
    if not known:
        why = "No two figures are known of enough devices."
        return empty_figure(key, FigureKind.CORRELATION, title, axis, axis, why=why)
    notes = [
        f"{say_count(blank, 'pair')} left blank: too few devices, or arithmetic that links the two." if blank else "",
        (
            f"Intervals draw whole architectures anew. Each holds at 95 % by itself: of {len(known)} about "
            f"{format_plain(0.05 * len(known), 2)} miss by chance. No correlation says what causes what."
        ),
    ]
    said = [
        f"{one.title} and {other.title} {format_plain(cell.r or 0.0, 2)}"
        f"{f' ({bounds})' if (bounds := format_interval(cell.lo, cell.hi)) else ''}, n = {cell.n}"
        for one, other, cell in known[:_NAMED]
    ]
    kind = "Partial rank correlation" if given else "Spearman's rank correlation"
    return Figure(
        key, FigureKind.CORRELATION, title, axis, axis,
        heat=Heat(
            tuple(tuple(association_cell(cell) for cell in line) for line in found.cells), None, kind,
            limits=(-1.0, 1.0),
        ),
        caption=f"{kind} of makers' figures over {say_count(found.devices, 'device')}, n in each cell; 1: the same "
        "order, −1: the opposite order, 0: none.",
        alt=join_sentences(f"{title}: {say_count(len(known), 'pair')}.", f"Strongest: {'; '.join(said)}."),
        notes=tuple(note for note in notes if note),
    )  # fmt: skip


def say_growth(growth: Growth) -> str:
    """``doubles every 2.4 years (2.1 … 2.9)``; what is not known is said."""
    doubling = growth.doubling
    if doubling is None:
        return growth.reason or "stands still"
    if growth.lo is not None and growth.hi is not None and growth.lo < 1 < growth.hi:
        return "not told from standing still"
    said = f"{doubling.word} every {format_plain(doubling.years, 2)} years"
    if doubling.lo is None:
        return f"{said} ({growth.reason})"
    until = "no bound" if doubling.hi is None else format_plain(doubling.hi, 2)
    return f"{said} ({format_plain(doubling.lo, 2)} … {until})"


def draw_device_trends(trends: Sequence[DeviceTrend], *, key: str | None = None) -> Figure:
    """Draw the growth of one figure: a point a device, for each group a fitted line and its band.

    ``trends`` are of one figure, one a group; raises ValueError for none, or for several figures.
    """
    if len({trend.column.key for trend in trends}) != 1:
        raise ValueError(f"got trends of {len({trend.column.key for trend in trends})} figures; expected one")
    column, unit = trends[0].column, trends[0].unit
    key = key or f"hw-trend-{column.key}"
    title = f"{column.title[:1].upper()}{column.title[1:]} over the years"
    x = Axis("released", scale=Scale.TIME)
    direction = None if column.direction is Direction.NEITHER else column.direction
    y = Axis(column.title, unit, Scale.LOG, direction)
    fitted = [trend for trend in trends if trend.growth.line]
    # Bands of many groups lie on each other, and nobody could tell whose is whose.
    bands = [_band_layer(trend) for trend in fitted if len(fitted) == 1 and trend.growth.lo is not None]
    points = [_point_layer(trend) for trend in trends if trend.points]
    layers = [*bands, *points, *(_line_layer(trend) for trend in fitted)]
    if not layers:
        return empty_figure(key, FigureKind.TREND, title, x, y, why=f"No device has {column.title} and a release date.")
    said = [f"{trend.group} {say_growth(trend.growth)}, n = {trend.growth.n}" for trend in trends]
    return Figure(
        key, FigureKind.TREND, title, x, y,
        layers=tuple(layers),
        caption="Lines are least squares through logarithms, with the 95 % interval of their doubling time: "
        f"architectures are drawn anew.{' The band is the interval of the line.' if bands else ''}",
        alt=join_sentences(f"{title}: {'; '.join(said)}.", say_better(direction)),
        notes=("Formats changed underway: a rate is of the fastest format of its width that the device has.",)
        if column.key.startswith("peak")
        else (),
    )  # fmt: skip


def draw_device_matrix(matrix: DeviceMatrix, *, key: str | None = None, most_rows: int = _MOST_ROWS) -> Figure:
    """Draw devices by scaled figures, the highest score first; beyond ``most_rows`` a note says how many."""
    key = key or f"hw-matrix-{matrix.name}"
    title = f"Devices by figures: {matrix.name}"
    shown = matrix.rows[:most_rows]
    x = Axis("figure", scale=Scale.CATEGORY, categories=tuple(column.title for column in matrix.columns))
    y = Axis("device", scale=Scale.CATEGORY, categories=tuple(row.device.name for row in shown))
    best = [
        f"{column.title}: {say_name(device.name)}"
        for column, device in zip(matrix.columns, matrix.best, strict=True)
        if device is not None
    ]
    cut = len(matrix.rows) - len(shown)
    notes = (
        [f"{format_number(len(shown))} of {format_number(len(matrix.rows))} devices are drawn, by score."]
        if cut
        else []
    )
    if matrix.left_out:
        notes.append(f"Known of no device, so not drawn: {', '.join(matrix.left_out)}.")
    if matrix.without_any:
        notes.append(f"{say_count(matrix.without_any, 'device')} without any of these figures.")
    return Figure(
        key, FigureKind.MATRIX, title, x, y,
        heat=Heat(
            tuple(tuple(_scaled_cells(row, matrix)) for row in shown), "1", NORM_TITLES[matrix.norm], Scale.LOG
            if all(value > 0 for row in shown for value in row.scaled if value is not None) else Scale.LINEAR,
            Direction.HIGHER,
        ),
        caption=matrix.rule,
        alt=join_sentences(f"{title}, {say_count(len(shown), 'device')}.", f"Best: {'; '.join(best)}."),
        notes=tuple(notes),
    )  # fmt: skip


def _scaled_cells(row: MatrixRow, matrix: DeviceMatrix) -> list[Cell]:
    return [
        Cell(reason=f"{column.title} is not known")
        if scaled is None or value is None
        else Cell(scaled, unit="1", reason=format_number(value, unit))
        for column, unit, value, scaled in zip(matrix.columns, matrix.units, row.values, row.scaled, strict=True)
    ]


def _line_layer(trend: DeviceTrend) -> Layer:
    line = trend.growth.line
    return Layer(
        f"{trend.group}: {say_growth(trend.growth)}", Shape.LINE, x=tuple(_moment(year) for year, *_ in line),
        y=tuple(one[1] for one in line), group=trend.group,
    )  # fmt: skip


def _band_layer(trend: DeviceTrend) -> Layer:
    line = trend.growth.line
    return Layer(
        "95 % band", Shape.BAND, x=tuple(_moment(year) for year, *_ in line), lo=tuple(one[2] for one in line),
        hi=tuple(one[3] for one in line), role=Role.GUIDE, group=trend.group,
    )  # fmt: skip


def _point_layer(trend: DeviceTrend) -> Layer:
    return Layer(
        trend.group, Shape.POINTS,
        x=tuple(_moment(point.year) for point in trend.points),
        y=tuple(point.value for point in trend.points),
        labels=tuple(_label(point, trend.column) for point in trend.points),
        refs=tuple(Ref(RefKind.DEVICE, point.device.hw_id) for point in trend.points),
        group=trend.group,
    )  # fmt: skip


def _label(point: DevicePoint, column: HardwareColumn) -> str:
    if not point.is_record:
        return point.device.name
    way = "least" if column.direction is Direction.LOWER else "most"
    return f"{point.device.name}: {way} of its kind so far"


def _moment(year: float) -> datetime:
    """Turn 2020.37 back into a day."""
    return datetime(int(year), 1, 1, tzinfo=UTC) + timedelta(days=round((year - int(year)) * _YEAR_DAYS))
