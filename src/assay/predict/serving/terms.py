"""What a replica is told by: time to read its weights, room for users, and how many users there are.

Hardware enters as ratios: bytes of weights over bandwidth, operations over rate, room for users. Which device it was is
an effect drawn towards none, so that a new one gets that effect's variance and not its value. May import: core,
predict.values, predict.llm.shapes, predict.system.process; numpy inside functions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assay.core.absence import Unavailable
from assay.core.case import Scalar
from assay.predict.llm.shapes import LlmShape
from assay.predict.system.process import Rows, Term
from assay.predict.values import DeviceProfile, Question

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints = NDArray[Any]

FIRST, BETWEEN = "time_to_first_token_ns", "inter_token_latency_ns"
METRICS = (FIRST, BETWEEN)
ENGINE = "tgis"
"""What served when it was measured: it puts requests together in a way of its own."""
WORDS = ("model", "device", "flash", "decoder", "pair")
COLUMNS = ("work", "read", "devices", "room", "users")
_OPTIONS = ("users", "parameters", "layers", "is_encoder_decoder", "has_flash_attention")
_BYTES = 2.0
"""Of a number in 16 bits."""
_USABLE = 0.95
_LEAST_ROOM = 0.02
"""Share of the memory that counts as room where weights leave less: the logarithm needs some."""
_TOKENS = 200
"""Tokens of a text, to count users by: only a unit of the column."""
_WIDTHS = 12
"""Parameters of a transformer's layer over the square of its width: 4 of attention, 8 of the rest."""
_PRECISIONS = ("fp16", "bf16")
_CHIPS = ("A10", "A100", "H100", "T4", "V100")
"""What was published names chips and no form of them: what a form has more of is in the ratios."""


@dataclass(frozen=True, slots=True)
class Replica:
    """One question in words and numbers; ``prompt_tokens`` None where it is not told."""

    words: Mapping[str, str]
    columns: Mapping[str, float]
    prompt_tokens: float | None


def describe_replica(question: Question) -> Replica | Unavailable:
    """Tell a question by its ratios, or why that cannot be done."""
    options = _shape_options(question.decoder) | dict(question.conditions.options)
    missing = [name for name in _OPTIONS if name not in options]
    if missing:
        return Unavailable(
            f"a serving question needs the options {', '.join(_OPTIONS)}; {', '.join(missing)} not given"
        )
    device, count = question.device, question.conditions.devices
    rate = next((one for name in _PRECISIONS if (one := device.flops_per_s.get(name))), None)
    if not (rate and device.bandwidth_bytes_per_s and device.memory_bytes):
        return Unavailable(f"a 16 bit rate, bandwidth or memory of {device.name} is not known")
    parameters, layers, users = (float(options[name]) for name in ("parameters", "layers", "users"))
    if not (min(parameters, layers) > 0 and users >= 1 and math.isfinite(parameters * layers * users)):
        return Unavailable(f"got {parameters:g} parameters, {layers:g} layers, {users:g} users; expected them positive")
    weights, memory = _BYTES * parameters, device.memory_bytes * count
    if weights > memory:
        return Unavailable(f"{weights / 1e9:.0f} GB of weights do not fit into the {memory / 1e9:.0f} GB of the set-up")
    room = max(_USABLE * memory - weights, _LEAST_ROOM * memory)
    width = _width_of(parameters, layers)
    cache = 2 * _BYTES * layers * width * float(options.get("cache_share", 1.0)) * _TOKENS
    words = {
        "model": question.workload, "device": _chip_of(device), "flash": str(bool(options["has_flash_attention"])),
        "decoder": str(bool(options["is_encoder_decoder"])),
        "pair": f"{question.workload} on {count} x {_chip_of(device)}",
    }  # fmt: skip
    columns = {
        "work": math.log(weights / rate / count), "read": math.log(weights / device.bandwidth_bytes_per_s / count),
        "devices": math.log(count), "room": math.log2(room / cache) / 2, "users": math.log2(users) / 2,
    }  # fmt: skip
    tokens = options.get("prompt_tokens", options.get("isl"))
    return Replica(words, columns, None if tokens is None else float(tokens))


def _shape_options(decoder: LlmShape | None) -> dict[str, Scalar]:
    """What the options say of a model, told by its shape: a decoder of today, so with attention in one kernel."""
    if decoder is None:
        return {}
    kept = decoder.cache_numbers(_TOKENS) / _TOKENS
    whole = 2 * decoder.layers * _width_of(decoder.parameters, decoder.layers)
    return {
        "parameters": decoder.parameters, "layers": decoder.layers, "is_encoder_decoder": False,
        "has_flash_attention": True, "cache_share": kept / whole,
    }  # fmt: skip


def _chip_of(device: DeviceProfile) -> str:
    return next((word for word in device.name.split() if word in _CHIPS), device.name)


def _width_of(parameters: float, layers: float) -> float:
    return math.sqrt(parameters / layers / _WIDTHS)


def make_terms(metric: str) -> tuple[Term, ...]:
    """Return the covariance of a metric: how latencies lean on ratios and users, and what models and devices add."""
    reference = reference_of(metric)

    def near(name: str, same: tuple[str, ...], columns: tuple[str, ...], variance: float) -> Term:
        return Term(name, same, columns, "near", variance)

    return (
        Term("all", variance=1.0),
        Term("reference", columns=(reference,), shape="linear"),
        Term("devices", columns=("devices",), shape="linear"),
        near("users", (), ("users",), 0.5),
        near("users of attention", ("flash",), ("users",), 0.2),
        near("users, reference", (), (reference, "users"), 0.2),
        near("users, reference of attention", ("flash",), (reference, "users"), 0.1),
        near("users, room", (), ("room", "users"), 0.2),
        near("users, room of attention", ("flash",), ("room", "users"), 0.2),
        near("users, room, reference of attention", ("flash",), ("room", reference, "users"), 0.1),
        Term("attention", ("flash",)),
        near("users of decoder", ("decoder",), ("users",), 0.05),
        near("device", ("device",), ("users",), 0.02),
        Term("model", ("model",), variance=0.03),
        near("users of model", ("model",), ("users",), 0.03),
        near("users, room of model", ("model",), ("room", "users"), 0.03),
        near("pair", ("pair",), ("users",), 0.02),
    )


def reference_of(metric: str) -> str:
    """Return the column that a metric's logarithm is told beside: work of a token of the prompt, or reading weights."""
    return "work" if metric == FIRST else "read"


def number_rows(told: Sequence[Replica], names: Mapping[str, Mapping[str, int]]) -> Rows:
    """Number what rows share; a word that is not among ``names`` shares with no known row."""
    import numpy as np

    words: dict[str, Ints] = {}
    for name in WORDS:
        new: dict[str, int] = {}
        words[name] = np.array(
            [
                names[name][word] if word in names[name] else new.setdefault(word, -1 - len(new))
                for word in (one.words[name] for one in told)
            ],
            dtype=np.int64,
        )
    columns = {name: np.array([one.columns[name] for one in told], dtype=np.float64) for name in COLUMNS}
    return Rows(words, columns, len(told))
