"""What to measure next: what is uncertain and near the first comes first, what changes nothing is left out."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from assay.predict.base import Gathered, Payload
from assay.predict.graph.features import describe as describe_features
from assay.predict.layers import Estimator, LoadedKind
from assay.predict.model_file import ModelRecord
from assay.predict.strategy_memory import Strategy
from assay.predict.transfer import TransferModel, fit_transfer
from assay.predict.values import (
    Conditions,
    DeviceProfile,
    Example,
    GraphProfile,
    Layer,
    OpWork,
    Prediction,
    Question,
)
from assay.recommend.decision import Decision, Limits, Objective, Option
from assay.recommend.suggest import describe, suggest_measurements
from assay.recommend.suggest_probes import describe_probes, suggest_probes


def make_option(name: str, middle: float, spread: float, layer: Layer = Layer.LEARNED) -> Option:
    question = Question("a/b", "a", DeviceProfile(name), Conditions(precision="fp16", batch=8))
    answer = Prediction("latency_ns", middle, "ns", (), layer, ())
    return Option(question, answer, middle, 1e9 / middle, spread)


def make_decision(*options: Option) -> Decision:
    return Decision(Objective.LATENCY, Limits(), tuple(sorted(options, key=lambda one: one.latency_ns)), (), ())


def test_the_uncertain_neighbour_of_the_first_is_worth_most() -> None:
    found = suggest_measurements(
        make_decision(make_option("first", 10, 0.05), make_option("near", 11, 0.4), make_option("far", 90, 0.4))
    )
    assert found[0].option.question.device.name == "near"
    assert 0.2 < found[0].p_changes < 0.6
    assert "far" not in {one.option.question.device.name for one in found if one.value > 0.001}
    assert found[0].command == "assay run --model a/b --batch 8 --precision fp16 --engine torch"
    assert describe(found)[0]["device"] == "near"


def test_the_first_itself_is_worth_measuring_where_it_may_be_overtaken() -> None:
    found = suggest_measurements(make_decision(make_option("first", 10, 0.5), make_option("sure", 12, 0.01)))
    assert found[0].option.question.device.name == "first"
    assert found[0].p_changes > 0.2


def test_what_was_measured_is_not_suggested() -> None:
    known = [make_option("a", 10, 0.02, Layer.MEASURED), make_option("b", 11, 0.02, Layer.MEASURED)]
    assert suggest_measurements(make_decision(*known)) == []
    found = suggest_measurements(make_decision(*known, make_option("c", 12, 0.5)))
    assert [one.option.question.device.name for one in found] == ["c"]


def test_a_choice_that_stands_whatever_they_turn_out_leaves_nothing() -> None:
    assert suggest_measurements(make_decision(make_option("first", 10, 0.05), make_option("far", 90, 0.05))) == []


def test_knowing_never_costs_and_seeds_repeat() -> None:
    options = [make_option(str(place), 10 + place, 0.2) for place in range(5)]
    found = suggest_measurements(make_decision(*options), seed=3)
    assert all(one.value >= 0 for one in found)
    assert found == suggest_measurements(make_decision(*options), seed=3)
    assert suggest_measurements(replace(make_decision(*options), ranked=())) == []


def share(name: str, middle: float, strategy: Strategy, count: int, mode: str = "inference") -> Option:
    plain = make_option(name, middle, 0.4)
    conditions = replace(plain.question.conditions, devices=count, mode=mode)
    return replace(plain, question=replace(plain.question, conditions=conditions), strategy=strategy)


def test_what_several_devices_share_is_measured_on_as_many() -> None:
    found = suggest_measurements(make_decision(
        share("four", 10, Strategy.FSDP, 4, "training"), share("two", 11, Strategy.DDP, 2, "training"),
        share("one", 12, Strategy.SINGLE, 1, "training"),
    ))  # fmt: skip
    commands = {one.option.question.device.name: one.command for one in found}
    assert commands["four"] == (
        "assay run --model a/b --batch 8 --precision fp16 --engine torch --mode training "
        "--option ranks=4 --option strategy=fsdp2"
    )
    assert (commands["two"] or "").endswith("--mode training --option ranks=2 --option strategy=ddp")
    assert (commands["one"] or "").endswith("--engine torch --mode training")


def test_inference_that_devices_share_is_for_a_server_and_replicas_are_one_device() -> None:
    options = [
        share("cut", 10, Strategy.TENSOR, 4), share("alike", 11, Strategy.SINGLE, 1),
        share("alike", 11.5, Strategy.REPLICAS, 2),
    ]  # fmt: skip
    found = suggest_measurements(make_decision(*options))
    rows = {(row["device"], row["devices"]): row for row in describe(found)}
    assert set(rows) == {("cut", 4), ("alike", 1)}
    assert rows["cut", 4]["command"] is None
    assert "measure 4 with a server of yours, then assay import" in str(rows["cut", 4]["note"])
    assert rows["alike", 1]["note"] is None


@pytest.fixture(scope="module")
def taught() -> Estimator:
    """A predictor that was taught on four made-up devices, with probes."""
    random, examples = np.random.default_rng(1), []
    for number in range(40):
        work = {"matmul": OpWork(3, 1e9 * (1 + number), 1e6 * (1 + number % 7))}
        graph = GraphProfile(f"bert/size{number}", "bert", work, shape=(("seq", 128),))
        for place in range(4):
            device = DeviceProfile(
                f"gpu {place}", flops_per_s={"fp32": 1e13 * (1 + place)}, bandwidth_bytes_per_s=1e11 * (2 + place)
            )
            question = Question(graph.workload, "bert", device, Conditions(), graph=graph)
            groups = {"device": device.name, "model": graph.workload, "config": device.name}
            value = float(describe_features([question]).base_s[0] * 1e9 * random.lognormal(0.3, 0.05))
            examples.append(Example(question, value, groups, f"row {number} {place}"))
    fitted = fit_transfer(Gathered(tuple(examples), ()), 0)
    record = ModelRecord("transfer", datetime(2026, 1, 1, tzinfo=UTC), "0", Payload({}), version="abcd" * 4)
    return Estimator((LoadedKind(record, fitted),))


def test_models_to_measure_on_a_device_that_is_foretold_by_others(taught: Estimator) -> None:
    (kind,) = taught.kinds
    assert isinstance(kind.fitted, TransferModel)
    graph = GraphProfile("bert/size3", "bert", {"matmul": OpWork(3, 4e9, 4e6)}, shape=(("seq", 128),))
    device = DeviceProfile("new", flops_per_s={"fp32": 4e13}, bandwidth_bytes_per_s=5e11)
    question = Question("bert/size3", "bert", device, Conditions(batch=4), graph=graph)
    (answer,) = kind.fitted.answer([question])
    assert isinstance(answer, Prediction)
    option = Option(question, answer, answer.value, 1e9 / answer.value, 0.3)
    found = suggest_probes(make_decision(option), taught)
    assert len(found) == 10
    assert {one.workload for one in found} <= {f"bert/size{number}" for number in range(40)}
    assert found[0].command == (
        f"assay run --model {found[0].workload} --batch 4 --precision fp32 --engine torch --seq 128"
    )
    assert describe_probes(found)[0]["shape"] == {"seq": 128}
    # A model of nobody here has no command, what was measured there is not asked for again, and others need none.
    names = {setting: (*ones[:1], "timm/odd net") for setting, ones in kind.fitted.probes.items()}
    odd = replace(kind.fitted, probes=names)
    (known, unknown) = suggest_probes(make_decision(option), replace(taught, kinds=(replace(kind, fitted=odd),)))
    assert known.command is not None
    assert unknown.command is None
    assert "assay has no such model" in (unknown.note or "")
    measured = replace(option, question=replace(question, device=replace(device, name="gpu 1")))
    assert suggest_probes(make_decision(measured), taught) == []
    assert suggest_probes(make_decision(make_option("a", 10, 0.2)), taught) == []
    assert suggest_probes(make_decision(option), Estimator(())) == []
