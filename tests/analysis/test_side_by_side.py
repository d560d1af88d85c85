"""Which numbers stand beside each other: what is kept apart, what counts once, what is left out and why."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.loading import load_module

from assay.analysis.device_names import name_device
from assay.analysis.side_by_side import Group, read_groups, read_groups_of
from assay.analysis.usable_numbers import NumberWanted, count_left_out, select_any
from assay.core.errors import UnknownNameError
from assay.core.words import Fidelity, Provenance, Status, Verdict
from assay.store import Store

ranked = load_module("analysis.ranked_results")
H100, A100, L4, CPU = ranked.H100, ranked.A100, ranked.L4, ranked.CPU


@pytest.fixture
def results(tmp_path: Path) -> Any:
    return ranked.Results(Store.open(tmp_path / "store"))


def groups_of(results: Any, metric: str = "throughput_per_s", **where: Any) -> tuple[Group, ...]:
    return read_groups(results.keep(), select_any(where), NumberWanted.of(metric))


def test_results_of_one_kind_are_a_group_with_their_median_and_spread(results: Any) -> None:
    for value in (100.0, 130.0, 120.0):
        results.mlperf("resnet", throughput_per_s=value, options={"submitter": f"by {value}"})
    (group,) = groups_of(results)
    assert (group.median, group.lowest, group.highest, group.results) == (120.0, 100.0, 130.0, 3)
    assert group.best.value == 130.0
    assert group.device.hw_id == "nvidia-h100-pcie-80gb"
    assert group.device_label == "8 × NVIDIA H100 PCIe 80GB"
    assert group.subject.label == "v4.1 closed datacenter Offline"
    assert group.provenance is Provenance.IMPORTED
    assert group.only is None


@pytest.mark.parametrize(
    "changed",
    [
        {"options": {"round": "v4.0"}},
        {"options": {"division": "open"}},
        {"options": {"scenario": "Server"}},
        {"options": {"nodes": 2}},
        {"unit_of_work": "token"},
    ],
)
def test_rounds_divisions_scenarios_sizes_and_units_are_kept_apart(results: Any, changed: Any) -> None:
    results.mlperf("resnet", throughput_per_s=100.0)
    results.mlperf("resnet", throughput_per_s=200.0, **changed)
    assert [group.results for group in groups_of(results)] == [1, 1]


@pytest.mark.parametrize("changed", [{"options": {"submitter": "other"}}, {"precision": "fp8"}, {"engine": "vLLM"}])
def test_what_a_benchmark_leaves_to_its_submitters_is_not_kept_apart(results: Any, changed: Any) -> None:
    results.mlperf("resnet", throughput_per_s=100.0)
    results.mlperf("resnet", throughput_per_s=200.0, **changed)
    (group,) = groups_of(results)
    assert group.results == 2


@pytest.mark.parametrize(
    "changed", [{"batch": 8}, {"precision": "fp32"}, {"engine": "onnxruntime"}, {"options": {"threads": 2}},
                {"shape": {"seq": 64}}, {"mode": "training"}]
)  # fmt: skip
def test_conditions_without_rules_have_to_agree(results: Any, changed: Any) -> None:
    results.measured("bert/base", throughput_per_s=100.0)
    results.measured("bert/base", throughput_per_s=200.0, **changed)
    assert len({group.subject for group in groups_of(results)}) == 2


def test_measured_and_imported_are_never_one_group(results: Any) -> None:
    results.measured("bert/base", hardware=H100, throughput_per_s=100.0)
    results.imported("bert/base", hardware=H100, throughput_per_s=200.0)
    assert {group.provenance: group.median for group in groups_of(results)} == {
        Provenance.MEASURED: 100.0,
        Provenance.IMPORTED: 200.0,
    }


def test_one_submission_in_two_files_counts_once(results: Any) -> None:
    results.mlperf("resnet", throughput_per_s=100.0, source="round.json", precision="fp8")
    results.mlperf("resnet", throughput_per_s=100.0, source="collected.parquet")
    results.mlperf("resnet", throughput_per_s=90.0, source="collected.parquet", options={"system": "another"})
    (group,) = groups_of(results)
    assert group.results == 2


def test_what_a_source_leaves_unsaid_is_compared_within_it_alone(results: Any) -> None:
    for source in ("one.csv", "other.csv"):
        results.imported("bert", hardware=A100, precision=None, throughput_per_s=1.0, source=source)
        results.imported("bert", hardware=L4, precision=None, throughput_per_s=2.0, source=source)
    groups = groups_of(results)
    assert len({group.subject for group in groups}) == 2
    assert {group.subject.gap for group in groups} == {"its source does not say precision"}


def test_names_of_one_device_are_one_device(results: Any) -> None:
    results.mlperf("resnet", hardware="NVIDIA A100-PCIe-80GB", throughput_per_s=100.0)
    results.mlperf("resnet", hardware="NVIDIA A100 PCIe 80GB", throughput_per_s=110.0)
    (group,) = groups_of(results)
    assert (group.results, group.device.label) == (2, "NVIDIA A100 PCIe 80GB")


def test_devices_that_the_catalogue_does_not_have_keep_the_name_of_their_source() -> None:
    assert name_device("sample-hardware-8", "rocm").label == "sample-hardware-8"
    assert name_device("sample-hardware-8", "rocm").hw_id is None
    assert name_device(None, "webgpu").label == "webgpu (not named)"
    assert name_device("unknown", None).label == "not named"


def test_a_slice_of_a_device_is_a_device_of_its_own_without_the_sheet_of_the_whole() -> None:
    device = name_device("NVIDIA A100-PCIe-80GB (1x1g.10gb MIG)", "cuda")
    assert device.label == "NVIDIA A100 PCIe 80GB, MIG 1g.10gb"
    assert device.hardware is None


def test_a_row_that_ran_on_the_cpu_beside_a_gpu_is_not_of_the_gpu() -> None:
    device = name_device("Quadro P4000", "cpu")
    assert device.label.startswith("CPU beside ")
    assert device.hw_id is None


def test_what_may_not_be_ranked_is_in_no_group_and_is_counted(results: Any) -> None:
    results.measured("bert/base", throughput_per_s=1.0)
    results.measured("bert/base", throughput_per_s=9.0, verdict=Verdict.CONTAMINATED)
    results.measured("bert/base", throughput_per_s=9.0, fidelity=Fidelity.FAILED)
    results.measured("bert/base", status=Status.OOM, reason="too large")
    results.imported("bert/base", throughput_per_s=9.0, marks=ranked.marked())
    results.mlperf("bert/base", throughput_per_s=9.0, options={"inferred": True})
    (group,) = groups_of(results)
    assert group.median == 1.0
    left_out = {one.reason: one.count for one in count_left_out(results.store, select_any({}))}
    assert left_out == {
        "contaminated: something disturbed the timing": 1,
        "wrong answers: the fidelity gate failed": 1,
        "did not end well (oom)": 1,
        "marked by its importer as simulated": 1,
        "computed from the run of another scenario, so no second measurement": 1,
    }


def test_a_tail_does_not_stand_for_a_typical_number(results: Any) -> None:
    from assay.core.records import MetricValue

    results.mlperf("resnet", metrics=(MetricValue("latency_ns", 5e6, "ns", "p90"),))
    store = results.keep()
    assert read_groups(store, select_any({}), NumberWanted.of("latency_ns")) == ()
    (group,) = read_groups(store, select_any({}), NumberWanted.of("latency_ns", "p90"))
    assert group.stats == ("p90",)


def test_a_single_result_keeps_its_own_interval(results: Any) -> None:
    results.measured("bert/base", latency_ns=(10e6, 9e6, 11e6))
    (group,) = groups_of(results, "latency_ns")
    assert group.only is not None
    assert (group.only.lo, group.only.hi, group.only.n) == (9e6, 11e6, 5)


def test_several_metrics_are_read_in_one_pass(results: Any) -> None:
    results.measured("bert/base", latency_ns=10e6, throughput_per_s=100.0)
    wanted = [NumberWanted.of("latency_ns"), NumberWanted.of("throughput_per_s"), NumberWanted.of("energy_j_per_call")]
    found = read_groups_of(results.keep(), select_any({}), wanted)
    assert {metric: len(groups) for metric, groups in found.items()} == {
        "latency_ns": 1, "throughput_per_s": 1, "energy_j_per_call": 0,
    }  # fmt: skip
    assert found["latency_ns"][0].subject == found["throughput_per_s"][0].subject


def test_a_metric_that_nobody_knows_is_named() -> None:
    with pytest.raises(UnknownNameError, match="latency_ns"):
        NumberWanted.of("latency")


def test_names_are_data_and_not_sql(results: Any) -> None:
    hostile = "'; DROP TABLE results; --"
    results.imported(hostile, hardware=hostile, engine=hostile, throughput_per_s=1.0, options={hostile: hostile})
    (group,) = groups_of(results, workload=hostile)
    assert (group.subject.workload, group.device.label) == (hostile, hostile)
    assert hostile in group.subject.label
