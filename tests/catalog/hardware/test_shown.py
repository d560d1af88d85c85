"""Where a match is shown: doctor, the table of a probe, and what explains a result."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from assay.catalog.hardware.environment import find_match
from assay.cli import doctor
from assay.cli.explain import catalogue_lines, explain_row
from assay.cli.probe import find_peaks
from assay.core.case import Case
from assay.core.ids import new_id
from assay.core.records import EnvironmentRecord, MetricValue, ResultRecord
from assay.core.words import Status
from assay.probes import environment as probed
from assay.probes.environment import collect_environment
from assay.recommend.explain import ExplainedResult
from assay.runner.diagnose import Finding
from assay.stats.roofline import Bound, Explanation, Roofline

if TYPE_CHECKING:
    import pytest

NOW = datetime(2026, 11, 22, tzinfo=UTC)
GIB = 2**30


def environment_with(*names: str, model: str = "AMD EPYC 7763") -> EnvironmentRecord:
    here = collect_environment()
    gpus = [
        {"vendor": "nvidia", "name": name, "index": index, "memory_bytes": None, "mig": None}
        for index, name in enumerate(names)
    ]
    cpu: dict[str, Any] = {**here.facts["cpu"], "model": model, "vendor": "AMD", "family_model_stepping": "25-1-1"}
    return replace(here, facts={**here.facts, "cpu": cpu, "gpus": gpus})


def result_on(device: str, *metrics: MetricValue) -> ResultRecord:
    case = Case(workload="bert/base", engine="torch", device=device)
    return ResultRecord(
        result_id=new_id(),
        run_id=new_id(),
        series_id="s",
        case=case,
        status=Status.OK,
        measured_at=NOW,
        metrics=metrics,
    )


def rate(name: str, phase: str, unit: str, value: float) -> MetricValue:
    return MetricValue(name=name, phase=phase, stat="median", unit=unit, value=value)


RATES = (
    rate("gemm_flops_per_s", "bf16", "FLOP/s", 700e12),
    rate("gemm_flops_per_s", "fp64", "FLOP/s", 1.0),
    rate("copy_bandwidth_bytes_per_s", "steady", "B/s", 3e12),
    rate("cache_bandwidth_bytes_per_s", "1MiB", "B/s", 9e12),
)


def test_a_probe_of_a_known_gpu_has_the_data_sheet_s_peaks() -> None:
    peaks = find_peaks(result_on("cuda:0", *RATES), [], environment_with("NVIDIA H100 80GB HBM3"))
    value, text = peaks["gemm_flops_per_s", "bf16"]
    assert value == 989.4e12
    assert text == "989400 GFLOP/s, data sheet: NVIDIA H100 SXM5 80GB (nvidia-h100-sxm5-80gb)"
    assert peaks["copy_bandwidth_bytes_per_s", "steady"][0] == 3.35e12
    assert ("cache_bandwidth_bytes_per_s", "1MiB") not in peaks


def test_a_rate_that_the_sheet_does_not_have_is_unknown() -> None:
    peaks = find_peaks(result_on("cuda:0", *RATES), [], environment_with("NVIDIA L4"))
    assert peaks["gemm_flops_per_s", "fp64"] == (None, "unknown: not in the catalogue")


def test_a_gpu_that_is_not_in_the_catalogue_has_no_peak() -> None:
    assert find_peaks(result_on("cuda:0", *RATES), [], environment_with("NVIDIA Tesla K80")) == {}


def test_a_cpu_s_bandwidth_is_that_of_the_socket() -> None:
    peaks = find_peaks(result_on("cpu", *RATES), [], environment_with())
    value, text = peaks["copy_bandwidth_bytes_per_s", "steady"]
    assert value == 204.8e9
    assert text.endswith("AMD EPYC 7763 (amd-epyc-7763), whole socket")
    assert find_peaks(result_on("cpu", *RATES), [], environment_with(model="AMD EPYC")) == {}


def explained_on(device: str, environment: EnvironmentRecord, roof: Roofline | None) -> ExplainedResult:
    found = None
    if roof is not None:
        found = Explanation(Bound.COMPUTE, 0.5, 1.0, 1.0, 1.0, roof, "compute bound")
    return ExplainedResult(result_on(device), None, found, "text", find_match(environment.facts, device))


def test_an_explanation_has_the_sheet_beside_the_probe() -> None:
    environment = environment_with("NVIDIA H100 80GB HBM3")
    one = explained_on("cuda:0", environment, Roofline(flops_per_s=50.25e12, bytes_per_s=3.015e12))
    [line] = catalogue_lines([one, one])
    assert line.startswith("  catalogue: cuda:0 is NVIDIA H100 SXM5 80GB (nvidia-h100-sxm5-80gb): fp32 67000 GFLOP/s, ")
    assert line.endswith("of which the probe reached 75 %; memory 3350 GB/s, of which the probe reached 90 %")
    row = explain_row(one)
    assert (row["hw_id"], row["peak_flops_per_s"], row["peak_bytes_per_s"]) == ("nvidia-h100-sxm5-80gb", 67e12, 3.35e12)


def test_without_a_probe_the_sheet_stands_alone_and_without_an_entry_nothing_does() -> None:
    environment = environment_with("NVIDIA Tesla K80")
    [line] = catalogue_lines([explained_on("cpu", environment, None)])
    assert "reached" not in line
    assert line.endswith("memory 205 GB/s (the whole chip)")
    assert catalogue_lines([explained_on("cuda:0", environment, None)]) == []
    assert explain_row(explained_on("cuda:0", environment, None))["hw_id"] is None


def test_doctor_says_what_each_device_is_and_why(monkeypatch: pytest.MonkeyPatch) -> None:
    environment = environment_with("NVIDIA H100 80GB HBM3", "NVIDIA A100-SXM4-80GB MIG 1g.10gb", model="AMD EPYC")
    monkeypatch.setattr(probed, "collect_environment", lambda: environment)
    cpu, whole, part = doctor._find_in_catalogue()
    assert (cpu.level, cpu.area) == ("note", "hardware")
    assert "no entry for 'AMD EPYC'" in cpu.what
    assert cpu.advice is not None
    assert "amd-epyc-7763" in cpu.advice
    assert whole.what.startswith(
        "cuda:0 in the catalogue: NVIDIA H100 SXM5 80GB (nvidia-h100-sxm5-80gb), confidence 0.9"
    )
    assert "MIG 1g.10gb" in part.what


def test_doctor_s_findings_stand_with_the_hardware() -> None:
    first, store = Finding("hardware", "ok", "cpu"), Finding("store", "ok", "here")
    more = Finding("hardware", "note", "in the catalogue")
    assert doctor._add_after("hardware", [first, store], [more]) == [first, more, store]
    assert doctor._add_after("hardware", [store], [more]) == [more, store]
