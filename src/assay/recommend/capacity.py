"""How many replicas a load takes: from a measured or foretold rate, with how sure that is.

Arrivals are random (Poisson) and every replica is one server whose times are exponential, with one queue before all:
M/M/c. Calls that all take as long wait less than that, so the plan is on the safe side of them; arrivals in bursts wait
more. Source: Erlang 1917, "Solution of some problems in the theory of probabilities of significance in automatic
telephone exchanges"; Gross, Shortle, Thompson, Harris 2008, Fundamentals of Queueing Theory, section 2.3. May import:
core, predict.values, recommend.decision_odds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from assay.core.errors import UsageError
from assay.predict.values import Layer, Prediction, Question
from assay.recommend.decision_odds import probability_below, spread_of

MOST_REPLICAS = 100_000
_HALVINGS = 60
_NS_PER_S = 1e9
_RATE, _LATENCY = "throughput_per_s", "latency_ns"


@dataclass(frozen=True, slots=True)
class Load:
    """``rate_per_s`` units arrive a second. A share of ``wait_share`` is to wait at most ``max_wait_s`` (None: any)."""

    rate_per_s: float
    max_wait_s: float | None = None
    wait_share: float = 0.9


@dataclass(frozen=True, slots=True)
class Margin:
    """Replicas are busy a share of at most ``most_busy``; the plan holds with a probability of ``confidence``."""

    most_busy: float = 0.8
    confidence: float = 0.9


@dataclass(frozen=True, slots=True)
class ReplicaRate:
    """What one replica does: units a second, the standard deviation of their logarithm, USD an hour (None: unknown).

    ``layer`` says whether that was measured or foretold, and by what.
    """

    name: str
    rate_per_s: float
    spread: float
    layer: Layer
    usd_h: float | None = None


@dataclass(frozen=True, slots=True)
class CapacityPlan:
    """Replicas for a load. ``p_meets`` is the probability that wait and margin hold; ``busy`` and waits are expected.

    ``p_wait`` is the share that waits at all, ``mean_wait_s`` of all units; None where the queue grows for ever.
    ``usd_h`` is of all replicas; ``usd_per_million`` of a million units of the load.
    """

    replica: ReplicaRate
    replicas: int
    p_meets: float
    busy: float
    p_wait: float | None
    mean_wait_s: float | None
    usd_h: float | None
    usd_per_million: float | None


def read_rate(name: str, question: Question, answer: Prediction, usd_h: float | None = None) -> ReplicaRate:
    """Take a replica's rate from an answer: its throughput, or its batch over its latency. Raises UsageError."""
    if answer.metric == _RATE:
        rate = answer.value
    elif answer.metric == _LATENCY:
        rate = question.conditions.batch / (answer.value / _NS_PER_S)
    else:
        raise UsageError(f"A capacity needs {_RATE} or {_LATENCY}; got {answer.metric}.")
    return ReplicaRate(name, rate, spread_of(answer), answer.layer, usd_h)


def plan_capacity(load: Load, replica: ReplicaRate, margin: Margin = Margin()) -> CapacityPlan:
    """Return the fewest replicas that carry a load. Raises UsageError for what no number of replicas carries."""
    _check(load, replica, margin)
    floor = max(1, math.floor(load.rate_per_s / replica.rate_per_s))
    lo, hi = 0, floor
    while _probability(load, replica, margin, hi) < margin.confidence:
        lo, hi = hi, 2 * hi
        if hi > MOST_REPLICAS:
            raise UsageError(
                f"{replica.name} would take more than {MOST_REPLICAS} replicas for {load.rate_per_s:g} units a second.",
                hint="Ask for a longer wait, less confidence, or a faster device.",
            )
    while hi - lo > 1:
        middle = (lo + hi) // 2
        if _probability(load, replica, margin, middle) < margin.confidence:
            lo = middle
        else:
            hi = middle
    return judge_replicas(load, replica, hi, margin)


def judge_replicas(load: Load, replica: ReplicaRate, replicas: int, margin: Margin = Margin()) -> CapacityPlan:
    """Say what so many replicas make of a load. Raises UsageError."""
    _check(load, replica, margin)
    if not 1 <= replicas <= MOST_REPLICAS:
        raise UsageError(f"Expected 1 to {MOST_REPLICAS} replicas; got {replicas}.")
    offered = load.rate_per_s / replica.rate_per_s
    stands = offered < replicas
    waits = erlang_c(replicas, offered) if stands else None
    usd_h = None if replica.usd_h is None else replica.usd_h * replicas
    return CapacityPlan(
        replica, replicas, _probability(load, replica, margin, replicas), offered / replicas, waits,
        None if waits is None else waits / (replicas * replica.rate_per_s - load.rate_per_s), usd_h,
        None if usd_h is None else usd_h / 3600 / load.rate_per_s * 1e6,
    )  # fmt: skip


def rank_capacities(plans: Sequence[CapacityPlan]) -> list[CapacityPlan]:
    """Order plans by what they cost, those of unknown price last by replicas."""
    return sorted(plans, key=lambda one: (one.usd_h is None, one.usd_h or 0.0, one.replicas, one.replica.name))


def erlang_c(servers: int, offered: float) -> float:
    """Return the share that has to wait, of ``offered`` (arrivals over the rate of one) below ``servers``.

    By the recursion of Erlang's B, which does not overflow. Raises ValueError for a queue that grows for ever.
    """
    if not 0 <= offered < servers:
        raise ValueError(f"got an offered load of {offered} for {servers} servers; expected it below, and not negative")
    blocked = 1.0
    for count in range(1, servers + 1):
        blocked = offered * blocked / (count + offered * blocked)
    return servers * blocked / (servers - offered * (1 - blocked))


def wait_exceeds(servers: int, arrivals_per_s: float, rate_per_s: float, wait_s: float) -> float:
    """Return the share that waits longer than ``wait_s``; 1 where the queue grows for ever."""
    offered = arrivals_per_s / rate_per_s
    if offered >= servers:
        return 1.0
    return erlang_c(servers, offered) * math.exp(-(servers * rate_per_s - arrivals_per_s) * wait_s)


def least_rate(load: Load, replicas: int, margin: Margin) -> float:
    """Return the rate of one replica from which on so many carry the load within the margin."""
    busy = load.rate_per_s / (replicas * margin.most_busy)
    wait = load.max_wait_s
    allowed = 1 - load.wait_share
    if wait is None or wait_exceeds(replicas, load.rate_per_s, busy, wait) <= allowed:
        return busy
    lo, hi = busy, 2 * busy
    while wait_exceeds(replicas, load.rate_per_s, hi, wait) > allowed:
        lo, hi = hi, 2 * hi
    for _ in range(_HALVINGS):
        middle = (lo + hi) / 2
        if wait_exceeds(replicas, load.rate_per_s, middle, wait) > allowed:
            lo = middle
        else:
            hi = middle
    return hi


def _probability(load: Load, replica: ReplicaRate, margin: Margin, replicas: int) -> float:
    needed = least_rate(load, replicas, margin)
    if replica.spread <= 0:
        return 1.0 if replica.rate_per_s >= needed else 0.0
    # a rate of at least what is needed is a time of at most its inverse
    return probability_below(1 / replica.rate_per_s, replica.spread, 1 / needed)


def _check(load: Load, replica: ReplicaRate, margin: Margin) -> None:
    for what, value in (("load", load.rate_per_s), ("rate of a replica", replica.rate_per_s)):
        if not (math.isfinite(value) and value > 0):
            raise UsageError(f"Expected a {what} above 0 units a second; got {value:g}.")
    for what, share in (
        ("busy share", margin.most_busy), ("confidence", margin.confidence), ("share within the wait", load.wait_share)
    ):  # fmt: skip
        if not 0 < share < 1:
            raise UsageError(f"Expected a {what} between 0 and 1; got {share:g}.")
    if load.max_wait_s is not None and not (math.isfinite(load.max_wait_s) and load.max_wait_s >= 0):
        raise UsageError(f"Expected a wait of 0 s or more; got {load.max_wait_s:g}.")
