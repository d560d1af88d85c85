"""Kinds of devices in one picture: tiers, clusters with the evidence for their number, and fronts.

May import: core, analysis, report.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from assay.analysis.hardware_clusters import DeviceClusters
from assay.analysis.hardware_columns import find_column
from assay.analysis.hardware_fronts import DeviceFront
from assay.analysis.hardware_table import figure_of
from assay.analysis.hardware_tiers import DeviceTiers
from assay.catalog.hardware.facts import DeviceFacts
from assay.core.words import Direction
from assay.report.display import format_plain
from assay.report.figures._layers import Dot, layers_of
from assay.report.figures._words import empty_figure, join_sentences, say_name
from assay.report.figures.pareto import Candidate, Measure, draw_pareto
from assay.report.values import Axis, Cell, Figure, FigureKind, Layer, Ref, RefKind, Role, Scale, Shape
from assay.report.wording import say_count

_MOST_MAKERS = 4
"""Makers that have a colour of their own."""
_PLACED_BY = ("peak16", "bandwidth")
"""Figures that devices are placed by where a picture has two axes and a rule more."""


def draw_device_tiers(tiers: DeviceTiers, *, x: str = _PLACED_BY[0], y: str = _PLACED_BY[1]) -> Figure:
    """Draw devices by two figures, a colour a tier. Devices without a tier, or without a figure, are in the notes."""
    groups = [(one.device, one.tier) for one in tiers.devices if one.tier is not None]
    counts = ", ".join(f"{tier} {tiers.count(tier)}" for tier in tiers.rule.tiers)
    without = sum(one.tier is None for one in tiers.devices)
    return _draw_groups(
        groups, x, y, key=f"hw-tiers-{tiers.rule.name}", title=f"{tiers.rule.title} tiers",
        caption=" ".join(tiers.rule.words()), alt=f"Devices by tier: {counts}.",
        notes=(f"{say_count(without, 'device')} without a tier: a figure that the rule takes is not known.",)
        if without else (),
    )  # fmt: skip


def draw_device_clusters(found: DeviceClusters, *, x: str = _PLACED_BY[0], y: str = _PLACED_BY[1]) -> Figure:
    """Draw devices by two figures, a colour a cluster; where no number of clusters fits the rule, that is said."""
    title = "Clusters of data sheets"
    if not found.clusters:
        return empty_figure(
            "hw-clusters", FigureKind.PARETO, title, _axis(x), _axis(y), why=f"No clusters: {found.reason}."
        )
    groups = [
        (device, f"{cluster.number}: like {cluster.typical.name}")
        for cluster in found.clusters
        for device in cluster.devices
    ]
    said = "; ".join(f"{len(one.devices)} like {say_name(one.typical.name)}" for one in found.clusters)
    figures = ", ".join(column.title for column in found.columns)
    return _draw_groups(
        groups, x, y, key="hw-clusters", title=title, caption=f"Of {figures}. {found.k} clusters: {found.reason}.",
        alt=f"{say_count(len(found.clusters), 'cluster')}: {said}.", notes=(),
    )  # fmt: skip


def draw_cluster_choice(found: DeviceClusters) -> Figure:
    """Draw what the number of clusters was chosen by: silhouette, that of one cloud, and stability, for each number."""
    title = "How many clusters"
    ks = tuple(float(one.k) for one in found.tries)
    layers = (
        Layer("silhouette", Shape.LINE_POINTS, x=ks, y=tuple(one.silhouette for one in found.tries),
              labels=tuple(f"{one.k} clusters: p = {format_plain(one.p, 2)}" for one in found.tries)),
        Layer("silhouette of one cloud, 95th per cent", Shape.LINE, x=ks,
              y=tuple(one.cloud_silhouette for one in found.tries), role=Role.LIMIT),
        Layer("stability (adjusted Rand)", Shape.LINE_POINTS, x=ks, y=tuple(one.stability for one in found.tries)),
    )  # fmt: skip
    rows = "; ".join(
        f"{one.k}: silhouette {format_plain(one.silhouette, 2)}, stability {format_plain(one.stability, 2)}"
        for one in found.tries
    )
    return Figure(
        "hw-cluster-choice", FigureKind.CURVES, title, Axis("clusters"), Axis("silhouette, stability", "1"),
        layers=layers, caption=f"Chosen: {'none' if found.k is None else found.k} ({found.reason}).",
        alt=f"{title}: {rows}.",
    )  # fmt: skip


def draw_device_front(front: DeviceFront, *, key: str | None = None) -> Figure:
    """Draw a front of two figures. Raises ValueError for another number of figures: those are a table."""
    if len(front.columns) != 2:  # noqa: PLR2004  (a picture has two axes)
        raise ValueError(f"got a front of {len(front.columns)} figures; a picture takes 2")
    measures = [
        Measure(column.title, unit, column.direction) for column, unit in zip(front.columns, front.units, strict=True)
    ]
    counted = Counter(one.device.vendor for one in front.devices).most_common(_MOST_MAKERS)
    makers = {vendor for vendor, count in counted if count > 1}
    candidates = [
        Candidate(
            one.device.name,
            Cell(one.values[0]),
            Cell(one.values[1], reason=f"on the front in {100 * one.kept:.0f} % of draws", ref=_ref(one.device)),
            one.device.vendor if one.device.vendor in makers else "others",
        )
        for one in front.devices
    ]
    names = " and ".join(column.key for column in front.columns)
    return draw_pareto(candidates=candidates, x=measures[0], y=measures[1], key=key or f"hw-front-{names}")


def _draw_groups(
    groups: Sequence[tuple[DeviceFacts, str]],
    x: str,
    y: str,
    *,
    key: str,
    title: str,
    caption: str,
    alt: str,
    notes: tuple[str, ...],
) -> Figure:
    dots = []
    lacking = 0
    for device, group in groups:
        at, value = figure_of(device, x), figure_of(device, y)
        if at is None or value is None:
            lacking += 1
            continue
        dots.append(Dot(at, Cell(value, ref=_ref(device)), device.name, group))
    if lacking:
        notes = (*notes, f"{say_count(lacking, 'device')} not drawn: {x} or {y} is not known.")
    if not dots:
        why = f"No device has {x} and {y}."
        return empty_figure(key, FigureKind.PARETO, title, _axis(x), _axis(y), why=why, notes=notes)
    return Figure(
        key, FigureKind.PARETO, title, _axis(x), _axis(y), layers=layers_of(dots, Shape.POINTS), caption=caption,
        alt=join_sentences(f"{title}.", alt), notes=notes,
    )  # fmt: skip


def _axis(key: str) -> Axis:
    column = find_column(key)
    direction = None if column.direction is Direction.NEITHER else column.direction
    return Axis(column.title, column.unit, Scale.LOG, direction)


def _ref(device: DeviceFacts) -> Ref:
    return Ref(RefKind.DEVICE, device.hw_id)
