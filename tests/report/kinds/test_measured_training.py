"""Trainings that assay measured: what the report shows of curves, targets, parts of a step and memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.report.reading import figure, table

from assay.core.case import Case, series_id
from assay.core.ids import content_hash, new_id
from assay.core.records import (
    EnvironmentRecord,
    LaunchRecord,
    MetricValue,
    ResultRecord,
    RunBundle,
    RunRecord,
    SampleSeries,
)
from assay.core.words import Mode, Precision, RunStatus, Status, Verdict
from assay.report.base import RenderOptions, ReportRequest, renderers
from assay.report.build import build_report
from assay.report.values import Cell, Report, Table, Text
from assay.runner.training_summary import summarise_training
from assay.store import Store

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
HARDWARE = "some cpu 2c 8GiB"
TARGET = {"dataset": "digits", "target": 0.95, "epochs": 50}
PARTS = {"data_wait_ns": 1e6, "forward_ns": 3e6, "loss_time_ns": 1e6, "backward_ns": 6e6, "optimizer_ns": 1e6}


def case(options: dict[str, Any] | None = None, workload: str = "resnet/tiny") -> Case:
    return Case.make(
        workload=workload, engine="torch", device="cpu", mode=Mode.TRAINING, precision=Precision.FP32, batch=32,
        shape={"image": 64}, options=options or {},
    )  # fmt: skip


def seed_metrics(epochs: int, accuracy: float, *, is_reached: bool = True) -> tuple[MetricValue, ...]:
    """What a launch with a target leaves: 2 s an epoch."""
    missed = None if is_reached else f"accuracy {accuracy} of 0.95 at best after {epochs} epochs (plateau)"
    reached = epochs if is_reached else None
    return (
        MetricValue("time_to_train_ns", None if reached is None else reached * 2e9, "ns", reason=missed),
        MetricValue("steps_to_target", None if reached is None else reached * 44.0, "1", reason=missed),
        MetricValue("training_time_ns", epochs * 2e9, "ns"),
        MetricValue("training_time_ns", epochs * 0.2e9, "ns", phase="evaluation"),
        MetricValue("epochs", float(epochs), "1"),
        MetricValue("accuracy", accuracy, "1", phase="test"),
        MetricValue("accuracy", accuracy, "1", "best", "test"),
        MetricValue("gradient_noise_scale", 90.0 + epochs, "1"),
        MetricValue("suggested_batch", 64.0, "1"),
    )


def curves(epochs: int, accuracy: float) -> tuple[SampleSeries, ...]:
    steps = 44 * epochs
    accuracies = [0.1 + (accuracy - 0.1) * place / epochs for place in range(epochs + 1)]
    return (
        SampleSeries("latency", "ns", (40_000_000,) * steps),
        SampleSeries("loss", "1e-9", tuple(round(2.3e9 * 0.99**step) for step in range(steps))),
        SampleSeries("eval_step", "1", tuple(44 * place for place in range(epochs + 1))),
        SampleSeries("eval_wall", "ns", tuple(2_000_000_000 * place for place in range(epochs + 1))),
        SampleSeries("eval_accuracy", "1e-9", tuple(round(value * 1e9) for value in accuracies)),
        SampleSeries("eval_loss", "1e-9", tuple(round(2.2e9 * 0.6**place) for place in range(epochs + 1))),
    )


class Trained:
    """One run of trainings, composed result by result and kept in a store."""

    def __init__(self, folder: Path) -> None:
        self.store = Store.open(folder)
        self.environment = EnvironmentRecord(content_hash([HARDWARE]), "host", HARDWARE, {"python": {}}, NOW)
        self.run = RunRecord(
            run_id=new_id(), suite="accuracy", status=RunStatus.OK, started_at=NOW,
            finished_at=NOW + timedelta(minutes=5),
            env_id=self.environment.env_id, config={}, cases_planned=2, assay_version="0.1.0", source_hash="b",
        )  # fmt: skip
        self.results: list[ResultRecord] = []
        self.launches: list[LaunchRecord] = []

    def add(
        self,
        one: Case,
        metrics: Sequence[tuple[MetricValue, ...]],
        series: Sequence[tuple[SampleSeries, ...]] = (),
        *,
        facts: dict[str, str] | None = None,
        stops: Sequence[str] = (),
        **fields: Any,
    ) -> None:
        result_id = new_id()
        latency = (MetricValue("latency_ns", 12e6, "ns", n=len(metrics)),) if metrics else ()
        self.results.append(
            replace(
                ResultRecord(
                    result_id=result_id, run_id=self.run.run_id, series_id=series_id(one.case_id, HARDWARE), case=one,
                    status=Status.OK, measured_at=NOW, verdict=Verdict.TRUSTED, hardware=HARDWARE,
                    unit_of_work="sample", launches_planned=len(metrics), launches_ok=len(metrics),
                    metrics=(*latency, *summarise_training(metrics)),
                ),
                **fields,
            )
        )  # fmt: skip
        for ordinal, own in enumerate(metrics):
            self.launches.append(
                LaunchRecord(
                    launch_id=new_id(), run_id=self.run.run_id, result_id=result_id, origin_run_id=self.run.run_id,
                    ordinal=ordinal, status=Status.OK, started_at=NOW, wall_ns=1, verdict=Verdict.TRUSTED,
                    median_ns=12e6, stop_reason=stops[ordinal] if stops else "precise enough",
                    engine_facts=facts or {}, metrics=own, samples=series[ordinal] if series else (),
                )
            )  # fmt: skip

    def report(self, kind: str = "training", **options: str) -> Report:
        if self.results:
            self.store.append(RunBundle(self.run, self.environment, tuple(self.results), tuple(self.launches)))
            self.results, self.launches = [], []
        runs = (self.run.run_id,) if kind == "run" else ()
        return build_report(self.store, kind, ReportRequest(run_ids=runs, options=options, now=NOW))


@pytest.fixture
def trained(tmp_path: Path) -> Trained:
    return Trained(tmp_path / "store")


def add_digits(trained: Trained, epochs: Sequence[int] = (5, 6, 8), *, missed: bool = False) -> None:
    reached = [not (missed and place == 2) for place in range(len(epochs))]
    shares = [0.96 if one else 0.91 for one in reached]
    trained.add(
        case(TARGET),
        [seed_metrics(n, a, is_reached=r) for n, a, r in zip(epochs, shares, reached, strict=True)],
        [curves(n, a) for n, a in zip(epochs, shares, strict=True)],
        facts={"dataset": "digits", "dataset_kind": "real", "dataset_shape": "image=8, channels=1"},
        stops=["target reached" if one else "plateau" for one in reached],
    )


def cells(found: Table, column: str) -> list[Cell]:
    (place,) = [place for place, one in enumerate(found.columns) if one.key == column]
    return [row[place] for row in found.rows]


def words(report: Report) -> str:
    blocks = [*report.summary, *(one for one in report.blocks() if isinstance(one, Text))]
    return " ".join(paragraph for one in blocks for paragraph in one.paragraphs)


# -- a target --------------------------------------------------------------------------------------------------


def test_time_to_accuracy_has_its_interval_and_its_spread_over_seeds(trained: Trained) -> None:
    add_digits(trained)
    report = trained.report()
    found = table(report, "time-to-accuracy")
    (time,) = cells(found, "time_to_train_ns")
    assert time.value == 12e9
    assert time.n == 3
    assert time.lo is not None
    assert time.lo < 12e9
    assert [cell.value for cell in cells(found, "time_to_train_ns.min")] == [10e9]
    assert [cell.value for cell in cells(found, "time_to_train_ns.max")] == [16e9]
    assert [cell.value for cell in cells(found, "seeds")] == ["3/3"]
    assert [cell.value for cell in cells(found, "accuracy")] == [0.96]
    assert [cell.value for cell in cells(found, "evaluation")] == [pytest.approx(0.1)]
    assert [cell.value for cell in cells(found, "dataset")] == ["digits (real)"]
    assert [cell.value for cell in cells(found, "case")] == ["torch, cpu, fp32, batch 32, image 8, channels 1"]
    assert "1 of 1 training to a target reached it in every launch" in words(report)


def test_an_accuracy_never_exceeds_1_with_its_interval(trained: Trained) -> None:
    metrics = [seed_metrics(5, share) for share in (0.95, 0.99, 1.0)]
    trained.add(case(TARGET), metrics, stops=["target reached"] * 3)
    (accuracy,) = cells(table(trained.report(), "time-to-accuracy"), "accuracy")
    assert accuracy.hi == 1.0
    assert accuracy.lo is not None
    assert 0.8 < accuracy.lo < 0.95


def test_a_target_that_one_seed_missed_has_no_time_but_the_reason(trained: Trained) -> None:
    add_digits(trained, missed=True)
    trained.add(case({**TARGET, "learning_rate": 0.01}), [seed_metrics(4, 0.96)] * 3, stops=["target reached"] * 3)
    report = trained.report()
    found = table(report, "time-to-accuracy")
    first, second = cells(found, "time_to_train_ns")
    assert first.value is None
    assert first.reason == "1 of 3 launches: accuracy 0.91 of 0.95 at best after 8 epochs (plateau)"
    assert second.value == 8e9
    assert cells(found, "time_to_train_ns.min")[0].reason == first.reason
    assert [cell.value for cell in cells(found, "seeds")] == ["2/3", "3/3"]
    assert "1 of 2 trainings to a target reached it in every launch" in words(report)


def test_curves_have_a_line_a_seed_and_the_target(trained: Trained) -> None:
    add_digits(trained)
    report = trained.report()
    over_time = figure(report, "accuracy-time-1")
    assert [layer.label for layer in over_time.layers] == ["launch 1", "launch 2", "launch 3"]
    assert over_time.layers[0].x == tuple(2e9 * place for place in range(6))
    assert over_time.layers[0].y[-1] == pytest.approx(0.96)
    assert [marker.at for marker in over_time.markers] == [0.95]
    assert figure(report, "accuracy-epoch-1").layers[2].x[-1] == 8
    loss = figure(report, "loss-1")
    assert [layer.label for layer in loss.layers] == [
        *(f"launch {number}, each batch" for number in (1, 2, 3)),
        *(f"launch {number}, test split" for number in (1, 2, 3)),
    ]  # fmt: skip
    assert loss.layers[3].x == tuple(44.0 * place for place in range(6))


def test_generated_data_are_said_to_be_generated(trained: Trained) -> None:
    facts = {"dataset": "cifar10-synthetic", "dataset_kind": "synthetic", "dataset_shape": "image=32, channels=3"}
    options = {**TARGET, "dataset": "cifar10-synthetic:2000"}
    trained.add(case(options), [seed_metrics(5, 0.96)], facts=facts, stops=["target reached"])
    report = trained.report()
    assert [cell.value for cell in cells(table(report, "time-to-accuracy"), "dataset")] == [
        "cifar10-synthetic (synthetic)"
    ]
    assert "cifar10-synthetic is generated, not real" in words(report)


def test_many_curves_are_told_and_not_drawn(trained: Trained) -> None:
    for rate in (0.1, 0.2, 0.3):
        trained.add(case({**TARGET, "learning_rate": rate}), [seed_metrics(3, 0.96)], [curves(3, 0.96)])
    report = trained.report(curves="1")
    assert [one.key for one in report.figures() if one.key.startswith("loss")] == ["loss-1"]
    assert "2 more have curves" in words(report)


def test_only_the_newest_training_of_a_case_is_shown(trained: Trained) -> None:
    add_digits(trained)
    trained.report()
    trained.run = replace(trained.run, run_id=new_id())
    add_digits(trained, (3, 3, 3))
    assert [cell.value for cell in cells(table(trained.report(), "time-to-accuracy"), "time_to_train_ns")] == [6e9]


# -- steps -----------------------------------------------------------------------------------------------------


def add_steps(trained: Trained) -> None:
    launch = tuple(MetricValue(name, value, "ns") for name, value in PARTS.items())
    peaks = [
        tuple(
            MetricValue("memory_phase_peak_bytes", size * factor, "B", phase=phase)
            for phase, size in (("optimizer", 50e6), ("backward", 80e6), ("forward", 60e6))
        )
        for factor in (1.0, 1.5, 1.1)
    ]
    share, ratio = MetricValue("parts_share", 1.01, "1"), MetricValue("loss_ratio", 0.4, "1")
    losses = SampleSeries("loss", "1e-9", tuple(round(2.3e9 * 0.97**step) for step in range(60)))
    trained.add(case(), [(*launch, *peak, share, ratio) for peak in peaks], [(losses,)] * 3)


def test_parts_of_a_step_stand_beside_the_whole(trained: Trained) -> None:
    add_steps(trained)
    report = trained.report()
    found = table(report, "parts")
    assert [cell.value for cell in cells(found, "latency_ns")] == [12e6]
    assert [cell.value for cell in cells(found, "backward_ns")] == [6e6]
    assert [cell.value for cell in cells(found, "parts_share")] == [1.01]
    assert [column.title for column in found.columns][3:9] == [
        "step", "data wait", "forward", "loss", "backward", "optimizer",
    ]  # fmt: skip
    heat = figure(report, "parts-figure").heat
    assert heat is not None
    assert [cell.value for cell in heat.cells[0]] == pytest.approx([1 / 12, 3 / 12, 1 / 12, 6 / 12, 1 / 12])
    assert figure(report, "loss-1").layers[0].label == "launch 1"
    assert not any(one.key == "time-to-accuracy" for one in report.tables())


def test_memory_by_phase_is_of_the_largest_launch_in_the_order_of_a_step(trained: Trained) -> None:
    add_steps(trained)
    found = table(trained.report(), "memory-phases")
    assert [column.title for column in found.columns][3:6] == ["forward", "backward", "optimizer"]
    assert [cell.value for cell in cells(found, "memory_phase_peak_bytes.backward")] == [120e6]


def test_a_training_that_failed_is_told_with_its_reason(trained: Trained) -> None:
    add_steps(trained)
    reason = "the model did not learn: its loss went from 2.3 to 2.31 in 60 steps."
    trained.add(case({"learning_rate": 1e-9}), [], status=Status.FAILED, reason=reason, verdict=None)
    failures = table(trained.report(), "failures")
    assert [cell.value for cell in failures.rows[0]][-1] == reason


def test_a_run_report_has_the_same_sections(trained: Trained) -> None:
    add_digits(trained)
    add_steps(trained)
    report = trained.report("run")
    keys = [section.key for section in report.sections]
    assert {"time-to-accuracy", "curves-1", "parts", "memory-phases"} <= set(keys)


@pytest.mark.parametrize("name", ["html", "markdown", "json", "text"])
def test_every_format_takes_it(trained: Trained, name: str) -> None:
    add_digits(trained, missed=True)
    add_steps(trained)
    report = trained.report()
    drawn = renderers.get(name).render(report, RenderOptions())
    assert b"time to accuracy" in drawn.lower()
