"""Trainings on the engines torch and torch-compile, for real: a perceptron of the tests' own learns, in every way."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from assay.core.errors import AssayError, UnsupportedError, WorkloadError
from assay.core.words import Precision
from assay.engines.base import LoadRequest, engines
from assay.engines.training_base import Shard, TrainingSession
from assay.engines.training_plan import plan_training
from assay.workloads.base import Family, Fill, InputSpec, Size, Tier, UnitOfWork, Workload, per_sample
from assay.workloads.datasets.base import (
    Batch,
    Dataset,
    DatasetInfo,
    DatasetRequest,
    DatasetSource,
    DataTask,
    datasets,
)
from assay.workloads.trainables.base import Head, Trainable, trainables

torch = pytest.importorskip("torch", reason="needs torch: pip install 'assay[torch]'")

Load = Callable[..., TrainingSession]
_WIDTH = 8


def _make_batch(_size: Size, batch: int, _shape: Mapping[str, int], generator: np.random.Generator) -> Batch:
    pixels = generator.standard_normal((batch, _WIDTH), dtype=np.float32)
    return {"pixel_values": pixels, "labels": (pixels[:, 0] > 0).astype(np.int64)}


def _build(size: Size, head: Head | None) -> Any:
    from torch import nn

    class Perceptron(nn.Module):  # type: ignore[misc]  # torch is not followed by mypy (pyproject)
        def __init__(self, classes: int) -> None:
            super().__init__()
            width = int(size.config["hidden"])
            self.blocks = nn.ModuleList([nn.Linear(_WIDTH, width), nn.Linear(width, width)])
            self.out = nn.Linear(width, classes)

        def forward(self, pixels: Any) -> Any:
            for block in self.blocks:
                pixels = torch.tanh(block(pixels))
            return self.out(pixels)

    return Perceptron(2 if head is None else head.classes)


def _forward(module: Any, batch: Mapping[str, Any]) -> Any:
    return module(batch["pixel_values"])


def _loss(outputs: Any, batch: Mapping[str, Any]) -> Any:
    return torch.nn.functional.cross_entropy(outputs, batch["labels"])


_SIZE = Size(Tier.TINY, {"hidden": 16}, None, "the tests' own")
TOY = Workload(
    "toy/tiny",
    Family(
        name="toy",
        task="classification",
        modality="none",
        unit=UnitOfWork.SAMPLE,
        units_per_call=per_sample,
        sizes={"tiny": _SIZE},
        inputs=(InputSpec("pixel_values", ("batch", _WIDTH), "float32", Fill.NORMAL),),
        default_shape={},
        default_batches=(8,),
        build=lambda size: _build(size, None),
        forward=lambda module, inputs: module(inputs["pixel_values"]),
        reference="none",
        requires=("torch",),
    ),
    _SIZE,
)
TRAINABLE = Trainable(
    family="toy",
    objective="which side of zero the first number lies on",
    build=_build,
    make_batch=_make_batch,
    forward=_forward,
    loss=_loss,
    head=("out",),
    lora=("blocks.0", "blocks.1"),
    learning_rate=1e-2,
    tasks=(DataTask.IMAGES,),
    scores=lambda outputs, _batch: outputs,
    separates_loss=True,
)


@dataclasses.dataclass(frozen=True)
class Numbered:
    """Samples that say their own position in their second number, in memory that may not be written to."""

    count: int

    def __len__(self) -> int:
        return self.count

    def take(self, positions: Sequence[int]) -> Batch:
        pixels = np.random.default_rng(1).standard_normal((self.count, _WIDTH), dtype=np.float32)[list(positions)]
        pixels[:, 1] = np.asarray(positions) / self.count
        labels = (pixels[:, 0] > 0).astype(np.int64)
        for array in (pixels, labels):
            array.setflags(write=False)
        return {"pixel_values": pixels, "labels": labels}


def _open(request: DatasetRequest) -> Dataset:
    count = int(request.where or 40)
    info = DatasetInfo("toy", DataTask.IMAGES, 2, count, 9, {"image": 1}, is_synthetic=True, source="the tests")
    return Dataset(info, Numbered(count), Numbered(9))


@pytest.fixture(autouse=True)
def _toy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(trainables._loaded, "toy", TRAINABLE)
    source = DatasetSource("toy", "numbers", DataTask.IMAGES, is_synthetic=True, open=_open, takes_place="optional")
    monkeypatch.setitem(datasets._loaded, "toy", source)


def request_for(precision: str = "fp32", batch: int = 8, seed: int = 3, **options: Any) -> LoadRequest:
    return LoadRequest(TOY, "cpu", Precision(precision), batch, {}, threads=1, seed=seed, options=options)


@pytest.fixture
def load() -> Iterator[Load]:
    from assay.engines.training import load_training

    opened: list[TrainingSession] = []

    def begin(*args: Any, engine: str = "torch", shard: Shard | None = None, wrap: Any = None, **options: Any) -> Any:
        training = load_training(engine, request_for(*args, **options), shard=shard or Shard(), wrap=wrap)
        opened.append(training)
        return training

    yield begin
    for training in reversed(opened):
        training.session.unload()


def losses_after(training: TrainingSession, steps: int) -> tuple[float, ...]:
    for _ in range(steps):
        training.session.infer()
    assert training.read_losses is not None
    return training.read_losses()


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"optimizer": "sgd"},
        {"optimizer": "adafactor"},
        {"schedule": "linear"},
        {"schedule": "cosine"},
        {"accumulate": 2},
        {"checkpointing": "on"},
        {"tune": "lora"},
        {"tune": "frozen"},
        {"dataset": "toy"},
    ],
    ids=str,
)
def test_it_learns(load: Load, options: dict[str, Any]) -> None:
    losses = losses_after(load(**options), 60)
    assert np.median(losses[-6:]) < 0.8 * np.median(losses[:4])


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_mixed_precision_learns_with_float32_weights(load: Load, precision: str) -> None:
    training = load(precision)
    losses = losses_after(training, 60)
    assert np.median(losses[-6:]) < 0.8 * np.median(losses[:4])
    assert {one.dtype for one in training.module.parameters()} == {torch.float32}
    assert training.session.effective_precision == precision
    assert ("loss scaled" in training.facts["amp"]) == (precision == "fp16")


def test_the_same_seed_gives_the_same_losses_and_another_does_not(load: Load) -> None:
    first, again, other = (losses_after(load(seed=seed), 5) for seed in (3, 3, 4))
    assert first == again
    assert first != other


@pytest.mark.parametrize("options", [{}, {"accumulate": 3}, {"schedule": "cosine"}, {"tune": "lora"}], ids=str)
def test_the_parts_of_a_step_do_what_the_whole_one_does(load: Load, options: dict[str, Any]) -> None:
    whole, parted = load(**options), load(**options)
    for _ in range(4):
        whole.session.infer()
        for _ in range(parted.accumulate):
            batch = parted.next_batch()
            parted.backward(parted.loss(parted.forward(batch), batch))
        parted.update()
    assert losses_after(whole, 0) == losses_after(parted, 0)
    for one, other in zip(whole.module.parameters(), parted.module.parameters(), strict=True):
        assert torch.equal(one, other)


def test_micro_batches_sum_to_the_gradient_of_one_large_batch(load: Load) -> None:
    large, small = load(batch=8, dataset="toy:8"), load(batch=4, accumulate=2, dataset="toy:8")
    large.backward(large.loss(large.forward(batch := large.next_batch()), batch))
    for _ in range(2):
        small.backward(small.loss(small.forward(batch := small.next_batch()), batch))
    for one, other in zip(large.module.parameters(), small.module.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, rtol=1e-5, atol=1e-6)


def test_frozen_layers_stay_as_they_were(load: Load) -> None:
    training = load(tune="frozen")
    before = {name: one.clone() for name, one in training.module.named_parameters()}
    losses_after(training, 3)
    changed = {name for name, one in training.module.named_parameters() if not torch.equal(one, before[name])}
    assert changed == {"out.weight", "out.bias"}
    assert training.trainable_parameters == 16 * 2 + 2


def test_adapters_change_nothing_at_first_and_are_all_that_is_trained(load: Load) -> None:
    plain, adapted = load(), load(tune="lora")
    batch = plain.next_batch()
    assert torch.equal(plain.forward(batch), adapted.forward(batch))
    trained = {name for name, one in adapted.module.named_parameters() if one.requires_grad}
    assert trained == {
        "blocks.0.lora_down", "blocks.0.lora_up", "blocks.1.lora_down", "blocks.1.lora_up", "out.weight", "out.bias",
    }  # fmt: skip
    assert adapted.trainable_parameters == 8 * (8 + 16) + 8 * (16 + 16) + 34


def test_checkpointing_gives_the_same_losses(load: Load) -> None:
    plain, checkpointed = load(), load(checkpointing="on")
    assert checkpointed.facts["checkpointing"] == "2 blocks"
    assert losses_after(plain, 5) == losses_after(checkpointed, 5)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_data_set_is_read_whole_each_epoch_in_another_order(load: Load, workers: int) -> None:
    training = load(dataset="toy", workers=workers)
    assert training.steps_per_epoch == 5
    epochs = []
    for _ in range(2):
        batches = [training.next_batch()["pixel_values"] for _ in range(5)]
        epochs.append([round(40 * float(one)) for batch in batches for one in batch[:, 1]])
    assert sorted(epochs[0]) == sorted(epochs[1]) == list(range(40))
    assert epochs[0] != epochs[1]


def test_ranks_share_an_epoch_out_and_have_own_tasks_of_their_own(load: Load) -> None:
    read = []
    for rank in range(2):
        training = load(dataset="toy", shard=Shard(rank, 2))
        assert training.steps_per_epoch == 2
        read += [round(40 * float(one)) for _ in range(2) for one in training.next_batch()["pixel_values"][:, 1]]
    assert len(set(read)) == len(read) == 32
    own = [load(shard=Shard(rank, 2)).next_batch()["pixel_values"] for rank in range(2)]
    assert not torch.equal(own[0], own[1])


def test_evaluation_counts_every_sample_and_leaves_the_model_in_training(load: Load) -> None:
    training = load(dataset="toy")
    losses_after(training, 150)
    assert training.evaluate is not None
    evaluation = training.evaluate()
    assert evaluation.samples == 9
    assert (evaluation.accuracy or 0) >= 6 / 9
    assert training.module.training


def test_every_row_can_say_its_data_and_what_is_trained(load: Load) -> None:
    own, read = load(), load(dataset="toy")
    assert own.facts["dataset_kind"] == read.facts["dataset_kind"] == "synthetic"
    assert read.facts["dataset"] == "toy"
    assert own.facts["objective"] == TRAINABLE.objective
    assert own.facts["optimizer"] == "torch AdamW"
    assert own.facts["trained_parameters"] == str(own.trainable_parameters)
    assert set(own.facts) <= set(own.session.facts)


def test_the_module_is_wrapped_before_the_optimizer_is_made(load: Load) -> None:
    from torch import nn

    class Wrapped(nn.Module):  # type: ignore[misc]  # torch is not followed by mypy (pyproject)
        def __init__(self, inner: Any) -> None:
            super().__init__()
            self.inner = inner
            self.added = torch.nn.Parameter(torch.zeros(()))
            self.unsynced = 0

        def forward(self, pixels: Any) -> Any:
            return self.inner(pixels) + self.added

        def no_sync(self) -> Any:
            self.unsynced += 1
            return torch.autograd.set_grad_enabled(mode=True)

    training = load(wrap=Wrapped, accumulate=3)
    losses_after(training, 2)
    assert float(training.module.added.detach()) != 0
    assert training.module.unsynced == 2


@pytest.mark.parametrize(
    ("engine", "options", "reason"),
    [
        ("onnxruntime", {}, "cannot train"),
        ("torch", {"precision": "int8"}, "no gradient"),
        ("torch", {"target": 0.9}, "needs a data set"),
        ("torch", {"workers": 2}, "Workers load a data set"),
        ("torch", {"pin": "on"}, "accelerator"),
        ("torch", {"dataset": "nothing"}, "Unknown dataset"),
    ],
)
def test_what_cannot_be_is_refused_while_planning(engine: str, options: dict[str, Any], reason: str) -> None:
    with pytest.raises(AssayError, match=reason):
        plan_training(engine, request_for(**options))


def test_adapters_need_layers_and_a_family_needs_a_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(trainables._loaded, "toy", dataclasses.replace(TRAINABLE, lora=()))
    with pytest.raises(UnsupportedError, match="no linear layers"):
        plan_training("torch", request_for(tune="lora"))
    monkeypatch.delitem(trainables._loaded, "toy")
    with pytest.raises(UnsupportedError, match="no loss and no labels"):
        plan_training("torch", request_for())


def test_a_step_that_no_epoch_fills_is_an_error(load: Load) -> None:
    with pytest.raises(WorkloadError, match="A step takes 80 samples, and the training split has 40"):
        load(batch=80, dataset="toy")


def test_a_compiled_training_learns_and_says_what_compiling_took(load: Load) -> None:
    lack = engines.get("torch-compile").availability("cpu")
    if lack is not None:
        pytest.skip(f"torch.compile cannot be used here: {lack}")
    training, eager = load(engine="torch-compile", dataset="toy"), load(dataset="toy")
    (cost,) = (name for name in training.session.costs_ns if name.startswith("compile"))
    assert training.session.costs_ns[cost] > 0
    assert int(training.facts["graphs"]) >= 1
    assert training.evaluate is not None
    training.evaluate()
    compiled = losses_after(training, 20)
    np.testing.assert_allclose(compiled[:20], losses_after(eager, 20), rtol=1e-3)
