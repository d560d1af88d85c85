"""Pruning as an option of a workload: fewer weights, in the two ways that mean different things for speed.

``magnitude:0.5`` sets the smallest half of all weights of linear layers and convolutions to zero (Han et al. 2015,
arXiv:1506.02626; one threshold for the whole model). The tensors keep their shapes, so dense kernels are no faster:
what it costs in fidelity is measured, what it saves only shows where a runtime uses zeros.

``structured:0.3`` takes 30 % of the inner neurons out of every pair of layers that can spare them (Li et al. 2017,
arXiv:1608.08710, for filters): tensors shrink, and so do time and memory. See `assay.workloads.prune_groups` for what
can be spared. Which weights go is decided by the weights alone. May import: core, workloads; torch inside functions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from assay.core.errors import UsageError, WorkloadError

if TYPE_CHECKING:
    import torch
    from torch import nn

_EXPECTED = "Expected for example magnitude:0.5 or structured:0.3."


class PruneKind(StrEnum):
    """The ways to prune."""

    MAGNITUDE = "magnitude"
    STRUCTURED = "structured"


@dataclass(frozen=True, slots=True)
class PruneRequest:
    """How to prune, and which share: of the weights (magnitude), of each group's neurons (structured)."""

    kind: PruneKind
    amount: float

    def __str__(self) -> str:
        return f"{self.kind}:{self.amount:g}"


@dataclass(frozen=True, slots=True)
class PruneReport:
    """What pruning did to a model.

    ``prunable_weights`` counts the weights of the layers that were considered; ``zeroed_weights`` of them are zero now
    and still stored, ``removed_weights`` parameters are gone, those of biases and norms included. ``groups`` counts the
    places that lost neurons.
    """

    request: PruneRequest
    parameters_before: int
    parameters_after: int
    prunable_weights: int
    zeroed_weights: int = 0
    removed_weights: int = 0
    groups: int = 0


def parse_prune(text: str) -> PruneRequest:
    """Read ``kind:amount``. Raises UsageError for an unknown kind, or an amount outside 0 < amount < 1."""
    kind, colon, amount_text = text.partition(":")
    known = [one.value for one in PruneKind]
    if not colon or kind not in known:
        raise UsageError(
            f"prune={text!r} is not a kind and an amount; kinds are {' and '.join(known)}.", hint=_EXPECTED
        )
    try:
        amount = float(amount_text)
    except ValueError:
        raise UsageError(f"The amount {amount_text!r} of prune={text!r} is not a number.", hint=_EXPECTED) from None
    if not 0 < amount < 1:
        raise UsageError(f"The amount of prune={text!r} must lie between 0 and 1.", hint=_EXPECTED)
    return PruneRequest(PruneKind(kind), amount)


def prune_model(module: Any, text: str, call: Callable[[], object] | None = None) -> PruneReport:
    """Prune ``module`` in place as ``text`` says. Same weights, same result.

    ``call`` runs the module once on its inputs; ``structured`` needs it, to see which layer feeds which. Raises
    UsageError for a text that says nothing, WorkloadError where nothing can be pruned.
    """
    import torch

    request = parse_prune(text)
    if not isinstance(module, torch.nn.Module):
        raise WorkloadError("A plain function cannot be pruned: it has no weights.")
    if request.kind is PruneKind.MAGNITUDE:
        return _zero_smallest(module, request)
    if call is None:
        raise WorkloadError("Structured pruning must run the model once, and no way to call it was given.")
    return _remove_neurons(module, request, call)


def describe_pruned(module: nn.Module, text: str) -> Mapping[str, str]:
    """Facts about a model that was pruned: what was asked for, and which share of its weights is zero."""
    weights = _find_weights(module)
    total = sum(weight.numel() for weight in weights)
    zeros = total - sum(int(weight.count_nonzero()) for weight in weights)
    return {"prune": text, "zero_weights": f"{zeros} of {total}"}


def _find_weights(module: nn.Module) -> list[nn.Parameter]:
    """Weights of linear layers and convolutions, each once, in the order of the model.

    Those shared with an embedding stay out, as zeros would change the words, and so do weights that are computed from
    others (weight norm), as there is nothing to set.
    """
    import torch

    embedded = {id(layer.weight) for layer in module.modules() if isinstance(layer, torch.nn.Embedding)}
    kinds = (torch.nn.Linear, torch.nn.modules.conv._ConvNd)  # noqa: SLF001  (the one base class of all convolutions)
    found: dict[int, nn.Parameter] = {}
    for layer in module.modules():
        weight = getattr(layer, "weight", None) if isinstance(layer, kinds) else None
        if isinstance(weight, torch.nn.Parameter) and id(weight) not in embedded:
            found.setdefault(id(weight), weight)
    return list(found.values())


def _zero_smallest(module: nn.Module, request: PruneRequest) -> PruneReport:
    """Zero the share of weights with the smallest absolute values; of equal ones, the first in the model."""
    import torch

    weights = _find_weights(module)
    total = sum(weight.numel() for weight in weights)
    if not total:
        raise WorkloadError("The model has no linear layers or convolutions to prune.")
    wanted = round(request.amount * total)
    limit, ties = _find_limit(weights, wanted)
    with torch.no_grad():
        for weight in weights:
            bits = _magnitude_bits(weight)
            chosen = bits < limit
            if ties:
                equal = (bits == limit).nonzero().flatten()[:ties]
                chosen[equal] = True
                ties -= len(equal)
            weight.masked_fill_(chosen.view(weight.shape), 0.0)
    parameters = sum(parameter.numel() for parameter in module.parameters())
    return PruneReport(request, parameters, parameters, prunable_weights=total, zeroed_weights=wanted)


def _magnitude_bits(weight: torch.Tensor) -> torch.Tensor:
    """Absolute values as whole numbers in the same order: so are the bits of IEEE floats without their sign."""
    import torch

    return weight.detach().flatten().to(torch.float32).abs().view(torch.int32)


def _find_limit(weights: list[nn.Parameter], wanted: int) -> tuple[int, int]:
    """Return the ``wanted``-th smallest magnitude as bits, and how many equal to it belong to the ``wanted``.

    Two counts of 2^16 bins give it exactly, without ever holding all weights in one place.
    """
    import torch

    def count(select: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
        return sum(
            (torch.bincount(select(_magnitude_bits(weight)), minlength=1 << 16) for weight in weights),
            torch.zeros(1 << 16, dtype=torch.int64),
        )

    def find_bin(counts: torch.Tensor, rank: int) -> tuple[int, int]:
        running = counts.cumsum(0)
        place = int(torch.searchsorted(running, rank))
        return place, rank - (int(running[place - 1]) if place else 0)

    if not wanted:
        return 0, 0
    upper, rank = find_bin(count(lambda bits: bits >> 16), wanted)
    lower, rank = find_bin(count(lambda bits: bits[bits >> 16 == upper] & 0xFFFF), rank)
    return (upper << 16) | lower, rank


def _remove_neurons(module: nn.Module, request: PruneRequest, call: Callable[[], object]) -> PruneReport:
    import torch

    from assay.workloads.prune_groups import find_groups, remove_from_group

    before = sum(parameter.numel() for parameter in module.parameters())
    groups = find_groups(module, call)
    layers = {id(layer): layer for group in groups for layer in group.layers}
    considered = sum(int(layer.weight.numel()) for layer in layers.values())
    shrunk = sum(remove_from_group(group, request.amount) for group in groups)
    if not shrunk:
        raise WorkloadError(
            "No neurons can be removed from the model: it has no two layers with only elementwise functions, norms of "
            "channels or pooling between them.",
            hint="Use prune=magnitude:... instead.",
        )
    try:
        with torch.no_grad():
            call()
    except Exception as error:
        raise WorkloadError(
            f"The model cannot be called any more with neurons removed; it counts on their number "
            f"({type(error).__name__}: {error}).",
            hint="Use prune=magnitude:... instead.",
        ) from error
    after = sum(parameter.numel() for parameter in module.parameters())
    return PruneReport(
        request, before, after, prunable_weights=considered, removed_weights=before - after, groups=shrunk
    )
