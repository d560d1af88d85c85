"""What devices deliver of what their data sheets promise, by maker, generation and precision: factors with intervals.

Held against a data sheet, devices that did the same work differ by more than their sheets say. The factor of a group is
how much more its devices deliver for what they promise than those of a group of reference, the most measured one.
Nothing here is set by hand: a group that nothing was measured of beside another has no factor. How it is estimated:
docs/datasheet-bias.md. May import: core, stats, analysis; numpy and scipy inside functions.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from assay.analysis.datasheet_values import Basis, SheetEvidence, SheetValue, say_gaps
from assay.analysis.usable_numbers import LeftOut
from assay.core.errors import UnknownNameError

if TYPE_CHECKING:
    from assay.stats.mixed import Floats, MixedFit

NOT_STATED = "not stated"
_GROUP, _DEVICE, _WITNESS, _WORK = "group", "device of a group", "witness of a group", "work of a group"
_FEWEST_WITNESSES = 3
_FEWEST_FREE = 8
_ALMOST_NOTHING = 0.1
"""Below this reliability a factor is the mean of all groups and says nothing of its own."""


class By(StrEnum):
    """What devices are gathered by."""

    VENDOR = "vendor"
    ARCHITECTURE = "architecture"
    PRECISION = "precision"
    BOTH = "architecture and precision"
    DEVICE = "device"

    @property
    def of(self) -> Callable[[SheetValue], str]:
        """What says which group a value is of."""
        return _GROUPS[self]


def _architecture(one: SheetValue) -> str:
    return f"{one.hardware.vendor} {one.hardware.architecture}"


_GROUPS: Mapping[By, Callable[[SheetValue], str]] = {
    By.VENDOR: lambda one: one.hardware.vendor,
    By.ARCHITECTURE: _architecture,
    By.PRECISION: lambda one: one.precision or NOT_STATED,
    By.BOTH: lambda one: f"{_architecture(one)}, {one.precision or NOT_STATED}",
    By.DEVICE: lambda one: one.device.label,
}


@dataclass(frozen=True, slots=True)
class Factor:
    """How much more a group delivers, for what its data sheets promise, than the group of reference: 1.2 is 20 % more.

    ``factor`` is drawn towards 1 by as much as it is uncertain, ``lo`` and ``hi`` bound it; ``plain`` is what the
    values say without that. ``new_lo`` and ``new_hi`` bound one more number: of a new device of the group, at new work,
    by a new witness. ``reliability`` 1 is nothing drawn, 0 all the way. ``factor`` None has a ``reason``; the reference
    has the factor 1 and no bounds. It is over ``n`` values, made of ``numbers`` stored ones, of so many ``witnesses``,
    ``devices`` and ``works``.
    """

    group: str
    n: int
    numbers: int
    witnesses: int
    devices: int
    works: int
    factor: float | None = None
    lo: float | None = None
    hi: float | None = None
    plain: float | None = None
    plain_lo: float | None = None
    plain_hi: float | None = None
    new_lo: float | None = None
    new_hi: float | None = None
    reliability: float = 0.0
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class SheetBias:
    """The factors of all groups against ``reference``, highest first, those without one last.

    ``spreads`` are typical factors between things that the model tells apart: between groups, between devices of one
    group, between witnesses, between works of a group, and of a single value beside all that (1.1: 10 %). ``reason``
    says why there are no factors at all. ``outlying`` values counted less, since they are far from the rest. Groups
    that no chain of common work links are in several parts, of which this is one.
    """

    by: By
    basis: Basis
    level: float
    reference: str | None
    factors: tuple[Factor, ...]
    spreads: tuple[tuple[str, float], ...]
    n: int
    subjects: int
    witnesses: int
    freedom: int
    outlying: int
    left_out: tuple[LeftOut, ...]
    reason: str | None = None
    part: int = 0

    @property
    def key(self) -> str:
        """A short name for files and addresses: ``architecture``, ``both-2``."""
        return f"{self.by.name.lower()}{f'-{self.part + 1}' if self.part else ''}"

    @property
    def part_words(self) -> str:
        """What tells it from the parts before it; empty for the first."""
        return f" (part {self.part + 1})" if self.part else ""

    def of(self, group: str) -> Factor | None:
        """The factor of a group; None for one that no value is of."""
        return next((one for one in self.factors if one.group == group), None)


@dataclass(frozen=True, slots=True)
class SheetSample:
    """The values that one estimate is from: those held against a figure and measured beside another group."""

    values: tuple[SheetValue, ...]
    logs: tuple[float, ...]
    groups: tuple[str, ...]
    subjects: tuple[Hashable, ...]
    left_out: tuple[LeftOut, ...]
    elsewhere: frozenset[str] = frozenset()
    """Groups of other parts."""

    def random(self) -> dict[str, list[Hashable]]:
        """What values of one subject differ by, beside themselves: the random factors of the model by name.

        Where every group is one device there is no device beside the group.
        """
        pairs = list(zip(self.groups, self.values, strict=True))
        found: dict[str, list[Hashable]] = {
            _GROUP: list(self.groups),
            _DEVICE: [(group, one.device.label) for group, one in pairs],
            _WITNESS: [(group, one.witness) for group, one in pairs],
            _WORK: [(group, one.workload) for group, one in pairs],
        }
        if len(set(found[_DEVICE])) == len(set(self.groups)):
            del found[_DEVICE]
        return found

    @property
    def freedom(self) -> int:
        """Degrees of freedom of what witnesses differ by: those of each group, less the groups."""
        cells = {(group, one.witness) for group, one in zip(self.groups, self.values, strict=True)}
        return max(1, len(cells) - len(set(self.groups)))


def estimate_bias(
    evidence: SheetEvidence,
    by: By = By.ARCHITECTURE,
    basis: Basis = Basis.PEAK16,
    *,
    reference: str | None = None,
    level: float = 0.95,
    part: int = 0,
) -> SheetBias:
    """Estimate the factors of groups from what was measured, against ``reference`` (None: the most measured group).

    log(measured / promised) = subject + group + device of the group + witness within the group + work within the group
    + rest, where a subject is the same work under the same rules and all but the subject are drawn from distributions
    whose widths are estimated (``stats.mixed``). Groups are compared within subjects only, so how much work one unit
    takes is in no factor. Intervals are Student's with ``SheetSample.freedom``. Of groups that no chain of common work
    links only one ``part`` is estimated, the largest first. Raises UnknownNameError for a
    reference that no value is of.
    """
    from assay.stats.mixed import fit_mixed

    groups = sorted({by.of(one) for one in evidence.values if basis is not Basis.STATED or one.precision})
    if reference is not None and reference not in groups:
        raise UnknownNameError(f"{by} with measured results", reference, groups)
    sample = take_sample(evidence, by, basis, part=part)
    if part:
        # What is in no part was said with the first.
        groups = [group for group in groups if group in set(sample.groups)]
    reason = why_too_little(sample)
    if reason is None and reference is not None and reference not in sample.groups:
        reason = f"nothing of {reference} was measured beside another group"
    if reason is not None:
        factors = [_count(group, evidence.values, by, basis, reason) for group in groups]
        return SheetBias(
            by, basis, level, reference, tuple(factors), (), len(sample.values), len(set(sample.subjects)),
            count_witnesses(sample), 0, 0, (*sample.left_out, *evidence.left_out), reason, part,
        )  # fmt: skip
    random = sample.random()
    fit = fit_mixed(sample.logs, fixed=sample.subjects, random=list(random.values()))
    against = reference or _most_measured(sample)
    factors = [
        _factor(group, against, fit, sample, level)
        if group in set(sample.groups)
        else _count(group, evidence.values, by, basis, _why_apart(group, against, sample))
        for group in groups
    ]
    spreads = [*zip(random, fit.spreads, strict=True), ("a single value", fit.residual)]
    return SheetBias(
        by, basis, level, against,
        factors=tuple(sorted(factors, key=lambda one: (one.factor is None, -(one.factor or 0.0), one.group))),
        spreads=tuple((name, math.exp(spread)) for name, spread in spreads),
        n=fit.n,
        subjects=len(set(sample.subjects)),
        witnesses=count_witnesses(sample),
        freedom=sample.freedom,
        outlying=fit.outlying,
        left_out=(*sample.left_out, *evidence.left_out),
        part=part,
    )  # fmt: skip


def estimate_parts(
    evidence: SheetEvidence, by: By = By.ARCHITECTURE, basis: Basis = Basis.PEAK16, *, level: float = 0.95
) -> tuple[SheetBias, ...]:
    """Estimate the factors of every part that has any, each against its own reference; at least the first part."""
    found = [estimate_bias(evidence, by, basis, level=level)]
    while found[-1].reason is None:
        found.append(estimate_bias(evidence, by, basis, level=level, part=len(found)))
    return tuple(found[:1] + [one for one in found[1:] if one.reason is None])


def take_sample(evidence: SheetEvidence, by: By, basis: Basis, *, part: int = 0) -> SheetSample:
    """Choose the values that groups can be compared by, and their logarithms over the figure of the data sheet.

    A subject that was measured on one device alone compares nothing. Groups that no chain of subjects links cannot be
    held against each other: of such parts the one numbered ``part`` is taken, the largest first.
    """
    from assay.stats.mixed import connect

    held = [one for one in evidence.values if one.promised(basis)]
    gaps = say_gaps(evidence.values, basis)
    devices: dict[Hashable, set[tuple[str, str | None]]] = {}
    for one in held:
        told = one.precision if by in {By.PRECISION, By.BOTH} else None
        devices.setdefault(one.subject, set()).add((one.device.label, told))
    several = [one for one in held if len(devices[one.subject]) > 1]
    parts = connect([one.subject for one in several], [by.of(one) for one in several])
    kept = [one for one in several if parts[by.of(one)] == part]
    left = Counter({
        "nobody else measured the same": len(held) - len(several),
        "no chain of common work links its group to the others": len(several) - len(kept),
    })  # fmt: skip
    logs = [one.log_ratio(basis) for one in kept]
    return SheetSample(
        tuple(kept), tuple(log for log in logs if log is not None), tuple(by.of(one) for one in kept),
        tuple(one.subject for one in kept),
        (*gaps, *(LeftOut(reason, count) for reason, count in left.most_common() if count)),
        frozenset(str(group) for group, own in parts.items() if own != part),
    )  # fmt: skip


def why_too_little(sample: SheetSample) -> str | None:
    """Why nothing can be estimated from a sample; None where something can."""
    groups, free = len(set(sample.groups)), len(sample.values) - len(set(sample.subjects))
    if groups < 2:  # noqa: PLR2004  (a comparison takes two)
        return "fewer than two groups did the same work on devices whose data sheets have the figure"
    if count_witnesses(sample) < _FEWEST_WITNESSES:
        return f"only {count_witnesses(sample)} witnesses, expected {_FEWEST_WITNESSES}"
    if free < _FEWEST_FREE:
        return f"only {free} comparisons, expected {_FEWEST_FREE}"
    return None


def count_witnesses(sample: SheetSample) -> int:
    """How many witnesses answer for the values of a sample."""
    return len({one.witness for one in sample.values})


def _most_measured(sample: SheetSample) -> str:
    """The group with most witnesses, then most values: against it intervals are narrowest."""
    witnesses: dict[str, set[str]] = {}
    for group, one in zip(sample.groups, sample.values, strict=True):
        witnesses.setdefault(group, set()).add(one.witness)
    counts = Counter(sample.groups)
    return max(sorted(witnesses), key=lambda group: (len(witnesses[group]), counts[group]))


def _factor(group: str, against: str, fit: MixedFit, sample: SheetSample, level: float) -> Factor:
    from scipy.special import stdtrit

    counted = _tell(group, [one for own, one in zip(sample.groups, sample.values, strict=True) if own == group])
    if group == against:
        return replace(counted, factor=1.0, plain=1.0, reliability=1.0, reason="what the others are held against")
    t = float(stdtrit(sample.freedom, 0.5 + level / 2))
    drawn, variance = contrast(fit.shrunk, fit.shrunk_covariance, fit.levels.index(group), fit.levels.index(against))
    plain, plain_variance = contrast(
        fit.plain, fit.plain_covariance, fit.levels.index(group), fit.levels.index(against)
    )  # fmt: skip
    reliability = min(1.0, max(0.0, 1 - variance / (2 * fit.spreads[0] ** 2)))
    if reliability < _ALMOST_NOTHING:
        return replace(counted, reliability=reliability, reason=f"too little to tell it from {against}")
    beyond = variance + sum(spread**2 for spread in fit.spreads[1:]) + fit.residual**2
    lo, hi = _bounds(drawn, t * math.sqrt(variance))
    plain_lo, plain_hi = _bounds(plain, t * math.sqrt(plain_variance))
    new_lo, new_hi = _bounds(drawn, t * math.sqrt(beyond))
    why = None if counted.witnesses > 1 else "one witness: how far others would differ is taken from other groups"
    return replace(
        counted, factor=math.exp(drawn), lo=lo, hi=hi, plain=math.exp(plain), plain_lo=plain_lo, plain_hi=plain_hi,
        new_lo=new_lo, new_hi=new_hi, reliability=reliability, reason=why,
    )  # fmt: skip


def contrast(effects: Floats, covariance: Floats, one: int, other: int) -> tuple[float, float]:
    """The effect of one level less that of another, and its variance."""
    variance = covariance[one, one] + covariance[other, other] - 2 * covariance[one, other]
    return float(effects[one] - effects[other]), max(float(variance), 0.0)


def _why_apart(group: str, against: str, sample: SheetSample) -> str:
    if group in sample.elsewhere:
        return f"no chain of common work links it to {against}"
    return "nothing of it was measured beside another group"


def _bounds(middle: float, half: float) -> tuple[float, float]:
    return math.exp(middle - half), math.exp(middle + half)


def _count(group: str, values: Sequence[SheetValue], by: By, basis: Basis, reason: str) -> Factor:
    own = [one for one in values if by.of(one) == group]
    if not any(one.promised(basis) for one in own):
        reason = "; ".join(one.reason for one in say_gaps(own, basis)) or reason
    return replace(_tell(group, own), reason=reason)


def _tell(group: str, own: Sequence[SheetValue]) -> Factor:
    return Factor(
        group, len(own), sum(one.numbers for one in own), len({one.witness for one in own}),
        len({one.device.label for one in own}), len({one.workload for one in own}),
    )  # fmt: skip
