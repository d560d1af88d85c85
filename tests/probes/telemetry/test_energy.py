"""Energy over constructed traces whose answer is known, and over arbitrary ones, where it must never be made up."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.core.absence import Unavailable
from assay.probes.telemetry.base import Loss, Reading, Telemetry, Trace, Window
from assay.probes.telemetry.choose import choose_sources, close_sources
from assay.probes.telemetry.energy import (
    EnergyResult,
    can_measure,
    energy_of,
    load_seconds,
    measure_energy,
    unknown_energy,
)
from assay.probes.telemetry.load import EnergyMarks, run_energy_pass
from assay.probes.telemetry.meters import Meter, estimate_period_s, read_counter, read_power
from assay.probes.telemetry.replay import ReplayClock

NUMBERS = (
    "gross_j_per_call",
    "net_j_per_call",
    "gross_j_per_sample",
    "net_j_per_sample",
    "average_power_w",
    "peak_power_w",
    "idle_power_w",
)
S = 1_000_000_000
IDLE = Window(0, 6 * S)
LOAD = Window(6 * S, 18 * S)


def check_honest(result: EnergyResult) -> None:
    """The promise: a number is finite and above 0, or it is None and says why. Never both, never neither."""
    for name in NUMBERS:
        value = getattr(result, name)
        assert (value is None) == (name in result.reasons), name
        if value is None:
            assert result.reasons[name]
        else:
            assert math.isfinite(value)
            assert value > 0
    assert (result.reason is None) == (result.gross_j_per_call is not None)


def test_a_counter_gives_the_energy_worked_out_by_hand(player: Any) -> None:
    result = player.energy(player.nvml("nvml_normal"), calls=1200)
    check_honest(result)
    assert result.gross_j_per_call == pytest.approx(400 * 12 / 1200)
    assert result.net_j_per_call == pytest.approx((400 - 60) * 12 / 1200)
    assert result.gross_j_per_sample == pytest.approx(400 * 12 / 1200 / 8)
    assert result.net_j_per_sample == pytest.approx(340 * 12 / 1200 / 8)
    assert result.average_power_w == pytest.approx(400)
    assert result.peak_power_w == pytest.approx(400)
    assert result.idle_power_w == pytest.approx(60)
    assert result.source == "nvml energy counter"
    assert result.scope == "board"
    assert result.counter_period_s == pytest.approx(0.1)
    assert result.n_periods is not None
    assert result.n_periods >= 110


@pytest.mark.parametrize(("name", "load_w", "idle_w"), [("nvml_throttled", 400, 60), ("nvml_power_capped", 200, 60)])
def test_throttled_and_capped_loads_have_energy_too(player: Any, name: str, load_w: float, idle_w: float) -> None:
    result = player.energy(player.nvml(name))
    check_honest(result)
    assert result.average_power_w == pytest.approx(load_w)
    assert result.idle_power_w == pytest.approx(idle_w)


def test_power_is_integrated_where_there_is_no_counter(player: Any) -> None:
    result = player.energy(player.nvml("nvml_fanless_na"))
    check_honest(result)
    assert result.gross_j_per_call == pytest.approx(150 * 12 / 1200)
    assert result.net_j_per_call == pytest.approx(120 * 12 / 1200)
    assert result.source == "nvml power samples"
    assert "Not Supported" in result.notes[0]


def test_a_counter_that_never_moves_gives_way_to_power(player: Any) -> None:
    result = player.energy(player.amd("amd_stuck_counter"))
    check_honest(result)
    assert result.average_power_w == pytest.approx(500)
    assert result.source == "amdsmi power samples"
    assert "did not move" in result.notes[0]


def test_the_unit_of_an_amd_counter(player: Any) -> None:
    result = player.energy(player.amd("amd_normal"))
    check_honest(result)
    assert result.source == "amdsmi energy counter"
    assert result.average_power_w == pytest.approx(500, rel=1e-6)
    assert result.idle_power_w == pytest.approx(90, rel=1e-6)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nvml_nothing", "Not Supported"),
        ("nvml_counter_reset", "went back"),
        ("nvml_lost", "GPU is lost"),
    ],
)
def test_what_cannot_be_known_is_null_with_its_reason(player: Any, name: str, words: str) -> None:
    result = player.energy(player.nvml(name))
    check_honest(result)
    assert result.gross_j_per_call is None
    assert result.average_power_w is None
    assert result.reason is not None
    assert words in result.reason


def test_a_lost_amd_driver_leaves_no_energy(player: Any) -> None:
    result = player.energy(player.amd("amd_lost"))
    check_honest(result)
    assert "amdsmi was lost" in (result.reason or "")


def test_a_mig_slice_has_no_energy(player: Any) -> None:
    result = player.energy(player.nvml("nvml_mig", slices=("MIG-1",)))
    check_honest(result)
    assert "slice" in (result.reason or "")


def test_the_wrap_of_a_counter_is_no_reset(player: Any) -> None:
    result = player.energy(player.rapl("rapl_wrap"))
    check_honest(result)
    assert result.average_power_w == pytest.approx(160, rel=1e-6)
    assert result.scope == "package"


def test_packages_add_up_and_their_parts_do_not(player: Any) -> None:
    result = player.energy(player.rapl("rapl_two_sockets"))
    check_honest(result)
    assert result.average_power_w == pytest.approx(300, rel=1e-6)
    assert result.idle_power_w == pytest.approx(75, rel=1e-6)
    assert result.notes[0].startswith("sum of cpu:package-0, cpu:package-1")
    assert "other processes on it included" in result.notes[1]


def test_a_virtual_machine_whose_counter_stands_still(player: Any) -> None:
    result = player.energy(player.rapl("rapl_stuck"))
    check_honest(result)
    assert "did not move" in (result.reason or "")


def test_an_apple_chip(player: Any) -> None:
    result = player.energy(player.powermetrics("powermetrics_normal"))
    check_honest(result)
    assert result.average_power_w == pytest.approx(25)
    assert result.net_j_per_call == pytest.approx((25 - 2) * 12 / 1200)
    assert result.scope == "SoC"


def counter(
    idle_w: float = 50, load_w: float = 200, *, step_s: float = 0.1, period_s: float = 0.1, device: str = "cuda:0"
) -> Trace:
    """A counter read every ``step_s`` that moves every ``period_s``: idle for 6 s, then loaded until 20 s."""
    times = [round(n * step_s * S) for n in range(int(20 / step_s) + 1)]

    def at(t_s: float) -> float:
        seen_s = math.floor(t_s / period_s + 1e-6) * period_s
        return idle_w * min(seen_s, 6) + load_w * max(0.0, seen_s - 6)

    return trace("energy_j", [(t_ns, at(t_ns / S)) for t_ns in times], device)


def trace(sensor: str, points: Sequence[tuple[int, float | None]], device: str = "cuda:0") -> Trace:
    times = [t_ns for t_ns, _ in points]
    steps = (0, *(b - a for a, b in pairwise(times)))
    return Trace(sensor, device, "nvml", "board", times[0], steps, tuple(value for _, value in points))


def compute(*traces: Trace, **changes: Any) -> EnergyResult:
    options: dict[str, Any] = {"idle": IDLE, "load": LOAD, "calls": 100, "samples": 800.0, **changes}
    devices = options.pop("devices", ["cuda:0"])
    losses = options.pop("losses", ())
    result = energy_of(Telemetry(traces, losses), devices, **options)
    check_honest(result)
    return result


@pytest.mark.parametrize("period_s", [0.02, 0.1, 0.25, 0.5])
@pytest.mark.parametrize("step_s", [0.1, 0.037])
def test_a_slow_counter_blurs_nothing(period_s: float, step_s: float) -> None:
    result = compute(counter(period_s=period_s, step_s=step_s))
    assert result.average_power_w == pytest.approx(200, rel=0.02)
    assert result.idle_power_w == pytest.approx(50, rel=0.03)


def test_too_few_periods_are_not_enough() -> None:
    result = compute(counter(period_s=1.0))
    assert "whole periods of the energy counter; 20 are needed" in (result.reason or "")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"load": Window(6 * S, 15 * S)}, "the load lasted 9.0 s"),
        ({"load": Window(6 * S, 6 * S)}, "the load lasted 0.0 s"),
        ({"load": Window(15 * S, 30 * S)}, "readings span"),
        ({"calls": 0}, "0 calls"),
        ({"devices": []}, "no device was named"),
        ({"devices": ["cuda:1"]}, "no energy counter and no power sensor of cuda:1"),
        ({"devices": ["cuda:0", "cuda:1"]}, "cuda:1"),
        ({"losses": (Loss("nvml", "cuda:0", None, 17 * S, "fell off the bus"),)}, "fell off the bus"),
    ],
)
def test_no_energy_without_enough(changes: dict[str, Any], words: str) -> None:
    result = compute(counter(), **changes)
    assert result.gross_j_per_call is None
    assert words in (result.reason or "")


@pytest.mark.parametrize(
    ("idle", "words"),
    [(None, "no idle window"), (Window(0, 4 * S), "lasted 4.0 s"), (Window(40 * S, 46 * S), "readings span 0.0 s")],
)
def test_without_idle_the_gross_stands_alone(idle: Window | None, words: str) -> None:
    result = compute(counter(), idle=idle)
    assert result.gross_j_per_call == pytest.approx(200 * 12 / 100)
    assert result.net_j_per_call is None
    assert words in result.reasons["net_j_per_call"]


@pytest.mark.parametrize("load_w", [50.0, 40.0])
def test_a_load_below_idle_has_no_net(load_w: float) -> None:
    result = compute(counter(idle_w=50, load_w=load_w))
    assert result.gross_j_per_call is not None
    assert result.net_j_per_call is None
    assert result.reasons["net_j_per_call"].startswith("idle drift")


def test_samples_that_were_not_counted_are_a_reason() -> None:
    result = compute(counter(), samples=None)
    assert result.gross_j_per_call is not None
    assert result.reasons["gross_j_per_sample"] == "the number of samples was not given"


def test_a_loss_of_another_device_or_after_the_load_costs_nothing() -> None:
    losses = (
        Loss("nvml", "cuda:1", None, 8 * S, "gone"),
        Loss("nvml", "cuda:0", None, 19 * S, "gone later"),
        Loss("nvml", "cuda:0", "fan_share", 8 * S, "no fan"),
    )
    assert compute(counter(), losses=losses).gross_j_per_call is not None


def test_several_devices_add_up() -> None:
    result = compute(counter(device="cuda:0"), counter(device="cuda:1"), devices=["cuda:0", "cuda:1"])
    assert result.average_power_w == pytest.approx(400)
    assert compute(counter(device="cuda:0"), counter(device="cuda:1")).average_power_w == pytest.approx(200)


def test_cuda_10_is_no_part_of_cuda_1() -> None:
    result = compute(counter(device="cuda:1"), counter(device="cuda:10"), devices=["cuda:1"])
    assert result.average_power_w == pytest.approx(200)


def test_power_that_reads_0_is_no_power() -> None:
    zeros = trace("power_w", [(n * S // 10, 0.0) for n in range(200)])
    assert "reads 0 W throughout" in (compute(zeros).reason or "")


def test_a_gap_in_the_power_is_no_power() -> None:
    points = [(n * S // 10, 100.0) for n in range(200) if not 80 < n < 140]
    assert "power was not read for" in (compute(trace("power_w", points)).reason or "")


@pytest.mark.parametrize("power_w", [1.5e308, 5e-324])
def test_a_number_that_overflows_or_vanishes_is_no_number(power_w: float) -> None:
    points = [(n * S // 10, power_w) for n in range(200)]
    traces = [trace("power_w", points, device) for device in ("cuda:0", "cuda:1")]
    result = compute(*traces, devices=["cuda:0", "cuda:1"], calls=10**9, idle=None)
    assert "cannot be" in result.reasons["gross_j_per_sample"]


def test_what_is_absent_lends_its_reason() -> None:
    absent = {"nvml": Unavailable("the NVML binding is not installed", "pip install 'assay[nvidia]'")}
    assert "pip install" in (compute(absent=absent).reason or "")


def test_the_period_of_a_counter_is_seen() -> None:
    assert estimate_period_s(counter(period_s=0.5)) == pytest.approx(0.5)
    assert estimate_period_s(trace("energy_j", [(0, 1.0), (S, 1.0)])) is None


def test_the_peak_of_a_counter_is_over_a_second() -> None:
    points = [(n * S // 10, 10.0 * n + (500.0 if n > 100 else 0.0)) for n in range(200)]
    meter = read_counter(trace("energy_j", points), LOAD, 20)
    assert isinstance(meter, Meter)
    assert meter.peak_w == pytest.approx(100 + 500, rel=0.01)


def test_the_trapezoid_rule() -> None:
    points: list[tuple[int, float | None]] = [(n * S // 10, 10.0 * n) for n in range(200)]
    meter = read_power(trace("power_w", points), LOAD, 20)
    assert isinstance(meter, Meter)
    assert meter.average_w == pytest.approx(10 * (60 + 180) / 2)


def test_an_unknown_energy_has_all_its_reasons() -> None:
    result = unknown_energy("nobody asked")
    check_honest(result)
    assert result.reason == "nobody asked"


values = st.one_of(
    st.none(),
    st.just(0.0),
    st.floats(allow_nan=True, allow_infinity=True),
    st.floats(min_value=0, max_value=1e6),
    st.integers(0, 5).map(float),
)


@st.composite
def telemetries(draw: st.DrawFn) -> Telemetry:
    """Whatever a sampler could bring: any values at any times, with jumps, gaps, repetitions and losses."""
    traces = []
    for sensor in draw(st.lists(st.sampled_from(["energy_j", "power_w"]), max_size=2, unique=True)):
        step_ns = draw(st.sampled_from([S // 10, S // 3, S, 5 * S]))
        count = draw(st.integers(1, 250))
        slope = draw(st.sampled_from([0.0, 1e-300, 1e-9, 5.0, 1e300]))
        pool = draw(st.lists(values, min_size=1, max_size=6))
        is_smooth = draw(st.booleans())
        points = [
            (n * step_ns, Reading(sensor, "cuda:0", n * step_ns, slope * n if is_smooth else pool[n % len(pool)]).value)
            for n in range(count)
        ]
        traces.append(trace(sensor, points))
    losses = [Loss("nvml", "cuda:0", None, draw(st.integers(0, 25 * S)), "gone")] if draw(st.booleans()) else []
    return Telemetry(tuple(traces), tuple(losses))


@settings(max_examples=150, deadline=None)
@given(
    telemetries(),
    st.integers(-1, 10**9),
    st.sampled_from([None, 0.0, 1.0, 1e308]),
    st.integers(0, 30 * S),
    st.integers(0, 30 * S),
)
def test_energy_never_reads_0_for_unknown(
    telemetry: Telemetry, calls: int, samples: float | None, middle_ns: int, end_ns: int
) -> None:
    idle, load = Window(0, middle_ns), Window(middle_ns, end_ns)
    check_honest(energy_of(telemetry, ["cuda:0"], idle=idle, load=load, calls=calls, samples=samples))


@settings(max_examples=40, deadline=None)
@given(st.floats(1, 500), st.floats(1.05, 20), st.floats(0.02, 0.4), st.integers(1, 10**6))
def test_any_steady_load_is_found_again(idle_w: float, factor: float, period_s: float, calls: int) -> None:
    load_w = idle_w * factor
    result = compute(counter(idle_w, load_w, period_s=period_s), calls=calls)
    assert result.gross_j_per_call == pytest.approx(load_w * 12 / calls, rel=0.05)


def test_this_machine_gives_energy_or_the_reason_why_not() -> None:
    sources, absent = choose_sources("cpu")
    try:
        if can_measure(sources):
            pytest.skip("this machine has an energy counter; the pass of 15 s belongs into a run, not into a test")
        result = measure_energy(sources, ["cpu"], lambda _seconds: 1, absent=absent)
    finally:
        close_sources(sources)
    check_honest(result)
    assert result.gross_j_per_call is None
    assert any(name in (result.reason or "") for name in ("rapl", "powermetrics"))


class Steady:
    """A source of 30 W that needs no hardware: its counter follows the clock."""

    name, device, scope, period_s, counter_period_s = "steady", "cpu:package-0", "package", 0.01, 0.01

    def begin(self) -> None:
        pass

    def read(self, now_ns: int) -> list[Reading]:
        return [Reading("energy_j", self.device, now_ns, 30 * now_ns / 1e9)]

    def close(self) -> None:
        pass


def test_a_load_that_stops_too_early_gives_no_energy() -> None:
    result = measure_energy([Steady()], ["cpu"], lambda _seconds: 5, idle_s=0.05)
    check_honest(result)
    assert "at least 10 s are needed" in (result.reason or "")
    assert result.calls == 5


def test_the_worker_says_when_it_was_idle_and_when_it_worked() -> None:
    clock = ReplayClock()

    def spend(seconds: float) -> None:
        clock.now_ns += round(seconds * S)

    marks = run_energy_pass(lambda: spend(0.3), clock=clock, sleep=spend)
    assert marks.idle == Window(S, 6 * S)
    assert marks.load == Window(round(7.2 * S), round(17.4 * S))
    assert marks.calls == 34
    assert EnergyMarks.from_dict(marks.to_dict()) == marks


def test_a_whole_pass_from_the_workers_marks(player: Any) -> None:
    source = player.rapl("rapl_two_sockets")
    telemetry = player.play(source)
    marks = EnergyMarks(round(0.8 * S), round(5.9 * S), round(6.5 * S), round(18.7 * S), 61)
    result = energy_of(telemetry, ["cpu"], idle=marks.idle, load=marks.load, calls=marks.calls, samples=61.0 * 4)
    check_honest(result)
    assert result.gross_j_per_sample == pytest.approx(300 * 12.2 / 244, rel=1e-6)


def test_the_load_lasts_20_periods_of_a_slow_counter() -> None:
    slow = Steady()
    slow.counter_period_s = 1.0
    assert load_seconds([slow]) == pytest.approx(22)
    assert load_seconds([Steady()]) == 10
