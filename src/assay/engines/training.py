"""Load a training: the model with its head, its data, its optimizer, in the precision asked for, ready to step.

The order is torch's own advice: place the model, choose what is trained, wrap it for several ranks, compile it, and
only then make the optimizer over what came of it. May import: core, engines, workloads; torch inside functions.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assay.core.errors import EngineError
from assay.core.words import Precision
from assay.engines.base import LoadRequest
from assay.engines.training_base import Evaluation, Shard, TrainingSession
from assay.engines.training_plan import TrainingOptions, plan_training
from assay.workloads.base import Tier, Workload
from assay.workloads.datasets.base import Dataset
from assay.workloads.trainables.base import Head, Trainable, trainables

if TYPE_CHECKING:
    import torch

    from assay.engines.training_data import Feed, Place
    from assay.engines.training_loop import Learner

Module = Any
"""A torch.nn.Module; torch is not imported here."""

_OWN_COURSE = 10
"""A learning rate that falls without a data set does so over this many times the steps that learning takes."""
_DATASET_PATIENCE = 10
"""What a data set teaches is not known beforehand, as it is of the own task, so that nothing says how soon it shows."""


def import_training(workload: Workload) -> None:
    """Import the modules of the family's training, by building its tiny model on the meta device."""
    import torch

    import assay.engines.training_data
    import assay.engines.training_loop
    import assay.engines.training_optimizers
    import assay.engines.training_precision
    import assay.engines.training_tune  # noqa: F401

    tiny = next((size for size in workload.family.sizes.values() if size.tier is Tier.TINY), workload.size)
    with torch.device("meta"):
        trainables.get(workload.family.name).build(tiny, None)


def load_training(
    engine_name: str,
    request: LoadRequest,
    *,
    shard: Shard = Shard(),  # noqa: B008  (frozen)
    wrap: Callable[[Module], Module] | None = None,
) -> TrainingSession:
    """Build the model and its data, ready for the first step.

    ``shard`` is the part of the data that this process takes. ``wrap`` is given the placed module and returns the one
    to be trained (DistributedDataParallel and its like). Raises UnsupportedError, WorkloadError or EngineError.
    """
    from assay.engines.torch_common import LoadedModel, open_session
    from assay.engines.training_data import as_tensors, make_place
    from assay.engines.training_loop import TrainingLoop, evaluate

    asked = plan_training(engine_name, request)
    trainable = trainables.get(request.workload.family.name)
    device = _prepare_device(request)
    place = make_place(device, is_pinned=asked.pin)
    begin = time.perf_counter_ns()
    dataset = _open(asked, request)
    opening_ns = {} if dataset is None else {"open_data": time.perf_counter_ns() - begin}
    guard = contextlib.ExitStack()
    with contextlib.ExitStack() as failing:
        failing.callback(guard.close)
        feed = _feed(dataset, request, asked, shard, place)
        guard.callback(feed.close)
        made = _make_learner(engine_name, request, asked, dataset, wrap, feed.steps_per_epoch)
        learner = made.learner
        replays = engine_name == "torch-compile" and device.type == "cuda"  # a graph's outputs are overwritten
        loop = TrainingLoop(learner, feed.next_batch, accumulate=asked.accumulate, copies_losses=replays)
        costs, compiled = _settle(engine_name, request, loop.step, device, guard)
        failing.pop_all()
    facts = {**made.facts, **_describe_data(dataset), **compiled}
    loaded = LoadedModel(device, learner.module, None, learner.precision.effective, made.parameters)
    session = open_session(loaded, loop.step, guard=guard, facts=facts, costs_ns={**costs, **opening_ns})

    def evaluate_test(dataset: Dataset) -> Evaluation:
        test = dataset.test
        return evaluate(learner, test, lambda positions: place(as_tensors(test.take(positions))), request.batch)

    return TrainingSession(
        session=dataclasses.replace(session, read_outputs=None),
        next_batch=feed.next_batch,
        forward=loop.forward,
        loss=loop.loss,
        backward=loop.backward,
        update=loop.update,
        read_loss=float,
        module=learner.module,
        optimizer=learner.optimizer,
        batch=request.batch,
        accumulate=asked.accumulate,
        separates_loss=trainable.separates_loss,
        steps_to_learn=trainable.steps_to_learn,
        trainable_parameters=made.trained,
        dataset=None if dataset is None else dataset.info,
        evaluate=None if dataset is None else functools.partial(evaluate_test, dataset),
        steps_per_epoch=feed.steps_per_epoch,
        facts=facts,
        read_losses=loop.read_losses,
        most_steps_to_learn=made.slow_steps + trainable.steps_to_learn * (1 if dataset is None else _DATASET_PATIENCE),
    )


@dataclass(frozen=True, slots=True)
class _Made:
    """What learns, its parameters in all and those that are trained, and what is to be said of it.

    ``slow_steps`` is how many steps the learning rate takes to rise.
    """

    learner: Learner
    parameters: int
    trained: int
    slow_steps: int
    facts: Mapping[str, str]


def _prepare_device(request: LoadRequest) -> torch.device:
    import torch

    from assay.engines.torch_device import find_device, make_current, set_fp32_arithmetic

    device = find_device(request.device)
    make_current(device)
    torch.set_num_threads(request.threads)
    set_fp32_arithmetic(device, is_tf32=request.precision is Precision.TF32)
    return device


def _feed(dataset: Dataset | None, request: LoadRequest, asked: TrainingOptions, shard: Shard, place: Place) -> Feed:
    from assay.engines.training_data import feed_dataset, feed_own_task

    if dataset is None:
        return feed_own_task(trainables.get(request.workload.family.name), request, asked, shard, place)
    return feed_dataset(dataset.train, request, asked, shard, place)


def _make_learner(
    engine_name: str,
    request: LoadRequest,
    asked: TrainingOptions,
    dataset: Dataset | None,
    wrap: Callable[[Module], Module] | None,
    steps_per_epoch: int | None,
) -> _Made:
    from assay.engines.torch_device import find_device
    from assay.engines.training_loop import Learner
    from assay.engines.training_optimizers import count_warm_up, make_optimizer, make_schedule
    from assay.engines.training_precision import make_precision

    trainable, device = trainables.get(request.workload.family.name), find_device(request.device)
    precision = make_precision(request.precision, device)
    module, how = _build(request, trainable, asked, dataset, device)
    parameters = sum(one.numel() for one in module.parameters())
    trained = sum(one.numel() for one in module.parameters() if one.requires_grad)
    wrapped = wrap(module) if wrap is not None else module
    if engine_name == "torch-compile":
        from assay.engines.torch_compile import compile_in_place

        compile_in_place(wrapped, request)
    rate = _rate(request, trainable, asked)
    wanted = (one for one in wrapped.parameters() if one.requires_grad)
    optimizer = make_optimizer(asked.optimizer, wanted, rate, request.device)
    steps = _OWN_COURSE * trainable.steps_to_learn if steps_per_epoch is None else steps_per_epoch * asked.epochs
    scheduler = make_schedule(asked.schedule, optimizer.optimizer, steps)
    facts = {
        "objective": trainable.objective,
        "trained_parameters": str(trained),
        "optimizer": optimizer.description,
        "learning_rate": f"{rate:.3g}, {asked.schedule}",
        **precision.facts,
        **how,
    }
    learner = Learner(wrapped, trainable, precision, optimizer.optimizer, scheduler)
    return _Made(learner, parameters, trained, count_warm_up(asked.schedule, steps), facts)


def _open(asked: TrainingOptions, request: LoadRequest) -> Dataset | None:
    from assay.engines.training_data import open_dataset

    return None if asked.dataset is None else open_dataset(asked.dataset, request)


def _build(
    request: LoadRequest, trainable: Trainable, asked: TrainingOptions, dataset: Dataset | None, device: Any
) -> tuple[Module, dict[str, str]]:
    """Build the module with weights drawn by the seed, place it, and prepare it as asked."""
    import torch

    from assay.engines.training_tune import checkpoint_blocks, choose_trained

    torch.manual_seed(request.seed)
    head = None if dataset is None else _head_for(dataset)
    module = trainable.build(request.workload.size, head)
    if not isinstance(module, torch.nn.Module):
        raise EngineError(f"{trainable.family}: build returned {type(module).__name__}, expected a torch.nn.Module.")
    how = {"tune": choose_trained(module, trainable, asked.tune, torch.Generator().manual_seed(request.seed))}
    if asked.checkpointing:
        how["checkpointing"] = checkpoint_blocks(module, trainable.family)
    return module.to(device).train(), how


def _head_for(dataset: Dataset) -> Head:
    info = dataset.info
    return Head(info.classes, {**info.shape, **({} if info.vocab is None else {"vocab": info.vocab})})


def _rate(request: LoadRequest, trainable: Trainable, asked: TrainingOptions) -> float:
    from assay.engines.training_optimizers import default_rate

    if asked.learning_rate is not None:
        return asked.learning_rate
    is_partial = asked.tune != "full"
    return default_rate(request.workload, trainable.learning_rate, optimizer=asked.optimizer, is_partial=is_partial)


def _settle(
    engine_name: str, request: LoadRequest, step: Callable[[], Any], device: Any, guard: contextlib.ExitStack
) -> tuple[Mapping[str, int], Mapping[str, str]]:
    """Step until nothing is compiled any more. These steps learn as all others do."""
    if engine_name != "torch-compile":
        return {}, {}
    from assay.engines.torch_compile import settle_compiler

    return settle_compiler(request, step, device, guard)


def _describe_data(dataset: Dataset | None) -> dict[str, str]:
    """What every row says of its data."""
    if dataset is None:
        return {
            "dataset": "the workload's own task",
            "dataset_kind": "synthetic",
            "dataset_checksum": "none: generated",
        }
    info = dataset.info
    return {
        "dataset": info.name,
        "dataset_kind": "synthetic" if info.is_synthetic else "real",
        "dataset_checksum": info.checksum or "none: generated",
        "dataset_shape": ", ".join(f"{name}={size}" for name, size in info.shape.items()),
        "dataset_samples": f"{info.train_samples} to train, {info.test_samples} to test",
    }
