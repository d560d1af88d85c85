"""The contrastive encoders learn, and what they learn is asked by a probe."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from assay.core.errors import WorkloadError
from assay.workloads.base import find_workload
from assay.workloads.datasets.base import DatasetRequest, DataTask, datasets
from assay.workloads.trainables.base import trainables
from assay.workloads.vibration.bearings import Fault
from assay.workloads.vibration.probe import chance_accuracy, encoder_of, probe_accuracy

if TYPE_CHECKING:
    from numpy.typing import NDArray

torch = pytest.importorskip("torch", reason="encoders need torch: pip install 'assay[torch]'")

SIZES = tuple(find_workload("contrastive").family.sizes)


pytestmark = pytest.mark.usefixtures("one_thread")


def _build(size: str, seed: int = 0) -> Any:
    torch.manual_seed(seed)
    return trainables.get("contrastive").build(find_workload(f"contrastive/{size}").size, None)


def _make_pool(batch: int, window: int, channels: int, pool: int = 4) -> list[dict[str, Any]]:
    trainable, random = trainables.get("contrastive"), np.random.default_rng(0)
    size = find_workload("contrastive/tiny").size
    made = [trainable.make_batch(size, batch, {"window": window, "channels": channels}, random) for _ in range(pool)]
    return [{name: torch.from_numpy(array) for name, array in one.items()} for one in made]


def _train(module: Any, batches: Iterator[Mapping[str, Any]], steps: int) -> list[float]:
    trainable = trainables.get("contrastive")
    optimizer = torch.optim.AdamW(module.parameters(), lr=trainable.learning_rate)
    losses = []
    for _ in range(steps):
        batch = next(batches)
        loss = trainable.loss(trainable.forward(module, batch), batch)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    return losses


def _cycle(pool: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    while True:
        yield from pool


@pytest.mark.parametrize(("size", "batch", "window"), [("tiny", 8, 256), ("tiny", 16, 512), ("patch", 16, 256)])
def test_the_loss_falls_below_that_of_guessing(size: str, batch: int, window: int) -> None:
    trainable = trainables.get("contrastive")
    losses = _train(_build(size), _cycle(_make_pool(batch, window, 2)), trainable.steps_to_learn)
    tenth = max(1, len(losses) // 10)
    assert np.median(losses[-tenth:]) < 0.9 * np.median(losses[:tenth])
    assert np.median(losses[-5:]) < math.log(batch), "it learned no more than not to be wrong on purpose"


def test_training_follows_from_the_seed() -> None:
    one, two = (_train(_build("tiny"), _cycle(_make_pool(4, 128, 1)), 4) for _ in range(2))
    assert one == two


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("batch", "channels", "window"), [(1, 1, 32), (2, 3, 1_000), (3, 2, 256)])
def test_any_window_and_number_of_channels_is_encoded(size: str, batch: int, channels: int, window: int) -> None:
    module = _build(size).eval()
    with torch.inference_mode():
        points = module(torch.randn(batch, channels, window))
        features = module.encode(torch.randn(batch, channels, window))
    assert points.shape == (batch, 128)
    assert torch.allclose(points.norm(dim=-1), torch.ones(batch), atol=1e-5)
    assert features.shape[0] == batch
    assert torch.isfinite(features).all()


def test_layers_are_as_many_as_the_sizes_say() -> None:
    found = {size: len([one for one in _build(size).modules() if type(one).__name__ == "Residual"]) for size in SIZES}
    assert found == {"tiny": 2, "small": 2, "medium": 4, "complex": 6, "patch": 0}
    counts = [
        find_workload(f"contrastive/{size}").size.parameters or 0 for size in ("tiny", "small", "medium", "complex")
    ]
    assert counts == sorted(counts)


def test_a_window_shorter_than_the_stem_is_refused() -> None:
    with pytest.raises(WorkloadError, match=r"got a window of 31\. Use window=32 or more"):
        _build("tiny")(torch.zeros(2, 1, 31))


def test_info_nce_is_that_of_its_definition() -> None:
    from assay.workloads.trainables.contrastive import info_nce

    random = np.random.default_rng(0)
    first, second = (one / np.linalg.norm(one, axis=1, keepdims=True) for one in random.standard_normal((2, 5, 8)))
    similarity = np.exp(first @ second.T / 0.07)
    own = np.diag(similarity)
    expected = (-np.log(own / similarity.sum(axis=1)).mean() - np.log(own / similarity.sum(axis=0)).mean()) / 2
    found = info_nce(torch.from_numpy(first), torch.from_numpy(second))
    assert found.item() == pytest.approx(expected, rel=1e-4)
    same = torch.ones(6, 4) / 2
    assert info_nce(same, same).item() == pytest.approx(math.log(6), rel=1e-5)
    with pytest.raises(WorkloadError, match="a batch of 1 has none"):
        info_nce(same[:1], same[:1])


def test_views_differ_but_are_of_the_same_signal() -> None:
    from assay.workloads.trainables.contrastive import make_view

    torch.manual_seed(0)
    signal = torch.sin(torch.arange(512) * 0.2).repeat(4, 2, 1)
    one, two = make_view(signal), make_view(signal)
    assert one.shape == signal.shape
    assert not torch.allclose(one, two)
    spectra = [torch.fft.rfft(view).abs().mean(dim=(0, 1)) for view in (signal, one, two)]
    assert len({int(spectrum.argmax()) for spectrum in spectra}) == 1


def test_own_batches_are_signals_with_the_fault_as_label() -> None:
    (batch,) = _make_pool(64, 128, 3, pool=1)
    assert batch["signal"].shape == (64, 3, 128)
    assert batch["signal"].dtype == torch.float32
    assert set(batch["labels"].tolist()) == {fault.label for fault in Fault}
    assert trainables.get("contrastive").tasks == (DataTask.SIGNALS,)


def test_the_probe_finds_faults_that_the_untrained_encoder_hides() -> None:
    data = datasets.get("bearings-synthetic").open(DatasetRequest())
    train, test = (split.take(range(len(split))) for split in (data.train, data.test))
    chance = chance_accuracy(test["labels"])
    assert chance == pytest.approx(0.2)
    module = _build("tiny")
    before = probe_accuracy(encoder_of(module), train, test)
    random = np.random.default_rng(0)

    def batches() -> Iterator[dict[str, Any]]:
        while True:
            yield {"signal": torch.from_numpy(train["signal"][random.integers(0, len(train["labels"]), 32)])}

    _train(module, batches(), 60)
    after = probe_accuracy(encoder_of(module), train, test)
    assert after > before + 0.1
    assert after > 2 * chance
    assert module.training, "the probe left the module in evaluation mode"


def test_a_probe_of_features_that_tell_is_right_and_of_noise_is_chance() -> None:
    random = np.random.default_rng(0)
    labels = random.integers(0, 4, 600)
    signal = random.standard_normal((600, 1, 8)).astype(np.float32)
    samples: dict[str, NDArray[Any]] = {"signal": signal, "labels": labels}
    train, test = ({name: array[part] for name, array in samples.items()} for part in (slice(400), slice(400, None)))
    answers = iter((train["labels"], test["labels"]))

    def tell(_signal: NDArray[Any]) -> NDArray[Any]:
        return np.asarray(np.eye(4)[next(answers)] + 0.01 * random.standard_normal((1, 4)))

    assert probe_accuracy(tell, train, test) == 1.0
    assert probe_accuracy(lambda signal: signal[:, 0], train, test) == pytest.approx(0.25, abs=0.1)


def test_probes_that_show_nothing_are_refused() -> None:
    one_class: dict[str, NDArray[Any]] = {
        "signal": np.zeros((4, 1, 8), dtype=np.float32),
        "labels": np.zeros(4, dtype=np.int64),
    }
    with pytest.raises(WorkloadError, match="A probe of 1 classes"):
        probe_accuracy(lambda signal: signal[:, 0], one_class, one_class)
    two = {**one_class, "labels": np.array([0, 1, 0, 1])}
    with pytest.raises(WorkloadError, match="not finite"):
        probe_accuracy(lambda signal: np.full((len(signal), 2), np.nan), two, two)
