"""Times brought to a made-up device whose law is known, and probes that teach what its sheet does not say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from assay.core.errors import AssayError
from assay.predict.base import Gathered, Payload
from assay.predict.graph.features import describe
from assay.predict.transfer import fit_transfer, load_transfer
from assay.predict.transfer_check import make_targets, validate_transfer
from assay.predict.transfer_lean import Rows, choose_probes, model_of, setting_of, view_from
from assay.predict.transfer_process import Index, MakeUp, Scaling, Surface, teach
from assay.predict.values import (
    Abstention,
    Conditions,
    DeviceProfile,
    Example,
    GraphProfile,
    Layer,
    OpWork,
    Prediction,
    Question,
    Situation,
)


def make_device(number: int) -> DeviceProfile:
    scale = 1.0 + 0.7 * number
    return DeviceProfile(
        f"device {number}", vendor="maker", kind="gpu", flops_per_s={"fp16": 1e14 * scale},
        vector_flops_per_s=2e13 * scale, bandwidth_bytes_per_s=1e12 * scale**0.8, cache_bytes=4e7, units=80.0,
    )  # fmt: skip


def make_question(device: DeviceProfile, model: int) -> Question:
    random = np.random.default_rng(model)
    dense, moved = random.uniform(0.2, 5), random.uniform(0.2, 5)
    work = {
        "matmul": OpWork(30, 4e10 * dense, 2e7), "conv": OpWork(20, 2e10 * random.uniform(0, 2), 1e7),
        "elementwise": OpWork(60, 0, 4e7 * moved), "norm": OpWork(20, 0, 1e7),
    }  # fmt: skip
    graph = GraphProfile(f"net/{model}", "net", work, 64, (("image", 224),), 1e7, 1e7, units_per_call=64.0)
    return Question(graph.workload, "net", device, Conditions("torch", "fp16", 64), "latency_ns", graph)


def make_examples(devices: int = 4, models: int = 90) -> list[Example]:
    random = np.random.default_rng(11)
    found = []
    for number in range(devices):
        device = make_device(number)
        of_device, tilt = random.normal(0, 0.15), random.normal(0, 0.1)
        for model in range(models):
            question = make_question(device, model)
            graph = question.graph
            assert graph is not None
            bend = tilt * np.log(graph.work["matmul"].flops / graph.work["elementwise"].elements / 1e3)
            base = float(describe([question]).base_s[0]) * 1e9
            of_model = np.random.default_rng(1000 + model).normal(0, 0.3)
            value = base * 1.5 * float(np.exp(of_device + bend + of_model + random.normal(0, 0.01)))
            groups = {"model": question.workload, "family": "net", "device": device.name, "config": f"table {number}"}
            found.append(Example(question, value, groups, f"row {number} {model}"))
    return found


@pytest.fixture(scope="module")
def gathered() -> Gathered:
    return Gathered(make_examples(), ())


def test_probes_teach_what_the_ratio_of_rooflines_misses(gathered: Gathered) -> None:
    outcomes = {split: validate_transfer(gathered, split, 0) for split in ("device", "device-10")}
    bare, taught = outcomes["device"].own, outcomes["device-10"].own
    assert taught.mean_error < 0.5 * bare.mean_error
    assert outcomes["device-10"].beaten_by == ()
    assert outcomes["device-10"].own.n == 4 * 80
    assert 0.9 not in bare.coverage  # four devices bound no such interval
    assert "too few for an interval of 90 %" in outcomes["device"].notes[0]


def test_every_model_of_a_device_is_held_against_all_others(gathered: Gathered) -> None:
    targets = make_targets(gathered.examples)
    assert [one.device for one in targets] == [f"device {place}" for place in range(4)]
    assert {len(one.truth) for one in targets} == {90}


def test_what_an_old_release_took_counts_little_for_a_new_one() -> None:
    software = [(None, 2.09), (None, 2.07), (None, 1.13), (None, None)]
    index = Index.of(["a"] * 4, ["w", "x", "y", "z"], software)
    values = np.array([1.0, 2.0, 100.0, 4.0])
    assert index.mean(values, [0, 1], (None, 2.09)) == pytest.approx((1 + 0.5 * 2) / 1.5)
    assert index.mean(values, [0, 2], (None, 2.09)) == pytest.approx(1.0, abs=1e-3)
    assert index.mean(values, [0, 3], (None, 2.09)) == pytest.approx(2.5)  # nobody says of what release it is
    assert index.mean(values, [0, 1, 3], (None, None)) == pytest.approx(7 / 3)
    assert index.mean(values, [2], (None, 2.09)) == pytest.approx(100.0)


def test_probes_differ_in_make_up_and_are_the_same_for_a_seed() -> None:
    rows = np.random.default_rng(0).normal(size=(200, 5))
    rows[:100] += 8
    none = np.zeros((200, 2))
    found = choose_probes(rows, none, 10, 3)
    assert len(set(found)) == 10
    assert found == choose_probes(rows, none, 10, 3)
    assert 0 < sum(place < 100 for place in found) < 10
    leaning = np.zeros((200, 2))
    leaning[:3] = 9
    assert min(choose_probes(rows, leaning, 10, 3)) < 3  # three models that lean far are worth a probe


def test_an_answer_names_where_the_model_was_measured(
    gathered: Gathered, through_file: Callable[[Payload], Payload]
) -> None:
    kept = [
        one for one in gathered.examples if not (one.groups["device"] == "device 3" and one.groups["model"] > "net/2")
    ]
    model = fit_transfer(Gathered(kept, ()), 0)
    asked = make_question(make_device(3), 77)
    (answer,) = model.answer([asked])
    assert isinstance(answer, Prediction)
    assert answer.layer is Layer.TRANSFER
    assert answer.calibrated_on is Situation.UNSEEN_DEVICE
    assert "device 0" in answer.reasons[0]
    truth = next(one.value for one in gathered.examples if one.source == "row 3 77")
    assert answer.value == pytest.approx(truth, rel=0.15)
    assert load_transfer(through_file(model.payload())).answer([asked]) == [answer]
    (wanted,) = model.probes.values()
    assert len(set(wanted)) == 10
    assert answer.would_change == (f"measured on device 3: {', '.join(wanted)}",)
    (none,) = model.answer([replace(asked, workload="net/unheard")])
    assert isinstance(none, Abstention)
    assert "not measured like this on another device" in none.reason


def test_one_device_teaches_nothing_of_another() -> None:
    with pytest.raises(AssayError, match="of 1 devices"):
        fit_transfer(Gathered(make_examples(1), ()), 0)
    with pytest.raises(AssayError, match="cannot be read"):
        load_transfer(Payload({"features": []}, {}))


def test_what_is_far_from_every_probe_is_less_certain() -> None:
    known = np.random.default_rng(0).normal(size=(10, 4))
    scaling = Scaling.of(known)
    taught = teach(Surface(), MakeUp(scaling.scale(known), np.zeros((10, 1))), np.full(10, 0.2))
    far = scaling.scale(np.vstack([known[0], known[0] + 50]))
    _, sds = taught.expect(MakeUp(far, np.zeros((2, 1))))
    assert sds[1] > sds[0]
    _, leaning = taught.expect(MakeUp(far[:1], np.full((1, 1), 3.0)))
    assert leaning[0] > sds[0]


def test_probes_far_apart_widen_every_answer_of_their_device() -> None:
    random = np.random.default_rng(0)
    made = MakeUp(random.normal(size=(40, 4)), random.normal(size=(40, 2)))
    own = list(range(10))
    calm, wild = (teach(Surface(), made.take(own), size * random.normal(size=10)) for size in (0.05, 1.0))
    assert (wild.expect(made)[1] > 2 * calm.expect(made)[1]).all()


def test_a_device_leans_along_what_others_disagree_about() -> None:
    random = np.random.default_rng(3)
    bend = random.normal(size=60)
    made = MakeUp(np.zeros((60, 1)), bend[:, None])
    taught = teach(Surface(row=0.02, lean=0.1), made.take(range(6)), 0.3 + 0.2 * bend[:6])
    mean, _ = taught.expect(made.take(range(6, 60)))
    assert mean == pytest.approx(0.3 + 0.2 * bend[6:], abs=0.05)


def test_a_view_sees_other_devices_alone_and_nothing_of_what_is_unknown() -> None:
    keys = [f"net/{model} image224 inference fp16 torch gpu" for model in "abc"]
    assert model_of(keys[0]) == "net/a image224"
    assert setting_of(keys[0]) == "inference fp16 torch gpu"
    devices = ["one"] * 3 + ["two"] * 3 + ["here"] * 3
    ratios = np.array([0.1, 0.5, 0.9, 0.3, 0.2, 0.4, 7.0, 8.0, 9.0])
    software = [(None, None)] * 9
    rows = Rows(keys * 3, devices, software, ratios)
    view = view_from(rows, Index.of(rows.keys, devices, software), "here", setting_of(keys[0]), (None, None))
    assert view.width == 3  # how far from the roofline, and two tables
    assert all(np.abs(one).max() < 3 for one in view.columns.values())
    means = (ratios[:3] + ratios[3:6]) / 2
    assert [view.columns[model_of(key)][0] for key in keys] == pytest.approx((means - means.mean()) / means.std())
    scaled = np.zeros((2, describe([make_question(make_device(0), 1)]).rows.shape[1]))
    assert (view.take([model_of(keys[0]), "net/unheard"], scaled)[1] == 0).all()
    none = view_from(rows, Index.of(rows.keys, devices, software), "here", "training fp32 torch gpu", (None, None))
    assert dict(none.columns) == {}


def test_an_answer_does_not_depend_on_what_else_is_asked(gathered: Gathered) -> None:
    kept = [one for one in gathered.examples if one.groups["device"] != "device 3" or one.groups["model"] < "net/2"]
    model = fit_transfer(Gathered(kept, ()), 0)
    asked = [make_question(make_device(3), place) for place in (77, 31, 50)]
    together = model.answer([*asked, replace(asked[0], workload="net/unheard")])
    assert isinstance(together[-1], Abstention)
    for alone, found in zip((model.answer([one])[0] for one in asked), together, strict=False):
        assert isinstance(alone, Prediction)
        assert isinstance(found, Prediction)
        assert alone.value == pytest.approx(found.value, rel=1e-12)
        assert alone.intervals[0].hi == pytest.approx(found.intervals[0].hi, rel=1e-12)


def test_what_is_validated_is_what_answers(gathered: Gathered) -> None:
    probes = {f"net/{place}" for place in range(10)}
    kept = [one for one in gathered.examples if one.groups["device"] != "device 3" or one.groups["model"] in probes]
    model = fit_transfer(Gathered(kept, ()), 0)
    (target,) = (one for one in make_targets(gathered.examples) if one.device == "device 3")
    own, test = list(range(10)), list(range(10, 90))
    mean, _ = teach(model.surface, target.made.take(own), target.residuals[own]).expect(target.made.take(test))
    answers = model.answer([make_question(make_device(3), place) for place in test])
    found = [one.value for one in answers if isinstance(one, Prediction)]
    assert found == pytest.approx(target.truth[test] / np.exp(target.residuals[test] - mean), rel=1e-9)


def test_the_most_alike_software_of_each_other_device_is_brought_over() -> None:
    software = [("nchw", 2.01), ("nchw", 2.04), ("nhwc", 2.09), ("nhwc", 2.04), ("nchw", 2.09)]
    index = Index.of(["k"] * 5, ["a", "a", "a", "b", "here"], software)
    assert index.find("k", "here", ("nchw", 2.09)) == [1, 3]
    assert index.find("k", "here", ("nhwc", 2.04)) == [2, 3]
    assert index.find("k", "here", (None, None)) == [0, 1, 2, 3]
    assert index.find("other", "here", (None, None)) == []
