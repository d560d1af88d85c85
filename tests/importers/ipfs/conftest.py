"""A small file of each shape, composed here, and a way to read what a test made of it."""

from __future__ import annotations

import copy
import importlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from assay.importers.base import Facts, ImportedRow, Importer, Note, Refusal, importers
from assay.importers.source import Source

MODULES = {
    "ipfs-suite": "suite",
    "ipfs-direct": "direct",
    "ipfs-batch": "batch",
    "ipfs-model": "model",
    "ipfs-web": "web",
    "ipfs-skill": "skill",
    "ipfs-compatibility": "compatibility",
    "ipfs-functionality": "functionality",
    "ipfs-hardware-tests": "hardware_tests",
    "ipfs-progress": "progress",
    "ipfs-summary": "summary",
    "ipfs-browsers": "browsers",
    "ipfs-duckdb": "database",
    "ipfs-parquet": "parquet",
}
for module in MODULES.values():
    importlib.import_module(f"assay.importers.ipfs.{module}")


@dataclass(frozen=True)
class Taken:
    """What an importer gave of one file."""

    rows: list[ImportedRow]
    refusals: list[Refusal]
    notes: list[str]
    facts: list[Facts]


def _checks(platform: str) -> dict[str, Any]:
    return {
        "stats": {"timestamp": "20250302_201220", "total_tests": 2},
        "model_results": {"alpha": {platform: True}, "beta": {platform: False}, "gamma": {platform: False}},
        "detailed_results": [
            {
                "model": "alpha", "hardware": platform, "success": True, "return_code": 0,
                "stdout": "(MOCK) Using mock implementation", "stderr": "",
            },
            {
                "model": "beta", "hardware": platform, "success": False, "return_code": 1,
                "stdout": "", "stderr": "Traceback\n  File x\nNameError: name 'y' is not defined\n",
            },
        ],
    }  # fmt: skip


def _direct(model: str = "org/tiny-text") -> dict[str, Any]:
    return {
        "model": model,
        "hardware": "cpu",
        "success": True,
        "batch_results": {
            "1": {
                "success": True, "batch_size": 1, "avg_latency_ms": 2.5, "throughput_items_per_second": 400.0,
                "memory_mb": 512.25, "latencies_ms": [2.0, 3.0, 2.5], "device": "cpu",
                "timestamp": "2025-03-06T17:45:26.506441",
            },
            "2": {"success": False, "error": "CUDA out of memory. Tried to allocate 2 GiB"},
        },
        "timestamp": "2025-03-06T17:45:26.462134",
    }  # fmt: skip


def _web(model: str = "org/tiny-text") -> dict[str, Any]:
    return {
        "model_key": "tiny", "model_name": model, "platform": "webgpu", "status": "success", "browser_opened": False,
        "headless": True, "timestamp": "2025-03-06T18:42:11.435961", "platform_support": {"simulated": True},
        "implementation_type": "REAL_WEBGPU", "is_simulation": True, "modality": "text",
        "metrics": {
            "inference_time_ms": 80, "load_time_ms": 480, "memory_mb": 150, "throughput_items_per_second": 12.5,
        },
    }  # fmt: skip


def _timed(latencies: list[float], batch: int) -> dict[str, Any]:
    mean = sum(latencies) / len(latencies)
    return {
        "status": "completed", "latencies": latencies, "avg_latency": mean, "throughput": batch / mean,
        "total_time": sum(latencies), "iterations": len(latencies),
    }  # fmt: skip


def _suite() -> dict[str, Any]:
    entry = {
        "status": "completed", "model_name": "org/tiny-vision", "model_class": "ViTModel", "family": "vision",
        "hardware": "cpu", "timestamp": "2025-03-05T21:48:14.945787", "model_load_time": 1.5,
        "performance_summary": {"latency": {"min": 0.1}},
    }  # fmt: skip
    return {
        "timestamp": "20250305_214814",
        "system_info": {
            "platform": "Linux", "available_memory_gb": 32.1,
            "cuda_devices": [{"name": "Quadro P4000", "total_memory_gb": 7.9}],
        },
        "hardware_info": {"cpu": True, "cuda": True},
        "hardware_details": {"openvino_device_info": {"CPU": "A Processor @ 3.10GHz"}, "cuda_memory_allocated": 0.1},
        "benchmarks": {
            "vision": {
                "org/tiny-vision": {
                    "cpu": {
                        **entry,
                        "benchmark_results": {
                            "batch_2_img_224x224": _timed([0.25, 0.5], 2),
                            "batch_2_img_384x384": _timed([0.3, 0.5], 2),
                            "batch_4_img_224x224": _timed([0.5, 0.5], 4),
                            "batch_4_img_384x384": _timed([1.4, 1.6], 4),
                        },
                    },
                    "cuda": {**entry, "benchmark_results": {"batch_2_img_224x224": _timed([0.25, 0.5], 2)}},
                    "rocm": {"status": "failed", "error": "ROCm is not available"},
                }
            },
            "audio": {
                "org/tiny-audio": {
                    "cpu": {
                        "status": "completed", "model_class": "AudioModel", "hardware": "cpu",
                        "benchmark_results": {
                            "batch_1_audio_10s": {**_timed([4.0, 6.0], 1), "real_time_factor": 2.0, "timeout": True},
                            "batch_1_seq_8": {"status": "failed", "error": "Warmup failed: no input_features"},
                            "batch_3": _timed([1.0], 3),
                        },
                    }
                }
            },
        },
    }  # fmt: skip


def _shapes() -> dict[str, Any]:
    return {
        "ipfs-suite": _suite(),
        "ipfs-suite older": {
            "timestamp": "20250302_201142",
            "models": {"alpha": {"name": "org/alpha"}},
            "functionality_verification": {
                "cpu": _checks("cpu"), "cuda": _checks("cpu"), "openvino": _checks("openvino"),
            },
            "performance_benchmarks": {"text": {"status": "error", "error": "Traceback\nNameError: name 'false'\n"}},
            "hardware_detected": {"cpu": True},
            "simulated_hardware": ["openvino"],
            "warnings": [{"type": "simulation", "message": "holds simulated results"}],
        },
        "ipfs-direct": _direct(),
        "ipfs-batch": {
            "models": ["org/tiny-text", "org/absent", "org/unheard"],
            "hardware": "cpu",
            "batch_sizes": "1",
            "timestamp": "2025-03-06T17:47:51.212422",
            "results": {
                "org/tiny-text": {"command": "python x", "success": True, "stdout": "", "benchmark_data": _direct()},
                "org/absent": {
                    "hardware": "cpu", "batch_sizes": "1", "success": False, "error": "Command failed with exit code 1",
                    "stderr": "INFO - loading\nERROR - Failed to load model\n", "timestamp": "2025-03-06T17:48:26",
                },
            },
        },
        "ipfs-model": {
            "model": "TINY", "model_key": "tiny", "model_category": "text", "model_path": "org/tiny-text",
            "hardware": "AMD ROCm", "hardware_key": "rocm", "timestamp": "2025-03-05T19:57:15.307065",
            "batch_sizes": {
                "1": {"throughput": 75, "latency_ms": 15, "memory_usage_mb": 112, "success": True, "command": "x"},
                "2": {"throughput": 80.1, "latency_ms": 25.3, "memory_usage_mb": 113.5, "success": True},
                "4": {"success": False, "error": "timed out after 600 s"},
            },
            "compatible": True,
        },
        "ipfs-web": _web(),
        "ipfs-web all": {
            "timestamp": "2025-03-05T19:33:42", "platform": "webgpu", "headless": True,
            "models_tested": ["tiny", "other"],
            "results": [_web(), {**_web("org/b"), "status": "error", "error": "no adapter: WebGPU is not supported"}],
        },
        "ipfs-skill": {
            "metadata": {
                "timestamp": "2025-02-28T00:12:55", "test_file": "skills/test_hf_tiny.py", "model": "hf_tiny",
                "execution_time": 2.5,
            },
            "results": {
                "status": {
                    "init": "Success", "cpu_init": "Success (REAL)", "cuda_init": "Success (REAL)",
                    "cuda_benchmark": {
                        "average_inference_time": 0.490051, "iterations": 1, "cuda_device": "Quadro P4000",
                        "cuda_memory_used_mb": 68.5,
                    },
                    "apple_tests": "Apple Silicon not available", "qualcomm_init": "Success (MOCK)",
                    "qualcomm_tests": "Error: sizes differ",
                },
                "examples": [
                    {"input": "x", "output": {"shape": [1]}, "elapsed_time": 0.00091862, "platform": "CPU"},
                    {
                        "input": "x", "output": {"performance_metrics": {"is_simulated": True}}, "platform": "CUDA",
                        "elapsed_time": 0.0059592, "timestamp": "2025-02-28T00:12:55.447784",
                    },
                    {"output": {"text": "Failed to tokenize"}, "elapsed_time": 0.1, "platform": "OpenVINO"},
                ],
                "metadata": {"model_name": "somewhere/tiny", "torch_version": "2.4.0", "test_timestamp": "x"},
            },
        },
        "ipfs-skill many": {
            "metadata": {"timestamp": "2025-02-28T00:16:38", "test_count": 1, "test_files": ["skills/test_hf_tiny.py"]},
            "results": {
                "skills/test_hf_tiny.py": {
                    "status": "Success", "execution_time": 0.31,
                    "performance_metrics": {
                        "cpu": {
                            "cpu_init": "Success (REAL)", "cpu_text_time": 0.0000234, "implementation_type": "REAL",
                            "cpu_image_example": {"timestamp": 1740730561.5, "elapsed_time": 0.2},
                            "examples": [{"timestamp": 1740730561.5, "elapsed_time": 0.2}],
                        },
                        "cuda": {"cuda_example": {"performance": {"inference_time": 0.1003468}}},
                    },
                }
            },
        },
        "ipfs-compatibility": {
            "timestamp": "20250302_201142",
            "hardware_types": ["cpu", "openvino"],
            "model_families": {
                "text": {
                    "hardware_compatibility": {
                        "cpu": {"compatible": True, "performance_rating": None, "benchmark_results": []},
                        "openvino": {"compatible": False, "benchmark_results": [{"model_name": "gpt2"}]},
                    }
                }
            },
            "simulated_hardware": ["openvino"],
        },
        "ipfs-functionality": _checks("cpu"),
        "ipfs-hardware-tests": {
            "test_hf_tiny": {
                "init": "Success", "cpu_init": "Success", "cpu_shape": [1, 2], "cuda_tests": "CUDA not available",
                "openvino_tests": "Error: no attribute 'Runtime'", "qualcomm_handler": "Failed Qualcomm handler",
            },
            "test_default_lm": "'transformers'",
            "test_hf_audio": {"audio_utils": "Error: name 'load' is not defined", "cpu_init": "Success"},
        },
        "ipfs-progress": {
            "timestamp": "20250306_174318",
            "completed_benchmarks": [{"model_type": "a", "hardware_type": "cpu"}],
            "failed_benchmarks": [
                {
                    "model_type": "b", "hardware_type": "cuda", "error": "Command failed with exit code 2",
                    "error_type": "execution_error", "stderr": "usage: x\nx: error: not allowed\n",
                    "timestamp": "2025-03-06T17:43:25.660638",
                },
                {"model_type": "c", "hardware_type": "cpu", "error": "gone", "error_type": "timeout"},
            ],
            "skipped_benchmarks": [{"model_type": "d", "hardware_type": "cpu", "reason": "too large"}],
            "summary": {"total": 4},
        },
        "ipfs-summary": {
            "timestamp": "20250305_204942",
            "system_info": {"platform": "Linux"},
            "hardware_types": ["cpu", "cuda", "mps"],
            "model_families": {
                "text": {
                    "models_tested": ["a", "b"],
                    "hardware_results": {
                        "cpu": {"latency_ms": [100.5, 10.25], "throughput": [9.9, 99.0]},
                        "cuda": {"latency_ms": [100.5], "throughput": [9.9]},
                    },
                }
            },
            "performance_comparison": {"text": {"relative_latency_speedup": {"cuda": 0.99}}},
        },
        "ipfs-browsers": {
            "model": "whisper",
            "tests": [
                {
                    "success": True, "model": "whisper", "browser": browser, "compute_shaders": shaders,
                    "performance": {"improvement_percentage": gain},
                }
                for browser, shaders, gain in (
                    ("firefox", True, 51.3), ("firefox", False, 51.1), ("chrome", True, 51.4), ("chrome", False, 51.4)
                )
            ],
        },
    }  # fmt: skip


@pytest.fixture(scope="session")
def compose() -> Callable[[str], dict[str, Any]]:
    """Give a fresh file of a shape, to be changed at will."""
    shapes = _shapes()
    return lambda name: copy.deepcopy(shapes[name])


@pytest.fixture(scope="session")
def shape_names() -> tuple[str, ...]:
    return tuple(_shapes())


@pytest.fixture(scope="session")
def as_source(tmp_path_factory: pytest.TempPathFactory) -> Callable[[object], Source]:
    """Write a file and open it."""
    folder = tmp_path_factory.mktemp("shapes")
    path = folder / "content.json"

    def write(content: object) -> Source:
        path.write_text(json.dumps(content), encoding="utf-8")
        return Source(path, path.name, path.stat().st_size)

    return write


def sort_items(importer: Importer, source: Source) -> Taken:
    """Read everything, each kind by itself."""
    items = list(importer.read(source))
    return Taken(
        [item for item in items if isinstance(item, ImportedRow)],
        [item for item in items if isinstance(item, Refusal)],
        [item.text for item in items if isinstance(item, Note)],
        [item for item in items if isinstance(item, Facts)],
    )


Take = Callable[[str, object], Taken]


@pytest.fixture(scope="session")
def take(as_source: Callable[[object], Source]) -> Take:
    """Read a content with the importer of a shape (the first word of its name here)."""
    return lambda name, content: sort_items(importers.get(name.split()[0]), as_source(content))


@pytest.fixture(scope="session")
def sort() -> Callable[[Importer, Source], Taken]:
    return sort_items


@pytest.fixture(scope="session")
def modules() -> dict[str, str]:
    return MODULES
