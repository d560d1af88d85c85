"""The predictor: what it learns of composed rows, what it answers and refuses, and how it does on published ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from assay.core.case import Scalar
from assay.core.errors import AssayError, UnknownNameError
from assay.predict.base import ExampleSource, Gathered, Payload
from assay.predict.devices import find_profile
from assay.predict.llm.deals import DEALS
from assay.predict.llm.features import measure
from assay.predict.llm.fit import fit_coefficients, fit_law, times_of
from assay.predict.llm.gather import Served, gather_llm
from assay.predict.llm.kind import fit_llm
from assay.predict.llm.learn import learn_llm, see
from assay.predict.llm.model import LlmModel, load_llm
from assay.predict.llm.setups import BETWEEN, FIRST, METRICS
from assay.predict.llm.validate import validate_llm
from assay.predict.splits import hold_out
from assay.predict.values import Abstention, Conditions, DeviceProfile, Prediction, Question, Situation

H100 = "nvidia-h100-sxm5-80gb"
SHARED = Path(__file__).parents[3] / ".." / "shared" / "data"
TOLD: dict[str, Scalar] = {"isl": 1024, "osl": 1024, "users": 16, "precision": "fp8", "backend": "vllm"}


@pytest.fixture(scope="module")
def model(gathered: Gathered) -> LlmModel:
    rows: list[Served] = list(gathered.examples)
    return learn_llm(rows, measure([one.setup for one in rows]), METRICS, ("case", "load", "model"), 0)


def ask(
    workload: str = "llm/llama-3.1-70b", device: str | DeviceProfile = H100, metric: str = BETWEEN,
    devices: int = 4, **options: Scalar | None,
) -> Question:  # fmt: skip
    told: dict[str, Scalar] = {name: value for name, value in {**TOLD, **options}.items() if value is not None}
    profile = find_profile(device) if isinstance(device, str) else device
    return Question(workload, "llm", profile, Conditions(devices=devices, options=tuple(sorted(told.items()))), metric)


def test_coefficients_are_found_and_never_negative(gathered: Gathered, step: np.ndarray) -> None:
    told = measure([one.setup for one in gathered.examples]).between
    truth = told @ step
    found = fit_coefficients(told, truth, np.ones(len(truth)))
    assert (found >= 0).all()
    assert told @ found == pytest.approx(truth, rel=0.02)


def test_both_times_are_answered_with_intervals_and_read_back_to_the_same(
    model: LlmModel, through_file: Callable[[Payload], Payload]
) -> None:
    questions = [ask(), ask(metric=FIRST), ask(device="nvidia-h200-sxm5-141gb", users=64)]
    between, first, other = answers = model.answer(questions)
    for one in (between, first, other):
        assert isinstance(one, Prediction)
        assert one.calibrated_on is Situation.KNOWN
        held = one.interval(0.9)
        assert held is not None
        assert held.lo < one.value < held.hi
        assert one.unit == "ns"
    assert isinstance(between, Prediction)
    assert "MTP" in between.flags[0]
    assert between.reasons[0].startswith("law of ")
    again = load_llm(through_file(model.payload()))
    assert again.answer(questions) == answers


def test_what_a_question_shares_with_the_rows_chooses_the_intervals(model: LlmModel) -> None:
    more, unseen, new, both = model.answer(
        [ask(users=128), ask("llm/qwen3-235b-a22b"), ask(device="nvidia-a100-sxm4-80gb", precision="bf16"),
         ask("llm/qwen3-235b-a22b", "nvidia-a100-sxm4-80gb", precision="bf16", devices=8)]
    )  # fmt: skip
    for one in (more, unseen, new, both):
        assert isinstance(one, Prediction)
    assert isinstance(more, Prediction)
    assert any("more than were measured" in one for one in more.flags)
    assert isinstance(unseen, Prediction)
    assert unseen.calibrated_on is Situation.UNSEEN_MODEL
    assert unseen.interval(0.9) is None  # four models are too few
    assert isinstance(new, Prediction)
    assert new.calibrated_on is Situation.UNSEEN_DEVICE
    assert new.intervals == ()  # no device was held out
    assert isinstance(both, Prediction)
    assert both.calibrated_on is Situation.BOTH_UNSEEN


@pytest.mark.parametrize(
    ("question", "said"),
    [
        (ask("bert/base"), "none of the language models"),
        (ask("llm/acme"), "none of the language models"),
        (ask(metric="latency_ns"), "are foretold in"),
        (ask(precision="fp32"), "no precision that models are served in"),
        (ask(users=None), "not told: users"),
        (ask(users="many"), "expected a number of at least 1"),
        (ask(users=0), "expected a number of at least 1"),
        (ask(users=1e6), "outside of what was published"),
        (ask(devices=1, precision="bf16"), "do not fit"),
        (ask(device="amd-instinct-mi300x-192gb"), "only devices of NVIDIA"),
        (ask(device=DeviceProfile("unknown", vendor="NVIDIA")), "is not known"),
    ],
)
def test_it_says_what_is_missing(model: LlmModel, question: Question, said: str) -> None:
    (answer,) = model.answer([question])
    assert isinstance(answer, Abstention)
    assert said in answer.reason


def test_options_may_say_devices_and_training_is_refused(model: LlmModel) -> None:
    plain = model.answer([ask()])[0]
    question = ask(devices=1)
    options = (*question.conditions.options, ("devices", 4))
    again = replace(question, conditions=replace(question.conditions, options=options))
    assert model.answer([again]) == [plain]
    training = replace(again, conditions=replace(again.conditions, mode="training"))
    assert isinstance(model.answer([training])[0], Abstention)


@pytest.mark.parametrize("damage", ["coefficients", "terms", "ranges", "forest", "nothing", "negative"])
def test_a_payload_that_is_not_sound_is_refused(model: LlmModel, damage: str) -> None:
    payload = model.payload()
    meta, arrays = dict(payload.meta), dict(payload.arrays)
    law = dict(meta["laws"][BETWEEN])
    changed = {
        "coefficients": law | {"coefficients": law["coefficients"][:-1]},
        "terms": law | {"terms": ["something else"]},
        "negative": law | {"coefficients": [-1.0, *law["coefficients"][1:]]},
    }
    if damage in changed:
        meta["laws"] = {**meta["laws"], BETWEEN: changed[damage]}
    elif damage == "ranges":
        meta["ranges"] = {}
    elif damage == "forest":
        arrays[f"{BETWEEN}_leaves"] = np.full_like(arrays[f"{BETWEEN}_leaves"], np.nan)
    else:
        meta, arrays = {}, {}
    with pytest.raises(AssayError, match="cannot be read"):
        load_llm(Payload(meta, arrays))


@pytest.mark.parametrize("split", ["device", "model-ttft"])
def test_it_beats_what_is_naive_on_what_is_held_out(gathered: Gathered, split: str) -> None:
    found = validate_llm(gathered, split, 0)
    assert found.metric == (FIRST if split.endswith("-ttft") else BETWEEN)
    assert found.own.mean_error < 0.35
    assert found.beaten_by == ()
    assert set(found.methods) == {"assay", "roofline", "nearest"}
    assert set(found.own.coverage) == {0.5}  # three groups are left: 0.5 x 4/3 is within them, 0.8 x 4/3 is not
    assert any("without an interval at 90%" in one for one in found.notes)


def test_deals_hold_out_what_they_say(gathered: Gathered) -> None:
    rows: list[Served] = list(gathered.examples)
    for name, deal in DEALS.items():
        for fold in deal.folds(rows, 0):
            assert not set(fold.train) & set(fold.test)
            left, held = ([rows[place] for place in places] for places in (fold.train, fold.test))
            if name in ("model", "device", "case"):
                assert not {deal.group(one) for one in left} & {deal.group(one) for one in held}
            if name == "load":
                seen = see(left)
                assert all(seen.is_more(one.setup, one.system) for one in held)
            if name == "temporal":
                assert max(one.measured for one in left) < min(one.measured for one in held)


def test_too_little_and_unknown_splits_are_refused(gathered: Gathered) -> None:
    few = Gathered(gathered.examples[:50], ())
    with pytest.raises(AssayError, match="at least 100"):
        fit_llm(few, 0)
    with pytest.raises(AssayError, match="Nothing could be held out"):
        validate_llm(few, "device", 0)
    with pytest.raises(AssayError, match="Nothing could be held out"):
        validate_llm(Gathered((), ()), "random", 0)
    with pytest.raises(UnknownNameError):
        validate_llm(gathered, "devise", 0)


@pytest.mark.skipif(not (SHARED / "aiconfigurator").is_dir(), reason="the published table is not here")
def test_the_published_table_holds_what_the_page_says() -> None:
    found = gather_llm(ExampleSource(None, (SHARED,)))
    rows: list[Served] = list(found.examples)
    assert len(rows) > 2900
    load = validate_llm(found, "load", 0)
    assert load.own.mean_error < 0.28
    assert load.beaten_by == ()
    assert 0.6 < load.own.coverage[0.8] < 0.9  # more users than all that were measured: less than promised
    fold = hold_out([one.system for one in rows], ["nvidia-h200-sxm5-141gb"])
    told = measure([one.setup for one in rows])
    for metric, most in ((BETWEEN, 0.25), (FIRST, 0.45)):
        law = fit_law(metric, [rows[place] for place in fold.train], told.take(fold.train), 0)
        truth = times_of(metric, [rows[place] for place in fold.test])
        assert float(np.median(np.abs(law.expect(told.take(fold.test)) / truth - 1))) < most
