"""Sections on data sheets against each other: correlations, growth, tiers, clusters, fronts, matrices.

For reports that hold what makers say; what was measured is elsewhere. May import: core, catalog, analysis, report.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from assay.analysis.hardware_clusters import CLUSTERED, RULE, DeviceClusters, cluster_devices
from assay.analysis.hardware_columns import COLUMNS, HardwareColumn
from assay.analysis.hardware_fronts import FRONTS, DeviceFront, find_device_front
from assay.analysis.hardware_matrix import MATRICES, DeviceMatrix, compare_matrix
from assay.analysis.hardware_stats import CORRELATED, GIVEN, DeviceCorrelations, correlate_devices
from assay.analysis.hardware_table import DeviceChoice, HardwareTable, Pricing, read_hardware
from assay.analysis.hardware_tier_rules import RULES
from assay.analysis.hardware_tiers import DeviceTiers, say_shaken, tier_devices
from assay.analysis.hardware_trends import TRENDS, DeviceTrend, trend_devices
from assay.core.errors import UsageError
from assay.core.words import Direction
from assay.report.figures.hardware_groups import (
    draw_cluster_choice,
    draw_device_clusters,
    draw_device_front,
    draw_device_tiers,
)
from assay.report.figures.hardware_stats import (
    association_cell,
    draw_device_correlations,
    draw_device_matrix,
    draw_device_trends,
    say_growth,
)
from assay.report.values import Block, Cell, Column, Ref, RefKind, Section, Table, Text

if TYPE_CHECKING:
    from assay.catalog.hardware.facts import DeviceFacts

_DRAWN_TRENDS = ("peak16_per_w", "bandwidth", "memory")
_FEWEST_DRAWN = 20
"""Fewest devices of a group whose trend is drawn; the table has all."""
_DRAWN_FRONTS = ("power", "memory-power", "price")
_SHOWN_MATRICES = tuple(MATRICES)
_MOST_ROWS = 60
HOW_SHEETS_READ = (
    (
        "data sheets",
        (
            "Makers' figures, dense peaks; what is reached is less. Devices of one architecture are cut from one "
            "design, so intervals draw whole architectures anew, and n devices are never n witnesses."
        ),
    ),
    (
        "kept",
        (
            "In what share of draws a device stays where it is when figures are off by 5 %, the rule's own numbers are "
            "moved, or other architectures are looked at."
        ),
    ),
)


def hardware_sections(
    facts: Mapping[str, DeviceFacts],
    pricing: Pricing | None = None,
    *,
    choice: DeviceChoice | None = None,
    limit: int = _MOST_ROWS,
) -> tuple[Section, ...]:
    """Build all sections over the devices chosen. What cannot be had for so few devices says why in its section."""
    return _build_sections(_Content(read_hardware(facts, COLUMNS, choice, pricing=pricing)), limit)


@dataclass(frozen=True, slots=True, eq=False)
class _Content:
    """A table that equals another of the same content, so that a page that is loaded again is not computed again."""

    table: HardwareTable

    @property
    def _key(self) -> tuple[object, ...]:
        identities = tuple((one.hw_id, one.name, one.architecture, one.category) for one in self.table.devices)
        return identities, self.table.values.tobytes(), tuple(self.table.layers.items()), self.table.unit("price")

    def __hash__(self) -> int:
        return hash(self._key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Content) and self._key == other._key


@functools.lru_cache(maxsize=4)
def _build_sections(content: _Content, limit: int) -> tuple[Section, ...]:
    table = content.table
    return (
        whose_section(table),
        correlation_section(table),
        trend_section(table),
        tier_section(table, limit),
        cluster_section(table),
        front_section(table, limit),
        matrix_section(table, limit),
    )


def whose_section(table: HardwareTable) -> Section:
    """How many devices and figures the other sections are of, and whose statements those are."""
    counts = ", ".join(f"{count} {layer}" for layer, count in table.layers.items())
    said = f"{len(table)} devices. Figures known of them, by the layer of the catalogue that states them: {counts}."
    return Section("hw-devices", "Data sheets", (Text((said, "Nothing here was measured, and nothing is imputed.")),))


def correlation_section(table: HardwareTable) -> Section:
    """Rank correlations, and those that are left once the year of release is given."""
    plain = correlate_devices(table, CORRELATED)
    partial = correlate_devices(table, [key for key in CORRELATED if key not in GIVEN], given=GIVEN)
    return Section(
        "hw-correlations",
        "Which figures of data sheets go together",
        (
            draw_device_correlations(plain),
            draw_device_correlations(partial, key="hw-partial-correlations"),
            _pairs_table(plain, partial),
        ),
    )


def trend_section(table: HardwareTable) -> Section:
    """Growth by category: a picture for some figures, a table for all."""
    found = trend_devices(table, TRENDS)
    drawn = [
        [trend for trend in found if trend.column.key == key and trend.growth.n >= _FEWEST_DRAWN]
        for key in _DRAWN_TRENDS
    ]
    figures = [draw_device_trends(trends) for trends in drawn if trends]
    return Section("hw-trends", "Growth over the years", (*figures, _trend_table(found)))


def tier_section(table: HardwareTable, limit: int = _MOST_ROWS) -> Section:
    """Tiers by each rule, and how far they hold."""
    blocks: list[Block] = []
    for rule in RULES.values():
        try:
            found = tier_devices(table, rule)
        except UsageError as error:
            blocks.append(Text((f"{rule.title} tiers: {error.message}",)))
            continue
        blocks += [Text(rule.words()), draw_device_tiers(found), _tier_table(found, limit), _stability_table(found)]
    return Section("hw-tiers", "Tiers", tuple(blocks))


def cluster_section(table: HardwareTable) -> Section:
    """Clusters, and the evidence for their number."""
    try:
        found = cluster_devices(table, CLUSTERED)
    except UsageError as error:
        return Section("hw-clusters", "Clusters", (Text((error.message,)),))
    blocks: list[Block] = [Text((RULE,)), draw_cluster_choice(found), draw_device_clusters(found)]
    if found.clusters:
        blocks.append(_cluster_table(found))
    return Section("hw-clusters", "Clusters", tuple(blocks))


def front_section(table: HardwareTable, limit: int = _MOST_ROWS) -> Section:
    """Fronts of two figures as pictures, all named ones as tables."""
    blocks: list[Block] = []
    for name, keys in FRONTS.items():
        found = find_device_front(table, keys)
        if not found.devices:
            blocks.append(Text((f"No front of {' and '.join(keys)}: no device has both.",)))
            continue
        if name in _DRAWN_FRONTS:
            blocks.append(draw_device_front(found, key=f"hw-front-{name}"))
        blocks.append(_front_table(name, found, limit))
    return Section("hw-pareto", "Devices that nothing beats", tuple(blocks))


def matrix_section(table: HardwareTable, limit: int = _MOST_ROWS) -> Section:
    """The named matrices: shares of the best, raw figures behind them."""
    blocks: list[Block] = []
    for name in _SHOWN_MATRICES:
        try:
            found = compare_matrix(table, name)
        except UsageError as error:
            blocks.append(Text((f"{name}: {error.message}",)))
            continue
        blocks += [draw_device_matrix(found), _matrix_table(found, limit)]
    return Section("hw-matrix", "Devices by figures", tuple(blocks))


# -- tables --------------------------------------------------------------------------------------------------------


def _pairs_table(plain: DeviceCorrelations, partial: DeviceCorrelations) -> Table:
    left = {(one.key, other.key): cell for one, other, cell in partial.pairs()}
    columns = (
        Column("one", "figure"), Column("other", "with"), Column("r", "rank correlation"),
        Column("partial", f"given {', '.join(column.title for column in partial.given)}"),
        Column("n", "devices"), Column("architectures", "architectures"),
    )  # fmt: skip
    rows = []
    for one, other, cell in plain.pairs():
        given = left.get((one.key, other.key)) or left.get((other.key, one.key))
        rows.append((
            Cell(one.title), Cell(other.title), association_cell(cell),
            Cell(reason="it is what is given") if given is None else association_cell(given),
            Cell(cell.n), Cell(cell.groups),
        ))  # fmt: skip
    return Table("hw-pairs", "Every pair, the strongest first", columns, tuple(rows))


def _trend_table(found: Sequence[DeviceTrend]) -> Table:
    columns = (
        Column("figure", "figure"), Column("group", "of"), Column("n", "devices"), Column("arch", "architectures"),
        Column("years", "released"), Column("factor", "times a year", unit="1"), Column("doubling", "doubling time"),
        Column("scatter", "scatter", unit="1", description="Factor by which a device typically misses its line"),
    )  # fmt: skip
    fitted = [trend for trend in found if trend.growth.per_year is not None]
    rows = []
    for trend in fitted:
        growth = trend.growth
        first, last = growth.first_year, growth.last_year
        span = None if first is None or last is None else f"{int(first)}-{int(last)}"
        rows.append((
            Cell(trend.column.title), Cell(trend.group), Cell(growth.n), Cell(growth.groups),
            Cell(span, reason=growth.reason),
            Cell(growth.per_year, lo=growth.lo, hi=growth.hi, level=growth.level, n=growth.n, reason=growth.reason),
            Cell(say_growth(growth)) if growth.doubling else Cell(reason=growth.reason),
            Cell(growth.scatter, reason=growth.reason),
        ))  # fmt: skip
    return Table(
        "hw-growth", "Growth by figure and category", columns, tuple(rows),
        caption="Least squares through logarithms of makers' figures; 95 % intervals draw whole architectures anew.",
        notes=(f"{len(found) - len(fitted)} more have too few devices or years.",) if len(fitted) < len(found) else (),
    )  # fmt: skip


def _tier_table(found: DeviceTiers, limit: int) -> Table:
    has_score = any(one.score is not None for one in found.devices)
    columns = (
        Column("tier", "tier"), Column("device", "device"),
        *((Column("score", "score", unit="1"),) if has_score else ()),
        Column("kept", "kept", unit="share", description="Least share of draws in which it keeps its tier"),
        Column("instead", "otherwise"),
    )  # fmt: skip
    rows = [
        (
            Cell(one.tier, reason=one.reason), _device(one.device),
            *((Cell(one.score, reason=one.reason),) if has_score else ()),
            Cell(one.kept, reason=one.reason), Cell(one.instead or "", reason=None),
        )
        for one in found.devices[:limit]
    ]  # fmt: skip
    return Table(
        f"hw-tier-{found.rule.name}", f"{found.rule.title} tiers", columns, tuple(rows),
        notes=_say_cut(limit, len(found.devices)), rows_left_out=max(0, len(found.devices) - limit),
    )  # fmt: skip


def _stability_table(found: DeviceTiers) -> Table:
    columns = (
        Column("shaken", "what is shaken"), Column("rand", "adjusted Rand index", unit="1", direction=Direction.HIGHER),
        Column("kept", "devices that keep their tier", unit="share", direction=Direction.HIGHER),
        Column("firm", "firm devices", unit="share", description="Keep it in nine draws of ten"),
    )  # fmt: skip
    rows = [
        (
            Cell(say_shaken(found.rule, one.shaken)),
            *(Cell(value, n=one.draws) for value in (one.adjusted_rand, one.kept, one.firm)),
        )
        for one in found.stability
    ]
    return Table(f"hw-tier-stability-{found.rule.name}", "How far the tiers hold", columns, tuple(rows))


def _cluster_table(found: DeviceClusters) -> Table:
    columns = (
        Column("number", "cluster"), Column("n", "devices"), Column("typical", "most typical"),
        *(_figure_column(column, column.unit) for column in found.columns), Column("kinds", "what they are"),
    )  # fmt: skip
    rows = [
        (
            Cell(one.number), Cell(len(one.devices)), _device(one.typical),
            *(Cell(one.means[column.key]) for column in found.columns),
            Cell(", ".join(f"{count} {name}" for name, count in one.categories)),
        )
        for one in found.clusters
    ]  # fmt: skip
    agree = ", ".join(f"{what} {value:.2f}" for what, value in found.agreement.items())
    return Table(
        "hw-cluster-table", "Clusters", columns, tuple(rows), caption="Figures are geometric means.",
        notes=(f"Agreement with what is known anyway (adjusted Rand index): {agree}.",),
    )  # fmt: skip


def _front_table(name: str, found: DeviceFront, limit: int) -> Table:
    columns = (
        Column("device", "device"),
        *(_figure_column(column, unit) for column, unit in zip(found.columns, found.units, strict=True)),
        Column("kept", "on the front", unit="share", description="Share of draws, each figure off by 5 %"),
    )
    front = found.front[:limit]
    rows = [
        (_device(one.device), *(Cell(value) for value in one.values), Cell(one.kept, n=found.draws)) for one in front
    ]
    lacking = ", ".join(f"{key} of {count} devices" for key, count in found.left_out.items())
    notes = (f"Left out, as not known: {lacking}.",) if lacking else ()
    return Table(
        f"hw-front-table-{name}", f"Front: {name}", columns, tuple(rows),
        caption=f"{len(found.front)} of {len(found.devices)} devices.",
        notes=(*notes, *_say_cut(limit, len(found.front))), rows_left_out=max(0, len(found.front) - limit),
    )  # fmt: skip


def _matrix_table(found: DeviceMatrix, limit: int) -> Table:
    columns = (
        Column("device", "device"), Column("score", "score", unit="1", direction=Direction.HIGHER),
        *(_figure_column(column, unit) for column, unit in zip(found.columns, found.units, strict=True)),
    )  # fmt: skip
    rows = [
        (
            _device(row.device), Cell(row.score, reason=row.reason),
            *(Cell(value, reason=None if value is not None else "not known") for value in row.values),
        )
        for row in found.rows[:limit]
    ]  # fmt: skip
    return Table(
        f"hw-matrix-table-{found.name}", f"Raw figures: {found.name}", columns, tuple(rows), caption=found.rule,
        notes=_say_cut(limit, len(found.rows)), rows_left_out=max(0, len(found.rows) - limit),
    )  # fmt: skip


def _device(device: DeviceFacts) -> Cell:
    return Cell(device.name, ref=Ref(RefKind.DEVICE, device.hw_id))


def _figure_column(column: HardwareColumn, unit: str | None) -> Column:
    direction = None if column.direction is Direction.NEITHER else column.direction
    return Column(column.key, column.title, unit=unit, direction=direction, description=column.formula)


def _say_cut(limit: int, count: int) -> tuple[str, ...]:
    return (f"The first {limit} of {count} rows are shown.",) if count > limit else ()
