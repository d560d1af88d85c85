"""Recipes ``onnx-fp16``, ``onnx-int8-weight`` and ``onnx-int4-weight``: the ONNX graph with smaller weights.

They start from what ``onnx`` wrote and need no torch. May import: core, workloads, artefacts; onnx and onnxruntime
inside functions.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING

from assay.artefacts.base import BuildRequest, Recipe, recipes
from assay.artefacts.onnx_derive import INSTALL_HINT, PACKAGES, needs_onnx, read_base
from assay.artefacts.onnx_files import MODEL_FILE, find_products, model_bytes, quiet_logging, write_model
from assay.artefacts.onnx_int8 import ONNX_INT8_DYNAMIC, ONNX_INT8_STATIC
from assay.core.errors import UnsupportedError
from assay.core.words import Precision

if TYPE_CHECKING:
    import onnx

ONNX_FP16 = "onnx-fp16"
ONNX_INT8_WEIGHT = "onnx-int8-weight"
ONNX_INT4_WEIGHT = "onnx-int4-weight"
DYNAMIC, STATIC, WEIGHT_ONLY = "dynamic", "static", "weight-only"
QUANTIZED: Mapping[Precision, Mapping[str, str]] = {
    Precision.INT8: {DYNAMIC: ONNX_INT8_DYNAMIC, STATIC: ONNX_INT8_STATIC, WEIGHT_ONLY: ONNX_INT8_WEIGHT},
    Precision.INT4: {WEIGHT_ONLY: ONNX_INT4_WEIGHT},
}
"""The recipe of each precision and way of quantizing."""
_BLOCK = 32
"""Weights that share a scale and a zero point, along the axis that is summed over."""


def _build_fp16(wanted: BuildRequest) -> Mapping[str, str]:
    """Convert weights, activations, inputs and outputs, as an engine that loads a model in fp16 does.

    Operators without a float16 form (``Range``, ``CumSum``, ``Min``, ``Max`` ...) stay in float32 between casts; this
    list, and the clamping of what float16 cannot hold, are onnxruntime's. Inputs are float16: the engine casts them.
    """
    import onnxruntime
    from onnxruntime.transformers.float16 import convert_float_to_float16

    model, facts = read_base(wanted)
    before = _count_floats(model)
    # Types are in the graph already; inferring them again would copy it through protobuf, which stops at 2 GB.
    with quiet_logging():
        converted = convert_float_to_float16(model, keep_io_types=False, disable_shape_infer=True)
    _drop_repeated_nodes(converted.graph)
    write_model(converted, wanted.folder)
    return facts | {
        "onnxruntime": onnxruntime.__version__,
        "weights_converted": f"{before - _count_floats(converted)} of {before}",
        "casts": str(sum(node.op_type == "Cast" for node in converted.graph.node)),
        "model_bytes": str(model_bytes(wanted.folder / MODEL_FILE)),
    }


def _drop_repeated_nodes(graph: onnx.GraphProto) -> None:
    """Keep one of equal casts: the converter adds one for each node that reads a value, all under one name."""
    seen: set[str] = set()
    kept = []
    for node in graph.node:
        if node.op_type != "Cast" or node.name not in seen:
            kept.append(node)
            seen.add(node.name)
    if len(kept) < len(graph.node):
        copies = [type(node).FromString(node.SerializeToString()) for node in kept]
        del graph.node[:]
        graph.node.extend(copies)


def _count_floats(model: onnx.ModelProto) -> int:
    import onnx

    return sum(one.data_type == onnx.TensorProto.FLOAT for one in model.graph.initializer)


def _build_weight_only(bits: int, wanted: BuildRequest) -> Mapping[str, str]:
    """Store the weights of matrix products in ``bits`` bits, block by block; activations stay float32.

    Only ``MatMul`` nodes have such a form (``com.microsoft.MatMulNBits``): convolutions and embeddings stay as they
    are, and a model of convolutions alone is refused.
    """
    import onnxruntime
    from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer

    model, facts = read_base(wanted)
    total = len(find_products(model.graph))
    with quiet_logging():
        quantizer = MatMulNBitsQuantizer(model, bits=bits, block_size=_BLOCK, is_symmetric=False)
        quantizer.process()
    quantized = quantizer.model.model
    count = sum(node.op_type == "MatMulNBits" for node in quantized.graph.node)
    if not count:
        raise UnsupportedError(
            f"{wanted.workload.name} has no matrix product whose weights could be stored in {bits} bits.",
            hint="Use int8 with quantization=static.",
        )
    write_model(quantized, wanted.folder)
    return facts | {
        "onnxruntime": onnxruntime.__version__,
        "quantization": f"weight-only, {bits} bits, blocks of {_BLOCK}, asymmetric",
        "quantized_nodes": f"{count} of {total}",
        "model_bytes": str(model_bytes(wanted.folder / MODEL_FILE)),
    }


recipes.add(
    ONNX_FP16,
    Recipe(
        name=ONNX_FP16,
        version=1,
        description="ONNX graph in float16, inputs and outputs too",
        build=_build_fp16,
        packages=PACKAGES,
        install_hint=INSTALL_HINT,
        needs=needs_onnx,
        serves_every_batch=True,
    ),
)
for _name, _bits in ((ONNX_INT8_WEIGHT, 8), (ONNX_INT4_WEIGHT, 4)):
    recipes.add(
        _name,
        Recipe(
            name=_name,
            version=1,
            description=f"ONNX graph with the weights of matrix products in {_bits} bits",
            build=functools.partial(_build_weight_only, _bits),
            packages=PACKAGES,
            install_hint=INSTALL_HINT,
            needs=needs_onnx,
            serves_every_batch=True,
        ),
    )
