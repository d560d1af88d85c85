"""What one device of several holds, by how a model is shared out over them: analytic, corrected as on one device.

Sources: of ZeRO Rajbhandari et al. 2020, arXiv:1910.02054, section 5; of tensor parallelism Shoeybi et al. 2019,
arXiv:1909.08053, section 3, and Korthikanti et al. 2022, arXiv:2205.05198, equation 2; of pipelines Narayanan et al.
2021, arXiv:2104.04473, section 2.2; of DDP's buckets Li et al. 2020, arXiv:2006.15704, section 4.2. May import: core,
predict.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum

from assay.core.words import Precision
from assay.predict.graphs import profile_at
from assay.predict.memory import MemoryCorrection, MemoryEstimate, add_bytes, estimate_memory
from assay.predict.strategy_blocks import Blocks
from assay.predict.values import Conditions, GraphProfile, OpWork

TENSOR_KEPT = 10 / 34
"""Share of a layer's activations that every rank has whole under tensor parallelism: of s b h (10 + 24 / t) bytes the
10, attention fused (Korthikanti et al. 2022, arXiv:2205.05198, equation 2)."""
GRADIENT_BYTES = Precision.FP32.bytes_per_parameter
"""Of one parameter: trained weights are held, averaged and updated in fp32, whatever is computed in."""
_WHOLE_UNDER_TENSOR = ("norm", "gather", "pool", "other")
"""Classes of operations that every rank makes on whole activations; products, attention and what lies between them are
cut by heads or columns (Shoeybi et al. 2019, section 3)."""
_GATHERED_LAYERS = 2
"""Layers whose parameters are whole at once under ZeRO-3: the one computed, and the next one fetched meanwhile."""


class Strategy(StrEnum):
    """How several devices share one model's work."""

    SINGLE = "single"
    REPLICAS = "replicas"
    """Devices that know nothing of each other: each answers calls of its own."""
    DDP = "ddp"
    FSDP = "fsdp"
    TENSOR = "tensor"
    PIPELINE = "pipeline"


def cut_graph(graph: GraphProfile, strategy: Strategy, ranks: int, blocks: Blocks | None) -> GraphProfile:
    """Return what one of ``ranks`` devices computes and holds of a call, with a name of its own.

    Tensor: products, attention and what lies between them 1/n, norms whole. Pipeline: the longest stage. Others: all.
    """
    if ranks == 1 or strategy in (Strategy.SINGLE, Strategy.REPLICAS, Strategy.DDP):
        return graph
    name = f"{graph.workload} ({strategy} 1/{ranks})"
    if strategy is Strategy.FSDP:
        # Every device computes with all weights, and keeps a part of them.
        return graph
    if strategy is Strategy.TENSOR:
        share = 1 / ranks
        kept = TENSOR_KEPT + (1 - TENSOR_KEPT) * share
        work = {
            one: value if one in _WHOLE_UNDER_TENSOR else _scale(value, share, 1.0) for one, value in graph.work.items()
        }
        return _resize(graph, name, work, share, kept)
    share = blocks.largest_stage(ranks) if blocks is not None else 1 / ranks
    work = {one: _scale(value, share, share) for one, value in graph.work.items()}
    # Activations that are alive at once are of one layer; what training keeps is of all layers of the stage.
    cut = _resize(graph, name, work, share, 1.0)
    saved = graph.saved_elements
    return replace(cut, saved_elements=None if saved is None else saved * share)


def estimate_part(
    graph: GraphProfile, conditions: Conditions, strategy: Strategy, ranks: int, blocks: Blocks | None,
    *, micro_batches: int = 1, correction: MemoryCorrection | None = None, kind: str = "gpu",
) -> MemoryEstimate:  # fmt: skip
    """Return the peak memory of one device. ``graph`` is of the whole call. Raises UnsupportedError, ValueError."""
    is_training = conditions.mode == "training"
    part = cut_graph(graph, strategy, ranks, blocks)
    if strategy is Strategy.PIPELINE and micro_batches > 1:
        part = cut_graph(profile_at(graph, graph.batch // micro_batches), strategy, ranks, blocks)
        conditions = replace(conditions, batch=part.batch)
        if is_training and part.saved_elements is not None:
            # The first stage has as many micro-batches under way as there are stages (1F1B), or all there are.
            part = replace(part, saved_elements=part.saved_elements * min(ranks, micro_batches))
    if strategy is Strategy.FSDP and ranks > 1:
        part = replace(part, parameters=graph.parameters / ranks)
        found = estimate_memory(part, conditions, correction, kind=kind)
        width = GRADIENT_BYTES if is_training else Precision(conditions.precision).bytes_per_parameter
        whole = min(1.0, _GATHERED_LAYERS / blocks.layers) if blocks is not None else 1.0
        why = (
            f"{_GATHERED_LAYERS} layers gathered" if blocks is not None else "all parameters gathered: no layers known"
        )
        return add_bytes(found, graph.parameters * whole * width, why)
    found = estimate_memory(part, conditions, correction, kind=kind)
    if strategy is Strategy.DDP and ranks > 1:
        return add_bytes(found, graph.parameters * GRADIENT_BYTES, "buckets of gradients beside the gradients")
    return found


def _resize(
    graph: GraphProfile, name: str, work: Mapping[str, OpWork], weights: float, activations: float
) -> GraphProfile:
    def grow(value: float | None) -> float | None:
        return None if value is None else value * activations

    return replace(
        graph, workload=name, work=work, parameters=graph.parameters * weights,
        weight_elements=graph.weight_elements * weights, activation_peak_elements=grow(graph.activation_peak_elements),
        saved_elements=grow(graph.saved_elements),
    )  # fmt: skip


def _scale(work: OpWork, size: float, count: float) -> OpWork:
    return OpWork(
        count=work.count * count, flops=work.flops * size, elements=work.elements * size,
        other_bytes=work.other_bytes * size, weight_elements=work.weight_elements * size,
    )  # fmt: skip
