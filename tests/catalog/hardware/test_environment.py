"""Detected devices and their entries: computed from the facts, and never written into them."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from assay.catalog.hardware.environment import DeviceMatch, find_match, match_environment
from assay.core.ids import content_hash
from assay.probes.environment import collect_environment, hardware_class

GIB = 2**30


def gpu(vendor: str, name: str, index: int | None, memory_gib: float | None = None, **more: Any) -> dict[str, Any]:
    memory = None if memory_gib is None else int(memory_gib * GIB)
    return {"vendor": vendor, "name": name, "index": index, "memory_bytes": memory, "mig": None, **more}


def facts(*gpus: dict[str, Any], model: str | None = "AMD EPYC 7763", family: str | None = "25-1-1") -> dict[str, Any]:
    cpu = {"vendor": "AMD", "model": model, "family_model_stepping": family}
    return {"cpu": cpu, "gpus": list(gpus)}


def ids(found: tuple[DeviceMatch, ...]) -> dict[str, str | None]:
    return {one.device: one.match.hw_id for one in found}


def test_every_vendor_and_several_devices() -> None:
    found = match_environment(
        facts(
            gpu("nvidia", "NVIDIA H100 80GB HBM3", 0, 79.65),
            gpu("nvidia", "NVIDIA L4", 1, 22.49),
            gpu("amd", "AMD Instinct MI210", 0, 63.98),
            gpu("intel", "Intel Arc B580", 0),
            gpu("apple", "Apple M3 Max 40-core GPU", 0, 64),
        )
    )
    assert ids(found) == {
        "cpu": "amd-epyc-7763",
        "cuda:0": "nvidia-h100-sxm5-80gb",
        "cuda:1": "nvidia-l4",
        "rocm:0": "amd-instinct-mi210",
        "xpu:0": "intel-arc-b580",
        "mps": "apple-m3-max-40c-gpu",
    }
    assert all(one.match.confidence >= 0.9 for one in found)


def test_hidden_gpus_are_no_devices() -> None:
    found = match_environment(facts(gpu("nvidia", "NVIDIA L4", None, 22.49), gpu("nvidia", "NVIDIA A10", 0, 22.2)))
    assert ids(found) == {"cpu": "amd-epyc-7763", "cuda:0": "nvidia-a10"}


def test_a_driver_s_short_name_is_the_module() -> None:
    assert ids(match_environment(facts(gpu("nvidia", "NVIDIA H200", 0, 140.4))))["cuda:0"] == "nvidia-h200-sxm5-141gb"
    grace = facts(gpu("nvidia", "NVIDIA GH200 480GB", 0, 95.6))
    assert ids(match_environment(grace))["cuda:0"] == "nvidia-gh200-96gb"


def test_a_virtual_machine_s_cpu_without_its_model_stays_open() -> None:
    (cpu,) = match_environment(facts(model="AMD EPYC"))
    assert cpu.match.hw_id is None
    assert "Milan" in cpu.match.reason
    assert all(hw_id.startswith("amd-epyc-7") for hw_id in cpu.match.candidates)
    assert "amd-epyc-7742" not in cpu.match.candidates  # that is Rome


@pytest.mark.parametrize("family", [None, "25-1", "x-y-z", "99-9-9"])
def test_an_unknown_family_says_nothing(family: str | None) -> None:
    (cpu,) = match_environment(facts(model="AMD EPYC", family=family))
    assert cpu.match.is_ambiguous
    assert "Milan" not in cpu.match.reason


def test_peaks_of_a_slice_are_its_share() -> None:
    name = "NVIDIA A100-SXM4-80GB MIG 1g.10gb"
    part = find_match(facts(gpu("nvidia", name, 0, 9.5)), "cuda")
    assert part is not None
    assert part.peak("bf16") == pytest.approx(312e12 / 7)
    assert part.bandwidth() == pytest.approx(2039e9 / 8)
    assert part.describe() == "NVIDIA A100 SXM4 80GB (nvidia-a100-sxm4-80gb), MIG 1g.10gb"
    virtual = find_match(facts(gpu("nvidia", "NVIDIA A10-8Q", 0, 8)), "cuda:0")
    assert virtual is not None
    assert virtual.peak("bf16") is None


def test_mig_without_a_slice_in_the_name_is_said() -> None:
    whole = find_match(facts(gpu("nvidia", "NVIDIA A100-SXM4-80GB", 0, 80, mig=True)), "cuda:0")
    assert whole is not None
    assert "MIG is on" in whole.match.reason


def test_facts_of_another_shape_have_no_devices() -> None:
    assert match_environment({}) == ()
    assert match_environment({"cpu": "EPYC", "gpus": None}) == ()
    odd: dict[str, Any] = {"cpu": {}, "gpus": ["RTX 4090", {"vendor": "acme", "index": 0}]}
    assert ids(match_environment(odd)) == {"cpu": None}
    assert find_match({}, "cpu") is None


def test_matching_leaves_an_environment_as_it_was() -> None:
    environment = collect_environment()
    before = copy.deepcopy(dict(environment.facts))
    found = match_environment(environment.facts)
    assert found[0].device == "cpu"
    assert environment.facts == before
    assert content_hash(environment.facts) == environment.env_id
    assert "hw_id" not in hardware_class(environment.facts, "cpu")
