"""Reports over many results: what each shows of a small store whose answers are known, and of a store with nothing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.loading import load_module
from tests.report.reading import column, figure, table, words

from assay.core.errors import UnknownNameError, UsageError
from assay.core.records import MetricValue
from assay.core.words import Fidelity, Provenance, Status
from assay.report.base import RenderOptions, ReportRequest, renderers, report_kinds
from assay.report.build import build_report
from assay.report.display import cell_text
from assay.report.values import Report, Table
from assay.store import Store

KINDS = ("devices", "scaling", "training", "web", "predictions", "hardware", "matrix", "kpi")
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
HOSTILE = ("<script>alert(1)</script>", "'; DROP TABLE results; --", "../../etc/passwd", "=HYPERLINK(0,0)",
           "\u202eright to left", "w" * 10_000)  # fmt: skip


composed = load_module("analysis.ranked_results")
H100, A100, L4, CPU = composed.H100, composed.A100, composed.L4, composed.CPU
Build = Callable[..., Report]


@pytest.fixture
def results(tmp_path: Path) -> Any:
    return composed.Results(Store.open(tmp_path / "store"))


@pytest.fixture
def build(results: Any) -> Build:
    def make(kind: str, metric: str | None = None, where: dict[str, Any] | None = None, **options: str) -> Report:
        request = ReportRequest(where=where or {}, metric=metric, options=options, now=NOW)
        return build_report(results.keep(), kind, request)

    return make


def values(found: Table, key: str) -> list[Any]:
    return [cell.value for cell in column(found, key)]


# -- all of them -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_a_store_with_nothing_teaches_what_to_do(build: Build, kind: str) -> None:
    report = build(kind)
    assert report.kind == kind
    assert report.tables() == ()
    assert report.summary
    assert "`assay" in words(report)


@pytest.mark.parametrize("kind", KINDS)
def test_every_option_is_documented_and_no_other_is_taken(results: Any, kind: str) -> None:
    known = report_kinds.get(kind)
    assert all(text.endswith(".") for text in known.options.values())
    with pytest.raises(UnknownNameError, match="colours"):
        build_report(results.store, kind, ReportRequest(options={"colours": "many"}))


@pytest.mark.parametrize(
    ("kind", "option", "value"),
    [
        ("devices", "workloads", "none"), ("scaling", "sizes", "1"), ("scaling", "over", ","),
        ("scaling", "max_latency_ms", "-1"), ("hardware", "objective", "beauty"), ("hardware", "price", "much"),
        ("hardware", "min_throughput", "nan"), ("matrix", "pick", "worst"), ("kpi", "by", "colour"),
    ],
)  # fmt: skip
def test_an_option_that_makes_no_sense_is_refused(results: Any, kind: str, option: str, value: str) -> None:
    results.measured("bert/base", throughput_per_s=1.0)
    with pytest.raises(UsageError):
        build_report(results.keep(), kind, ReportRequest(options={option: value}))


def test_hostile_names_go_through_every_kind_and_format_as_data(results: Any) -> None:
    for place, name in enumerate(HOSTILE):
        for hardware in (name, L4):
            for batch in (1, 2, 4):
                results.imported(
                    name, hardware=hardware, engine=name, batch=batch,
                    throughput_per_s=10.0 + place + len(hardware) % 7, latency_ns=1e6 * batch,
                    options={name[:50]: name}, source=name[:200],
                )  # fmt: skip
        results.mlperf(name, hardware=name, mode="training", time_to_train_ns=1e12, options={"submitter": name})
        results.imported(name, hardware=name, device="webgpu", latency_ns=1e6, options={"browser": name})
    store = results.keep()
    for kind in KINDS:
        report = build_report(store, kind, ReportRequest(now=NOW))
        keys = [*(one.key for one in report.tables()), *(one.key for one in report.figures())]
        keys += [one.key for one in report.sections]
        assert all(key.isascii() and len(key) < 60 and not set(key) & set("<>/'=") for key in keys)
        for form in ("json", "html", "markdown", "csv"):
            if form == "csv" and not report.tables():
                continue
            drawn = renderers.get(form).render(report, RenderOptions()).decode("utf-8")
            if form == "html":
                assert "<script>alert" not in drawn


def test_every_number_of_every_kind_says_where_it_is_from(results: Any) -> None:
    for hardware in (H100, A100, L4):
        for batch in (1, 2, 4):
            results.imported(
                "bert", hardware=hardware, batch=batch, throughput_per_s=10.0 * batch, latency_ns=1e8 * batch, macs=1e9
            )
    results.measured("bert", hardware=L4, throughput_per_s=10.0, latency_ns=1e8)
    store = results.keep()
    units = {"ns", "1/s", "share", "ratio", "J", "W", "FLOP/s"}
    for kind in ("devices", "scaling", "hardware", "matrix", "kpi"):
        report = build_report(store, kind, ReportRequest(now=NOW))
        for one in report.tables():
            if one.key == "sheets":  # nobody measured a data sheet, and the table says that it is of those
                assert "data sheet" in one.title
                continue
            for place, of in enumerate(one.columns):
                for row in one.rows:
                    cell = row[place]
                    is_number = isinstance(cell.value, float) and (cell.unit or of.unit) in units
                    if is_number and of.key not in {"peak", "promised"}:
                        assert cell.provenance is not None, (kind, one.key, of.key)
        assert set(report.provenance()) <= {Provenance.MEASURED, Provenance.IMPORTED}
        assert [source.name for source in report.sources] == ["somebody.csv"]


# -- devices ---------------------------------------------------------------------------------------------------


def test_devices_stand_beside_a_reference_where_they_are_comparable(results: Any, build: Build) -> None:
    for hardware, rate in ((A100, 100.0), (H100, 250.0), (L4, 50.0)):
        results.mlperf("resnet", hardware=hardware, throughput_per_s=rate)
    results.mlperf("resnet", hardware=H100, throughput_per_s=999.0, options={"round": "v5.0"})
    report = build("devices", reference="nvidia-a100-pcie-80gb")
    found = table(report, "devices-1")
    assert values(found, "device") == [f"8 × {H100}", f"8 × {A100}", f"8 × {L4}"]
    assert values(found, "ratio") == [2.5, None, 0.5]
    assert column(found, "ratio")[1].reason == "it is the reference"
    assert "1 set of conditions with results on one device only" in " ".join(found.notes)
    overall = table(report, "against-reference")
    assert dict(zip(values(overall, "device"), values(overall, "ratio"), strict=True)) == {H100: 2.5, L4: 0.5}
    assert (
        "Imported: NVIDIA H100 PCIe 80GB is 2.50 times as fast as NVIDIA A100 PCIe 80GB (1 comparable pair)."
        in words(report)
    )
    assert figure(report, "matrix").heat is not None


def test_a_ratio_of_two_single_results_has_an_interval(results: Any, build: Build) -> None:
    results.measured("bert", hardware=A100, latency_ns=(10e6, 9e6, 11e6))
    results.measured("bert", hardware=H100, latency_ns=(5e6, 4.9e6, 5.1e6))
    ratio = column(table(build("devices", "latency_ns", reference=A100), "devices-1"), "ratio")[0]
    assert ratio.value == pytest.approx(2.0)
    assert ratio.lo is not None
    assert ratio.hi is not None
    assert 1.7 < ratio.lo < 2.0 < ratio.hi < 2.3


def test_measured_is_never_held_against_imported(results: Any, build: Build) -> None:
    results.measured("bert", hardware=A100, throughput_per_s=10.0)
    results.imported("bert", hardware=H100, throughput_per_s=20.0)
    report = build("devices")
    assert table(report, "against-reference").rows == ()
    assert set(values(table(report, "devices-1"), "ratio")) == {None}


def test_a_reference_that_is_not_there_is_refused_with_those_that_are(results: Any, build: Build) -> None:
    results.mlperf("resnet", throughput_per_s=1.0)
    with pytest.raises(UnknownNameError, match="NVIDIA H100 PCIe 80GB"):
        build("devices", reference="abacus")


# -- scaling ---------------------------------------------------------------------------------------------------


def test_a_sweep_is_a_curve_with_its_knee_and_its_end(results: Any, build: Build) -> None:
    for batch, rate in ((1, 100.0), (2, 190.0), (4, 340.0), (8, 400.0), (16, 405.0)):
        results.measured(
            "bert/base", batch=batch, latency_ns=batch / rate * 1e9, throughput_per_s=(rate, rate * 0.99, rate * 1.01)
        )
    results.measured("bert/base", batch=32, status=Status.OOM, reason="12 GiB asked for, 8 there")
    report = build("scaling")
    (row,) = table(report, "curves").rows
    shown = {of.key: cell.value for of, cell in zip(table(report, "curves").columns, row, strict=True)}
    assert (shown["over"], shown["sizes"], shown["best"], shown["enough"]) == ("batch", 6, 16, 8)
    assert shown["knee"] in {4, 8}
    assert shown["end"] == "out of memory at batch 32"
    points = table(report, "points-1")
    assert values(points, "size") == [1, 2, 4, 8, 16, 32]
    assert column(points, "rate")[5].reason == "failed: out of memory: 12 GiB asked for, 8 there"
    assert figure(report, "rate-1").layers


def test_curves_of_others_and_over_other_things_are_found(results: Any, build: Build) -> None:
    for users in (1, 2, 4, 8):
        results.imported("llama", options={"users": users}, throughput_per_s=10.0 * users, unit_of_work="token")
    for seq in (32, 64, 128):
        results.imported("bert", shape={"seq": seq}, throughput_per_s=1000.0 / seq)
    usual = build("scaling")
    assert values(table(usual, "curves"), "over") == ["seq"]
    points = column(table(usual, "points-1"), "rate")
    assert [cell.value for cell in points] == [1000.0, 1000.0, 1000.0]
    assert {cell.unit for cell in points} == {"seq position/s"}
    assert values(table(build("scaling", over="users"), "curves"), "sizes") == [4]


def test_a_curve_that_hardly_rises_and_has_no_intervals_has_no_knee(results: Any, build: Build) -> None:
    for batch, rate in ((1, 100.0), (2, 102.0), (4, 101.0), (8, 102.5), (16, 102.4)):
        results.imported("bert", batch=batch, throughput_per_s=rate)
    assert "its source gives no intervals" in words(build("scaling"))


def test_what_differs_in_two_things_is_no_curve(results: Any, build: Build) -> None:
    for batch, precision in ((1, "fp32"), (2, "fp16"), (4, "int8")):
        results.measured("bert", batch=batch, precision=precision, throughput_per_s=1.0)
    assert build("scaling").tables() == ()


def test_a_contaminated_size_is_not_on_the_curve(results: Any, build: Build) -> None:
    from assay.core.words import Verdict

    for batch in (1, 2, 4):
        results.measured("bert", batch=batch, throughput_per_s=100.0 * batch)
    results.measured("bert", batch=8, throughput_per_s=9.0, verdict=Verdict.CONTAMINATED)
    report = build("scaling")
    assert values(table(report, "points-1"), "size") == [1, 2, 4]
    assert "1 contaminated: something disturbed the timing" in words(report)


# -- training --------------------------------------------------------------------------------------------------


def test_efficiency_stands_beside_the_ideal(results: Any, build: Build) -> None:
    for count, minutes in ((8, 80.0), (16, 50.0), (64, 20.0)):
        for submitter in ("one", "other"):
            results.mlperf(
                "bert", mode="training", time_to_train_ns=minutes * 60e9, unit_of_work=None,
                options={"accelerators": count, "accelerators_per_node": None, "submitter": submitter, "round": "v3.0"},
            )  # fmt: skip
    report = build("training")
    found = table(report, "efficiency-time-1")
    assert values(found, "accelerators") == [8, 16, 64]
    assert values(found, "speedup") == pytest.approx([1.0, 1.6, 4.0])
    assert values(found, "efficiency") == pytest.approx([1.0, 0.8, 0.5])
    drawn = figure(report, "efficiency-figure-time-1")
    assert drawn.layers[0].label == "ideal"
    numbers = table(report, "time-1")
    assert values(numbers, "results") == [2, 2, 2]
    assert values(numbers, "device_time") == pytest.approx([80 * 60 * 8, 50 * 60 * 16, 20 * 60 * 64])
    assert "50 to 50 % of the ideal" in words(report)
    assert "No loss or accuracy by step is stored" in words(report)


def test_quality_that_a_training_reached_is_listed(results: Any, build: Build) -> None:
    results.imported(
        "mnist", mode="training", throughput_per_s=5.0,
    )  # fmt: skip
    results.imported(
        "mnist", mode="training", batch=2, metrics=(
            MetricValue((
                    "accuracy"
                ), 0.98, "1", "mean", "validation"), MetricValue("throughput_per_s", 4.0, "1/s", "mean"),
        ),
    )  # fmt: skip
    found = table(build("training"), "quality")
    assert [cell_text(cell) for cell in found.rows[0]][3:5] == ["accuracy (mean)", "validation"]
    assert values(found, "value") == [0.98]


# -- web -------------------------------------------------------------------------------------------------------


def test_a_browser_stands_beside_the_fastest_native_engine(results: Any, build: Build) -> None:
    results.measured("bert/tiny", engine="torch", device="cpu", latency_ns=(10e6, 9.9e6, 10.1e6))
    results.measured("bert/tiny", engine="onnxruntime", device="cpu", latency_ns=(5e6, 4.9e6, 5.1e6))
    results.measured(
        "bert/tiny", engine="web-wasm", device="cpu", latency_ns=(20e6, 19e6, 21e6), options={"browser": "chromium"}
    )
    results.measured("bert/tiny", engine="web-webgpu", device="webgpu", batch=8, latency_ns=1e6)
    report = build("web")
    found = table(report, "pairs")
    assert values(found, "backend") == ["wasm"]
    assert values(found, "browser") == ["chromium"]
    assert values(found, "engine") == ["onnxruntime"]
    (slow,) = column(found, "slowdown")
    assert slow.value == pytest.approx(4.0)
    assert slow.lo is not None
    assert slow.hi is not None
    assert slow.lo < 4.0 < slow.hi
    assert values(table(report, "by-backend"), "mean") == pytest.approx([4.0])
    alone = dict(
        zip(
            values(table(report, "browser-results"), "backend"),
            column(table(report, "browser-results"), "paired"),
            strict=True,
        )
    )
    assert alone["wasm"].value == "yes"
    assert alone["webgpu"].reason is not None
    assert alone["webgpu"].reason.startswith("no usable native result")


def test_simulated_browsers_are_shown_and_make_no_ratio(results: Any, build: Build) -> None:
    results.imported("bert", hardware=CPU, latency_ns=10e6)
    results.imported("bert", hardware=CPU, device="webgpu", latency_ns=5e6, marks=composed.marked())
    report = build("web")
    assert [one.key for one in report.tables()] == ["browser-results"]
    assert report.figures() == ()
    (cell,) = column(table(report, "browser-results"), "latency_ns")
    assert (cell.value, cell.is_usable, cell.provenance) == (5e6, False, Provenance.IMPORTED)
    assert "0 of them usable" in words(report)


# -- predictions -----------------------------------------------------------------------------------------------


def test_predictions_are_scored_by_what_was_measured_later(results: Any, build: Build) -> None:
    for workload, predicted, measured in (("one", (10e6, 9e6, 11e6), 10.5e6), ("two", (10e6, 9e6, 11e6), 12.5e6)):
        results.predicted(workload, latency_ns=predicted)
        results.measured(workload, latency_ns=measured)
    results.predicted("three", latency_ns=(1e6, 0.9e6, 1.1e6))
    results.measured("three", hardware=L4, latency_ns=1e6)
    report = build("predictions")
    score = {
        of.key: cell.value
        for of, cell in zip(table(report, "score").columns, table(report, "score").rows[0], strict=True)
    }
    assert (score["of"], score["n"], score["coverage"], score["within_10"]) == ("all", 2, 0.5, 0.5)
    assert score["median"] == pytest.approx((abs(10 / 10.5 - 1) + abs(10 / 12.5 - 1)) / 2)
    found = table(report, "predictions")
    assert dict(zip(values(found, "workload"), values(found, "covered"), strict=True)) == {
        "one": True, "two": False, "three": None,
    }  # fmt: skip
    assert values(found, "before") == [True, None, True]
    assert {cell.provenance for cell in column(found, "predicted")} == {Provenance.PREDICTED}
    assert {cell.provenance for cell in column(found, "measured") if cell.value} == {Provenance.MEASURED}
    assert figure(report, "predicted").layers


def test_a_prediction_made_after_its_measurement_is_no_test(results: Any, build: Build) -> None:
    results.measured("one", latency_ns=10e6)
    results.predicted("one", latency_ns=10e6)
    assert "1 prediction not older than the measurement beside it" in words(build("predictions"))


def test_a_measurement_that_may_not_be_ranked_scores_nothing(results: Any, build: Build) -> None:
    results.predicted("one", latency_ns=10e6)
    results.measured("one", latency_ns=90e6, fidelity=Fidelity.FAILED)
    report = build("predictions")
    assert "1 prediction, 0 of them scored" in words(report)


# -- hardware, matrix, kpi -------------------------------------------------------------------------------------


def test_hardware_names_the_first_and_says_why_others_lost(results: Any, build: Build) -> None:
    for hardware, rate, latency in ((H100, 400.0, 40e6), (A100, 200.0, 10e6), (L4, 100.0, 9e6)):
        results.imported("bert", hardware=hardware, throughput_per_s=rate, latency_ns=latency)
    results.imported("other", hardware="some device", throughput_per_s=1.0)
    report = build("hardware", where={"workload": "bert"}, max_latency_ms="20")
    assert values(table(report, "ranking"), "device") == [A100, L4]
    assert values(table(report, "ranking"), "worse") == [1.0, 2.0]
    assert values(table(report, "lost"), "why") == ["latency 40.0 ms is above the limit of 20.0 ms"]
    assert "some device" in words(report)
    assert "By throughput, NVIDIA A100 PCIe 80GB is first of 2 (2 imported) with 200 samples/s" in words(report)
    assert figure(report, "front-latency-throughput").layers
    assert "No cost of a million samples in any row: no price of an hour of it is stored or given" in " ".join(
        table(report, "ranking").notes
    )


def test_without_a_workload_the_one_on_most_devices_is_taken(results: Any, build: Build) -> None:
    results.imported("often", hardware=H100, throughput_per_s=1.0)
    results.imported("often", hardware=L4, throughput_per_s=1.0)
    results.imported("once", hardware=L4, throughput_per_s=1.0)
    report = build("hardware")
    assert report.title == "Which hardware for often"
    assert "No one workload was named: often is on most devices." in words(report)


def test_the_matrix_is_a_table_of_numbers_and_a_map_of_shares(results: Any, build: Build) -> None:
    results.imported("bert", hardware=H100, throughput_per_s=400.0)
    results.imported("bert", hardware=L4, throughput_per_s=100.0)
    results.measured("vit", hardware=L4, throughput_per_s=50.0)
    report = build("matrix")
    found = table(report, "matrix-table")
    assert {of.title for of in found.columns} >= {H100, L4}
    drawn = figure(report, "matrix")
    assert drawn.heat is not None
    assert sorted(cell.value or 0 for row in drawn.heat.cells for cell in row) == [0, 0.25, 1.0, 1.0]
    plain = figure(build("matrix", colour="value"), "matrix")
    assert plain.heat is not None
    assert sorted(cell.value or 0 for row in plain.heat.cells for cell in row) == [0, 50.0, 100.0, 400.0]
    assert "of 4 cells 1 measured, 2 imported, 1 empty" in words(report)


def test_the_kpi_report_shows_pairs_shares_and_spreads(results: Any, build: Build) -> None:
    devices = ("NVIDIA L4", "NVIDIA A30", A100, H100, "NVIDIA GeForce RTX 3090")
    for number in range(6):
        for place, hardware in enumerate(devices):
            rate = 100.0 * (place + 1) * (number + 1)
            results.imported(
                f"model{number}", hardware=hardware, throughput_per_s=rate, latency_ns=1e9 / rate, macs=1e9
            )
    report = build("kpi", by="vendor")
    first = table(report, "correlations").rows[0]
    assert [cell.value for cell in first[:2]] == ["latency", "throughput"]
    assert first[2].value == pytest.approx(-1.0)
    assert figure(report, "correlation").heat is not None
    assert len(table(report, "shares-of-peak").rows) == 5
    assert values(table(report, "spread-table"), "name") == ["NVIDIA"]
    assert len(table(report, "devices").rows) == 5
    assert table(report, "per-joule").rows == ()
