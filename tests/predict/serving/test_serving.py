"""Replicas that are made up by a known law, and the published ones where they are at hand."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assay.core.errors import AssayError, UnknownNameError
from assay.predict.base import ExampleSource, Gathered, Payload, predictors
from assay.predict.serving.choose import choose_setup, rank_setups, recommend_setup
from assay.predict.serving.fit import ask, fit_serving, gather_serving, list_examples
from assay.predict.serving.model import ServingModel, load_serving
from assay.predict.serving.near import USERS
from assay.predict.serving.nested import PUBLISHED, choose_nested
from assay.predict.serving.pilot import Llm, PilotData, Setup, read_pilot
from assay.predict.serving.protocol import Choice, Curve, Demand, score_choices
from assay.predict.serving.terms import BETWEEN, FIRST
from assay.predict.serving.validate import validate_serving
from assay.predict.system.process import rebuild
from assay.predict.values import Abstention, DeviceProfile, Layer, Prediction, Situation

DATA = Path(__file__).parents[3] / ".." / "shared" / "data" / "llm_pilot"
_DEVICES = {"slow": (1e14, 5e11, 4e10, 1.0), "middle": (3e14, 1.5e12, 8e10, 4.0), "fast": (9e14, 3e12, 8e10, 12.0)}


def make_llm(billions: float) -> Llm:
    return Llm(f"made-up/{billions:g}b", billions * 1e9, 32, 32, False, True, 32000, "made-up")  # noqa: FBT003


def make_setup(name: str, count: int) -> Setup:
    rate, bandwidth, memory, price = _DEVICES[name]
    profile = DeviceProfile(
        name, vendor="nobody", flops_per_s={"fp16": rate}, bandwidth_bytes_per_s=bandwidth, memory_bytes=memory
    )
    return Setup(f"{count} x {name}", profile, count, price * count)


def make_curve(llm: Llm, setup: Setup) -> Curve:
    read_ms = 2e3 * llm.parameters / (setup.device.bandwidth_bytes_per_s or 1.0) / setup.devices
    noise = np.random.default_rng([int(llm.parameters / 1e9), setup.devices, len(setup.device.name)])
    between = tuple(read_ms * (1 + users / 16) * math.exp(noise.normal(0, 0.02)) for users in USERS)
    return Curve(llm.name, setup.name, USERS, tuple(0.1 * one for one in between), between)


@pytest.fixture(scope="module")
def made_up() -> PilotData:
    llms = [make_llm(one) for one in (3, 6, 9, 13, 18)]
    setups = [make_setup(name, count) for name in _DEVICES for count in (1, 2)]
    curves = tuple(make_curve(llm, setup) for llm in llms for setup in setups)
    return PilotData({one.name: one for one in llms}, {one.name: one for one in setups}, curves, "0")


@pytest.fixture(scope="module")
def gathered(made_up: PilotData) -> Gathered:
    return Gathered(tuple(list_examples(made_up, made_up.curves)), ())


@pytest.fixture(scope="module")
def model(gathered: Gathered) -> ServingModel:
    return fit_serving(gathered, 0)


def test_the_law_is_found_for_a_model_of_another_size(model: ServingModel) -> None:
    llm, setup = make_llm(11), make_setup("middle", 2)
    truth = make_curve(llm, setup)
    answers = model.answer([ask(llm, setup, users, BETWEEN) for users in USERS])
    for answer, value in zip(answers, truth.itl_ms, strict=True):
        assert isinstance(answer, Prediction)
        assert answer.value == pytest.approx(value * 1e6, rel=0.15)
        assert answer.calibrated_on is Situation.UNSEEN_MODEL
        assert answer.layer is Layer.LEARNED
        assert answer.evidence


def test_the_first_token_takes_as_long_as_its_prompt(model: ServingModel) -> None:
    question = ask(make_llm(9), make_setup("fast", 1), 4, FIRST)
    options = dict(question.conditions.options)
    longer = replace(question.conditions, options=tuple(sorted((options | {"prompt_tokens": 100}).items())))
    without = replace(question.conditions, options=tuple((k, v) for k, v in options.items() if k != "prompt_tokens"))
    one, many, none = model.answer([
        question, replace(question, conditions=longer), replace(question, conditions=without)
    ])  # fmt: skip
    assert isinstance(one, Prediction)
    assert isinstance(many, Prediction)
    assert many.value == pytest.approx(100 * one.value)
    assert isinstance(none, Abstention)


def test_what_it_cannot_know_is_abstained_from(model: ServingModel) -> None:
    llm, setup = make_llm(9), make_setup("fast", 1)
    question = ask(llm, setup, 4, BETWEEN)
    bare = replace(question, device=DeviceProfile("unknown"))
    asked = [
        replace(question, metric="latency_ns"), replace(question, conditions=replace(question.conditions, options=())),
        bare, ask(make_llm(900), setup, 4, BETWEEN), ask(make_llm(9), setup, 1e9, BETWEEN),
    ]  # fmt: skip
    answers = model.answer(asked)
    assert all(isinstance(one, Abstention) for one in answers)
    assert "do not fit" in answers[3].reason  # type: ignore[union-attr]


def test_what_was_learned_reads_back_alike_and_damage_is_told(
    model: ServingModel, gathered: Gathered, through_file: Callable[[Payload], Payload]
) -> None:
    payload = model.payload()
    asked = [one.question for one in gathered.examples[:20]]
    assert load_serving(through_file(payload)).answer(asked) == model.answer(asked)
    short = {**payload.arrays, f"values/{FIRST}": payload.arrays[f"values/{FIRST}"][:-1]}
    for broken in (Payload({}, payload.arrays), Payload(payload.meta, {}), Payload(payload.meta, short)):
        with pytest.raises(AssayError, match="cannot be read"):
            load_serving(broken)


@pytest.mark.parametrize("noise", [0.0, 1e-12, -1.0, math.nan, math.inf])
def test_noise_that_leaves_no_covariance_is_found_when_read(model: ServingModel, noise: float) -> None:
    payload = model.payload()
    processes = {name: {**one, "noise": noise} for name, one in payload.meta["processes"].items()}
    with pytest.raises(AssayError, match="not positive"):
        load_serving(Payload({**payload.meta, "processes": processes}, payload.arrays))


def test_what_was_learned_is_put_together_when_it_is_asked(
    model: ServingModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[float] = []

    def rebuild_it(*arguments: Any) -> Any:
        made.append(arguments[2])
        return rebuild(*arguments)

    monkeypatch.setattr("assay.predict.serving.model.rebuild", rebuild_it)
    read = load_serving(model.payload())
    assert made == []
    question = ask(make_llm(10), make_setup("middle", 1), 4, BETWEEN)
    assert [read.answer([question]), read.answer([question])] == [model.answer([question])] * 2
    assert len(made) == len(set(made)) > 0


def test_splits_are_scored_beside_baselines(gathered: Gathered) -> None:
    outcome = validate_serving(gathered, "model", 0)
    assert set(outcome.methods) == {"assay", "roofline", "nearest model"}
    assert outcome.methods["roofline"].mean_error < 0.05  # the made-up law is a roofline at each number of users
    assert outcome.own.mean_error < 0.15
    assert len(outcome.groups) == 5
    with pytest.raises(UnknownNameError):
        validate_serving(gathered, "modle", 0)
    with pytest.raises(AssayError):
        fit_serving(Gathered((), ()), 0)


def test_a_choice_weighs_failure_against_cost() -> None:
    names, price, demand = ["cheap", "dear"], {"cheap": 1.0, "dear": 1.4}, Demand(users=64)
    sure = np.array([[64, 64]] * 10)
    found = recommend_setup(names, sure, price, demand)
    assert found is not None
    assert found.choice == Choice("cheap", 1)
    assert found.worth == pytest.approx(1.0)
    risky = np.array([[64, 64]] * 5 + [[4, 64]] * 5)  # half of the time the cheap one fails
    found = recommend_setup(names, risky, price, demand)
    assert found is not None
    assert found.choice == Choice("dear", 1)
    assert found.p_meets == 1.0
    assert [one.choice.setup for one in rank_setups(names, risky, price, demand)] == ["dear", "cheap"]
    assert recommend_setup([], sure, price, demand) is None


def test_the_choice_for_a_model_of_another_size_meets_the_demand(model: ServingModel) -> None:
    llm, setups = make_llm(11), [make_setup(name, count) for name in _DEVICES for count in (1, 2)]
    for demand in (Demand(), Demand(users=100, itl_ms=35.0)):
        found = choose_setup(model, llm, setups, demand)
        assert found is not None
        truth = {one.name: make_curve(llm, one).held(demand) for one in setups}
        score = score_choices(
            {llm.name: found.choice}, {llm.name: truth}, {one.name: one.usd_h for one in setups}, demand
        )
        assert score.success_rate == 1.0
        assert score.overspend is not None
        assert score.overspend < 1.0
        assert found.p_meets > 0.5


def test_no_set_up_that_holds_the_weights_gives_no_choice(model: ServingModel) -> None:
    assert choose_setup(model, make_llm(900), [make_setup("slow", 1)], Demand()) is None


def test_nothing_of_the_tested_model_is_looked_at(made_up: PilotData) -> None:
    tested = made_up.curves[0].model
    slower = tuple(
        replace(one, itl_ms=tuple(9 * x for x in one.itl_ms)) if one.model == tested else one for one in made_up.curves
    )
    chosen = [
        choose_nested(data, [PUBLISHED], 0, models=[tested], widths=(0.4, 0.1))
        for data in (made_up, replace(made_up, curves=slower))
    ]  # fmt: skip
    assert chosen[0] == chosen[1]
    assert set(chosen[0].inner_so[tested]) == {0.4, 0.1}
    assert chosen[0].inner_so[tested][chosen[0].width[tested]] == max(chosen[0].inner_so[tested].values())


def test_a_folder_that_is_not_there_or_broken(tmp_path: Path) -> None:
    assert gather_serving(ExampleSource()).examples == ()
    (tmp_path / "llm_pilot").mkdir()
    with pytest.raises(AssayError, match="cannot be read"):
        gather_serving(ExampleSource(folders=(tmp_path,)))


@pytest.mark.skipif(not DATA.is_dir(), reason="the published data of LLM-Pilot is not here")
def test_published_replicas_are_read_and_learned() -> None:
    gathered = gather_serving(ExampleSource(folders=(DATA,)))
    assert len(gathered.examples) == 2 * 528
    data = read_pilot(DATA)
    assert data.setups["1 x H100"].device.flops_per_s["fp16"] == pytest.approx(989.5e12)
    answers = fit_serving(gathered, 0).answer([one.question for one in gathered.examples[::50]])
    assert all(isinstance(one, Prediction) and math.isfinite(one.value) for one in answers)


def test_the_kind_is_registered_under_its_name() -> None:
    from assay.predict.serving.kind import KIND

    assert predictors._loaded[KIND].metrics == (FIRST, BETWEEN)
