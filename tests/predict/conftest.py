"""What tests of predictors share: a kind whose law is plain, and a store with one measured case."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import pytest

from assay.core.errors import AssayError, UnknownNameError
from assay.predict.base import DataUse, ExampleSource, Gathered, Payload, PredictorKind, predictors
from assay.predict.model_file import ModelRecord, read_content, write_model
from assay.predict.scores import SplitOutcome, score_groups, score_predictions
from assay.predict.values import (
    Abstention,
    Answer,
    Conditions,
    DeviceProfile,
    Example,
    GraphProfile,
    Interval,
    Layer,
    OpWork,
    Prediction,
    Question,
    Situation,
)

DEVICE = DeviceProfile("made-up", "made-up", flops_per_s={"fp32": 1e12, "fp16": 2e12}, bandwidth_bytes_per_s=1e11)


def make_question(flops: float = 1e9, name: str = "toy/one", batch: int = 1) -> Question:
    graph = GraphProfile(name, name.partition("/")[0], {"matmul": OpWork(1.0, flops, flops / 10)}, batch)
    return Question(name, graph.family, DEVICE, Conditions(batch=batch), graph=graph)


@dataclass(frozen=True, slots=True)
class ToyModel:
    """Time is work times one number."""

    ns_per_flop: float

    def answer(self, questions: Sequence[Question]) -> list[Answer]:
        found: list[Answer] = []
        for one in questions:
            if one.graph is None or one.metric != "latency_ns":
                found.append(Abstention(one.metric, "no graph", ("measure one",)))
                continue
            value = one.graph.flops * self.ns_per_flop
            intervals = tuple(Interval(level, value / (1 + level), value * (1 + level)) for level in (0.5, 0.8, 0.9))
            found.append(
                Prediction(
                    one.metric, value, "ns", intervals, Layer.LEARNED, ("made up",),
                    calibrated_on=Situation.UNSEEN_MODEL, calibration_n=20, calibration_groups=10,
                )
            )  # fmt: skip
        return found

    def payload(self) -> Payload:
        return Payload({"title": "toy"}, {"rate": np.array([self.ns_per_flop])})


def load_toy(payload: Payload) -> ToyModel:
    try:
        return ToyModel(float(payload.arrays["rate"][0]))
    except (KeyError, IndexError, ValueError) as error:
        raise AssayError(f"not a toy: {error}") from error


def gather_toy(source: ExampleSource, *, noise: float = 0.05) -> Gathered:
    if source.find("toy_data") is None and source.store is None:
        return Gathered((), (), ("no toy_data",))
    random = np.random.default_rng(0)
    examples = []
    for number in range(40):
        flops = float(random.uniform(1e8, 1e10))
        question = make_question(flops, f"toy/{number}")
        value = flops * 2 * float(random.lognormal(0, noise))
        examples.append(Example(question, value, {"model": f"toy/{number}", "family": "toy"}, f"row {number}"))
    digest = hashlib.sha256(b"toy").hexdigest()
    return Gathered(tuple(examples), (DataUse("toy_data", 40, digest, "made up"),))


def fit_toy(gathered: Gathered, seed: int) -> ToyModel:
    del seed
    return ToyModel(float(np.median([one.value / one.question.graph.flops for one in gathered.examples])))


def validate_toy(gathered: Gathered, split: str, seed: int) -> SplitOutcome:
    if split == "empty":
        raise AssayError("nothing can be held out")
    if split not in ("model", "lost"):
        raise UnknownNameError("split", split, ("model", "lost"))
    half = len(gathered.examples) // 2
    model = fit_toy(Gathered(gathered.examples[:half], ()), seed)
    test = gathered.examples[half:]
    actual = np.array([one.value for one in test])
    own = np.array([model.ns_per_flop * one.question.graph.flops for one in test])
    if split == "lost":
        own = own * 3
    bounds = {0.9: (own / 1.9, own * 1.9)}
    methods = {
        "assay": score_predictions(actual, own, bounds),
        "mean": score_predictions(actual, np.full(len(test), actual.mean())),
    }
    if split == "lost":
        methods["mean"] = score_predictions(actual, actual * 1.1)
    names = [one.groups["model"] for one in test]
    return SplitOutcome(
        "toy", split, "a toy that was not measured", "latency_ns", methods, score_groups(names, actual, own, bounds),
        {"size": score_groups(["small"] * len(test), actual, own, bounds)}, goal=0.1, notes=("made up",),
    )  # fmt: skip


TOY = PredictorKind(
    name="toy", title="Toy", metrics=("latency_ns",),
    splits={"model": "a toy that was not measured", "lost": "a hard one", "empty": "one without data"},
    gather=gather_toy, fit=fit_toy, load=load_toy, validate=validate_toy, fewest=10, is_self_taught=True,
)  # fmt: skip


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> PredictorKind:
    """A kind of predictor that is registered for one test."""
    monkeypatch.setitem(predictors._loaded, TOY.name, TOY)
    return TOY


@pytest.fixture
def toy_question() -> Question:
    return make_question()


@pytest.fixture
def through_file() -> Callable[[Payload], Payload]:
    """Write what was learned as a version is written, and read it back: a file takes less than memory does."""

    def keep(payload: Payload) -> Payload:
        record = ModelRecord("toy", datetime(2026, 1, 1, tzinfo=UTC), "0", payload)
        return read_content(write_model(record)[0], "toy.predictor").payload

    return keep
