"""Noise of a program of several processes, by launches of real browsers."""

from __future__ import annotations

import pytest

from assay.core.words import Verdict
from assay.probes.noise import judge_noise

# Launches of `assay run --suite web` on 22 November 2026: Chromium 156 (WebNN: 147) headless, eight processes, 2-core
# AMD EPYC virtual machine. Columns: other_cpus, psi_cpu_some_share, involuntary_switches_per_cpu_s; medians beside.
RECORDED = {
    "nobody else": (
        Verdict.TRUSTED,
        [
            (0.000, 0.021, 97.0),  # WebAssembly, bert/tiny, 1 thread, 8.59 ms
            (0.013, 0.008, 57.0),  # whisper-encoder/tiny, 1 thread, 239 ms
            (0.020, 0.062, 138.4),  # resnet/tiny, 2 threads, 15.7 ms
            (0.012, 0.179, 202.7),  # bert/tiny, 2 threads, 5.65 ms
            (0.000, 0.146, 1767.8),  # WebNN, bert/tiny, 5.57 ms
            (0.018, 0.051, 469.0),  # WebNN, resnet/tiny, 8.85 ms
            (0.022, 0.168, 1427.9),  # WebGPU by SwiftShader, bert/tiny, 133 ms
        ],
    ),
    "nobody else, and it was in its own way": (
        Verdict.NOISY,
        [(0.024, 0.253, 217.0)],  # bert/tiny, 2 threads, 6.12 ms where its fastest launch took 3.82 ms
    ),
    "a spinning neighbour": (
        Verdict.CONTAMINATED,
        [
            (0.996, 0.884, 385.1),  # WebAssembly, bert/tiny, 1 thread, 11.2 ms
            (0.900, 0.113, 185.4),  # resnet/tiny, 1 thread, 24.9 ms
            (1.180, 0.978, 404.0),  # whisper-encoder/tiny, 2 threads, 385 ms
            (0.612, 0.714, 980.8),  # WebGPU by SwiftShader, resnet/tiny, 361 ms
            (1.055, 0.768, 441.1),  # WebNN, vit/tiny, 145 ms
            (0.791, 0.351, 1027.6),  # WebNN, resnet/tiny, 8.76 ms
        ],
    ),
    "a neighbour at 25 % duty": (Verdict.NOISY, [(0.18, 0.15, 120.0)]),  # composed: of its CPU share alone
}


def witnesses(launch: tuple[float, float, float], processes: float = 8.0) -> dict[str, float]:
    others, stall, switches = launch
    return {
        "other_cpus": others, "other_cpu_share": others / 2, "psi_cpu_some_share": stall,
        "involuntary_switches_per_cpu_s": switches, "timed_processes": processes,
    }  # fmt: skip


@pytest.mark.parametrize("situation", RECORDED)
def test_recorded_launches_are_judged_as_they_were(situation: str) -> None:
    expected, launches = RECORDED[situation]
    for launch in launches:
        verdict, reasons = judge_noise(witnesses(launch))
        assert verdict is expected, (launch, reasons)
        assert bool(reasons) is (expected is not Verdict.TRUSTED)


def test_a_program_in_its_own_way_is_told_so() -> None:
    _, reasons = judge_noise(witnesses((0.02, 0.253, 217.0)))
    (reason,) = reasons
    stall, _, why = reason.partition("; ")
    assert stall == "some process waited for a CPU during 25 % of the timing (limit 20 %)"
    assert why == "nothing else was running, so its own processes waited for each other: use fewer threads"


def test_one_process_is_judged_as_before() -> None:
    verdict, reasons = judge_noise(witnesses((0.012, 0.179, 202.7), processes=1.0))
    assert verdict is Verdict.CONTAMINATED
    assert len(reasons) == 2
