"""From stored launches to calibrations, on stores composed for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.loading import load_module

from assay.analysis.calibrate import Calibrated, CalibrationReport, calibrate_runs
from assay.analysis.floors import read_floors
from assay.analysis.noise_floor import measure_noise_floor
from assay.core.errors import UnknownNameError
from assay.core.words import Status, Verdict
from assay.stats.power import required_launches, smallest_change
from assay.store import Store
from assay.store.findings import append_calibrations

history = load_module("analysis.trend_history")
noisy, Step = history.noisy, history.Step
ENV = history.environment()
Calibrate = Callable[..., CalibrationReport]


@pytest.fixture
def calibrated(tmp_path: Path) -> Callable[..., tuple[Store, CalibrationReport]]:
    def keep(*made: Any, **more: Any) -> tuple[Store, CalibrationReport]:
        store, bundles = history.store_history(tmp_path / "store", made)
        return store, calibrate_runs(store, [one.run.run_id for one in bundles], **more)

    return keep


def launched(values: Sequence[float], *, day: float = 0, **more: Any) -> Any:
    return Step(values[0], day, more.pop("env", ENV), launches=values, **more)


def only(report: CalibrationReport) -> Calibrated:
    (found,) = report.calibrated
    return found


def test_a_calibration_says_what_its_launches_show(calibrated: Any) -> None:
    values = noisy([(20, 1e6)], sd=0.01)
    store, report = calibrated(launched(values))
    found = only(report)
    record, noise = found.record, measure_noise_floor(values)
    assert found.values == tuple(values)
    assert found.noise == noise
    assert (record.launches, record.launches_a_side, record.floor, record.sd_log) == (20, 5, noise.floor, noise.sd_log)
    assert (record.false_alarm_rate, record.splits) == (noise.false_alarm_rate, 2000)
    assert record.smallest_change == smallest_change(noise.sd_log, 5, floor=max(0.03, noise.floor))
    assert record.launches_for_floor == required_launches(noise.sd_log, 0.03)
    assert (record.power, record.is_bimodal, record.metric, record.stat) == (0.95, False, "latency_ns", "median")
    assert (record.env_id, record.hardware) == (ENV.env_id, history.HARDWARE)
    assert found.notes == ()
    assert (report.comparisons, report.alarms, report.left_out) == (2, 0, ())
    assert report.rate_hi == pytest.approx(0.6576, abs=1e-3)
    assert store.calibrations() == []


def test_a_kept_calibration_is_the_floor_of_its_series(calibrated: Any) -> None:
    store, report = calibrated(launched(noisy([(20, 1e6)], sd=0.03)))
    record = only(report).record
    append_calibrations(store.location, [record])
    assert store.calibrations() == [record]
    assert record.floor > 0.03
    assert read_floors(store).floor(record.series_id, "latency_ns", record.env_id) == record.floor


def test_launches_of_several_runs_are_put_together_in_the_order_they_were_made(calibrated: Any) -> None:
    values = noisy([(20, 1e6)])
    _, report = calibrated(
        launched(values[12:], day=1, env=history.environment()), launched(values[:12], day=0, env=ENV)
    )
    found = only(report)
    assert found.values == tuple(values)
    assert len(found.record.run_ids) == 2
    assert found.record.env_id != ENV.env_id  # of the newest run; packages of the user's own are no break


def test_environments_and_cases_are_calibrated_apart(calibrated: Any) -> None:
    values = noisy([(10, 1e6)])
    _, report = calibrated(
        launched(values), launched(values, env=history.environment("2.13.0")), launched(values, case=history.OTHER)
    )
    assert len(report.calibrated) == 3
    assert report.comparisons == 3


def test_what_cannot_be_calibrated_says_why(calibrated: Any) -> None:
    values = noisy([(20, 1e6)])
    _, report = calibrated(
        launched(values[:4]),
        launched(values, case=history.OTHER, status=Status.FAILED),
    )
    few, failed = report.left_out
    assert few == ("bert/base torch cpu fp32 b8 seq128", "4 launches; two sides of 5 take 10")
    assert failed[1] == "0 launches; two sides of 5 take 10 (it broke)"
    assert (report.calibrated, report.comparisons, report.rate_hi) == ((), 0, None)


def test_notes_tell_of_disturbance_drift_and_groups(calibrated: Any) -> None:
    drifting = [value * (1 + 0.01 * place) for place, value in enumerate(noisy([(20, 1e6)], sd=0.004))]
    grouped = noisy([(8, 1e6), (12, 1.1e6)], sd=0.003)
    mixed = [grouped[place] for place in (0, 9, 1, 10, 11, 2, 12, 3, 13, 14, 4, 15, 5, 16, 17, 6, 18, 7, 19, 8)]
    _, report = calibrated(launched(drifting, verdict=Verdict.CONTAMINATED), launched(mixed, case=history.OTHER))
    notes = {one.record.case_label.partition("/")[0]: one.notes for one in report.calibrated}
    assert notes["bert"][0] == "20 of 20 launches were contaminated: this is the floor of a disturbed machine"
    assert "% worse (p" in notes["bert"][1]
    assert "the machine drifted" in notes["bert"][1]
    (groups,) = notes["resnet"]
    assert groups.startswith("the launches fall into two groups, 8 and 12 of them, ")
    assert [one.record.is_bimodal for one in report.calibrated] == [False, True]
    assert [one.contaminated for one in report.calibrated] == [20, 0]


def test_another_metric_has_a_floor_of_its_own(calibrated: Any) -> None:
    _, report = calibrated(launched(noisy([(20, 1e6)])), metric="throughput_per_s")
    found = only(report)
    assert (found.unit, found.record.metric) == ("1/s", "throughput_per_s")
    assert found.noise.typical == pytest.approx(8 / 1e-3, rel=0.01)


def test_launches_without_spread_are_calibrated_too(calibrated: Any) -> None:
    _, report = calibrated(launched([1e6] * 12))
    record = only(report).record
    assert (record.sd_log, record.floor, record.smallest_change) == (0.0, 0.0, 0.03)
    assert record.launches_for_floor == 2


def test_an_unknown_metric_is_refused(calibrated: Any) -> None:
    with pytest.raises(UnknownNameError):
        calibrated(launched([1e6] * 10), metric="latency")


def test_runs_are_told_apart_from_others_in_the_store(tmp_path: Path) -> None:
    values = noisy([(10, 1e6)])
    store, bundles = history.store_history(
        tmp_path / "store", [launched(values), launched([2 * value for value in values], day=1)]
    )
    found = only(calibrate_runs(store, [bundles[1].run.run_id]))
    assert found.noise.typical == pytest.approx(2e6, rel=0.01)
    assert replace(found.record, calibration_id="", run_ids=()).launches == 10
