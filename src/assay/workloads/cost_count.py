"""What one call of a workload computes and moves: floating point operations, bytes, operations dispatched.

Counted on the meta device, so a model of any size takes a second and no memory. The definitions, and what they are
good for: docs/probe.md. May import: core, workloads; torch inside functions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from assay.core.case import Scalar
from assay.core.errors import AssayError, UnsupportedError
from assay.workloads.base import Forward, Workload

if TYPE_CHECKING:
    import torch

ON_META = "on_meta"
"""In a size's configuration: its ``bring`` builds a module that may stay without weights, and makes true inputs."""
_RESHAPING = "structured"
"""The kind of pruning that makes tensors smaller; the other leaves zeros, which dense kernels multiply all the same."""


@dataclass(frozen=True, slots=True)
class OpCost:
    """What operations of one class do in one call.

    ``elements`` are floating point numbers, whose bytes depend on the precision; ``other_bytes`` are of integers and
    booleans. ``kernels`` counts operations that do something: views and empty tensors are none.
    """

    flops: int = 0
    kernels: int = 0
    elements_read: int = 0
    elements_written: int = 0
    other_bytes_read: int = 0
    other_bytes_written: int = 0

    def __add__(self, other: OpCost) -> OpCost:
        return OpCost(**{name: getattr(self, name) + getattr(other, name) for name in self.__slots__})


@dataclass(frozen=True, slots=True)
class Cost:
    """The cost of one call on one batch.

    ``weight_bytes`` and ``activation_bytes`` are the sizes of one floating point number of either kind;
    `with_sizes` changes them. ``weight_elements`` are those that a call reads at least once (of a table, the rows
    looked up), ``edge_elements`` and ``edge_other_bytes`` what goes into the model and comes out.
    ``uncounted`` names operations of other libraries whose arithmetic is not in ``flops``; ``guesses`` counts values
    that the model asked for and only real weights could give: above zero, it may have taken another course.
    ``work`` is the same by the finer classes that predictions tell apart (`assay.predict.values.OP_CLASSES`), and
    ``work_weights`` what is read there that is weights. ``activation_peak_elements`` is the most that was in memory at
    once beside the weights, ``saved_elements`` what training keeps for the backward pass; None where not followed.
    """

    by_op_class: Mapping[str, OpCost]
    parameters: int
    weight_elements: int
    edge_elements: int
    edge_other_bytes: int
    weight_bytes: float = 4.0
    activation_bytes: float = 4.0
    uncounted: tuple[str, ...] = ()
    guesses: int = 0
    work: Mapping[str, OpCost] = field(default_factory=dict)
    work_weights: Mapping[str, int] = field(default_factory=dict)
    activation_peak_elements: int | None = None
    saved_elements: int | None = None

    @property
    def total(self) -> OpCost:
        """The sum over all classes."""
        return sum(self.by_op_class.values(), OpCost())

    @property
    def flops(self) -> int:
        """Floating point operations of all contractions."""
        return self.total.flops

    @property
    def kernels(self) -> int:
        """Operations dispatched."""
        return self.total.kernels

    @property
    def bytes_read(self) -> float:
        """Upper bound: every operation reads all of its inputs from memory, nothing is fused or cached."""
        total = self.total
        activations = max(0, total.elements_read - self.weight_elements)
        return self.weight_elements * self.weight_bytes + activations * self.activation_bytes + total.other_bytes_read

    @property
    def bytes_written(self) -> float:
        """Upper bound: every operation writes all of its outputs to memory."""
        return self.total.elements_written * self.activation_bytes + self.total.other_bytes_written

    @property
    def bytes_unfused(self) -> float:
        """Upper bound of the traffic: read and written."""
        return self.bytes_read + self.bytes_written

    @property
    def bytes_compulsory(self) -> float:
        """Lower bound of the traffic: every weight that is used once, the model's inputs and its outputs."""
        edges = self.edge_elements * self.activation_bytes + self.edge_other_bytes
        return self.weight_elements * self.weight_bytes + edges

    def with_sizes(self, *, weight_bytes: float, activation_bytes: float) -> Cost:
        """The same call in another precision."""
        return replace(self, weight_bytes=weight_bytes, activation_bytes=activation_bytes)

    def to_dict(self) -> dict[str, Any]:
        """As JSON-able plain values."""
        content = {name: getattr(self, name) for name in self.__slots__}
        classes = {name: asdict(cost) for name, cost in sorted(self.by_op_class.items())}
        work = {name: asdict(cost) for name, cost in sorted(self.work.items())}
        lists = {"uncounted": list(self.uncounted), "work_weights": dict(self.work_weights)}
        return content | {"by_op_class": classes, "work": work} | lists

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Cost:
        """Read back what `to_dict` wrote."""
        classes = {name: OpCost(**fields) for name, fields in content["by_op_class"].items()}
        work = {name: OpCost(**fields) for name, fields in content.get("work", {}).items()}
        return cls(**{**content, "by_op_class": classes, "work": work, "uncounted": tuple(content["uncounted"])})


def count_cost(
    workload: Workload,
    batch: int,
    shape: Mapping[str, int],
    dtype_bytes: float = 4.0,
    *,
    options: Mapping[str, Scalar] | None = None,
) -> Cost:
    """Count one call on ``batch`` at ``shape``, with floating point numbers of ``dtype_bytes``.

    A registered family is built without weights. A model of the user's own, and one that its ``options`` prune by
    structure, is built on the host first. Raises UnsupportedError for what cannot be counted, saying why, and
    WorkloadError where it cannot be built.
    """
    if workload.family.format not in ("torch", "torch-export"):
        raise UnsupportedError(
            f"The cost of {workload.name} is not known: costs are counted on PyTorch modules, and this is a model in "
            f"{workload.family.format} form."
        )
    import torch

    from assay.workloads._cost_torch import CostCounter

    counter = CostCounter()
    with torch.no_grad():
        module, inputs = _build(workload, batch, shape, options or {}, counter)
        cost = _count_call(module, inputs, workload.family.forward, workload.name, counter)
    return replace(
        cost,
        weight_bytes=dtype_bytes,
        activation_bytes=dtype_bytes,
        saved_elements=_count_saved(workload, module, inputs),
    )


def count_module(build: Callable[[], Any], inputs: Any, forward: Forward, name: str) -> Cost:
    """Count one call of ``forward(module, inputs)`` on what ``build`` makes on the meta device, without weights.

    ``name`` is for messages. What training would save is not counted. Raises UnsupportedError.
    """
    import torch

    from assay.workloads._cost_torch import CostCounter

    counter = CostCounter()
    with torch.no_grad():
        with counter, torch.device("meta"):  # constants that the constructor makes (positions) keep their values
            module = build()
        counter.start()
        return _count_call(module, inputs, forward, name, counter)


def _count_call(module: torch.nn.Module, inputs: Any, forward: Forward, name: str, counter: Any) -> Cost:
    import torch

    from assay.workloads._cost_torch import AttentionAsOne, explain_failure, move_to_meta
    from assay.workloads.outputs import flatten_tensors

    placed = move_to_meta(inputs, counter)
    counter.watch_weights([*module.parameters(), *module.buffers()])
    try:
        with AttentionAsOne(counter), counter, torch.device("meta"):
            outputs = [tensor for _, tensor in flatten_tensors(forward(module, placed))]
    except AssayError:
        raise
    except Exception as error:
        raise explain_failure(error, name) from error
    edges = [*(tensor for _, tensor in flatten_tensors(placed)), *outputs]
    return Cost(
        by_op_class=dict(counter.by_class),
        parameters=sum(parameter.numel() for parameter in module.parameters()),
        weight_elements=counter.weight_elements(),
        edge_elements=sum(one.numel() for one in edges if one.is_floating_point()),
        edge_other_bytes=sum(one.numel() * one.element_size() for one in edges if not one.is_floating_point()),
        uncounted=tuple(sorted(counter.uncounted)),
        guesses=counter.guesses,
        work=dict(counter.work),
        work_weights={name: count for name, count in counter.work_weights.items() if count},
        activation_peak_elements=counter.live.peak,
    )


def _count_saved(workload: Workload, module: torch.nn.Module, inputs: Any) -> int | None:
    """Count what the backward pass would need, in a second pass; None where the model cannot be trained like this."""
    import torch

    from assay.workloads._cost_memory_torch import SavedMemory
    from assay.workloads._cost_torch import AttentionAsOne, CostCounter, move_to_meta

    counter, weights = CostCounter(), [*module.parameters(), *module.buffers()]
    placed = move_to_meta(inputs, counter)
    counter.watch_weights(weights)
    saved = SavedMemory(weights)
    try:
        with torch.enable_grad(), saved.hooks(), AttentionAsOne(counter, saved), counter, torch.device("meta"):
            workload.family.forward(module, placed)
    except Exception:  # noqa: BLE001  (in-place work that autograd refuses, and the like: the figure is left out)
        return None
    return saved.elements


def _build(
    workload: Workload, batch: int, shape: Mapping[str, int], options: Mapping[str, Scalar], counter: Any
) -> tuple[torch.nn.Module, Any]:
    """Return the module on the meta device and its inputs, still with values."""
    import torch

    from assay.workloads.inputs import make_inputs
    from assay.workloads.torch_build import build_torch_model

    is_reshaped = str(options.get("prune", "")).startswith(_RESHAPING)
    if workload.size.config.get(ON_META) and workload.family.bring is not None:
        with counter, torch.device("meta"):
            module, inputs = workload.family.bring(workload.size, batch, shape, "float32")
        counter.start()
        return module.eval(), inputs
    if workload.family.bring is None and not is_reshaped:
        with counter, torch.device("meta"):  # constants that the constructor makes (positions) keep their values
            module = workload.family.build(workload.size).eval()
        counter.start()
        arrays = make_inputs(workload, batch=batch, shape=shape, seed=0)
        return module, {name: torch.from_numpy(array) for name, array in arrays.items()}
    built = build_torch_model(workload, dtype="float32", batch=batch, shape=shape, seed=0, options=options)
    if not isinstance(built.module, torch.nn.Module):
        raise UnsupportedError(
            f"The cost of {workload.name} is not known: it is a plain function, whose tensors cannot be moved to the "
            "meta device.",
            hint="Return a torch.nn.Module and its cost can be counted.",
        )
    return built.module.to("meta"), built.inputs
