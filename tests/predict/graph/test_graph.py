"""The predictor of graphs on made-up devices whose law is known: it finds the law, and says how far off it may be.

The times here are computed, and none of them goes into a store.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest

from assay.core.errors import AssayError, UnknownNameError
from assay.predict.base import ExampleSource, Gathered, Payload, predictors
from assay.predict.graph import fit, validate
from assay.predict.graph.baselines import nearest_model, plain_roofline, roofline_s
from assay.predict.graph.features import FEATURES, describe, why_not_described
from assay.predict.graph.fit import fit_graph, folds_of
from assay.predict.graph.gather import gather_graphs
from assay.predict.graph.model import GraphModel, load_graph
from assay.predict.graph.validate import validate_graph
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

pytest.importorskip("lightgbm")
DEVICES = tuple(
    DeviceProfile(
        f"made-up GPU {place}", vendor="Made", flops_per_s={"fp16": rate}, vector_flops_per_s=rate / 4,
        bandwidth_bytes_per_s=bandwidth, cache_bytes=4e7, units=80.0,
    )
    for place, (rate, bandwidth) in enumerate([(8e13, 9e11), (1.6e14, 1e12), (2.2e14, 1.8e12), (1e14, 1.5e12)])
)  # fmt: skip


def make_question(family: int, size: int, device: DeviceProfile, engine: str = "torch", batch: int = 32) -> Question:
    dense, count = 1 + family % 7, 20.0 + 5 * (family % 4)
    work = {
        "conv": OpWork(count, batch * size * 4e8 * dense, batch * size * 2e6 + 1e6 * size),
        "matmul": OpWork(count, batch * size * 2e8, batch * size * (1 + family % 3) * 1e6),
        "elementwise": OpWork(2 * count, 0.0, batch * size * (1 + family % 5) * 2e6),
    }
    name = f"family{family:02}_{size}"
    graph = GraphProfile(name, f"family{family:02}", work, batch, (), size * 1e6, size * 1e6, units_per_call=batch)
    return Question(name, f"family{family:02}", device, Conditions(engine, "fp16", batch), "latency_ns", graph)


def law_s(question: Question) -> float:
    """What a call of the made-up devices takes: compiled, elementwise work is free."""
    found = describe([question])
    work = found.rows[0] * found.base_s[0]
    compiled = question.conditions.engine == "torch-compile"
    traffic = FEATURES.index("traffic share of elementwise")
    return float(1.4 * found.base_s[0] - (work[traffic] if compiled else 0.0))


def make_examples(seed: int = 0, noise: float = 0.03) -> Iterator[Example]:
    random = np.random.default_rng(seed)
    for family in range(24):
        of_family = random.lognormal(0, 0.06)
        for size in (1, 2, 4, 9):
            for device in DEVICES:
                for engine in ("torch", "torch-compile"):
                    one = make_question(family, size, device, engine)
                    groups = {
                        "model": one.workload, "family": one.family, "device": device.name, "vendor": device.vendor,
                        "config": f"{device.name} {engine}", "round": "",
                    }  # fmt: skip
                    value = law_s(one) * 1e9 * of_family * random.lognormal(0, noise)
                    yield Example(one, value, groups, f"{one.workload} {device.name} {engine}")


@pytest.fixture(autouse=True)
def few_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fit, "ROUNDS", 60)
    monkeypatch.setattr(validate, "_FOLDS", {})
    monkeypatch.setattr(validate, "_OTHER_FOLDS", 3)
    monkeypatch.setattr(fit, "SETTINGS", {**fit.SETTINGS, "num_leaves": 15, "learning_rate": 0.15})


@pytest.fixture(scope="module")
def gathered() -> Gathered:
    return Gathered(tuple(make_examples()), ())


@pytest.fixture(scope="module")
def model(gathered: Gathered) -> GraphModel:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fit, "ROUNDS", 60)
        return fit_graph(gathered, 0, situations=(Situation.KNOWN, Situation.UNSEEN_FAMILY, Situation.BOTH_UNSEEN))


def test_features_do_not_change_with_the_size_of_the_device() -> None:
    one = make_question(3, 2, DEVICES[0])
    faster = replace(
        DEVICES[0], flops_per_s={"fp16": 8e14}, vector_flops_per_s=2e14, bandwidth_bytes_per_s=9e12, cache_bytes=4e8,
    )  # fmt: skip
    here, there = describe([one]), describe([replace(one, device=faster)])
    assert here.base_s[0] == pytest.approx(10 * there.base_s[0])
    moved = [name for place, name in enumerate(FEATURES) if abs(here.rows[0, place] - there.rows[0, place]) > 1e-6]
    # What a host needs to start an operation stays as it is, so what is held against it moves; the cache is larger too.
    assert all("per operation" in name or "start" in name or "cache" in name for name in moved)


def test_the_base_is_the_time_at_the_rates() -> None:
    one = make_question(0, 1, DEVICES[0], batch=1)
    assert one.graph is not None
    expected = one.graph.flops / 8e13 + one.graph.elements * 2 / 9e11
    assert describe([one]).base_s[0] == pytest.approx(expected)
    assert roofline_s([Example(one, 1.0, {}, "")])[0] == pytest.approx(one.graph.elements * 2 / 9e11)


@pytest.mark.parametrize(("split", "worst"), [("model", 0.09), ("family", 0.12)])
def test_what_was_held_out_is_foretold_better_than_naively(gathered: Gathered, split: str, worst: float) -> None:
    found = validate_graph(gathered, split, 0)
    assert found.own.n == len(gathered.examples)
    assert found.own.mean_error < worst
    assert found.beaten_by == ()
    assert 0.8 <= found.own.coverage[0.9] <= 1.0
    assert found.own.width[0.5] < found.own.width[0.9]
    assert set(found.stratified) == {"size", "device", "mode", "software"}


def test_a_new_device_is_said_to_be_less_certain(model: GraphModel) -> None:
    new = replace(DEVICES[1], name="made-up GPU 9")
    known, strange, both = model.answer([
        make_question(3, 2, DEVICES[1]), make_question(77, 3, DEVICES[1]), make_question(78, 3, new),
    ])  # fmt: skip
    widths = []
    for answer, situation in (
        (known, Situation.KNOWN), (strange, Situation.UNSEEN_FAMILY), (both, Situation.BOTH_UNSEEN),
    ):  # fmt: skip
        assert isinstance(answer, Prediction)
        assert answer.calibrated_on is situation
        assert [one.level for one in answer.intervals] == [0.5, 0.8, 0.9]
        assert all(one.lo < answer.value < one.hi for one in answer.intervals)
        widths.append(answer.intervals[-1].hi / answer.intervals[-1].lo)
    assert widths[0] < widths[1] < widths[2]


def test_throughput_is_the_latency_of_a_call_over_its_samples(model: GraphModel) -> None:
    one = make_question(3, 2, DEVICES[1])
    latency, throughput = model.answer([one, replace(one, metric="throughput_per_s")])
    assert isinstance(latency, Prediction)
    assert isinstance(throughput, Prediction)
    assert throughput.value == pytest.approx(32 / (latency.value / 1e9))
    low, high = latency.intervals[-1], throughput.intervals[-1]
    assert high.hi / throughput.value == pytest.approx(latency.value / low.lo)


def test_what_was_learned_reads_back_to_the_same_answers(
    model: GraphModel, through_file: Callable[[Payload], Payload]
) -> None:
    again = load_graph(through_file(model.payload()))
    asked = [make_question(place, 2, DEVICES[place % 4]) for place in range(30)]
    assert model.answer(asked) == again.answer(asked)


@pytest.mark.parametrize("damage", ["features", "spreads", "fills", "forest_pair", "unseen-family_left"])
def test_what_is_damaged_is_refused(model: GraphModel, damage: str) -> None:
    kept = model.payload()
    meta, arrays = dict(kept.meta), dict(kept.arrays)
    if damage in meta:
        meta[damage] = ["other"]
    else:
        arrays[damage] = arrays[damage][:1]
    with pytest.raises(AssayError, match="cannot be read"):
        load_graph(Payload(meta, arrays))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"metric": "average_power_w"}, "not average_power_w"),
        ({"graph": None}, "graph of family03_2 is not known"),
        ({"conditions": Conditions("torch", "int8", 32)}, "nothing was learned of int8 on gpu"),
        ({"conditions": Conditions("openvino", "fp16", 32)}, "nothing was learned of the engine openvino"),
        ({"conditions": Conditions("torch", "fp16", 32, "training")}, "nothing was learned of training"),
        ({"conditions": Conditions("torch", "fp16", 32, devices=2)}, "not 2 together"),
        ({"device": DeviceProfile("bare")}, "fp16 rate of bare is not known"),
        ({"device": replace(DEVICES[0], vendor="Other", name="other")}, "no tested error"),
    ],
)
def test_what_it_cannot_know_it_does_not_say(model: GraphModel, change: dict[str, object], reason: str) -> None:
    one = replace(make_question(3, 2, DEVICES[0]), **change)  # type: ignore[arg-type]
    (answer,) = model.answer([one])
    assert isinstance(answer, Abstention)
    assert reason in answer.reason


def test_a_graph_unlike_any_is_not_foretold(model: GraphModel) -> None:
    work = {"softmax": OpWork(1e5, 0.0, 1e12), "gather": OpWork(1e5, 0.0, 1e12), "pool": OpWork(1e5, 0.0, 1e12)}
    one = make_question(3, 2, DEVICES[0])
    (answer,) = model.answer([replace(one, graph=GraphProfile("odd", "odd", work, 32), workload="odd", family="odd")])
    assert isinstance(answer, Abstention)
    assert "outside what was learned from" in answer.reason


def test_what_could_be_anything_is_not_said(model: GraphModel) -> None:
    wide = replace(model.spreads[Situation.BOTH_UNSEEN], shared=(0.8, 1.8, 2.5))
    other = replace(make_question(3, 2, DEVICES[0]), device=replace(DEVICES[0], name="other", vendor="Other"))
    (answer,) = replace(model, spreads={Situation.UNSEEN_VENDOR: wide}).answer([other])
    assert isinstance(answer, Abstention)
    assert answer.reason.startswith("it could be off by a factor of 1")
    assert "unseen-vendor" in answer.reason


def test_where_the_host_sets_the_pace_nothing_is_said(model: GraphModel) -> None:
    one = make_question(3, 1, DEVICES[0], batch=1)
    assert one.graph is not None
    many = {name: replace(work, count=500 * work.count) for name, work in one.graph.work.items()}
    (answer,) = model.answer([replace(one, graph=replace(one.graph, work=many))])
    assert isinstance(answer, Abstention)
    assert "the host sets the pace" in answer.reason


def test_bf16_counts_as_fp16_and_says_so(model: GraphModel) -> None:
    device = replace(DEVICES[0], flops_per_s={"fp16": 8e13, "bf16": 8e13})
    (answer,) = model.answer([replace(make_question(3, 2, device), conditions=Conditions("torch", "bf16", 32))])
    assert isinstance(answer, Prediction)
    assert "bf16 is taken to cost what fp16 does" in answer.flags


def test_folds_hold_out_device_and_family_at_once(gathered: Gathered) -> None:
    examples = list(gathered.examples)
    seen = 0
    for fold in folds_of(examples, Situation.BOTH_UNSEEN, 0):
        train, test = [examples[one].groups for one in fold.train], [examples[one].groups for one in fold.test]
        assert not {one["device"] for one in train} & {one["device"] for one in test}
        assert not {one["family"] for one in train} & {one["family"] for one in test}
        seen += len(test)
    assert seen == len(examples)


def test_baselines_see_nothing_of_what_was_held_out(gathered: Gathered) -> None:
    examples = list(gathered.examples)
    train, test = examples[:300], examples[300:]
    blind = [replace(one, value=1.0) for one in test]
    assert np.array_equal(nearest_model(train, test), nearest_model(train, blind))
    assert np.array_equal(plain_roofline(train, test), plain_roofline(train, blind))


def test_too_few_examples_teach_nothing(gathered: Gathered) -> None:
    with pytest.raises(AssayError, match="50 timings can be learned from; expected at least 200"):
        fit_graph(Gathered(gathered.examples[:50], ()), 0)
    with pytest.raises(AssayError, match="Nothing could be held out"):
        validate_graph(Gathered((), ()), "family", 0)
    with pytest.raises(UnknownNameError, match="famly"):
        validate_graph(gathered, "famly", 0)


def test_nothing_is_gathered_where_nothing_is_given() -> None:
    found = gather_graphs(ExampleSource())
    assert not found.examples
    assert len(found.notes) == 2


def test_a_question_without_rates_says_what_to_do() -> None:
    one = make_question(3, 2, replace(DEVICES[0], bandwidth_bytes_per_s=None))
    missing = why_not_described(one)
    assert missing is not None
    assert "assay probe" in str(missing)


def test_the_kind_is_registered() -> None:
    import assay.predict.graph.kind  # noqa: F401  (registers itself)

    assert set(predictors.get("graph").splits) == set(validate.SPLITS)
