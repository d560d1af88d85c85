"""The thread and what it costs; what a failing source does to the others; recording and reading back."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from assay.core.absence import Unavailable
from assay.probes.telemetry.base import Reading, Telemetry
from assay.probes.telemetry.doubles import ReplayNvml
from assay.probes.telemetry.host import open_host
from assay.probes.telemetry.nvml import open_nvml
from assay.probes.telemetry.record import RecordingLibrary, load_recorded, record_trace
from assay.probes.telemetry.replay import ReplayClock, load_raw, replay, save_raw
from assay.probes.telemetry.sampler import Collector, Sampler

WaitUntil = Callable[[Callable[[], object]], None]


class Counting:
    """A source that says how often it was asked, and fails when told to."""

    scope, counter_period_s = "board", None

    def __init__(self, name: str = "counting", period_s: float = 0.0, fails_at: int | None = None) -> None:
        self.name, self.device, self.period_s = name, "cuda:0", period_s
        self.asked, self.begun, self.fails_at = 0, 0, fails_at
        self.threads: set[int] = set()

    def begin(self) -> None:
        self.begun += 1

    def read(self, now_ns: int) -> list[Reading]:
        self.asked += 1
        self.threads.add(threading.get_ident())
        if self.asked == self.fails_at:
            raise ValueError("it broke\nand more")
        return [Reading("power_w", self.device, now_ns, float(self.asked))]

    def close(self) -> None:
        pass


def test_a_thread_of_its_own_reads_from_start_to_stop(wait_until: WaitUntil) -> None:
    source = Counting()
    sampler = Sampler([source], period_s=0.01)
    sampler.start()
    wait_until(lambda: source.asked >= 3)
    telemetry = sampler.stop()
    assert threading.get_ident() not in source.threads
    (trace,) = telemetry.traces
    assert trace.values == tuple(float(n + 1) for n in range(source.asked))
    assert trace.dt_ns[0] == 0
    assert all(step >= 0 for step in trace.dt_ns)
    assert telemetry.cpu_share is not None
    asked = source.asked
    assert not [thread for thread in threading.enumerate() if thread.name == "telemetry"]
    assert source.asked == asked


def test_a_source_that_fails_is_dropped_and_the_others_go_on(wait_until: WaitUntil) -> None:
    bad, good = Counting("bad", fails_at=2), Counting("good")
    sampler = Sampler([bad, good], period_s=0.01)
    sampler.start()
    wait_until(lambda: good.asked >= 5)
    telemetry = sampler.stop()
    assert bad.asked == 2
    (loss,) = telemetry.losses
    assert (loss.source, loss.sensor, loss.reason) == ("bad", None, "ValueError: it broke")
    assert {trace.source: len(trace.values) for trace in telemetry.traces}["bad"] == 1


def test_a_source_that_cannot_begin_is_dropped() -> None:
    class Broken(Counting):
        def begin(self) -> None:
            raise OSError("no more")

    telemetry = replay([Broken("broken"), Counting("good")], ReplayClock(), 1.0)
    assert [(loss.source, loss.reason) for loss in telemetry.losses] == [("broken", "OSError: no more")]
    assert {trace.source for trace in telemetry.traces} == {"good"}


def test_with_every_source_lost_it_sleeps_until_it_is_stopped(wait_until: WaitUntil) -> None:
    source = Counting(fails_at=1)
    sampler = Sampler([source], period_s=0.01)
    sampler.start()
    wait_until(lambda: source.asked == 1)
    telemetry = sampler.stop()
    assert source.asked == 1
    assert telemetry.traces == ()
    assert Sampler([]).stop() == Telemetry(())


def test_it_starts_again_and_cannot_start_twice() -> None:
    source = Counting()
    sampler = Sampler([source], period_s=10)
    for launch in (1, 2):
        sampler.start()
        with pytest.raises(RuntimeError, match="already runs"):
            sampler.start()
        assert len(sampler.stop().traces[0].values) >= 1
        assert source.begun == launch


class Costly(Counting):
    """Every answer takes as much of the two clocks as it is told to."""

    def __init__(self, clock: ReplayClock, cpu: ReplayClock, cpu_s: float, wall_s: float) -> None:
        super().__init__("costly", 0.1)
        self._clock, self._cpu, self.cpu_s, self.wall_s = clock, cpu, cpu_s, wall_s

    def read(self, now_ns: int) -> list[Reading]:
        self._clock.now_ns += round(self.wall_s * 1e9)
        self._cpu.now_ns += round(self.cpu_s * 1e9)
        return super().read(now_ns)


@pytest.mark.parametrize(
    ("cpu_s", "wall_s", "period_s"),
    [(0.0001, 0.0001, 0.1), (0.004, 0.004, 0.4), (0.0, 0.1, 0.4), (0.2, 0.2, 5.0)],
)
def test_a_dear_source_is_asked_less_often(cpu_s: float, wall_s: float, period_s: float) -> None:
    clock, cpu = ReplayClock(), ReplayClock()
    source = Costly(clock, cpu, cpu_s, wall_s)
    collector = Collector([source], period_s=0.1, clock=clock, cpu_clock=cpu)
    while clock.now_ns < 100e9:
        due_ns = collector.read_due()
        assert due_ns is not None
        clock.now_ns = max(clock.now_ns, due_ns)
    assert collector.periods_s()["costly"] == pytest.approx(period_s)
    if period_s < 5:
        assert cpu.now_ns / clock.now_ns <= 0.0101


def test_a_source_that_became_cheap_is_asked_as_often_as_before() -> None:
    clock, cpu = ReplayClock(), ReplayClock()
    source = Costly(clock, cpu, 0.01, 0.01)
    collector = Collector([source], period_s=0.1, clock=clock, cpu_clock=cpu)
    for turn in range(60):
        source.cpu_s = source.wall_s = 0.01 if turn < 10 else 0.00001
        clock.now_ns = max(clock.now_ns, collector.read_due() or 0)
    assert collector.periods_s()["costly"] == pytest.approx(0.1)


def test_the_same_reason_is_kept_once() -> None:
    class Silent(Counting):
        def read(self, now_ns: int) -> list[Reading]:
            return [Reading("power_w", self.device, now_ns, None, "not told")]

    clock = ReplayClock()
    telemetry = replay([Silent()], clock, 3.0)
    assert len(telemetry.losses) == 1
    assert telemetry.traces[0].points() == []


def test_readings_that_come_late_are_put_in_order() -> None:
    class Late(Counting):
        def read(self, now_ns: int) -> list[Reading]:
            return [Reading("power_w", self.device, t_ns, float(t_ns)) for t_ns in (now_ns, now_ns - 5)]

    telemetry = replay([Late()], ReplayClock(10**9), 1.0)
    points = telemetry.traces[0].points()
    assert points == sorted(points)
    assert all(t_ns == value for t_ns, value in points)


def test_the_real_host_costs_little(tmp_path: Path) -> None:
    source = open_host()
    assert not isinstance(source, Unavailable)
    telemetry = record_trace([source], 1.2, tmp_path / "host.json")
    assert telemetry.find("memory_available_bytes", "cpu")
    assert load_recorded(tmp_path / "host.json") == telemetry
    assert json.loads((tmp_path / "host.json").read_text())["cpu_share"] == telemetry.cpu_share


def test_what_a_library_answered_can_be_recorded_and_replayed(player: Any, tmp_path: Path) -> None:
    kept: list[RecordingLibrary] = []

    def record() -> RecordingLibrary:
        library = ReplayNvml(player.load("nvml_fanless_na"), player.clock)
        kept.append(RecordingLibrary(library, "nvml", clock=player.clock))
        return kept[0]

    source = open_nvml("cuda:0", nvml=record, environ={}, root=player.root)
    assert not isinstance(source, Unavailable)
    first = player.play(source)
    trace = kept[0].to_trace("recorded from a double")
    assert not trace.constructed
    assert not any("UUID" in question for question in trace.answers)
    save_raw(trace, tmp_path / "raw.json")

    player.clock.now_ns = 0
    again = ReplayNvml(load_raw(tmp_path / "raw.json"), player.clock)
    source = open_nvml("cuda:0", nvml=lambda: again, environ={}, root=player.root)
    assert not isinstance(source, Unavailable)
    assert player.play(source) == first


def test_structures_of_a_library_are_recorded_by_field() -> None:
    import ctypes

    class Rates(ctypes.Structure):
        _fields_ = [("gpu", ctypes.c_uint), ("memory", ctypes.c_uint)]

    def refuse(_handle: int) -> None:
        raise RuntimeError("no code")

    library = SimpleNamespace(
        nvmlDeviceGetUtilizationRates=lambda _handle: Rates(3, 4),
        nvmlDeviceGetName=lambda _handle: b"NVIDIA",
        nvmlDeviceGetComputeRunningProcesses=lambda _handle: [object(), object()],
        nvmlDeviceGetFanSpeed=refuse,
        nvmlDeviceGetSerial=lambda _handle: "123",
    )
    recording = RecordingLibrary(library, "nvml", clock=ReplayClock())
    for name in ("nvmlDeviceGetUtilizationRates", "nvmlDeviceGetName", "nvmlDeviceGetComputeRunningProcesses"):
        getattr(recording, name)(0)
    assert recording.nvmlDeviceGetSerial(0) == "123"
    with pytest.raises(RuntimeError):
        recording.nvmlDeviceGetFanSpeed(0)
    answers = {question: values for question, (_, values) in recording.to_trace("").answers.items()}
    assert answers == {
        "nvmlDeviceGetUtilizationRates": ({"gpu": 3, "memory": 4},),
        "nvmlDeviceGetName": ("NVIDIA",),
        "nvmlDeviceGetComputeRunningProcesses": ([None, None],),
        "nvmlDeviceGetFanSpeed": ({"error": 999},),
    }


def test_stopping_does_not_wait_for_the_next_reading() -> None:
    sampler = Sampler([Counting(period_s=3600)])
    sampler.start()
    begin = time.monotonic()
    sampler.stop()
    assert time.monotonic() - begin < 600  # it would be an hour
