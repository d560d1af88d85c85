"""Whether a training gets anywhere: not a number, divergence, a plateau, and when a target was first reached.

Rules on two curves: the loss of every step, and the quality of every evaluation. They decide when a training is over,
so each is stated with what it takes to be called. docs/time-to-accuracy.md explains them. May import: stats;
numpy; scipy inside functions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from assay.stats.summary import FEWEST_LAUNCHES_FOR_INTERVAL, Interval

PATIENCE = 10
"""Evaluations without progress before a training counts as having come to rest."""
LEAST_FALL = 0.01
"""Share by which the test loss has to fall over ``PATIENCE`` evaluations to count as progress."""
DIVERGED = 3.0
"""A loss this many times that of the start has diverged: an untrained model guesses, and cannot be that wrong."""
LEARNED = 0.9
"""Loss at the end over loss at the start, below which a model has learned."""
_FEWEST_IN_WINDOW = 10
_TENTHS = 10
_SIGMAS = 3.0


def find_not_finite(values: Sequence[float]) -> int | None:
    """Return the index of the first value that is NaN or infinite; None where all are finite."""
    return next((place for place, value in enumerate(values) if not math.isfinite(value)), None)


def find_first_reaching(values: Sequence[float], target: float) -> int | None:
    """Return the index of the first value of at least ``target``; None where none is."""
    return next((place for place, value in enumerate(values) if value >= target), None)


def loss_ratio(losses: Sequence[float]) -> float | None:
    """Median loss of the last tenth of the steps over that of the first; below 1 the model learned.

    None below 2 losses, for one that is not finite, and where the start is not above 0, which no ratio describes.
    """
    if len(losses) < 2 or find_not_finite(losses) is not None:  # noqa: PLR2004  (a ratio has two ends)
        return None
    window = max(1, len(losses) // _TENTHS)
    first, last = float(np.median(losses[:window])), float(np.median(losses[-window:]))
    return last / first if first > 0 else None


def has_diverged(losses: Sequence[float]) -> bool:
    """Tell whether the loss has left: its median over the last steps is ``DIVERGED`` times that over the first.

    Both windows are a tenth of the steps, at least 10, so that one odd batch decides nothing; fewer than two windows
    never diverge. A loss that is not finite has diverged.
    """
    if find_not_finite(losses) is not None:
        return True
    window = max(_FEWEST_IN_WINDOW, len(losses) // _TENTHS)
    if len(losses) < 2 * window:
        return False
    first = float(np.median(losses[:window]))
    return first > 0 and float(np.median(losses[-window:])) > DIVERGED * first


def has_plateaued(
    accuracies: Sequence[float], losses: Sequence[float], *, samples: int, patience: int = PATIENCE
) -> bool:
    """Tell whether the last ``patience`` evaluations brought nothing that the ones before had not.

    Nothing means both: the best accuracy is not more than one standard error of a share of ``samples`` answers above
    the best before, sqrt(p (1 - p) / samples) with p the best before, and the lowest test loss is not ``LEAST_FALL``
    below the lowest before. So a model that stays at chance while its loss still falls goes on, and so does one whose
    loss rises with its confidence while its answers improve. ``accuracies`` and ``losses`` hold one value an
    evaluation. Raises ValueError where they are not as many.
    """
    if len(accuracies) != len(losses):
        raise ValueError(f"got {len(accuracies)} accuracies and {len(losses)} losses; expected one each an evaluation")
    if len(accuracies) <= patience:
        return False
    before, lately = max(accuracies[:-patience]), max(accuracies[-patience:])
    if lately > before + standard_error(before, samples):
        return False
    lowest, lowest_lately = min(losses[:-patience]), min(losses[-patience:])
    return not lowest_lately < lowest - LEAST_FALL * abs(lowest)


def standard_error(share: float, samples: int) -> float:
    """Standard error of a share of right answers among ``samples``: sqrt(p (1 - p) / n), that of a binomial.

    Where all or none are right the formula says 0, so p is taken half an answer away from there.
    """
    if samples <= 0:
        raise ValueError(f"got {samples} samples; a share needs at least one")
    edge = 0.5 / samples
    p = min(max(share, edge), 1 - edge)
    return math.sqrt(p * (1 - p) / samples)


def has_learned(losses: Sequence[float], *, before: float, best: float, samples: int) -> bool:
    """Tell whether a training brought anything: the loss fell below ``LEARNED`` of its start, or the answers improved.

    ``before`` and ``best`` are accuracies on ``samples`` test samples, of the untrained model and at best; they differ
    where the best is 3 standard errors of a difference above.
    """
    ratio = loss_ratio(losses)
    if ratio is not None and ratio < LEARNED:
        return True
    error = math.hypot(standard_error(before, samples), standard_error(best, samples))
    return best > before + _SIGMAS * error


def share_interval(values: Sequence[float], *, most: float | None = 1.0) -> Interval | None:
    """Bound the typical launch from one share a launch at 95 %; None below 3 launches.

    Student's t on the values themselves, cut off at 0 and ``most``: the noise of a share adds, where that of a time
    multiplies (`assay.stats.summary.launch_interval`).
    """
    if len(values) < FEWEST_LAUNCHES_FOR_INTERVAL:
        return None
    from scipy.special import stdtrit

    array = np.asarray(values, dtype=np.float64)
    margin = float(stdtrit(array.size - 1, 0.975)) * float(array.std(ddof=1)) / math.sqrt(array.size)
    centre = float(array.mean())
    highest = centre + margin
    return Interval(max(0.0, centre - margin), highest if most is None else min(most, highest))
