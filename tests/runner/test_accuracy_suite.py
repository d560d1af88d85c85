"""The suite of trainings to a target: what it holds, and that each of its cases can be planned."""

from __future__ import annotations

from assay.core.words import Mode
from assay.probes.devices import Device
from assay.runner.plan import Machine, make_plan, seed_of_launch
from assay.runner.quick import quicken
from assay.runner.suite_model import load_suite
from assay.workloads.datasets.base import datasets, split_reference

MACHINE = Machine((Device("cpu", "cpu", "some CPU", None),), None, None, threads=2)


def test_every_case_trains_to_a_target_on_a_data_set_that_there_is() -> None:
    plan = make_plan(load_suite("accuracy"), MACHINE)
    assert plan.suite.launches == 3
    for planned in plan.cases:
        options = dict(planned.case.options)
        assert planned.case.mode is Mode.TRAINING
        assert 0 < float(options["target"]) < 1
        assert split_reference(str(options["dataset"]))[0] in datasets.names()
        assert planned.obstacle is None


def test_each_launch_is_another_seed() -> None:
    (first, *_) = make_plan(load_suite("accuracy"), MACHINE).cases
    assert [seed_of_launch(first, 7, ordinal) for ordinal in range(3)] == [7, 8, 9]


def test_a_quick_look_takes_the_two_that_train_fastest() -> None:
    plan = make_plan(quicken(load_suite("accuracy")), MACHINE)
    assert [planned.case.workload for planned in plan.cases] == ["resnet/tiny", "unet/tiny"]
    assert plan.suite.launches == 1
