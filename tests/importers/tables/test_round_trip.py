"""What was written into a file of each format is what is read from it, whatever the numbers and names."""

from __future__ import annotations

import csv
import io
import json
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from assay.core.words import Status
from assay.importers.base import ImportedRow, importers
from assay.importers.source import Source

EXAMPLES = settings(max_examples=25, deadline=None)
POSITIVE = st.floats(1e-6, 1e9)
COUNT = st.integers(1, 10**6)
NAME = st.text("abcXYZ019 ._-/é|,\"'", min_size=1, max_size=12).map(str.strip).filter(bool)
# What stands for "not known", and a size that is read as a quantisation, are told otherwise.
WORD = NAME.filter(lambda name: name.casefold() not in {"-", "na", "none", "null", "n/a", "nan"})
TITLE = st.text("abcXYZ_", min_size=1, max_size=6)


def read(importer: str, content: str | bytes | Path, *, name: str = "file", mapping: str | None = None) -> list[Any]:
    with tempfile.TemporaryDirectory() as folder:
        path = content if isinstance(content, Path) else Path(folder) / "file"
        if not isinstance(content, Path):
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        mapping_path = Path(folder) / "map.yaml"
        if mapping is not None:
            mapping_path.write_text(mapping, encoding="utf-8")
        source = Source(path, name, path.stat().st_size, mapping=None if mapping is None else mapping_path)
        found = importers.get(importer)
        assert found.recognise(source)
        return list(found.read(source))


def rows(items: Iterable[Any]) -> list[ImportedRow]:
    return [item for item in items if isinstance(item, ImportedRow)]


def value(row: ImportedRow, name: str, stat: str = "mean", phase: str = "steady") -> float | None:
    (found,) = [metric for metric in row.metrics if (metric.name, metric.stat, metric.phase) == (name, stat, phase)]
    return found.value


def to_csv(records: list[Mapping[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(records[0]))
    writer.writeheader()
    writer.writerows(records)
    return text.getvalue()


MAPPING = """\
workload: {column: w}
batch: {column: b}
metrics: [{metric: latency_ns, column: t, unit: ms}, {metric: throughput_per_s, column: r, unit: 1/s}]
"""
TABLE = st.lists(st.fixed_dictionaries({"w": WORD, "b": COUNT, "t": POSITIVE, "r": POSITIVE}), min_size=1, max_size=4)


def check_table(records: list[Any], got: list[ImportedRow]) -> None:
    assert [row.case.workload for row in got] == [record["w"] for record in records]
    assert [row.case.batch for row in got] == [record["b"] for record in records]
    assert [value(row, "latency_ns") for row in got] == [record["t"] * 1e6 for record in records]
    assert [value(row, "throughput_per_s") for row in got] == [record["r"] for record in records]


@EXAMPLES
@given(TABLE)
def test_csv(records: list[Any]) -> None:
    check_table(records, rows(read("csv", to_csv(records), mapping=MAPPING)))


@EXAMPLES
@given(TABLE)
def test_parquet(records: list[Any]) -> None:
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(records), sink)
    check_table(records, rows(read("parquet", sink.getvalue(), mapping=MAPPING)))


@EXAMPLES
@given(st.integers(0, 4096), st.integers(0, 4096), st.lists(st.integers(1, 10**12), min_size=1, max_size=4), WORD)
def test_llama_bench(prompt: int, made: int, samples: list[int], model: str) -> None:
    assume(prompt + made > 0)
    mean_ns = sum(samples) / len(samples)
    rate = (prompt + made) / mean_ns * 1e9
    record = {
        "build_commit": "a", "model_type": f"{model} Q8_0", "n_prompt": prompt, "n_gen": made, "avg_ns": mean_ns,
        "avg_ts": rate,
    }  # fmt: skip
    name = "total_tokens_per_s" if prompt and made else "decode_tokens_per_s" if made else "prefill_tokens_per_s"
    for text in (json.dumps([{**record, "samples_ns": samples}]), json.dumps(record) + "\n", to_csv([record])):
        (row,) = rows(read("llama-bench", text))
        assert value(row, name) == rate
        assert row.case.precision == "Q8_0"
        assert row.case.workload == model
        assert dict(row.case.shape).get("seq", 0) == prompt
        assert dict(row.case.options).get("new_tokens", 0) == made
        assert [list(series.values) for series in row.samples] in ([], [samples])


@EXAMPLES
@given(st.lists(st.tuples(POSITIVE | st.none(), POSITIVE), min_size=1, max_size=4))
def test_llm_table(speeds: list[tuple[float | None, float]]) -> None:
    cells = [("OOM" if made is None else repr(made), repr(prompt)) for made, prompt in speeds]
    lines = [f"| GPU {index} | 8B F16 | {made} |**{prompt}**|" for index, (made, prompt) in enumerate(cells)]
    text = "In tokens/s\n\n| GPU | Model | tg 128 | pp 512 |\n|--|--|--|--|\n" + "\n".join(lines)
    got = rows(read("llm-table", text))
    assert [value(row, "decode_tokens_per_s") for row in got[::2]] == [made for made, _ in speeds]
    assert [row.status is Status.OOM for row in got[::2]] == [made is None for made, _ in speeds]
    assert [value(row, "prefill_tokens_per_s") for row in got[1::2]] == [prompt for _, prompt in speeds]


@EXAMPLES
@given(WORD, st.integers(1, 8), COUNT, POSITIVE, POSITIVE, POSITIVE)
def test_llm_pilot(model: str, gpus: int, users: int, rate: float, first: float, between: float) -> None:
    record = {
        "model": model, "gpu": f"{gpus} x H100", "num_users": users, "throughput": rate, "median_ttft": first,
        "median_itl": between,
    }  # fmt: skip
    (row,) = rows(read("llm-pilot", to_csv([record])))
    assert row.case.workload == model
    assert dict(row.case.options) == {"accelerators": gpus, "users": users}
    assert value(row, "output_tokens_per_s") == rate
    assert value(row, "time_to_first_token_ns", "median") == first * 1e6
    assert value(row, "inter_token_latency_ns", "median") == between * 1e6


@EXAMPLES
@given(WORD, COUNT, POSITIVE, POSITIVE, st.lists(st.floats(1e-6, 1e3), max_size=4))
def test_vllm_bench(model: str, completed: int, duration: float, first: float, ttfts: list[float]) -> None:
    content = {
        "model_id": model, "completed": completed, "duration": duration, "request_throughput": completed / duration,
        "median_ttft_ms": first, "ttfts": ttfts,
    }  # fmt: skip
    (row,) = rows(read("vllm-bench", json.dumps(content)))
    assert row.case.workload == model
    assert value(row, "throughput_per_s") == completed / duration
    assert value(row, "time_to_first_token_ns", "median") == first * 1e6
    assert [list(series.values) for series in row.samples] == ([[round(time * 1e9) for time in ttfts]] if ttfts else [])


@EXAMPLES
@given(WORD, st.integers(1, 8), POSITIVE, POSITIVE)
def test_ml_energy(model: str, gpus: int, rate: float, energy: float) -> None:
    record = {
        "model_id": model, "gpu_model": "H100", "num_gpus": gpus, "avg_power_watts": rate * energy, "task": "t",
        "weight_precision": "fp8", "output_throughput_tokens_per_sec": rate, "energy_per_token_joules": energy,
    }  # fmt: skip
    (row,) = rows(read("ml-energy", to_csv([record])))
    assert row.case.workload == model
    assert value(row, "output_tokens_per_s") == rate
    assert value(row, "energy_j_per_sample") == energy
    assert value(row, "average_power_w") == rate * energy


@EXAMPLES
@given(st.dictionaries(TITLE, POSITIVE | st.just(0.0), min_size=1, max_size=4), WORD, st.integers(1, 16))
def test_lambda_training(tasks: dict[str, float], gpu: str, count: int) -> None:
    record = {"name_gpu": gpu, "num_gpu": count, "watt": 1, "price": 2, **tasks}
    got = rows(read("lambda-training", to_csv([record]), name="throughput-fp32.csv"))
    assert {row.case.workload: value(row, "throughput_per_s") for row in got} == {
        task: rate or None for task, rate in tasks.items()
    }
    assert {row.case.precision for row in got} == {"fp32"}


@EXAMPLES
@given(COUNT, st.integers(1, 1000), POSITIVE, st.floats(0, 1), COUNT)
def test_mlperf_lite(samples: int, epochs: int, seconds: float, accuracy: float, batch: int) -> None:
    common = {"config": {"model": {"name": "m"}}}
    trained = {
        **common,
        "dataset_info": {"train_samples": samples},
        "training_results": {"best_val_accuracy": accuracy, "training_time": seconds, "epochs_completed": epochs},
        "metrics": {"timing": {}, "throughput": {}, "accuracy": {}, "loss": {}},
    }
    (row,) = rows(read("mlperf-lite", json.dumps(trained)))
    assert value(row, "accuracy", "best", "validation") == accuracy
    assert value(row, "training_time_ns") == seconds * 1e9
    assert value(row, "throughput_per_s") == pytest.approx(samples * epochs / seconds)
    inferred = {**common, "inference_metrics": {"avg_inference_time_ms": seconds, "batch_size": batch}}
    (row,) = rows(read("mlperf-lite", json.dumps(inferred)))
    assert value(row, "latency_ns") == seconds * 1e6
    assert row.case.batch == batch


@EXAMPLES
@given(WORD, WORD, POSITIVE, COUNT, st.floats(1e-3, 1e6))
def test_vibration(category: str, test: str, latency: float, batch: int, memory: float) -> None:
    rate = batch / latency * 1e3
    metrics = {"latency_ms": latency, "memory_peak_mb": memory, "throughput_sps": rate, "batch_size": batch}
    wide = {"component": category, "test": test, "success": True, **metrics}
    for text in (json.dumps({category: {test: metrics}}), to_csv([wide])):
        (row,) = rows(read("vibration", text))
        assert row.case.workload == category
        assert row.case.batch == batch
        assert value(row, "latency_ns") == latency * 1e6
        assert value(row, "throughput_per_s") == rate
        assert value(row, "memory_used_bytes", "max") == memory * 1e6
