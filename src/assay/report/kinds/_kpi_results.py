"""What was measured and imported, over the whole store: correlations, shares of the peak, work for a joule, spreads.

The data is ``analysis.kpi`` and ``analysis.efficiency``. May import: core, catalog, store, analysis, report.
"""

from __future__ import annotations

from collections.abc import Sequence

from assay.analysis.efficiency import PeakShare, WorkPerJoule, shares_of_peak, work_per_joule
from assay.analysis.kpi import Correlated, KpiFrame, Spread, correlate, spread_by
from assay.analysis.side_by_side import label_devices
from assay.core.words import Direction, Provenance
from assay.report.cells import work_unit, workload_cell
from assay.report.display import format_plain
from assay.report.figures.bars import Bar, draw_bars
from assay.report.how_to_read import how_to_read
from assay.report.kinds._correlations import correlations_table, draw_correlations
from assay.report.kinds._over_many import (
    HOW_GROUPS_READ,
    cut,
    drop_idle_columns,
    hardware_cell,
    provenance_column,
    say_rows_cut,
)
from assay.report.values import (
    Axis,
    Cell,
    Column,
    Figure,
    FigureKind,
    Layer,
    Marker,
    Role,
    Scale,
    Section,
    Shape,
    Table,
    Text,
)
from assay.report.wording import say_count

_MOST_ROWS = 200
_MOST_BARS = 30
_NO_PRICES = "Work for a dollar is in `assay report hardware`, which takes stored prices and those that you give."
_STRONG = 0.5
HOW_RESULTS_READ = (
    *how_to_read("throughput", "energy"),
    *HOW_GROUPS_READ,
    (
        "correlation",
        (
            "Pearson's r of logarithms, after the mean of everything that measured the same was taken off each: what "
            "is left is how devices, or settings, differ within. Across workloads nothing is correlated, since their "
            "units differ. A number of a data sheet is one number a device, so its interval counts devices and not "
            "rows. No correlation says what causes what."
        ),
    ),
    (
        "share of the peak",
        (
            "2 x multiply-accumulates of a sample x samples a second, over the catalogue's dense rate of the "
            "arithmetic. Mixed precision is held against its narrow type."
        ),
    ),
    (
        "relative",
        (
            "Times the geometric mean of the devices that did the same work: above 1 is more than they on average. It "
            "depends on which devices those were."
        ),
    ),
)


def results_sections(frame: KpiFrame, *, by: str, metric: str, limit: int) -> tuple[tuple[Section, ...], Text]:
    """Build the sections over a frame that has rows, and what they say in short."""
    found = correlate(frame)
    spreads = spread_by(frame, metric, by=by)
    shares, per_joule = shares_of_peak(frame), work_per_joule(frame)
    sections = (
        Section(
            "correlation", "Which numbers go together",
            (draw_correlations(frame, found), correlations_table(frame, found, limit)),
        ),
        Section("peak", "Share of the peak", (_peak_figure(shares), drop_idle_columns(_peak_table(shares, limit)))),
        Section(
            "energy", "Work for a joule",
            (drop_idle_columns(_joule_table(per_joule, limit)), Text((_NO_PRICES,))),
        ),
        Section(
            "spread", f"Spread by {by}", (_spread_figure(spreads, by), drop_idle_columns(_spread_table(spreads, by)))
        ),
        Section("devices", "What there is", (drop_idle_columns(_devices_table(frame, limit)),)),
    )  # fmt: skip
    return sections, _summary(frame, found, shares)


# -- efficiency ------------------------------------------------------------------------------------------------


def _peak_figure(shares: Sequence[PeakShare]) -> Figure:
    bars = [Bar(f"{one.device.label}, {one.precision}", _share_cell(one)) for one in shares]
    return draw_bars(
        bars=bars, title="Share of the peak that was reached", metric="median share of the peak", unit="share",
        direction=Direction.HIGHER, of="device and precision", key="peak", limit=_MOST_BARS,
    )  # fmt: skip


def _share_cell(one: PeakShare) -> Cell:
    reason = f"median of {one.n} kinds of work against {one.arithmetic} of the data sheet"
    return Cell(one.median, one.provenance, n=one.n, unit="share", reason=reason)


def _peak_table(shares: Sequence[PeakShare], limit: int) -> Table:
    kept, left = cut(shares, min(limit, _MOST_ROWS))
    columns = (
        Column("device", "device"),
        provenance_column(),
        Column("precision", "precision"),
        Column("peak", "peak", unit="FLOP/s", description="Dense, by the catalogue"),
        Column("n", "kinds of work", description="Whose operations the source counted"),
        Column("p25", "lower quartile", unit="share"),
        Column("median", "median share", unit="share", direction=Direction.HIGHER),
        Column("p75", "upper quartile", unit="share"),
        Column("highest", "highest", unit="share"),
    )
    rows = [
        (
            hardware_cell(one.device.label, one.device.hw_id),
            Cell(one.provenance.value),
            Cell(one.precision),
            Cell(one.peak_per_s, reason=f"dense rate of {one.arithmetic}"),
            Cell(one.n),
            Cell(one.p25, one.provenance),
            _share_cell(one),
            Cell(one.p75, one.provenance),
            Cell(one.highest, one.provenance,
                 reason="above 100 %: the device clocked above its data sheet, or operations were counted too high"
                 if one.highest > 1 else None),
        )
        for one in kept
    ]  # fmt: skip
    return Table(
        "shares-of-peak", "Share of the peak", columns, tuple(rows), notes=say_rows_cut(left, len(shares), "rows"),
        rows_left_out=left,
        when_empty=(
                "No result has counted operations, a throughput in samples and a device whose peak the catalogue "
                "has."
            ),
    )  # fmt: skip


def _joule_table(found: Sequence[WorkPerJoule], limit: int) -> Table:
    kept, left = cut(found, min(limit, _MOST_ROWS))
    columns = (
        Column("workload", "workload"),
        Column("device", "device"),
        provenance_column(),
        Column(
            "per_joule",
            "work for a joule",
            direction=Direction.HIGHER,
            description="Units of work; the unit is in the cell",
        ),
        Column("power", "power", unit="W"),
        Column("throughput", "throughput", unit="1/s"),
        Column("results", "results"),
        Column("conditions", "conditions"),
    )
    rows = []
    for one in kept:
        unit = one.subject.unit_of_work or "unit"
        rows.append((
            workload_cell(one.subject.workload),
            hardware_cell(label_devices(one.device.label, one.subject.accelerators), one.device.hw_id),
            Cell(one.provenance.value),
            Cell(one.per_joule, one.provenance, unit=f"{unit}/J", n=one.results, reason=f"derived: {one.how}"),
            Cell(one.power_w, one.provenance if one.power_w else None, reason=None if one.power_w else (
                    "energy was given"
                )),
            Cell(one.throughput_per_s, one.provenance if one.throughput_per_s else None, unit=work_unit(unit),
                 reason=None if one.throughput_per_s else "not known"),
            Cell(one.results),
            Cell(one.subject.label, reason=one.subject.gap),
        ))  # fmt: skip
    return Table(
        "per-joule", "Work for a joule", columns, tuple(rows),
        caption=(
                "By power or energy that somebody measured; a data sheet's TDP stands for none. Rows of "
                "different units are not comparable."
            ),
        notes=say_rows_cut(left, len(found), "rows"), rows_left_out=left,
        when_empty=(
                "No usable result has measured power or energy. `assay run --energy` measures it where a counter "
                "exists."
            ),
    )  # fmt: skip


# -- spread ----------------------------------------------------------------------------------------------------


def _spread_figure(spreads: Sequence[Spread], by: str) -> Figure:
    title = f"Relative to the others, by {by}"
    axis = Axis(by, scale=Scale.CATEGORY, categories=tuple(one.name for one in spreads))
    y = Axis("times the mean of the same work", "1", Scale.LOG, Direction.HIGHER)
    if not spreads:
        why = f"No kind of work was measured on several devices whose {by} the catalogue knows."
        return Figure("spread", FigureKind.DISTRIBUTION, title, axis, y, alt=why, empty=why)
    layers = []
    for word in Provenance:
        own = [(place, one) for place, one in enumerate(spreads) if one.provenance is word]
        if own:
            layers.append(
                Layer(
                    word.value, Shape.BOXES, x=tuple(float(place) for place, _ in own),
                    y=tuple(one.median for _, one in own), lo=tuple(one.p25 for _, one in own),
                    hi=tuple(one.p75 for _, one in own), whiskers=tuple((one.p5, one.p95) for _, one in own),
                    n=tuple(one.n for _, one in own), provenance=word,
                    labels=tuple(f"{one.name}: {say_count(one.devices, 'device')}" for _, one in own),
                )
            )  # fmt: skip
    return Figure(
        "spread", FigureKind.DISTRIBUTION, title, axis, y, layers=tuple(layers),
        markers=(Marker("y", 1.0, "mean of the same work", Role.GUIDE),),
        caption="Boxes are quartiles, lines the 5th and 95th per cent, over kinds of work and devices.",
        alt=(
                f"{title}: "
            ) + "; ".join(f"{one.name} median {format_plain(one.median, 3)} (n = {one.n})" for one in spreads[:6]),
    )  # fmt: skip


def _spread_table(spreads: Sequence[Spread], by: str) -> Table:
    columns = (
        Column("name", by),
        provenance_column(),
        Column("n", "numbers", description="Of one kind of work on one device"),
        Column("devices", "devices"),
        Column("p5", "5th per cent", unit="1"),
        Column("p25", "lower quartile", unit="1"),
        Column("median", "median", unit="1", direction=Direction.HIGHER),
        Column("p75", "upper quartile", unit="1"),
        Column("p95", "95th per cent", unit="1"),
    )
    rows = [
        (
            Cell(one.name),
            Cell(one.provenance.value),
            Cell(one.n),
            Cell(one.devices),
            *(Cell(value, one.provenance, n=one.n) for value in (one.p5, one.p25, one.median, one.p75, one.p95)),
        )
        for one in spreads
    ]
    return Table(
        "spread-table", f"Spread by {by}", columns, tuple(rows),
        caption="Times the geometric mean of the devices that did the same work.",
        when_empty=f"No kind of work was measured on several devices whose {by} the catalogue knows.",
    )  # fmt: skip


def _devices_table(frame: KpiFrame, limit: int) -> Table:
    counts: dict[tuple[int, str], list[int]] = {}
    results = frame.rows["results"].to_pylist()
    provenance = frame.texts("provenance")
    for place, word, count in zip(frame.device.tolist(), provenance, results, strict=True):
        found = counts.setdefault((place, word), [0, 0])
        found[0] += 1
        found[1] += count
    ordered = sorted(counts.items(), key=lambda pair: (-pair[1][1], frame.devices[pair[0][0]].label))
    kept, left = cut(ordered, min(limit, _MOST_ROWS))
    columns = (
        Column("device", "device"),
        Column("vendor", "vendor", description="By the catalogue"),
        Column("architecture", "architecture", description="By the catalogue"),
        provenance_column(),
        Column("results", "results"),
        Column("subjects", "kinds of work"),
    )
    rows = []
    for (place, word), (subjects, count) in kept:
        device = frame.devices[place]
        entry, why = device.hardware, device.reason or "a part of a device"
        rows.append((
            hardware_cell(device.label, device.hw_id, device.reason),
            Cell(None if entry is None else entry.vendor, reason=None if entry else why),
            Cell(None if entry is None else entry.architecture, reason=None if entry else why),
            Cell(word),
            Cell(count),
            Cell(subjects),
        ))  # fmt: skip
    return Table(
        "devices",
        "Devices",
        columns,
        tuple(rows),
        notes=say_rows_cut(left, len(ordered), "devices"),
        rows_left_out=left,
    )


def _summary(frame: KpiFrame, found: Sequence[Sequence[Correlated]], shares: Sequence[PeakShare]) -> Text:
    known = sum(one.hardware is not None for one in frame.devices)
    said = [
        (
            f"{say_count(len(frame), 'number')} of one kind of work on one device, of "
            f"{say_count(len(frame.devices), 'device')}, {known} of them in the catalogue."
        )
    ]
    specs = [place for place, column in enumerate(frame.columns) if column.is_spec]
    rate = next((place for place, column in enumerate(frame.columns) if column.key == "throughput_per_s"), None)
    if rate is not None:
        strong = sorted(
            ((found[rate][place].r, place) for place in specs if found[rate][place].r is not None),
            key=lambda one: -abs(one[0] or 0.0),
        )[:2]
        named = [
            (
                f"{frame.columns[place].title} ({format_plain(r or 0.0, 2)}, "
                f"{say_count(found[rate][place].devices, 'device')})"
            )
            for r, place in strong
            if abs(r or 0.0) >= _STRONG
        ]
        if named:
            said.append(f"Of the data sheet, throughput goes most with {' and '.join(named)}.")
    if shares:
        best = shares[0]
        said.append(
            f"{best.device.label} reaches {format_plain(100 * best.median, 3)} % of its {best.arithmetic} peak at "
            f"{best.precision} in the median of {best.n} kinds of work."
        )
    return Text(tuple(said))
