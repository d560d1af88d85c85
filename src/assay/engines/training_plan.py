"""What a training case asks for, read from its options, and what is refused while planning, importing nothing heavy.

May import: core, engines, workloads.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from assay.core.case import Scalar
from assay.core.errors import UnsupportedError
from assay.core.words import Precision
from assay.engines.base import LoadRequest, device_kind
from assay.engines.training_optimizers import check_optimizer
from assay.workloads.datasets.base import datasets, split_reference
from assay.workloads.trainables.base import trainables

TRAINING_ENGINES = ("torch", "torch-compile")
PRECISIONS = (Precision.FP32, Precision.TF32, Precision.BF16, Precision.FP16)
"""bf16 and fp16 are automatic mixed precision: weights stay float32; fp16 takes a gradient scaler."""
DEFAULT_EPOCHS = 50


@dataclass(frozen=True, slots=True)
class TrainingOptions:
    """The options of a training case. ``learning_rate`` None is the workload's own."""

    optimizer: str = "adamw"
    learning_rate: float | None = None
    schedule: str = "constant"
    accumulate: int = 1
    checkpointing: bool = False
    tune: str = "full"
    dataset: str | None = None
    target: float | None = None
    epochs: int = DEFAULT_EPOCHS
    ranks: int = 1
    strategy: str = "ddp"
    overlap: bool = True
    workers: int = 0
    prefetch: int = 2
    pin: bool = False


def read_training_options(options: Mapping[str, Scalar]) -> TrainingOptions:
    """Read a case's options; those of other modes and engines are left alone."""
    rate, dataset, target = options.get("learning_rate"), options.get("dataset"), options.get("target")
    return TrainingOptions(
        optimizer=str(options.get("optimizer", "adamw")),
        learning_rate=None if rate is None else float(rate),
        schedule=str(options.get("schedule", "constant")),
        accumulate=int(options.get("accumulate", 1)),
        checkpointing=options.get("checkpointing", "off") == "on",
        tune=str(options.get("tune", "full")),
        dataset=None if dataset is None else str(dataset),
        target=None if target is None else float(target),
        epochs=int(options.get("epochs", DEFAULT_EPOCHS)),
        ranks=int(options.get("ranks", 1)),
        strategy=str(options.get("strategy", "ddp")),
        overlap=options.get("overlap", "on") == "on",
        workers=int(options.get("workers", 0)),
        prefetch=int(options.get("prefetch", 2)),
        pin=options.get("pin", "off") == "on",
    )


def trained_bytes_per_parameter(asked: TrainingOptions) -> float:
    """What each weight takes while it is trained: itself, its gradient and what the optimizer keeps of it, in float32.

    AdamW keeps two moments. SGD without momentum keeps none, Adafactor one number a row and a column. Of a model of
    which little is trained the weights are what counts.
    """
    if asked.tune != "full":
        return 4.0
    return 8.0 + {"adamw": 8.0, "adamw-8bit": 2.0}.get(asked.optimizer, 0.0)


def plan_training(engine_name: str, request: LoadRequest) -> TrainingOptions:
    """Read the options and refuse what cannot be trained. Raises UnsupportedError or UnknownNameError."""
    family = request.workload.family.name
    if engine_name not in TRAINING_ENGINES:
        raise UnsupportedError(
            f"The engine {engine_name!r} cannot train.", hint=f"Engines that can: {', '.join(TRAINING_ENGINES)}."
        )
    if request.precision not in PRECISIONS:
        raise UnsupportedError(
            f"Nothing is trained in {request.precision}: integer weights have no gradient.",
            hint=f"Expected one of: {', '.join(PRECISIONS)}.",
        )
    if family not in trainables.names():
        raise UnsupportedError(
            f"assay does not know how to train {request.workload.name}: its family has no loss and no labels here.",
            hint=f"Families that train: {', '.join(trainables.names())}. docs/training.md says how to add one.",
        )
    asked = read_training_options(request.options)
    _check_means(asked, request)
    _check_data(asked, request)
    if asked.ranks > 1 or "strategy" in request.options:
        from assay.engines.distributed_plan import plan_distributed

        plan_distributed(engine_name, request, asked)
    return asked


def _check_means(asked: TrainingOptions, request: LoadRequest) -> None:
    lack = check_optimizer(asked.optimizer, request.device)
    if lack is not None:
        raise UnsupportedError(str(lack))
    if asked.tune == "lora" and not trainables.get(request.workload.family.name).lora:
        raise UnsupportedError(
            f"{request.workload.name} has no linear layers that low-rank adapters could stand beside."
        )
    if asked.pin and device_kind(request.device) == "cpu":
        raise UnsupportedError("Page-locked memory is for copies to an accelerator; the CPU needs none.")


def _check_data(asked: TrainingOptions, request: LoadRequest) -> None:
    if asked.workers and asked.dataset is None:
        raise UnsupportedError(
            "Workers load a data set, and this case has none: its own batches are made once and gone round.",
            hint="Add the option dataset, such as dataset=digits. All of them: assay dataset ls",
        )
    if asked.dataset is not None:
        source = datasets.get(split_reference(asked.dataset)[0])
        able = trainables.get(request.workload.family.name).tasks
        if not {source.task, *source.other_tasks} & set(able):
            raise UnsupportedError(
                f"{request.workload.name} cannot learn {asked.dataset!r}, which is {source.task}.",
                hint=f"It learns {', '.join(able)}." if able else "It learns its own task only.",
            )
    if asked.target is not None and asked.dataset is None:
        raise UnsupportedError(
            "A target needs a data set whose test split says when it is reached.",
            hint="Add the option dataset, such as dataset=digits. All of them: assay dataset ls",
        )
