"""Which neurons a model can lose without anything else noticing, and how they are taken out.

A group is the layers that make some neurons, the one layer that reads them, and norms of channels between. It is found
in the graph that autograd records in one call: from a layer's input back through elementwise functions, pooling and
batch norms to the layers that made it, and only where nothing else reads what lies between. So what is found does not
depend on how a model names its parts, and attention, residual streams and views of the heads stay whole. The inner
layers of transformers' feed-forward blocks (gated ones too) and the inner convolutions of residual blocks are such
groups. May import: core, workloads; torch inside functions.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from assay.workloads.outputs import flatten_tensors

if TYPE_CHECKING:
    import torch
    from torch import nn

_CHANNELWISE = frozenset(
    f"{name}Backward0"
    for name in (
        "Add", "Clamp", "Clone", "Cos", "Div", "Elu", "Erf", "Exp", "Gelu", "Hardsigmoid", "Hardswish", "Hardtanh",
        "LeakyRelu", "Mish", "Mul", "Neg", "Pow", "Relu", "Rsub", "Sigmoid", "Silu", "Softplus", "Sub", "Tanh",
        "Threshold", "ToCopy",
        "AdaptiveAvgPool2D", "AvgPool2D", "MaxPool2DWithIndices", "MkldnnAdaptiveAvgPool2D", "UpsampleBilinear2D",
        "UpsampleNearest2D",
    )
)  # fmt: skip
"""Functions of the graph that treat each neuron, or each channel, by itself."""

_ALIGNMENT = 8
_ALIGN_FROM = 64
"""From this many neurons on, what is kept is rounded up to a multiple of 8: kernels work in such blocks."""


@dataclass(frozen=True, slots=True)
class Group:
    """Neurons that can go: made by ``producers``, normed by ``norms``, read by ``consumer`` alone."""

    producers: tuple[nn.Module, ...]
    norms: tuple[nn.Module, ...]
    consumer: nn.Module

    @property
    def neurons(self) -> int:
        """How many there are."""
        return _width_out(self.producers[0])

    @property
    def layers(self) -> tuple[nn.Module, ...]:
        """Those whose weights shrink."""
        return (*self.producers, self.consumer)


def find_groups(module: nn.Module, call: Callable[[], object]) -> tuple[Group, ...]:
    """Run ``call`` once, and return the groups in the order in which they were run; no layer makes for two."""
    trace = _trace(module, call)
    readers = _find_readers(trace.outputs)
    groups: list[Group] = []
    taken: set[int] = set()
    for reading in trace.readings:
        group = _find_group(reading, trace, readers)
        if group is not None and not any(id(layer) in taken for layer in group.producers):
            taken.update(id(layer) for layer in group.producers)
            groups.append(group)
    return tuple(groups)


def remove_from_group(group: Group, amount: float) -> bool:
    """Take the ``amount`` of neurons with the smallest L2 norm out of all layers of the group; False where none can go.

    The norm is over all weights that would go with a neuron: those that make it and those that read it.
    """
    import torch

    kept_count = _count_kept(group.neurons, amount)
    if kept_count == group.neurons:
        return False
    with torch.no_grad():
        squares = torch.zeros(group.neurons)
        for layer in group.producers:
            squares += _square_sums(layer.weight, _axis_out(layer))
        squares += _square_sums(group.consumer.weight, _axis_in(group.consumer))
        # Stable, so that of equal neurons the first stay, on every machine.
        kept = squares.argsort(descending=True, stable=True)[:kept_count].sort().values
        for layer in group.producers:
            _keep(layer, "weight", _axis_out(layer), kept)
            _keep(layer, "bias", 0, kept)
            _set_width(layer, ("out_features", "out_channels"), kept_count)
        for norm in group.norms:
            for name in ("weight", "bias", "running_mean", "running_var"):
                _keep(norm, name, 0, kept)
            _set_width(norm, ("num_features",), kept_count)
        _keep(group.consumer, "weight", _axis_in(group.consumer), kept)
        _set_width(group.consumer, ("in_features", "in_channels"), kept_count)
    return True


@dataclass(frozen=True, slots=True)
class _Reading:
    """One call of a layer that could lose inputs: the node of its input, and the nodes of its inside."""

    layer: nn.Module
    input_node: Any
    inside: frozenset[Any]


@dataclass(slots=True)
class _Trace:
    """One call, by nodes of autograd's graph. The nodes are kept alive here, or their identity would not last."""

    made_by: dict[Any, nn.Module] = field(default_factory=dict)
    norms: dict[Any, _Reading] = field(default_factory=dict)
    readings: list[_Reading] = field(default_factory=list)
    outputs: list[Any] = field(default_factory=list)
    calls: Counter[int] = field(default_factory=Counter)


def _trace(module: nn.Module, call: Callable[[], object]) -> _Trace:
    import torch

    trace = _Trace()
    layers = [layer for layer in module.modules() if _is_layer(layer) or _is_norm(layer)]
    shared = Counter(id(parameter) for layer in module.modules() for parameter in layer.parameters(recurse=False))

    def note(layer: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        trace.calls[id(layer)] += 1
        given = inputs[0] if inputs else None
        if not isinstance(given, torch.Tensor) or not isinstance(output, torch.Tensor):
            return
        if any(shared[id(parameter)] > 1 for parameter in layer.parameters()):
            return  # tied to another layer, which would shrink with it
        trace.made_by[output.grad_fn] = layer
        if given.grad_fn is None:
            return  # its inputs are the model's own
        inside = frozenset(_walk([output.grad_fn], until={given.grad_fn}))
        reading = _Reading(layer, given.grad_fn, inside)
        if _is_norm(layer):
            trace.norms[output.grad_fn] = reading
        elif _takes_part(layer):
            trace.readings.append(reading)

    hooks = [layer.register_forward_hook(note) for layer in layers]
    try:
        with _recording(module):
            trace.outputs = [tensor.grad_fn for _, tensor in flatten_tensors(call()) if tensor.grad_fn is not None]
    finally:
        for hook in hooks:
            hook.remove()
    return trace


@contextlib.contextmanager
def _recording(module: nn.Module) -> Iterator[None]:
    """Have autograd record the graph of a call, but none of the tensors it would need to compute a gradient."""
    import torch

    frozen = [one for one in module.parameters() if not one.requires_grad and one.is_floating_point()]
    for parameter in frozen:
        parameter.requires_grad_(True)  # noqa: FBT003  (torch's own signature)
    try:
        with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(lambda _: None, lambda _: None):
            yield
    finally:
        for parameter in frozen:
            parameter.requires_grad_(False)  # noqa: FBT003


def _walk(nodes: list[Any], until: set[Any]) -> Iterator[Any]:
    """All nodes from ``nodes`` back, each once, not beyond those in ``until`` nor including them."""
    waiting, seen = list(nodes), set(until)
    while waiting:
        node = waiting.pop()
        if node not in seen:
            seen.add(node)
            yield node
            waiting.extend(before for before, _ in node.next_functions if before is not None)


def _find_readers(outputs: list[Any]) -> dict[Any, set[Any]]:
    """For each node, the nodes that read what it made; an output of the model is read by None."""
    readers: dict[Any, set[Any]] = {}
    for node in outputs:
        readers.setdefault(node, set()).add(None)
    for node in _walk(outputs, until=set()):
        for before, _ in node.next_functions:
            if before is not None:
                readers.setdefault(before, set()).add(node)
    return readers


def _find_group(reading: _Reading, trace: _Trace, readers: dict[Any, set[Any]]) -> Group | None:
    producers: list[nn.Module] = []
    norms: list[nn.Module] = []
    between: set[Any] = set()
    waiting = [reading.input_node]
    while waiting:
        node = waiting.pop()
        if node in between:
            continue
        between.add(node)
        layer = trace.made_by.get(node)
        if layer is None:
            if type(node).__name__ not in _CHANNELWISE:
                return None
            # None is a constant; what else has no layer behind it ends at a parameter, which is not channelwise.
            waiting.extend(before for before, _ in node.next_functions if before is not None)
        elif node in trace.norms:
            norms.append(layer)
            between |= trace.norms[node].inside
            waiting.append(trace.norms[node].input_node)
        elif _is_norm(layer):
            return None
        else:
            producers.append(layer)
        if trace.calls[id(layer)] > 1:
            return None
    width = _width_in(reading.layer)
    fits = all(_takes_part(one) and _width_out(one) == width for one in producers)
    is_private = all(readers.get(node, set()) <= between | reading.inside for node in between)
    if not producers or not fits or not is_private or trace.calls[id(reading.layer)] > 1:
        return None
    return Group(tuple(producers), tuple(norms), reading.layer)


def _count_kept(neurons: int, amount: float) -> int:
    kept = max(1, neurons - round(amount * neurons))
    return kept if neurons < _ALIGN_FROM else min(neurons, -(-kept // _ALIGNMENT) * _ALIGNMENT)


def _is_layer(layer: nn.Module) -> bool:
    import torch

    return isinstance(layer, (torch.nn.Linear, torch.nn.modules.conv._ConvNd))  # noqa: SLF001  (the one base class)


def _is_norm(layer: nn.Module) -> bool:
    """Batch norms, by what they hold: the frozen ones of detection models are classes of their own."""
    held = {name: tensor.shape for name, tensor in layer.named_buffers(recurse=False)}
    mean, variance = held.get("running_mean"), held.get("running_var")
    return mean is not None and len(mean) == 1 and mean == variance


def _takes_part(layer: nn.Module) -> bool:
    """True for layers whose neurons are independent of each other, and whose weights are stored as they are used."""
    import torch

    return getattr(layer, "groups", 1) == 1 and isinstance(layer.weight, torch.nn.Parameter)


def _is_transposed(layer: nn.Module) -> bool:
    return bool(getattr(layer, "transposed", False))


def _axis_out(layer: nn.Module) -> int:
    return 1 if _is_transposed(layer) else 0


def _axis_in(layer: nn.Module) -> int:
    return 0 if _is_transposed(layer) else 1


def _width_out(layer: nn.Module) -> int:
    return int(layer.weight.shape[_axis_out(layer)])


def _width_in(layer: nn.Module) -> int:
    return int(layer.weight.shape[_axis_in(layer)])


def _square_sums(weight: torch.Tensor, axis: int) -> torch.Tensor:
    """Sum of squares for each position of ``axis``, in fp32."""
    return weight.float().square().sum([other for other in range(weight.ndim) if other != axis])


def _keep(layer: nn.Module, name: str, axis: int, kept: torch.Tensor) -> None:
    """Replace a parameter or buffer by the kept part of it; what a layer lacks is left alone."""
    import torch

    whole = getattr(layer, name, None)
    if whole is None:
        return
    part = whole.detach().index_select(axis, kept).clone()
    if isinstance(whole, torch.nn.Parameter):
        part = torch.nn.Parameter(part, requires_grad=whole.requires_grad)
    setattr(layer, name, part)


def _set_width(layer: nn.Module, names: tuple[str, ...], width: int) -> None:
    for name in names:
        if hasattr(layer, name):
            setattr(layer, name, width)
