"""What ranks spend on exchanging: found by leaving the exchange out, by making nothing else, and by the profiler.

No one of these is the truth: the first is what a step waits for, the second what the exchange takes by itself, the
third how long some of it was under way, computing beside it or not. docs/distributed.md says how they relate. May
import: core, engines, runner; torch inside functions.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assay.core.records import MetricValue, SampleSeries
from assay.core.units import format_bytes
from assay.engines.training_base import TrainingSession
from assay.runner.measure import Clock
from assay.runner.rank_group import Group
from assay.runner.rank_steps import Losses, PartTimes, make_step

if TYPE_CHECKING:
    import torch

EXPOSED, ALONE, PROFILER = "exposed", "alone", "profiler"
"""The phases of ``communication_ns`` and ``communication_share``: how it was found."""
WORK = ("forward", "loss_time", "backward")
"""The parts of a step in which ranks exchange."""
_KIB, _MIB = 1 << 10, 1 << 20
MESSAGE_BYTES = {"cpu": (4 * _KIB, 64 * _KIB, _MIB, 16 * _MIB), "cuda": (64 * _KIB, _MIB, 16 * _MIB, 256 * _MIB)}
"""Sizes of messages of an all-reduce, by torch's type of device: from what only waits to what only carries."""
_FEWEST_REPEATS, _MOST_REPEATS = 5, 50
_MESSAGE_BUDGET_NS = 250_000_000
_PROFILED_STEPS = 3
_EXCHANGES = ("gloo:", "nccl:", "nccldevkernel", "nccl_kernel")
"""Beginnings of the names under which PyTorch's profiler has collectives: of gloo and NCCL, and NCCL's kernels."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """What one rank found out about the exchange, in ns a step; None where that way does not exist here."""

    exposed_ns: float | None
    alone_ns: float | None
    profiler_ns: float | None
    messages: tuple[tuple[int, tuple[int, ...]], ...] = ()
    """Bytes of a message, and what each all-reduce of it took in ns."""


def measure_exposed(loud: PartTimes, quiet: PartTimes) -> float:
    """Forward, loss and backward with the exchange, less the same without: what a step waits for, in ns."""
    return loud.median_ns(*WORK) - quiet.median_ns(*WORK)


def measure_alone(
    exchange: Callable[[], None] | None, wait: Callable[[], None], repeats: int, clock: Clock = time.perf_counter_ns
) -> float | None:
    """Median time of the whole exchange of a step with nothing else going on, in ns."""
    return None if exchange is None else statistics.median(_repeat(exchange, wait, repeats, clock))


def measure_messages(
    group: Group, device: torch.device, wait: Callable[[], None], clock: Clock = time.perf_counter_ns
) -> tuple[tuple[int, tuple[int, ...]], ...]:
    """Time all-reduces of growing float32 messages, as often as fits a quarter of a second each."""
    import torch
    import torch.distributed as dist

    found = []
    for size in MESSAGE_BYTES.get(device.type, MESSAGE_BYTES["cpu"]):
        message = torch.zeros(size // 4, dtype=torch.float32, device=device)

        def reduce(message: torch.Tensor = message) -> None:
            dist.all_reduce(message)

        once = _repeat(reduce, wait, _FEWEST_REPEATS, clock)
        fit = _MESSAGE_BUDGET_NS // max(1, round(statistics.median(once)))
        count = group.agree(max(_FEWEST_REPEATS, min(_MOST_REPEATS, fit)))
        found.append((size, tuple(_repeat(reduce, wait, count, clock))))
    return tuple(found)


def _repeat(action: Callable[[], None], wait: Callable[[], None], count: int, clock: Clock) -> list[int]:
    action()
    wait()
    times = []
    for _ in range(count):
        start = clock()
        action()
        wait()
        times.append(clock() - start)
    return times


def profile_exchange(training: TrainingSession, losses: Losses) -> float:
    """Make some steps under torch.profiler; return for how long a collective was under way a step, in ns."""
    from torch.profiler import ProfilerActivity, profile

    activities = [ProfilerActivity.CPU]
    on_device = training.session.synchronize is not None
    if on_device:
        activities.append(ProfilerActivity.CUDA)
    with profile(activities=activities) as profiler:
        for _ in range(_PROFILED_STEPS):
            make_step(training, losses)
    return collectives_ns(profiler.events(), on_device=on_device) / _PROFILED_STEPS


def collectives_ns(events: Iterable[Any], *, on_device: bool) -> float:
    """For how long any collective of a profile was under way, in ns; the profiler's times are in microseconds.

    On a GPU the kernels are the exchange: what the CPU records beside them is only the asking for it.
    """
    chosen = (
        event
        for event in events
        if event.name.lower().startswith(_EXCHANGES) and (not on_device or _is_on_device(event))
    )
    return 1000 * cover((event.time_range.start, event.time_range.end) for event in chosen)


def _is_on_device(event: Any) -> bool:
    return str(event.device_type).rpartition(".")[2] in {"CUDA", "HIP"}


def cover(spans: Iterable[tuple[float, float]]) -> float:
    """Length of the union of some spans: two collectives at once count once."""
    total, reached = 0.0, float("-inf")
    for begin, end in sorted(spans):
        total += max(0.0, end - max(begin, reached))
        reached = max(reached, end)
    return total


# -- to metrics ------------------------------------------------------------------------------------------------


def describe_exchange(exchange: Exchange, *, ranks: int, step_ns: float, silent_reason: str) -> list[MetricValue]:
    """Communication of a step by each way, and its share of the step. ``silent_reason`` is why a way is missing.

    One rank exchanges nothing, whatever its wrapper costs.
    """
    found = []
    for phase, value in ((EXPOSED, exchange.exposed_ns), (ALONE, exchange.alone_ns), (PROFILER, exchange.profiler_ns)):
        known, why = value, silent_reason
        if ranks == 1:
            known, why = None, "one rank exchanges nothing"
        elif value is not None and value < 0:
            known, why = None, f"below the noise: a step with the exchange was {-value / 1e6:.3g} ms faster"
        share = None if known is None else known / step_ns
        reason = why if known is None else None
        found += [
            MetricValue("communication_ns", known, "ns", phase=phase, reason=reason),
            MetricValue("communication_share", share, "1", phase=phase, reason=reason),
        ]
    for size, times in exchange.messages:
        rate = bus_bandwidth(size, statistics.median(times), ranks)
        reason = "one rank sends nothing" if rate is None else None
        found.append(
            MetricValue("all_reduce_bytes_per_s", rate, "B/s", phase=name_size(size), n=len(times), reason=reason)
        )
    return found


def name_size(size: int) -> str:
    """A size as a phase: ``64 KiB``."""
    return format_bytes(size)


def bus_bandwidth(size: int, time_ns: float, ranks: int) -> float | None:
    """Bytes/s that an all-reduce moved over each link, None for one rank.

    2 (n - 1) / n x size / time: what each rank must at least send and receive, whatever the algorithm. Source: NVIDIA's
    nccl-tests, doc/PERFORMANCE.md, "busbw".
    """
    return None if ranks == 1 else 2 * (ranks - 1) / ranks * size / time_ns * 1e9


def straggler_ratio(work_ns: Sequence[float]) -> float:
    """Work of the slowest rank over that of the median rank: what the others wait for is not in it."""
    return max(work_ns) / statistics.median(work_ns)


def message_series(exchange: Exchange) -> list[SampleSeries]:
    """The raw times of the all-reduces, one series a size (``all_reduce_65536``)."""
    return [SampleSeries(f"all_reduce_{size}", "ns", times) for size, times in exchange.messages]
