"""Figures of one run: its latencies, how the samples of its launches are spread, power, and the roofs above its cases.

May import: core, store, runner, report.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from assay.core.records import TelemetrySeries
from assay.report.cells import choose_metric, direction_of, metric_cell, metric_title
from assay.report.figures.bars import Bar, draw_bars
from assay.report.figures.distribution import draw_distributions
from assay.report.figures.energy import COUNTER, POWER, draw_energy
from assay.report.figures.roofline import draw_roofline
from assay.report.launch_sections import most_telling, with_samples
from assay.report.run_content import RunContent
from assay.report.values import Block, Figure, Section, Text
from assay.report.wording import plural, short_name
from assay.store.query import fetch_rows
from assay.store.rows import telemetry_from_row
from assay.store.schema import TELEMETRY

if TYPE_CHECKING:
    from assay.recommend.explain import ExplainedResult
    from assay.store import Store

_MOST_FIGURES = 6
"""Cases whose launches are drawn: a page of boxes is not looked at."""
_MOST_OF_SINGLE = 2
"""Where every case has one launch there is nothing to tell launches apart by."""
_MOST_BARS = 24
_WIDEST_RANGE = 50.0
_MOST_POWER = 2
_LATENCY = "latency_ns"


def distribution_section(store: Store, content: RunContent) -> Section | None:
    """Boxes of the samples of each launch, for the cases that a person should look at; None without launches."""
    able = [one for one in content.good if content.launches_of(one)]
    several = [one for one in able if one.launches_ok > 1]
    most = _MOST_FIGURES if several else _MOST_OF_SINGLE
    able = several or able
    if not able:
        return None
    blocks: list[Block] = []
    if len(able) > most:
        text = f"{most} of {plural(len(able), 'case')} are drawn: disturbed ones first, then the widest intervals."
        blocks.append(Text((text,)))
    blocks += [
        replace(
            draw_distributions(launches=with_samples(store, content, result), result=result, key=f"launches-{place}"),
            title=short_name(result.case.label),  # the heading; what is said of the figure keeps the drawer's
        )
        for place, result in enumerate(most_telling(able, most), start=1)
    ]
    return Section("distributions", "Launch by launch", tuple(blocks))


def latency_figure(content: RunContent) -> Figure | None:
    """The latency of every case as a bar with its interval; None where one picture of all would show nothing.

    That is for one case, for more than can be read, and where the slowest is so slow that the others vanish.
    """
    usable = [one for one in content.good if one.is_usable and (found := choose_metric(one, _LATENCY)) and found.value]
    values = [found.value for one in usable if (found := choose_metric(one, _LATENCY)) is not None and found.value]
    if not 1 < len(values) <= _MOST_BARS or max(values) / min(values) > _WIDEST_RANGE:
        return None
    engines = {one.case.engine for one in usable}
    bars = [
        Bar(short_name(one.case.label), metric_cell(one, _LATENCY), one.case.engine if len(engines) > 1 else None)
        for one in usable
    ]
    return draw_bars(
        bars=bars,
        title="Latency of every case",
        metric=metric_title(_LATENCY),
        unit="ns",
        direction=direction_of(_LATENCY),
        of="case",
        key="latencies",
    )


def power_figures(store: Store, content: RunContent) -> tuple[Figure, ...]:
    """Power over the first launch of the first cases of which a sensor of power or energy gave a reading."""
    rows = fetch_rows(
        store.location,
        "SELECT * FROM telemetry WHERE run_id = ? AND sensor IN (?, ?) ORDER BY launch_id, ordinal",
        [content.run.run_id, POWER, COUNTER],
        tables=[TELEMETRY],
        versions=store.versions,
    )
    read: dict[str, list[TelemetrySeries]] = {}
    for row in rows:
        read.setdefault(row["launch_id"], []).append(telemetry_from_row(row))
    found: list[Figure] = []
    for result in content.good:
        launch = next((one for one in content.launches_of(result) if one.launch_id in read), None)
        if launch is not None and len(found) < _MOST_POWER:
            drawn = draw_energy(series=read[launch.launch_id], metrics=result.metrics, key=f"power-{len(found) + 1}")
            found.append(replace(drawn, title=f"Power over a launch of {short_name(result.case.label)}"))
    return tuple(one for one in found if one.empty is None)


def roofline_figure(store: Store, content: RunContent, explained: Sequence[ExplainedResult]) -> Figure | None:
    """The cases of a run on one device under the roofs that its newest probe measured; None where none was explained.

    A run on several devices has the roofs that each explanation used.
    """
    from assay.runner.probe_device import latest_probe

    placed = [one for one in explained if one.explanation is not None]
    if not placed:
        return None
    devices = {(one.result.case.device or "", one.result.hardware or "") for one in placed}
    if len(devices) != 1:
        return draw_roofline(explained=explained)
    device, hardware = devices.pop()
    probe = latest_probe(store, content.environment, device)
    return draw_roofline(explained=explained, rates=None if probe is None else probe.rates, device=hardware)
