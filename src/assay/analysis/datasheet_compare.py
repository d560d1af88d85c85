"""Two makers, generations or devices by what was measured of both, beside what their data sheets promise.

May import: core, stats, analysis; scipy inside functions.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace

from assay.analysis.datasheet_bias import By, SheetSample, contrast, count_witnesses, take_sample, why_too_little
from assay.analysis.datasheet_values import Basis, SheetEvidence, SheetValue
from assay.core.errors import UnknownNameError, UsageError


@dataclass(frozen=True, slots=True)
class Ratio:
    """One side over the other, with its interval."""

    value: float
    lo: float
    hi: float


@dataclass(frozen=True, slots=True)
class WorkRatio:
    """One over the other at one work, under the same rules: the median of ``subjects`` ratios of medians.

    ``promised`` is the same ratio by the data sheets of the devices that were measured. ``witnesses`` are those of
    ``one`` and of ``other``.
    """

    workload: str
    measured: float
    lowest: float
    highest: float
    promised: float | None
    subjects: int
    witnesses: tuple[int, int]
    devices: tuple[tuple[str, ...], tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class MeasuredComparison:
    """``one`` over ``other``, for each device: what was measured, what was promised, and the first over the second.

    ``is_direct`` says that both did the same work; else a chain of others that did some of it with each links them.
    Counts are of values, witnesses and devices of ``one`` and ``other``. Ratios are None with a ``reason``.
    """

    by: By
    basis: Basis
    one: str
    other: str
    level: float
    measured: Ratio | None = None
    promised: float | None = None
    over_promise: Ratio | None = None
    is_direct: bool = True
    values: tuple[int, int] = (0, 0)
    witnesses: tuple[int, int] = (0, 0)
    devices: tuple[int, int] = (0, 0)
    subjects: int = 0
    works: tuple[WorkRatio, ...] = ()
    reason: str | None = None


def compare_measured(
    evidence: SheetEvidence,
    one: str,
    other: str,
    by: By = By.ARCHITECTURE,
    basis: Basis = Basis.PEAK16,
    *,
    level: float = 0.95,
) -> MeasuredComparison:
    """Compare two groups by the work that both did; where there is none, through others that did some with each.

    The model is that of ``datasheet_bias.estimate_bias``, of rates and of rates over promises; nothing is drawn
    towards 1. Raises UnknownNameError for a group that no value is of, and UsageError for one against itself.
    """
    groups = sorted({by.of(value) for value in evidence.values})
    for name in (one, other):
        if name not in groups:
            raise UnknownNameError(f"{by} with measured results", name, groups)
    if one == other:
        raise UsageError(f"{one} cannot be compared with itself.")
    own = SheetEvidence(tuple(value for value in evidence.values if by.of(value) in {one, other}), ())
    common = _common(own, one, other, by)
    sides = [[value for value in own.values if by.of(value) == name] for name in (one, other)]
    told = MeasuredComparison(
        by, basis, one, other, level,
        values=_pair(sides, len),
        witnesses=_pair(sides, lambda side: len({value.witness for value in side})),
        devices=_pair(sides, lambda side: len({value.device.label for value in side})),
        works=_by_work(common, one, by, basis),
    )  # fmt: skip
    direct = take_sample(common, by, basis)
    is_direct = why_too_little(direct) is None and {one, other} <= set(direct.groups)
    sample = direct if is_direct else take_sample(evidence, by, basis)
    if (why := why_too_little(sample)) is not None or not {one, other} <= set(sample.groups):
        return replace(told, reason=why or "no chain of common work links the two")
    rates = SheetSample(
        sample.values, tuple(math.log(value.rate_per_s) for value in sample.values), sample.groups, sample.subjects, ()
    )
    measured, over = (_contrast(each, one, other, level) for each in (rates, sample))
    return replace(
        told, measured=measured, over_promise=over, promised=_round(measured.value / over.value), is_direct=is_direct,
        subjects=len(set(sample.subjects)),
        reason=None if is_direct else f"not measured together often enough: through {count_witnesses(sample)} others",
    )  # fmt: skip


def _round(ratio: float) -> float:
    """Six digits: two fits were divided, whose last digits are those of solving and of no data sheet."""
    return float(f"{ratio:.6g}")


def _pair(sides: Sequence[list[SheetValue]], count: Callable[[list[SheetValue]], int]) -> tuple[int, int]:
    return count(sides[0]), count(sides[1])


def _common(own: SheetEvidence, one: str, other: str, by: By) -> SheetEvidence:
    """The values of subjects that both did."""
    groups: dict[Hashable, set[str]] = {}
    for value in own.values:
        groups.setdefault(value.subject, set()).add(by.of(value))
    return SheetEvidence(tuple(value for value in own.values if {one, other} <= groups[value.subject]), ())


def _contrast(sample: SheetSample, one: str, other: str, level: float) -> Ratio:
    from scipy.special import stdtrit

    from assay.stats.mixed import fit_mixed

    fit = fit_mixed(sample.logs, fixed=sample.subjects, random=list(sample.random().values()))
    middle, variance = contrast(
        fit.plain, fit.plain_covariance, fit.levels.index(one), fit.levels.index(other)
    )  # fmt: skip
    half = float(stdtrit(sample.freedom, 0.5 + level / 2)) * math.sqrt(variance)
    return Ratio(math.exp(middle), math.exp(middle - half), math.exp(middle + half))


def _by_work(common: SheetEvidence, one: str, by: By, basis: Basis) -> tuple[WorkRatio, ...]:
    works: dict[str, dict[Hashable, tuple[list[SheetValue], list[SheetValue]]]] = {}
    for value in common.values:
        sides = works.setdefault(value.workload, {}).setdefault(value.subject, ([], []))
        sides[by.of(value) != one].append(value)
    return tuple(sorted((_ratio(work, list(pairs.values()), basis) for work, pairs in works.items()), key=_by_size))


def _by_size(one: WorkRatio) -> tuple[float, str]:
    return -one.measured, one.workload


def _ratio(work: str, pairs: list[tuple[list[SheetValue], list[SheetValue]]], basis: Basis) -> WorkRatio:
    measured = [
        statistics.median(value.rate_per_s for value in ours) / statistics.median(value.rate_per_s for value in theirs)
        for ours, theirs in pairs
    ]
    promised = [_promise(ours, basis) / _promise(theirs, basis) for ours, theirs in pairs]
    sides = [[value for pair in pairs for value in pair[side]] for side in (0, 1)]
    known = [ratio for ratio in promised if math.isfinite(ratio)]
    names = [tuple(sorted({value.device.label for value in side})) for side in sides]
    return WorkRatio(
        work, statistics.median(measured), min(measured), max(measured), statistics.median(known) if known else None,
        len(pairs), _pair(sides, lambda side: len({value.witness for value in side})), (names[0], names[1]),
    )  # fmt: skip


def _promise(values: list[SheetValue], basis: Basis) -> float:
    """The median figure of the devices behind some values; NaN where none is known."""
    known = [promised for value in values if (promised := value.promised(basis))]
    return statistics.median(known) if known else math.nan
