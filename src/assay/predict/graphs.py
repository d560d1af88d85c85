"""From a model to what one call of it computes and moves, by classes of operations, without running it.

Counted on the meta device or read from a file, kept in the cache of artefacts, scaled to any batch. What the classes
mean, and how the published table of timm maps to them: docs/predict-graphs.md. May import: core, workloads, artefacts,
predict.values; torch and onnx inside functions.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from assay.artefacts.base import request_artefact
from assay.artefacts.cache import cache_location, make_artefact
from assay.artefacts.cost import COST, read_cost
from assay.artefacts.onnx_files import quiet_logging
from assay.core.case import Scalar
from assay.predict.graph_timm import from_timm_row as from_timm_row  # noqa: PLC0414  (offered here too)
from assay.predict.shipped_graphs import can_count, shipped_graph
from assay.predict.values import GraphProfile, OpWork
from assay.workloads.base import Workload
from assay.workloads.config_models import CONFIG, HEADLESS, describe_config, is_config_ref
from assay.workloads.cost_count import Cost, OpCost, count_cost
from assay.workloads.files import ONNX
from assay.workloads.resolve import resolve_workload

_SEED = 0


def profile_workload(
    ref: str,
    *,
    batch: int = 1,
    shape: Mapping[str, int] | None = None,
    options: Mapping[str, Scalar] | None = None,
    cache: Path | None = None,
) -> GraphProfile:
    """Return the graph of one call of ``ref`` on ``batch`` at ``shape`` (what it leaves open has its default).

    ``ref`` is a family (``bert/base``), a folder or file of a transformers configuration, ``hf:org/name`` out of the
    local cache, ``package.module:function``, or an ONNX or torch.export file. ``options`` may hold ``prune``.
    ``cache`` is the folder of artefacts (default: the user's). Counted once at batch 1 and scaled, so another batch
    costs nothing. Raises AssayError: UnknownNameError, WorkloadError, or UnsupportedError for what cannot be counted.
    """
    wanted = tuple(sorted((shape or {}).items())), tuple(sorted((options or {}).items()))
    return profile_at(_profile_one(ref, *wanted, cache, stamp_of(ref)), batch)


def profile_at(profile: GraphProfile, batch: int) -> GraphProfile:
    """Scale a graph to another batch: weights stay, everything else grows with it; operations stay as many.

    Exact but for what does not depend on the batch and is no weight (masks and positions, which are small), and for
    models whose samples meet (contrastive losses). Raises ValueError below 1.
    """
    if batch < 1:
        raise ValueError(f"got batch {batch}; expected at least 1")
    if batch == profile.batch:
        return profile
    ratio = batch / profile.batch

    def grow(value: float | None) -> float | None:
        return None if value is None else value * ratio

    return replace(
        profile,
        work={name: _scale(one, ratio) for name, one in profile.work.items()},
        batch=batch,
        edge_elements=profile.edge_elements * ratio,
        activation_peak_elements=grow(profile.activation_peak_elements),
        saved_elements=grow(profile.saved_elements),
        units_per_call=grow(profile.units_per_call),
    )


def from_cost(cost: Cost, workload: Workload, *, batch: int, shape: Mapping[str, int]) -> GraphProfile:
    """Turn a count into a graph."""
    notes = []
    if cost.guesses:
        notes.append(f"{cost.guesses} values were asked for that only real weights could give")
    if cost.uncounted:
        notes.append(f"the arithmetic of {', '.join(cost.uncounted)} is not known")
    return GraphProfile(
        workload=workload.name,
        family=workload.family.name,
        work={name: _work_of(one, cost.work_weights.get(name, 0)) for name, one in sorted(cost.work.items())},
        batch=batch,
        shape=tuple(sorted(shape.items())),
        parameters=cost.parameters,
        weight_elements=cost.weight_elements,
        edge_elements=cost.edge_elements,
        activation_peak_elements=cost.activation_peak_elements,
        units_per_call=workload.units_per_call(batch, shape),
        unit_of_work=workload.family.unit.value,
        source="counted",
        notes=tuple(notes),
        saved_elements=cost.saved_elements,
    )


def resolve_for_count(ref: str, *, head: str = HEADLESS) -> Workload:
    """Return the workload behind a name as it is counted: what is saved with weights, without them."""
    return describe_config(ref, head=head) if is_config_ref(ref) else resolve_workload(ref)


@functools.lru_cache(maxsize=512)
def _profile_one(
    ref: str,
    shape: tuple[tuple[str, int], ...],
    options: tuple[tuple[str, Scalar], ...],
    cache: Path | None,
    stamp: tuple[int, int] | None,
) -> GraphProfile:
    del stamp  # a file that was changed meanwhile is another model
    with quiet_logging():  # libraries tell of parts of theirs that this machine cannot load, which no count needs
        return _count_one(ref, shape, options, cache)


def _count_one(
    ref: str, shape: tuple[tuple[str, int], ...], options: tuple[tuple[str, Scalar], ...], cache: Path | None
) -> GraphProfile:
    workload = resolve_for_count(ref)
    if workload.family.format == ONNX:
        from assay.predict.graph_onnx import profile_onnx

        return profile_onnx(workload, dict(shape))
    if not can_count() and workload.family.format in ("torch", "torch-export"):
        return shipped_graph(f"{workload.name} with options" if options else workload.name, dict(shape))
    whole = workload.resolve_shape(dict(shape))
    wanted = {name: value for name, value in options if name == "prune"}
    batch = int(workload.size.config.get("batch_lo") or 1)
    if is_kept(workload):
        request = request_artefact(COST, workload, batch=batch, shape=whole, seed=_SEED, options=wanted)
        cost = read_cost(make_artefact(request, workload, cache or cache_location(), threads=1).folder)
    else:
        cost = count_cost(workload, batch, whole, options=wanted)
    return profile_at(from_cost(cost, workload, batch=batch, shape=whole), 1)


def stamp_of(ref: str) -> tuple[int, int] | None:
    """When a file was changed and its size; None for what is none."""
    path = Path(ref).expanduser()
    for one in (path / CONFIG, path):
        try:
            found = one.stat()
        except (OSError, ValueError):
            continue
        return found.st_mtime_ns, found.st_size
    return None


def is_kept(workload: Workload) -> bool:
    """True where the content of a model can be told from its description, so that a count of it can be kept.

    A function of the user's may return another model tomorrow.
    """
    config = workload.size.config
    return workload.family.bring is None or any(config.get(key) is not None for key in ("transformers", "file"))


def _work_of(cost: OpCost, weights: int) -> OpWork:
    return OpWork(
        count=cost.kernels,
        flops=cost.flops,
        elements=cost.elements_read + cost.elements_written,
        other_bytes=cost.other_bytes_read + cost.other_bytes_written,
        weight_elements=weights,
    )


def _scale(work: OpWork, ratio: float) -> OpWork:
    grown = max(0.0, work.elements - work.weight_elements) * ratio
    return replace(
        work,
        flops=work.flops * ratio,
        elements=work.weight_elements + grown,
        other_bytes=work.other_bytes * ratio,
    )
