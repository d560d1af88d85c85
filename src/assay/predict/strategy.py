"""How one model's work may be shared out over several devices: what each holds, how long it takes, what fits.

The time of one device's part is the estimator's, the time of what they exchange `collectives_kind`'s. Each part is
tested alone; their sum is not, where nobody published such times, and then it says so. Formulas, sources and figures:
docs/predict-strategy.md. May import: core, predict.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from assay.core.absence import Unavailable
from assay.core.errors import UnsupportedError, UsageError
from assay.core.units import format_bytes, format_duration_ns
from assay.predict.collectives import Collective, MeasuredLink, describe_message
from assay.predict.collectives_model import CollectivesModel, ExchangeTime
from assay.predict.graphs import profile_at
from assay.predict.layers import Estimator
from assay.predict.measured import MeasuredNumbers
from assay.predict.memory import MemoryEstimate, context_bytes
from assay.predict.strategy_blocks import Blocks
from assay.predict.strategy_memory import GRADIENT_BYTES, Strategy, cut_graph, estimate_part
from assay.predict.values import LEVELS, Abstention, Interval, Prediction, Question

NOT_VALIDATED = "not validated: no tested interval says how far off this time may be"
FITS_BELOW = 0.5
"""Probability of running out of memory below which a plan is said to fit."""
_LIKELY_TOO_LARGE = 0.05
_BUCKET_BYTES = 25 << 20
"""Gradients that DDP exchanges together; the last ones have nothing left to hide behind (Li et al. 2020, 4.2)."""
_BACKWARD = 2 / 3
"""Share of a step in which gradients come about: the backward pass does twice the work of the forward pass (Kaplan et
al. 2020, arXiv:2001.08361, 2.1)."""
_MOST_MICRO_BATCHES = 64
_TRAINING = "training"
_HALF_WIDE = ("fp16", "bf16", "int8", "int4", "fp8")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What is known beside the question: exchanges, links measured by hardware and ranks, the model's layers."""

    exchanges: CollectivesModel = field(default_factory=CollectivesModel)
    links: Mapping[tuple[str, int], MeasuredLink] = field(default_factory=dict)
    blocks: Blocks | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """One way to share the work. Times in ns of a call, or of a step of training; ``rate_per_s`` is of all devices.

    ``exchange_ns`` counts in full; ``hideable_ns`` of it may hide behind computing at best. ``bubble`` is the share of
    time that a device of a pipeline waits. ``bounds`` add up the tested intervals of the parts, as if both were off the
    same way: what they hold is not tested unless ``is_validated``. ``refused`` says why there is no time.
    """

    strategy: Strategy
    devices: int
    question: Question
    latency_ns: float | None = None
    rate_per_s: float | None = None
    compute: Prediction | None = None
    compute_ns: float = 0.0
    exchange_ns: float = 0.0
    hideable_ns: float = 0.0
    bubble: float = 0.0
    micro_batches: int = 1
    memory: MemoryEstimate | None = None
    p_out_of_memory: float | None = None
    bounds: tuple[Interval, ...] = ()
    is_validated: bool = False
    reasons: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    refused: str | None = None

    @property
    def fits(self) -> bool:
        """True where each device probably holds its part, and where nobody can say."""
        return self.p_out_of_memory is None or self.p_out_of_memory < FITS_BELOW

    @property
    def is_answered(self) -> bool:
        """True for a plan with a time that fits."""
        return self.refused is None and self.latency_ns is not None and self.fits


def strategies_for(mode: str, devices: int) -> tuple[Strategy, ...]:
    """Return what may be tried with so many devices, the plainest first."""
    if devices == 1:
        return (Strategy.SINGLE,)
    if mode == _TRAINING:
        return (Strategy.DDP, Strategy.FSDP, Strategy.TENSOR, Strategy.PIPELINE)
    return (Strategy.REPLICAS, Strategy.TENSOR, Strategy.PIPELINE)


def plan_strategies(
    question: Question, counts: Sequence[int], estimator: Estimator, around: Surroundings,
    *, strategies: Sequence[Strategy] | None = None,
) -> list[Plan]:  # fmt: skip
    """Return every plan for a question of latency on one device, best first.

    Those that fit and have a time come first: by the rate in training, else by the time of a call, fewer devices
    before more. Raises UsageError for another metric, no graph, or a count below 1.
    """
    if question.metric != "latency_ns" or question.graph is None:
        raise UsageError("Work is shared out by the time of a call and its graph: ask for latency_ns of a known model.")
    if not counts or min(counts) < 1:
        raise UsageError(f"got {list(counts)} devices; expected counts from 1 on.")
    found = []
    for devices in sorted(set(counts)):
        found += [
            make_plan(question, one, devices, estimator, around)
            for one in strategies_for(question.conditions.mode, devices)
            if strategies is None or one in strategies
        ]
    return sorted(found, key=_order)


def make_plan(question: Question, strategy: Strategy, devices: int, estimator: Estimator, around: Surroundings) -> Plan:
    """Return one plan; one that cannot be says so in ``refused``."""
    plan = Plan(strategy, devices, question)
    if (why := _why_not(plan, around.blocks)) is not None:
        return replace(plan, refused=why)
    best: Plan | None = None
    for micro in _micro_batches(plan):
        made = judge_memory(replace(plan, micro_batches=micro), estimator, around.blocks)
        made = _time(made, estimator, around)
        if best is None or _order(made) < _order(best):
            best = made
    assert best is not None  # noqa: S101  (one micro-batch at least is tried)
    return best


def bubble_share(stages: int, micro_batches: int) -> float:
    """Return the share of time in which a stage of a pipeline waits: (p - 1) / (m + p - 1).

    Of GPipe and of 1F1B alike. Source: Huang et al. 2019, arXiv:1811.06965, section 2.3; Narayanan et al. 2021,
    arXiv:2104.04473, section 2.2.1, who write it over the time of work. Raises ValueError below 1.
    """
    if stages < 1 or micro_batches < 1:
        raise ValueError(f"got {stages} stages and {micro_batches} micro-batches; expected at least 1")
    return (stages - 1) / (micro_batches + stages - 1)


def _why_not(plan: Plan, blocks: Blocks | None) -> str | None:
    if plan.strategy not in (Strategy.TENSOR, Strategy.PIPELINE):
        return None
    if blocks is None:
        return "its layers are not known: it is no transformer with a configuration"
    if blocks.tokens is None:
        return "how many tokens pass through its layers is not known"
    if plan.strategy is Strategy.TENSOR:
        return blocks.why_not_shared(plan.devices)
    return blocks.why_not_staged(plan.devices)


def _micro_batches(plan: Plan) -> list[int]:
    """Numbers of micro-batches that share a batch out evenly; 1 for all but pipelines."""
    batch = plan.question.conditions.batch
    if plan.strategy is not Strategy.PIPELINE:
        return [1]
    return [one for one in range(1, min(batch, _MOST_MICRO_BATCHES) + 1) if batch % one == 0]


def judge_memory(plan: Plan, estimator: Estimator, blocks: Blocks | None) -> Plan:
    """Return the plan with what each device holds, and refused where that probably does not fit."""
    question, graph = plan.question, plan.question.graph
    room = question.device.memory_bytes
    if graph is None:
        return plan
    try:
        memory = estimate_part(
            graph, question.conditions, plan.strategy, plan.devices, blocks, micro_batches=plan.micro_batches,
            correction=estimator.memory, kind=question.device.kind,
        )  # fmt: skip
    except (UnsupportedError, ValueError) as error:
        return replace(plan, flags=(*plan.flags, f"its memory is not known: {error}"))
    if room is None:
        return replace(plan, memory=memory, flags=(*plan.flags, f"the memory of {question.device.name} is not known"))
    share = memory.oom_probability(room, context_bytes=context_bytes(question.device.kind))
    said = f"each device holds about {format_bytes(memory.value_bytes)} of {format_bytes(room)}"
    flags = plan.flags
    if _LIKELY_TOO_LARGE <= share < FITS_BELOW:
        flags = (*flags, f"may run out of memory (probability {share:.0%})")
    made = replace(plan, memory=memory, p_out_of_memory=share, reasons=(*plan.reasons, said), flags=flags)
    if not made.fits:
        return replace(made, refused=f"it does not fit: {said} (out of memory with {share:.0%})")
    return made


def _time(plan: Plan, estimator: Estimator, around: Surroundings) -> Plan:
    """Add the times; what has none gets the reason."""
    compute = _ask_part(plan, estimator, around.blocks)
    if isinstance(compute, Abstention):
        return replace(plan, refused=plan.refused or compute.reason)
    exchanges = _list_exchanges(plan, around)
    if isinstance(exchanges, Unavailable):
        return replace(plan, refused=plan.refused or str(exchanges))
    made = _add_up(plan, compute, exchanges, around.blocks)
    units = plan.question.graph.units_per_call if plan.question.graph is not None else None
    calls = plan.devices if plan.strategy in (Strategy.REPLICAS, Strategy.DDP, Strategy.FSDP) else 1
    assert made.latency_ns is not None  # noqa: S101  (it was added up)
    busy = made.latency_ns
    if plan.strategy is Strategy.PIPELINE and plan.question.conditions.mode != _TRAINING:
        busy *= 1 - made.bubble  # the next call fills what this one leaves idle
    rate = calls * (units or plan.question.conditions.batch) / busy * 1e9
    return replace(made, rate_per_s=rate)


def _ask_part(plan: Plan, estimator: Estimator, blocks: Blocks | None) -> Prediction | Abstention:
    """The time of one device's part of a call, or of one micro-batch, as if it had room: room is judged here."""
    question, graph = plan.question, plan.question.graph
    assert graph is not None  # noqa: S101  (asked for before)
    if plan.micro_batches > 1:
        graph = profile_at(graph, graph.batch // plan.micro_batches)
    part = cut_graph(graph, plan.strategy, plan.devices, blocks)
    asked = replace(
        question, workload=part.workload if part is not graph else question.workload, graph=part,
        conditions=replace(question.conditions, batch=part.batch), device=replace(question.device, memory_bytes=None),
    )  # fmt: skip
    # A part of a model was never measured under the model's name.
    own = estimator if part is graph else replace(estimator, measured=MeasuredNumbers())
    return own.estimate([asked])[0]


def _list_exchanges(plan: Plan, around: Surroundings) -> list[tuple[float, ExchangeTime, str]] | Unavailable:
    """How often which exchange is made in a call or step: (times, one exchange, words)."""
    if plan.devices == 1 or plan.strategy is Strategy.REPLICAS:
        return []
    wanted = _messages(plan, around.blocks)
    found = []
    for times, collective, size in wanted:
        ranks = 2 if collective is Collective.SEND else plan.devices
        one = around.exchanges.exchange(plan.question.device, collective, size, ranks, around.links)
        if isinstance(one, Unavailable):
            return one
        words = f"{times:.0f} x {describe_message(collective, size, ranks)}, {format_duration_ns(one.value_ns)} each"
        found.append((times, one, f"{words} by {one.reason}"))
    return found


def _messages(plan: Plan, blocks: Blocks | None) -> list[tuple[float, Collective, float]]:
    """What is exchanged in a call or step, and how often.

    DDP: one all-reduce of the gradients. ZeRO-3: the parameters gathered twice, the gradients scattered once
    (Rajbhandari et al. 2020, section 7.2). Tensor: two all-reduces of a layer's activations forward, and two backward
    (Shoeybi et al. 2019, section 3). Pipeline: a stage's activations to the next one, and their gradients back.
    """
    question, graph = plan.question, plan.question.graph
    assert graph is not None  # noqa: S101  (asked for before)
    is_training = question.conditions.mode == _TRAINING
    state = graph.parameters * GRADIENT_BYTES
    if plan.strategy is Strategy.DDP:
        return [(1, Collective.ALL_REDUCE, state)]
    if plan.strategy is Strategy.FSDP:
        return [(2, Collective.ALL_GATHER, state), (1, Collective.REDUCE_SCATTER, state)]
    assert blocks is not None  # noqa: S101  (refused before)
    assert blocks.tokens is not None  # noqa: S101
    width = 2.0 if question.conditions.precision in _HALF_WIDE else 4.0
    batch = question.conditions.batch / plan.micro_batches
    activations = batch * blocks.tokens * blocks.width * width
    if plan.strategy is Strategy.TENSOR:
        return [(blocks.layers * (4 if is_training else 2), Collective.ALL_REDUCE, activations)]
    ticks = plan.micro_batches + plan.devices - 1
    return [(ticks * (2 if is_training else 1), Collective.SEND, activations)]


def _add_up(
    plan: Plan, compute: Prediction, exchanges: Sequence[tuple[float, ExchangeTime, str]], blocks: Blocks | None
) -> Plan:
    ticks = plan.micro_batches + plan.devices - 1 if plan.strategy is Strategy.PIPELINE else 1
    compute_ns = compute.value * ticks
    whole = sum(times * one.value_ns for times, one, _ in exchanges)
    hideable = _hideable(plan, compute_ns, whole, blocks)
    bounds = []
    for level in LEVELS:
        held = compute.interval(level)
        spans = [(times, one, found) for times, one, _ in exchanges for found in one.intervals if found.level == level]
        if held is None or len(spans) != len(exchanges):
            continue
        low = sum(times * found.lo for times, _, found in spans)
        high = sum(times * found.hi for times, _, found in spans)
        bounds.append(Interval(level, held.lo * ticks + low, held.hi * ticks + high))
    reasons = [*plan.reasons]
    what = "a step" if plan.question.conditions.mode == _TRAINING else "a call"
    part = "" if ticks == 1 and plan.strategy is not Strategy.TENSOR else " of one device's part"
    whom = f"{compute.layer} ({compute.model or 'store'})"
    reasons.append(f"computing{part}: {format_duration_ns(compute.value)} by {whom}")
    if ticks > 1:
        waits = bubble_share(plan.devices, plan.micro_batches)
        reasons.append(f"{plan.micro_batches} micro-batches: each device waits {waits:.0%} of {what}")
    reasons += [words for _, _, words in exchanges]
    if exchanges:
        at_best = f", of which {format_duration_ns(hideable)} may hide behind computing at best" if hideable else ""
        reasons.append(f"exchanging {format_duration_ns(whole)} in full{at_best}")
    is_known = plan.strategy in (Strategy.SINGLE, Strategy.REPLICAS)
    flags = [*plan.flags, *compute.flags, *(flag for _, one, _ in exchanges for flag in one.flags)]
    if plan.strategy is Strategy.REPLICAS:
        reasons.append(f"{plan.devices} independent devices: {plan.devices} times the rate of one")
    if not is_known:
        flags.insert(0, NOT_VALIDATED)
    return replace(
        plan, latency_ns=compute_ns + whole, compute=compute, compute_ns=compute_ns, exchange_ns=whole,
        hideable_ns=hideable, bubble=bubble_share(plan.devices, plan.micro_batches) if ticks > 1 else 0.0,
        bounds=tuple(bounds), is_validated=is_known and bool(compute.intervals), reasons=tuple(reasons),
        flags=tuple(dict.fromkeys(flags)),
    )  # fmt: skip


def _hideable(plan: Plan, compute_ns: float, exchange_ns: float, blocks: Blocks | None) -> float:
    """What of an exchange may go on while others compute, in ns: it is said, and not counted on.

    DDP: all but the last bucket, as long as the backward pass goes on (Li et al. 2020, section 3.2.3). ZeRO-3: all but
    the first layer's. Published trainings came nearer to nothing hidden than to this (docs/predict-strategy.md).
    """
    graph = plan.question.graph
    if plan.strategy is Strategy.DDP and graph is not None and graph.parameters:
        last = min(1.0, _BUCKET_BYTES / (graph.parameters * GRADIENT_BYTES))
        return min(exchange_ns * (1 - last), _BACKWARD * compute_ns)
    if plan.strategy is Strategy.FSDP and blocks is not None:
        return min(exchange_ns * (1 - 1 / blocks.layers), compute_ns)
    return 0.0


def _order(plan: Plan) -> tuple[bool, bool, float, int]:
    is_training = plan.question.conditions.mode == _TRAINING
    merit = (
        math.inf
        if plan.latency_ns is None or plan.rate_per_s is None
        else (1 / plan.rate_per_s if is_training else plan.latency_ns)
    )
    return not plan.is_answered, not plan.fits, merit, plan.devices
