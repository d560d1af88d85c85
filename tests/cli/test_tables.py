"""What the table of results says of answers, queries and texts, beside the times."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from typing import Any

from rich.console import Console

from assay.cli.tables import result_notes, result_table
from assay.core.case import Case
from assay.core.records import MetricValue, ResultRecord
from assay.core.words import Fidelity, Status, Verdict

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def result(*, latency_ns: float = 1e6, metrics: tuple[MetricValue, ...] = (), **fields: Any) -> ResultRecord:
    case = {"workload": "bert/tiny", "engine": "torch", "device": "cpu", **fields.pop("case", {})}
    given: dict[str, Any] = {
        "result_id": "r", "run_id": "run", "series_id": "s", "case": Case.make(**case), "status": Status.OK,
        "measured_at": NOW, "verdict": Verdict.TRUSTED, "launches_planned": 1, "launches_ok": 1,
        "metrics": (MetricValue("latency_ns", latency_ns, "ns", n=1), *metrics),
    }  # fmt: skip
    return ResultRecord(**(given | fields))


def shown(*results: ResultRecord) -> str:
    console = Console(file=io.StringIO(), width=240)
    console.print(result_table(results, title="title", notes=result_notes(results)))
    file = console.file
    assert isinstance(file, io.StringIO)
    return file.getvalue()


def error(value: float | None) -> MetricValue:
    return MetricValue("fidelity_max_relative_error", value, "1", stat="worst", n=1)


def test_fidelity_is_a_column_once_anything_was_compared() -> None:
    reference = result(fidelity=Fidelity.REFERENCE)
    assert "fidelity" not in shown(reference)
    text = shown(
        reference,
        result(case={"precision": "bf16"}, fidelity=Fidelity.PASSED, metrics=(error(0.017),)),
        result(case={"precision": "int8"}, fidelity=Fidelity.FAILED, fidelity_reason="too far", metrics=(error(0.38),)),
        result(case={"engine": "openvino"}, fidelity_reason="no reference: it does not fit"),
    )
    for words in (
        "reference", "✓ 1.7e-02", "✗ 3.8e-01 failed", "unknown", "fidelity failed: too far",
        "fidelity unknown: no reference: it does not fit",
    ):  # fmt: skip
        assert words in text


def test_a_precision_that_was_substituted_is_named_and_a_kind_of_it_is_not() -> None:
    text = shown(
        result(case={"precision": "fp16"}, effective_precision="bf16"),
        result(case={"precision": "int8"}, effective_precision="int8 static (30 of 30 products)"),
    )
    assert "fp16 (ran bf16)" in text
    assert "int8 (ran" not in text


def test_loadgens_verdict_is_a_column_with_its_reason_below() -> None:
    serving = {"mode": "serving", "options": {"scenario": "server"}}
    held = MetricValue("serving_rate_per_s", 48.44, "1/s", n=1)
    lost = MetricValue("serving_rate_per_s", None, "1/s", reason="no rate holds")
    offline = MetricValue("serving_samples_per_s", 186.0, "1/s", n=1)
    text = shown(
        result(case=serving, metrics=(held,)),
        result(case={**serving, "batch": 2}, metrics=(lost,)),
        result(case={"mode": "serving", "options": {"scenario": "offline"}}, metrics=(offline,)),
    )
    for words in ("VALID 48.4 queries/s hold", "INVALID", "no rate holds", "VALID 186 samples/s"):
        assert words in text


def test_a_generation_shows_its_first_token_and_its_pace() -> None:
    text = shown(
        result(
            case={"mode": "generation"},
            metrics=(
                MetricValue("time_to_first_token_ns", 97e6, "ns", n=1),
                MetricValue("time_per_output_token_ns", 42e6, "ns", n=1),
            ),
        ),
        result(),
    )
    for words in ("first token", "per token", "97.0 ms", "42.0 ms"):
        assert words in text


def test_two_devices_with_the_same_times_are_named() -> None:
    rows = [
        result(case={"device": device, "batch": batch}, latency_ns=1e6 * batch * noise)
        for device, noise in (("cpu", 1.0), ("cuda:0", 1.004))
        for batch in range(1, 7)
    ]
    assert "cpu and cuda:0: suspected fallback: 6 pairs with a median ratio of 1.004" in shown(*rows)
    assert "suspected fallback" not in shown(*rows[:6])


def test_training_shows_its_parts_what_was_learned_and_the_way_to_the_target() -> None:
    parts = tuple(
        MetricValue(name, value, "ns", n=3)
        for name, value in (("data_wait_ns", 1e3), ("forward_ns", 3e8), ("backward_ns", 6e8), ("optimizer_ns", 1e8))
    )
    learned = MetricValue("loss_ratio", 0.125, "1", n=3)
    text = shown(result(case={"mode": "training"}, metrics=(*parts, learned)))
    assert "fwd 30 · bwd 60 · opt 10 %" in text
    assert "× 0.12" in text or "× 0.13" in text
    assert "to target" not in text
    reached = MetricValue("time_to_train_ns", 42e9, "ns", n=3)
    accuracy = MetricValue("accuracy", 0.953, "1", phase="test", n=3)
    text = shown(result(case={"mode": "training"}, metrics=(reached, accuracy)))
    assert "42" in text
    assert "95.3 %" in text
    missed = MetricValue("time_to_train_ns", None, "ns", n=0, reason="accuracy 0.91 of 0.95 after 50 epochs")
    text = shown(result(case={"mode": "training"}, metrics=(missed,)))
    assert "missed" in text
    assert "target missed: accuracy 0.91 of 0.95 after 50 epochs" in text
