"""Made-up results in any number, for benchmarks that need millions.

**Synthetic: no machine measured any of them**, and every row says so: ``simulated`` is true, ``marks`` hold
``constant`` (numbers that a program wrote), the suite is called ``SYNTHETIC``. The shapes are those of real runs: ids
are UUIDv7, samples scatter by 2 %, the headline values are computed from them, and the interval is that of order
statistics. Seeded: the same numbers always give the same rows, but for the ids of the runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa

from assay.core.case import Case, series_id
from assay.core.ids import content_hash, new_id
from assay.core.records import SCHEMA_VERSION, EnvironmentRecord, RunRecord
from assay.core.words import Mark, RunStatus
from assay.store.schema import METRIC_FIELDS, RESULTS, SAMPLES, arrow_schema

SAMPLES_PER_RESULT = 10
RESULTS_PER_SERIES = 500
HARDWARE = tuple(f"SYNTHETIC device {number}" for number in range(40))
_WORKLOADS = tuple(
    f"{family}/{size}" for family in ("bert", "resnet", "unet", "vit", "llama") for size in ("tiny", "base")
)
_ENGINES = ("torch", "torch-compile", "onnxruntime", "openvino")
_PRECISIONS = ("fp32", "fp16", "bf16", "int8")
_FIRST = datetime(2024, 1, 1, tzinfo=UTC)
_SPAN_S = 2 * 365 * 24 * 3600
_SCATTER = 0.02
_HEX = np.frombuffer(b"0123456789abcdef", dtype=np.uint8)
_DASHES = (8, 13, 18, 23)


@dataclass(frozen=True, slots=True)
class Piece:
    """What one run brings: its record, and a table without ``write_id`` for results and for samples."""

    run: RunRecord
    results: Any
    samples: Any


def environment() -> EnvironmentRecord:
    """Return the one environment that all synthetic runs name."""
    facts = {"os": "SYNTHETIC"}
    return EnvironmentRecord(content_hash(facts), "SYNTHETIC", "SYNTHETIC", facts, _FIRST)


def pieces(rows: int, rows_per_run: int, seed: int = 20261122) -> Iterator[Piece]:
    """Yield runs that together hold ``rows`` results of ``rows / RESULTS_PER_SERIES`` series, in order of time."""
    draw = np.random.default_rng(seed)
    series = _Series(max(1, rows // RESULTS_PER_SERIES), draw)
    for first in range(0, rows, rows_per_run):
        yield _piece(series, first, min(rows_per_run, rows - first), rows, draw)


class _Series:
    """What is the same in every result of a series, as Arrow columns to take from."""

    def __init__(self, count: int, draw: Any) -> None:
        cases, hardware = [], []
        for number in range(count):
            hardware.append(HARDWARE[number % len(HARDWARE)])
            cases.append(
                Case.make(
                    workload=_WORKLOADS[number % len(_WORKLOADS)],
                    engine=_ENGINES[number // 7 % len(_ENGINES)],
                    device="cpu",
                    precision=_PRECISIONS[number // 3 % len(_PRECISIONS)],
                    batch=2 ** (number // 11 % 8),
                    shape={"seq": 64 + number},
                )
            )
        self.latency_ns = np.exp(draw.uniform(np.log(1e5), np.log(1e9), count))
        self.memory_bytes = np.exp(draw.uniform(np.log(1e7), np.log(1e10), count))
        self.batch = np.array([case.batch for case in cases])
        self.columns: dict[str, Any] = {
            "series_id": pa.array(
                [series_id(*each) for each in zip((c.case_id for c in cases), hardware, strict=True)]
            ),
            "case_id": pa.array([case.case_id for case in cases]),
            "workload": pa.array([case.workload for case in cases]),
            "family": pa.array([case.family for case in cases]),
            "engine": pa.array([case.engine for case in cases]),
            "precision": pa.array([str(case.precision) for case in cases]),
            "effective_precision": pa.array([str(case.precision) for case in cases]),
            "batch": pa.array(self.batch, pa.int64()),
            "shape": pa.array([list(dict(case.shape).items()) for case in cases], pa.map_(pa.string(), pa.int64())),
            "hardware": pa.array(hardware),
            "parameters": pa.array(draw.integers(10**6, 10**9, count), pa.int64()),
        }


def _piece(series: _Series, first: int, count: int, total: int, draw: Any) -> Piece:
    run_id = new_id()
    chosen = draw.integers(0, len(series.batch), count)
    started_s = _FIRST.timestamp() + _SPAN_S * first / total
    at_us = np.sort((started_s + draw.uniform(0, _SPAN_S * count / total, count)) * 1e6).astype(np.int64)
    noise = _SCATTER * draw.standard_normal((count, SAMPLES_PER_RESULT)) + 0.02 * draw.standard_exponential((count, 1))
    values = (series.latency_ns[chosen, None] * np.exp(noise)).astype(np.int64)
    result_ids, launch_ids = _uuids(at_us // 1000, draw), _uuids(at_us // 1000, draw)
    results = _results(series, chosen, at_us, values, draw) | {"result_id": result_ids, "run_id": _same(run_id, count)}
    samples = {
        "run_id": _same(run_id, count),
        "result_id": result_ids,
        "launch_id": launch_ids,
        "ordinal": _same(0, count),
        "name": _same("latency", count),
        "unit": _same("ns", count),
        "calls_per_sample": _same(1, count),
        "rank": _same(0, count),
        "values": pa.ListArray.from_arrays(_offsets(count, SAMPLES_PER_RESULT), pa.array(values.ravel())),
        "schema_version": _same(SCHEMA_VERSION, count),
    }
    started = datetime.fromtimestamp(started_s, UTC)
    run = RunRecord(
        run_id=run_id,
        suite="SYNTHETIC",
        status=RunStatus.OK,
        started_at=started,
        finished_at=started + timedelta(seconds=_SPAN_S * count / total),
        env_id=environment().env_id,
        config={"synthetic": True},
        cases_planned=count,
        assay_version="0",
        source_hash="SYNTHETIC",
    )
    return Piece(run, _table(RESULTS, results, count), _table(SAMPLES, samples, count))


def _results(series: _Series, chosen: Any, at_us: Any, values: Any, draw: Any) -> dict[str, Any]:
    count = len(chosen)
    ordered = np.sort(values, axis=1).astype(np.float64)
    median, low, high = ordered[:, 4:6].mean(axis=1), ordered[:, 1], ordered[:, 8]
    calls = series.batch[chosen] * 1e9
    memory = np.round(series.memory_bytes[chosen] / 4096 + draw.integers(0, 100, count)) * 4096
    constant = {
        "device": "cpu", "mode": "inference", "options": "{}", "status": "ok", "verdict": "trusted",
        "units_per_call": 1.0, "unit_of_work": "sample", "launches_planned": 1, "launches_ok": 1,
        "latency_ns_n": SAMPLES_PER_RESULT, "throughput_per_s_n": SAMPLES_PER_RESULT, "memory_peak_bytes_n": 1,
        "provenance": "measured", "simulated": True, "schema_version": SCHEMA_VERSION,
    }  # fmt: skip
    others = {
        "mad": ("latency_ns", "ns", np.median(np.abs(ordered - median[:, None]), axis=1)),
        "cv": ("latency_ns", "1", ordered.std(axis=1, ddof=1) / ordered.mean(axis=1)),
        "best": ("latency_ns", "ns", ordered[:, 0]),
        "median": ("load_ns", "ns", np.round(1e8 * np.exp(0.1 * draw.standard_normal(count)))),
    }
    marks = pa.MapArray.from_arrays(
        _offsets(count, 1), _same(Mark.CONSTANT.value, count), _same("made up for a benchmark", count)
    )
    return {
        **{name: column.take(pa.array(chosen)) for name, column in series.columns.items()},
        **{name: _same(value, count) for name, value in constant.items()},
        "measured_at": pa.array(at_us, pa.timestamp("us", tz="UTC")),
        "latency_ns": pa.array(median),
        "latency_ns_lo": pa.array(low),
        "latency_ns_hi": pa.array(high),
        "throughput_per_s": pa.array(calls / median),
        "throughput_per_s_lo": pa.array(calls / high),
        "throughput_per_s_hi": pa.array(calls / low),
        "memory_peak_bytes": pa.array(memory),
        "metrics": _metrics(others, count),
        "verdict_reasons": pa.ListArray.from_arrays(_offsets(count, 0), pa.array([], pa.string())),
        "marks": marks,
    }


def _metrics(others: dict[str, tuple[str, str, Any]], count: int) -> Any:
    """Return the ``metrics`` column: for each result one entry for each of ``others`` (stat -> name, unit, values)."""
    fields = {
        "name": pa.array([name for name, _, _ in others.values()] * count),
        "phase": _same("steady", count * len(others)),
        "stat": pa.array(list(others) * count),
        "value": pa.array(np.column_stack([values for _, _, values in others.values()]).ravel()),
        "unit": pa.array([unit for _, unit, _ in others.values()] * count),
        "n": _same(SAMPLES_PER_RESULT, count * len(others)),
    }
    kind = arrow_schema(RESULTS).field("metrics").type
    entries = [
        fields.get(name, pa.nulls(count * len(others), kind.value_type.field(name).type)) for name in METRIC_FIELDS
    ]
    structs = pa.StructArray.from_arrays(entries, fields=list(kind.value_type))
    return pa.ListArray.from_arrays(_offsets(count, len(others)), structs)


def _table(table: str, columns: dict[str, Any], count: int) -> Any:
    schema = arrow_schema(table)
    schema = schema.remove(schema.get_field_index("write_id"))
    arrays = [columns.get(field.name, pa.nulls(count, field.type)) for field in schema]
    return pa.Table.from_arrays(
        [array.cast(field.type) for array, field in zip(arrays, schema, strict=True)], schema=schema
    )


def _same(value: Any, count: int) -> Any:
    return pa.repeat(pa.scalar(value), count)


def _offsets(count: int, each: int) -> Any:
    return pa.array(np.arange(count + 1, dtype=np.int32) * each)


def _uuids(at_ms: Any, draw: Any) -> Any:
    """Return UUIDv7 texts of these times (RFC 9562): 48 bits of time, 74 random ones, version and variant."""
    count = len(at_ms)
    raw = draw.integers(0, 256, (count, 16), dtype=np.uint8)
    for place in range(6):
        raw[:, place] = (at_ms >> (8 * (5 - place))) & 255
    raw[:, 6] = 0x70 | (raw[:, 6] & 0x0F)
    raw[:, 8] = 0x80 | (raw[:, 8] & 0x3F)
    digits = np.empty((count, 32), dtype=np.uint8)
    digits[:, 0::2], digits[:, 1::2] = _HEX[raw >> 4], _HEX[raw & 15]
    text = np.full((count, 36), ord("-"), dtype=np.uint8)
    text[:, [place for place in range(36) if place not in _DASHES]] = digits
    offsets: Any = pa.array(np.arange(count + 1, dtype=np.int32) * 36).buffers()[1]
    content: Any = text
    return pa.StringArray.from_buffers(count, offsets, pa.py_buffer(content))
