"""Walk an ONNX file and count what one call computes and moves, in the classes of `assay.predict.graphs`.

Nothing is run, and weights are not read: their shapes are enough. Sizes follow from ONNX' own shape inference with
the inputs' dimensions set. May import: core, workloads, predict.values; onnx inside functions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any

from assay.core.errors import UnsupportedError
from assay.predict.graph_onnx_shapes import infer_shapes
from assay.predict.values import GraphProfile, OpWork
from assay.workloads.base import Workload

_CLASSES = {
    "conv": ("Conv", "ConvTranspose", "ConvInteger", "QLinearConv", "FusedConv", "NhwcFusedConv"),
    "matmul": ("Gemm", "MatMul", "MatMulInteger", "QLinearMatMul", "FusedMatMul", "MatMulNBits", "FusedGemm",
               "DynamicQuantizeMatMul", "MatMulIntegerToFloat", "TransposeMatMul", "Einsum"),
    "attention": ("Attention", "MultiHeadAttention", "GroupQueryAttention", "QAttention"),
    "norm": ("BatchNormalization", "LayerNormalization", "SkipLayerNormalization", "InstanceNormalization",
             "GroupNormalization", "RMSNormalization", "SimplifiedLayerNormalization", "LpNormalization",
             "SkipSimplifiedLayerNormalization", "EmbedLayerNormalization", "LRN"),
    "softmax": ("Softmax", "LogSoftmax"),
    "pool": ("MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool", "LpPool", "ReduceMean", "ReduceSum",
             "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2", "ReduceLogSumExp"),
    "gather": ("Gather", "GatherElements", "GatherND"),
    "copy": ("Concat", "Pad", "Expand", "Slice", "Split", "Tile", "Transpose", "DepthToSpace", "SpaceToDepth",
             "ScatterND", "ScatterElements", "ConstantOfShape", "Cast", "Range", "EyeLike"),
    "elementwise": ("Add", "Sub", "Mul", "Div", "Pow", "Sqrt", "Exp", "Log", "Abs", "Neg", "Erf", "Tanh", "Sigmoid",
                    "Relu", "LeakyRelu", "Gelu", "FastGelu", "BiasGelu", "QuickGelu", "Elu", "Selu", "Softplus",
                    "HardSwish", "HardSigmoid", "Mish", "PRelu", "Clip", "Where", "Equal", "Greater", "Less", "Not",
                    "And", "Or", "GreaterOrEqual", "LessOrEqual", "Min", "Max", "Sum", "Mean", "Reciprocal", "Sin",
                    "Cos", "IsNaN", "IsInf", "Floor", "Ceil", "Round", "Sign", "Swish", "DequantizeLinear",
                    "QuantizeLinear", "DynamicQuantizeLinear", "Trilu", "Mod", "Celu", "ThresholdedRelu"),
}  # fmt: skip
_CLASS_OF = {op: name for name, ops in _CLASSES.items() for op in ops}
_FREE = frozenset({"Reshape", "Squeeze", "Unsqueeze", "Flatten", "Identity", "Shape", "Size", "Constant", "Dropout"})
"""Those that only look at the same memory otherwise, or say its shape."""
_WITH_BODIES = ("If", "Loop", "Scan")
_FLOATS = (1, 10, 11, 16, 17, 18, 19, 20)
"""Element types of floating point numbers in onnx/onnx.proto3: float, float16, double, bfloat16 and those of 8 bits."""
_TINY = 64
"""Elements of integers up to which a node is taken for arithmetic of shapes, that runtimes fold."""
_THROUGH = ("Add", "Mul", "Div", "Where", "Cast", "IsNaN")
"""What may stand between a product and its softmax in attention, and after it."""
_LONGEST_CHAIN = 6
_MOST_UNKNOWN = 0.05


def profile_onnx(workload: Workload, shape: Mapping[str, int]) -> GraphProfile:
    """Return the graph of one call of an ONNX file at its smallest batch. Raises UnsupportedError.

    Refused where the sizes of more than 5 % of its operations cannot be told, and where it branches or loops.
    """
    path = Path(str(workload.size.config["file"]))
    batch = int(workload.size.config.get("batch_lo") or 1)
    whole = workload.resolve_shape(shape)
    model, names = infer_shapes(workload, path, batch, whole)
    graph = _read(model.graph)
    work, unknown = _count(graph)
    total = sum(one.count for one in work.values())
    if unknown > _MOST_UNKNOWN * (total + unknown) or not total:
        raise UnsupportedError(
            f"The sizes of {unknown} of {total + unknown:g} operations of {workload.name} cannot be told.",
            hint="Export it with fixed dimensions, or add shapes with onnx.shape_inference.",
        )
    read = {name for node in graph.nodes for name in node.input} & graph.weights & graph.floats
    edges = [name for name in (*graph.inputs, *graph.outputs) if name in graph.floats]
    return GraphProfile(
        workload=workload.name,
        family=workload.family.name,
        work=work,
        batch=batch,
        shape=tuple(sorted(whole.items())),
        parameters=sum(graph.size(name) or 0 for name in names & graph.floats),
        weight_elements=sum(graph.size(name) or 0 for name in read),
        edge_elements=sum(graph.size(name) or 0 for name in edges),
        activation_peak_elements=_find_peak(graph),
        units_per_call=workload.units_per_call(batch, whole),
        unit_of_work=workload.family.unit.value,
        source="onnx",
        notes=(f"{unknown} operations of unknown size left out",) if unknown else (),
    )


@dataclass(slots=True)
class _Graph:
    """Nodes in order, and what is known of the tensors between them, by name."""

    nodes: list[Any]
    inputs: list[str]
    outputs: list[str]
    weights: set[str] = field(default_factory=set)
    floats: set[str] = field(default_factory=set)
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)

    def size(self, name: str) -> int | None:
        """Elements of a tensor, None where its shape is not known."""
        return prod(self.shapes[name]) if name in self.shapes else None


def _read(graph: Any) -> _Graph:
    for node in graph.node:
        if node.op_type in _WITH_BODIES:
            raise UnsupportedError(
                f"It has a node {node.op_type}, whose work depends on values.",
                hint="Export the part that runs without branches.",
            )
    weights = {one.name: one for one in graph.initializer}
    found = _Graph(
        nodes=list(graph.node),
        inputs=[one.name for one in graph.input if one.name not in weights],
        outputs=[one.name for one in graph.output],
        weights=set(weights),
    )
    for name, one in weights.items():
        found.shapes[name] = tuple(one.dims)
        if one.data_type in _FLOATS:
            found.floats.add(name)
    for one in (*graph.input, *graph.value_info, *graph.output):
        kind = one.type.tensor_type
        if kind.elem_type in _FLOATS:
            found.floats.add(one.name)
        if kind.HasField("shape") and all(dim.HasField("dim_value") for dim in kind.shape.dim):
            found.shapes[one.name] = tuple(dim.dim_value for dim in kind.shape.dim)
    _fold_constants(found)
    return found


def _fold_constants(graph: _Graph) -> None:
    """Take nodes out that depend on weights alone: every runtime computes them once, while loading."""
    left = []
    for node in graph.nodes:
        if node.op_type == "Constant" or (node.input and all(name in graph.weights for name in node.input if name)):
            graph.weights.update(node.output)
        else:
            left.append(node)
    graph.nodes = left


def _count(graph: _Graph) -> tuple[dict[str, OpWork], int]:
    """Return work by class, and how many operations were left out for want of their sizes."""
    work: dict[str, OpWork] = {}
    unknown = 0
    attention = dict(_find_attention(graph))
    inside = {place for places in attention.values() for place in places} | set(_find_fused(graph))
    for place, node in enumerate(graph.nodes):
        if place in inside and place not in attention:
            continue
        if node.op_type in _FREE or not _does_something(graph, node):
            continue
        if place in attention:
            made = _join_attention(graph, [graph.nodes[one] for one in attention[place]])
            name = "attention"
        else:
            made, name = _work_of(graph, node), _class_of(graph, node)
        if made is None:
            unknown += 1
            continue
        before = work.get(name, OpWork())
        fields = ("count", "flops", "elements", "other_bytes", "weight_elements")
        work[name] = OpWork(**{one: getattr(before, one) + getattr(made, one) for one in fields})
    return dict(sorted(work.items())), unknown


def _does_something(graph: _Graph, node: Any) -> bool:
    if any(name in graph.floats for name in node.output):
        return True
    sizes = [graph.size(name) for name in node.output if name]
    return any(size is not None and size > _TINY for size in sizes)


def _class_of(graph: _Graph, node: Any) -> str:
    name = _CLASS_OF.get(node.op_type, "other")
    if name == "conv":
        return _class_of_convolution(graph, node)
    if name == "matmul" and node.op_type != "Gemm":
        left, right = (graph.shapes.get(one, ()) for one in _operands(node))
        is_batched = len(right) > 2 and _operands(node)[1] not in graph.weights and len(left) > 2  # noqa: PLR2004
        return "batched_matmul" if is_batched or node.op_type == "Einsum" else "matmul"
    return name


def _class_of_convolution(graph: _Graph, node: Any) -> str:
    groups = next((one.i for one in node.attribute if one.name == "group"), 1)
    source, weight = (graph.shapes.get(one, ()) for one in _operands(node))
    if groups > 1:
        return "depthwise_conv" if len(source) > 1 and groups == source[1] else "grouped_conv"
    return "pointwise_conv" if prod(weight[2:]) == 1 else "conv"


def _work_of(graph: _Graph, node: Any) -> OpWork | None:
    """What one node does; None where a size is missing."""
    names = [name for name in (*dict.fromkeys(node.input), *node.output) if name]
    if any(graph.size(name) is None for name in names):
        return None
    flops = _flops_of(graph, node)
    if flops is None:
        return None
    elements, other, weights = 0, 0.0, 0
    for name in names:
        size = graph.size(name) or 0
        if name == node.input[0] and _CLASS_OF.get(node.op_type) == "gather":
            size = min(size, graph.size(node.output[0]) or 0)
        if name not in graph.floats:
            other += 8.0 * size if size > _TINY else 0.0
            continue
        elements += size
        weights += size if name in graph.weights and _CLASS_OF.get(node.op_type) != "gather" else 0
    return OpWork(1, flops, elements, other, weights)


def _flops_of(graph: _Graph, node: Any) -> int | None:
    """Floating point operations of a contraction, two a multiply-add; 0 for the rest, None for one not understood."""
    name = _CLASS_OF.get(node.op_type)
    if name not in ("conv", "matmul", "attention"):
        return 0
    left, right = (graph.shapes.get(one, ()) for one in _operands(node))
    output = graph.shapes.get(node.output[0], ())
    if name == "conv":
        reached = left if node.op_type == "ConvTranspose" else output
        return 2 * prod(reached) * prod(right[1:])
    if name == "attention" or node.op_type == "Einsum" or not left:
        return None
    attributes = {one.name: one.i for one in node.attribute}
    if node.op_type == "MatMulNBits":
        return 2 * prod(output) * int(attributes["K"])
    is_turned = node.op_type == "Gemm" and attributes.get("transA", 0)
    return 2 * prod(output) * left[0 if is_turned else -1]


def _operands(node: Any) -> tuple[str, str]:
    """Names of the two factors; quantized forms have scales and zero points between them."""
    second = {"QLinearConv": 3, "QLinearMatMul": 3}.get(node.op_type, 1)
    return node.input[0], node.input[second] if len(node.input) > second else ""


# -- attention that is written out ------------------------------------------------------------------------------


def _find_attention(graph: _Graph) -> Iterator[tuple[int, list[int]]]:
    """Each attention: the place of its last product, and the places of all its nodes, in order."""
    makers = {name: place for place, node in enumerate(graph.nodes) for name in node.output}
    users: dict[str, list[int]] = {}
    for place, node in enumerate(graph.nodes):
        for name in node.input:
            users.setdefault(name, []).append(place)
    for place, node in enumerate(graph.nodes):
        if node.op_type != "Softmax":
            continue
        before = _walk_back(graph, makers, place)
        after = _walk_on(graph, users, place)
        if before and after:
            yield after[-1], sorted({*before, place, *after})


def _walk_back(graph: _Graph, makers: Mapping[str, int], place: int) -> list[int]:
    passed: list[int] = []
    reached = graph.shapes.get(graph.nodes[place].output[0])
    for _ in range(_LONGEST_CHAIN):
        node = graph.nodes[place]
        makes = [makers[name] for name in node.input if name in makers and graph.shapes.get(name) == reached]
        if not makes:
            return []
        place = makes[-1] if node.op_type == "Where" else makes[0]
        passed.append(place)
        found = graph.nodes[place]
        if _is_product(graph, found):
            return passed
        if found.op_type not in _THROUGH:
            return []
    return []


def _walk_on(graph: _Graph, users: Mapping[str, list[int]], place: int) -> list[int]:
    passed: list[int] = []
    for _ in range(_LONGEST_CHAIN):
        following = users.get(graph.nodes[place].output[0], [])
        product = next((one for one in following if _is_product(graph, graph.nodes[one])), None)
        if product is not None:
            return [*passed, product]
        onward = [one for one in following if graph.nodes[one].op_type in _THROUGH]
        if not onward:
            return []
        passed.extend(onward)
        place = onward[-1]
    return []


def _find_fused(graph: _Graph) -> Iterator[int]:
    """Places of what every runtime folds into the operation before: the bias of a product, the parts of GELU.

    GELU is written out as x / sqrt 2, erf, + 1, x times, half: of these the erf stays.
    """
    makers = {name: node for node in graph.nodes for name in node.output}
    erfs = {name for node in graph.nodes if node.op_type == "Erf" for name in node.input}
    for place, node in enumerate(graph.nodes):
        made_by = [makers[name] for name in node.input if name in makers]
        small = [name for name in node.input if name in graph.weights]
        kinds = [one.op_type for one in made_by]
        is_bias = node.op_type == "Add" and small and kinds and (kinds[0] == "Erf" or kinds == ["MatMul"])
        is_scale = node.op_type in ("Div", "Mul") and (
            node.output[0] in erfs or any(_follows_erf(one, makers, 2) for one in made_by)
        )
        if is_bias or is_scale:
            yield place


def _follows_erf(node: Any, makers: Mapping[str, Any], steps: int) -> bool:
    """True for the + 1 after an erf, and the product after that."""
    if node.op_type not in ("Add", "Mul") or not steps:
        return False
    before = [makers[name] for name in node.input if name in makers]
    if node.op_type == "Add":
        return any(one.op_type == "Erf" for one in before)
    return any(_follows_erf(one, makers, steps - 1) for one in before if one.op_type == "Add")


def _is_product(graph: _Graph, node: Any) -> bool:
    return _CLASS_OF.get(node.op_type) == "matmul" and _class_of(graph, node) == "batched_matmul"


def _join_attention(graph: _Graph, nodes: list[Any]) -> OpWork | None:
    """One operation: queries, keys and values read, the outcome written; the scores stay inside."""
    products = [node for node in nodes if _is_product(graph, node)]
    works = [_flops_of(graph, node) for node in products]
    if any(one is None for one in works):
        return None
    made = {name for node in nodes for name in node.output}
    edges = {name for node in products for name in node.input if name not in made} | {products[-1].output[0]}
    sizes = [graph.size(name) for name in edges]
    if any(size is None for size in sizes):
        return None
    return OpWork(1, sum(one or 0 for one in works), sum(size or 0 for size in sizes))


def _find_peak(graph: _Graph) -> int:
    """The most floating point numbers alive at once beside the weights, each from its making to its last use."""
    last = {name: place for place, node in enumerate(graph.nodes) for name in node.input}
    end = len(graph.nodes)
    last |= dict.fromkeys(graph.outputs, end)
    alive = sum(graph.size(name) or 0 for name in graph.inputs if name in graph.floats)
    peak = alive
    shared = _find_shared(graph)
    for place, node in enumerate(graph.nodes):
        for name in node.output:
            if name in graph.floats and name not in shared:
                alive += graph.size(name) or 0
        peak = max(peak, alive)
        for name in {*node.input, *node.output}:
            is_ours = name in graph.floats and name not in graph.weights and name not in shared
            if is_ours and last.get(name, place) == place:
                alive -= graph.size(name) or 0
    return peak


def _find_shared(graph: _Graph) -> set[str]:
    """Tensors that are another's memory looked at otherwise."""
    return {name for node in graph.nodes if node.op_type in _FREE for name in node.output}
