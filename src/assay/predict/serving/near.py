"""What latencies teach about one limit: learned anew, with those far from it told apart less.

A set-up is chosen by which latencies are within a limit. A process that is learned from all of them alike spends itself
on differences that no choice hangs on: 2 or 4 ms where 50 are allowed. So a logarithm counts by where it lies about the
limit, squeezed by a hyperbolic tangent: near the limit as it is, far from it only by its side. LLM-Pilot weighs samples
by their nearness to a limit to the same end (Lazuka et al. 2024). May import: predict.serving, predict.system.process;
numpy inside functions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from assay.predict.serving.joint import draw_jointly, expect_jointly, leave_out_jointly
from assay.predict.serving.model import ServingModel
from assay.predict.serving.protocol import Demand
from assay.predict.serving.terms import BETWEEN, FIRST, Replica, make_terms, number_rows, reference_of
from assay.predict.system.process import Process, fit_process, rebuild

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[Any]

USERS = (1, 2, 4, 8, 16, 32, 64, 128)
"""Users of one replica that latencies are foretold for."""
_NS_PER_MS = 1e6
_NOISE = 0.005
"""Variance of the noise where none can be learned."""


def limits_of(demand: Demand) -> dict[str, float]:
    """Return the limits of a demand in ms by metric."""
    return {FIRST: demand.nttft_ms, BETWEEN: demand.itl_ms}


def squeeze(logs: Floats, log_limit: float, width: float) -> Floats:
    """Return how far logarithms lie above a limit, squeezed into -``width`` to ``width``; infinite: as far as it is."""
    import numpy as np

    away = logs - log_limit
    return away if math.isinf(width) else np.asarray(width * np.tanh(away / width))


def learn_near(model: ServingModel, metric: str, limit_ms: float, width: float, seed: int) -> Process:
    """Learn from the rows of a model once more, for one limit. An outcome of at most 0 is within it.

    Variances start from what is written down for logarithms, whatever the width: a narrow one leaves more room.
    """
    import numpy as np

    told = model.processes[metric]
    logs = told.values + told.rows.columns[reference_of(metric)]
    values = squeeze(logs, math.log(limit_ms * _NS_PER_MS), width)
    terms, repeats = make_terms(metric), np.ones(told.rows.n)
    try:
        return fit_process(terms, told.rows, values, repeats, seed)
    except np.linalg.LinAlgError:  # all lie far from the limit: nothing tells noise from the rest
        variances = [one.variance for one in terms]
        return rebuild(terms, variances, _NOISE, float(np.median(values)), told.rows, values, repeats)


def draw_within(process: Process, model: ServingModel, told: Sequence[Replica], draws: int, seed: int) -> Floats:
    """Draw whether each replica is within the limit of a process, (draws, n): a curve is off as a whole."""
    mean, covariance = expect_jointly(process, number_rows(told, model.names))
    return draw_jointly(mean, covariance, draws, seed) <= 0


def draw_within_left_out(process: Process, own: Floats, draws: int, seed: int) -> Floats:
    """Draw whether rows of a process are within its limit, told without them, (draws, n); variances stay."""
    return draw_jointly(*leave_out_jointly(process, own), draws, seed) <= 0


def held_in_draws(first_within: Floats, between_within: Floats) -> Floats:
    """Return the users held in each draw, (draws, set-ups), of (draws, set-ups times users): up to the first over."""
    import numpy as np

    within = (first_within & between_within).reshape(len(first_within), -1, len(USERS))
    return np.asarray(np.array((0, *USERS))[np.cumprod(within, axis=2).sum(axis=2)])
