"""Loading a rank's training: a DDP that misses a gradient is loaded once more, told to look for it."""

from __future__ import annotations

import os
from collections.abc import Callable
from time import perf_counter_ns
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("torch", reason="ranks are PyTorch's")

from assay.core.case import Case, Scalar
from assay.core.words import Mode, Precision
from assay.engines.base import LoadRequest, Session
from assay.engines.parallel import Place
from assay.engines.training_base import TrainingSession
from assay.runner.child import Speaker
from assay.runner.protocol import Job
from assay.runner.rank_group import Seat
from assay.runner.rank_passes import Setting, _step_one_by_one, load_ready
from assay.runner.timing import Timing
from assay.workloads.resolve import resolve_workload

UNUSED = "Expected to have finished reduction in the prior iteration before starting a new one."


class Loss(float):
    __slots__ = ()

    def detach(self) -> Loss:
        return self


def make_setting(strategy: str) -> Setting:
    options: dict[str, Scalar] = {"ranks": 2, "strategy": strategy}
    case = Case.make(workload="unet/tiny", engine="torch", device="cpu", mode=Mode.TRAINING, options=options)
    job = Job(case, {"image": 32}, 1, 0, Timing(), perf_counter_ns())
    request = LoadRequest(resolve_workload("unet/tiny"), "cpu", Precision.FP32, 1, {"image": 32}, 1, 0, options)
    place = Place(0, 2, SimpleNamespace(type="cpu"), "unet")
    speaker = Speaker(os.open(os.devnull, os.O_WRONLY))
    return Setting(job, Seat(0, 2, 0, 2), SimpleNamespace(rank=0, ranks=2), place, request, speaker)


class Loader:
    """In the place of ``load_training``: trainings whose second step fails as often as it is told."""

    def __init__(self, failures: int, message: str = UNUSED) -> None:
        self.failures, self.message = failures, message
        self.loaded = self.unloaded = 0

    def __call__(self, _engine: str, _request: LoadRequest, **_given: Any) -> TrainingSession:
        self.loaded += 1
        steps = iter(range(10))
        fails = self.loaded <= self.failures

        def infer() -> Loss:
            if next(steps) == 1 and fails:
                raise RuntimeError(self.message)
            return Loss(0.5)

        def unload() -> None:
            self.unloaded += 1

        nothing: Callable[..., Any] = lambda *_: None  # noqa: E731  (a part that is never called)
        session = Session(infer, unload, "fp32", 1, "", None, {})
        return TrainingSession(
            session, nothing, nothing, nothing, nothing, nothing, float, None, SimpleNamespace(param_groups=[]), 1
        )


def load(monkeypatch: pytest.MonkeyPatch, loader: Loader, strategy: str = "ddp") -> Any:
    monkeypatch.setattr("assay.engines.training.load_training", loader)
    return load_ready(make_setting(strategy), strategy, overlap=True, memory={"baseline": 0})


def test_a_model_whose_parameters_all_learn_is_loaded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    loader = Loader(0)
    ready = load(monkeypatch, loader)
    assert (loader.loaded, ready.left_out) == (1, False)
    assert ready.losses.values == [0.5, 0.5]
    assert ready.first_ns > 0


def test_a_model_that_leaves_some_out_is_loaded_again_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    loader = Loader(1)
    ready = load(monkeypatch, loader)
    assert (loader.loaded, loader.unloaded, ready.left_out) == (2, 1, True)
    assert ready.losses.values == [0.5, 0.5]


@pytest.mark.parametrize(
    ("loader", "strategy"), [(Loader(2), "ddp"), (Loader(1, "another error"), "ddp"), (Loader(1), "fsdp2")]
)
def test_any_other_error_is_the_launches(monkeypatch: pytest.MonkeyPatch, loader: Loader, strategy: str) -> None:
    with pytest.raises(RuntimeError, match=r"reduction|another"):
        load(monkeypatch, loader, strategy)


def test_mixed_parameters_are_updated_one_by_one() -> None:
    groups = [{"foreach": None, "fused": None}, {"lr": 1}]
    _step_one_by_one(SimpleNamespace(param_groups=groups))
    assert groups == [{"foreach": False, "fused": False}, {"lr": 1}]
