"""Reports on a run, a comparison, targets, histories and the whole, each over stores of every sort."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.loading import load_module
from tests.report.reading import column, table, words

from assay.core.errors import NotFoundError, UnknownNameError, UsageError
from assay.core.records import MetricValue
from assay.core.words import Change, Provenance, Verdict
from assay.report.base import RenderOptions, ReportRequest, renderers, report_kinds
from assay.report.build import build_report, render_report
from assay.report.values import Report, Tone
from assay.store import Store

stores = load_module("report.report_stores")
OWN = ("comparison", "history", "run", "summary", "targets")
TEXT_FORMATS = ("csv", "html", "json", "markdown", "text")


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return stores.fill_measured(tmp_path_factory.mktemp("measured") / "store")  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Store:
    folder = tmp_path_factory.mktemp("imported")
    return stores.fill_imported(folder / "store", folder / "times.json")  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return stores.fill_hostile(tmp_path_factory.mktemp("hostile") / "store")  # type: ignore[no-any-return]


@pytest.fixture
def empty(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "store")


BUILT: dict[str, Report] = {}


def build(store: Store, kind: str, *refs: str, **fields: Any) -> Report:
    """Build a report, once of each question: no test writes to a store that it has asked."""
    key = repr((store.location, kind, refs, sorted(fields.items())))
    if key not in BUILT:
        BUILT[key] = build_report(store, kind, ReportRequest(run_ids=refs, now=stores.NOW, **fields))
    return BUILT[key]


# -- every kind, on every store --------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", OWN)
def test_a_kind_is_registered_under_its_own_name(kind: str) -> None:
    assert report_kinds.get(kind).name == kind
    assert report_kinds.get(kind).description


def test_an_empty_store_teaches_what_to_run(empty: Store) -> None:
    assert "assay run" in words(build(empty, "summary"))
    assert "assay run" in words(build(empty, "history"))
    for kind in ("run", "targets"):
        with pytest.raises(NotFoundError, match="no runs yet"):
            build(empty, kind, "last")


@pytest.mark.parametrize("kind", ["run", "summary", "history", "targets"])
def test_a_store_of_imports_alone_is_reported_on(imported: Store, kind: str) -> None:
    refs = ("last",) if kind in {"run", "targets"} else ()
    options = {"targets": "p50_latency_ms <= 50"} if kind == "targets" else {}
    report = build(imported, kind, *refs, options=options)
    assert Provenance.MEASURED not in report.provenance()
    assert render_report(report, "text")


@pytest.mark.parametrize("kind", OWN)
def test_hostile_names_are_drawn_in_every_format(hostile: Store, kind: str) -> None:
    refs = {"run": ("last",), "targets": ("last",), "comparison": ("last~1", "last")}.get(kind, ())
    options = {"targets": "p50_latency_ms <= 50"} if kind == "targets" else {}
    report = build(hostile, kind, *refs, options=options)
    for form in TEXT_FORMATS:
        drawn = render_report(report, form).decode()
        assert form != "html" or "<script>alert" not in drawn
        assert "\x1b" not in drawn
        assert form == "json" or "\u202e" not in drawn


@pytest.mark.parametrize("form", ["png", "svg", "xlsx"])
def test_hostile_names_are_drawn_as_files(hostile: Store, form: str) -> None:
    assert render_report(build(hostile, "run", "last"), form)


def test_a_failed_run_and_a_selection_of_nothing_are_reported_on(measured: Store) -> None:
    report = build(measured, "run", "last", where={"workload": stores.BROKEN})
    assert "did not work" in words(report)
    assert report.summary[1].tone is Tone.BAD
    nothing = build(measured, "run", "last", where={"workload": "nobody/tiny"})
    assert "no results" in words(nothing)
    assert render_report(nothing, "text")


# -- run -------------------------------------------------------------------------------------------------------


def test_a_run_has_the_numbers_of_its_results(measured: Store) -> None:
    run = measured.find_run("last")
    report = build(measured, "run", "last")
    records = {one.case.workload: one for one in measured.results(run_id=run.run_id)}
    shown = table(report, "results")
    assert [cell.value for cell in column(shown, "workload")] == [
        stores.FAST,
        stores.SLOW,
        stores.BROKEN,
        stores.MISLED,
    ]
    for row in shown.rows:
        cells = dict(zip((one.key for one in shown.columns), row, strict=True))
        record = records[str(cells["workload"].value)]
        latency = record.metric("latency_ns")
        if latency is None:
            assert cells["latency_ns"].value is None
            assert cells["latency_ns"].reason == "failed: out of memory: oom on purpose"
            continue
        cell = cells["latency_ns"]
        assert (cell.value, cell.n, cell.provenance) == (latency.value, latency.n, Provenance.MEASURED)
        assert cell.verdict is record.verdict
        assert cell.ref is not None
        assert cell.ref.id == record.result_id
    numbers = table(report, "numbers")
    assert len(numbers.rows) == sum(len(one.metrics) for one in records.values())


def test_a_run_says_what_did_not_work_and_what_is_left_out(measured: Store) -> None:
    report = build(measured, "run", "last")
    assert [cell.value for cell in column(table(report, "failures"), "why")] == ["oom on purpose"]
    left_out = table(report, "left-out")
    assert column(left_out, "case")[0].value == stores.composed.case(stores.MISLED).label
    assert "top-1 agreement 0.2" in str(column(left_out, "why")[0].value)
    cells = [cell for row in table(report, "results").rows for cell in row if cell.provenance is not None]
    assert sum(not cell.is_usable for cell in cells) == 2  # latency and memory of the case with wrong answers
    assert "1 case did not work" in words(report)
    assert "1 result is left out of every ranking: 1 with wrong answers" in words(report)


def test_a_run_of_readings_has_figures_of_its_launches_and_its_power(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "store")
    run = stores.with_readings(store)
    report = build(store, "run", run.run_id)
    keys = [figure.key for figure in report.figures()]
    assert keys == ["latencies", "power-1", "power-2", "launches-1", "launches-2"]
    assert all(figure.alt and figure.empty is None for figure in report.figures())
    energy = table(report, "energy")
    values = column(energy, "energy_net_j_per_sample")
    assert [cell.value for cell in values] == [1.5, None]
    assert values[1].reason == "not measured"


def test_energy_that_nobody_could_read_is_said_and_never_zero(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "store")
    run = stores.with_readings(store)
    report = build(store, "run", run.run_id, where={"workload": stores.SLOW})
    assert "No energy is known.\nno sensor here (1 case)." in words(report)


def test_a_run_is_narrowed_and_bounded(measured: Store) -> None:
    report = build(measured, "run", "last", where={"workload": [stores.FAST]})
    assert len(table(report, "results").rows) == 1
    assert ("workload", stores.FAST) in report.scope
    bounded = table(build(measured, "run", "last", limit=2), "results")
    assert (len(bounded.rows), bounded.rows_left_out) == (2, 2)


def test_advice_is_that_of_the_command_and_is_left_out_of_what_is_too_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from assay.recommend.advise import recommend

    store = Store.open(tmp_path / "store")
    composer = stores.composed.Composer(store)
    composer.add({stores.FAST: 10.0})
    bundle = composer._waiting.pop()
    [slow] = bundle.results
    results = [
        replace(
            slow, result_id=stores.new_id(), series_id=engine, case=replace(slow.own_case, engine=engine),
            metrics=(MetricValue("latency_ns", value, "ns", ci_lo=0.99 * value, ci_hi=1.01 * value, n=5),),
        )
        for engine, value in (("torch", 10e6), ("onnxruntime", 5e6))
    ]  # fmt: skip
    store.append(replace(bundle, results=tuple(results), launches=()))
    expected = recommend(store, store.find_run("last")).advice
    assert expected
    report = build(store, "run", "last")
    shown = table(report, "advice")
    assert [cell.value for cell in column(shown, "action")] == [one.action for one in expected]
    assert [cell.value for cell in column(table(report, "evidence"), "value")] == [
        number.value for one in expected for number in one.evidence
    ]
    for module in ("assay.report.advice", "assay.report.kinds.run"):
        monkeypatch.setattr(f"{module}.MOST_SUBJECTS", 1)
    assert "`assay recommend` looks at all" in words(build(store, "run", "last", limit=999))


def test_an_imported_run_shows_whose_numbers_they_are(imported: Store) -> None:
    report = build(imported, "run", "last")
    assert report.provenance() == {
        Provenance.IMPORTED: len([1 for one in report.tables() for row in one.rows for cell in row if cell.provenance])
    }
    assert [Path(one.name).name for one in report.sources] == ["times.json"]
    assert "nothing here was measured by assay" in words(report)
    latency = column(table(report, "results"), "wall_time_ns")[0]
    assert latency.value == pytest.approx(0.11e9)
    assert latency.provenance is Provenance.IMPORTED


# -- comparison ------------------------------------------------------------------------------------------------


def test_two_runs_are_compared_as_the_command_does(measured: Store) -> None:
    from assay.analysis.compare import compare_runs
    from assay.analysis.sides import find_named_run, gather_sides

    report = build(measured, "comparison", "last~9", "last~1")
    groups = gather_sides(measured, [find_named_run(measured, ref) for ref in ("last~9", "last~1")])
    expected = compare_runs(measured, [group.side for group in groups])
    shown = table(report, "comparisons")
    assert [cell.value for cell in column(shown, "ratio")] == [
        one.estimate.ratio for one in expected.comparisons if one.estimate
    ]
    assert [cell.change for cell in column(shown, "verdict")] == [one.change for one in expected.comparisons]
    assert [cell.value for cell in column(shown, "baseline")] == [one.value_a for one in expected.comparisons]
    assert report.figures()[0].key == "comparison"
    assert table(report, "means").rows
    assert "did not take turns" in words(report)


def test_the_side_that_others_are_held_against_comes_first(measured: Store) -> None:
    ends = [measured.find_run(ref).run_id[-8:] for ref in ("last~9", "last~1")]
    for refs in (("last~1",), ("last~1", "last~9")):
        report = build(measured, "comparison", *refs, options={"against": "last~9"})
        assert [cell.value for cell in column(table(report, "sides"), "run")] == ends


def test_parts_of_one_run_are_compared(measured: Store) -> None:
    report = build(measured, "comparison", "last", options={"by": "workload", "against": stores.FAST})
    assert table(report, "sides").rows[0][0].value == stores.FAST
    assert {cell.change for cell in column(table(report, "comparisons"), "verdict")} >= {Change.FAILED}


@pytest.mark.parametrize(
    ("refs", "options", "said"),
    [
        (("last",), {}, "two sides or more"),
        (("last", "last~1"), {"by": "engine"}, "parts of one run"),
        (("last",), {"by": "engine"}, "same engine"),
        (("last", "last"), {}, "same run"),
        (("last",), {"against": "last"}, "two sides or more"),
        (("last", "last~1"), {"with-imported": "maybe"}, "maybe"),
        ((), {}, "expected 1 or more"),
    ],
)
def test_comparisons_that_cannot_be_are_refused(
    measured: Store, refs: tuple[str, ...], options: dict[str, str], said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        build(measured, "comparison", *refs, options=options)


def test_imported_sides_are_compared_only_where_asked_for(imported: Store) -> None:
    with pytest.raises(UsageError, match="was imported"):
        build(imported, "comparison", "last", options={"by": "workload"})
    report = build(
        imported, "comparison", "last", options={"by": "workload", "with-imported": "yes"}, metric="wall_time_ns"
    )
    assert report.sources


# -- targets ---------------------------------------------------------------------------------------------------


def test_targets_are_judged_as_the_command_does(measured: Store) -> None:
    report = build(measured, "targets", "last")
    shown = table(report, "targets")
    met = [str(cell.value) for cell in column(shown, "met")]
    assert met == sorted(met, key=["fail", "unknown", "pass"].index)
    assert len(met) == 8
    first = shown.rows[0]
    assert first[0].value == "very fast"
    assert column(shown, "bound")[0].value == "latency ≤ 1.00 ms"
    off = column(shown, "distance")[0]
    value = column(shown, "value")[0]
    assert value.unit == "ns"
    assert off.value == pytest.approx(float(str(value.value)) / 1e6)
    assert "grade" in words(report)


def test_targets_may_be_given_with_the_question(measured: Store) -> None:
    text = json.dumps(["p50_latency_ms <= 100", {"target": "throughput >= 1000000", "where": {"family": "bert"}}])
    report = build(measured, "targets", "last", options={"targets": text})
    assert ("targets", "given with the question") in report.scope
    one = build(measured, "targets", "last", options={"targets": "p50_latency_ms <= 100; p50_latency_ms <= 1"})
    assert len({cell.value for cell in column(table(one, "targets"), "target")}) == 2


@pytest.mark.parametrize(("text", "said"), [("[1", "no JSON"), ("nonsense", "nonsense"), ('["<= 3"]', "<= 3")])
def test_targets_that_cannot_be_read_are_refused(measured: Store, text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        build(measured, "targets", "last", options={"targets": text})


def test_a_run_without_targets_says_how_to_write_some(measured: Store) -> None:
    with pytest.raises(UsageError, match="has no targets"):
        build(measured, "targets", "last~1")


# -- history ---------------------------------------------------------------------------------------------------


def test_a_level_that_moved_comes_first_with_its_figure(measured: Store) -> None:
    report = build(measured, "history")
    changes = table(report, "changes")
    assert len(changes.rows) == 2
    ratios = [cell.value for cell in column(changes, "ratio")]
    assert ratios == pytest.approx([1.2, 1.2], rel=0.01)
    assert {cell.change for cell in column(changes, "ratio")} == {Change.SUSPECT}
    assert report.figures()[0].key == "trend-1"
    assert "2 levels became worse" in words(report)


def test_history_is_narrowed_by_words_and_says_what_it_left_out(measured: Store) -> None:
    report = build(measured, "history", options={"words": "bert"})
    assert [cell.value for cell in column(table(report, "series"), "case")] == [stores.composed.case(stores.FAST).label]
    few = build(measured, "history", options={"series": "1", "figures": "0"})
    assert len(table(few, "series").rows) == 1
    assert "not looked at" in words(few)
    assert not few.figures()
    with pytest.raises(NotFoundError, match="fits 'nobody'"):
        build(measured, "history", options={"words": "nobody"})
    with pytest.raises(UsageError, match="whole number"):
        build(measured, "history", options={"series": "many"})


def test_findings_and_what_people_said_stand_in_the_history(tmp_path: Path) -> None:
    from assay.store.annotations import annotate

    store = stores.fill_measured(tmp_path / "store")
    run_id = store.find_run("last~1").run_id
    worse = stores.finding(run_id, stores.FAST, Change.SUSPECT, 1.2)
    muted = replace(stores.finding(run_id, stores.SLOW, Change.SUSPECT, 1.2), muted="known, by eve")
    stores.keep_findings(store, muted, worse)
    annotate(
        store.location, kind="note", subject_kind="series", subject_id=stores.composed.series(stores.FAST),
        text="a new compiler", author="eve",
    )  # fmt: skip
    report = build(store, "history")
    found = table(report, "findings")
    assert [cell.value for cell in column(found, "muted")] == ["", "known, by eve"]
    assert column(found, "expected")[0].value == "−3.0 % … +3.0 %"
    assert [cell.value for cell in column(table(report, "annotations"), "text")] == ["a new compiler"]
    summary = build(store, "summary")
    assert "--confirm" in str(column(table(summary, "actions"), "command")[0].value)


# -- summary ---------------------------------------------------------------------------------------------------


def test_the_summary_counts_ranks_and_says_what_to_do(measured: Store) -> None:
    report = build(measured, "summary")
    held = table(report, "holdings")
    assert column(held, "results")[0].value == measured.results().count_rows()
    assert column(held, "usable")[0].value == measured.results(usable=True).count_rows()
    targets = table(report, "targets")
    assert [cell.value for cell in column(targets, "suite")] == ["nightly"]
    commands = [str(cell.value) for cell in column(table(report, "actions"), "command")]
    assert "assay probe" in commands
    assert any(one.startswith("assay targets") for one in commands)
    assert all(Verdict.CONTAMINATED is not cell.verdict for one in report.tables() for row in one.rows for cell in row)


def test_the_summary_ranks_only_ways_of_the_same_work(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "store")
    composer = stores.composed.Composer(store)
    composer.add({stores.FAST: 10.0, stores.SLOW: 20.0})
    bundle = composer._waiting.pop()
    other = replace(bundle.results[0].own_case, engine="onnxruntime", options=(("threads", 2),))
    faster = replace(
        bundle.results[0], result_id=stores.new_id(), series_id="other", case=other,
        metrics=tuple(replace(one, value=one.value / 2) for one in bundle.results[0].metrics),
    )  # fmt: skip
    disturbed = replace(
        faster, result_id=stores.new_id(), series_id="third", verdict=Verdict.CONTAMINATED,
        case=replace(other, engine="openvino"), metrics=tuple(replace(one, value=1.0) for one in faster.metrics),
    )  # fmt: skip
    store.append(replace(bundle, results=(*bundle.results, faster, disturbed)))
    shown = table(build(store, "summary"), "standings")
    first = dict(zip((one.key for one in shown.columns), shown.rows[0], strict=True))
    assert (first["workload"].value, first["ways"].value) == (stores.FAST, 2)
    assert first["best-way"].value == "onnxruntime cpu fp32 threads=2"
    assert first["worst-way"].value == "torch cpu fp32"
    assert first["times"].value == pytest.approx(2.0)
    assert [cell.value for cell in column(shown, "ways")] == [2, 1]


def test_measured_and_imported_numbers_are_never_ranked_together(tmp_path: Path) -> None:
    stores.fill_measured(tmp_path / "store")
    store = stores.fill_imported(tmp_path / "store", tmp_path / "times.json")
    report = build(store, "summary")
    assert set(report.provenance()) == {Provenance.MEASURED}
    assert "2 results are imported; no ranking here mixes them with measured ones." in words(report)
    others = build(store, "summary", where={"provenance": "imported"}, metric="wall_time_ns")
    assert set(others.provenance()) == {Provenance.IMPORTED}
    assert [Path(one.name).name for one in others.sources] == ["times.json"]


def test_the_summary_of_another_metric_and_of_some_runs(measured: Store) -> None:
    memory = build(measured, "summary", metric="memory_peak_bytes")
    assert table(memory, "standings").columns[4].unit == "B"
    one = build(measured, "summary", "last")
    assert column(table(one, "holdings"), "runs")[0].value == 1
    with pytest.raises(UnknownNameError):
        build(measured, "summary", metric="latency")


# -- together --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", OWN)
def test_every_format_draws_every_kind(measured: Store, kind: str) -> None:
    refs = {"run": ("last",), "targets": ("last",), "comparison": ("last~9", "last~1")}.get(kind, ())
    report = build(measured, kind, *refs)
    for form in TEXT_FORMATS:
        assert render_report(report, form, RenderOptions(width=80))
    assert set(renderers.names()) >= set(TEXT_FORMATS)
    keys = [*(one.key for one in report.tables()), *(one.key for one in report.figures())]
    assert len(keys) == len(set(keys))


def test_a_request_is_checked_before_anything_is_read(measured: Store) -> None:
    with pytest.raises(UnknownNameError, match="history"):
        build(measured, "histori")
    with pytest.raises(UnknownNameError, match="figures"):
        build(measured, "history", options={"figure": "3"})
    with pytest.raises(UsageError, match="expected 1 run"):
        build(measured, "run", "last", "last~1")
    with pytest.raises(UnknownNameError, match="workload"):
        build(measured, "run", "last", where={"workloads": "x"})
    with pytest.raises(NotFoundError):
        build(measured, "run", "nobody")


def test_a_table_that_the_report_has_not_is_refused_by_name(measured: Store) -> None:
    report = build(measured, "run", "last")
    with pytest.raises(UnknownNameError, match="results"):
        render_report(report, "csv", RenderOptions(table="result"))
    with pytest.raises(UnknownNameError, match="figure of this run report"):
        render_report(report, "png", RenderOptions(figure="result"))
