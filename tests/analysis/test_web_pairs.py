"""Browsers beside native: what is paired with what, what has no pair and why, and what the ratio is of."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.loading import load_module

from assay.analysis.matrix import MatrixRequest, build_matrix
from assay.analysis.ranking import rank_hardware
from assay.analysis.ranking_values import Objective, RankingRequest
from assay.analysis.usable_numbers import count_left_out, select_any
from assay.analysis.web_compare import WebQuestion, WebReport, case_words, compare_web
from assay.analysis.web_pairs import SAME_FILE, SAME_NAME, SAME_RECIPE, count_reasons, mean_of
from assay.core.adapters import adapter_of, is_software_adapter, machine_of, name_adapter
from assay.core.errors import UnknownNameError
from assay.core.words import Fidelity, Provenance, Status, Verdict
from assay.recommend.advise import recommend
from assay.store import Store

made = load_module("analysis.web_runs")
runs, native, web = made.runs, made.native, made.web
Asked = Callable[..., WebReport]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "store")


@pytest.fixture
def keep(store: Store) -> Asked:
    """Keep a run of some results, and hold the browsers among them against native."""

    def ask(*results: Any, at: Any = runs.MORNING, **question: Any) -> WebReport:
        if results:
            runs.append_run(store, *results, at=at)
        return compare_web(store, WebQuestion(**question))

    return ask


def only_reason(report: WebReport) -> str:
    (reason,) = report.alone.values()
    return reason


def test_hardware_texts_say_adapter_machine_and_whether_it_is_software() -> None:
    text = name_adapter("SwiftShader", "some cpu", is_software=True)
    assert text == "SwiftShader (software adapter) | some cpu"
    assert is_software_adapter(text)
    assert (adapter_of(text), machine_of(text)) == ("SwiftShader", "some cpu")
    assert not is_software_adapter(name_adapter("Radeon", "some cpu", is_software=False))
    assert not is_software_adapter(None)
    assert (adapter_of("some cpu"), machine_of("some cpu"), machine_of(None)) == (None, "some cpu", None)


def test_a_pair_has_the_ratio_of_launches_with_its_interval(keep: Asked) -> None:
    report = keep(native(), web(factor=2.5))
    (pair,) = report.pairs
    assert pair.ratio == pytest.approx(2.5)
    assert pair.lo is not None
    assert pair.hi is not None
    assert pair.lo < 2.5 < pair.hi < 2.52
    assert (pair.web.backend, pair.web.browser, pair.native.engine, pair.n) == ("wasm", "chromium", "onnxruntime", 5)
    assert (pair.took_turns, pair.model, pair.notes) == (True, SAME_RECIPE, ())
    assert case_words(pair.web) == "bert/tiny fp32 b1 seq128 threads=2"
    assert report.alone == {}


def test_of_a_rate_the_ratio_is_the_same_way_round(keep: Asked) -> None:
    report = keep(native(), web(factor=2.5), metric="throughput_per_s")
    assert report.pairs[0].ratio == pytest.approx(2.5)
    assert report.pairs[0].estimate is not None


def test_threads_have_to_agree_by_what_really_computed(keep: Asked) -> None:
    report = keep(native(threads=2), native(threads=1, factor=1.7), web(threads=1), web(threads=2))
    assert {(pair.web.threads, pair.native.threads) for pair in report.pairs} == {(1, 1), (2, 2)}


def test_a_page_that_got_fewer_threads_than_asked_stands_beside_as_many(keep: Asked) -> None:
    report = keep(native(threads=2), web(threads=4, used=1))
    assert report.pairs == ()
    assert only_reason(report) == "it had 1 threads, and native results of it have 2"


def test_the_fastest_native_engine_counts_unless_one_is_named(keep: Asked) -> None:
    report = keep(native(engine="torch", factor=2.0), native(factor=1.0), web(factor=3.0))
    assert (report.pairs[0].native.engine, report.engines) == ("onnxruntime", ("onnxruntime", "torch"))
    named = keep(native="torch")
    assert named.pairs[0].native.engine == "torch"
    assert named.pairs[0].ratio == pytest.approx(1.5)
    with pytest.raises(UnknownNameError, match=r"tensorflow.*onnxruntime, torch"):
        keep(native="tensorflow")


def test_another_model_file_is_no_pair_and_the_same_one_is_said(keep: Asked) -> None:
    facts = {"model_sha256": made.DIGEST}
    report = keep(native(facts=facts), web(facts=facts))
    assert report.pairs[0].model == SAME_FILE


def test_a_different_digest_keeps_two_results_apart(keep: Asked) -> None:
    report = keep(native(facts={"model_sha256": "cd" * 32}), web(facts={"model_sha256": made.DIGEST}))
    assert only_reason(report) == "native results of it are of another model file"


@pytest.mark.parametrize(
    ("other", "changed"),
    [
        ("size", {"case": {"shape": {"seq": 64}}}),
        ("batch", {"case": {"batch": 8}}),
        ("precision", {"case": {"precision": "int8"}}),
        ("workload", {"workload": "bert/mini"}),
        ("machine", {"hardware": "another cpu 8c 32GiB"}),
        ("weights", {"case": {"options": {"threads": 2, "prune": "magnitude:0.5"}}}),
    ],
)
def test_other_work_is_no_pair(keep: Asked, other: str, changed: dict[str, Any]) -> None:
    report = keep(native(**changed), web())
    assert report.pairs == (), other
    assert only_reason(report).startswith("no usable native result of the same model")


def test_the_result_of_its_own_run_counts_before_newer_ones(keep: Asked) -> None:
    keep(native(factor=1.0), web(factor=2.0))
    report = keep(native(factor=0.5), at=runs.EVENING)
    assert report.pairs[0].ratio == pytest.approx(2.0)
    assert report.pairs[0].took_turns is True


def test_a_native_result_of_another_day_says_so(keep: Asked) -> None:
    keep(native())
    report = keep(web(), at=runs.EVENING)
    (pair,) = report.pairs
    assert (pair.took_turns, pair.model) == (False, SAME_NAME)


# -- adapters ----------------------------------------------------------------------------------------------------


def test_a_software_adapter_is_shown_and_in_no_ratio(keep: Asked) -> None:
    report = keep(native(), web("webgpu", threads=None, factor=400.0, hardware=made.SWIFTSHADER))
    assert report.pairs == ()
    assert only_reason(report).startswith("a software adapter")
    (side,) = report.software
    assert (side.adapter, side.machine, side.is_software) == ("SwiftShader Device (Subzero)", runs.HARDWARE, True)


def test_a_real_adapter_stands_beside_the_cpu_where_nothing_else_ran(keep: Asked) -> None:
    report = keep(native(threads=2), web("webgpu", threads=None, factor=0.5, hardware=made.REAL))
    (pair,) = report.pairs
    assert pair.ratio == pytest.approx(0.5)
    assert pair.notes == ("native is the CPU beside the adapter",)


def test_webnn_on_the_cpu_does_not_say_its_threads(keep: Asked) -> None:
    report = keep(native(), web("webnn", threads=None, browser="sparticuz", factor=1.5))
    (pair,) = report.pairs
    assert (pair.web.backend, pair.web.threads) == ("webnn cpu", None)
    assert pair.ratio == pytest.approx(1.5)
    assert pair.notes == ("how many threads the browser used is not known",)


def test_software_adapters_are_in_no_ranking_and_no_matrix(store: Store) -> None:
    runs.append_run(
        store, native(), web(factor=2.0, case={"options": {}}),
        web("webgpu", threads=None, factor=0.001, hardware=made.SWIFTSHADER),
        web("webgpu", threads=None, hardware=made.REAL),
    )  # fmt: skip
    everything = select_any({})
    assert [(one.count, one.reason.partition(":")[0]) for one in count_left_out(store, everything)] == [
        (1, "on a software adapter")
    ]
    ranking = rank_hardware(store, RankingRequest("bert/tiny", Objective.LATENCY))
    assert all("software adapter" not in one.label for one in ranking.candidates)
    assert all("software adapter" not in one for one in ranking.unmeasured)
    matrix = build_matrix(store, MatrixRequest(metric="latency_ns"))
    assert all("software adapter" not in one.label for one in matrix.devices)


def test_advice_never_rests_on_a_software_adapter_nor_crosses_the_browsers_edge(store: Store) -> None:
    slow = web("webgpu", threads=None, factor=400.0, hardware=made.SWIFTSHADER, case={"batch": 1})
    fast = web("webgpu", threads=None, factor=401.0, hardware=made.SWIFTSHADER, case={"batch": 8}, units_per_call=8.0)
    runs.append_run(store, slow, fast)
    assert [one for one in recommend(store, store.find_run("last")).advice if one.rule in ("batch", "engine")] == []
    outside = native(factor=1.0, case={"options": {}})
    runs.append_run(store, web(browser=None, threads=None, factor=5.0), outside, at=runs.EVENING)
    assert [one for one in recommend(store, store.find_run("last")).advice if one.rule == "engine"] == []


# -- what has no pair --------------------------------------------------------------------------------------------


def test_failed_wrong_and_disturbed_results_say_why_they_have_no_pair(keep: Asked) -> None:
    report = keep(
        native(),
        web(status=Status.FAILED, reason="the page went away in measure: its renderer ended (SIGSEGV)"),
        web(threads=1, fidelity=Fidelity.FAILED),
    )
    assert report.pairs == ()
    reasons = sorted(report.alone.values())
    assert reasons[0] == "failed: the page went away in measure: its renderer ended (SIGSEGV)"
    assert reasons[1].startswith("its answers are wrong: off by 3")
    assert set(count_reasons(report.alone)) == {"failed", "its answers are wrong"}


def test_a_disturbed_launch_is_noted_at_the_pair(keep: Asked) -> None:
    verdicts = (Verdict.CONTAMINATED, *[Verdict.TRUSTED] * 4)
    report = keep(native(), web(verdicts=verdicts))
    assert report.pairs[0].notes == ("1 of 5 launches in the browser were disturbed",)


def test_disturbed_results_make_a_ratio_within_their_run_only(keep: Asked) -> None:
    bad = {"verdict": Verdict.CONTAMINATED}
    report = keep(native(**bad), web(**bad))
    assert [pair.ratio for pair in report.pairs] == pytest.approx([2.5])
    assert report.pairs[0].verdict is Verdict.CONTAMINATED
    keep(native("vit/tiny"), at=runs.EVENING)
    report = keep(web("wasm", "vit/tiny", **bad))
    assert list(report.alone.values()) == ["one of the two was disturbed, and the other is of another run"]


def test_one_launch_a_side_makes_a_ratio_without_an_interval(keep: Asked) -> None:
    report = keep(native(), web(values=(2.5e6,)))
    (pair,) = report.pairs
    assert (pair.lo, pair.hi, pair.estimate) == (None, None, None)
    assert pair.ratio == pytest.approx(2.5)
    assert pair.notes[0].startswith("without an interval")


# -- narrowing and means -----------------------------------------------------------------------------------------


def test_what_is_narrowed_still_stands_beside_native(keep: Asked) -> None:
    everything = keep(native(), native("vit/tiny"), web(), web(browser="firefox", factor=3.0), web("wasm", "vit/tiny"))
    assert (everything.browsers, everything.backends) == (("chromium", "firefox"), ("wasm",))
    assert everything.families == ("bert", "vit")
    fox = keep(browser="firefox")
    assert [pair.web.browser for pair in fox.pairs] == ["firefox"]
    assert fox.browsers == everything.browsers
    assert [pair.web.workload for pair in keep(family="vit").pairs] == ["vit/tiny"]
    by_engine = keep(where={"engine": "web-wasm", "provenance": Provenance.MEASURED.value})
    assert len(by_engine.pairs) == 3
    assert keep(backend="webgpu").pairs == ()


def test_means_are_geometric_with_an_interval_over_their_pairs(keep: Asked) -> None:
    report = keep(native(), native("vit/tiny"), web(factor=2.0), web("wasm", "vit/tiny", factor=8.0))
    ((browser, backend, mean),) = report.means()
    assert (browser, backend, mean.n) == ("chromium", "wasm", 2)
    assert [mean.ratio, mean.lowest, mean.highest] == pytest.approx([4.0, 2.0, 8.0])
    assert mean.lo is not None
    assert mean.hi is not None
    assert mean.lo < 4.0 < mean.hi
    assert mean_of(report.pairs[:1]).n == 1


def test_a_visitors_browser_is_named_by_its_launches(keep: Asked) -> None:
    visit = {"options": {"browser": "visit", "visitor": "pixel9"}}
    report = keep(
        native(hardware="pixel9 browser"),
        web(case=visit, facts={"browser": "chrome mobile"}, hardware="pixel9 browser"),
    )
    assert [pair.web.browser for pair in report.pairs] == ["chrome mobile"]
