"""Power: made-up systems of a known law, the tables as they are published, and what is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from assay.catalog.hardware.load import find_hardware
from assay.core.errors import AssayError, UnknownNameError
from assay.predict.base import ExampleSource, Gathered, Payload, predictors
from assay.predict.power.boards import read_boards
from assay.predict.power.kind import fit_power, load_power, validate_power
from assay.predict.power.walls import (
    BOARD,
    EMBEDDED_W,
    METRIC,
    USUAL_REST_W,
    USUAL_SOCKET_W,
    WALL,
    chassis_of,
    describe_power,
    gather_power,
    host_power_w,
)  # fmt: skip
from assay.predict.system.domains import DomainModel
from assay.predict.system.published import PublishedResult
from assay.predict.system.recipe import Described
from assay.predict.values import Abstention, Conditions, DeviceProfile, Example, Prediction, Question

DATA = Path(__file__).parents[3] / ".." / "shared" / "data"
_SHARES = {"resnet": 0.7, "bert-99": 0.9}


def make_device(number: int) -> DeviceProfile:
    power_w = 70.0 + 45 * number
    rates = {"int8": power_w * 1.5e12}
    return DeviceProfile(f"made-up {number}", vendor="maker", flops_per_s=rates, power_w=power_w)


def make_question(number: int, benchmark: str, count: int = 4) -> Question:
    options = (
        ("chassis", f"box {count}"), ("host_power_w", 300.0), ("power_limited", False), ("round", "v4.0"),
        ("scenario", "Offline"), ("scope", "system"), ("unit", "sample"),
    )  # fmt: skip
    conditions = Conditions("tensorrt", "int8", devices=count, options=options)
    return Question(f"mlperf/{benchmark}", benchmark, make_device(number), conditions, METRIC)


def value_of(question: Question) -> float:
    assert question.device.power_w is not None
    sheet_w = question.device.power_w * question.conditions.devices + 300.0
    return sheet_w * _SHARES[question.workload.removeprefix("mlperf/")]


def make_examples() -> Iterator[Example]:
    random = np.random.default_rng(0)
    for number in range(12):
        for benchmark in _SHARES:
            for count in (2, 4):
                question = make_question(number, benchmark, count)
                groups = {
                    "device": question.device.name, "vendor": "maker", "round": "v4.0", "benchmark": benchmark,
                    "scenario": "Offline", "scope": WALL, "form": "server", "software": "tensorrt",
                }  # fmt: skip
                value = value_of(question) * float(random.lognormal(0, 0.02))
                yield Example(question, value, groups, f"made up {number}")


@pytest.fixture(scope="module")
def model() -> DomainModel:
    return fit_power(Gathered(tuple(make_examples()), ()), 0)


def test_a_system_of_an_accelerator_never_seen(model: DomainModel) -> None:
    for benchmark in _SHARES:
        question = make_question(30, benchmark)
        (answer,) = model.answer([question])
        assert isinstance(answer, Prediction)
        assert answer.unit == "W"
        assert abs(answer.value / value_of(question) - 1) < 0.1


def test_it_reads_back_to_the_same_answers(model: DomainModel, through_file: Callable[[Payload], Payload]) -> None:
    questions = [make_question(30, "resnet"), make_question(2, "bert-99")]
    assert load_power(through_file(model.payload())).answer(questions) == model.answer(questions)


def test_held_out_accelerators_beside_the_sheets_alone() -> None:
    outcome = validate_power(Gathered(tuple(make_examples()), ()), "device", 0)
    assert outcome.beaten_by == ()
    assert outcome.own.mean_error < 0.05


def test_what_it_cannot_know_it_does_not_say(model: DomainModel) -> None:
    good = make_question(30, "resnet")
    limit = (("power_limit_w", 5000.0), ("scope", "board"))
    bad = [
        replace(good, device=DeviceProfile("a box", flops_per_s={"int8": 1e14})),
        replace(good, workload="bert/base"),
        replace(good, workload="bert/base", conditions=Conditions(mode="training", options=limit)),
        replace(good, metric="latency_ns"),
    ]
    assert all(isinstance(answer, Abstention) for answer in model.answer(bad))
    with pytest.raises(UnknownNameError):
        validate_power(Gathered((), ()), "weekday", 0)


def test_the_host_s_processors_are_of_the_catalogue_or_usual_ones() -> None:
    known = PublishedResult(
        "row 1", "v4.0", "resnet", "Offline", "sample", "nobody", "A box (8x L4)", find_hardware("nvidia-l4"), 8,
        "tensorrt", is_power_limited=False, rate_per_s=1.0, power_w=500.0, processor="AMD EPYC 7742", processors=2,
    )  # fmt: skip
    assert host_power_w(known) == 450.0
    assert host_power_w(replace(known, processor="A processor")) == 2 * USUAL_SOCKET_W
    assert host_power_w(replace(known, processor="8-core ARM Cortex-A78AE CPU")) == EMBEDDED_W
    assert host_power_w(replace(known, device=find_hardware("nvidia-jetson-agx-orin-64gb"))) == 0
    assert chassis_of("Gigabyte G482-Z54 (8x A100, MaxQ)") == "gigabyte g482-z54"


def test_a_server_draws_more_than_its_processors_and_a_module_does_not() -> None:
    server = make_question(3, "resnet")
    options = dict(server.conditions.options) | {"host_power_w": 0.0}
    module = replace(server, conditions=replace(server.conditions, options=tuple(sorted(options.items()))))
    told = [describe_power(one) for one in (server, module)]
    assert all(isinstance(one, Described) for one in told)
    of_server, of_module = (one for one in told if isinstance(one, Described))
    accelerators_w = 4 * (70.0 + 45 * 3)
    assert np.exp(of_server.reference) == pytest.approx(accelerators_w + 300.0 + USUAL_REST_W)
    assert np.exp(of_module.reference) == pytest.approx(accelerators_w)
    assert (of_server.columns["module"], of_module.columns["module"]) == (0.0, 1.0)


def test_modules_that_differ_leave_the_answers_for_servers_narrow() -> None:
    examples = list(make_examples())
    random = np.random.default_rng(1)
    for number in range(40, 46):
        off = float(random.lognormal(0, 0.6))
        for benchmark in _SHARES:
            question = make_question(number, benchmark)
            options = dict(question.conditions.options) | {"host_power_w": 0.0}
            conditions = replace(question.conditions, options=tuple(sorted(options.items())))
            groups = dict(examples[0].groups) | {
                "device": question.device.name,
                "benchmark": benchmark,
                "form": "module",
            }
            examples.append(Example(replace(question, conditions=conditions), 500.0 * off, groups, "a module"))
    (answer,) = fit_power(Gathered(tuple(examples), ()), 0).answer([make_question(30, "resnet")])
    assert isinstance(answer, Prediction)
    bound = answer.interval(0.5)
    assert bound is not None
    assert bound.hi / bound.lo < 1.5


def test_tables_of_boards_are_read_and_broken_ones_refused(tmp_path: Path) -> None:
    folder = tmp_path / "zeus_power"
    folder.mkdir()
    with pytest.raises(AssayError, match="no tables of power"):
        read_boards(folder)
    head = "dataset,network,batch_size,optimizer,power_limit,time_per_epoch,average_power\n"
    path = folder / "summary_power_a40.csv"
    path.write_text(head + "cifar100,shufflenetv2,1024,adadelta,100,27.1,98.5\n")
    (example,) = gather_power(ExampleSource(folders=(tmp_path,))).examples
    assert example.value == 98.5
    assert example.question.device.hw_id == "nvidia-a40"
    assert example.groups["scope"] == BOARD
    path.write_text(head + "cifar100,shufflenetv2,many,adadelta,100,27.1,98.5\n")
    with pytest.raises(AssayError, match="is no table of power"):
        read_boards(folder)


def test_a_board_never_seen_is_foretold_under_its_limits() -> None:
    if not (DATA / "zeus_power").is_dir():
        pytest.skip("zeus_power is not at hand: the shared data folder is not beside this checkout")
    gathered = gather_power(ExampleSource(folders=((DATA / "zeus_power").resolve(),)))
    few = Gathered(tuple(one for one in gathered.examples if one.question.conditions.batch in {32, 1024}), ())
    outcome = validate_power(few, "board", 0)
    assert outcome.own.n > 50
    assert outcome.own.mean_error < 0.3


def test_the_kind_is_registered() -> None:
    assert predictors.get("power").fit is fit_power
