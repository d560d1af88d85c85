"""Sensors beside launches: what becomes of their readings, and of joules that cannot be read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import pytest

from assay.catalog.metrics import metrics
from assay.core.absence import Unavailable
from assay.probes.telemetry.base import Reading, Source, Telemetry, Trace
from assay.probes.telemetry.load import EnergyMarks
from assay.runner.meters import Meters, Watch, read_witnesses, telemetry_series
from assay.runner.protocol import Measured

S = 1_000_000_000
ABSENT = {"rapl": Unavailable("no RAPL counter", "modprobe intel_rapl_msr")}


@dataclass
class FakeSource:
    """Answers with a count of how often it was asked."""

    name: str = "host"
    device: str = "cpu"
    scope: str = "host"
    period_s: float = 0.01
    counter_period_s: float | None = None
    closed: bool = False
    asked: list[int] = field(default_factory=list)

    def begin(self) -> None:
        self.asked.clear()

    def read(self, now_ns: int) -> Sequence[Reading]:
        self.asked.append(now_ns)
        return (Reading("memory_used_bytes", "cpu", now_ns, float(len(self.asked))),)

    def close(self) -> None:
        self.closed = True


def measured(**fields: Any) -> Measured:
    given: dict[str, Any] = {
        "values": (1,), "device_values": (), "calls_per_sample": 1, "stop_reason": "time cap", "median_ns": 1.0,
        "warmup_calls": 1, "warmup_converged": None, "costs_ns": {}, "memory_bytes": {}, "witnesses": {},
        "effective_precision": "fp32", "threads": 1, "hardware": "", "parameters": None,
    }  # fmt: skip
    return Measured(**(given | fields))


def meters(*sources: FakeSource, wants_energy: bool = True) -> Meters:
    opened: list[Source] = list(sources)
    return Meters(wants_energy=wants_energy, choose=lambda _device: (opened, dict(ABSENT)))


def counter(*points: tuple[float, float]) -> Trace:
    """An energy counter of the package that read so many joules at those seconds."""
    times = [round(time_s * S) for time_s, _ in points]
    steps = (0, *(later - earlier for earlier, later in pairwise(times)))
    return Trace("energy_j", "cpu:package-0", "rapl", "package", times[0], steps, tuple(joules for _, joules in points))


def test_a_visitors_device_has_no_sensors_here() -> None:
    source = FakeSource()
    with meters(source) as open_meters:
        with open_meters.watch(None) as watch:
            pass
        (energy,) = open_meters.measure_energy(measured(), watch, device=None, units_per_call=1.0)
        assert open_meters.load_s(None) is None
    assert (source.asked, source.closed, telemetry_series(watch)) == ([], False, ())
    assert (energy.name, energy.value) == ("energy_j_per_sample", None)
    assert energy.reason == "the sensors of a visitor's device cannot be read from here"
    marks = {"load": 1, "measure_begin": 2, "measure_end": 3}
    assert read_witnesses(measured(marks_ns=marks), watch, device=None) == {}


def test_sensors_are_read_while_a_launch_lasts_and_closed_with_the_run() -> None:
    source = FakeSource()
    with meters(source) as open_meters:
        with open_meters.watch("cpu") as watch:
            while len(source.asked) < 3:
                pass
        (series,) = telemetry_series(watch)
        closed_before = source.closed
    assert (closed_before, source.closed) == (False, True)
    assert (series.sensor, series.unit, series.source) == ("memory_used_bytes", "B", "host")
    assert series.values[:3] == (1.0, 2.0, 3.0)
    assert series.t0_ns >= 0
    assert len(series.dt_ns) == len(series.values)


def be_interrupted() -> None:
    raise KeyboardInterrupt


def test_a_launch_that_is_interrupted_leaves_nothing_open() -> None:
    source = FakeSource()
    with meters(source) as open_meters, pytest.raises(KeyboardInterrupt), open_meters.watch("cpu"):
        be_interrupted()
    assert source.closed


@pytest.mark.parametrize(
    ("counter_period_s", "wants", "expected"),
    [(None, True, None), (0.1, False, None), (0.1, True, 10.0), (1.0, True, 22.0)],
)
def test_an_energy_pass_is_made_where_it_is_wanted_and_there_is_a_meter(
    counter_period_s: float | None,
    wants: bool,  # noqa: FBT001  (a parameter of pytest's)
    expected: float | None,
) -> None:
    with meters(FakeSource(counter_period_s=counter_period_s), wants_energy=wants) as open_meters:
        assert open_meters.load_s("cpu") == expected


def test_joules_of_a_unit_of_work_follow_from_the_windows() -> None:
    points = [(0.1 * step, 20.0 * 0.1 * step) for step in range(60)]
    points += [(6 + 0.1 * step, 20.0 * 6 + 50.0 * 0.1 * step) for step in range(121)]
    watch = Watch(0, Telemetry((counter(*points),)))
    marks = EnergyMarks(0, 5 * S, 6 * S, 18 * S, calls=100)
    found = {
        metric.name: metric
        for metric in meters().measure_energy(measured(energy=marks.to_dict()), watch, device="cpu", units_per_call=4.0)
    }
    assert found["energy_j_per_call"].value == pytest.approx(6.0, rel=0.03)
    assert found["energy_net_j_per_call"].value == pytest.approx(3.6, rel=0.05)
    assert found["energy_j_per_sample"].value == pytest.approx(1.5, rel=0.03)
    assert found["idle_power_w"].value == pytest.approx(20.0, rel=0.03)
    assert all(metric.unit == metrics.get(name).unit and metric.phase == "energy" for name, metric in found.items())


def test_where_there_is_no_meter_energy_is_null_and_says_what_to_do() -> None:
    (metric,) = meters().measure_energy(measured(), Watch(0), device="cpu", units_per_call=1.0)
    assert (metric.name, metric.value) == ("energy_j_per_sample", None)
    assert metric.reason == "rapl: no RAPL counter (modprobe intel_rapl_msr)"


def test_where_nobody_asked_energy_is_null_and_says_so() -> None:
    (metric,) = meters(wants_energy=False).measure_energy(measured(), Watch(0), device="cpu", units_per_call=1.0)
    assert (metric.value, metric.reason) == (None, "not asked for: assay run --energy")


def test_a_meter_that_was_lost_midway_gives_no_number() -> None:
    watch = Watch(0, Telemetry((counter((0.0, 0.0), (1.0, 20.0)),)))
    marks = EnergyMarks(0, 5 * S, 6 * S, 18 * S, calls=100)
    for metric in meters().measure_energy(measured(energy=marks.to_dict()), watch, device="cpu", units_per_call=1.0):
        assert metric.value is None
        assert metric.reason


def test_a_launch_without_marks_has_no_witnesses_of_sensors() -> None:
    assert read_witnesses(measured(), Watch(0), device="cpu") == {}
