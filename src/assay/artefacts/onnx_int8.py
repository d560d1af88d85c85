"""Recipes ``onnx-int8-dynamic`` and ``onnx-int8-static``: weights and activations in 8 bits.

Both quantize products with weights (``MatMul``, ``Gemm``, ``Conv``) and embeddings, and leave the rest in float32:
products of two activations, such as in attention, lose most and gain least. Nothing here needs torch. May import:
core, workloads, artefacts; onnx and onnxruntime inside functions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from assay.artefacts.base import BuildRequest, Recipe, recipes
from assay.artefacts.onnx_derive import INSTALL_HINT, PACKAGES, needs_onnx, read_base
from assay.artefacts.onnx_export import ONNX
from assay.artefacts.onnx_files import (
    MODEL_FILE,
    find_embeddings,
    find_products,
    is_large,
    model_bytes,
    quiet_logging,
    read_inputs,
    read_model,
)
from assay.core.errors import UnsupportedError, UsageError
from assay.workloads.inputs import make_inputs

if TYPE_CHECKING:
    import onnx
    from numpy.typing import NDArray

ONNX_INT8_DYNAMIC = "onnx-int8-dynamic"
ONNX_INT8_STATIC = "onnx-int8-static"
DEFAULT_SAMPLES = 8


def _build_dynamic(wanted: BuildRequest) -> Mapping[str, str]:
    """Quantize weights now, and activations anew in every call, by their range in that call."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    model, facts = read_base(wanted)
    products = find_products(model.graph)
    chosen = {*products, *find_embeddings(model.graph)}
    types = ("MatMul", "Gemm", "Conv", "Gather")
    _forget_shapes(model)
    with quiet_logging():
        quantize_dynamic(
            model,
            str(wanted.folder / MODEL_FILE),
            weight_type=QuantType.QInt8,
            # Said the other way round: a Gemm is first split in two, under new names.
            op_types_to_quantize=list(types),
            nodes_to_exclude=[one.name for one in model.graph.node if one.op_type in types and one.name not in chosen],
            reduce_range=_reduces_range(wanted),
            use_external_data_format=is_large(model),
        )
    nodes = read_model(wanted.folder).graph.node
    count = sum(node.op_type in {"MatMulInteger", "ConvInteger"} for node in nodes)
    return facts | _report(wanted, "dynamic", count, len(products))


def _build_static(wanted: BuildRequest) -> Mapping[str, str]:
    """Quantize weights, and activations by the ranges (minimum and maximum) that samples had, as QDQ nodes.

    Activations are unsigned and weights signed: what the CPU's kernels are fastest with, as onnxruntime documents.
    """
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static

    model, facts = read_base(wanted)
    products = find_products(model.graph)
    samples, source = _find_samples(wanted, is_dynamic=facts["batch"] == "dynamic")
    _forget_shapes(model)
    with quiet_logging():
        quantize_static(
            model,
            str(wanted.folder / MODEL_FILE),
            _Reader(samples),
            quant_format=QuantFormat.QDQ,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            reduce_range=_reduces_range(wanted),
            nodes_to_quantize=products + find_embeddings(model.graph),
            calibrate_method=CalibrationMethod.MinMax,
            use_external_data_format=is_large(model),
        )
    count = _count_dequantized(read_model(wanted.folder).graph)
    return facts | _report(wanted, "static", count, len(products)) | {"calibration": source}


def _forget_shapes(model: onnx.ModelProto) -> None:
    """Drop the shapes the exporter noted: they use its own symbols, and shape inference then finds contradictions."""
    del model.graph.value_info[:]


def _reduces_range(wanted: BuildRequest) -> bool:
    """Tell whether weights get 7 bits: without VNNI, x86 adds two 8-bit products in 16 bits, which overflows."""
    return bool(dict(wanted.request.options).get("reduce_range", False))


def _find_samples(wanted: BuildRequest, *, is_dynamic: bool) -> tuple[Iterator[dict[str, NDArray[Any]]], str]:
    """Return calibration inputs and words that say what they are.

    Families: made as the timed ones are, from seeds that the timed ones do not have. A user's own model brings one
    set of inputs, and is calibrated with that.
    """
    request, workload = wanted.request, wanted.workload
    brought = read_inputs(wanted.needs[ONNX])
    if brought is not None:
        return iter([brought]), "1 sample: the model's own inputs, which are timed too"
    if not workload.family.inputs:
        raise UnsupportedError(
            f"{workload.name} comes without inputs to calibrate with.", hint="Use quantization=dynamic."
        )
    count = dict(request.options).get("samples", DEFAULT_SAMPLES)
    if not isinstance(count, int) or count < 1:
        raise UsageError(f"samples={count!r} is not a number of calibration samples; expected 1 or more.")
    batch = 1 if is_dynamic else request.batch
    seeds = range(request.seed + 1, request.seed + 1 + count)
    shape = dict(request.shape)
    return (
        (make_inputs(workload, batch=batch, shape=shape, seed=seed) for seed in seeds),
        f"{count} samples of batch {batch}: random inputs of seeds {seeds[0]} to {seeds[-1]}, by minimum and maximum",
    )


class _Reader:
    """What onnxruntime's calibrators ask for samples; None ends them."""

    def __init__(self, samples: Iterator[dict[str, NDArray[Any]]]) -> None:
        self._samples = samples

    def get_next(self) -> dict[str, NDArray[Any]] | None:
        return next(self._samples, None)


def _count_dequantized(graph: onnx.GraphProto) -> int:
    """Count the products both of whose factors come from quantized values."""
    quantized = {node.output[0] for node in graph.node if node.op_type == "DequantizeLinear"}
    return sum(
        node.op_type in {"MatMul", "Gemm", "Conv", "ConvTranspose"}
        and node.input[0] in quantized
        and node.input[1] in quantized
        for node in graph.node
    )


def _report(wanted: BuildRequest, method: str, count: int, total: int) -> dict[str, str]:
    import onnxruntime

    if not count:
        raise UnsupportedError(f"{wanted.workload.name} has no product with weights that could be quantized to int8.")
    return {
        "onnxruntime": onnxruntime.__version__,
        "quantization": f"{method} int8{', weights in 7 bits' if _reduces_range(wanted) else ''}",
        "quantized_nodes": f"{count} of {total}",
        "model_bytes": str(model_bytes(wanted.folder / MODEL_FILE)),
    }


for _name, _build, _words in (
    (ONNX_INT8_DYNAMIC, _build_dynamic, "activations by their range in each call"),
    (ONNX_INT8_STATIC, _build_static, "activations by calibrated ranges"),
):
    recipes.add(
        _name,
        Recipe(
            name=_name,
            version=1,
            description=f"ONNX graph in int8, {_words}",
            build=_build,
            packages=PACKAGES,
            install_hint=INSTALL_HINT,
            needs=needs_onnx,
            serves_every_batch=True,
        ),
    )
