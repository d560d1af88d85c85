"""Systems that are made up by a known law: the predictor finds it on an accelerator it never saw, and knows its limits.

No number here was published by anybody.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest

from assay.core.errors import AssayError, UnknownNameError
from assay.predict.base import Gathered, Payload, predictors
from assay.predict.scores import SplitOutcome
from assay.predict.system.domains import DomainModel
from assay.predict.system.kind import fit_system, load_system, validate_system
from assay.predict.system.sheet import rate_8bit, ratios_of
from assay.predict.system.systems import METRIC, bare, time_of
from assay.predict.values import Abstention, Conditions, DeviceProfile, Example, Prediction, Question, Situation

BENCHMARKS = {"resnet": (5e9, 0.1), "bert-99": (1e11, 0.0), "dlrm-99": (2e6, 0.5)}


def make_device(number: int) -> DeviceProfile:
    random = np.random.default_rng(number)
    rate = float(random.uniform(1e14, 2e15))
    return DeviceProfile(
        f"made-up {number}", vendor=f"maker {number % 3}", architecture=f"design {number % 5}",
        flops_per_s={"int8": rate}, bandwidth_bytes_per_s=rate / float(random.uniform(200, 800)),
        power_w=rate / float(random.uniform(1e12, 2.5e12)),
    )  # fmt: skip


def make_question(device: DeviceProfile, benchmark: str, count: int = 8, round_: str = "v4.0") -> Question:
    options = (("power_limited", False), ("round", round_), ("scenario", "Offline"), ("unit", "sample"))
    conditions = Conditions(engine="tensorrt", precision="int8", devices=count, options=options)
    return Question(f"mlperf/{benchmark}", bare(benchmark), device, conditions, METRIC)


def value_of(question: Question) -> float:
    work, lean = BENCHMARKS[question.workload.removeprefix("mlperf/")]
    ratios, rate = ratios_of(question.device), rate_8bit(question.device)
    assert ratios is not None
    assert rate is not None
    return question.conditions.devices * rate / work * math.exp(lean * ratios.balance)


def make_examples(devices: int = 14, noise: float = 0.02) -> Iterator[Example]:
    random = np.random.default_rng(0)
    for number in range(devices):
        device = make_device(number)
        for benchmark in BENCHMARKS:
            for count, round_ in ((1, "v3.1"), (8, "v4.0")):
                question = make_question(device, benchmark, count, round_)
                groups = {
                    "device": device.name, "vendor": device.vendor, "round": round_, "benchmark": bare(benchmark),
                    "scenario": "Offline", "software": "tensorrt", "submitter": "nobody",
                }  # fmt: skip
                value = value_of(question) * float(random.lognormal(0, noise))
                yield Example(question, value, groups, f"made up {number} {benchmark} {count}")


@pytest.fixture(scope="module")
def gathered() -> Gathered:
    return Gathered(tuple(make_examples()), ())


@pytest.fixture(scope="module")
def model(gathered: Gathered) -> DomainModel:
    return fit_system(gathered, 0)


@pytest.fixture(scope="module")
def outcome(gathered: Gathered) -> SplitOutcome:
    return validate_system(gathered, "device", 0)


def test_an_accelerator_never_seen_is_told_by_the_law(model: DomainModel) -> None:
    questions = [make_question(make_device(number), name) for number in (50, 51, 52) for name in BENCHMARKS]
    for question, answer in zip(questions, model.answer(questions), strict=True):
        assert isinstance(answer, Prediction)
        assert abs(answer.value / value_of(question) - 1) < 0.15
        assert answer.calibrated_on is Situation.UNSEEN_DEVICE
        ends = [(one.lo, one.hi) for one in answer.intervals]
        assert ends == sorted(ends, reverse=True), "a higher level is wider"
        assert any("MLCommons" in flag for flag in answer.flags)
        assert answer.evidence[0].why.startswith("nearest: made up")


def test_a_known_accelerator_is_surer_than_a_new_one(model: DomainModel) -> None:
    known, new = model.answer([make_question(make_device(number), "bert-99") for number in (3, 60)])
    assert isinstance(known, Prediction)
    assert isinstance(new, Prediction)
    assert known.calibrated_on is Situation.KNOWN
    widths = []
    for answer in (known, new):
        interval = answer.interval(0.8)
        assert interval is not None
        widths.append(interval.hi / interval.lo)
    assert widths[0] < widths[1]


def test_it_beats_the_nearest_accelerator_and_covers_what_it_promises(outcome: SplitOutcome) -> None:
    assert outcome.beaten_by == ()
    assert outcome.own.mean_error < 0.1
    assert outcome.own.coverage[0.9] >= 0.85
    assert outcome.own.n == 14 * 3 * 2
    assert len(outcome.groups) == 14


def test_a_later_round_is_told_from_earlier_ones_only(gathered: Gathered) -> None:
    outcome = validate_system(gathered, "temporal", 0)
    assert [one.group for one in outcome.groups] == ["v4.0"]
    assert outcome.own.mean_error < 0.1


def test_it_reads_back_to_the_same_answers(model: DomainModel, through_file: Callable[[Payload], Payload]) -> None:
    questions = [make_question(make_device(number), "bert-99") for number in (3, 50)]
    assert load_system(through_file(model.payload())).answer(questions) == model.answer(questions)


@pytest.mark.parametrize(
    "change",
    [
        lambda meta, _: (meta, {}),
        lambda _, arrays: ({}, arrays),
        lambda meta, arrays: (meta, arrays | {"0/process_values": np.full(3, math.nan)}),
        lambda meta, arrays: (meta, arrays | {"0/column_rate": arrays["0/column_rate"] * math.inf}),
        lambda meta, arrays: (
            {"domains": [[name, one | {"noise": -10.0}] for name, one in meta["domains"]]}, arrays
        ),
    ],
)  # fmt: skip
def test_a_payload_that_is_not_sound_is_refused(model: DomainModel, change: object) -> None:
    payload = model.payload()
    assert callable(change)
    meta, arrays = change(payload.meta, dict(payload.arrays))
    with pytest.raises(AssayError, match="cannot be read"):
        load_system(Payload(meta, arrays))


def test_what_it_cannot_know_it_does_not_say(model: DomainModel) -> None:
    good = make_question(make_device(50), "bert-99")
    bad = {
        "nobody published": make_question(make_device(50), "whisper"),
        "no published benchmark": replace(good, workload="bert/base"),
        "not of training": replace(good, conditions=replace(good.conditions, mode="training")),
        "no scenario": replace(good, conditions=replace(good.conditions, options=(("scenario", "Tuesday"),))),
        "no round": replace(good, conditions=replace(good.conditions, options=(("round", "later"),))),
        "no rate of products": replace(good, device=DeviceProfile("a box")),
        "nothing of nobody was published": replace(good, device=replace(good.device, vendor="nobody")),
        "too little was published of": replace(good, conditions=replace(good.conditions, engine="torch")),
        "not what system foretells": replace(good, metric="latency_ns"),
    }
    for (why, question), answer in zip(bad.items(), model.answer([*bad.values()]), strict=True):
        assert question is not None
        assert isinstance(answer, Abstention)
        assert why in answer.reason


def test_too_little_is_not_learned_from(gathered: Gathered) -> None:
    with pytest.raises(AssayError, match="30 published cells"):
        fit_system(Gathered(gathered.examples[:5], ()), 0)
    with pytest.raises(UnknownNameError):
        validate_system(gathered, "weekday", 0)


def test_the_kind_is_registered() -> None:
    assert predictors.get("system").fit is fit_system


def test_words_of_benchmarks_and_rounds() -> None:
    assert [bare(name) for name in ("bert-99.9", "resnet", "stable-diffusion-xl")] == [
        "bert", "resnet", "stable-diffusion-xl"
    ]  # fmt: skip
    assert time_of("v4.1") == 1.25
    assert time_of("nonsense") is None
