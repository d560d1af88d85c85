"""Measured against data sheets: planted biases come back, one witness stays one, and what says nothing is left out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.loading import load_module

from assay.analysis.datasheet_bias import By, SheetBias, estimate_bias, estimate_parts
from assay.analysis.datasheet_check import check_bias
from assay.analysis.datasheet_compare import compare_measured
from assay.analysis.datasheet_shares import find_shares
from assay.analysis.datasheet_values import Basis, SheetEvidence, read_evidence, take_one_provenance
from assay.analysis.usable_numbers import select_any
from assay.core.errors import UnknownNameError, UsageError
from assay.core.words import Provenance
from assay.store import Store

composed, planted = load_module("analysis.ranked_results"), load_module("analysis.sheet_results")
HOPPER, AMPERE, ADA, CDNA3 = planted.HOPPER, planted.AMPERE, planted.ADA, planted.CDNA3
BIAS = {HOPPER: 1.0, AMPERE: 1.3, ADA: 0.8, CDNA3: 0.5}


@pytest.fixture
def results(tmp_path: Path) -> Any:
    return composed.Results(Store.open(tmp_path / "store"))


@pytest.fixture(scope="module")
def evidence(tmp_path_factory: pytest.TempPathFactory) -> SheetEvidence:
    filled = composed.Results(Store.open(tmp_path_factory.mktemp("bias") / "store"))
    planted.plant(filled, BIAS)
    return read(filled)


def read(results: Any) -> SheetEvidence:
    return read_evidence(results.keep(), select_any({}))


def factor(bias: SheetBias, group: str) -> float:
    found = bias.of(group)
    assert found is not None
    assert found.factor is not None, found.reason
    return found.factor


def test_planted_biases_come_back_against_the_reference(evidence: SheetEvidence) -> None:
    found = estimate_bias(evidence, By.ARCHITECTURE, reference=HOPPER)
    assert found.reference == HOPPER
    assert factor(found, HOPPER) == 1.0
    for group in (AMPERE, ADA, CDNA3):
        one = found.of(group)
        assert one is not None
        assert one.factor == pytest.approx(BIAS[group], rel=0.12)
        assert one.plain == pytest.approx(BIAS[group], rel=0.1)
        assert one.lo is not None
        assert one.hi is not None
        assert one.lo < BIAS[group] < one.hi
        assert one.new_lo is not None
        assert one.new_lo < one.lo
        assert (one.n, one.witnesses, one.devices, one.works) == (50, 5, 2, 5)
    assert [one.group for one in found.factors] == [AMPERE, HOPPER, ADA, CDNA3]


def test_how_much_work_a_unit_takes_is_in_no_factor(results: Any) -> None:
    """Workloads whose rates lie powers of ten apart, each measured by other devices more: nothing of it remains."""
    planted.plant(results, {HOPPER: 1.0, AMPERE: 1.0}, noise=0.0, of_witness=0.0)
    for number in range(4):
        planted.add(results, "resnet", "NVIDIA A30", planted.peak16("NVIDIA A30") * 1e-10, submitter=f"more{number}")
    assert factor(estimate_bias(read(results), reference=HOPPER), AMPERE) == pytest.approx(1.0, abs=0.02)


def test_many_rows_of_one_submitter_are_one_witness(results: Any) -> None:
    """Fifty systems of one submitter, all with the same fault of theirs, leave the interval open to others."""
    planted.plant(results, {HOPPER: 1.0, ADA: 1.0}, of_witness=0.02)
    for work in planted.WORKS:
        for number in range(50):
            rate = planted.peak16("NVIDIA A30") * 10.0 ** -(9 + planted.WORKS.index(work)) * 2
            planted.add(results, work, "NVIDIA A30", rate, submitter="loud", system=f"system {number}")
    read_values = read(results)
    ampere = estimate_bias(read_values, reference=HOPPER).of(AMPERE)
    ada = estimate_bias(read_values, reference=HOPPER).of(ADA)
    assert ampere is not None
    assert ada is not None
    assert (ampere.n, ampere.witnesses) == (5, 1)
    assert ampere.reason is not None
    assert "one witness" in ampere.reason
    assert ampere.lo is not None
    assert ampere.hi is not None
    assert ada.lo is not None
    assert ada.hi is not None
    assert ampere.hi / ampere.lo > ada.hi / ada.lo


def test_factors_tell_what_they_were_not_made_from(evidence: SheetEvidence) -> None:
    checked = check_bias(evidence)
    assert checked.is_better
    assert checked.witnesses == len(planted.WITNESSES)
    assert checked.factor_error is not None
    assert checked.factor_error < 1.12
    assert checked.sheet_error is not None
    assert checked.sheet_error > 1.2
    assert checked.helped == 1.0
    assert checked.covered is not None
    assert checked.covered > 0.9


def test_a_bias_of_none_is_not_found(results: Any) -> None:
    planted.plant(results, dict.fromkeys(BIAS, 1.0), seed=5)
    found = estimate_bias(read(results), reference=HOPPER)
    for one in found.factors:
        if one.group != HOPPER:
            assert one.lo is not None
            assert one.hi is not None
            assert one.lo < 1 < one.hi


def test_other_bases_promise_something_else(evidence: SheetEvidence) -> None:
    by_bandwidth = estimate_bias(evidence, basis=Basis.BANDWIDTH, reference=HOPPER)
    assert factor(by_bandwidth, ADA) != pytest.approx(factor(estimate_bias(evidence, reference=HOPPER), ADA), rel=0.05)
    stated = estimate_bias(evidence, By.PRECISION, Basis.STATED)
    assert stated.factors == ()
    assert [(one.reason, one.count) for one in stated.left_out] == [("no precision stated", 200)]


def test_of_one_device_there_is_no_device_beside_the_group(evidence: SheetEvidence) -> None:
    found = estimate_bias(evidence, By.DEVICE, reference="NVIDIA H100 PCIe 80GB")
    assert [name for name, _ in found.spreads] == ["group", "witness of a group", "work of a group", "a single value"]
    assert factor(found, "NVIDIA L4") == pytest.approx(0.8, rel=0.15)


def test_what_cannot_be_held_against_a_data_sheet_is_left_out_with_its_reason(results: Any) -> None:
    planted.plant(results, {HOPPER: 1.0, ADA: 1.0})
    planted.add(results, "resnet", "NVIDIA L4", 5.0, division="open")
    planted.add(results, "resnet", "NVIDIA A100 SXM4 80GB 1g.10gb", 5.0)
    planted.add(results, "resnet", "Some Board 9000", 5.0)
    planted.add(results, "resnet", "NVIDIA A30", 5.0, submitter=None)
    reasons = " ".join(one.reason for one in read(results).left_out)
    for words in ("division open", "a part of a device", "does not know the device", "who answers for it"):
        assert words in reasons


def test_groups_that_never_met_are_parts_of_their_own(results: Any) -> None:
    planted.plant(results, {HOPPER: 1.0, ADA: 0.8})
    for work in ("alone-1", "alone-2", "alone-3"):
        for device in ("NVIDIA A30", "AMD Instinct MI300X"):
            for who in planted.WITNESSES[:3]:
                planted.add(results, work, device, planted.peak16(device) * 1e-9, submitter=who, system=device)
    first, second = estimate_parts(read(results))
    assert {one.group for one in first.factors if one.factor is not None} == {HOPPER, ADA}
    apart = first.of(AMPERE)
    assert apart is not None
    assert apart.reason == f"no chain of common work links it to {first.reference}"
    assert {one.group for one in second.factors} == {AMPERE, CDNA3}
    assert second.key == "architecture-2"


def test_measured_and_imported_are_never_mixed(results: Any) -> None:
    planted.plant(results, {HOPPER: 1.0, ADA: 1.0})
    results.measured("bert/base", hardware="NVIDIA L4", throughput_per_s=10.0)
    own, word = take_one_provenance(read(results))
    assert word is Provenance.IMPORTED
    assert {one.provenance for one in own.values} == {Provenance.IMPORTED}
    assert own.left_out[0].reason == "measured: not mixed with imported"
    mine, _ = take_one_provenance(read(results), Provenance.MEASURED)
    assert [one.witness for one in mine.values] == ["host"]


def test_a_submission_in_two_files_counts_once_with_the_precision_that_one_states(results: Any) -> None:
    for source, precision in (("a.csv", None), ("b.json", "int8")):
        planted.add(results, "resnet", "NVIDIA L4", 1000.0, source=source, precision=precision)
    (only,) = read(results).values
    assert (only.precision, only.numbers, only.rate_per_s) == ("int8", 1, 1000.0)


def test_the_share_of_the_peak_is_told_where_operations_are_known(results: Any) -> None:
    device = "NVIDIA L4"
    hardware = composed_hardware(device)
    for number, share in enumerate((0.4, 0.5, 0.45)):
        rate = share * hardware.peak("int8") / 8.2e9
        planted.add(results, "resnet", device, rate, submitter=f"s{number}", precision="int8")
    planted.add(results, "resnet", device, 1.0, submitter="s0", precision="int8", scenario="Server")
    planted.add(results, "retinanet", device, 1.0, submitter="s0", precision="int8")
    (found,) = find_shares(read(results))
    assert found.share == pytest.approx((0.4 * 0.5 * 0.45) ** (1 / 3))
    assert found.lo is not None
    assert found.hi is not None
    assert found.lo < found.share < found.hi
    assert found.lowest == pytest.approx(0.4)
    assert found.highest == pytest.approx(0.5)
    assert (found.n, found.witnesses, found.is_bound) == (3, 3, False)


def test_a_share_without_a_stated_precision_is_a_bound(results: Any) -> None:
    device = "NVIDIA L4"
    hardware = composed_hardware(device)
    planted.add(results, "resnet", device, 0.2 * hardware.peak("int8") / 8.2e9)
    (found,) = find_shares(read(results))
    assert found.share == pytest.approx(0.2)
    assert found.is_bound
    assert found.lo is None
    assert found.reason is not None
    assert "1 witnesses" in found.reason


def test_two_generations_are_compared_by_the_work_both_did(evidence: SheetEvidence) -> None:
    found = compare_measured(evidence, CDNA3, HOPPER)
    assert found.is_direct
    assert found.measured is not None
    assert found.over_promise is not None
    assert found.over_promise.value == pytest.approx(0.5, rel=0.1)
    assert found.over_promise.lo < 0.5 < found.over_promise.hi
    assert found.promised == pytest.approx(found.measured.value / found.over_promise.value, rel=1e-5)
    assert [one.workload for one in found.works] == sorted(
        (one.workload for one in found.works),
        key=lambda name: next(-one.measured for one in found.works if one.workload == name),
    )
    assert {one.workload for one in found.works} == {"bert", "resnet", "retinanet", "gptj", "3d-unet"}
    assert found.works[0].promised == pytest.approx(1.725, rel=0.25)


def test_what_never_met_is_compared_through_others(results: Any) -> None:
    planted.plant(results, {HOPPER: 1.0, ADA: 0.8})
    for work in planted.WORKS:
        for who in planted.WITNESSES[:2]:
            rate = planted.peak16("NVIDIA H100 PCIe 80GB") * 1e-9
            planted.add(results, f"other {work}", "NVIDIA H100 PCIe 80GB", rate, submitter=who)
            planted.add(results, f"other {work}", "NVIDIA A30", planted.peak16("NVIDIA A30") * 1.3e-9, submitter=who)
    found = compare_measured(read(results), AMPERE, ADA)
    assert not found.is_direct
    assert found.works == ()
    assert found.over_promise is not None
    assert found.over_promise.value == pytest.approx(1.3 / 0.8, rel=0.15)


def test_too_little_says_why(results: Any) -> None:
    nothing = estimate_bias(read(results))
    assert nothing.reason is not None
    assert nothing.factors == ()
    planted.add(results, "resnet", "NVIDIA L4", 5.0)
    planted.add(results, "resnet", "NVIDIA A30", 5.0)
    few = read(results)
    found = estimate_bias(few)
    assert found.reason == "only 1 witnesses, expected 3"
    assert all(one.factor is None and one.reason for one in found.factors)
    assert check_bias(few).reason == found.reason
    assert check_bias(few).is_better is None
    compared = compare_measured(few, ADA, AMPERE)
    assert compared.measured is None
    assert compared.reason == found.reason


def test_names_that_mean_nothing_are_refused(evidence: SheetEvidence) -> None:
    with pytest.raises(UnknownNameError, match="Hoper"):
        compare_measured(evidence, "NVIDIA Hoper", ADA)
    with pytest.raises(UsageError, match="itself"):
        compare_measured(evidence, ADA, ADA)
    with pytest.raises(UnknownNameError, match="Voltas"):
        estimate_bias(evidence, reference="NVIDIA Voltas")


def composed_hardware(device: str) -> Any:
    from assay.analysis.device_names import name_device

    hardware = name_device(device, None).hardware
    assert hardware is not None
    return hardware


DATA = Path(__file__).parents[2] / ".." / "shared" / "data"
OFFICIAL = DATA / "mlperf_official" / "v4.1_summary_results.json"


def test_what_published_results_say_of_data_sheets(tmp_path: Path) -> None:
    """MLPerf Inference v4.1 as published: figures checked by hand against single rows of it."""
    if not OFFICIAL.is_file():
        pytest.skip(f"the published file {OFFICIAL.name} is not beside this checkout")
    from assay.importers.pipeline import import_paths

    store = Store.open(tmp_path / "store")
    import_paths(store, [OFFICIAL])
    found = read_evidence(store, select_any({"provenance": "imported"}))
    shares = {(one.workload, one.architecture, one.precision): one for one in find_shares(found)}
    resnet = shares["resnet", "Hopper", "int8"]
    assert resnet.share == pytest.approx(0.35, abs=0.01)
    assert resnet.witnesses == 12
    assert not resnet.is_bound
    # 8 MI300X made 21 028 tokens/s offline: 2 x 69e9 x 21028 / 8 over 1307 TFLOP/s of dense fp16.
    assert shares["llama2-70b", "CDNA 3", "fp16"].is_bound
    bias = estimate_bias(found, By.ARCHITECTURE, Basis.STATED)
    assert bias.reference == HOPPER
    assert bias.witnesses >= 15
    checked = check_bias(found, By.ARCHITECTURE, Basis.STATED)
    assert checked.is_better
