"""Learning from own results, and reading back what was learned. May import: predict, stats; numpy and scipy inside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assay.core.errors import AssayError
from assay.predict.base import Gathered, Payload
from assay.predict.own.costs import weigh_terms
from assay.predict.own.model import CODES, OwnModel, make_points, words_of
from assay.predict.own.process import EFFECTS, Points, Process, expect, fit_process, rebuild
from assay.predict.own.terms import TERMS, terms_of, why_no_terms
from assay.predict.splits import split_groups
from assay.predict.values import Example, Situation
from assay.stats.conformal import Calibration, calibrate

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[Any]

FEWEST = 12
"""Results below which nothing is said: three rows fit any law."""
_SITUATIONS = {
    Situation.KNOWN: "case",
    Situation.UNSEEN_MODEL: "model",
    Situation.UNSEEN_FAMILY: "family",
    Situation.UNSEEN_DEVICE: "device",
}
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
    process = rebuild(points, residuals, [float(one) for one in meta["sds"]], float(meta["noise"]))
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
    names = {name: tuple(sorted({own[place] for own in words})) for place, name in enumerate(CODES)}
    times = terms_of(questions)
    points = make_points(words, questions, names)
    rows = _Rows(times, values, points)
    costs = weigh_terms(times, values, rows.engines, len(names["engine"]))
    process = fit_process(points, rows.residuals(costs))
    calibrations = {}
    for situation, group in _SITUATIONS.items():
        held = [one.groups[group] for one in examples]
        if situation is Situation.KNOWN:
            held = [str(place) for place in range(len(examples))]
        if len(set(held)) >= (2 if situation is Situation.UNSEEN_DEVICE else _FEWEST_GROUPS):
            errors, sds = _hold_out(rows, process, held, len(names["engine"]))
            calibrations[situation] = calibrate(errors, held, sds)
    labels = tuple(
        f"{one.question.workload} {one.question.conditions.engine} {one.question.conditions.precision} "
        f"b{one.question.conditions.batch}" for one in examples
    )  # fmt: skip
    sources = tuple(one.source for one in examples)
    return OwnModel(costs, process, names, calibrations, sources, values, labels)


@dataclass(frozen=True, slots=True)
class _Rows:
    """Terms (n, terms), values (n,) and what rows share."""

    times: Floats
    values: Floats
    points: Points

    def take(self, places: Sequence[int]) -> _Rows:
        import numpy as np

        own, points = np.asarray(places), self.points
        part = Points(points.codes[own], points.batch[own], points.make_up[own])
        return _Rows(self.times[own], self.values[own], part)

    @property
    def engines(self) -> Floats:
        return self.points.codes[:, CODES.index("engine")]

    def residuals(self, costs: Floats) -> Floats:
        import numpy as np

        return np.asarray(np.log(self.values) - np.log((self.times * costs[1 + self.engines]).sum(axis=1)))


def _hold_out(rows: _Rows, process: Process, groups: Sequence[str], engines: int) -> tuple[Floats, Floats]:
    """Return error and standard deviation (n,) of each row, had its group not been there.

    Costs and answers are learned anew without it; only the size of each effect is taken from all rows, of which one
    group says little.
    """
    import numpy as np

    errors, sds = np.empty(len(groups)), np.empty(len(groups))
    for fold in split_groups(groups, _FOLDS, 0):
        train, test = rows.take(fold.train), rows.take(fold.test)
        costs = weigh_terms(train.times, train.values, train.engines, engines)
        without = rebuild(train.points, train.residuals(costs), process.sds, process.noise)
        mean, sd = expect(without, test.points)
        errors[list(fold.test)] = test.residuals(costs) - mean
        sds[list(fold.test)] = sd
    return errors, sds
