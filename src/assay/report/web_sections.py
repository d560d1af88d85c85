"""Sections on measured results of browsers: phases of a launch, audio, placement, memory, answers, software adapters.

May import: core, store, analysis, report.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from assay.analysis.web_pairs import WebPair
from assay.analysis.web_sides import Side
from assay.core.words import Direction, Provenance
from assay.report.figures.stack import Stack, draw_stacks
from assay.report.values import Cell, Column, Section, Table, Text
from assay.report.web_data import (
    OUTSIDE,
    PHASES,
    Works,
    cost_cell,
    label_sides,
    record_cell,
    ref_of,
    said,
    side_cell,
    threads_cell,
    tidy,
    total_cell,
)
from assay.report.wording import plural

if TYPE_CHECKING:
    from assay.core.records import ResultRecord

_NS, _BYTES, _SHARE = "ns", "B", "share"
_LOWER, _HIGHER = Direction.LOWER, Direction.HIGHER
_CLOCK = "clock_resolution_ns"
_FACTS = {
    "onnxruntime_web": "onnxruntime-web",
    "simd": "SIMD",
    "cross_origin_isolated": "isolated",
    _CLOCK: "clock step",
    "headless": "headless",
    "adapter": "adapter",
    "adapter_kind": "kind of adapter",
    "webnn_device": "WebNN device",
}
_WORDS = {"true": "yes", "on": "yes", "false": "no", "off": "no"}
_NOT_SAID, _NO_ADAPTER = "its launches do not say", "no adapter computes"
_MOST_PROVIDERS = 4
_VS_NATIVE = "The largest error against ONNX Runtime outside of the browser, on the same file and inputs"
HOW_PHASES_READ = (
    (
        "browser, page, runtime, fetch, session, first call",
        (
            "Each launch is a fresh browser. Starting it; opening the page; loading and starting the WebAssembly "
            "runtime; fetching the model; making the session, in which graphs and shaders are compiled; the first "
            "call. A person's own page pays all but the first."
        ),
    ),
    (
        "software adapter",
        (
            "A program on the CPU in the place of a graphics adapter: SwiftShader, llvmpipe, WARP. It shows that a "
            "model runs and that its answers are right. Its times are in no ratio, ranking or mean."
        ),
    ),
)


def measured_sections(
    web: Sequence[Side], pairs: Sequence[WebPair], records: Mapping[str, ResultRecord], limit: int
) -> list[Section]:
    """Everything that is known of how some results of browsers came about, software adapters apart."""
    good = [one for one in web if one.provenance is Provenance.MEASURED and one.is_usable]
    real = [one for one in good if not one.is_software]
    software = [one for one in good if one.is_software]
    found = (
        _audio_section(real, pairs, records, limit),
        _phases_section(real, pairs, limit),
        _memory_section(real, pairs, records, limit),
        _placement_section(good, limit),
        _answers_section(good, records, limit),
        _software_section(software, records, limit),
        _browsers_section(good),
    )
    return [section for section in found if section is not None]


# -- audio -----------------------------------------------------------------------------------------------------


def _audio_section(
    web: Sequence[Side], pairs: Sequence[WebPair], records: Mapping[str, ResultRecord], limit: int
) -> Section | None:
    own = [one for one in web if record_cell(records.get(one.result_id), "real_time_factor").value is not None]
    if not own:
        return None
    beside = {pair.web.result_id: pair.native for pair in pairs}
    works = Works.of(own)
    columns = (
        *works.columns,
        Column("latency", "latency", _NS, _LOWER, "Of one call, without preprocessing"),
        Column("factor", "real-time factor", "1", _HIGHER, "Seconds of audio done in a second: above 1 it keeps up"),
        Column("factor_outside", "outside", "1", _HIGHER, "The same of the native result beside it"),
        Column("whole", "with preprocessing", "1", _HIGHER, "The factor of preprocessing and model, one after another"),
        Column("whole_outside", "with preprocessing, outside", "1", _HIGHER, "The same outside of a browser"),
        Column("preprocess", "preprocessing", _NS, _LOWER, "From samples to the model's input, in the page"),
        Column("preprocess_outside", "preprocessing outside", _NS, _LOWER, "The same outside of a browser"),
    )
    rows = []
    for side in own[:limit]:
        native = beside.get(side.result_id)
        other = None if native is None else records.get(native.result_id)
        record = records.get(side.result_id)
        alone = Cell(reason="it has no pair")
        rows.append((
            *works.cells(side),
            record_cell(record, "latency_ns"),
            record_cell(record, "real_time_factor"),
            record_cell(other, "real_time_factor") if native is not None else alone,
            record_cell(record, "real_time_factor_whole"),
            record_cell(other, "real_time_factor_whole") if native is not None else alone,
            record_cell(record, "preprocess_ns"),
            record_cell(other, "preprocess_ns") if native is not None else alone,
        ))  # fmt: skip
    table = Table(
        "audio", "Audio", columns, tuple(rows), rows_left_out=max(0, len(own) - limit),
        caption=works.caption("Preprocessing is timed apart and is no part of the latency."),
    )  # fmt: skip
    return Section("audio", "Audio", (tidy(table),))


# -- phases ----------------------------------------------------------------------------------------------------


def _phases_section(web: Sequence[Side], pairs: Sequence[WebPair], limit: int) -> Section | None:
    own = [one for one in web if any(name in one.known.costs_ns for name in PHASES)]
    if not own:
        return None
    beside = {pair.web.result_id: pair.native for pair in pairs}
    stacks = [
        Stack(label, {title: cost_cell(side, name) for name, title in PHASES.items()})
        for label, side in zip(label_sides(own), own, strict=True)
    ]
    figure = draw_stacks(
        stacks=stacks, parts=list(PHASES.values()), title="Until the first answer", metric="time",
        unit=_NS, of="result", key="phases-figure",
    )  # fmt: skip
    works = Works.of(own)
    columns = (
        *works.columns,
        *(Column(name, title, _NS, _LOWER) for name, title in PHASES.items()),
        Column("answer", "first answer", _NS, _LOWER, "The sum of these: from nothing to the first answer"),
        Column("outside", "outside", _NS, _LOWER, "The same of the native result beside it: process to first call"),
        Column("steady", "a call then", _NS, _LOWER, "Of one call in the steady state"),
        Column("warmup", "warm-up", _NS, _LOWER, "Calls before anything is timed"),
        Column("unload", "teardown", _NS, _LOWER),
    )
    rows = []
    for side in own[:limit]:
        native = beside.get(side.result_id)
        rows.append((
            *works.cells(side),
            *(cost_cell(side, name) for name in PHASES),
            total_cell(side, list(PHASES)),
            Cell(reason="it has no pair") if native is None else total_cell(native, OUTSIDE),
            side_cell(side),
            cost_cell(side, "warmup"),
            cost_cell(side, "unload"),
        ))  # fmt: skip
    table = Table(
        "phases", "Phases of a launch", columns, tuple(rows), rows_left_out=max(0, len(own) - limit),
        caption=works.caption("Medians over launches. Each launch begins with a fresh browser and an empty profile."),
    )  # fmt: skip
    return Section("phases", "Phases of a launch", (figure, tidy(table)))


# -- memory and processor --------------------------------------------------------------------------------------


def _memory_section(
    web: Sequence[Side], pairs: Sequence[WebPair], records: Mapping[str, ResultRecord], limit: int
) -> Section | None:
    names = {
        "browser_memory_bytes": "all processes",
        "renderer_memory_bytes": "renderer",
        "gpu_process_memory_bytes": "GPU process",
    }
    own = [
        one
        for one in web
        if any(record_cell(records.get(one.result_id), name).value is not None for name in (*names, "cpu_time_ns"))
    ]
    if not own:
        return None
    beside = {pair.web.result_id: pair.native.result_id for pair in pairs}
    works = Works.of(own)
    columns = (
        *works.columns,
        *(Column(name, title, _BYTES, _LOWER) for name, title in names.items()),
        Column("cpu_time_ns", "CPU time of a call", _NS, _LOWER, "Of all processes of the browser together"),
        Column("cpu_outside", "outside", _NS, _LOWER, "The same of the native result beside it"),
        Column("busy", "processors busy", "1", Direction.NEITHER, "Derived: CPU time over the latency"),
    )
    rows = tuple(
        (
            *works.cells(side),
            *(record_cell(records.get(side.result_id), name) for name in names),
            record_cell(records.get(side.result_id), "cpu_time_ns"),
            record_cell(records.get(beside.get(side.result_id, "")), "cpu_time_ns"),
            _busy_cell(records.get(side.result_id)),
        )
        for side in own[:limit]
    )
    table = Table(
        "memory", "Memory and processor", columns, rows, rows_left_out=max(0, len(own) - limit),
        caption=works.caption(
            "Resident memory, the largest of all launches. What a page says of its own heap leaves out WebAssembly's "
            "memory, so processes are read; pages that several of them share count in each."
        ),
    )  # fmt: skip
    return Section("memory", "Memory and processor", (tidy(table),))


def _busy_cell(record: ResultRecord | None) -> Cell:
    cpu, wall = record_cell(record, "cpu_time_ns"), record_cell(record, "latency_ns")
    if not isinstance(cpu.value, int | float) or not isinstance(wall.value, int | float) or not wall.value:
        return Cell(reason="not measured")
    return Cell(cpu.value / wall.value, cpu.provenance, ref=cpu.ref)


# -- where nodes ran -------------------------------------------------------------------------------------------


def _placement_section(web: Sequence[Side], limit: int) -> Section | None:
    own = [one for one in web if one.known.placement]
    if not own:
        return None
    providers = list(dict.fromkeys(name for one in own for name in one.known.placement))
    shown = sorted(providers, key=lambda name: -sum(one.known.placement.get(name, 0) for one in own))[:_MOST_PROVIDERS]
    works = Works.of(own)
    columns = (
        *works.columns,
        *(Column(f"nodes-{place}", f"on {name}", "count") for place, name in enumerate(shown)),
        Column("largest", "largest share", _SHARE, description="Of the nodes, on the provider that has most of them"),
    )
    rows = []
    for side in own[:limit]:
        total = sum(side.known.placement.values())
        rows.append((
            *works.cells(side),
            *(Cell(side.known.placement.get(name, 0), side.provenance, ref=ref_of(side)) for name in shown),
            Cell(max(side.known.placement.values()) / total, side.provenance) if total else Cell(reason="no nodes"),
        ))  # fmt: skip
    left = len(providers) - len(shown)
    table = Table(
        "placement", "Where the nodes ran", columns, tuple(rows), rows_left_out=max(0, len(own) - limit),
        caption=works.caption("Nodes of the graph by provider, from a session of its own after all timing."),
        notes=(f"{plural(left, 'provider')} with fewer nodes are not shown.",) if left else (),
    )  # fmt: skip
    return Section("placement", "Where the nodes ran", (tidy(table),))


# -- answers ---------------------------------------------------------------------------------------------------


def _answers_section(web: Sequence[Side], records: Mapping[str, ResultRecord], limit: int) -> Section | None:
    own = [one for one in web if one.fidelity is not None]
    if not own:
        return None
    works = Works.of(own)
    columns = (
        *works.columns,
        Column("fidelity", "answers"),
        Column("error", "largest error", "1", _LOWER, "Relative to the largest of the output, against float32 PyTorch"),
        Column("native", "against native", "1", _LOWER, _VS_NATIVE),
        Column("cosine", "cosine similarity", "1", _HIGHER),
        Column("top1", "same answer", _SHARE, _HIGHER, "Share of positions whose largest entry is the same"),
        Column("tolerance", "tolerance", "1", description="Largest relative error that passes at this precision"),
    )
    rows = []
    for side in own[:limit]:
        record = records.get(side.result_id)
        rows.append((
            *works.cells(side),
            Cell(None if side.fidelity is None else side.fidelity.value),
            record_cell(record, "fidelity_max_relative_error"),
            record_cell(record, "error_vs_native"),
            record_cell(record, "fidelity_cosine"),
            record_cell(record, "fidelity_top1_agreement"),
            record_cell(record, "fidelity_tolerance"),
        ))  # fmt: skip
    left = max(0, len(own) - limit)
    table = Table("answers", "Answers", columns, tuple(rows), caption=works.caption(), rows_left_out=left)
    return Section("answers", "Answers", (tidy(table),))


# -- software adapters -----------------------------------------------------------------------------------------


def _software_section(web: Sequence[Side], records: Mapping[str, ResultRecord], limit: int) -> Section | None:
    if not web:
        return None
    works = Works.of(web)
    columns = (
        *works.columns,
        Column("adapter", "adapter"),
        Column("latency", "latency", _NS, _LOWER, "Of the program that plays the adapter"),
        Column("fidelity", "answers"),
        Column("error", "largest error", "1", _LOWER),
        Column("native", "against native", "1", _LOWER, _VS_NATIVE),
    )
    rows = tuple(
        (
            *works.cells(side),
            said(side.adapter or side.known.facts.get("adapter"), "the browser does not name it"),
            replace(record_cell(records.get(side.result_id), "latency_ns"), is_usable=False),
            said(None if side.fidelity is None else side.fidelity.value, "not compared"),
            record_cell(records.get(side.result_id), "fidelity_max_relative_error"),
            record_cell(records.get(side.result_id), "error_vs_native"),
        )
        for side in web[:limit]
    )
    text = (
        f"{plural(len(web), 'result')} of software adapters: a CPU computed in the place of graphics hardware. They "
        "show that a model runs and whether its answers are right. Their times are in no ratio, ranking or mean."
    )
    left = max(0, len(web) - limit)
    table = Table("software", "Software adapters", columns, rows, caption=works.caption(), rows_left_out=left)
    return Section("software", "Software adapters", (Text((text,)), tidy(table)))


# -- browsers --------------------------------------------------------------------------------------------------


def _browsers_section(web: Sequence[Side]) -> Section | None:
    groups: dict[tuple[object, ...], list[Side]] = {}
    for side in web:
        if side.known.facts:
            facts = (side.known.facts.get(name) for name in _FACTS)
            key = (side.browser, side.browser_version, side.backend, threads_cell(side).value, *facts)
            groups.setdefault(key, []).append(side)
    if not groups:
        return None
    columns = (
        Column("browser", "browser"),
        Column("version", "version"),
        Column("backend", "backend"),
        Column("threads", "threads"),
        *(Column(name, title, _NS if name == _CLOCK else None) for name, title in _FACTS.items()),
        Column("results", "results", "count"),
    )
    rows = tuple(_browser_row(several) for several in groups.values())
    table = Table(
        "browsers", "What computed", columns, rows,
        caption="As the page found it. Without isolation a page has no threads, and a clock of 100 µs.",
    )  # fmt: skip
    return Section(
        "browsers", "What computed", (tidy(table, ("version", *(name for name in _FACTS if name != _CLOCK))),)
    )


def _browser_row(several: Sequence[Side]) -> tuple[Cell, ...]:
    first = several[0]
    return (
        said(first.browser, _NOT_SAID),
        said(first.browser_version, _NOT_SAID),
        Cell(first.backend),
        threads_cell(first),
        *(_fact_cell(name, first) for name in _FACTS),
        Cell(len(several)),
    )


def _fact_cell(name: str, side: Side) -> Cell:
    text = side.known.facts.get(name)
    if text is None:
        return Cell(reason=_NO_ADAPTER if name.startswith("adapter") and side.is_on_cpu else _NOT_SAID)
    if name == _CLOCK:
        return Cell(float(text), Provenance.MEASURED) if text.replace(".", "", 1).isdecimal() else Cell(text)
    return Cell(_WORDS.get(text.lower(), text))
