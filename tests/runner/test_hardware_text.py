"""What stands for the hardware of a result: this machine, an adapter that a browser named, or a visitor's device."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from assay.core.adapters import adapter_of, is_software_adapter, machine_of
from assay.core.case import Case
from assay.core.records import LaunchRecord
from assay.core.words import Status
from assay.runner.hardware_text import describe_hardware

CPU = "some CPU 2c 16GiB"
FACTS = {
    "cpu": {"model": "some CPU", "usable_cores": 2, "architecture": "x86_64"},
    "memory": {"total_bytes": 16 * 1024**3, "cgroup_cpu_quota": None},
    "gpus": [],
}
SWIFTSHADER = {"adapter": "google  swiftshader | Vulkan", "adapter_kind": "software"}
RADEON = {"adapter": "amd rdna-3", "adapter_kind": "hardware"}
VISIT = {"browser": "visit", "visitor": "pixel9"}


def case(device: str, **options: Any) -> Case:
    return Case.make(workload="bert/tiny", engine="web", device=device, batch=1, shape={"seq": 16}, options=options)


def launch(facts: dict[str, str], status: Status = Status.OK) -> LaunchRecord:
    return LaunchRecord(
        launch_id="l", run_id="r", result_id="x", origin_run_id="r", ordinal=0, status=status,
        started_at=datetime(2026, 11, 22, tzinfo=UTC), wall_ns=1, engine_facts=facts,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("device", "options", "facts", "expected"),
    [
        ("cpu", {}, [], CPU),
        ("cpu", {}, [RADEON], CPU),  # what else the browser has did not compute
        ("webgpu", {}, [], f"webgpu | {CPU}"),
        ("webgpu", {}, [RADEON, SWIFTSHADER], f"amd rdna-3 | {CPU}"),
        ("webgpu", {}, [{}, SWIFTSHADER], f"google swiftshader / Vulkan (software adapter) | {CPU}"),
        ("webnn:gpu", {}, [RADEON], f"amd rdna-3 | {CPU}"),
        ("webnn:npu", {}, [{"webnn_device": "npu"}], f"webnn:npu | {CPU}"),
        ("cpu", VISIT, [], "pixel9 (visitor)"),
        ("webgpu", VISIT, [], "webgpu | pixel9 (visitor)"),
        ("webgpu", VISIT, [{"adapter": "adreno", "adapter_kind": "unknown"}], "adreno | pixel9 (visitor)"),
    ],
)  # fmt: skip
def test_the_hardware_of_a_result(
    device: str, options: dict[str, str], facts: list[dict[str, str]], expected: str
) -> None:
    launches = [launch(one) for one in facts]
    found = describe_hardware(FACTS, case(device, **options), launches)
    assert found == expected
    assert is_software_adapter(found) is ("software" in expected)
    if facts and facts[-1] is SWIFTSHADER and "swiftshader" in found:
        assert (adapter_of(found), machine_of(found)) == ("google swiftshader / Vulkan", CPU)


def test_a_launch_that_failed_names_nothing() -> None:
    launches = [launch(RADEON, Status.FAILED), launch(SWIFTSHADER)]
    assert describe_hardware(FACTS, case("webgpu"), launches).startswith("google swiftshader")
    assert describe_hardware(FACTS, case("webgpu"), launches[:1]) == f"webgpu | {CPU}"
