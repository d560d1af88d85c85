"""A way to serve a language model, told by numbers: model, devices, precision, lengths, users. No device by name.

May import: core, predict.values, predict.llm.shapes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from assay.core.absence import Unavailable
from assay.predict.llm.shapes import PREFIX, SHAPES, LlmShape, find_shape
from assay.predict.values import DeviceProfile, Question

FIRST, BETWEEN = "time_to_first_token_ns", "time_per_output_token_ns"
METRICS = (BETWEEN, FIRST)
_BYTES = {"bf16": 2.0, "fp16": 2.0, "fp8": 1.0, "int8": 1.0, "fp4": 0.5625, "int4": 0.5625}
"""Of a parameter. Four bits have a scale of 8 bits for each 16 (NVFP4); MXFP4 and int4 differ by less than 6 %."""
PRECISIONS = tuple(_BYTES)
_RATES = {
    "bf16": ("bf16", "fp16"), "fp16": ("fp16", "bf16"), "fp8": ("fp8", "bf16", "fp16"),
    "int8": ("int8", "bf16", "fp16"), "fp4": ("fp4", "fp8", "bf16", "fp16"), "int4": ("bf16", "fp16"),
}  # fmt: skip
"""Where a device has no unit for a precision, it computes in the next. Weights of int4 are unpacked to 16 bits."""
_NEEDED = {"isl": "tokens of the prompt", "osl": "tokens of the answer", "users": "requests at the same time"}


@dataclass(frozen=True, slots=True)
class Setup:
    """``users`` at a time, each with a prompt of ``isl`` tokens and an answer of ``osl``.

    Where one set of devices does both, ``workers`` and ``prefill_workers`` are 1 and their devices the same; where
    reading prompts has devices of its own, ``is_split``. ``rate`` and ``bandwidth`` are those of one device, per s.
    """

    shape: LlmShape
    rate: float
    bandwidth: float
    memory: float
    precision: str
    isl: float
    osl: float
    users: float
    devices: float
    workers: float = 1.0
    prefill_devices: float = 0.0
    prefill_workers: float = 1.0
    is_split: bool = False
    is_attention_parallel: bool = False
    is_expert_parallel: bool = False
    backend: str = ""

    @property
    def parameter_bytes(self) -> tuple[float, float]:
        """Bytes of what every token uses, and of the experts. Four bits hold experts; the rest of such a model has 16.

        So it is in gpt-oss (MXFP4) and Kimi K2.5 (int4) as published, and in most of what NVFP4 was made of.
        """
        width = _BYTES[self.precision]
        rest = 2.0 if self.shape.experts > 1 and width < 1 else width
        return self.shape.shared_parameters * rest, self.shape.expert_parameters * width

    @property
    def cache_bytes(self) -> float:
        """Bytes of a number that is kept of the text: 16 bits where weights are, else 8."""
        return min(2.0, max(1.0, _BYTES[self.precision]))


def rate_of(device: DeviceProfile, precision: str) -> float | None:
    """Flop/s of a device in a precision, or in the next that it computes in; None where no sheet says."""
    return next((rate for name in _RATES[precision] if (rate := device.flops_per_s.get(name))), None)


def read_setup(question: Question) -> Setup | Unavailable:
    """Read a question, or say what it lacks. Options: isl, osl, users; backend, precision, devices, how they are split.

    Those go before the conditions of the same name: ``backend`` before the engine, ``devices`` (of one replica) before
    the conditions' number. ``prefill_devices`` (of a worker) says that prompts are read on devices of their own.
    """
    known = find_shape(question.workload) if question.workload.startswith(PREFIX) else None
    shape = question.decoder or known
    if shape is None:
        names = ", ".join(PREFIX + one.name for one in SHAPES)
        return Unavailable(
            f"{question.workload} is none of the language models whose shape is known",
            f"a configuration of it, or one of {names}",
        )
    options = dict(question.conditions.options)
    missing = [f"{name} ({what})" for name, what in _NEEDED.items() if name not in options]
    if missing:
        return Unavailable(f"not told: {', '.join(missing)}", "give it with --option, for example --option users=16")
    precision = str(options.get("precision", question.conditions.precision))
    rates = _rates(question.device, precision)
    if isinstance(rates, Unavailable):
        return rates
    numbers = _numbers(options)
    if isinstance(numbers, Unavailable):
        return numbers
    prefill = numbers.get("prefill_devices", 0.0)
    devices = numbers.get("devices", float(question.conditions.devices))
    setup = Setup(
        shape, *rates, precision, numbers["isl"], numbers["osl"], numbers["users"], devices,
        numbers.get("decode_workers", 1.0), prefill or devices, numbers.get("prefill_workers", 1.0), bool(prefill),
        bool(options.get("attention_parallel")), bool(options.get("expert_parallel")),
        str(options.get("backend", question.conditions.engine)),
    )  # fmt: skip
    weights, room = sum(setup.parameter_bytes), setup.memory * setup.devices
    if weights <= room:
        return setup
    said = f"{weights / 1e9:.0f} GB of weights do not fit into {room / 1e9:.0f} GB of {setup.devices:.0f} devices"
    return Unavailable(said, "more devices, or a narrower precision")


def _rates(device: DeviceProfile, precision: str) -> tuple[float, float, float] | Unavailable:
    """Rate, bandwidth and memory of a device."""
    if precision not in _BYTES:
        known = ", ".join(_BYTES)
        return Unavailable(f"{precision} is no precision that models are served in", f"--option precision= {known}")
    rate = rate_of(device, precision)
    if not (rate and device.bandwidth_bytes_per_s and device.memory_bytes):
        return Unavailable(f"the rate in {precision}, the bandwidth or the memory of {device.name} is not known")
    return rate, device.bandwidth_bytes_per_s, device.memory_bytes


def _numbers(options: Mapping[str, object]) -> dict[str, float] | Unavailable:
    found = {}
    for name in (*_NEEDED, "devices", "decode_workers", "prefill_workers", "prefill_devices"):
        if name not in options:
            continue
        value = options[name]
        if isinstance(value, bool) or not isinstance(value, int | float) or not 1 <= value < math.inf:
            return Unavailable(f"got {value!r} for {name}; expected a number of at least 1")
        found[name] = float(value)
    return found
