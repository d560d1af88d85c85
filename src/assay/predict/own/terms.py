"""The times that a device would need for each part of a call, taken one by one: what the model of own results adds up.

All in ns: products, convolutions and grouped convolutions at the device's rate, weights and activations at its
bandwidth, operations at its cost of starting one. May import: predict.values; numpy inside functions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from assay.core.absence import Unavailable
from assay.core.words import Precision
from assay.predict.values import DeviceProfile, GraphProfile, Question

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[Any]

TERMS = ("products", "convolutions", "grouped", "weights", "activations", "operations")
_OF_TERM = {
    "products": ("matmul", "batched_matmul", "attention"),
    "convolutions": ("conv", "pointwise_conv"),
    "grouped": ("grouped_conv", "depthwise_conv"),
}
_OVERHEAD_NS = 5_000.0
"""An operation where the device was never probed: what a dispatch costs on common hosts. It is a scale; what is
learned multiplies it."""
_INTEGERS = ("int8", "int4")


def why_no_terms(question: Question) -> Unavailable | None:
    """Return why a question has no terms, None where it has."""
    if question.graph is None:
        return Unavailable(f"the graph of {question.workload} is not known")
    if rate_of(question.device, question.conditions.precision) is None:
        return Unavailable(f"no rate of arithmetic of {question.device.name} is known", "assay probe")
    if not question.device.bandwidth_bytes_per_s:
        return Unavailable(f"no bandwidth of {question.device.name} is known", "assay probe")
    return None


def rate_of(device: DeviceProfile, precision: str) -> float | None:
    """Flop/s in a precision, else in fp32: what a device has no unit for is computed in that."""
    rates = device.flops_per_s
    return rates.get(precision) or rates.get("fp32") or device.vector_flops_per_s


def terms_of(questions: Sequence[Question]) -> Floats:
    """Return the times in ns, (questions, terms), of questions that have them (``why_no_terms``)."""
    import numpy as np

    rows = np.zeros((len(questions), len(TERMS)))
    for place, question in enumerate(questions):
        graph = question.graph
        rate = rate_of(question.device, question.conditions.precision)
        bandwidth = question.device.bandwidth_bytes_per_s
        if graph is None or rate is None or not bandwidth:
            raise ValueError(f"got a question without terms: {why_no_terms(question)}")
        rows[place] = _row(graph, question.conditions.precision, rate, bandwidth, question.device.launch_overhead_ns)
    return rows


def _row(graph: GraphProfile, precision: str, rate: float, bandwidth: float, overhead_ns: float | None) -> list[float]:
    flops = [sum(graph.work[name].flops for name in names if name in graph.work) for names in _OF_TERM.values()]
    weight_bytes, activation_bytes = _bytes_of(precision)
    weights = graph.weight_elements * weight_bytes
    other = sum(one.other_bytes for one in graph.work.values())
    activations = max(0.0, graph.elements - graph.weight_elements) * activation_bytes + other
    operations = graph.kernels * (overhead_ns or _OVERHEAD_NS)
    return [*(one / rate * 1e9 for one in flops), weights / bandwidth * 1e9, activations / bandwidth * 1e9, operations]


def _bytes_of(precision: str) -> tuple[float, float]:
    """Bytes of a weight and of an activation; int8 and int4 keep activations in fp32."""
    try:
        weights = Precision(precision).bytes_per_parameter
    except ValueError:
        weights = Precision.FP32.bytes_per_parameter
    return weights, Precision.FP32.bytes_per_parameter if precision in _INTEGERS else weights
