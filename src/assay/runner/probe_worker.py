"""The process of one launch of the device probe.

Started as ``python -m assay.runner.probe_worker`` by ``probe_process``: one job from standard input, one outcome. May
import: core, catalog, engines, probes, runner.
"""

from __future__ import annotations

import contextlib
import faulthandler
import functools
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from assay.core.errors import EngineError
from assay.runner.child import describe_failure, die_with_parent, volunteer_for_the_oom_killer
from assay.runner.probe_process import Probed, ProbeJob, Rate

if TYPE_CHECKING:
    import torch

    from assay.probes.rates.measure import MeasuredRates, RateSetup
    from assay.probes.rates.timing import Reading

_OUT_OF_MEMORY_WORDS = ("out of memory", "can't allocate memory", "not enough memory", "bad_alloc")


class _Pipe:
    """The way to the supervisor, and the phase we are in."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.phase = "start"

    def say(self, content: Mapping[str, Any]) -> None:
        data = (json.dumps(content) + "\n").encode()
        while data:
            data = data[os.write(self._descriptor, data) :]

    def begin(self, phase: str) -> None:
        self.phase = phase
        self.say({"phase": phase})


def main() -> None:
    """Read one job, measure, say the outcome, exit 0 (also where it failed)."""
    descriptor = os.dup(1)
    os.dup2(2, 1)  # whatever a library prints must not reach the supervisor as a message
    faulthandler.enable()
    die_with_parent()
    volunteer_for_the_oom_killer()
    pipe = _Pipe(descriptor)
    job = ProbeJob.from_line(sys.stdin.readline())
    try:
        pipe.say({"probed": asdict(probe(job, pipe.begin))})
    except BaseException as error:  # noqa: BLE001  (a backend may raise anything; all of it is a result)
        failed = describe_failure(error, pipe.phase, is_out_of_memory=_is_out_of_memory)
        pipe.say({"failed": {"status": failed.status.value, "reason": failed.reason, "phase": failed.phase}})


def probe(job: ProbeJob, begin: Callable[[str], None]) -> Probed:
    """Measure the device in this process. ``begin`` is told what is being done.

    Raises EngineError where the device's synchronization does not hold: then no timing of it means anything.
    """
    clock = time.perf_counter_ns
    started_ns = clock()
    begin("import")
    import torch

    from assay.engines.torch_device import describe_build, find_device, hardware_name, make_current
    from assay.probes.noise import measure_noise, take_snapshot
    from assay.probes.rates.measure import measure_rates

    torch.set_num_threads(job.threads)
    device = find_device(job.device)
    make_current(device)
    imported_ns = clock()
    begin("sync self-test")
    facts = {**describe_build(device), "sync_check": _check_sync(job.device)}
    checked_ns = clock()
    setup = _make_setup(job, device, begin)
    before = take_snapshot()
    rates = measure_rates(setup)
    after = take_snapshot()
    series = tuple(reading.series for reading in _readings(rates))
    samples = sum(len(one.values) for one in series)
    return Probed(
        rates=tuple(_rates(rates)),
        series=series,
        missing=rates.missing,
        costs_ns={
            "import": imported_ns - started_ns,
            "sync_check": checked_ns - imported_ns,
            "measure": clock() - checked_ns,
        },
        witnesses=measure_noise(before, after, samples=samples, threads=job.threads, cpus=os.cpu_count() or 1),
        facts=facts,
        threads=torch.get_num_threads(),
        hardware=hardware_name(device),
    )


def _make_setup(job: ProbeJob, device: torch.device, begin: Callable[[str], None]) -> RateSetup:
    from assay.engines.torch_device import find_synchronizer, set_fp32_arithmetic
    from assay.probes.cpu import collect_cpu
    from assay.probes.rates.kernels import largest_working_set, native_precisions
    from assay.probes.rates.measure import RateSetup, Windows

    kind = job.device.partition(":")[0]
    cpu = collect_cpu()
    last_cache, memory, capability = _read_memories(device, cpu)
    native = native_precisions(kind, isa=tuple(cpu["isa"] or ()), capability=capability)
    largest = largest_working_set(kind, last_cache_bytes=last_cache, memory_bytes=memory)
    select = functools.partial(_select, device, set_fp32_arithmetic)
    return RateSetup(
        device,
        kind,
        job.precisions or native,
        largest,
        find_synchronizer(device),
        select=select,
        say=begin,
        windows=Windows().scaled(job.window_scale),
    )


def _select(device: torch.device, set_arithmetic: Callable[..., None], precision: str) -> None:
    """Make fp32 mean fp32, and TF32 only what was asked for as TF32."""
    if device.type == "cuda":
        set_arithmetic(device, is_tf32=precision == "tf32")
    elif precision == "tf32":
        raise EngineError(f"{device.type} has no TF32")


def _read_memories(
    device: torch.device, cpu: Mapping[str, Any]
) -> tuple[int | None, int | None, tuple[int, int] | None]:
    """Bytes of the last cache, bytes of memory, and NVIDIA's compute capability, as far as they are told."""
    import torch

    from assay.probes.memory import available_memory_bytes

    if device.type == "cuda":
        properties = torch.cuda.get_device_properties(device)
        capability = None if torch.version.hip else (int(properties.major), int(properties.minor))
        return getattr(properties, "L2_cache_size", None), int(torch.cuda.mem_get_info(device)[0]), capability
    if device.type == "cpu":
        caches = cpu.get("caches") or {}
        return caches.get("l3_bytes") or caches.get("l2_bytes"), available_memory_bytes(), None
    return None, None, None


def _check_sync(device: str) -> str:
    """Prove that timing covers device work, and say how that went.

    Raises EngineError where it does not on an accelerator. Calls on the CPU are synchronous by nature: there a failure
    means that something disturbed the check, which is said and nothing more.
    """
    from assay.engines.sync_check import check_sync

    checked = check_sync(device)
    if not checked.has_passed and device != "cpu":
        raise EngineError(
            f"The sync self-test of {device} failed: {checked.reason}.",
            hint="Timings of this device do not cover its work, so nothing was measured.",
        )
    return f"{'passed' if checked.has_passed else 'disturbed'}: {checked.reason}"


def _readings(rates: MeasuredRates) -> Iterator[Reading]:
    yield rates.tiny
    for found in rates.gemm.values():
        yield from found
    yield from rates.convolution.values()
    yield from rates.read.values()
    yield rates.copy


def _rates(rates: MeasuredRates) -> Iterator[Rate]:
    """Turn readings into the numbers of this launch, under the names the store knows."""
    from assay.catalog.probe_metrics import (
        CACHE_BANDWIDTH,
        CONVOLUTION_RATE,
        COPY_BANDWIDTH,
        GEMM_RATE,
        LAUNCH_OVERHEAD,
    )
    from assay.probes.rates.kernels import size_text
    from assay.probes.rates.measure import best_reading

    for precision, found in rates.gemm.items():
        fastest = best_reading(found)
        yield Rate(GEMM_RATE.name, precision, fastest.rate_per_s, max(one.best_rate_per_s for one in found))
    for precision, one in rates.convolution.items():
        yield Rate(CONVOLUTION_RATE.name, precision, one.rate_per_s, one.best_rate_per_s)
    for size, one in rates.read.items():
        yield Rate(CACHE_BANDWIDTH.name, size_text(size), one.rate_per_s, one.best_rate_per_s)
    yield Rate(COPY_BANDWIDTH.name, "steady", rates.copy.rate_per_s, rates.copy.best_rate_per_s)
    yield Rate(LAUNCH_OVERHEAD.name, "steady", rates.tiny.median_call_ns, rates.tiny.best_call_ns)


def _is_out_of_memory(error: BaseException) -> bool:
    return isinstance(error, RuntimeError) and any(words in str(error).lower() for words in _OUT_OF_MEMORY_WORDS)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()
