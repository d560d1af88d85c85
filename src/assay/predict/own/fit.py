"""Learning from own results, and reading back what was learned. May import: predict, stats; numpy and scipy inside."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assay.core.errors import AssayError
from assay.predict.base import Gathered, Payload
from assay.predict.own.costs import weigh_terms
from assay.predict.own.model import CODES, OwnModel, call_of, make_points, words_of
from assay.predict.own.process import EFFECTS, Points, Process, choose_rows, fit_process, leave_out
from assay.predict.own.terms import TERMS, terms_of, why_no_terms
from assay.predict.splits import Fold, hold_out, split_groups
from assay.predict.values import Example, Question, Situation
from assay.stats.conformal import Calibration, calibrate

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[Any]

FEWEST = 12
"""Results below which nothing is said: three rows fit any law."""
MOST = 1_000
"""Results that are learned from: what learning and loading cost grows with their square and cube."""
_SITUATIONS = {
    Situation.KNOWN: "case",
    Situation.UNSEEN_BATCH: "call",
    Situation.UNSEEN_MODEL: "model",
    Situation.UNSEEN_FAMILY: "family",
    Situation.UNSEEN_DEVICE: "device",
}
_LEAST_NOISE = 1e-10
"""Of the sum of variances: what keeps a covariance one that can be inverted, known before it is put together."""
_FOLDS = 10
_FEWEST_GROUPS = 10
"""Groups from which a level of 90 % has a bound at all: 0.9 x (1 + 1/10) is below 1."""


def fit_own(gathered: Gathered, seed: int) -> OwnModel:
    """Learn from own results. Raises AssayError where they are too few."""
    del seed  # nothing is drawn
    usable = [one for one in gathered.examples if why_no_terms(one.question) is None]
    if len(usable) < FEWEST:
        without = len(gathered.examples) - len(usable)
        raise AssayError(
            f"{len(usable)} own results can be learned from ({without} more lack a graph or the device's rates); "
            f"expected at least {FEWEST}.",
            hint="Run: assay probe && assay run --suite standard --max-size tiny",
        )
    return _fit(usable)


def thin_out(examples: Sequence[Example], most: int) -> list[Example]:
    """Return at most so many of the examples that can be learned from: those that say most about all."""
    usable = [one for one in examples if why_no_terms(one.question) is None]
    if len(usable) <= most:
        return list(examples)
    questions = [one.question for one in usable]
    words = [words_of(question) for question in questions]
    return [usable[place] for place in choose_rows(make_points(words, questions, _number(words)), most)]


def load_own(payload: Payload) -> OwnModel:
    """Read back a payload. Raises AssayError where it is not sound."""
    import numpy as np

    try:
        return _load(payload.meta, payload.arrays)
    except (KeyError, TypeError, ValueError, np.linalg.LinAlgError) as error:
        raise AssayError(
            f"What a predictor of own results learned cannot be read: {type(error).__name__}: {error}.",
            hint="Learn it again: assay predict train",
        ) from error


def _load(meta: Mapping[str, Any], arrays: Mapping[str, Any]) -> OwnModel:
    import numpy as np

    if tuple(meta["effects"]) != EFFECTS or tuple(meta["terms"]) != TERMS:
        raise ValueError(f"got effects {meta['effects']} and terms {meta['terms']}")
    codes = np.asarray(arrays["codes"], dtype=np.int64)
    points = Points(codes, *(np.asarray(arrays[name], dtype=np.float64) for name in ("batch", "make_up")))
    residuals = np.asarray(arrays["residuals"], dtype=np.float64)
    if codes.shape != (len(residuals), len(CODES)) or len(points.make_up) != len(residuals):
        raise ValueError(f"got {codes.shape} codes of {len(residuals)} rows")
    sds, noise = tuple(float(one) for one in meta["sds"]), float(meta["noise"])
    if len(sds) != len(EFFECTS) or not sum(sd**2 for sd in sds) * _LEAST_NOISE < noise**2 < math.inf:
        raise ValueError(f"got deviations {sds} of {len(EFFECTS)} effects and noise {noise}")
    process = Process(points, residuals, sds, noise)
    calibrations = {
        Situation(name): Calibration(tuple(one["scores"]), tuple(one["weights"]), int(one["groups"]))
        for name, one in meta["calibrations"].items()
    }
    return OwnModel(
        np.asarray(arrays["costs"], dtype=np.float64), process,
        {name: tuple(words) for name, words in meta["names"].items()}, calibrations, tuple(meta["sources"]),
        np.asarray(arrays["values"], dtype=np.float64), tuple(meta["labels"]),
    )  # fmt: skip


def _fit(examples: Sequence[Example]) -> OwnModel:
    import numpy as np

    questions = [one.question for one in examples]
    values = np.array([one.value for one in examples])
    words = [words_of(question) for question in questions]
    names = _number(words)
    names["call"] = tuple(sorted({call_of(question) for question in questions}))
    times = terms_of(questions)
    points = make_points(words, questions, names)
    rows = _Rows(times, values, points)
    costs = weigh_terms(times, values, rows.engines, len(names["engine"]))
    process = fit_process(points, rows.residuals(costs))
    calibrations = {}
    for situation, group in _SITUATIONS.items():
        if situation is Situation.UNSEEN_BATCH:
            held, folds = [call_of(one) for one in questions], leave_calls_out(questions)
        else:
            is_known = situation is Situation.KNOWN
            held = [str(place) if is_known else one.groups[group] for place, one in enumerate(examples)]
            folds = list(split_groups(held, _FOLDS, 0))
        tested = sorted(place for fold in folds for place in fold.test)
        if len({held[place] for place in tested}) >= (2 if situation is Situation.UNSEEN_DEVICE else _FEWEST_GROUPS):
            errors, sds = _hold_out(rows, process, folds, len(names["engine"]))
            calibrations[situation] = calibrate(errors[tested], [held[place] for place in tested], sds[tested])
    labels = tuple(
        f"{one.question.workload} {one.question.conditions.engine} {one.question.conditions.precision} "
        f"b{one.question.conditions.batch}" for one in examples
    )  # fmt: skip
    sources = tuple(one.source for one in examples)
    return OwnModel(costs, process, names, calibrations, sources, values, labels)


def _number(words: Sequence[Sequence[str]]) -> dict[str, tuple[str, ...]]:
    return {name: tuple(sorted({own[place] for own in words})) for place, name in enumerate(CODES)}


def leave_calls_out(questions: Sequence[Question]) -> list[Fold]:
    """Leave one call (batch and shape) of each model out that has several: the first of all models, then the second.

    All at once, since a batch that one model was not measured at, others mostly were not either. Of a model with one
    call nothing is left out.
    """
    calls: dict[str, list[str]] = {}
    for one in sorted(questions, key=lambda one: (one.conditions.batch, call_of(one))):
        own = calls.setdefault(one.workload, [])
        if call_of(one) not in own:
            own.append(call_of(one))
    most = min(_FOLDS, max(map(len, calls.values()), default=0))
    names = [call_of(one) for one in questions]
    several = [own for own in calls.values() if len(own) > 1]
    return (
        [hold_out(names, [own[rank] for own in several if rank < len(own)]) for rank in range(most)] if several else []
    )


@dataclass(frozen=True, slots=True)
class _Rows:
    """Terms (n, terms), values (n,) and what rows share."""

    times: Floats
    values: Floats
    points: Points

    def take(self, places: Sequence[int]) -> _Rows:
        import numpy as np

        own = np.asarray(places)
        return _Rows(self.times[own], self.values[own], self.points.take(own))

    @property
    def engines(self) -> Floats:
        return self.points.codes[:, CODES.index("engine")]

    def residuals(self, costs: Floats) -> Floats:
        import numpy as np

        return np.asarray(np.log(self.values) - np.log((self.times * costs[1 + self.engines]).sum(axis=1)))


def _hold_out(rows: _Rows, process: Process, folds: Sequence[Fold], engines: int) -> tuple[Floats, Floats]:
    """Return error and standard deviation (n,) of each row, had its fold not been there; NaN where none holds it.

    Costs and answers are learned anew without it; only the size of each effect is taken from all rows, of which one
    group says little.
    """
    import numpy as np

    errors, sds = np.full(len(rows.values), np.nan), np.full(len(rows.values), np.nan)
    for fold in folds:
        train, test = rows.take(fold.train), list(fold.test)
        costs = weigh_terms(train.times, train.values, train.engines, engines)
        errors[test], sds[test] = leave_out(process, rows.residuals(costs), test)
    return errors, sds
