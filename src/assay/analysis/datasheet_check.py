"""Do the factors help? Each witness is left out in turn, and what it measured is told from what the others did.

A factor that only describes the values it was made from is worth nothing. Here every value is told twice by those who
did not make it: by the data sheets alone, and with the factor of its group. May import: stats, analysis; numpy and
scipy inside functions.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Hashable
from dataclasses import dataclass

from assay.analysis.datasheet_bias import By, SheetSample, take_sample, why_too_little
from assay.analysis.datasheet_values import Basis, SheetEvidence

_FEWEST_TOLD = 10


@dataclass(frozen=True, slots=True)
class BiasCheck:
    """How far values lay from what was told of them without their witness: median and mean of |log|, as factors.

    ``sheet_error`` 1.25 is a median miss of 25 % by the data sheets alone, ``factor_error`` the same with factors.
    ``helped`` is the share of witnesses whose median miss the factors made smaller, ``covered`` the share of values
    within the interval for a new number. Over ``n`` values of ``witnesses``, of groups other than the one that told
    them. ``reason`` says why nothing is known.
    """

    by: By
    basis: Basis
    level: float
    n: int = 0
    witnesses: int = 0
    sheet_error: float | None = None
    factor_error: float | None = None
    sheet_mean_error: float | None = None
    factor_mean_error: float | None = None
    helped: float | None = None
    covered: float | None = None
    reason: str | None = None

    @property
    def is_better(self) -> bool | None:
        """True where the factors told more than the data sheets alone; None where nothing is known."""
        if self.sheet_error is None or self.factor_error is None:
            return None
        return self.factor_error < self.sheet_error


@dataclass(frozen=True, slots=True)
class _Told:
    """One value: how far it was missed by the data sheets alone and with the factor; whether its interval held it."""

    witness: str
    by_sheet: float
    by_factor: float
    is_covered: bool


def check_bias(
    evidence: SheetEvidence, by: By = By.ARCHITECTURE, basis: Basis = Basis.PEAK16, *, level: float = 0.95
) -> BiasCheck:
    """Leave each witness out and tell its values from the others.

    A value is told where others measured its subject on some other group; with data sheets alone by the mean of those
    others, with factors by their level less their groups, plus its own. Widths of the distributions are those of all
    values: only effects are estimated anew each time.
    """
    from assay.stats.mixed import fit_mixed

    sample = take_sample(evidence, by, basis)
    reason = why_too_little(sample)
    if reason is not None:
        return BiasCheck(by, basis, level, reason=reason)
    ratios = fit_mixed(sample.logs, fixed=sample.subjects, random=list(sample.random().values())).ratios
    told: list[_Told] = []
    for witness in dict.fromkeys(one.witness for one in sample.values):
        told += _tell_witness(sample, witness, ratios, level)
    if len(told) < _FEWEST_TOLD:
        return BiasCheck(by, basis, level, len(told), reason=f"{len(told)} values can be told by others")
    by_witness: dict[str, list[_Told]] = {}
    for one in told:
        by_witness.setdefault(one.witness, []).append(one)
    helped = [
        statistics.median(one.by_factor for one in own) < statistics.median(one.by_sheet for one in own)
        for own in by_witness.values()
    ]
    return BiasCheck(
        by, basis, level, len(told), len(by_witness),
        sheet_error=math.exp(statistics.median(one.by_sheet for one in told)),
        factor_error=math.exp(statistics.median(one.by_factor for one in told)),
        sheet_mean_error=math.exp(statistics.fmean(one.by_sheet for one in told)),
        factor_mean_error=math.exp(statistics.fmean(one.by_factor for one in told)),
        helped=statistics.fmean(helped),
        covered=statistics.fmean(one.is_covered for one in told),
    )  # fmt: skip


def _tell_witness(sample: SheetSample, witness: str, ratios: tuple[float, ...], level: float) -> list[_Told]:
    from scipy.special import stdtrit

    from assay.stats.mixed import fit_mixed

    mine = [place for place, one in enumerate(sample.values) if one.witness == witness]
    theirs = [place for place, one in enumerate(sample.values) if one.witness != witness]
    subjects: dict[Hashable, list[int]] = {}
    for place in theirs:
        subjects.setdefault(sample.subjects[place], []).append(place)
    kept = [place for places in subjects.values() for place in places]
    if len(kept) - len(subjects) < 1:
        return []
    random = [[factor[place] for place in kept] for factor in sample.random().values()]
    fit = fit_mixed(
        [sample.logs[place] for place in kept], fixed=[sample.subjects[place] for place in kept], random=random,
        ratios=ratios,
    )  # fmt: skip
    places = {group: place for place, group in enumerate(fit.levels)}
    t = float(stdtrit(sample.freedom, 0.5 + level / 2))
    # Of a value and of the level of its subject: what is not the group's.
    beside = sum(spread**2 for spread in fit.spreads[1:]) + fit.residual**2
    told = []
    for place in mine:
        group, subject = sample.groups[place], sample.subjects[place]
        others = [one for one in subjects.get(subject, ()) if sample.groups[one] != group]
        if not others or group not in places:
            continue
        log = sample.logs[place]
        effect = float(fit.shrunk[places[group]])
        variance = float(fit.shrunk_covariance[places[group], places[group]]) + beside * (1 + 1 / len(others))
        by_sheet = abs(log - statistics.fmean(sample.logs[one] for one in others))
        missed = log - fit.fixed[subject] - effect
        told.append(_Told(sample.values[place].witness, by_sheet, abs(missed), abs(missed) <= t * math.sqrt(variance)))
    return told
