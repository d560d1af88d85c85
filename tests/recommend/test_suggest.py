"""What to measure next: what is uncertain and near the first comes first, what changes nothing is left out."""

from __future__ import annotations

from dataclasses import replace

from assay.predict.values import Conditions, DeviceProfile, Layer, Prediction, Question
from assay.recommend.decision import Decision, Limits, Objective, Option
from assay.recommend.suggest import describe, suggest_measurements


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


def test_knowing_never_costs_and_seeds_repeat() -> None:
    options = [make_option(str(place), 10 + place, 0.2) for place in range(5)]
    found = suggest_measurements(make_decision(*options), seed=3)
    assert all(one.value >= 0 for one in found)
    assert found == suggest_measurements(make_decision(*options), seed=3)
    assert suggest_measurements(replace(make_decision(*options), ranked=())) == []
