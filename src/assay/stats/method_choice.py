"""Which method may fill the gaps of a column: one that is shown to beat the architecture's median, else the median.

A method is used where its mean error on masked cells is below the median's and stays so in 95 of 100 resamples of whole
architectures. The interval is the conformal one of its errors, the (n + 1) level / n quantile of their sizes (Lei et
al. 2018, JASA 113, section 2). Coverage is counted on architectures that had no part in the quantile nor in the choice.

May import: stats; numpy.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from assay.stats.gaps import GapTable, Imputed, Method, Refusal, Situation
from assay.stats.imputation import fit_methods
from assay.stats.masking import FOLDS, MaskedErrors, answer, count_gaps, find_within, mask_cells
from assay.stats.resampling import FEWEST_GROUPS, RESAMPLES, number_groups

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

LEVEL = 0.9
FEWEST_CELLS = 20
"""Fewest masked cells that an interval at 90 % is taken from."""
WIDEST_FACTOR = 4.0
"""An interval that reaches further than this factor either way tells nobody anything: the gap stays."""
LEAST_COVERAGE = 0.8
"""An interval at 90 % that held less than this of cells of other architectures is no interval: the gap stays."""
_CONFIDENCE = 0.95
_RIVALS = (Method.REGRESSION, Method.NEIGHBOURS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """How a method did on ``n`` masked cells of ``groups`` architectures; errors are factors (1.1: 10 % off).

    ``typical`` is the median error, ``mean`` the geometric mean one, ``half_width`` the factor either way that the
    interval reaches, ``coverage`` the share of cells that an interval from other architectures' errors held.
    ``answered`` is the share of cells for which the method itself spoke; the median stood in for the rest.
    ``over_median`` is its mean log error over the median's, ``worst_over_median`` the upper 95 % bound of that.
    """

    method: Method | None
    n: int
    groups: int
    typical: float
    mean: float
    half_width: float | None
    coverage: float
    answered: float = 1.0
    over_median: float | None = None
    worst_over_median: float | None = None

    @property
    def beats_median(self) -> bool:
        """True where it is shown to be better, and not only was."""
        return self.worst_over_median is not None and self.worst_over_median < 1


@dataclass(frozen=True, slots=True)
class MaskedTest:
    """The test of one column in one situation. ``used`` None has a ``reason`` why its gaps stay empty.

    ``gaps`` is how many cells there are to fill. ``chosen`` is the whole procedure, choice of the method included, as
    it did on architectures that had no part in the choice: what to expect of the filled cells.
    """

    column: str
    situation: Situation
    gaps: int
    scores: tuple[Score, ...] = ()
    used: Method | None = None
    chosen: Score | None = None
    reason: str | None = None

    def score(self, method: Method) -> Score | None:
        """The score of one method; None where nothing was tested."""
        return next((score for score in self.scores if score.method is method), None)


def judge_methods(
    table: GapTable,
    wanted: Collection[tuple[int, Situation]] | None = None,
    *,
    folds: int = FOLDS,
    level: float = LEVEL,
    seed: int = 0,
) -> tuple[MaskedTest, ...]:
    """Test the target columns of a table in both situations, or only the ``wanted`` (place of a column, situation).

    Deterministic by ``seed``, whatever else is wanted.
    """
    gaps = count_gaps(table)
    errors = mask_cells(table, tuple(gaps) if wanted is None else wanted, folds=folds, seed=seed)
    return tuple(
        _judge(table.columns[column], situation, gaps[column, situation], found, level)
        for (column, situation), found in errors.items()
    )


def impute_gaps(
    table: GapTable, tests: tuple[MaskedTest, ...], *, level: float = LEVEL
) -> dict[tuple[str, str], Imputed | Refusal]:
    """Fill the gaps of a table by (row, column), or say why not; those that no test is of are left out.

    ``tests`` are those of this table, at this level.
    """
    by_key = {(test.column, test.situation): test for test in tests}
    # Fitting takes longer than all else: only where a test allows a method.
    allowed = {test.situation for test in tests if test.used is not None and test.gaps}
    fitted = {situation: fit_methods(table, range(len(table.rows)), situation) for situation in allowed}
    counts, within = table.is_known.sum(axis=0), find_within(table)
    filled: dict[tuple[str, str], Imputed | Refusal] = {}
    for place, column in np.argwhere(table.is_gap & table.is_target).tolist():
        situation = Situation.WITHIN if within[place, column] else Situation.BEYOND
        test = by_key.get((table.columns[column], situation))
        if test is None:
            continue
        score = None if test.used is None else test.score(test.used)
        key = table.rows[place], table.columns[column]
        if test.used is None or score is None or score.half_width is None:
            filled[key] = Refusal(test.reason or "its method has no interval")
            continue
        log, method = answer(table, fitted[situation], test.used, table.logs[place], (place, column))
        if not math.isfinite(log):
            filled[key] = Refusal("no device like it has a value")
            continue
        value, width = math.exp(log), score.half_width
        filled[key] = Imputed(value, value / width, value * width, method, int(counts[column]), situation, level)
    return filled


def _judge(column: str, situation: Situation, gaps: int, errors: MaskedErrors, level: float) -> MaskedTest:
    n, groups = len(errors.groups), len(set(errors.groups))
    if n < FEWEST_CELLS or groups < FEWEST_GROUPS:
        least = f"expected {FEWEST_CELLS} of {FEWEST_GROUPS}"
        reason = f"too few cells to test on: {n} of {groups} architectures, {least}"
        return MaskedTest(column, situation, gaps, reason=reason)
    scores = tuple(_score(method, errors, level) for method in Method)
    used = _choose(errors, np.ones(n, dtype=np.bool_))
    width = next(score.half_width for score in scores if score.method is used)
    chosen = _score_choice(errors, level)
    if width is None or width > WIDEST_FACTOR:
        reach = "without bound" if width is None else f"by a factor of {width:.3g}"
        reason = f"its interval would reach {reach} either way; nothing beyond {WIDEST_FACTOR:g} is filled in"
        return MaskedTest(column, situation, gaps, scores, None, chosen, reason)
    if chosen.coverage < LEAST_COVERAGE:
        reason = f"its interval held {chosen.coverage:.0%} of cells of other architectures, too few for {level:.0%}"
        return MaskedTest(column, situation, gaps, scores, None, chosen, reason)
    return MaskedTest(column, situation, gaps, scores, used, chosen)


def _score(method: Method, errors: MaskedErrors, level: float) -> Score:
    sizes = errors.sizes(method)
    held = np.zeros(sizes.size, dtype=np.bool_)
    for inside, outside in _parts(errors):
        width = _quantile(sizes[outside], level)
        held[inside] = True if width is None else sizes[inside] <= width
    ratio = _over_median(errors, method, np.ones(sizes.size, dtype=np.bool_))
    half = _quantile(sizes, level)
    return Score(
        method=method,
        n=sizes.size,
        groups=len(set(errors.groups)),
        typical=math.exp(float(np.median(sizes))),
        mean=math.exp(float(sizes.mean())),
        half_width=None if half is None else math.exp(half),
        coverage=float(held.mean()),
        answered=errors.answered[method] / sizes.size,
        over_median=ratio[0],
        worst_over_median=ratio[1],
    )


def _score_choice(errors: MaskedErrors, level: float) -> Score:
    """The procedure judged from outside: for each part of the architectures, method and interval come from the rest."""
    n = len(errors.groups)
    sizes, held = np.zeros(n), np.zeros(n, dtype=np.bool_)
    for inside, outside in _parts(errors):
        taken = errors.sizes(_choose(errors, outside))
        width = _quantile(taken[outside], level)
        sizes[inside] = taken[inside]
        held[inside] = True if width is None else taken[inside] <= width
    return Score(
        method=None,
        n=n,
        groups=len(set(errors.groups)),
        typical=math.exp(float(np.median(sizes))),
        mean=math.exp(float(sizes.mean())),
        half_width=None,
        coverage=float(held.mean()),
    )


def _choose(errors: MaskedErrors, among: NDArray[np.bool_]) -> Method:
    """Of the methods that are shown to beat the median the one with the least error; else the median."""
    best, least = Method.MEDIAN, 1.0
    for method in _RIVALS:
        ratio, worst = _over_median(errors, method, among)
        if ratio is not None and worst is not None and worst < 1 and ratio < least:
            best, least = method, ratio
    return best


def _over_median(errors: MaskedErrors, method: Method, among: NDArray[np.bool_]) -> tuple[float | None, float | None]:
    """Mean log error over the median's, and its upper bound over resamples of whole architectures."""
    sizes, reference = errors.sizes(method)[among], errors.sizes(Method.MEDIAN)[among]
    if method is Method.MEDIAN or not reference.any():
        return None, None  # the median is never off: nothing can be better
    places, count = number_groups([group for group, is_in in zip(errors.groups, among, strict=True) if is_in])
    ratio = float(sizes.sum() / reference.sum())
    if count < FEWEST_GROUPS:
        return ratio, None
    # Whole architectures are drawn, so only their sums matter.
    weights = np.random.default_rng(0).multinomial(count, np.full(count, 1 / count), size=RESAMPLES)
    drawn, base = (weights @ np.bincount(places, one, count) for one in (sizes, reference))
    # A resample in which the median is never off shows no rival better.
    ratios = np.divide(drawn, base, out=np.full(base.size, np.inf), where=base > 0)
    return ratio, float(np.quantile(ratios, _CONFIDENCE, method="higher"))


def _parts(errors: MaskedErrors) -> Iterator[tuple[NDArray[np.bool_], NDArray[np.bool_]]]:
    """Divide the cells by architecture, into at most five parts: (part, the rest)."""
    places, count = number_groups(errors.groups)
    part_of = places % min(FOLDS, count)
    for part in range(min(FOLDS, count)):
        yield part_of == part, part_of != part


def _quantile(sizes: Floats, level: float) -> float | None:
    """The conformal quantile; None where so few errors bound nothing at this level."""
    rank = math.ceil((sizes.size + 1) * level)
    return None if rank > sizes.size else float(np.sort(sizes)[rank - 1])
