"""The report on scaling over trainings that differ in ranks: tables, figures, reasons, and every format."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests.loading import load_module
from tests.report.reading import column, table

from assay.analysis.rank_scaling import Growth, RankLine
from assay.core.case import Case, series_id
from assay.core.ids import new_id
from assay.core.records import MetricValue, ResultRecord
from assay.core.words import Mode, Status
from assay.report.base import ReportRequest
from assay.report.build import build_report, render_report
from assay.report.kinds._ranks import _split_labels, read_size
from assay.report.values import Report
from assay.store import Store

stores = load_module("report.report_stores")
MESSAGES = (("4.00 KiB", 1e7), ("1.00 MiB", 2e9))


def make_result(like: ResultRecord, ranks: int, batch: int, rate: float | None) -> ResultRecord:
    case = Case.make(
        workload="bert/tiny", engine="torch", device="cpu", mode=Mode.TRAINING, batch=batch, shape={"seq": 64},
        options={"ranks": ranks, "strategy": "ddp"},
    )  # fmt: skip
    metrics: tuple[MetricValue, ...] = ()
    if rate is not None:
        metrics = (
            MetricValue("latency_ns", ranks * batch / rate * 1e9, "ns", n=3),
            MetricValue("throughput_per_s", rate, "1/s", ci_lo=0.99 * rate, ci_hi=1.01 * rate, n=3),
            MetricValue("communication_share", 0.25, "1", phase="exposed", n=3),
            MetricValue("communication_share", None, "1", phase="alone", reason="it cannot be told apart"),
            MetricValue("communication_share", 0.3, "1", phase="profiler", n=3),
            MetricValue("straggler_ratio", 1.02, "1", n=3),
            *(
                MetricValue("all_reduce_bytes_per_s", value if ranks > 1 else None, "B/s", phase=phase, n=3)
                for phase, value in MESSAGES
            ),
        )
    return replace(
        like, result_id=new_id(), series_id=series_id(case.case_id, like.hardware or ""), case=case, metrics=metrics,
        unit_of_work="token", status=Status.OK if rate is not None else Status.FAILED,
        reason=None if rate is not None else "rank 3 of 4 was killed by SIGKILL in measure",
    )  # fmt: skip


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    store = Store.open(tmp_path_factory.mktemp("ranks") / "store")
    composer = stores.composed.Composer(store)
    composer.add({stores.FAST: 10.0})
    bundle = composer._waiting.pop()
    like = bundle.results[0]
    asked = ((1, 8, 100.0), (2, 8, 180.0), (4, 8, None), (2, 4, 150.0))
    results = tuple(make_result(like, *one) for one in asked)
    store.append(replace(bundle, results=results, launches=()))
    return build_report(store, "scaling", ReportRequest(now=stores.NOW))


def test_weak_and_strong_lines_have_their_efficiency(report: Report) -> None:
    weak, strong = table(report, "ranks-weak"), table(report, "ranks-strong")
    assert [cell.value for cell in column(weak, "ranks")] == [1, 2, 4]
    assert [cell.value for cell in column(weak, "efficiency")] == [1.0, pytest.approx(0.9), None]
    assert column(weak, "efficiency")[1].lo == pytest.approx(0.9 * 0.99 / 1.01)
    assert [cell.value for cell in column(strong, "efficiency")] == [1.0, pytest.approx(0.75)]
    assert [cell.value for cell in column(strong, "batch")] == [8, 4]
    assert column(weak, "communication_exposed")[1].value == 0.25
    assert column(weak, "communication_profiler")[1].value == 0.3
    assert "No alone exchange in any row: it cannot be told apart" in " ".join(strong.notes)


def test_a_rank_that_was_lost_is_told_where_its_numbers_would_stand(report: Report) -> None:
    assert "killed by SIGKILL" in str(column(table(report, "ranks-weak"), "rate")[2].reason)


def test_the_efficiency_is_drawn_beside_the_ideal(report: Report) -> None:
    figures = {one.key: one for one in report.figures()}
    weak = figures["ranks-weak"]
    assert weak.layers[0].label == "ideal"
    assert list(weak.layers[1].y) == pytest.approx([1.0, 0.9])
    assert "ranks-messages" in figures


def test_messages_stand_by_size_and_one_rank_sends_none(report: Report) -> None:
    messages = table(report, "ranks-messages")
    assert [cell.value for cell in column(messages, "message")] == [4096.0, 1048576.0]
    assert [cell.value for cell in column(messages, "rate")] == [1e7, 2e9]
    assert read_size("64.0 KiB") == 65_536
    assert read_size("steady") is None
    assert read_size("many KiB") is None


def test_lines_are_labelled_by_what_tells_them_apart() -> None:
    lines = [RankLine(Growth.WEAK, f"bert/tiny · {name} · cpu · batch 8 a rank", name, ()) for name in ("ddp", "fsdp2")]
    common, short = _split_labels(lines)
    assert common == "bert/tiny · cpu · batch 8 a rank"
    assert list(short.values()) == ["ddp", "fsdp2"]
    assert _split_labels(lines[:1]) == ("", {lines[0].label: lines[0].label})
    same = [lines[0], lines[0]]
    assert _split_labels(same)[1] == {lines[0].label: lines[0].label}


def test_the_summary_says_what_most_ranks_do(report: Report) -> None:
    said = "\n".join(line for text in report.summary for line in text.paragraphs)
    assert "2 ranks do 1.80 times the work of 1, weak efficiency 90 % (88 to 92 %)" in said


@pytest.mark.parametrize("form", ["text", "html", "markdown", "csv", "json"])
def test_it_is_drawn_in_every_format(report: Report, form: str) -> None:
    assert b"efficiency" in render_report(report, form)


def test_an_empty_store_says_how_to_get_lines(tmp_path: Path) -> None:
    report = build_report(Store.open(tmp_path / "store"), "scaling", ReportRequest(now=stores.NOW))
    said = render_report(report, "text").decode()
    assert "assay run --suite distributed" in " ".join(said.split())
