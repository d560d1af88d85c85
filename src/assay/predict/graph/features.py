"""What is learned from: times of the classes of operations at the device's rates, as shares and ratios.

A device enters by ratios only (time at its rates, bytes over its cache, flops over bytes), never by name. Nothing
here is derived from what is to be foretold. May import: core, predict.values, predict.numbers; numpy inside functions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assay.core.absence import Unavailable
from assay.predict.numbers import Alike, find_alike
from assay.predict.values import OP_CLASSES, Conditions, DeviceProfile, GraphProfile, Question

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

_BYTES = {"fp32": 4.0, "tf32": 4.0, "bf16": 2.0, "fp16": 2.0, "int8": 1.0, "fp8": 1.0}
ALIKE = {"bf16": "fp16", "tf32": "fp32"}
"""Precisions of the same units and sizes as another: what was learned of that one counts for them."""
_START_S = 5e-6
"""What starting an operation costs on common hosts: a scale that counts of operations are told in."""
_COMPUTING = OP_CLASSES[:7]
"""Classes whose operations are counted in flops: convolutions, products, attention."""
_BOUNDS = ("overlap by class", "heavy traffic", "overlap or start", "overlap of heavy classes", "overlap")
"""Other ways to add the same times up: what overlaps with what is not known, and differs by software."""
_HEAVY = [
    place for place, name in enumerate(OP_CLASSES) if name not in ("norm", "elementwise", "copy", "pool", "softmax")
]
"""Classes that no compiler merges into their neighbours."""
_TINY = 1e-12
_CHUNK = 1024
_TRAINING_WORK = 3.0
"""A step of training is a forward pass and a backward pass of twice its work (Kaplan et al. 2020, section 2.1)."""
_LATEST_TORCH = 2.09
"""Version of torch that is assumed where a question names none: the newest that was learned from."""


@dataclass(frozen=True, slots=True)
class Described:
    """Questions as numbers: ``rows`` (n, features), NaN where a device's figure is missing, and ``base_s`` (n,).

    ``base_s`` is the time at the rates of the device when work and traffic do not overlap; what is learned is the
    logarithm of the actual time over it.
    """

    rows: Array
    base_s: Array


def _feature_names() -> tuple[str, ...]:
    names = []
    for kind in ("compute share", "traffic share", "operations share", "traffic per operation", "over cache"):
        names += [f"{kind} of {one}" for one in OP_CLASSES]
    for kind in ("intensity", "work per operation"):
        names += [f"{kind} of {one}" for one in _COMPUTING]
    return (
        *names, *(f"{one} over base" for one in _BOUNDS), "starting over base", "intensity", "batch", "weights share",
        "operations", "base per operation", "ridge", "vector over matrix", "cache over bandwidth", "rate of a unit",
        "compiled", "channels last", "is gpu", "training", "torch",
    )  # fmt: skip


FEATURES = _feature_names()


def why_not_described(question: Question) -> Unavailable | None:
    """Return why a question has no features, None where it has."""
    if question.graph is None:
        return Unavailable(f"the graph of {question.workload} is not known")
    why = why_no_rates(question.device, question.conditions.precision)
    if why is None and not does_something(question.graph):
        return Unavailable(f"the graph of {question.workload} does nothing")
    return why


def why_no_rates(device: DeviceProfile, precision: str) -> Unavailable | None:
    """Return why the times of operations on a device are not known, None where they are."""
    if precision not in _BYTES:
        return Unavailable(f"nothing was learned of {precision}", "assay run --precision " + precision)
    if rate_of(device, precision) is None:
        return Unavailable(f"the {precision} rate of {device.name} is not known", "assay probe")
    if not device.bandwidth_bytes_per_s:
        return Unavailable(f"the bandwidth of {device.name} is not known", "assay probe")
    return None


def does_something(graph: GraphProfile) -> bool:
    """True for a graph that computes or moves anything."""
    return any(one.flops > 0 or one.elements > 0 for one in graph.work.values())  # the first says it, mostly


def arithmetic_of(device: DeviceProfile, precision: str) -> str:
    """Return what is computed in, and on what: ``fp16 on gpu``. Each has units and kernels of its own."""
    return f"{ALIKE.get(precision, precision)} on {'cpu' if device.kind == 'cpu' else 'gpu'}"


def rate_of(device: DeviceProfile, precision: str) -> float | None:
    """Flop/s of a precision, else of fp32 or the vector units: what has no unit of its own is computed there."""
    rates = device.flops_per_s
    return rates.get(precision) or rates.get("fp32") or device.vector_flops_per_s or None


def describe(questions: Sequence[Question]) -> Described:
    """Return the features of questions that have them (``why_not_described``)."""
    return describe_alike(find_alike(questions))


def describe_alike(asked: Alike) -> Described:
    """``describe`` for questions that were gone through: every graph and device is looked at once."""
    import numpy as np

    count = len(asked.of_graph)
    used = {place: asked.graphs[place] for place in np.unique(asked.of_graph).tolist()}
    work = np.zeros((len(asked.graphs), 3, len(OP_CLASSES)))  # of each class: count, flops, elements
    plain = np.zeros((len(asked.graphs), 2))
    for place, one in used.items():
        if one is None:
            raise ValueError("got a question without a graph; expected one that has features (why_not_described)")
        work[place], plain[place] = _work_of(one), (one.weight_elements or one.parameters, one.batch)
    pairs, of_pair = asked.pairs()
    device = np.array([_device_of(one, under.precision) for one, under in pairs])
    flags = np.array([_flags_of(under) for _, under in pairs])
    rows, base_s = np.empty((count, len(FEATURES))), np.empty(count)
    # Chunks fit the cache of a core: the same for many rows takes several times as long in one piece.
    for start in range(0, count, _CHUNK):
        own = slice(start, start + _CHUNK)
        graph, pair = asked.of_graph[own], of_pair[own]
        found = _combine(work[graph], plain[graph], device[pair], flags[pair])
        rows[own], base_s[own] = found.rows, found.base_s
    return Described(rows, base_s)


def _combine(work: Array, plain: Array, device: Array, flags: Array) -> Described:
    import numpy as np

    count, flops, elements = work[:, 0], work[:, 1].copy(), work[:, 2].copy()
    rate, vector, bandwidth, cache, units, size, is_gpu = device.T
    compiled, channels_last, training, torch_version = flags.T
    passes = np.where(training > 0, _TRAINING_WORK, 1.0)[:, None]
    compute = flops * passes / rate[:, None]
    traffic = elements * passes * (size / bandwidth)[:, None]
    base = compute.sum(axis=1) + traffic.sum(axis=1)
    each = np.maximum(count, 1.0)
    operations = np.maximum(count.sum(axis=1), 1.0)
    moved = traffic / each
    computing = len(_COMPUTING)
    longer = np.maximum(compute, traffic)
    bounds = (
        longer.sum(axis=1),
        compute.sum(axis=1) + traffic[:, _HEAVY].sum(axis=1),
        np.maximum(longer, count * _START_S).sum(axis=1),
        longer[:, _HEAVY].sum(axis=1),
        np.maximum(compute.sum(axis=1), traffic.sum(axis=1)),
    )
    columns = [
        compute / base[:, None],
        traffic / base[:, None],
        count / operations[:, None],
        np.log(moved / _START_S + 1e-3),
        np.log(moved * (bandwidth / cache)[:, None] + 1e-4),
        np.log((flops[:, :computing] + 1) / (elements[:, :computing] * 4 + 1)),
        np.log(compute[:, :computing] / each[:, :computing] / _START_S + 1e-3),
    ]
    single = [
        *(np.log(np.maximum(one, _TINY) / base) for one in bounds),
        np.log(operations * _START_S / base),
        np.log((compute.sum(axis=1) + _TINY) / (traffic.sum(axis=1) + _TINY)),
        np.log(plain[:, 1]),
        plain[:, 0] * size / bandwidth / base,
        np.log(operations),
        np.log(base / operations / _START_S),
        np.log(rate / bandwidth),
        np.log(rate / vector),
        np.log(cache / bandwidth * 1e6),
        np.log(rate / units / bandwidth),
        compiled,
        channels_last,
        is_gpu,
        training,
        torch_version,
    ]
    return Described(np.concatenate([*columns, np.stack(single, axis=1)], axis=1), base)


def _work_of(graph: GraphProfile) -> list[list[float]]:
    found = [graph.work.get(name) for name in OP_CLASSES]
    return [
        [one.count if one else 0.0 for one in found],
        [one.flops if one else 0.0 for one in found],
        [one.elements + one.other_bytes / 4 if one else 0.0 for one in found],
    ]


def _device_of(device: DeviceProfile, precision: str) -> list[float]:
    missing = float("nan")
    return [
        rate_of(device, precision) or missing,
        device.vector_flops_per_s or missing,
        device.bandwidth_bytes_per_s or missing,
        device.cache_bytes or missing,
        device.units or missing,
        _BYTES[precision],
        0.0 if device.kind == "cpu" else 1.0,
    ]


def _flags_of(conditions: Conditions) -> list[float]:
    options = dict(conditions.options)
    compiled = options.get("compile") or conditions.engine in ("torch-compile", "tensorrt", "openvino")
    return [
        1.0 if compiled else 0.0,
        1.0 if options.get("layout") == "nhwc" else 0.0,
        1.0 if conditions.mode == "training" else 0.0,
        float(round_of(conditions) or _LATEST_TORCH),
    ]


def round_of(conditions: Conditions) -> str:
    """Return the version of torch as text that sorts by age (``2.04`` of 2.4), empty where none is named."""
    text = dict(conditions.options).get("torch")
    if not isinstance(text, str):
        return ""
    major, _, minor = text.partition(".")
    return f"{major}.{int(minor.partition('.')[0] or 0):02}"
