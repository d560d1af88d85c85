"""What OpenVINO made of a model: the nodes it executes, where, with which arithmetic, and the settings in force.

Asked of the compiled model, never taken from the request. May import: core, engines.base.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from assay.core.words import Precision
from assay.engines.base import Placement

PRECISION_HINTS: Mapping[Precision, str] = {
    Precision.FP32: "f32",
    Precision.BF16: "bf16",
    Precision.FP16: "f16",
    Precision.INT8: "f32",
    Precision.INT4: "f32",
}
"""What is asked of OpenVINO. Of a quantized model it is what the parts that stayed floating are computed in."""

WEIGHT_ONLY = "weight-only"
_WORDS = {"float32": "fp32", "f32": "fp32", "bfloat16": "bf16", "float16": "fp16", "f16": "fp16"}
_PRODUCTS = frozenset({
    "convolution", "deconvolution", "fullyconnected", "matmul", "gemm", "rnncell", "rnnseq", "lstmcell", "lstmseq",
    "grucell", "gruseq", "scaleddotproductattention", "mha", "llmmlp", "qkvprojection",
})  # fmt: skip
"""Kinds of node that do a model's arithmetic, in lower case and without underscores (the GPU plugin's have some)."""
_ARITHMETIC = frozenset({"f32", "f16", "bf16", "i8", "u8", "i4", "u4"})
_NARROW = frozenset({"i8", "u8", "i4", "u4"})
_SETTINGS = (
    "PERFORMANCE_HINT",
    "EXECUTION_MODE_HINT",
    "INFERENCE_PRECISION_HINT",
    "NUM_STREAMS",
    "INFERENCE_NUM_THREADS",
    "OPTIMAL_NUMBER_OF_INFER_REQUESTS",
    "ENABLE_CPU_PINNING",
    "ENABLE_HYPER_THREADING",
    "SCHEDULING_CORE_TYPE",
    "DYNAMIC_QUANTIZATION_GROUP_SIZE",
    "CACHE_DIR",
)
"""Properties that bear on speed or results; a plugin has some of them."""


@dataclass(frozen=True, slots=True)
class ExecutedNode:
    """One node of the executed graph, in the runtime's own words.

    ``precision`` is what its operands are stored in; ``arithmetic`` is the type at the end of the kernel's name, which
    differs where narrow weights are widened to be computed with (``brgemm_avx2_f32`` on ``u8``).
    """

    kind: str
    precision: str
    arithmetic: str
    device: str

    @property
    def is_product(self) -> bool:
        """True for what does the model's arithmetic: convolutions, matrix products, recurrences."""
        return self.kind.lower().replace("_", "") in _PRODUCTS


def read_nodes(compiled: Any) -> tuple[ExecutedNode, ...]:
    """List the nodes that the runtime executes. A plugin that runs the whole graph does not name itself at each."""
    devices = [str(name) for name in compiled.get_property("EXECUTION_DEVICES")]
    whole = devices[0] if devices else "unknown"
    return tuple(_read_node(node.get_rt_info(), whole) for node in compiled.get_runtime_model().get_ops())


def _read_node(info: Any, device: str) -> ExecutedNode:
    kernel = _text(info, "primitiveType")
    precision = _text(info, "runtimePrecision").lower()
    ending = kernel.rpartition("_")[2].lower()
    return ExecutedNode(
        kind=_text(info, "layerType"),
        precision=precision or "unknown",
        arithmetic=ending if ending in _ARITHMETIC else precision or "unknown",
        device=_text(info, "ExecutionDevice") or device,
    )


def _text(info: Any, key: str) -> str:
    return str(info[key].astype(str)) if key in info else ""


def find_placement(nodes: Iterable[ExecutedNode], wanted: str) -> Placement:
    """Count nodes by device. Asked for ``GPU``, what ran on ``GPU.0`` ran where it was meant to."""
    names = (node.device if "." in wanted else node.device.partition(".")[0] for node in nodes)
    return Placement(wanted, dict(Counter(names)), "OpenVINO's executed graph")


def describe_precision(
    precision: Precision, method: str | None, hint_in_force: str, nodes: Iterable[ExecutedNode]
) -> str:
    """Return what really runs: for a floating precision the hint in force, for a quantized one what its products do.

    A user's own file may be quantized whatever precision was asked for, and is then described as such.
    """
    floating = _WORDS.get(hint_in_force, hint_in_force)
    products = [node for node in nodes if node.is_product]
    rest = [node for node in products if node.arithmetic not in _NARROW]
    share = f"{len(products) - len(rest)} of {len(products)} products"
    others = f"; the rest {_list_words(node.arithmetic for node in rest)}" if rest else ""
    if method == WEIGHT_ONLY:
        if not any(node.precision in _NARROW for node in products):
            return floating
        stored = count_words(node.precision for node in products)
        return f"{precision} {method} ({stored}; computed in {_list_words(node.arithmetic for node in products)})"
    if len(rest) == len(products):
        return floating
    return f"{precision} {method} ({share}{others})" if method else f"int8 as in the file ({share}{others})"


def describe_graph(compiled: Any, nodes: Iterable[ExecutedNode]) -> dict[str, str]:
    """Return facts: nodes by precision, products by arithmetic, and the settings in force."""
    nodes = tuple(nodes)
    facts = {
        "nodes": str(len(nodes)),
        "nodes_by_precision": count_words(node.precision for node in nodes),
        "products_by_arithmetic": count_words(node.arithmetic for node in nodes if node.is_product),
        "execution_devices": ", ".join(str(name) for name in compiled.get_property("EXECUTION_DEVICES")),
    }
    supported = set(compiled.get_property("SUPPORTED_PROPERTIES"))
    return facts | {name.lower(): read_setting(compiled, name) for name in _SETTINGS if name in supported}


def read_setting(compiled: Any, name: str) -> str:
    """One property of the compiled model, as text: types by OpenVINO's short name (``f32``)."""
    value = compiled.get_property(name)
    return str(value.to_string()) if hasattr(value, "to_string") else str(getattr(value, "name", value))


def count_words(words: Iterable[str]) -> str:
    """``f32 54, i32 30``: the most frequent first."""
    ordered = sorted(Counter(words).items(), key=lambda pair: (-pair[1], pair[0]))
    return ", ".join(f"{word} {count}" for word, count in ordered)


def _list_words(words: Iterable[str]) -> str:
    return ", ".join(_WORDS.get(word, word) for word in sorted(set(words)))
