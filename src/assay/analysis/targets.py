"""Are results within their targets: pass, fail or unknown for each, a score and a grade. docs/targets.md says how.

May import: core, catalog.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase

from assay.analysis.ratio_width import half_width
from assay.catalog.targets import LARGEST, SAVING, SPEEDUP, Bound, Target
from assay.core.display import Displayed
from assay.core.records import ResultRecord
from assay.core.words import Provenance, Status, Verdict

GRADES = (("A", 95.0), ("B", 85.0), ("C", 70.0), ("D", 50.0), ("E", 0.0))
"""The least score of each grade. An A also takes that nothing failed."""
FEWEST_KNOWN_SHARE = 0.5
"""Share of the weight that must be known for a score to be given."""
_NO_CREDIT_AT = 2.0
_SIDES = ("device", "engine", "precision", "hardware", "batch")
_MEMORIES = ("device_memory_peak_bytes", "memory_peak_bytes")
"""What a saving is of: the device's allocator where both sides have it, else the process."""
_UNDISTURBED = ("accuracy", "probe_accuracy", "loss", "loss_ratio")
_DISTURBED = "the launches were disturbed; run it again"
_NOTES = {Verdict.NOISY: "the launches were noisy", Verdict.CONTAMINATED: "met although the launches were disturbed"}
_UNITS_OF_WORK = {"sample": "sample", "token": "token", "audio": "s audio"}


class Met(StrEnum):
    """Whether a target is met."""

    PASS = "pass"  # noqa: S105  (a verdict, not a secret)
    FAIL = "fail"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Outcome:
    """One target on one case. ``value``, ``lo`` and ``hi`` (95 %) are in the bound's unit.

    ``is_close`` says that the bound lies within the interval, so another run may judge otherwise.
    """

    target: Target
    bound: Bound
    case_label: str
    hardware: str | None
    met: Met
    provenance: Provenance | None = None
    result_ids: tuple[str, ...] = ()
    value: float | None = None
    lo: float | None = None
    hi: float | None = None
    is_close: bool = False
    reason: str | None = None

    @property
    def credit(self) -> float | None:
        """1 where the target is met, else less the farther off, none at twice off; None where it is not known."""
        if self.met is Met.UNKNOWN or self.value is None:
            return None
        if self.met is Met.PASS:
            return 1.0
        if self.value <= 0 or self.bound.bound <= 0:
            return 0.0
        distance = abs(math.log(self.value / self.bound.bound)) / math.log(_NO_CREDIT_AT)
        return max(0.0, 1.0 - distance)


@dataclass(frozen=True, slots=True)
class GroupScore:
    """The score of the targets under one heading, made as that of all."""

    name: str
    score: float | None
    grade: str | None
    known_share: float
    met: Mapping[Met, int]


@dataclass(frozen=True, slots=True)
class TargetReport(Displayed):
    """Every target on every case that it is for. ``score`` is 0 to 100, None where too little is known.

    ``groups`` are in the order of the targets, and empty where no target has a group.
    """

    outcomes: tuple[Outcome, ...]
    score: float | None
    grade: str | None
    known_share: float
    groups: tuple[GroupScore, ...] = ()

    def count(self, met: Met) -> int:
        """How many outcomes are so."""
        return sum(one.met is met for one in self.outcomes)


def judge_targets(results: Sequence[ResultRecord], targets: Sequence[Target]) -> TargetReport:
    """Hold results to targets. A target that fits no result is one unknown outcome, so that nothing is overlooked."""
    outcomes = tuple(outcome for target in targets for outcome in _judge_one(target, results))
    score, share = _score(outcomes)
    named = list(dict.fromkeys(target.group for target in targets if target.group))
    return TargetReport(
        outcomes, score, _grade(score, outcomes), share, tuple(_score_group(name, outcomes) for name in named)
    )


def _score_group(name: str, outcomes: Sequence[Outcome]) -> GroupScore:
    own = [one for one in outcomes if one.target.group == name]
    score, share = _score(own)
    return GroupScore(name, score, _grade(score, own), share, {met: sum(one.met is met for one in own) for met in Met})


def _judge_one(target: Target, results: Sequence[ResultRecord]) -> Iterator[Outcome]:
    chosen = [result for result in results if _fits(result, target)]
    if not chosen:
        yield Outcome(target, target.bound, "no case", None, Met.UNKNOWN, reason="no result is of the cases it is for")
        return
    if target.bound.metric in (SPEEDUP, SAVING):
        yield from _judge_pairs(target, chosen)
        return
    if target.bound.metric == LARGEST:
        yield from _judge_largest(target, chosen)
        return
    for result in chosen:
        bound = target.bound_for(result.hardware)
        if bound is not None:
            yield _judge_result(target, bound, result)


def _judge_result(target: Target, bound: Bound, result: ResultRecord) -> Outcome:
    reason = _unusable(result) or _counts_otherwise(bound, result)
    if reason is not None:
        return _unknown(target, bound, result, reason)
    metric = result.metric(bound.metric, bound.stat)
    if metric is None or metric.value is None:
        missing = "not measured" if metric is None else metric.reason or "no value"
        return _unknown(target, bound, result, f"{bound.metric} {bound.stat}: {missing}")
    is_met = bound.holds(metric.value)
    if result.verdict is Verdict.CONTAMINATED and not is_met and not _is_undisturbed(bound):
        return _unknown(target, bound, result, _DISTURBED)
    return Outcome(
        target, bound, result.case.label, result.hardware, Met.PASS if is_met else Met.FAIL, result.provenance,
        (result.result_id,), metric.value, metric.ci_lo, metric.ci_hi,
        is_close=_straddles(bound.bound, metric.ci_lo, metric.ci_hi),
        reason=_NOTES.get(result.verdict) if result.verdict else None,
    )  # fmt: skip


def _is_undisturbed(bound: Bound) -> bool:
    """True for what other processes on the machine do not change: right answers, and memory of one's own."""
    return bound.metric in _UNDISTURBED or bound.unit == "B"


def _unknown(target: Target, bound: Bound, result: ResultRecord, reason: str) -> Outcome:
    place = (target, bound, result.case.label, result.hardware)
    return Outcome(*place, Met.UNKNOWN, result.provenance, (result.result_id,), reason=reason)


def _straddles(bound: float, lo: float | None, hi: float | None) -> bool:
    return lo is not None and hi is not None and lo < bound < hi


def _unusable(result: ResultRecord) -> str | None:
    """Why a result says nothing about a target."""
    if not result.is_usable:
        excluding = [mark.value for mark in result.marks if mark.excludes]
        why = result.reason or result.fidelity_reason or ", ".join(excluding)
        state = result.status.text if result.status != "ok" else "fidelity failed" if not excluding else "marked"
        return f"{state}: {why}" if why else state
    return None


def _counts_otherwise(bound: Bound, result: ResultRecord) -> str | None:
    """Why a rate counts another thing than the target asks for. A word of the person's own stands for a sample."""
    if bound.counted is None or result.unit_of_work is None:
        return None
    word = bound.counted.lower().removesuffix("s") if bound.counted.lower() != "s audio" else "audio"
    asked = next((unit for key, unit in _UNITS_OF_WORK.items() if key in word), None)
    if asked is None and result.unit_of_work == "sample":
        return None
    return None if asked == result.unit_of_work else f"counts {result.unit_of_work}s, not {bound.counted}"


# -- two results held against each other -------------------------------------------------------------------------


def _judge_pairs(target: Target, results: Sequence[ResultRecord]) -> Iterator[Outcome]:
    new, old = str(target.bound.new), str(target.bound.old)
    field = next((one for one in _SIDES if _has(results, one, new) and _has(results, one, old)), None)
    if field is None:
        missing = " nor ".join(repr(one) for one in (new, old) if not any(_has(results, side, one) for side in _SIDES))
        reason = f"no result is of {missing or f'{new!r} and {old!r} in one field'}"
        yield Outcome(target, target.bound, f"{new} / {old}", None, Met.UNKNOWN, reason=reason)
        return
    olds = {_key(result, field): result for result in results if _is(result, field, old)}
    pairs = [(result, olds.get(_key(result, field))) for result in results if _is(result, field, new)]
    for result, other in [pair for pair in pairs if not _is_absent(pair)] or pairs:
        bound = target.bound_for(result.hardware)
        if bound is None:
            continue
        if other is None:
            reason = f"{old} was not measured on this case"
            yield Outcome(target, bound, result.case.label, result.hardware, Met.UNKNOWN, reason=reason)
        else:
            judge = _judge_saving if bound.metric == SAVING else _judge_speedup
            yield judge(target, bound, result, other)


def _is_absent(pair: tuple[ResultRecord, ResultRecord | None]) -> bool:
    """True where this machine has neither side: a device that is not here, in both precisions."""
    return all(one is not None and one.status is Status.UNSUPPORTED for one in pair)


def _judge_speedup(target: Target, bound: Bound, new: ResultRecord, old: ResultRecord) -> Outcome:
    place = (target, bound, new.case.label, new.hardware)
    ids = (new.result_id, old.result_id)
    reason = _incomparable(new, old)
    if reason is None and Verdict.CONTAMINATED in (new.verdict, old.verdict):
        reason = _DISTURBED
    fast, slow = new.metric("latency_ns"), old.metric("latency_ns")
    if reason is None and (fast is None or slow is None or not fast.value or not slow.value):
        reason = "no latency on both sides"
    if reason is not None or fast is None or slow is None or not fast.value or not slow.value:
        return Outcome(*place, Met.UNKNOWN, result_ids=ids, reason=reason)
    value = slow.value / fast.value
    half = half_width(fast, slow)
    lo, hi = (None, None) if half is None else (value * math.exp(-half), value * math.exp(half))
    met = Met.PASS if bound.holds(value) else Met.FAIL
    return Outcome(*place, met, new.provenance, ids, value, lo, hi, is_close=_straddles(bound.bound, lo, hi))


def _judge_saving(target: Target, bound: Bound, new: ResultRecord, old: ResultRecord) -> Outcome:
    """Compare peaks of memory, which neighbours on the machine do not move."""
    place = (target, bound, new.case.label, new.hardware)
    ids = (new.result_id, old.result_id)
    reason = _incomparable(new, old)
    if reason is not None:
        return Outcome(*place, Met.UNKNOWN, result_ids=ids, reason=reason)
    for name in _MEMORIES:
        less, more = new.metric(name, "max"), old.metric(name, "max")
        if less is not None and more is not None and less.value and more.value:
            value = 1 - less.value / more.value
            met = Met.PASS if bound.holds(value) else Met.FAIL
            return Outcome(*place, met, new.provenance, ids, value, reason=f"of {name}")
    return Outcome(*place, Met.UNKNOWN, result_ids=ids, reason="no memory on both sides")


def _incomparable(new: ResultRecord, old: ResultRecord) -> str | None:
    reason = _unusable(new) or _unusable(old)
    if reason is None and new.provenance is not old.provenance:
        return f"one is {new.provenance}, the other {old.provenance}"
    return reason


def _has(results: Sequence[ResultRecord], field: str, word: str) -> bool:
    return any(_is(result, field, word) for result in results)


def _is(result: ResultRecord, field: str, word: str) -> bool:
    value = _field(result, field)
    if value is None:
        return False
    wanted, text = word.casefold(), value.casefold()
    return text == wanted or (field == "device" and text.partition(":")[0] == wanted) or fnmatchcase(text, wanted)


def _key(result: ResultRecord, field: str) -> tuple[object, ...]:
    """What two results must have in common to differ in ``field`` alone; another device is other hardware too."""
    case = result.case
    values: Mapping[str, object] = {
        "workload": case.workload, "mode": case.mode, "shape": case.shape, "options": case.options,
        "batch": case.batch, "engine": case.engine, "precision": case.precision, "device": case.device,
        "hardware": result.hardware,
    }  # fmt: skip
    left_out = {field} | ({"device", "hardware"} if field in ("device", "hardware") else set())
    return tuple(value for name, value in values.items() if name not in left_out)


# -- the largest that ran ----------------------------------------------------------------------------------------


def _judge_largest(target: Target, results: Sequence[ResultRecord]) -> Iterator[Outcome]:
    """One outcome for each device: the largest size that ran there, whatever else the cases differ in."""
    places: dict[tuple[str | None, str | None], list[tuple[float, ResultRecord]]] = {}
    for result in results:
        size = _size(result, str(target.bound.size))
        if size is not None:
            places.setdefault((result.hardware, result.case.device), []).append((size, result))
    if not places:
        reason = f"no result has a size {target.bound.size!r}"
        yield Outcome(target, target.bound, "no case", None, Met.UNKNOWN, reason=reason)
    tried = {
        key: sized for key, sized in places.items() if any(one.status is not Status.UNSUPPORTED for _, one in sized)
    }
    for (hardware, _), sized in (tried or places).items():
        bound = target.bound_for(hardware)
        if bound is not None:
            yield _judge_sizes(target, bound, sized)


def _judge_sizes(target: Target, bound: Bound, sized: Sequence[tuple[float, ResultRecord]]) -> Outcome:
    """Too small is a fail only where a larger size was tried in vain: else nobody knows."""
    ran = max((one for one in sized if one[1].is_usable), key=lambda one: one[0], default=None)
    largest = 0.0 if ran is None else ran[0]
    failed = min((one for one in sized if one[0] > largest and _gave_way(one[1])), key=lambda one: one[0], default=None)
    shown = ran or failed or sized[0]
    place = (target, bound, shown[1].case.label, shown[1].hardware)
    ids = tuple(one[1].result_id for one in (ran, failed) if one is not None)
    why = None if failed is None else f"{bound.size} {failed[0]:g}: {_unusable(failed[1])}"
    if not bound.holds(largest) and failed is None:
        tried = _unusable(shown[1]) if ran is None else f"nothing above {bound.size} {largest:g} was tried"
        return Outcome(*place, Met.UNKNOWN, shown[1].provenance, ids, reason=tried)
    met = Met.PASS if bound.holds(largest) else Met.FAIL
    return Outcome(*place, met, shown[1].provenance, ids, largest, reason=why)


def _gave_way(result: ResultRecord) -> bool:
    return result.status.is_failure or result.status is Status.SKIPPED


def _size(result: ResultRecord, name: str) -> float | None:
    try:
        return float(_field(result, name) or "")
    except ValueError:
        return None


# -- which cases, and the score ----------------------------------------------------------------------------------


def _fits(result: ResultRecord, target: Target) -> bool:
    return all(_fits_field(result, field, pattern) for field, pattern in target.where)


def _fits_field(result: ResultRecord, field: str, pattern: str) -> bool:
    value = _field(result, field)
    return value is not None and any(
        fnmatchcase(value.casefold(), one.strip().casefold()) for one in pattern.split("|")
    )


def _field(result: ResultRecord, field: str) -> str | None:
    case = result.case
    known: Mapping[str, object] = {
        "model": case.workload, "workload": case.workload, "family": case.family, "engine": case.engine,
        "device": case.device, "mode": case.mode.value, "precision": case.precision, "batch": case.batch,
        "hardware": result.hardware, **dict(case.shape), **dict(case.options),
    }  # fmt: skip
    value = known.get(field)
    return None if value is None else str(value)


def _score(outcomes: Sequence[Outcome]) -> tuple[float | None, float]:
    """The weighted mean of the credits of what is known, and the share of the weight that is.

    A target's weight is shared among its cases, so that one that many cases have does not drown the others.
    """
    counts = Counter(one.target for one in outcomes)
    weighted = [(one.credit, one.target.weight / counts[one.target]) for one in outcomes]
    known = sum(weight for credit, weight in weighted if credit is not None)
    whole = sum(weight for _, weight in weighted)
    share = known / whole if whole else 0.0
    if not known or share < FEWEST_KNOWN_SHARE:
        return None, share
    return 100 * sum(credit * weight for credit, weight in weighted if credit is not None) / known, share


def _grade(score: float | None, outcomes: Sequence[Outcome]) -> str | None:
    if score is None:
        return None
    found = next(grade for grade, least in GRADES if score >= least)
    failed = any(one.met is Met.FAIL for one in outcomes)
    return "B" if found == "A" and failed else found
