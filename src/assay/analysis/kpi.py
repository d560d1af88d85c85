"""Numbers beside each other over everything the store has: which go together, and how devices of one kind spread.

Throughputs of different workloads are no numbers of one kind, so nothing is correlated across them: every number is
taken as its logarithm relative to the mean of those that measured the same (``side_by_side.Subject``), and what is left
is how devices, or settings, differ within. Figures of data sheets come from the catalogue. May import: core, catalog,
store, analysis; numpy inside functions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assay.analysis.device_names import DeviceName, read_stored_names
from assay.analysis.side_by_side import Subject
from assay.analysis.usable_numbers import NumberWanted, keyed_sql, relevant_sql, usable_sql
from assay.core.words import Provenance
from assay.store.query import fetch_arrow
from assay.store.view_sql import quote

if TYPE_CHECKING:
    from assay.catalog.hardware.entry import Hardware
    from assay.store import Store
    from assay.store.selection import Selection

METRICS = (
    "latency_ns", "throughput_per_s", "throughput_per_accelerator_per_s", "output_tokens_per_s",
    "inter_token_latency_ns", "time_to_train_ns", "memory_peak_bytes", "energy_j_per_sample", "average_power_w", "macs",
)  # fmt: skip
"""Metrics that are looked at, where a store has them."""
_FEWEST_FREEDOM = 3
_FEWEST_DEVICES = 4
"""A figure of a data sheet is one number a device: with fewer devices any two such figures go together."""
_FEWEST_IN_A_BOX = 5
_LOST_BY_FISHER = 3
"""atanh(r) is normal with standard error 1 / sqrt(n - 3) (Fisher 1921, Metron 1)."""


@dataclass(frozen=True, slots=True)
class KpiColumn:
    """One numeric column: a ``metric`` of results, or a ``spec`` of the catalogue."""

    key: str
    title: str
    is_spec: bool
    unit: str | None


SPECS = (
    KpiColumn("peak_fp32", "peak fp32", is_spec=True, unit="FLOP/s"),
    KpiColumn("peak_fp16", "peak fp16", is_spec=True, unit="FLOP/s"),
    KpiColumn("memory_bandwidth", "memory bandwidth", is_spec=True, unit="B/s"),
    KpiColumn("memory", "memory size", is_spec=True, unit="B"),
    KpiColumn("tdp", "TDP", is_spec=True, unit="W"),
    KpiColumn("units", "compute units", is_spec=True, unit=None),
    KpiColumn("boost", "highest clock", is_spec=True, unit="MHz"),
    KpiColumn("l2", "L2 cache", is_spec=True, unit="B"),
)
"""Figures of the data sheet, of one device."""


@dataclass(frozen=True, slots=True)
class KpiFrame:
    """The numbers: one row for each subject, device and provenance, medians over its results.

    ``values`` has a column (float array, NaN where not known) for each of ``columns``; ``subject`` and ``device`` are
    whole numbers, the latter a place in ``devices``. ``rows`` is the Arrow table behind them, with the fields of a
    subject.
    """

    columns: tuple[KpiColumn, ...]
    values: Mapping[str, Any]
    subject: Any
    device: Any
    devices: tuple[DeviceName, ...]
    rows: Any

    def __len__(self) -> int:
        return len(self.subject)

    def texts(self, name: str) -> Any:
        """A column of words as an array of objects, None where not known."""
        return self.rows[name].to_numpy()

    def subject_of(self, row: int) -> Subject:
        """What one row is of."""
        return Subject(**{name: self.rows[name][row].as_py() for name in Subject.__dataclass_fields__})


@dataclass(frozen=True, slots=True)
class Correlated:
    """How two columns go together: Pearson's r of logarithms within subjects, with a 95 % interval by Fisher's z.

    ``n`` rows of ``subjects`` subjects on ``devices`` devices. Where one of the two is of a data sheet the interval
    counts devices and not rows. ``r`` None has a ``reason``.
    """

    r: float | None = None
    lo: float | None = None
    hi: float | None = None
    n: int = 0
    subjects: int = 0
    devices: int = 0
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Spread:
    """How results of one kind of device spread around the mean of what they were measured with.

    ``median`` 1.2 is 20 % above the geometric mean of the devices that did the same work. Percentiles 5, 25, 75, 95.
    """

    name: str
    provenance: Provenance
    n: int
    devices: int
    p5: float
    p25: float
    median: float
    p75: float
    p95: float


def read_frame(store: Store, selection: Selection) -> KpiFrame:
    """Read the numbers of a selection. Raises StoreError, UsageError."""
    import numpy as np

    condition, parameters = usable_sql(selection)
    names = read_stored_names(store, f"{condition} AND hardware IS NOT NULL", parameters)
    wanted = [NumberWanted.of(metric) for metric in METRICS]
    medians = ", ".join(f"median(m{place}) AS m{place}" for place in range(len(wanted)))
    counts = ", ".join(f"count(m{place})" for place in range(len(wanted)))
    keys = (
        "workload, mode, unit_of_work, accelerators, is_ruled, precision, batch, shape, engine, conditions, within, "
        "provenance"
    )
    source = _source_sql(wanted, f"{condition} AND hardware IS NOT NULL")
    table = fetch_arrow(
        store.location,
        f"""
        WITH picked AS MATERIALIZED ({source}),
        named AS (
          SELECT unnest(?::VARCHAR[]) AS hardware, unnest(?::VARCHAR[]) AS device, unnest(?::INTEGER[]) AS name
        ), grouped AS (
          SELECT name, {keys}, greatest({counts}) AS results, {medians}
          FROM ({keyed_sql("SELECT * FROM picked")}) AS keyed
          JOIN named ON keyed.hardware = named.hardware AND keyed.device IS NOT DISTINCT FROM named.device
          GROUP BY ALL
        )
        SELECT *, dense_rank() OVER (ORDER BY {keys}) - 1 AS subject FROM grouped ORDER BY subject, name
        """,  # noqa: S608  (words of ours; what is asked is bound or quoted)
        [
            *(parameters * 2),
            *names.columns,
        ],
        versions=store.versions,
    )
    if not table.num_rows:
        return KpiFrame((), {}, np.zeros(0, int), np.zeros(0, int), (), None)
    device = table["name"].to_numpy().astype(np.int64)
    values: dict[str, Any] = {}
    for place, metric in enumerate(METRICS):
        column = table[f"m{place}"].to_numpy().astype(np.float64)
        known = np.where(column > 0, column, np.nan)
        if not np.isnan(known).all():
            values[metric] = known
    values |= _spec_values(names.devices, device)
    columns = (
        *(_metric_column(metric) for metric in METRICS if metric in values),
        *(one for one in SPECS if one.key in values),
    )
    return KpiFrame(columns, values, table["subject"].to_numpy().astype(np.int64), device, names.devices, table)


def correlate(frame: KpiFrame) -> tuple[tuple[Correlated, ...], ...]:
    """Correlate every two columns of a frame; the diagonal is 1."""
    count = len(frame.columns)
    cells: list[list[Correlated]] = [[Correlated() for _ in range(count)] for _ in range(count)]
    for row in range(count):
        for other in range(row, count):
            cells[row][other] = cells[other][row] = _correlate_two(frame, frame.columns[row], frame.columns[other])
    return tuple(map(tuple, cells))


def spread_by(frame: KpiFrame, metric: str, *, by: str) -> tuple[Spread, ...]:
    """Return how a metric spreads by ``vendor``, ``architecture`` or ``category`` of the devices; highest median first.

    Only subjects that several devices were measured on count, and only devices with a catalogue entry.
    """
    import numpy as np

    if metric not in frame.values:
        return ()
    kinds = [None if one.hardware is None else str(getattr(one.hardware, by)) for one in frame.devices]
    known = np.array([kind is not None for kind in kinds], dtype=bool)
    keep = ~np.isnan(frame.values[metric]) & known[frame.device]
    if not keep.any():
        return ()
    subject, device = frame.subject[keep], frame.device[keep]
    centred, several = _centre(np.log(frame.values[metric][keep]), subject, device)
    provenance = frame.texts("provenance")[keep]
    found = []
    for kind in sorted({kind for kind in kinds if kind is not None}):
        of_kind = several & np.array([one == kind for one in kinds], dtype=bool)[device]
        for word in Provenance:
            mine = of_kind & (provenance == word.value)
            if mine.sum() >= _FEWEST_IN_A_BOX:
                points = np.exp(np.percentile(centred[mine], [5, 25, 50, 75, 95]))
                devices = int(np.unique(device[mine]).size)
                found.append(Spread(kind, word, int(mine.sum()), devices, *(float(one) for one in points)))
    return tuple(sorted(found, key=lambda one: (-one.median, one.name)))


def _correlate_two(frame: KpiFrame, one: KpiColumn, other: KpiColumn) -> Correlated:
    import numpy as np

    x, y = frame.values[one.key], frame.values[other.key]
    keep = ~(np.isnan(x) | np.isnan(y))
    subject, device = frame.subject[keep], frame.device[keep]
    if one.is_spec and other.is_spec:
        # Two data sheets: one row a device, nothing measured in it.
        _, first = np.unique(device, return_index=True)
        a, b = np.log(x[keep][first]), np.log(y[keep][first])
        centred_a, centred_b = a - a.mean() if a.size else a, b - b.mean() if b.size else b
        n = subjects = devices = int(a.size)
        freedom, subjects = n - 2, 0
    else:
        centred_a, several = _centre(np.log(x[keep]), subject, None)
        centred_b, _ = _centre(np.log(y[keep]), subject, None)
        centred_a, centred_b = centred_a[several], centred_b[several]
        n, subjects = int(several.sum()), len(set(subject[several].tolist()))
        devices = len(set(device[several].tolist()))
        freedom = n - subjects - 1
    if freedom < _FEWEST_FREEDOM:
        return Correlated(n=n, subjects=subjects, devices=devices, reason="too few rows have both numbers")
    if (one.is_spec or other.is_spec) and devices < _FEWEST_DEVICES:
        return Correlated(
            n=n, subjects=subjects, devices=devices,
            reason=f"only {devices} devices have both numbers: any two figures of so few go together",
        )  # fmt: skip
    below = math.sqrt(float((centred_a**2).sum()) * float((centred_b**2).sum()))
    if below <= 0:
        return Correlated(n=n, subjects=subjects, devices=devices, reason="one of the two never differs")
    r = max(-1.0, min(1.0, float((centred_a * centred_b).sum()) / below))
    counted = freedom + 2 if not (one.is_spec or other.is_spec) else min(freedom + 2, devices)
    lo, hi = _bound(r, counted)
    return Correlated(r, lo, hi, n, subjects, devices)


def _bound(r: float, n: int) -> tuple[float | None, float | None]:
    """Return the 95 % interval of a correlation of n pairs by Fisher's z."""
    if n <= _LOST_BY_FISHER or abs(r) >= 1:
        return None, None
    half = 1.959963984540054 / math.sqrt(n - _LOST_BY_FISHER)
    return math.tanh(math.atanh(r) - half), math.tanh(math.atanh(r) + half)


def _centre(values: Any, subject: Any, device: Any) -> tuple[Any, Any]:
    """Subtract each subject's mean; say which rows are of subjects with several rows (or devices, where given)."""
    import numpy as np

    if values.size == 0:
        return values, np.zeros(0, dtype=bool)
    _, place = np.unique(subject, return_inverse=True)
    counts = np.bincount(place)
    means = np.bincount(place, weights=values) / counts
    if device is not None:
        pairs = np.unique(np.stack([place, device]), axis=1)
        counts = np.bincount(pairs[0], minlength=len(counts))
    return values - means[place], counts[place] > 1


def _source_sql(wanted: Sequence[NumberWanted], condition: str) -> str:
    """Return SQL for a column a metric, m0, m1 ...; a result may have a row for its columns and one for its list.

    ``condition`` stands in it twice. No number is in two rows.
    """
    columns = (
        "run_id, workload, mode, unit_of_work, precision, batch, shape, engine, options, provenance, hardware, device"
    )
    heads = [one.column for one in wanted if one.column is not None]
    wide = ", ".join(f"{one.column or 'NULL::DOUBLE'} AS m{place}" for place, one in enumerate(wanted))
    listed = ", ".join(
        f"{f'CASE WHEN {one.column} IS NULL THEN {number} END' if one.column else number} AS m{place}"
        for place, one in enumerate(wanted)
        for number in (_listed_value(one),)
    )
    return f"""
      SELECT {columns}, {wide} FROM results
      WHERE {condition} AND ({" OR ".join(f"{column} IS NOT NULL" for column in heads)})
      UNION ALL
      SELECT {columns}, {listed} FROM (
        SELECT *, {relevant_sql(wanted)} AS relevant FROM results WHERE {condition}
      ) WHERE len(relevant) > 0
    """  # noqa: S608  (words of ours; what is asked is bound or quoted)


def _listed_value(one: NumberWanted) -> str:
    """The first typical value of a metric in ``relevant``: of those that a result lists it has one, as a rule."""
    stats = ", ".join(quote(stat) for stat in one.stats)
    return (
        f"list_filter(relevant, lambda one: one.name = {quote(one.metric)} "
        f"AND list_contains([{stats}], one.stat))[1].value"
    )


def _metric_column(metric: str) -> KpiColumn:
    from assay.catalog.metrics import metrics as registry

    title = metric.removesuffix("_per_s").removesuffix("_ns").removesuffix("_bytes").removesuffix("_w")
    return KpiColumn(
        metric,
        title.replace("_j_per_sample", " per sample").replace("_", " "),
        is_spec=False,
        unit=registry.get(metric).unit,
    )


def _spec_values(devices: Sequence[DeviceName], device: Any) -> dict[str, Any]:
    """The columns of data sheets, repeated for each row of a device; those that nothing is known of are left out."""
    import numpy as np

    found: dict[str, Any] = {}
    for column in SPECS:
        of_device = np.array([_spec(one.hardware, column.key) for one in devices], dtype=np.float64)
        if not np.isnan(of_device).all():
            found[column.key] = of_device[device]
    return found


def _spec(hardware: Hardware | None, key: str) -> float:
    if hardware is None:
        return math.nan
    value = {
        "peak_fp32": hardware.rates.get("vector_fp32"),
        "peak_fp16": hardware.peak("fp16"),
        "memory_bandwidth": hardware.memory_bandwidth_bytes_per_s,
        "memory": hardware.memory_bytes,
        "tdp": hardware.tdp_w,
        "units": hardware.units,
        "boost": hardware.boost_clock_mhz,
        "l2": hardware.l2_bytes,
    }[key]
    return math.nan if value is None else float(value)
