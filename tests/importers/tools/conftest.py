"""A small valid file of each format, composed here; and files written for a test, as the importers get them."""

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from assay.importers.source import Source

MakeSource = Callable[..., Source]

LATENCY = {
    "unit": "s", "values": [0.010, 0.020, 0.030], "count": 3, "total": 0.06, "mean": 0.02, "p50": 0.02, "p90": 0.028,
    "p95": 0.029, "p99": 0.0298, "stdev": 0.00816, "stdev_": 40.8,
}  # fmt: skip
MEMORY = {
    "unit": "MB", "max_ram": 800.5, "max_global_vram": 1024.0, "max_process_vram": None, "max_reserved": 512.0,
    "max_allocated": 256.0,
}  # fmt: skip
ENERGY = {"unit": "kWh", "cpu": 1e-6, "ram": 5e-7, "gpu": 2e-6, "total": 3.5e-6}
NOTHING = {"memory": None, "latency": None, "throughput": None, "energy": None, "efficiency": None}

OPTIMUM = {
    "config": {
        "name": "run",
        "backend": {
            "name": "pytorch", "version": "2.9.0", "_target_": "a.b", "model": "org/tiny", "task": "text-generation",
            "library": "transformers", "device": "cuda", "device_ids": "0", "torch_dtype": "bfloat16",
            "torch_compile": True, "autocast_enabled": False, "autocast_dtype": None,
            "quantization_config": {"quant_method": "bnb"},
        },
        "scenario": {
            "name": "inference", "iterations": 3, "input_shapes": {"batch_size": 2, "sequence_length": 16},
            "generate_kwargs": {"max_new_tokens": 11, "min_new_tokens": 11, "num_beams": 1}, "call_kwargs": {},
        },
        "launcher": {"name": "process", "_target_": "c.d"},
        "environment": {"cpu": " Some CPU", "gpu": ["Some GPU", "Some GPU"], "optimum_benchmark_version": "0.6.0"},
        "log_report": True,
    },
    "report": {
        "load_model": {**NOTHING, "latency": {**LATENCY, "values": [2.5], "count": 1, "mean": 2.5}, "memory": MEMORY},
        "first_generate": {**NOTHING, "latency": {**LATENCY, "values": [0.5], "count": 1, "mean": 0.5}},
        "generate": {**NOTHING, "latency": LATENCY, "throughput": {"unit": "samples/s", "value": 1000.0}},
        "prefill": {
            "latency": LATENCY, "memory": MEMORY, "throughput": {"unit": "samples/s", "value": 100.0},
            "energy": ENERGY, "efficiency": {"unit": "samples/kWh", "value": 2 / 3.5e-6},
        },
        "decode": {**NOTHING, "latency": LATENCY, "throughput": {"unit": "tokens/s", "value": 1000.0}},
        "per_token": {**NOTHING, "latency": LATENCY},
    },
}  # fmt: skip

PYTEST_BENCHMARK = {
    "machine_info": {"node": "host", "system": "Linux", "cpu": {"brand_raw": "Some CPU", "count": 2}},
    "commit_info": {"id": "abc", "dirty": False, "branch": "main"},
    "benchmarks": [
        {
            "group": None, "name": "test_sum[10]", "fullname": "test_a.py::test_sum[10]", "params": {"n": 10},
            "param": "10", "extra_info": {"why": "text"}, "options": {"timer": "perf_counter", "warmup": False},
            "stats": {
                "min": 1e-6, "max": 3e-6, "mean": 2e-6, "stddev": 1e-6, "rounds": 3, "median": 2e-6, "iqr": 1e-6,
                "q1": 1.5e-6, "q3": 2.5e-6, "iqr_outliers": 0, "stddev_outliers": 0, "outliers": "0;0",
                "ld15iqr": 1e-6, "hd15iqr": 3e-6, "ops": 500000.0, "total": 6e-6, "data": [1e-6, 2e-6, 3e-6],
                "iterations": 5,
            },
        },
    ],
    "datetime": "2026-01-02T03:04:05.5+00:00",
    "version": "5.3.1",
}  # fmt: skip

PYPERF = {
    "version": "1.0",
    "metadata": {"cpu_model_name": "Some CPU", "unit": "second", "hostname": "host"},
    "benchmarks": [
        {
            "metadata": {"name": "sort", "loops": 100, "inner_loops": 2},
            "runs": [
                {"metadata": {"calibrate_loops": 100, "date": "2026-01-02 03:04:05.5"}, "warmups": [[1, 2e-6]]},
                {"metadata": {"date": "2026-01-02 03:04:06", "mem_max_rss": 1000}, "values": [1e-6, 2e-6]},
                {"metadata": {"date": "2026-01-02 03:04:07", "mem_max_rss": 3000}, "values": [3e-6]},
            ],
        },
    ],
}

ASV = {
    "commit_hash": "abcdef", "env_name": "virtualenv-py3.12-numpy", "date": 1700000000000,
    "params": {"arch": "x86_64", "cpu": "Some CPU", "machine": "host", "num_cpu": "2", "os": "Linux", "ram": "8"},
    "python": "3.12", "requirements": {"numpy": ""}, "env_vars": {},
    "result_columns": [
        "result", "params", "version", "started_at", "duration", "stats_ci_99_a", "stats_ci_99_b", "stats_q_25",
        "stats_q_75", "stats_number", "stats_repeat", "samples", "profile",
    ],
    "results": {
        "a.Suite.time_it": [
            [2e-6, None, float("nan"), 4e-6], [["10", "100"], ["'x'", "'y'"]], "v1", 1700000001500, 3.5,
            [1e-6, None, None, float("-inf")], [3e-6, None, None, float("inf")], [1.5e-6, None, None, 3e-6],
            [2.5e-6, None, None, 5e-6], [10, None, None, 10], [3, None, None, 2],
            [[1e-6, 2e-6, 3e-6], None, None, [3e-6, 5e-6]],
        ],
        "a.peakmem_it": [[4096], [], "v2", 1700000002000, 1.0],
        "a.track_it": [[0.5], [], "v3", 1700000003000, 1.0],
        "a.time_broken": [None, [], "v4", 1700000004000, 1.0],
    },
    "durations": {"<build>": 1.0},
    "version": 2,
}  # fmt: skip

GOOGLE = {
    "context": {
        "date": "2026-01-02T03:04:05+02:00", "host_name": "host", "executable": "./bench", "num_cpus": 2,
        "mhz_per_cpu": 2400, "library_build_type": "release", "json_schema_version": 1,
    },
    "benchmarks": [
        *[
            {
                "name": "BM_Copy/64", "family_index": 0, "per_family_instance_index": 0, "run_name": "BM_Copy/64",
                "run_type": "iteration", "repetitions": 2, "repetition_index": index, "threads": 1,
                "iterations": 1000, "real_time": time, "cpu_time": time, "time_unit": "us", "items_per_second": 5e5,
                "bytes_per_second": 4e6, "Hits": 7.0,
            }
            for index, time in enumerate((2.0, 4.0))
        ],
        *[
            {
                "name": f"BM_Copy/64_{name}", "family_index": 0, "per_family_instance_index": 0,
                "run_name": "BM_Copy/64", "run_type": "aggregate", "repetitions": 2, "threads": 1,
                "aggregate_name": name, "aggregate_unit": unit, "iterations": 2, "real_time": value,
                "cpu_time": value, "time_unit": "us",
            }
            for name, unit, value in (("mean", "time", 3.0), ("stddev", "time", 1.5), ("cv", "percentage", 0.5))
        ],
        {
            "name": "BM_Broken", "family_index": 1, "per_family_instance_index": 0, "run_name": "BM_Broken",
            "run_type": "iteration", "repetitions": 1, "repetition_index": 0, "threads": 1, "error_occurred": True,
            "error_message": "no device", "iterations": 1, "real_time": 0.0, "cpu_time": 0.0, "time_unit": "ns",
        },
    ],
}  # fmt: skip

HYPERFINE = {
    "results": [
        {
            "command": "sort words", "mean": 0.02, "stddev": 0.01, "median": 0.02, "user": 0.004, "system": 0.0,
            "min": 0.01, "max": 0.03, "times": [0.01, 0.02, 0.03], "memory_usage_byte": [1024, 4096, 2048],
            "exit_codes": [0, 0, 0], "parameters": {"threads": "4"},
        },
        {
            "command": "false", "mean": 0.001, "stddev": None, "median": 0.001, "user": 0.0, "system": 0.0,
            "min": 0.001, "max": 0.001, "times": [0.001], "exit_codes": [1],
        },
    ],
}  # fmt: skip

TIMM_SPEED = """\
model,infer_samples_per_sec,infer_step_time,infer_batch_size,infer_img_size,infer_gmacs,infer_macts,param_count
small,1000.0,255.5,256,224,0.5,12.25,5.29
large,10.0,3195.0,32.0,448,,,"1,014.45"
never,,,,224,1.5,2.5,3.5
"""
TIMM_ACCURACY = """\
model,img_size,top1,top1_err,top5,top5_err,param_count,crop_pct,interpolation
small,224,77.5,22.5,93.25,6.75,5.29,0.875,bicubic
large,448,89.0,11.0,99.0,1.0,"1,014.45",1.000,bicubic
"""

FILES: dict[str, tuple[str, str, Any]] = {
    "optimum-benchmark": ("optimum-benchmark", "benchmark.json", OPTIMUM),
    "optimum-benchmark, report": ("optimum-benchmark", "benchmark_report.json", OPTIMUM["report"]),
    "optimum-benchmark, config": ("optimum-benchmark", "benchmark_config.json", OPTIMUM["config"]),
    "pytest-benchmark": ("pytest-benchmark", "0001_bench.json", PYTEST_BENCHMARK),
    "asv": ("asv", "abcdef-virtualenv.json", ASV),
    "asv, machine": ("asv", "machine.json", {**ASV["params"], "version": 1}),  # type: ignore[dict-item]
    "pyperf": ("pyperf", "bench.json", PYPERF),
    "google-benchmark": ("google-benchmark", "out.json", GOOGLE),
    "hyperfine": ("hyperfine", "out.json", HYPERFINE),
    "timm, speed": ("timm", "benchmark-infer-amp-nhwc-pt240-cu124-rtx4090-dynamo.csv", TIMM_SPEED),
    "timm, accuracy": ("timm", "results-imagenet.csv", TIMM_ACCURACY),
}


@pytest.fixture(scope="session")
def files() -> dict[str, tuple[str, str, Any]]:
    """What each valid file is called here -> (its importer, its name, its content)."""
    return FILES


@pytest.fixture
def content() -> Callable[[str], Any]:
    """Give a copy of a valid file's content, to be changed."""
    # Not a deep copy: what is shared there must not be here.
    return lambda label: json.loads(json.dumps(FILES[label][2]))


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory) -> MakeSource:
    """Write content (text, or what becomes JSON) under a name, and open it as the pipeline does."""
    folder = tmp_path_factory.mktemp("sources")
    numbers = itertools.count()

    def make(content: Any, name: str = "out.json") -> Source:
        path: Path = folder / str(next(numbers)) / name
        path.parent.mkdir()
        path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
        return Source(path, str(path), path.stat().st_size)

    return make
