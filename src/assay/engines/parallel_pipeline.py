"""Pipeline parallelism: a model cut between two of its layers, each part on a rank, and micro-batches sent through.

Cutting, sending and the schedule are PyTorch's (``torch.distributed.pipelining``, which traces the model with
torch.export). A step takes ``accumulate`` micro-batches of the case's batch; the last rank alone knows the losses.
Schedules: GPipe (Huang et al. 2018, arXiv:1811.06965), or 1F1B (Narayanan et al. 2019, arXiv:1806.03377) where there
are as many micro-batches as ranks. May import: core, engines, workloads; torch inside functions.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from assay.core.errors import EngineError, UnsupportedError
from assay.core.words import Precision
from assay.engines.base import LoadRequest
from assay.engines.parallel import Place
from assay.engines.training_base import TrainingSession
from assay.engines.training_plan import TrainingOptions, read_training_options
from assay.workloads.trainables.base import Trainable, trainables

if TYPE_CHECKING:
    import torch

_OWN_TASK_MARK = 6
"""As in `training_data`: batches are drawn apart from weights."""
_NO_PARTS = "a pipeline computes forward of one micro-batch beside backward of another, so its step has no parts"


def load_pipeline(engine_name: str, request: LoadRequest, place: Place) -> TrainingSession:
    """Build the model, keep this rank's part of it, and make its optimizer and the schedule of a step.

    Raises UnsupportedError for what cannot be sent through a pipeline here.
    """
    import torch
    from torch.distributed.pipelining import Schedule1F1B, ScheduleGPipe

    from assay.engines.torch_common import LoadedModel, open_session
    from assay.engines.torch_device import set_fp32_arithmetic
    from assay.engines.training_optimizers import default_rate, make_optimizer
    from assay.engines.training_plan import plan_training

    asked = plan_training(engine_name, request)
    check_pipeline(request, asked)
    trainable = trainables.get(request.workload.family.name)
    set_fp32_arithmetic(place.device, is_tf32=request.precision is Precision.TF32)
    torch.manual_seed(request.seed)
    module = trainable.build(request.workload.size, None).train()
    parameters = sum(one.numel() for one in module.parameters())
    pool = _make_pool(trainable, request, asked.accumulate, place.device)
    stage = _cut(module, trainable, _inputs(pool[0], request.batch), place)
    rate = asked.learning_rate or default_rate(
        request.workload, trainable.learning_rate, optimizer=asked.optimizer, is_partial=False
    )
    made = make_optimizer(asked.optimizer, stage.submod.parameters(), rate, request.device)

    def loss_of(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return trainable.loss(SimpleNamespace(logits=logits), {"labels": labels})

    schedule_class = Schedule1F1B if asked.accumulate >= place.ranks else ScheduleGPipe
    schedule = schedule_class(stage, n_microbatches=asked.accumulate, loss_fn=loss_of)
    step = _Step(place, schedule, made.optimizer, pool)
    facts = {
        "objective": trainable.objective,
        "optimizer": made.description,
        "learning_rate": f"{rate:.3g}, constant",
        "trained_parameters": str(parameters),
        "amp": "off",
        "tune": "all of it",
        "schedule": f"{schedule_class.__name__.removeprefix('Schedule')}, {asked.accumulate} micro-batches",
        "dataset": "the workload's own task",
        "dataset_kind": "synthetic",
        "dataset_checksum": "none: generated",
    }
    loaded = LoadedModel(place.device, stage.submod, None, request.precision.value, parameters)
    return TrainingSession(
        session=open_session(loaded, step, guard=contextlib.ExitStack(), facts=facts),
        next_batch=_refuse,
        forward=_refuse,
        loss=_refuse,
        backward=_refuse,
        update=_refuse,
        read_loss=float,
        module=stage.submod,
        optimizer=made.optimizer,
        batch=request.batch,
        accumulate=asked.accumulate,
        separates_loss=trainable.separates_loss,
        steps_to_learn=trainable.steps_to_learn,
        trainable_parameters=parameters,
        facts=facts,
    )


def check_pipeline(request: LoadRequest, asked: TrainingOptions | None = None) -> None:
    """Refuse what is not measured through a pipeline. Raises UnsupportedError."""
    asked = asked or read_training_options(request.options)
    if request.precision not in (Precision.FP32, Precision.TF32):
        raise UnsupportedError(f"A pipeline is traced once and runs in fp32 or tf32 here, not in {request.precision}.")
    for name, usual in (("tune", "full"), ("checkpointing", False), ("schedule", "constant")):
        if getattr(asked, name) != usual:
            raise UnsupportedError(f"The option {name} is not for pipelines.", hint="ddp and fsdp2 have it.")


class _Step:
    """One optimizer step of this rank's part: inputs enter on the first rank, losses come out on the last."""

    def __init__(self, place: Place, schedule: Any, optimizer: Any, pool: Sequence[Mapping[str, Any]]) -> None:
        import torch

        self._is_first, self._is_last = place.rank == 0, place.rank == place.ranks - 1
        self._schedule, self._optimizer = schedule, optimizer
        self._turns = itertools.cycle(pool)
        self._unknown = torch.tensor(float("nan"))

    def __call__(self) -> Any:
        import torch

        batch = next(self._turns)
        losses: list[Any] = []
        given = _inputs(batch) if self._is_first else {}
        if self._is_last:
            self._schedule.step(**given, target=batch["labels"], losses=losses)
        else:
            self._schedule.step(**given)
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        return torch.stack(losses).mean() if losses else self._unknown


def _make_pool(
    trainable: Trainable, request: LoadRequest, accumulate: int, device: torch.device
) -> list[dict[str, torch.Tensor]]:
    """The same batches on every rank: all work on one and the same step."""
    import numpy as np
    import torch

    generator = np.random.default_rng([request.seed, _OWN_TASK_MARK, 0])
    size, samples = request.workload.size, request.batch * accumulate
    made = (trainable.make_batch(size, samples, request.shape, generator) for _ in range(trainable.pool))
    return [{name: torch.from_numpy(array).to(device) for name, array in one.items()} for one in made]


def _inputs(batch: Mapping[str, Any], samples: int | None = None) -> dict[str, Any]:
    return {name: tensor[:samples] for name, tensor in batch.items() if name != "labels"}


def _cut(module: Any, trainable: Trainable, example: Mapping[str, Any], place: Place) -> Any:
    """Trace the model, cut it before every ``layers / ranks``-th layer, and return this rank's stage."""
    import torch
    from torch.distributed.pipelining import SplitPoint, pipeline

    class Logits(torch.nn.Module):  # type: ignore[misc]  # torch is not followed by mypy (pyproject)
        """What goes from stage to stage is tensors, and of the last the loss is made."""

        def __init__(self) -> None:
            super().__init__()
            self.model = module

        def forward(self, **inputs: Any) -> Any:
            return trainable.forward(self.model, inputs).logits

    module.to(place.device)
    points = {f"model.{name}": SplitPoint.BEGINNING for name in find_cut_points(module, place.family, place.ranks)}
    try:
        whole = pipeline(Logits(), mb_args=(), mb_kwargs=dict(example), split_spec=points)
    except RuntimeError as error:
        raise UnsupportedError(
            f"torch cannot trace {place.family} for a pipeline: {str(error).strip().splitlines()[0]}",
            hint="Use the strategy fsdp2, which traces nothing.",
        ) from error
    return whole.build_stage(place.rank, place.device)


def find_cut_points(module: Any, family: str, ranks: int) -> list[str]:
    """Names of the layers that begin a part: the first of every part but the first. Raises UnsupportedError."""
    from torch import nn

    lists = [(name, len(child)) for name, child in module.named_modules() if isinstance(child, nn.ModuleList)]
    name, layers = max(lists, key=lambda one: one[1], default=("", 0))
    if layers < ranks:
        raise UnsupportedError(
            f"{family} at this size has {layers} layers, which cannot be cut into {ranks} parts.",
            hint="Use fewer ranks, or a larger size of the family.",
        )
    return [f"{name}.{layers * part // ranks}" for part in range(1, ranks)]


def _refuse(*_given: Any) -> Any:
    """Say why no part of a step can be called alone."""
    raise EngineError(f"{_NO_PARTS[0].upper()}{_NO_PARTS[1:]}.")
