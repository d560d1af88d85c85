"""Are there kinds of devices? Clusters of data sheets, the number of them chosen by a rule, and the rule's evidence.

Figures are taken as logarithms, each with mean 0 and standard deviation 1; devices with the same figures count once;
Ward's method joins them. A number of clusters counts only if it is more than one cloud cut into pieces, and comes back
when a part of the architectures is left out. Where no number does, that is the answer. May import: core, catalog,
stats, analysis; numpy inside functions.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assay.analysis.hardware_columns import HardwareColumn, find_column
from assay.analysis.hardware_table import HardwareTable
from assay.core.errors import UsageError

if TYPE_CHECKING:
    import numpy as np

    from assay.catalog.hardware.facts import DeviceFacts

CLUSTERED = ("peak32", "peak16", "bandwidth", "memory", "tdp")
"""Figures that clusters are made of where none are named: those that most GPUs and accelerators have."""
TRIED = tuple(range(2, 9))
FEWEST_POINTS = 20
_CLOUDS = 199
_SUBSAMPLES = 60
_KEPT = 0.8
_ALPHA = 0.05
_LEAST_STABILITY = 0.8
_SAME_DIGITS = 3
_FEWEST_OF_ONE = 4
RULE = (
    f"Of 2 to {TRIED[-1]} clusters the number with the highest mean silhouette, among those that (a) lie further apart "
    f"than the same cut of architectures from one normal cloud ({_CLOUDS} clouds, p < {_ALPHA:g} / {len(TRIED)}), "
    f"(b) come back when a fifth of the architectures is left out (mean adjusted Rand index of {_SUBSAMPLES} draws at "
    f"least {_LEAST_STABILITY:g}), and (c) have at least {_FEWEST_OF_ONE} different devices each."
)
"""How the number of clusters is chosen, in words."""


@dataclass(frozen=True, slots=True)
class ClusterTry:
    """One number of clusters: how far apart they lie, whether one cloud would look so, and whether they come back.

    ``cloud_silhouette`` is the 95th percentile of the clouds. ``stability`` is the mean adjusted Rand index.
    ``smallest`` counts the different devices of the smallest cluster.
    """

    k: int
    smallest: int
    silhouette: float
    cloud_silhouette: float
    p: float
    stability: float
    is_fit: bool


@dataclass(frozen=True, slots=True)
class DeviceCluster:
    """Devices that are alike: all of them, the most typical one, geometric means of the figures, what they are."""

    number: int
    devices: tuple[DeviceFacts, ...]
    typical: DeviceFacts
    means: Mapping[str, float]
    categories: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class DeviceClusters:
    """The clusters, and the evidence for their number.

    ``k`` is None where no number fits the rule; ``clusters`` is then empty. ``is_forced``: a person named ``k``.
    ``distinct`` counts devices with different figures, ``left_out`` those without one of them. ``agreement`` is the
    adjusted Rand index of the clusters with what is known of the devices anyway.
    """

    columns: tuple[HardwareColumn, ...]
    tries: tuple[ClusterTry, ...]
    k: int | None
    reason: str
    clusters: tuple[DeviceCluster, ...]
    devices: int
    distinct: int
    left_out: int
    agreement: Mapping[str, float]
    is_forced: bool = False


@dataclass(frozen=True, slots=True)
class _Points:
    """Distinct devices: their scaled points, which device stands for each, and which point each device is."""

    table: HardwareTable
    logs: Any
    scaled: Any
    first: tuple[int, ...]
    point_of: Any


def cluster_devices(
    table: HardwareTable, keys: Sequence[str] = CLUSTERED, *, k: int | None = None, seed: int = 0
) -> DeviceClusters:
    """Cluster the devices that have all of ``keys``. ``k`` forces the number. Deterministic by ``seed``.

    Raises UsageError for fewer than two figures, a figure that never differs, fewer than 20 distinct devices, and a
    ``k`` that is not tried.
    """
    import numpy as np

    from assay.stats.clusters import adjusted_rand, build_tree, cut_tree

    if k is not None and k not in TRIED:
        raise UsageError(f"Got {k} clusters; expected {TRIED[0]} to {TRIED[-1]}.")
    points = _prepare(table, keys)
    tries = _try_all(points, seed)
    chosen, reason = _choose(tries) if k is None else (k, "the number was given")
    clusters: tuple[DeviceCluster, ...] = ()
    agreement: dict[str, float] = {}
    if chosen is not None:
        labels = cut_tree(build_tree(points.scaled), chosen)[points.point_of]
        clusters = _describe(points, labels, keys)
        devices = points.table.devices
        for what, names in (
            ("category", [one.category for one in devices]),
            ("vendor", [one.vendor for one in devices]),
            ("architecture", list(points.table.groups)),
        ):
            agreement[what] = adjusted_rand(labels, np.array(names))
    return DeviceClusters(
        tuple(find_column(key) for key in keys), tries, chosen, reason, clusters, len(points.table),
        len(points.scaled), len(table) - len(points.table), agreement, is_forced=k is not None,
    )  # fmt: skip


def _prepare(table: HardwareTable, keys: Sequence[str]) -> _Points:
    import numpy as np

    from assay.stats.clusters import standardise

    if len(set(keys)) < 2:  # noqa: PLR2004  (along one figure every cut is a threshold)
        raise UsageError(f"Clusters take two figures or more; got {', '.join(keys) or 'none'}.")
    values = np.stack([table.column(key) for key in keys], axis=1)
    known = np.flatnonzero((values > 0).all(axis=1))
    kept = table.rows([int(place) for place in known])
    rounded = [tuple(f"{value:.{_SAME_DIGITS - 1}e}" for value in row) for row in values[known]]
    places: dict[tuple[str, ...], int] = {}
    point_of = np.array([places.setdefault(row, len(places)) for row in rounded], dtype=np.int64)
    if len(places) < FEWEST_POINTS:
        raise UsageError(
            f"{len(places)} devices with different figures have all of {', '.join(keys)}; expected {FEWEST_POINTS}.",
            hint="Name fewer figures, or choose more devices.",
        )
    first = tuple(int(np.flatnonzero(point_of == place)[0]) for place in range(len(places)))
    logs = np.log(values[known])
    distinct = logs[list(first)]
    for key, spread in zip(keys, np.ptp(distinct, axis=0), strict=True):
        if not spread:
            raise UsageError(f"{key} is the same for all of these devices; it tells nothing apart.")
    return _Points(kept, logs, standardise(distinct), first, point_of)


def _try_all(points: _Points, seed: int) -> tuple[ClusterTry, ...]:
    import numpy as np

    from assay.stats.clusters import (
        adjusted_rand,
        build_tree,
        cut_tree,
        distances,
        draw_one_cloud,
        mean_silhouette,
        standardise,
    )

    random = np.random.default_rng(seed)
    scaled = points.scaled
    tree, apart = build_tree(scaled), distances(scaled)
    whole = {k: cut_tree(tree, k) for k in TRIED}
    designs = np.array(points.table.groups)[list(points.first)]
    clouds = np.empty((_CLOUDS, len(TRIED)))
    for row in range(_CLOUDS):
        cloud = standardise(draw_one_cloud(scaled, designs, random))
        grown, spread = build_tree(cloud), distances(cloud)
        clouds[row] = [mean_silhouette(spread, cut_tree(grown, k)) for k in TRIED]
    names = np.unique(designs)
    agreements = np.empty((_SUBSAMPLES, len(TRIED)))
    for row in range(_SUBSAMPLES):
        drawn = random.choice(names, size=max(2, round(_KEPT * names.size)), replace=False)
        kept = np.flatnonzero(np.isin(designs, drawn))
        if kept.size <= TRIED[-1]:
            agreements[row] = np.nan
            continue
        part = build_tree(scaled[kept])
        agreements[row] = [adjusted_rand(whole[k][kept], cut_tree(part, k)) for k in TRIED]
    tries = []
    for place, k in enumerate(TRIED):
        silhouette = mean_silhouette(apart, whole[k])
        # The cloud's own draw counts too: p is never 0 (Davison and Hinkley 1997, section 4.2).
        p = (1 + int((clouds[:, place] >= silhouette).sum())) / (_CLOUDS + 1)
        stability = float(np.nanmean(agreements[:, place])) if np.isfinite(agreements[:, place]).any() else math.nan
        smallest = int(np.bincount(whole[k]).min())
        is_fit = p < _ALPHA / len(TRIED) and stability >= _LEAST_STABILITY and smallest >= _FEWEST_OF_ONE
        edge = float(np.quantile(clouds[:, place], 0.95))
        tries.append(ClusterTry(k, smallest, silhouette, edge, p, stability, is_fit))
    return tuple(tries)


def _choose(tries: Sequence[ClusterTry]) -> tuple[int | None, str]:
    fit = [one for one in tries if one.is_fit]
    if fit:
        best = max(fit, key=lambda one: one.silhouette)
        return best.k, f"the highest silhouette, {best.silhouette:.2f}, of those that fit the rule"
    apart = [one for one in tries if one.p < _ALPHA / len(TRIED)]
    if not apart:
        return None, "no number of clusters lies further apart than pieces of one cloud: sizes run into each other"
    if all(one.smallest < _FEWEST_OF_ONE for one in apart if one.stability >= _LEAST_STABILITY) and any(
        one.stability >= _LEAST_STABILITY for one in apart
    ):
        return None, f"those that lie apart have clusters of fewer than {_FEWEST_OF_ONE} devices"
    steadiest = max(apart, key=lambda one: one.stability)
    return None, (
        f"no number of clusters comes back when architectures are left out: {steadiest.k} agree best, at "
        f"{steadiest.stability:.2f}, expected {_LEAST_STABILITY:g}"
    )


def _describe(points: _Points, labels: np.ndarray[Any, Any], keys: Sequence[str]) -> tuple[DeviceCluster, ...]:
    """The clusters, the one with the highest figures first."""
    import numpy as np

    table = points.table
    spread = points.logs.std(axis=0)
    found = []
    for label in range(int(labels.max()) + 1):
        mine = np.flatnonzero(labels == label)
        centre = points.logs[mine].mean(axis=0)
        nearest = mine[int((((points.logs[mine] - centre) / spread) ** 2).sum(axis=1).argmin())]
        devices = tuple(table.devices[int(place)] for place in mine)
        counts = Counter(one.category for one in devices)
        means = {key: math.exp(float(mean)) for key, mean in zip(keys, centre, strict=True)}
        height = float((centre / spread).sum())
        found.append((height, DeviceCluster(0, devices, table.devices[int(nearest)], means,
                                            tuple(counts.most_common()))))  # fmt: skip
    ordered = [cluster for _, cluster in sorted(found, key=lambda one: -one[0])]
    return tuple(
        DeviceCluster(number, one.devices, one.typical, one.means, one.categories)
        for number, one in enumerate(ordered, 1)
    )
