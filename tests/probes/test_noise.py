from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from assay.core.words import Verdict
from assay.probes.noise import LIMITS, Limit, NoiseSnapshot, judge_noise, measure_noise, take_snapshot

MakeTree = Callable[[Mapping[str, str]], Path]

BEFORE = NoiseSnapshot(
    wall_ns=1_000_000_000,
    process_cpu_ns=500_000_000,
    involuntary_switches=100,
    voluntary_switches=5,
    major_faults=2,
    psi_cpu_us=1_000_000,
    psi_memory_us=0,
    psi_io_us=10_000,
    busy_ticks=1000,
    steal_ticks=10,
    total_ticks=5000,
    cpus=4,
    clock_mhz=3000.0,
    throttle_events=7,
)
AFTER = NoiseSnapshot(
    wall_ns=3_000_000_000,  # 2 s later
    process_cpu_ns=3_500_000_000,  # 3 s of CPU: 75 % of two threads
    involuntary_switches=160,
    voluntary_switches=9,
    major_faults=3,
    psi_cpu_us=1_500_000,  # half a second of waiting
    psi_memory_us=20_000,
    psi_io_us=30_000,
    busy_ticks=1500,  # 5 s of CPU on the whole machine
    steal_ticks=26,
    total_ticks=5800,  # 8 s: 4 CPUs for 2 s
    cpus=4,
    clock_mhz=2400.0,
    throttle_events=9,
)


def test_witnesses_of_a_region() -> None:
    assert measure_noise(BEFORE, AFTER, samples=20, threads=2) == pytest.approx(
        {
            "involuntary_switches_per_sample": 3.0,
            "involuntary_switches_per_cpu_s": 20.0,
            "cpu_share": 0.75,
            "psi_cpu_some_share": 0.25,
            "psi_memory_some_share": 0.01,
            "psi_io_some_share": 0.01,
            "steal_share": 0.02,
            "other_cpu_share": 0.25,  # 5 s busy - 3 s own, of 8 s
            "other_cpus": 1.0,
            "clock_before_mhz": 3000.0,
            "clock_after_mhz": 2400.0,
            "throttle_events": 2.0,
            "major_faults": 1.0,
        }
    )


def test_a_source_that_is_absent_leaves_its_witness_out() -> None:
    before = NoiseSnapshot(wall_ns=0, process_cpu_ns=0)
    after = NoiseSnapshot(wall_ns=1_000_000_000, process_cpu_ns=900_000_000)
    assert measure_noise(before, after, samples=10, threads=1) == {"cpu_share": pytest.approx(0.9)}
    assert judge_noise({}) == (Verdict.TRUSTED, ())


def test_ticks_say_nothing_about_a_short_region() -> None:
    after = replace(AFTER, wall_ns=BEFORE.wall_ns + 50_000_000)
    found = measure_noise(BEFORE, after, samples=1, threads=1)
    assert not {"steal_share", "other_cpu_share", "other_cpus"} & found.keys()


def test_rounding_of_ticks_never_makes_a_negative_share() -> None:
    after = replace(AFTER, busy_ticks=BEFORE.busy_ticks)
    assert measure_noise(BEFORE, after, samples=1, threads=1)["other_cpu_share"] == 0.0


def test_a_snapshot_reads_a_replayed_machine(make_tree: MakeTree) -> None:
    cpus = "sys/devices/system/cpu"
    root = make_tree(
        {
            "proc/pressure/cpu": "some avg10=1.00 avg60=0.50 total=12345\nfull avg10=0.00 avg60=0.00 total=99\n",
            "proc/stat": "cpu  100 20 30 800 40 5 6 7 50 0\ncpu0 1 0 0 0\ncpu1 1 0 0 0\nintr 5 1 2\n",
            f"{cpus}/cpu0/cpufreq/scaling_cur_freq": "2400000\n",
            f"{cpus}/cpu1/cpufreq/scaling_cur_freq": "3600000\n",
            f"{cpus}/cpu0/thermal_throttle/core_throttle_count": "3\n",
            f"{cpus}/cpu0/thermal_throttle/package_throttle_count": "4\n",
        }
    )
    snapshot = take_snapshot(root=root)
    assert (snapshot.psi_cpu_us, snapshot.psi_io_us) == (12345, None)
    assert (snapshot.busy_ticks, snapshot.steal_ticks, snapshot.total_ticks) == (161, 7, 1008)
    assert (snapshot.cpus, snapshot.clock_mhz, snapshot.throttle_events) == (2, 3600.0, 7)


def test_clocks_fall_back_to_cpuinfo(make_tree: MakeTree) -> None:
    root = make_tree({"proc/cpuinfo": "processor: 0\ncpu MHz: 2445.434\n\nprocessor: 1\ncpu MHz: 2500.5\n"})
    assert take_snapshot(root=root).clock_mhz == 2500.5
    assert take_snapshot(root=make_tree({"proc/cpuinfo": "processor: 0\n"})).clock_mhz is None


def test_a_machine_without_proc_still_has_clocks_and_times(make_tree: MakeTree) -> None:
    snapshot = take_snapshot(root=make_tree({}))
    assert snapshot.wall_ns > 0
    assert (snapshot.psi_cpu_us, snapshot.total_ticks, snapshot.throttle_events) == (None, None, None)


# Launches recorded with benchmarks/noise.py --work torch on 22 November 2026: torch 2.13, 2-core AMD EPYC virtual
# machine (Linux 6.18), a 768 x 768 float32 product timed for 2 s in a fresh process, after waiting for a quiet
# moment. Columns: other_cpu_share, psi_cpu_some_share, involuntary_switches_per_cpu_s, cpu_share, steal_share;
# the median of the samples stands beside each.
RECORDED = {
    "nobody else, 2 threads": (
        Verdict.TRUSTED,
        [
            (0.0053, 0.0071, 6.8, 0.982, 0.0125),  # 6.39 ms
            (0.0021, 0.0046, 8.3, 0.995, 0.0025),  # 6.69 ms
            (0.0024, 0.0050, 6.3, 0.993, 0.0050),  # 6.13 ms
            (0.0019, 0.0048, 15.8, 0.996, 0.0025),  # 6.85 ms
            (0.0061, 0.0086, 16.8, 0.991, 0.0025),  # 6.51 ms
        ],
    ),
    "nobody else, 1 thread": (
        Verdict.TRUSTED,
        [
            (0.0003, 0.0001, 2.5, 0.997, 0.0074),  # 11.77 ms
            (0.0407, 0.0233, 17.6, 0.992, 0.0025),  # 12.94 ms
            (0.0044, 0.0003, 2.5, 0.999, 0.0025),  # 12.35 ms
        ],
    ),
    "a neighbour at 25 % duty": (
        Verdict.NOISY,
        [
            (0.0888, 0.1475, 33.3, 0.876, 0.0025),  # 6.48 ms
            (0.0918, 0.1574, 34.9, 0.865, 0.0025),  # 9.92 ms
            (0.0902, 0.1515, 41.4, 0.872, 0.0100),  # 7.12 ms
            (0.0927, 0.1642, 47.9, 0.865, 0.0025),  # 6.49 ms
        ],
    ),
    "a spinning neighbour": (
        Verdict.CONTAMINATED,
        [
            (0.4943, 0.5000, 247.0, 0.501, 0.0025),  # 23.99 ms
            (0.4867, 0.4982, 241.9, 0.496, 0.0124),  # 24.00 ms
            (0.5148, 0.5950, 265.9, 0.483, 0.0025),  # 24.02 ms
            (0.7116, 0.9692, 287.6, 0.273, 0.0149),  # 45.13 ms, a second neighbour came by
        ],
    ),
    "a spinning neighbour at nice 19": (
        Verdict.CONTAMINATED,
        [
            (0.5013, 0.5030, 254.7, 0.499, 0.0000),  # 23.99 ms
            (0.4984, 0.5023, 258.5, 0.499, 0.0025),  # 24.01 ms
        ],
    ),
    "a spinning neighbour beside 1 thread": (
        Verdict.CONTAMINATED,
        [
            (0.5006, 0.0057, 10.0, 0.994, 0.0025),  # 11.53 ms
            (0.5003, 0.0068, 6.0, 0.999, 0.0025),  # 11.48 ms
        ],
    ),
}
COLUMNS = (
    "other_cpu_share",
    "psi_cpu_some_share",
    "involuntary_switches_per_cpu_s",
    "cpu_share",
    "steal_share",
)


@pytest.mark.parametrize("situation", RECORDED)
def test_recorded_launches_are_judged_as_they_were(situation: str) -> None:
    expected, launches = RECORDED[situation]
    for launch in launches:
        verdict, reasons = judge_noise(dict(zip(COLUMNS, launch, strict=True)))
        assert verdict is expected, (launch, reasons)
        assert bool(reasons) is (expected is not Verdict.TRUSTED)


def test_reasons_carry_value_and_limit() -> None:
    verdict, reasons = judge_noise({"other_cpu_share": 0.48})
    assert verdict is Verdict.CONTAMINATED
    assert reasons == ("other processes used 48 % of the machine's CPU while timing (limit 20 %)",)


def test_the_worst_reason_comes_first() -> None:
    verdict, reasons = judge_noise({"other_cpu_share": 0.15, "psi_cpu_some_share": 0.9})
    assert verdict is Verdict.CONTAMINATED
    assert [reason.split()[0] for reason in reasons] == ["some", "other"]


def test_a_process_that_crowds_itself_is_told_so() -> None:
    crowded = {"psi_cpu_some_share": 0.97, "involuntary_switches_per_cpu_s": 300.0, "other_cpu_share": 0.01}
    _, with_others = judge_noise({**crowded, "other_cpus": 1.2})
    _, alone = judge_noise({**crowded, "other_cpus": 0.02})
    assert not any("fewer threads" in reason for reason in with_others)
    assert all("use fewer threads" in reason for reason in alone)


def test_a_falling_clock_is_noisy() -> None:
    verdict, reasons = judge_noise({"clock_before_mhz": 3000.0, "clock_after_mhz": 2400.0})
    assert verdict is Verdict.NOISY
    assert reasons == ("the CPU clock was 20 % lower after the timing than before (limit 10 %)",)
    assert judge_noise({"clock_before_mhz": 2400.0, "clock_after_mhz": 3000.0})[0] is Verdict.TRUSTED


def test_a_device_that_others_use_is_contaminated() -> None:
    verdict, reasons = judge_noise({"device_other_processes": 2.0, "device_throttled_share": 0.05})
    assert verdict is Verdict.CONTAMINATED
    assert reasons == ("2 other processes used the device", "the device was throttled during 5 % of the timing")


@pytest.mark.parametrize("limit", LIMITS, ids=[limit.witness for limit in LIMITS])
def test_every_rule_is_ordered_and_silent_below_its_limit(limit: Limit) -> None:
    assert limit.contaminated is None or limit.noisy <= limit.contaminated
    assert judge_noise({limit.witness: limit.noisy})[0] is Verdict.TRUSTED


WORK = """
import json, time, numpy
from assay.probes.noise import measure_noise, take_snapshot
table = numpy.ones((512, 512), dtype=numpy.float32)
for _ in range(20):
    table @ table
samples, before = 0, take_snapshot()
end = time.perf_counter() + 1.0
while time.perf_counter() < end:
    table @ table
    samples += 1
print(json.dumps(measure_noise(before, take_snapshot(), samples=samples, threads=2)))
"""


@contextmanager
def two_cpus() -> Iterator[None]:
    """Let this process's children have two processors, however many the machine has."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(allowed)[:2])
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


@pytest.mark.skipif(not Path("/proc/pressure/cpu").exists(), reason="this kernel keeps no pressure accounts")
def test_a_spinning_neighbour_contaminates_a_real_timing() -> None:
    threads = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "2")
    with two_cpus():
        neighbour = subprocess.Popen([sys.executable, "-c", "while True: pass"], start_new_session=True)
        try:
            time.sleep(0.2)
            done = subprocess.run(
                [sys.executable, "-c", WORK],
                env={**os.environ, **threads},
                check=True,
                capture_output=True,
                text=True,
            )
        finally:
            neighbour.kill()
            neighbour.wait()
    witnesses = json.loads(done.stdout)
    verdict, reasons = judge_noise(witnesses)
    assert verdict is Verdict.CONTAMINATED, witnesses
    assert any("waited for a CPU" in reason for reason in reasons), reasons
