"""The report on browsers that were measured: pairs, phases, audio, placement, memory, answers, software adapters."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.loading import load_module
from tests.report.reading import column, figure, table, words

from assay.core.errors import UnknownNameError
from assay.report.base import RenderOptions, ReportRequest, renderers
from assay.report.build import build_report
from assay.report.display import cell_text
from assay.report.values import Report, Table
from assay.store import Store

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
Build = Callable[..., Report]


made = load_module("analysis.web_runs")


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Store:
    store = Store.open(tmp_path_factory.mktemp("web") / "store")
    made.fill(store)
    return store


@pytest.fixture(scope="module")
def whole(filled: Store) -> Report:
    return build_report(filled, "web", ReportRequest(now=NOW))


def texts(found: Table, key: str) -> list[str]:
    return [cell_text(cell) for cell in column(found, key)]


def test_pairs_are_grouped_by_browser_backend_and_family(whole: Report) -> None:
    groups = table(whole, "by-backend")
    assert list(zip(texts(groups, "browser"), texts(groups, "backend"), texts(groups, "pairs"), strict=True)) == [
        ("sparticuz 147", "webnn cpu", "1"), ("chromium 141", "wasm", "5"), ("firefox 140", "wasm", "1"),
    ]  # fmt: skip
    mean = column(groups, "mean")[1]
    assert mean.lo is not None
    assert isinstance(mean.value, float)
    assert 2.0 < mean.lo < mean.value < 3.0
    families = table(whole, "by-family")
    assert set(texts(families, "family")) == {"bert", "vit", "wav2vec2", "whisper-encoder"}
    assert "5 of them" not in words(whole)
    assert "chromium" in words(whole)


def test_a_pair_says_ratio_interval_engine_model_and_turns(whole: Report) -> None:
    pairs = table(whole, "pairs")
    assert len(pairs.rows) == 7
    slow = next(
        cell for cell, name, browser in zip(
            column(pairs, "slowdown"), texts(pairs, "workload"), texts(pairs, "browser"), strict=True
        ) if (name, browser) == ("bert/tiny", "firefox 140")
    )  # fmt: skip
    assert slow.value == pytest.approx(3.1)
    assert slow.lo is not None
    assert slow.n == 5
    for said in (
        "engine outside onnxruntime",
        "device outside cpu",
        "model same recipe",
        "in turns yes",
        "fp32, batch 1",
    ):
        assert said in pairs.caption
    assert [one.key for one in pairs.columns][:6] == [
        "workload", "backend", "threads", "browser", "sizes", "slowdown"
    ]  # fmt: skip
    assert figure(whole, "slowdown").empty is None


def test_phases_are_stacked_and_tabled_beside_native(whole: Report) -> None:
    drawn = figure(whole, "phases-figure")
    assert [layer.label for layer in drawn.layers] == [
        "browser", "page", "runtime", "fetch", "session", "first call"
    ]  # fmt: skip
    assert drawn.layers[1].base == (640e6,) * len(drawn.x.categories)
    phases = table(whole, "phases")
    assert {cell.value for cell in column(phases, "answer")} == {1_077_000_000}
    outside = [cell.value for cell in column(phases, "outside") if cell.value is not None]
    assert set(outside) == {278_000_000}
    assert {cell.value for cell in column(phases, "unload")} == {70_000_000}
    assert all("webgpu" not in label for label in drawn.x.categories)
    browsers = ("chromium", "firefox", "sparticuz")
    assert all(any(name in label for name in browsers) for label in drawn.x.categories), "of models with one, too"


def test_audio_says_how_far_it_keeps_up_with_preprocessing_apart(whole: Report) -> None:
    audio = table(whole, "audio")
    assert texts(audio, "workload") == ["whisper-encoder/tiny", "wav2vec2/tiny"] or set(texts(audio, "workload")) == {
        "whisper-encoder/tiny", "wav2vec2/tiny",
    }  # fmt: skip
    row = texts(audio, "workload").index("whisper-encoder/tiny")
    assert column(audio, "factor")[row].value == pytest.approx(454.0)
    assert column(audio, "factor_outside")[row].value == pytest.approx(1219.0)
    assert column(audio, "preprocess")[row].value == pytest.approx(6.1e6)
    assert column(audio, "preprocess_outside")[row].value == pytest.approx(2.4e6)


def test_nodes_memory_and_answers_have_tables(whole: Report) -> None:
    placement = table(whole, "placement")
    assert column(placement, "largest")[0].value == pytest.approx(1.0)
    assert {one.title for one in placement.columns} >= {"on CPUExecutionProvider", "on JsExecutionProvider"}
    memory = table(whole, "memory")
    assert {cell.value for cell in column(memory, "browser_memory_bytes")} == {410e6}
    assert column(memory, "busy")[0].value == pytest.approx(2.1, rel=0.01)
    answers = table(whole, "answers")
    assert set(texts(answers, "fidelity")) == {"passed"}
    assert {cell.value for cell in column(answers, "error")} == {2.1e-6}
    assert {cell.value for cell in column(answers, "native")} == {3.4e-7}


def test_software_adapters_stand_apart_and_are_left_out(whole: Report) -> None:
    software = table(whole, "software")
    assert texts(software, "adapter") == ["SwiftShader Device (Subzero)"]
    (latency,) = column(software, "latency")
    assert latency.value == pytest.approx(412e6)
    assert latency.is_usable is False
    everything = table(whole, "browser-results")
    place = texts(everything, "backend").index("webgpu")
    assert column(everything, "paired")[place].value == "no"
    assert str(column(everything, "paired")[place].reason).startswith("a software adapter")
    assert column(everything, "latency_ns")[place].is_usable is False
    assert "1 result of software adapters" in words(whole)
    assert "on a software adapter" in words(whole)
    for key in ("phases", "memory", "audio"):
        assert "webgpu" not in texts(table(whole, key), "backend")


def test_what_did_not_run_says_why(whole: Report) -> None:
    everything = table(whole, "browser-results")
    place = texts(everything, "backend").index("webnn gpu")
    assert "createContext gave a context without a GPU" in str(column(everything, "latency_ns")[place].reason)


def test_what_computed_is_listed_by_browser(whole: Report) -> None:
    browsers = table(whole, "browsers")
    assert set(texts(browsers, "browser")) == {"chromium", "firefox", "sparticuz"}
    assert "onnxruntime-web 1.30.0" in browsers.caption
    assert {cell.value for cell in column(browsers, "clock_resolution_ns")} == {5000.0}


@pytest.mark.parametrize(
    ("option", "value", "backends"),
    [("backend", "webnn cpu", {"webnn cpu"}), ("browser", "firefox", {"wasm"}), ("family", "wav2vec2", {"wasm"})],
)
def test_it_narrows_by_browser_backend_and_family(filled: Store, option: str, value: str, backends: set[str]) -> None:
    report = build_report(filled, "web", ReportRequest(options={option: value}, now=NOW))
    assert set(texts(table(report, "pairs"), "backend")) == backends


def test_a_selection_without_pairs_still_shows_what_there_is(filled: Store) -> None:
    report = build_report(filled, "web", ReportRequest(options={"backend": "webgpu"}, now=NOW))
    assert "pairs" not in [one.key for one in report.tables()]
    assert len(table(report, "software").rows) == 1
    with pytest.raises(UnknownNameError, match="onnxruntime"):
        build_report(filled, "web", ReportRequest(options={"native": "tensorflow"}, now=NOW))


@pytest.mark.parametrize("form", ["text", "markdown", "html", "csv", "json", "xlsx", "png", "svg"])
def test_every_format_draws_it(whole: Report, form: str) -> None:
    options = RenderOptions(figure="phases-figure") if form in ("png", "svg") else RenderOptions()
    assert renderers.get(form).render(whole, options)


def test_another_metric_makes_other_pairs(filled: Store) -> None:
    report = build_report(filled, "web", ReportRequest(metric="throughput_per_s", now=NOW))
    found = table(report, "pairs")
    place = texts(found, "browser").index("firefox 140")
    assert column(found, "slowdown")[place].value == pytest.approx(3.1)


def test_an_interval_of_two_launches_does_not_hide_the_bars(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "store")
    made.runs.append_run(store, made.native(), made.web(values=(1.2e6, 5.0e6)))
    report = build_report(store, "web", ReportRequest(now=NOW))
    drawn = figure(report, "slowdown")
    assert drawn.notes == ("1 interval wider than tenfold would hide the bars: the table has all of them.",)
    assert all(layer.hi == () for layer in drawn.layers)
    assert column(table(report, "pairs"), "slowdown")[0].hi is not None
