"""Which cases are trained by several processes together, and what of that is refused while planning.

Nothing heavy is imported here. May import: core, engines, workloads.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from assay.core.case import Case
from assay.core.errors import UnsupportedError
from assay.core.words import Mode
from assay.engines.base import LoadRequest, device_kind
from assay.engines.training_plan import TrainingOptions

DATA_PARALLEL = ("ddp", "fsdp2")
"""Strategies in which every rank takes a batch of its own; in the others all ranks work on one and the same batch."""
TENSOR_FAMILIES = ("bert", "llama", "qwen2", "vit")
"""Families that assay knows the columns and rows of: `assay.engines.parallel_tensor`."""
PIPELINE_FAMILIES = ("bert", "llama", "qwen2", "vit")
"""Families that assay can cut between two layers: `assay.engines.parallel_pipeline`."""
KINDS = ("cpu", "cuda", "rocm")
"""Kinds of device that ranks can exchange over: gloo on the CPU, NCCL (RCCL on rocm) between GPUs."""
_NODES = "PET_NNODES"
"""How torchrun takes ``--nnodes`` from the environment, as all of its arguments (PyTorch, run.py)."""


def is_distributed(case: Case) -> bool:
    """True where ranks are started: more than one, or one under a strategy, which others are then held against."""
    options = dict(case.options)
    return case.mode is Mode.TRAINING and (int(options.get("ranks", 1)) > 1 or "strategy" in options)


def batches_of_a_step(strategy: str, ranks: int) -> int:
    """How many batches a step takes: one on every rank, or one that all ranks work on."""
    return ranks if strategy in DATA_PARALLEL else 1


def count_nodes(environ: Mapping[str, str] = os.environ) -> int:
    """How many machines take part, as the user's launcher says to torchrun. Raises UnsupportedError."""
    text = environ.get(_NODES, "1")
    if not text.isdecimal() or int(text) < 1:
        raise UnsupportedError(
            f"{_NODES} is {text!r}: a measurement needs a fixed number of machines.",
            hint="Expected a number, such as 2.",
        )
    return int(text)


def plan_distributed(engine_name: str, request: LoadRequest, asked: TrainingOptions) -> None:
    """Refuse what cannot be trained by ranks together. Raises UnsupportedError saying why."""
    if engine_name != "torch":
        raise UnsupportedError(
            f"Ranks train through the engine torch only, and {engine_name} was asked for.",
            hint="What a compiler does to the exchange of gradients is not measured here.",
        )
    kind = device_kind(request.device)
    if kind not in KINDS:
        raise UnsupportedError(
            f"Ranks cannot exchange gradients between {kind} devices: PyTorch has no backend of its own for them.",
            hint=f"Expected one of: {', '.join(KINDS)}.",
        )
    if asked.target is not None:
        raise UnsupportedError(
            "Time to accuracy is measured on one rank.",
            hint="Leave out ranks and strategy, or leave out target to measure the steps of several ranks.",
        )
    nodes = count_nodes()
    if asked.ranks % nodes:
        raise UnsupportedError(f"{asked.ranks} ranks cannot be shared out evenly to {nodes} machines.")
    if not asked.overlap and asked.strategy != "ddp":
        raise UnsupportedError(
            f"The option overlap=off is for ddp: under {asked.strategy} the exchange is part of forward and backward."
        )
    family = request.workload.family.name
    for strategy, able in (("tensor", TENSOR_FAMILIES), ("pipeline", PIPELINE_FAMILIES)):
        if asked.strategy == strategy and family not in able:
            raise UnsupportedError(
                f"assay knows no way to share out the layers of {request.workload.name} as {strategy} parallel.",
                hint=f"It does for {', '.join(able)}; ddp and fsdp2 work for every family.",
            )
    if asked.strategy not in DATA_PARALLEL and asked.dataset is not None:
        raise UnsupportedError(f"A data set is learned under {' or '.join(DATA_PARALLEL)}, not {asked.strategy}.")
