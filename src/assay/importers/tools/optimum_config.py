"""What an optimum-benchmark configuration says was measured: model, backend, device, precision, shapes, options.

Keys as the configuration classes of 0.6 have them (``backends/config.py``, ``scenarios/*/config.py``).
May import: core, importers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from assay.core.case import ForeignCase, Scalar
from assay.core.words import Mode
from assay.importers.tools.records import count_of, need_object, need_text, optional_object, scalar

_ENGINES = {"pytorch": "torch"}
_PRECISIONS = {"float32": "fp32", "float16": "fp16", "bfloat16": "bf16"}
_SHAPES = {"sequence_length": "seq"}
_BACKEND_OPTIONS = (
    "task", "library", "attn_implementation", "cache_implementation", "device_map", "tp_plan", "peft_type",
    "inter_op_num_threads", "intra_op_num_threads", "provider", "quantization_scheme",
)  # fmt: skip
_BACKEND_SWITCHES = (
    "torch_compile", "to_bettertransformer", "allow_tf32", "deepspeed_inference", "no_weights", "use_io_binding",
)  # fmt: skip
_GENERATION = {"max_new_tokens": "new_tokens", "num_beams": "num_beams"}
_CALL = ("num_inference_steps", "num_images_per_prompt")


@dataclass(frozen=True, slots=True)
class Work:
    """How much one call does: samples in it, and tokens that follow the first of each."""

    batch: int | None
    decoded_tokens: int | None


def read_case(config: Mapping[str, Any]) -> tuple[ForeignCase, Work]:
    """Read the case. Raises RowError where the backend or its model is missing."""
    backend, scenario = need_object(config, "backend"), optional_object(config, "scenario")
    trains = scenario.get("name") == "training"
    generation = optional_object(scenario, "generate_kwargs")
    shapes = {**optional_object(scenario, "dataset_shapes"), **optional_object(scenario, "input_shapes")}
    batch = count_of(shapes.pop("batch_size", None), "batch_size")
    if trains:
        batch = count_of(
            optional_object(scenario, "training_arguments").get("per_device_train_batch_size"),
            "per_device_train_batch_size",
        )
    sizes = {name: count_of(size, name) for name, size in shapes.items() if isinstance(size, (int, float))}
    precision = backend.get("torch_dtype") or backend.get("dtype")
    mode = Mode.TRAINING if trains else Mode.GENERATION if "max_new_tokens" in generation else Mode.INFERENCE
    case = ForeignCase.make(
        workload=need_text(backend, "model"),
        engine=_word(backend.get("name"), _ENGINES),
        device=_word(backend.get("device"), {}),
        mode=mode,
        precision=_word(precision, _PRECISIONS),
        batch=batch,
        shape={_SHAPES.get(name, name): size for name, size in sizes.items() if size is not None},
        options={
            **_options(backend, scenario, optional_object(config, "launcher")),
            **{name: scalar(value) for name, value in shapes.items() if not isinstance(value, (int, float))},
        },
    )
    tokens = count_of(generation.get("max_new_tokens"), "max_new_tokens")
    beams = count_of(generation.get("num_beams"), "num_beams") or 1
    return case, Work(batch, (tokens - 1) * beams if tokens else None)


def read_hardware(config: Mapping[str, Any]) -> str | None:
    """Return the chip that the device of the backend stands for: the GPUs where it is one, the CPU where it is that."""
    environment, backend = config.get("environment"), config.get("backend")
    if not isinstance(environment, dict) or not isinstance(backend, dict):
        return None
    if backend.get("device") == "cpu":
        cpu = environment.get("cpu")
        return cpu.strip() if isinstance(cpu, str) and cpu.strip() else None
    gpus = environment.get("gpu")
    names = {gpu.strip() for gpu in (gpus if isinstance(gpus, list) else [gpus]) if isinstance(gpu, str)}
    # Several kinds of GPU in one machine: which of them worked is not said.
    only = names.pop() if len(names) == 1 else None
    return only or None if backend.get("device") in ("cuda", "gpu") else None


def _options(
    backend: Mapping[str, Any], scenario: Mapping[str, Any], launcher: Mapping[str, Any]
) -> dict[str, Scalar | None]:
    options = {name: scalar(backend.get(name)) for name in _BACKEND_OPTIONS}
    options |= {name: True for name in _BACKEND_SWITCHES if backend.get(name) is True}
    if backend.get("autocast_enabled") is True:
        options["autocast"] = scalar(backend.get("autocast_dtype") or True)
    method = optional_object(backend, "quantization_config").get("quant_method")
    options["quantization"] = scalar(method)
    generation, call = optional_object(scenario, "generate_kwargs"), optional_object(scenario, "call_kwargs")
    options |= {ours: scalar(generation.get(theirs)) for theirs, ours in _GENERATION.items()}
    options |= {name: scalar(call.get(name)) for name in _CALL}
    options["processes"] = scalar(launcher.get("nproc_per_node"))
    if scenario.get("name") == "training":
        arguments = optional_object(scenario, "training_arguments")
        options["gradient_accumulation_steps"] = scalar(arguments.get("gradient_accumulation_steps"))
    return options


def _word(raw: object, words: Mapping[str, str]) -> str | None:
    return words.get(raw, raw) if isinstance(raw, str) and raw.strip() else None
