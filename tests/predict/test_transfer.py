"""Times brought to a made-up device whose law is known, and probes that teach what its sheet does not say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from assay.core.errors import AssayError
from assay.predict.base import Gathered, Payload
from assay.predict.graph.features import describe
from assay.predict.transfer import fit_transfer, load_transfer
from assay.predict.transfer_check import choose_probes, make_targets, validate_transfer
from assay.predict.transfer_process import Index, Scaling, Surface, teach
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


def test_probes_differ_in_make_up_and_are_the_same_for_a_seed() -> None:
    rows = np.random.default_rng(0).normal(size=(200, 5))
    rows[:100] += 8
    found = choose_probes(rows, 10, 3)
    assert len(set(found)) == 10
    assert found == choose_probes(rows, 10, 3)
    assert 0 < sum(place < 100 for place in found) < 10


def test_an_answer_names_where_the_model_was_measured(gathered: Gathered) -> None:
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
    kept_payload = model.payload()
    assert load_transfer(Payload(kept_payload.meta, kept_payload.arrays)).answer([asked]) == [answer]
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
    taught = teach(Surface(), scaling.scale(known), np.full(10, 0.2))
    _, sds = taught.expect(scaling.scale(np.vstack([known[0], known[0] + 50])))
    assert sds[1] > sds[0]


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
    scaling = Scaling.of(model.rows)
    mean, _ = teach(model.surface, scaling.scale(target.rows[own]), target.residuals[own]).expect(
        scaling.scale(target.rows[test])
    )
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
