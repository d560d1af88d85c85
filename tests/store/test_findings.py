"""Findings of checks and calibrations: kept and read back exactly, copied by a backup."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from assay.core.ids import new_id
from assay.core.records import CalibrationRecord, FindingRecord
from assay.core.words import Change
from assay.store import Store
from assay.store.copying import copy_runs
from assay.store.findings import append_calibrations, append_findings, read_calibrations, read_findings

MOMENT = datetime(2026, 5, 1, 12, 30, 15, 123456, tzinfo=UTC)


def finding(**changes: object) -> FindingRecord:
    values = {
        "finding_id": new_id(), "check_id": "check", "created_at": MOMENT, "run_id": "run", "series_id": "series",
        "case_label": "bert/tiny torch cpu fp32 b1 seq128", "metric": "latency_ns", "stat": "median", "unit": "ns",
        "change": Change.NEW, "against": "history", "method": "prediction-interval",
    }  # fmt: skip
    return FindingRecord(**{**values, **changes})  # type: ignore[arg-type]  # a mapping of the record's own fields


def calibration(**changes: object) -> CalibrationRecord:
    values = {
        "calibration_id": new_id(), "created_at": MOMENT, "series_id": "series", "case_label": "bert/tiny torch cpu",
        "metric": "latency_ns", "stat": "median", "run_ids": ("r1", "r2"), "env_id": "env", "hardware": None,
        "launches": 20, "launches_a_side": 5, "sd_log": 0.011, "floor": 0.02, "false_alarm_rate": 0.0, "splits": 500,
        "smallest_change": 0.04, "power": 0.95, "launches_for_floor": None, "is_bimodal": False,
    }  # fmt: skip
    return CalibrationRecord(**{**values, **changes})  # type: ignore[arg-type]  # as above


FULL = {
    "change": Change.REGRESSED, "result_id": "result", "hardware": "AMD EPYC 2c 24GiB", "reference_run_id": "before",
    "reference_git_commit": "a" * 40, "git_commit": "b" * 40, "reference_n": 12, "value": 1.1e6, "reference_value": 1e6,
    "ratio": 1.1, "is_worse": True, "ci_lo": 1.08, "ci_hi": 1.12, "p": 1e-9, "q": 2e-9, "p_slower": 1.0, "floor": 0.03,
    "launches": 5, "launches_needed": 9, "environment_break": "torch 2.12 -> 2.13", "confirmed_by": ("x", "y"),
    "muted": "known, see the ticket", "reasons": ("five fresh launches a side",),
}  # fmt: skip


def test_findings_come_back_as_they_were(store: Store) -> None:
    findings = [finding(), finding(**FULL, check_id="other", run_id="later", series_id="another")]
    append_findings(store.location, findings)
    assert read_findings(store.location) == findings
    assert read_findings(store.location, check_id="other") == findings[1:]
    assert read_findings(store.location, run_id="run") == findings[:1]
    assert read_findings(store.location, series_id="another") == findings[1:]
    assert store.findings(check_id="none") == []


def test_calibrations_come_back_as_they_were(store: Store) -> None:
    calibrations = [calibration(), calibration(series_id="other", hardware="GPU", launches_for_floor=11)]
    append_calibrations(store.location, calibrations)
    assert store.calibrations() == calibrations
    assert read_calibrations(store.location, series_id="other") == calibrations[1:]


def test_nothing_to_keep_writes_nothing(store: Store) -> None:
    append_findings(store.location, [])
    append_calibrations(store.location, [])
    assert store.findings() == []
    assert store.calibrations() == []


def test_a_backup_has_them_and_a_second_one_adds_none(store: Store, tmp_path: Path) -> None:
    append_findings(store.location, [finding(**FULL)])
    append_calibrations(store.location, [calibration()])
    target = Store.open(tmp_path / "backup")
    for _ in range(2):
        copy_runs(store.location, target.location)
        assert target.findings() == store.findings()
        assert target.calibrations() == store.calibrations()


@pytest.mark.parametrize("word", list(Change))
def test_every_verdict_is_kept(store: Store, word: Change) -> None:
    append_findings(store.location, [finding(change=word)])
    assert store.findings()[0].change is word
