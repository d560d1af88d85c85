"""How good predictions were: errors, coverage and width of intervals, by held-out group. Pure numpy.

Errors are |predicted / actual - 1|, in shares. May import: predict.values; numpy inside functions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

WORST_SHARE = 0.1
"""The worst decile of groups is told by name."""


@dataclass(frozen=True, slots=True)
class Score:
    """Errors of ``n`` predictions. ``coverage`` and ``width`` by level: the share held, and the median of hi / lo."""

    n: int
    mean_error: float
    median_error: float
    within_10: float
    within_20: float
    coverage: Mapping[float, float] = field(default_factory=dict)
    width: Mapping[float, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class GroupScore:
    """The score of one held-out group."""

    group: str
    score: Score


@dataclass(frozen=True, slots=True)
class SplitOutcome:
    """One split of one kind: what was asked, how well assay and each naive baseline did on the same rows.

    ``methods`` has assay's own under ``assay``, first. ``groups`` are assay's scores by what was held out, worst first.
    ``stratified`` are scores by something else (size, precision, ...), by title then name. ``goal`` is the mean
    error to reach, None where none was set; ``published`` the figure of others, with whose it is in ``notes``.
    """

    kind: str
    split: str
    question: str
    metric: str
    methods: Mapping[str, Score]
    groups: tuple[GroupScore, ...] = ()
    stratified: Mapping[str, tuple[GroupScore, ...]] = field(default_factory=dict)
    goal: float | None = None
    published: float | None = None
    notes: tuple[str, ...] = ()

    @property
    def own(self) -> Score:
        """The score of assay itself."""
        return self.methods["assay"]

    @property
    def beaten_by(self) -> tuple[str, ...]:
        """Baselines with a lower mean error: one that beats the model should answer in its place."""
        return tuple(
            name for name, one in self.methods.items() if name != "assay" and one.mean_error < self.own.mean_error
        )

    @property
    def worst_groups(self) -> tuple[GroupScore, ...]:
        """The worst decile of the held-out groups by mean error, at least one."""
        count = max(1, round(WORST_SHARE * len(self.groups)))
        return tuple(sorted(self.groups, key=lambda one: -one.score.mean_error)[:count])


def score_predictions(
    actual: ArrayLike,
    predicted: ArrayLike,
    intervals: Mapping[float, tuple[ArrayLike, ArrayLike]] | None = None,
) -> Score:
    """Score predictions, (n,) each, positive; ``intervals`` are the bounds by level. Raises ValueError for none."""
    import numpy as np

    truth, guess = np.asarray(actual, dtype=np.float64), np.asarray(predicted, dtype=np.float64)
    if truth.shape != guess.shape or not truth.size:
        raise ValueError(
            f"got {truth.shape} actual and {guess.shape} predicted values; expected as many of each, not none"
        )
    errors = np.abs(guess / truth - 1)
    coverage, width = {}, {}
    for level, (low, high) in (intervals or {}).items():
        lows, highs = np.asarray(low, dtype=np.float64), np.asarray(high, dtype=np.float64)
        coverage[level] = float(np.mean((lows <= truth) & (truth <= highs)))
        width[level] = float(np.median(highs / lows))
    return Score(
        n=int(truth.size),
        mean_error=float(errors.mean()),
        median_error=float(np.median(errors)),
        within_10=float(np.mean(errors <= 0.1)),  # noqa: PLR2004  (the field's name says it)
        within_20=float(np.mean(errors <= 0.2)),  # noqa: PLR2004
        coverage=coverage,
        width=width,
    )


def score_groups(
    groups: Sequence[str],
    actual: ArrayLike,
    predicted: ArrayLike,
    intervals: Mapping[float, tuple[ArrayLike, ArrayLike]] | None = None,
) -> tuple[GroupScore, ...]:
    """Score each group apart, worst mean error first."""
    import numpy as np

    names = np.asarray(groups, dtype=object)
    truth, guess = np.asarray(actual, dtype=np.float64), np.asarray(predicted, dtype=np.float64)
    bounds = {level: (np.asarray(low), np.asarray(high)) for level, (low, high) in (intervals or {}).items()}
    found = []
    for name in dict.fromkeys(groups):
        own = names == name
        held = {level: (low[own], high[own]) for level, (low, high) in bounds.items()}
        found.append(GroupScore(name, score_predictions(truth[own], guess[own], held)))
    return tuple(sorted(found, key=lambda one: -one.score.mean_error))
