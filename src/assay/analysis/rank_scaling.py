"""What more ranks bring: results of one training that differ in the number of ranks, as lines with their efficiency.

Weak scaling gives every rank as much work as before, strong scaling shares one and the same work out. In both,
efficiency is the rate over what as many ranks would do at best: rate(n) / rate(first) x first / n. May import: core,
engines, stats.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from assay.core.case import Case
from assay.core.records import MetricValue, ResultRecord
from assay.core.words import Mode, Verdict
from assay.engines.distributed_plan import batches_of_a_step

_DEFAULT_STRATEGY = "ddp"
_HOW_IT_IS_SHARED = ("ranks", "strategy")


class Growth(StrEnum):
    """What stays the same while ranks are added."""

    WEAK = "weak"
    STRONG = "strong"


@dataclass(frozen=True, slots=True)
class Sharing:
    """How one result shares its work: ranks, strategy, samples of a step in all (``whole``)."""

    ranks: int
    strategy: str
    whole: int

    @property
    def of_a_rank(self) -> float:
        """Samples of a step for each rank."""
        return self.whole / self.ranks


@dataclass(frozen=True, slots=True)
class RankStep:
    """One number of ranks on a line; ``first`` is what it is held against.

    Without a rate nothing follows: it failed, its numbers may not be used, or its timing was contaminated.
    """

    result: ResultRecord
    sharing: Sharing
    rate: MetricValue | None
    first: RankStep | None

    @property
    def speedup(self) -> float | None:
        """Rate over that of the fewest ranks."""
        if self.rate is None or self.rate.value is None or self.first is None:
            return None
        base = self.first.rate
        return None if base is None or not base.value else self.rate.value / base.value

    @property
    def efficiency(self) -> float | None:
        """Speed-up over the ratio of the numbers of ranks: 1 is ideal."""
        speedup = self.speedup
        return (
            None if speedup is None or self.first is None else speedup * self.first.sharing.ranks / self.sharing.ranks
        )

    @property
    def efficiency_bounds(self) -> tuple[float, float] | None:
        """The least and most that the intervals of both rates allow; None where one has none, and for the first."""
        base = self.first.rate if self.first is not None else None
        if self.rate is None or self.first is None or base is None or self.first.result is self.result:
            return None
        ends = (self.rate.ci_lo, self.rate.ci_hi, base.ci_lo, base.ci_hi)
        if any(not end for end in ends):
            return None
        low, high, base_low, base_high = (float(end or 0) for end in ends)
        share = self.first.sharing.ranks / self.sharing.ranks
        return low / base_high * share, high / base_low * share


@dataclass(frozen=True, slots=True)
class RankLine:
    """Results of one training on growing numbers of ranks, fewest first."""

    growth: Growth
    label: str
    strategy: str
    steps: tuple[RankStep, ...]

    @property
    def last(self) -> RankStep | None:
        """The step with most ranks that has an efficiency."""
        known = [step for step in self.steps if step.efficiency is not None]
        return known[-1] if known else None


def find_rank_lines(results: Iterable[ResultRecord]) -> list[RankLine]:
    """Sort measured trainings into lines of at least two numbers of ranks, weak ones first.

    Of several results for one number of ranks the newest counts; results come oldest first. What differs in anything
    else but ranks, and for strong lines the batch of a rank, is another line.
    """
    groups: dict[tuple[Any, ...], dict[int, tuple[Sharing, ResultRecord]]] = {}
    for result in results:
        case = result.case
        if not isinstance(case, Case) or case.mode is not Mode.TRAINING:
            continue
        sharing = read_sharing(case)
        common = _common_key(result, case, sharing.strategy)
        for growth, size in ((Growth.WEAK, sharing.of_a_rank), (Growth.STRONG, float(sharing.whole))):
            groups.setdefault((growth, size, *common), {})[sharing.ranks] = (sharing, result)
    lines = [_make_line(key[0], key[1], members) for key, members in groups.items() if len(members) > 1]
    return sorted(lines, key=lambda line: (line.growth is not Growth.WEAK, -len(line.steps), line.label))


def read_sharing(case: Case) -> Sharing:
    """Read ranks and strategy of a training; one without both is of one rank."""
    options = dict(case.options)
    ranks, strategy = int(options.get("ranks", 1)), str(options.get("strategy", _DEFAULT_STRATEGY))
    batches = batches_of_a_step(strategy, ranks) * int(options.get("accumulate", 1))
    return Sharing(ranks, strategy, case.batch * batches)


def _common_key(result: ResultRecord, case: Case, strategy: str) -> tuple[Any, ...]:
    options = tuple(sorted((name, value) for name, value in case.options if name not in _HOW_IT_IS_SHARED))
    return (
        case.workload, case.engine, case.device.partition(":")[0], case.precision, tuple(case.shape), options, strategy,
        result.hardware,
    )  # fmt: skip


def _make_line(growth: Growth, size: float, members: dict[int, tuple[Sharing, ResultRecord]]) -> RankLine:
    steps: list[RankStep] = []
    first: RankStep | None = None
    for ranks in sorted(members):
        sharing, result = members[ranks]
        is_fit = result.is_usable and result.verdict is not Verdict.CONTAMINATED
        rate = result.metric("throughput_per_s") if is_fit else None
        step = RankStep(result, sharing, rate if rate is not None and rate.value else None, first)
        if first is None and step.rate is not None:
            # The first is held against itself: its speed-up is 1.
            base = RankStep(result, sharing, step.rate, None)
            first = base
            step = RankStep(result, sharing, step.rate, base)
        steps.append(step)
    newest = steps[-1].result.case
    strategy = steps[-1].sharing.strategy
    return RankLine(growth, _label(newest, growth, size, strategy), strategy, tuple(steps))


def _label(case: Any, growth: Growth, size: float, strategy: str) -> str:
    each = f"batch {size:g} a rank" if growth is Growth.WEAK else f"batch {size:g} in all"
    words = [case.workload, strategy, case.device.partition(":")[0], str(case.precision), each]
    words += [f"{name} {value}" for name, value in case.shape]
    words += [f"{name} {value}" for name, value in case.options if name not in _HOW_IT_IS_SHARED]
    return " · ".join(words)
