"""From a suite to a plan, for machines that are given: nothing is built and no framework is imported."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest

from assay.artefacts.base import ArtefactRequest
from assay.core.absence import Unavailable
from assay.core.errors import SuiteError, UsageError
from assay.core.words import Mode, Precision, Status
from assay.engines.base import Capabilities, LoadRequest, engines
from assay.probes.devices import Device
from assay.runner.plan import Machine, Obstacle, Plan, default_threads, make_plan, read_machine
from assay.runner.suite_model import build_suite, parse_suite

GIB = 1024**3
CPU = Device("cpu", "cpu", "some CPU", 64 * GIB)
GPU = Device("cuda:0", "cuda", "some GPU", 80 * GIB)
SMALL_GPU = Device("cuda:1", "cuda", "some small GPU", 8 * GIB)
MACHINE = Machine((CPU,), 64 * GIB, 60 * GIB, threads=4)
WITH_GPUS = replace(MACHINE, devices=(CPU, GPU, SMALL_GPU))


@pytest.fixture(autouse=True)
def torch_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plans are the same with and without the package; what changes then is tested apart."""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name)
    monkeypatch.setattr("assay.engines.torch_common.is_cpu_build", lambda: False)


def plan(*entries: dict[str, Any], machine: Machine = MACHINE, **others: Any) -> Plan:
    return make_plan(build_suite({"name": "test", "cases": list(entries), **others}), machine)


def labels(made: Plan) -> list[str]:
    return [planned.case.label for planned in made.cases]


# --- expansion ------------------------------------------------------------------------------------------------


def test_a_model_alone_gets_every_default() -> None:
    (one,) = plan({"model": "bert/tiny", "batch": 1}).cases
    assert one.case.to_dict() == {
        "workload": "bert/tiny", "engine": "torch", "device": "cpu", "mode": "inference", "precision": "fp32",
        "batch": 1, "shape": {"seq": 128}, "options": {},
    }  # fmt: skip
    assert (one.threads, one.obstacle, one.units_per_call) == (4, None, 1.0)


def test_lists_are_multiplied_in_the_order_written() -> None:
    made = plan({"model": ["bert/tiny", "resnet/tiny"], "precision": ["fp32", "bf16"], "batch": [8, 1]})
    assert labels(made) == [
        "bert/tiny torch cpu fp32 b8 seq128",
        "bert/tiny torch cpu fp32 b1 seq128",
        "bert/tiny torch cpu bf16 b8 seq128",
        "bert/tiny torch cpu bf16 b1 seq128",
        "resnet/tiny torch cpu fp32 b8 image224",
        "resnet/tiny torch cpu fp32 b1 image224",
        "resnet/tiny torch cpu bf16 b8 image224",
        "resnet/tiny torch cpu bf16 b1 image224",
    ]


def test_omitted_batches_are_each_workloads_own() -> None:
    made = plan({"model": "bert/tiny"})
    assert tuple(planned.case.batch for planned in made.cases) == made.cases[0].workload.batches


def test_a_bare_family_is_its_tiny_size() -> None:
    assert plan({"model": "bert", "batch": 1}).cases[0].case.workload == "bert/tiny"


def test_a_dimension_varies_the_models_that_have_it() -> None:
    made = plan({"model": ["bert/tiny", "resnet/tiny"], "batch": 1, "shape": {"seq": [16, 32]}})
    assert labels(made) == [
        "bert/tiny torch cpu fp32 b1 seq16",
        "bert/tiny torch cpu fp32 b1 seq32",
        "resnet/tiny torch cpu fp32 b1 image224",
    ]


def test_threads_are_an_option_of_the_case() -> None:
    made = plan({"model": "bert/tiny", "batch": 1, "threads": [1, 2]})
    assert [(one.threads, dict(one.case.options)) for one in made.cases] == [(1, {"threads": 1}), (2, {"threads": 2})]
    assert len({one.case.case_id for one in made.cases}) == 2


def test_a_case_asked_for_twice_is_planned_once() -> None:
    made = plan(
        {"model": "bert/tiny", "batch": [1, 8]},
        {"model": "bert", "batch": [8, 2], "device": ["cpu", "auto"]},
    )
    assert [one.case.batch for one in made.cases] == [1, 8, 2]


def test_a_factory_is_planned_without_being_imported() -> None:
    (one,) = plan({"model": "no_such_module:make", "batch": 3}).cases
    assert (one.case.label, one.obstacle) == ("no_such_module:make torch cpu fp32 b3", None)


# --- devices --------------------------------------------------------------------------------------------------


def test_auto_is_the_first_accelerator_else_the_cpu() -> None:
    entry = {"model": "bert/tiny", "batch": 1}
    assert plan(entry).cases[0].case.device == "cpu"
    assert plan(entry, machine=WITH_GPUS).cases[0].case.device == "cuda:0"


class Elsewhere:
    """An engine without a CPU, whose devices only it can see."""

    name = "elsewhere"

    def __init__(self, *kinds: str, absent: dict[str, Unavailable] | None = None) -> None:
        self.capabilities = Capabilities(dict.fromkeys(kinds, (Precision.FP32,)), (), "")
        self.absent = absent or {}

    def availability(self, kind: str) -> Unavailable | None:
        if kind not in self.capabilities.device_kinds:
            return Unavailable(f"it has no {kind}")
        return self.absent.get(kind)

    def plan_artefacts(self, request: LoadRequest) -> tuple[ArtefactRequest, ...]:
        del request
        return ()


def test_auto_of_an_engine_without_a_cpu_is_the_first_kind_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(engines._loaded, "elsewhere", Elsewhere("webgpu", "webnn"))
    alone = {"model": "bert/tiny", "batch": 1, "engine": "elsewhere"}
    assert [one.case.device for one in plan(alone, machine=WITH_GPUS).ready] == ["webgpu"]
    both = {**alone, "engine": ["torch", "elsewhere"], "device": ["auto"]}
    assert [one.case.device for one in plan(both).ready] == ["cpu", "webgpu"]
    assert [one.case.device for one in plan(both, machine=WITH_GPUS).ready] == ["cuda:0", "webgpu"]
    monkeypatch.setitem(engines._loaded, "elsewhere", Elsewhere("rocm", "cuda"))
    assert [one.case.device for one in plan(alone, machine=WITH_GPUS).ready] == ["cuda:0"]


def test_an_engine_that_is_not_there_is_no_row_to_launch(monkeypatch: pytest.MonkeyPatch) -> None:
    absent = Elsewhere("webgpu", absent={"webgpu": Unavailable("no browser was found", "install one")})
    monkeypatch.setitem(engines._loaded, "elsewhere", absent)
    made = plan({"model": "bert/tiny", "batch": 1, "engine": ["torch", "elsewhere"]})
    assert [one.obstacle for one in made.cases] == [
        None,
        Obstacle(Status.UNSUPPORTED, "no browser was found (install one)", "engine"),
    ]


def test_a_device_without_a_number_is_its_first() -> None:
    made = plan({"model": "bert/tiny", "batch": 1, "device": ["cuda", "cuda:0", "cuda:1"]}, machine=WITH_GPUS)
    assert [one.case.device for one in made.cases] == ["cuda:0", "cuda:1"]


def test_an_absent_device_in_a_list_is_a_row_of_its_own() -> None:
    made = plan({"model": "bert/tiny", "batch": 1, "device": ["cpu", "cuda:0"]})
    assert [one.obstacle for one in made.cases] == [
        None,
        Obstacle(Status.UNSUPPORTED, "there is no device 'cuda:0' here; found cpu", "device"),
    ]
    assert [one.case.device for one in made.ready] == ["cpu"]


# --- memory ---------------------------------------------------------------------------------------------------


def test_what_cannot_fit_is_skipped_with_its_reason() -> None:
    little = Machine((CPU,), 2 * GIB, 1 * GIB, threads=1)
    made = plan({"model": ["llama/7b", "bert/tiny"], "batch": 1}, machine=little)
    assert [one.obstacle for one in made.cases] == [
        Obstacle(
            Status.SKIPPED,
            "does not fit: its fp32 weights alone take 25.1 GiB; cpu has 1.00 GiB available of 2.00 GiB",
        ),
        None,
    ]


def test_a_plan_of_nothing_but_too_large_models_is_a_plan() -> None:
    little = Machine((CPU,), 1 * GIB, 1 * GIB, threads=1)
    made = plan({"model": "llama/7b", "batch": 1}, machine=little)
    assert made.ready == ()
    assert made.cases[0].obstacle is not None


def test_a_gpu_is_held_to_its_own_memory() -> None:
    made = plan({"model": "llama/7b", "batch": 1, "device": ["cuda:0", "cuda:1"]}, machine=WITH_GPUS)
    assert [one.obstacle and one.obstacle.reason for one in made.cases] == [
        None,
        "does not fit: its fp32 weights alone take 25.1 GiB; cuda:1 has 8.00 GiB available of 8.00 GiB",
    ]


def test_half_precision_takes_half_the_memory() -> None:
    machine = Machine((CPU,), 64 * GIB, 20 * GIB, threads=1)
    made = plan({"model": "llama/7b", "batch": 1, "precision": ["fp32", "bf16"]}, machine=machine)
    assert [one.case.precision for one in made.ready] == [Precision.BF16]


def test_a_model_of_unknown_size_and_a_machine_of_unknown_memory_are_let_through() -> None:
    unknown = Machine((CPU,), None, None, threads=1)
    assert plan({"model": "llama/7b", "batch": 1}, machine=unknown).ready
    assert plan({"model": "my.module:make", "batch": 1}, machine=Machine((CPU,), 1, 1, threads=1)).ready


def test_planning_imports_no_framework() -> None:
    code = """
import sys
from assay.probes.devices import Device
from assay.runner.plan import Machine, make_plan
from assay.runner.suite_model import load_suite
machine = Machine((Device("cpu", "cpu", "x", None),), 1 << 30, 1 << 30, threads=1)
made = make_plan(load_suite("standard"), machine)
assert any(one.obstacle for one in made.cases), "something should not fit into 1 GiB"
print(sorted({"torch", "transformers", "scipy", "pyarrow"} & sys.modules.keys()))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"


# --- what can never be ----------------------------------------------------------------------------------------


def refusal(text: str, machine: Machine = MACHINE) -> SuiteError:
    suite = parse_suite(text, path="my.yaml")
    with pytest.raises(SuiteError) as caught:
        make_plan(suite, machine)
    return caught.value


def suite_text(*lines: str) -> str:
    return "\n".join(["name: mine", "cases:", "  - model: bert/tiny", *(f"    {line}" for line in lines)])


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "precision: tf32",
            (
                "my.yaml:4:16: impossible here: engine torch has no tf32 on cpu; it has fp32, bf16, fp16, int8, int4 "
                "there."
            ),
        ),
        (
            "precision: tf32\n    engine: [torch, torch-compile]",
            (
                "my.yaml:4:16: impossible here: engine torch has no tf32 on cpu; it has fp32, bf16, fp16, int8, int4 "
                "there; engine torch-compile has no tf32 on cpu; it has fp32, bf16, fp16, int8, int4 there."
            ),
        ),
        ("device: cuda:3", "my.yaml:4:13: impossible here: there is no device 'cuda:3' here; found cpu."),
        (
            "device: npu",
            "my.yaml:4:13: impossible here: PyTorch eager has no device kind 'npu'; it has cpu, cuda, rocm, mps, xpu.",
        ),
        (
            "mode: data",
            (
                "my.yaml:4:11: impossible here: engine torch does inference, generation, serving, training only, and "
                "data was asked for."
            ),
        ),
    ],
)
def test_a_whole_entry_that_can_never_run_is_an_error_at_its_place(line: str, message: str) -> None:
    error = refusal(suite_text(line))
    assert error.message == message
    assert error.hint == "What this machine has and can run: assay doctor"


def test_one_possible_cell_saves_the_entry() -> None:
    made = plan({"model": "bert/tiny", "batch": 1, "precision": ["bf16", "fp32"], "mode": ["inference", "data"],
                 "device": ["cpu", "cuda:9"]})  # fmt: skip
    assert {one.case.mode for one in made.ready} == {Mode.INFERENCE}
    assert len(made.ready) == 2
    assert [one.obstacle.status for one in made.cases if one.obstacle] == [Status.UNSUPPORTED] * 6


def test_an_engine_that_is_not_installed_is_said_with_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    error = refusal(suite_text("engine: torch"))
    assert error.message == ("my.yaml:4:13: impossible here: PyTorch is not installed (pip install 'assay[torch]').")


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"model": "brt/tiny"}, "Unknown workload family 'brt'. Did you mean 'bert'?"),
        ({"model": "bert/tinny"}, "Unknown size of bert 'tinny'. Did you mean 'tiny'?"),
        ({"model": "bert/tiny", "engine": "torhc"}, "Unknown engine 'torhc'. Did you mean 'torch'?"),
        ({"model": "bert/tiny", "shape": {"sqe": 5}}, "bert/tiny has no dimension 'sqe'"),
        ({"model": "./no/such/folder"}, "'./no/such/folder' is not a model folder: it has no config.json."),
        ({"model": "my.module:make", "shape": {"seq": 3}}, "my.module:make has no dimensions, but seq was asked for."),
    ],
)
def test_a_wrong_name_is_an_error_before_anything_runs(entry: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match="command line") as caught:
        plan(entry)
    assert message in caught.value.message


def test_an_engine_that_was_removed_since_the_suite_was_read_is_placed(monkeypatch: pytest.MonkeyPatch) -> None:
    suite = parse_suite(suite_text("engine: torch"), path="my.yaml")
    monkeypatch.setattr(engines, "_loaded", {})
    monkeypatch.setattr(engines, "_declared", {})
    with pytest.raises(SuiteError, match=r"^my.yaml:4:13: Unknown engine 'torch'. None is installed."):
        make_plan(suite, MACHINE)


# --- this machine ---------------------------------------------------------------------------------------------


def test_this_machine_can_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = read_machine()
    assert machine.devices[0].name == "cpu"
    assert machine.threads >= 1
    assert machine.memory_limit_bytes is not None
    assert machine.memory_available_bytes is not None
    assert machine.memory_available_bytes <= machine.memory_limit_bytes
    monkeypatch.setattr("assay.runner.plan.read_cpu_quota", lambda: 1.5)
    assert default_threads() == 1
    monkeypatch.setattr("assay.runner.plan.read_cpu_quota", lambda: 0.1)
    assert default_threads() == 1


def test_an_absence_reads_as_a_sentence() -> None:
    assert str(Unavailable("it is not there", "buy one")) == "it is not there (buy one)"


def test_auto_passes_over_an_accelerator_that_the_engine_was_not_built_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("assay.engines.torch_common.is_cpu_build", lambda: True)
    made = plan({"model": "bert/tiny", "batch": 1}, machine=WITH_GPUS)
    assert [one.case.device for one in made.ready] == ["cpu"]
    with pytest.raises(SuiteError, match="this PyTorch is built for the CPU only"):
        plan({"model": "bert/tiny", "batch": 1, "device": "cuda"}, machine=WITH_GPUS)


def test_a_case_has_the_dimensions_of_its_data_set_unless_others_are_asked_for() -> None:
    entry = {"model": "resnet/tiny", "mode": "training", "batch": 32}
    [own] = plan({**entry, "options": {"dataset": ["digits"]}}).cases
    assert dict(own.case.shape) == {"image": 8}
    [asked] = plan({**entry, "shape": {"image": 32}, "options": {"dataset": ["digits"]}}).cases
    assert dict(asked.case.shape) == {"image": 32}
    [without] = plan(entry).cases
    assert dict(without.case.shape) == {"image": 224}


@pytest.mark.parametrize(
    ("options", "factor"),
    [({"optimizer": ["adamw"]}, 4), ({"optimizer": ["sgd"]}, 2), ({"tune": ["lora"]}, 1)],
)
def test_training_needs_gradients_and_moments_beside_the_weights(options: dict[str, Any], factor: int) -> None:
    weights = 4 * 109_482_240
    room = replace(MACHINE, memory_available_bytes=round(weights * factor * 1.06))
    tight = replace(MACHINE, memory_available_bytes=round(weights * factor * 1.04))
    entry = {"model": "bert/base", "mode": "training", "batch": 1, "options": options}
    assert plan(entry, machine=room).cases[0].obstacle is None
    obstacle = plan(entry, machine=tight).cases[0].obstacle
    assert obstacle is not None
    assert obstacle.status is Status.SKIPPED
    assert "weights, gradients and optimizer alone take" in obstacle.reason
