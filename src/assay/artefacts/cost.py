"""Recipe ``cost``: what one call computes and moves, counted without running it (`assay.workloads.cost_count`).

May import: core, workloads, artefacts; torch inside functions.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from assay.artefacts.base import ArtefactRequest, BuildRequest, Recipe, recipes, request_artefact
from assay.core.case import Case
from assay.core.errors import AssayError
from assay.workloads.base import Workload
from assay.workloads.cost_count import Cost, count_cost

COST = "cost"
_FILE = "cost.json"
_SEED = 0
"""A count depends on no weight, so every seed of a suite shares it."""


def request_cost(workload: Workload, case: Case, *, scope: str) -> ArtefactRequest:
    """Ask for the cost of a case. Precision and quantization change the bytes of a number, not the count.

    ``scope`` marks the cost of a model whose content cannot be told from its name (a function of the user's, a model
    of a hub), so that it serves that scope only.
    """
    options = {name: value for name, value in case.options if name == "prune"}
    has_content = any(workload.size.config.get(key) is not None for key in ("folder", "file"))
    if workload.family.bring is not None and not has_content:
        options["scope"] = scope
    shape = workload.resolve_shape(dict(case.shape))
    return request_artefact(COST, workload, batch=case.batch, shape=shape, seed=_SEED, options=options)


def read_cost(folder: Path, name: str = _FILE) -> Cost:
    """Return the cost that a folder of the cache holds, in fp32; `Cost.with_sizes` gives other precisions.

    Raises AssayError where the file is not what the recipe writes.
    """
    try:
        return Cost.from_dict(json.loads((folder / name).read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise AssayError(
            f"The cost in {folder} cannot be read: {type(error).__name__}: {error}.",
            hint="Remove it with: assay cache clear",
        ) from error


def _build(wanted: BuildRequest) -> Mapping[str, str]:
    import torch

    request = wanted.request
    cost = count_cost(wanted.workload, request.batch, dict(request.shape), options=dict(request.options))
    (wanted.folder / _FILE).write_text(json.dumps(cost.to_dict(), indent=2) + "\n", encoding="utf-8")
    return {"flops": str(cost.flops), "torch": str(torch.__version__)}


recipes.add(
    COST,
    Recipe(
        name=COST,
        version=2,  # by finer classes, with the peak of activations
        description="count of what a call computes and moves",
        build=_build,
        packages=("torch", "transformers"),
        install_hint="pip install 'assay[torch]'",
    ),
)
