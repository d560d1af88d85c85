"""What a training step costs with assay: against a plain PyTorch loop, and both against transformers' Trainer.

All sides train a copy of the same model, with the same seed, batches and AdamW, in one process and in turns: a block
of steps of each, round after round, in an order that changes. A side's value of a round is the median time of its
steps; the ratio to the plain loop is over rounds, with its 95 % interval. Garbage collection is off for all, as it is
where assay takes samples. Usage: python benchmarks/training.py [--rounds N] [--steps N] [--no-trainer]
"""

from __future__ import annotations

import argparse
import gc
import importlib.util
import itertools
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from assay.core.words import Precision
from assay.engines.base import LoadRequest
from assay.engines.training import load_training
from assay.engines.training_data import as_tensors
from assay.runner.measure import Chunk, take_chunk
from assay.workloads.base import find_workload
from assay.workloads.trainables.base import Trainable, trainables
from ratios import ratio_of_pairs

Block = Callable[[int], list[int]]
"""Take so many steps, and return the time of each in ns."""

RATE = 1e-3
WARM_UP_STEPS = 5
DROPPED = 3
"""First steps of a Trainer's block: it prepares model and data anew each time that it is called."""


@dataclass(frozen=True, slots=True)
class Task:
    """A model to be trained, and its batches as tensors."""

    request: LoadRequest
    trainable: Trainable
    pool: tuple[Mapping[str, Any], ...]

    def build(self) -> Any:
        """A fresh copy with the weights of the seed."""
        import torch

        torch.manual_seed(self.request.seed)
        return self.trainable.build(self.request.workload.size, None).train()


def main() -> None:
    """Time every side, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=40, help="rounds of one block a side")
    parser.add_argument("--steps", type=int, default=10, help="steps of a block")
    parser.add_argument("--no-trainer", action="store_true", help="compare with the plain loop only")
    options = parser.parse_args()
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    print(f"{'model':30} {'side':34} {'steps/s':>8} {'steps/s over plain (95 %)':>28}")
    for name, batch, shape in (("bert/tiny", 8, {"seq": 128}), ("resnet/tiny", 8, {"image": 96})):
        task = make_task(name, batch, shape)
        sides = {"plain loop": open_plain(task), "assay": open_assay(task)}
        if not options.no_trainer:
            sides |= open_trainers(task, options.steps)
        dimensions = " ".join(f"{dimension}{size}" for dimension, size in shape.items())
        show(f"{name} b{batch} {dimensions}", time_in_turns(sides, options.rounds, options.steps))
    if importlib.util.find_spec("lightning") is None:
        print("Lightning is not installed here, and was not compared.")


def make_task(name: str, batch: int, shape: Mapping[str, int]) -> Task:
    """Make the batches as assay's own pool has them: what is compared is the loop."""
    import numpy as np
    import torch

    torch.set_num_threads(1)
    workload = find_workload(name)
    request = LoadRequest(
        workload, "cpu", Precision.FP32, batch, workload.resolve_shape(shape), threads=1, seed=0,
        options={"learning_rate": RATE},
    )  # fmt: skip
    trainable, generator = trainables.get(workload.family.name), np.random.default_rng(0)
    made = (trainable.make_batch(workload.size, batch, request.shape, generator) for _ in range(trainable.pool))
    return Task(request, trainable, tuple(as_tensors(one) for one in made))


def open_plain(task: Task) -> Block:
    """What a careful person would write by hand."""
    import torch

    model = task.build()
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE)
    batches = itertools.cycle(task.pool)

    def train(steps: int) -> list[int]:
        times = []
        for _ in range(steps):
            begin = time.perf_counter_ns()
            batch = next(batches)
            inputs = {name: tensor for name, tensor in batch.items() if name != "labels"}
            loss = torch.nn.functional.cross_entropy(model(**inputs).logits, batch["labels"])
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            times.append(time.perf_counter_ns() - begin)
        return times

    return train


def open_assay(task: Task) -> Block:
    """The session of assay, in the loop that takes its samples."""
    training = load_training("torch", task.request)

    def train(steps: int) -> list[int]:
        times: list[int] = []
        take_chunk(training.session, Chunk(steps, 1, time.perf_counter_ns, sys.maxsize), times, [])
        return times

    return train


def open_trainers(task: Task, steps: int) -> dict[str, Block]:
    """The Trainer of transformers, as it comes and with the clipping of gradients off, which the others do not do."""
    if importlib.util.find_spec("accelerate") is None:
        print("accelerate is not installed here, so that transformers' Trainer cannot be compared.")
        return {}
    return {
        "transformers Trainer": open_trainer(task, steps, clip=1.0),
        "transformers Trainer, no clipping": open_trainer(task, steps, clip=0.0),
    }


def open_trainer(task: Task, steps: int, *, clip: float) -> Block:
    """A Trainer over the same samples; the time of a step is from its beginning to the next one's, data included."""
    from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments

    begins: list[int] = []

    class Clock(TrainerCallback):  # type: ignore[misc]  # transformers is not followed by mypy (pyproject)
        def on_step_begin(self, *_args: Any, **_keywords: Any) -> None:
            begins.append(time.perf_counter_ns())

    batches = itertools.cycle(task.pool)
    samples = [
        {name: tensor[index] for name, tensor in batch.items()}
        for batch in itertools.islice(batches, 4 * len(task.pool))
        for index in range(task.request.batch)
    ]
    folder = tempfile.mkdtemp(prefix="assay-trainer-")
    arguments = TrainingArguments(
        output_dir=folder,
        max_steps=steps + DROPPED + 1,
        per_device_train_batch_size=task.request.batch,
        learning_rate=RATE,
        lr_scheduler_type="constant",
        max_grad_norm=clip,
        optim="adamw_torch",
        weight_decay=0.01,
        report_to=[],
        save_strategy="no",
        logging_strategy="no",
        disable_tqdm=True,
        use_cpu=True,
        seed=0,
    )
    trainer = Trainer(model=task.build(), args=arguments, train_dataset=samples, callbacks=[Clock()])
    trainer.remove_callback(PrinterCallback)

    def train(steps: int) -> list[int]:
        begins.clear()
        trainer.train()
        times = [after - before for before, after in itertools.pairwise(begins)]
        return times[DROPPED : DROPPED + steps]

    return train


def time_in_turns(sides: Mapping[str, Block], rounds: int, steps: int) -> dict[str, list[float]]:
    """Median time of a step, in ns, of every side in every round. Who goes first moves on with the rounds."""
    for block in sides.values():
        block(WARM_UP_STEPS)
    medians: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(rounds):
        for name in rotate(list(sides), turn):
            gc.collect()
            gc.disable()
            medians[name].append(statistics.median(sides[name](steps)))
            gc.enable()
    return medians


def rotate(names: list[str], by: int) -> Iterator[str]:
    """All names, beginning with another one each time."""
    return (names[(index + by) % len(names)] for index in range(len(names)))


def show(label: str, medians: Mapping[str, list[float]]) -> None:
    """Print one line a side."""
    plain = medians["plain loop"]
    for name, times in medians.items():
        line = f"{label:30} {name:34} {1e9 / statistics.median(times):8.2f}"
        if name != "plain loop":
            ratio = ratio_of_pairs(plain, times)  # of times the other way round: of rates
            line += f" {ratio.of_means:12.3f} ({ratio.lo:.3f} to {ratio.hi:.3f})"
        print(line, flush=True)


if __name__ == "__main__":
    main()
