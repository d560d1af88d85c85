"""How well own results foretell what was held out, beside a plain roofline and the nearest model.

Everything is learned anew without what is held out: costs of terms, effects, intervals. May import: predict; numpy
inside functions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from assay.core.errors import AssayError, UnknownNameError
from assay.predict.base import Gathered
from assay.predict.own.fit import fit_own, leave_calls_out
from assay.predict.own.terms import terms_of, why_no_terms
from assay.predict.scores import Score, SplitOutcome, score_groups, score_predictions
from assay.predict.splits import Fold, split_groups
from assay.predict.values import LEVELS, Example, Prediction

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[Any]

_FOLDS = 15
_QUESTIONS = {
    "case": "other conditions of a model measured here",
    "batch": "a model measured here at other batches or shapes",
    "model": "a model not measured here",
    "family": "a family not measured here",
    "size": "larger models from the smallest of each family",
}
_SMALLEST = "tiny"


def validate_own(gathered: Gathered, split: str, seed: int) -> SplitOutcome:
    """Hold out and predict. Raises AssayError where there is too little, UnknownNameError for another split."""
    import numpy as np

    from assay.predict.own.kind import KIND
    from assay.predict.own.model import METRIC

    if split not in _QUESTIONS:
        raise UnknownNameError("split", split, _QUESTIONS)
    examples = [one for one in gathered.examples if why_no_terms(one.question) is None]
    actual, groups, answers, naive = [], [], [], []
    abstained = 0
    for fold in _folds(examples, split, seed):
        train = [examples[place] for place in fold.train]
        test = [examples[place] for place in fold.test]
        try:
            model = fit_own(Gathered(tuple(train), ()), seed)
        except AssayError:
            abstained += len(test)
            continue
        for one, answer, plain in zip(
            test, model.answer([one.question for one in test]), _naive(train, test), strict=True
        ):
            if not isinstance(answer, Prediction):
                abstained += 1
                continue
            actual.append(one.value)
            groups.append(f"{one.groups['family']} on {one.groups['engine']}")
            answers.append(answer)
            naive.append(plain)
    if not answers:
        raise AssayError(
            f"Nothing could be held out for the split {split!r}: {len(examples)} own results can be learned from.",
            hint="Measure more: assay run --suite standard --max-size tiny",
        )
    truth = np.array(actual)
    guess = np.array([one.value for one in answers])
    bounds = {level: tuple(np.array([_end(one, level, end) for one in answers]) for end in (0, 1)) for level in LEVELS}
    known = {level: (low, high) for level, (low, high) in bounds.items() if np.isfinite(high).all()}
    methods: dict[str, Score] = {"assay": score_predictions(truth, guess, known)}
    for place, name in enumerate(("roofline", "nearest model")):
        methods[name] = score_predictions(truth, np.array([plain[place] for plain in naive]))
    by_engine = [group.rpartition(" on ")[2] for group in groups]
    notes = [f"{abstained} of {abstained + len(answers)} held out were not answered"] if abstained else []
    return SplitOutcome(
        KIND, split, _QUESTIONS[split], METRIC, methods,
        score_groups(groups, truth, guess, known),
        {"engine": score_groups(by_engine, truth, guess, known)},
        notes=tuple(notes),
    )  # fmt: skip


def _folds(examples: Sequence[Example], split: str, seed: int) -> Iterator[Fold]:
    if split == "size":
        small = tuple(place for place, one in enumerate(examples) if one.groups["tier"] == _SMALLEST)
        large = tuple(place for place in range(len(examples)) if place not in set(small))
        if small and large:
            yield Fold(small, large, tuple(sorted({examples[place].groups["model"] for place in large})))
        return
    if split == "batch":
        yield from leave_calls_out([one.question for one in examples])
        return
    if split == "case":
        yield from split_groups([str(place) for place in range(len(examples))], _FOLDS, seed)
        return
    yield from split_groups([one.groups[split] for one in examples], _FOLDS, seed)


def _naive(train: Sequence[Example], test: Sequence[Example]) -> list[tuple[float, float]]:
    """The roofline times the median share reached, and the nearest model of the engine scaled by operations."""
    import numpy as np

    roofs = terms_of([one.question for one in train]).max(axis=1)
    share = np.median([one.value / roof for one, roof in zip(train, roofs, strict=True)])
    found = []
    for one, roof in zip(test, terms_of([one.question for one in test]).max(axis=1), strict=True):
        near = min(train, key=lambda other: _distance(one, other))
        found.append((float(roof * share), near.value * _flops(one) / _flops(near)))
    return found


def _distance(one: Example, other: Example) -> tuple[bool, bool, float]:
    import math

    here, there = one.question.conditions, other.question.conditions
    far = abs(math.log(_flops(one) / _flops(other)))
    return here.engine != there.engine, here.precision != there.precision, far


def _flops(one: Example) -> float:
    return max(1.0, one.question.graph.flops if one.question.graph is not None else 1.0)


def _end(answer: Prediction, level: float, end: int) -> float:
    found = answer.interval(level)
    return float("nan") if found is None else (found.lo, found.hi)[end]
