"""The predictor of own results on made-up machines whose law is known: it finds the law, and says when it cannot.

The times here are computed, and none of them goes into a store.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest

from assay.core.errors import AssayError
from assay.predict.base import Gathered, Payload
from assay.predict.own.costs import weigh_terms
from assay.predict.own.fit import fit_own, leave_calls_out, load_own, thin_out
from assay.predict.own.terms import TERMS, terms_of
from assay.predict.own.validate import validate_own
from assay.predict.values import (
    Abstention,
    Conditions,
    DeviceProfile,
    Example,
    GraphProfile,
    OpWork,
    Prediction,
    Question,
    Situation,
)

CPU = DeviceProfile("made-up CPU", flops_per_s={"fp32": 1e11}, bandwidth_bytes_per_s=1e10, launch_overhead_ns=3000.0)
_OF_ENGINE = {"torch": 1.3, "onnxruntime": 0.8, "openvino": 0.7}


def make_question(family: str, size: int, engine: str, batch: int) -> Question:
    # Families differ in how much they compute for what they move.
    dense = 1 + int(family[-2:]) % 5 if family[-2:].isdigit() else 1
    work = {
        "matmul": OpWork(40.0, batch * size * 2e7 * dense, batch * size * 3e5),
        "norm": OpWork(20.0, 0.0, batch * size * 1e5),
        "elementwise": OpWork(60.0, 0.0, batch * size * 2e5),
    }
    name = f"{family}/{'tiny' if size == 1 else f'size{size}'}"
    graph = GraphProfile(name, family, work, batch, (), size * 1e6, size * 1e6)
    return Question(name, family, CPU, Conditions(engine=engine, batch=batch), "latency_ns", graph)


def width(answer: Prediction) -> float:
    found = answer.interval(0.9)
    assert found is not None
    return found.hi / found.lo


def make_examples(seed: int = 0, noise: float = 0.03) -> Iterator[Example]:
    random = np.random.default_rng(seed)
    for number in range(12):
        family, of_family = f"family{number:02}", random.lognormal(0, 0.15)
        for engine, of_engine in _OF_ENGINE.items():
            for size in (1, 4):
                for batch in (1, 8):
                    question = make_question(family, size, engine, batch)
                    value = float(terms_of([question]).sum()) * of_engine * of_family * random.lognormal(0, noise)
                    groups = {
                        "model": question.workload, "family": family, "engine": engine, "precision": "fp32",
                        "device": CPU.name, "tier": question.workload.partition("/")[2], "case": question.workload,
                    }  # fmt: skip
                    yield Example(question, value, groups, f"{question.workload} {engine} {batch}")


@pytest.fixture(scope="module")
def gathered() -> Gathered:
    return Gathered(tuple(make_examples()), ())


def test_terms_are_the_times_at_the_rates_of_the_device() -> None:
    (row,) = terms_of([make_question("a", 1, "torch", 1)])
    assert dict(zip(TERMS, row, strict=True)) == pytest.approx({
        "products": 2e7 / 1e11 * 1e9, "convolutions": 0.0, "grouped": 0.0, "weights": 1e6 * 4 / 1e10 * 1e9,
        "activations": 0.0, "operations": 120 * 3000.0,
    })  # fmt: skip


def test_terms_are_weighed_by_what_they_proved_to_cost_on_each_engine() -> None:
    times = np.array([[1.0, 0.1], [0.1, 1.0], [1.0, 1.0], [0.5, 0.2]] * 20)
    engines = np.arange(80) // 40
    costs = np.array([[3.0, 0.5], [1.5, 2.0]])
    found = weigh_terms(times, (times * costs[engines]).sum(axis=1), engines, 2)
    assert found[1:] == pytest.approx(costs, rel=0.1)
    # What nobody saw costs something in between.
    assert 1.5 < found[0, 0] < 3.0
    assert 0.5 < found[0, 1] < 2.0


@pytest.mark.parametrize(("split", "worst"), [("case", 0.06), ("batch", 0.12), ("model", 0.12), ("family", 0.20)])
def test_what_was_held_out_is_foretold_better_than_naively(gathered: Gathered, split: str, worst: float) -> None:
    found = validate_own(gathered, split, 0)
    assert found.own.n == len(gathered.examples)
    assert found.own.mean_error < worst
    assert found.beaten_by == ()
    assert 0.8 <= found.own.coverage[0.9] <= 1.0
    assert found.own.width[0.5] < found.own.width[0.9]


def test_answers_say_what_they_rest_on(gathered: Gathered) -> None:
    model = fit_own(gathered, 0)
    asked = make_question("family03", 4, "openvino", 4)
    (answer,) = model.answer([asked])
    assert isinstance(answer, Prediction)
    assert answer.calibrated_on is Situation.UNSEEN_BATCH
    assert [one.level for one in answer.intervals] == [0.5, 0.8, 0.9]
    assert answer.evidence[0].what.startswith("family03/size4 openvino")
    assert "--model family03/size4 --engine openvino" in answer.would_change[0]
    (strange,) = model.answer([make_question("unheard", 4, "openvino", 4)])
    assert isinstance(strange, Prediction)
    assert strange.calibrated_on is Situation.UNSEEN_FAMILY
    known, unknown = answer.interval(0.9), strange.interval(0.9)
    assert known is not None
    assert unknown is not None
    assert unknown.hi / unknown.lo > known.hi / known.lo


def test_a_batch_that_was_not_measured_is_less_sure_than_another_engine(gathered: Gathered) -> None:
    examples = [one for one in gathered.examples if one.source != "family03/size4 openvino 8"]
    model = fit_own(Gathered(tuple(examples), ()), 0)
    measured, between = model.answer([make_question("family03", 4, "openvino", batch) for batch in (8, 64)])
    assert isinstance(measured, Prediction)
    assert isinstance(between, Prediction)
    assert (measured.calibrated_on, between.calibrated_on) == (Situation.KNOWN, Situation.UNSEEN_BATCH)
    assert measured.flags == between.flags == ()
    assert width(between) > width(measured)


def test_where_no_model_has_a_second_batch_it_is_as_if_the_model_were_new(gathered: Gathered) -> None:
    single = [one for one in gathered.examples if one.question.conditions.batch == 1]
    assert leave_calls_out([one.question for one in single]) == []
    model = fit_own(Gathered(tuple(single), ()), 0)
    assert Situation.UNSEEN_BATCH not in model.calibrations
    (known,) = model.answer([make_question("family03", 4, "openvino", 1)])
    (answer,) = model.answer([make_question("family03", 4, "openvino", 8)])
    assert isinstance(known, Prediction)
    assert isinstance(answer, Prediction)
    assert answer.calibrated_on is Situation.UNSEEN_BATCH
    assert answer.flags == ("never tested (unseen-batch): intervals are those of unseen-model",)
    assert width(answer) > width(known)
    # What it did not know of a batch is within them, for nearly all.
    others = [one for one in gathered.examples if one.question.conditions.batch == 8]
    held = [
        found.lo <= one.value <= found.hi
        for one, answer in zip(others, model.answer([one.question for one in others]), strict=True)
        if isinstance(answer, Prediction) and (found := answer.interval(0.9)) is not None
    ]
    assert len(held) == len(others)
    assert sum(held) / len(held) > 0.85


def test_calls_are_left_out_of_all_models_at_once() -> None:
    questions = [make_question("family00", 1, engine, batch) for engine in ("torch", "openvino") for batch in (8, 1)]
    questions += [make_question("family01", 1, "torch", 4), make_question("family02", 1, "torch", 2)]
    questions += [make_question("family02", 1, "torch", 32)]
    first, second = leave_calls_out(questions)
    assert first.test == (1, 3, 5)
    assert second.test == (0, 2, 6)
    assert 4 in first.train
    assert 4 in second.train


def test_one_machine_says_nothing_of_another(gathered: Gathered) -> None:
    elsewhere = replace(CPU, name="another CPU")
    for family in ("family03", "unheard"):
        question = replace(make_question(family, 4, "openvino", 4), device=elsewhere)
        (answer,) = fit_own(gathered, 0).answer([question])
        assert isinstance(answer, Abstention)
        assert "was never tested" in answer.reason
        assert "three machines" in answer.measure[0]


def test_what_was_learned_reads_back_to_the_same_answers(
    gathered: Gathered, through_file: Callable[[Payload], Payload]
) -> None:
    model = fit_own(gathered, 0)
    again = load_own(through_file(model.payload()))
    asked = [make_question(f"family{place:02}", 2, engine, 2) for place in range(4) for engine in _OF_ENGINE]
    assert model.answer(asked) == again.answer(asked)


def test_three_rows_teach_nothing() -> None:
    with pytest.raises(AssayError, match=r"3 own results can be learned from.*expected at least 12.*assay probe"):
        fit_own(Gathered(tuple(make_examples())[:3], ()), 0)


def test_what_has_no_graph_rates_or_sense_gets_an_abstention(gathered: Gathered) -> None:
    model = fit_own(gathered, 0)
    asked = make_question("family00", 1, "torch", 1)
    for question, reason in (
        (replace(asked, graph=None), "graph"),
        (replace(asked, device=DeviceProfile("never probed")), "rate of arithmetic"),
        (replace(asked, metric="average_power_w"), "not average_power_w"),
        (replace(asked, conditions=replace(asked.conditions, mode="training")), "not training"),
    ):
        (answer,) = model.answer([question])
        assert isinstance(answer, Abstention)
        assert reason in answer.reason


def test_what_no_page_can_hold_is_refused_with_the_limit(gathered: Gathered) -> None:
    model = fit_own(gathered, 0)
    asked = make_question("family00", 1, "web-wasm", 1)
    assert asked.graph is not None
    (small,) = model.answer([asked])
    assert isinstance(small, Prediction)
    (large,) = model.answer([replace(asked, graph=replace(asked.graph, parameters=8e9))])
    assert isinstance(large, Abstention)
    assert "a page cannot hold a file above 2.00 GiB" in large.reason


def test_of_more_results_than_it_can_learn_from_those_are_kept_that_say_most(gathered: Gathered) -> None:
    without = replace(gathered.examples[0], question=replace(gathered.examples[0].question, graph=None))
    examples = [*gathered.examples, without]
    kept = thin_out(examples, 60)
    assert len(kept) == 60
    assert without not in kept
    assert [one for one in examples if one in kept] == kept
    assert thin_out(examples, 144) == examples
    # Every family on every engine is there, which a draw of 60 of 144 leaves out somewhere.
    assert len({(one.groups["family"], one.groups["engine"]) for one in kept}) == 36
    model = fit_own(Gathered(tuple(kept), ()), 0)
    others = [one for one in gathered.examples if one not in kept]
    logs = [
        math.log(answer.value / one.value)
        for one, answer in zip(others, model.answer([one.question for one in others]), strict=True)
        if isinstance(answer, Prediction)
    ]
    assert len(logs) == len(others)
    assert np.mean(np.abs(logs)) < 0.08


def test_a_matrix_of_other_machines_costs_no_look_at_the_results(gathered: Gathered) -> None:
    model = load_own(fit_own(gathered, 0).payload())
    elsewhere = [replace(one.question, device=replace(CPU, name="another CPU")) for one in gathered.examples]
    assert all(isinstance(one, Abstention) for one in model.answer(elsewhere))
    assert np.isnan(model.numbers(elsewhere).values).all()
    assert "inverse" not in vars(model.process)
    # As arrays, among others, it says what it says as objects.
    here = [one.question for one in gathered.examples[:5]]
    asked = [*elsewhere[:3], *here, replace(here[0], graph=None), *elsewhere[3:]]
    found, answers = model.numbers(asked), model.answer(asked)
    assert [isinstance(one, Prediction) for one in answers] == [False] * 3 + [True] * 5 + [False] * 142
    assert found.answers() == answers
    assert found.values[3:8] == pytest.approx([one.value for one in answers[3:8] if isinstance(one, Prediction)])
    assert np.isnan(np.delete(found.values, range(3, 8))).all()
    assert "inverse" in vars(model.process)


@pytest.mark.parametrize("spoil", ["costs", "residuals"])
def test_a_spoilt_payload_is_refused(gathered: Gathered, spoil: str) -> None:
    kept = fit_own(gathered, 0).payload()
    arrays = {name: values for name, values in kept.arrays.items() if name != spoil}
    with pytest.raises(AssayError, match="cannot be read"):
        load_own(Payload(kept.meta, arrays))
    with pytest.raises(AssayError, match="cannot be read"):
        load_own(Payload(kept.meta, {**kept.arrays, "residuals": np.zeros(3)}))
    for wrong in ({"noise": 0.0}, {"noise": math.nan}, {"sds": [math.inf] * 9}, {"sds": [0.1]}):
        with pytest.raises(AssayError, match="cannot be read"):
            load_own(Payload({**kept.meta, **wrong}, kept.arrays))


def test_more_own_results_sharpen_the_answers() -> None:
    examples = list(make_examples(3))
    test = [
        one for one in examples if one.groups["family"] in {"family10", "family11"} and one.groups["tier"] != "tiny"
    ]
    rest = [one for one in examples if one.groups["family"] not in {"family10", "family11"}]
    few = [one for one in examples if one.groups["family"] in {"family10", "family11"} and one.groups["tier"] == "tiny"]
    errors = []
    for train in (rest, rest + few):
        answers = fit_own(Gathered(tuple(train), ()), 0).answer([one.question for one in test])
        logs = [math.log(answer.value / one.value) for answer, one in zip(answers, test, strict=True)
                if isinstance(answer, Prediction)]  # fmt: skip
        assert len(logs) == len(test)
        errors.append(np.mean(np.abs(logs)))
    assert errors[1] < errors[0]
