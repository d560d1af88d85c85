"""Small files of each format, composed here, and what reads them."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from assay.importers.base import ImportedRow, Importer, Item, importers
from assay.importers.source import Source

MODULES = {
    "csv": "mapped_csv",
    "lambda-training": "lambda_training",
    "llama-bench": "llama_bench",
    "llm-pilot": "llm_pilot",
    "llm-table": "llm_table",
    "ml-energy": "ml_energy",
    "mlperf-lite": "mlperf_lite",
    "parquet": "mapped_parquet",
    "vibration": "vibration",
    "vllm-bench": "vllm_bench",
}

_BENCH = {
    "build_commit": "abc1234", "build_number": 5000, "cpu_info": "Some CPU", "gpu_info": "Some GPU",
    "backends": "CUDA", "model_filename": "m.gguf", "model_type": "qwen2 7B Q4_K - Medium",
    "model_size": 4000000000, "model_n_params": 7600000000, "n_batch": 2048, "n_threads": 8, "flash_attn": True,
    "n_gpu_layers": 99, "n_prompt": 512, "n_gen": 0, "n_depth": 0, "test_time": "2025-04-24T11:57:09Z",
    "avg_ns": 100000000, "stddev_ns": 1000000, "avg_ts": 5120.0, "stddev_ts": 51.0,
    "samples_ns": [99000000, 101000000], "samples_ts": [5171.7, 5069.3],
}  # fmt: skip
_MADE = {
    **_BENCH, "n_prompt": 0, "n_gen": 128, "avg_ns": 1000000000, "avg_ts": 128.0,
    "samples_ns": [1000000000], "samples_ts": [128.0],
}  # fmt: skip
_BENCH_CSV = {name: value for name, value in _BENCH.items() if not name.startswith("samples")}
_SERVE = {
    "date": "20250131-120000", "backend": "vllm", "model_id": "some/model-7b", "tokenizer_id": "some/model-7b",
    "num_prompts": 100, "request_rate": "inf", "burstiness": 1.0, "max_concurrency": 16, "duration": 20.0,
    "completed": 99, "failed": 1, "total_input_tokens": 10000, "total_output_tokens": 20000,
    "request_throughput": 4.95, "output_throughput": 1000.0, "total_token_throughput": 1500.0,
    "ttfts": [0.05, 0.0, 0.07], "itls": [[0.01, 0.0], [], [0.012]],
    "mean_ttft_ms": 60.0, "median_ttft_ms": 55.0, "std_ttft_ms": 0.0, "p99_ttft_ms": 90.5, "mean_itl_ms": 11.0,
    "median_tpot_ms": 12.0, "p99.9_e2el_ms": 3000.0,
}  # fmt: skip
_TRAINED: dict[str, Any] = {
    "config": {
        "dataset": {"name": "cifar10"}, "model": {"name": "resnet"}, "training": {"params": {"mixed_precision": True}},
    },
    "system_info": {"platform": {"system": "Linux"}, "cpu": {"count": 8}},
    "dataset_info": {"name": "CIFAR10Dataset", "batch_size": 128, "train_samples": 45000, "val_samples": 5000},
    "model_info": {"name": "ResNetModel", "device": "cuda", "total_parameters": 11000000},
    "training_results": {"best_val_accuracy": 0.91, "training_time": 1100.0, "epochs_completed": 10},
    "test_results": {"test_accuracy": 0.9, "test_loss": 0.31},
    "metrics": {
        "timing": {"total_time": 1000.1, "training_time": 1000.0, "inference_time": 0.28, "data_loading_time": 0.0},
        "throughput": {"samples_per_sec": 45.0, "tokens_per_sec": 0.0},
        "accuracy": {"train_accuracy": 0.99, "val_accuracy": 0.905, "test_accuracy": 0.9, "best_accuracy": 0.91},
        "loss": {"train_loss": 0.02, "val_loss": 0.33, "test_loss": 0.31, "loss_history": [0.9, 0.33]},
        "energy": {"total_energy_joules": 0.0, "avg_power_watts": 0.0, "peak_power_watts": 0.0},
        "hardware": {"gpu_utilization": [], "memory_usage_mb": [], "gpu_temperature": []},
        "training": {"epochs_completed": 10, "total_epochs": 0, "convergence_epoch": None},
        "model": {"model_size_mb": 42.0, "parameters_count": 11000000, "flops": None},
    },
    "timestamp": "2025-01-31 12:00:00",
}  # fmt: skip
_INFERRED = {
    **{name: _TRAINED[name] for name in ("config", "system_info", "model_info", "timestamp")},
    "inference_metrics": {
        "avg_inference_time_ms": 4.0, "throughput_samples_per_sec": 32000.0, "batch_size": 128, "num_batches": 100,
        "warmup_batches": 10,
    },
}  # fmt: skip
_NESTED = {
    "encoder": {
        "small": {"latency_ms": 0.5, "memory_mb": 10.0, "throughput_sps": 8000.0, "batch_size": 4, "fusion": "concat"},
        "a/b": {"latency_ms": 0.0, "success": False, "error": "CUDA out of memory"},
    },
    "fusion": {"large": {"p95_latency_ms": 2.5, "f1": 0.93}},
}  # fmt: skip
_REPORT = {
    "summary": {"total_tests": 1},
    "raw_results": [
        {
            "component": "Encoder", "test": "t1", "config": {"batch_size": 2, "seq_len": 64},
            "metrics": {"latency_ms": 1.0, "memory_peak_mb": 5.0, "throughput_sps": 2000.0, "success": True},
        }
    ],
}  # fmt: skip
_THROUGHPUT = {
    "elapsed_time": 10.0, "num_requests": 50, "total_num_tokens": 20000, "requests_per_second": 5.0,
    "tokens_per_second": 2000.0,
}  # fmt: skip
_ENERGY_NAMES = (
    "avg_power_watts,energy_per_request_joules,energy_per_token_joules,gpu_model,max_num_seqs,median_itl_ms,model_id,"
    "num_gpus,output_throughput_tokens_per_sec,p90_itl_ms,weight_precision,task,batch_latency_s,batch_size,"
    "energy_per_image_joules,image_height,image_width,inference_steps,throughput_images_per_sec,"
    "energy_per_video_joules,throughput_videos_per_sec,num_frames,video_height,video_width"
)

SAMPLES: dict[str, tuple[str, str]] = {
    "llama-bench.json": ("llama-bench", json.dumps([_BENCH, _MADE])),
    "llama-bench.jsonl": ("llama-bench", f"{json.dumps(_BENCH)}\n{json.dumps(_MADE)}\n"),
    "llama-bench.csv": (
        "llama-bench",
        ",".join(_BENCH_CSV) + "\n" + ",".join(f'"{int(v) if v is True else v}"' for v in _BENCH_CSV.values()) + "\n",
    ),
    "llama-bench.md": (
        "llama-bench",
        (
            "| model | size | params | backend | ngl | test | t/s |\n"
            "| ----- | ---: | -----: | ------- | --: | ---- | --: |\n"
            "| llama 7B mostly Q4_0 | 3.56 GiB | 6.74 B | CUDA | 99 | pp 512 | 2368.80 ± 93.24 |\n"
            "| llama 7B mostly Q4_0 | 3.56 GiB | 6.74 B | CUDA | 99 | tg128 @ d1024 | 131.42 ± 0.59 |\n"
            "| llama 7B mostly Q4_0 | 3.56 GiB | 6.74 B | CUDA | 99 | pp512+tg128 | 540.10 ± 1.00 |\n\n"
            "build: abc1234 (5000)\n"
        ),
    ),
    "speeds.md": (
        "llm-table",
        (
            "# Speeds with llama.cpp\n\n"
            "Average speed (tokens/s) of generating 1024 tokens by GPUs on LLaMA 3. Higher is better.\n\n"
            "| GPU | 8B Q4_K_M | 70B F16 |\n|---|---|---|\n"
            "| 3070 8GB | 70.94 | OOM |\n| 4090 24GB * 2 |**122.56**| 6.5 |\n"
            "\n### LLaMA 3 🦙:\n\n| GPU | Model | tg 512 | pp 1024 |\n|---|---|---|---|\n"
            "| 4080 16GB | 8B Q4_K_M | 108.15 | 5064.99 |\n| | 8B F16 | 40.58 | n/a |\n"
            "\n## Perplexity\n\n| Quantization | Perplexity |\n|---|---|\n| F16 | 2.83 |\n"
        ),
    ),
    "pilot.csv": (
        "llm-pilot",
        (
            "model,gpu,num_users,n_requests,throughput,median_ttft,p90_ttft,median_nttft,median_itl,p90_itl,p99_itl,"
            "mean_in_tokens,mean_out_tokens,experiment_s\n"
            "some/model,2 x A100,16,600,100.0,44.0,75.6,0.53,19.0,20.0,21.5,112.3,20.0,120\n"
        ),
    ),
    "serve.json": ("vllm-bench", json.dumps(_SERVE)),
    "serve.jsonl": ("vllm-bench", f"{json.dumps(_SERVE)}\n{json.dumps(_SERVE)}\n"),
    "latency.json": (
        "vllm-bench",
        json.dumps({"avg_latency": 2.0, "latencies": [1.9, 2.1], "percentiles": {"50": 2.0, "99": 2.1}}),
    ),
    "throughput.json": ("vllm-bench", json.dumps(_THROUGHPUT)),
    "energy.csv": (
        "ml-energy",
        (
            f"{_ENERGY_NAMES}\n300.0,900.0,1.5,B200,8.0,33.6,some/llm,1,200.0,51.6,bfloat16,gpqa,,,,,,,,,,,,\n"
            "600.0,,,H100,,,some/painter,2,,,fp8,text-to-image,4.0,8.0,300.0,1024.0,768.0,20.0,2.0,,,,,\n"
            "500.0,,,H100,,,some/filmer,4,,,bfloat16,text-to-video,100.0,1.0,,,,50.0,,50000.0,0.01,81.0,480.0,832.0\n"
        ),
    ),
    "pytorch-train-throughput-fp16.csv": (
        "lambda-training",
        (
            "name_gpu,num_gpu,watt,price,ssd,transformerxlbase\nRTX 3090,1.0,350.0,2750.0,236.0,22863.0\n"
            "8x H100,8.0,5600.0,293750.0,6766.0,0.0\n"
        ),
    ),
    "trained.json": ("mlperf-lite", json.dumps(_TRAINED)),
    "inferred.json": ("mlperf-lite", json.dumps(_INFERRED)),
    "nested.json": ("vibration", json.dumps(_NESTED)),
    "report.json": ("vibration", json.dumps(_REPORT)),
    "wide.csv": (
        "vibration",
        (
            "component,test,success,latency_ms,memory_peak_mb,throughput_sps,cpu_usage_pct,error,batch_size,seq_len,fusion\n"
            "Encoder,b4,True,0.5,10.0,8000.0,0.0,,4,1024.0,concat\n"
            "Encoder,b8,False,0.0,inf,0.0,0.0,Out of Memory,8,,\n"
            "Encoder,b9,False,0.0,0.0,0.0,0.0,shapes do not fit,9,,\n"
        ),
    ),
}
"""Name of a file -> the importer it is for, and its text."""


@pytest.fixture(scope="session", autouse=True)
def _load_importers() -> None:
    for module in MODULES.values():
        importlib.import_module(f"assay.importers.tables.{module}")


@pytest.fixture
def samples() -> dict[str, tuple[str, str]]:
    return SAMPLES


@pytest.fixture
def own_importers() -> dict[str, Importer]:
    return {name: importers.get(name) for name in MODULES}


@pytest.fixture
def make_source(tmp_path: Path) -> Callable[..., Source]:
    """Write a text (or bytes) and a mapping to files, and give the source."""

    def make(content: str | bytes, name: str = "file", mapping: str | None = None) -> Source:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        mapping_path = None
        if mapping is not None:
            mapping_path = tmp_path / "map.yaml"
            mapping_path.write_text(mapping, encoding="utf-8")
        return Source(path, name, path.stat().st_size, mapping=mapping_path)

    return make


@pytest.fixture
def read_items(make_source: Callable[..., Source]) -> Callable[..., list[Item]]:
    """Read a text with the importer of that name."""

    def read(importer: str, content: str | bytes, name: str = "file", mapping: str | None = None) -> list[Item]:
        return list(importers.get(importer).read(make_source(content, name, mapping)))

    return read


@pytest.fixture
def read_sample(read_items: Callable[..., list[Item]]) -> Callable[[str], list[Item]]:
    return lambda name: read_items(SAMPLES[name][0], SAMPLES[name][1], name)


@pytest.fixture
def rows_of() -> Callable[[list[Item]], list[ImportedRow]]:
    return lambda items: [item for item in items if isinstance(item, ImportedRow)]


@pytest.fixture
def values_of() -> Callable[[ImportedRow], dict[str, float | None]]:
    """The numbers of a row: ``name.stat`` or ``name.stat.phase`` -> value; each has its conversion."""

    def values(row: ImportedRow) -> dict[str, float | None]:
        keys = [
            f"{metric.name}.{metric.stat}" + ("" if metric.phase == "steady" else f".{metric.phase}")
            for metric in row.metrics
        ]
        assert sorted(keys) == sorted(row.conversions)
        assert all(metric.value is not None or metric.reason for metric in row.metrics)
        return {key: metric.value for key, metric in zip(keys, row.metrics, strict=True)}

    return values


@pytest.fixture
def shared_data() -> Path:
    folder = Path(__file__).parents[3].parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the folder of others' files (../shared/data) is not here")
    return folder
