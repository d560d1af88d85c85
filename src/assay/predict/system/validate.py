"""How well a recipe foretells what was held out, beside its naive baselines; everything is learned anew in each fold.

May import: core, predict; numpy inside functions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from assay.core.absence import Unavailable
from assay.core.errors import AssayError
from assay.predict.base import Gathered
from assay.predict.scores import Score, SplitOutcome, score_groups, score_predictions
from assay.predict.splits import Fold, leave_one_out, split_rows, split_times
from assay.predict.system.domains import fit_domains
from assay.predict.system.recipe import Recipe
from assay.predict.values import LEVELS, Example, Prediction

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[Any]

_FOLDS = 5
_WAYS: dict[str, Callable[[Sequence[Example], int], Iterator[Fold]]] = {
    "device": lambda rows, _: leave_one_out([one.groups["device"] for one in rows]),
    "vendor": lambda rows, _: leave_one_out([one.groups["vendor"] for one in rows]),
    "round": lambda rows, _: split_times([one.groups["round"] for one in rows]),
    "random": lambda rows, seed: split_rows(len(rows), _FOLDS, seed),
}
Wanted = Callable[[Example], bool]


def validate_recipe(  # noqa: PLR0913  (what is asked, of what, and against what)
    recipe: Recipe, gathered: Gathered, split: str, seed: int, *, hold_out: str, question: str,
    only: Wanted = lambda _: True, strata: Sequence[str] = (), goal: float | None = None, notes: Sequence[str] = (),
) -> SplitOutcome:  # fmt: skip
    """Hold out by ``hold_out`` (device, vendor, round, random), learn from the rest, and score what ``only`` wants.

    Baselines are scored on the rows that all of them and the model answer; the rest is counted in the notes. Raises
    AssayError where nothing could be held out.
    """
    import numpy as np

    examples = list(gathered.examples)
    rows: list[Example] = []
    answers: list[Prediction] = []
    naive: list[list[float]] = []
    abstained = 0
    bold = replace(recipe, abstains=frozenset())  # also where it abstains: that is what shows why
    for fold in _WAYS[hold_out](examples, seed):
        test = [examples[place] for place in fold.test if only(examples[place])]
        if not test:
            continue
        train = [examples[place] for place in fold.train]
        try:
            model = fit_domains(bold, Gathered(tuple(train), ()), seed, only=_domains_of(recipe, test))
        except AssayError:
            abstained += len(test)
            continue
        told = model.answer([one.question for one in test])
        beside = [foretell(train, test) for foretell in recipe.baselines.values()]
        for one, answer, *others in zip(test, told, *beside, strict=True):
            known = [other for other in others if other is not None]
            if not isinstance(answer, Prediction) or len(known) < len(others):
                abstained += 1
                continue
            rows.append(one)
            answers.append(answer)
            naive.append(known)
    if not rows:
        raise AssayError(
            f"Nothing could be held out for the split {split!r} of {len(examples)} examples.",
            hint="Give the folders of published results with --data.",
        )
    truth = np.array([one.value for one in rows])
    guess = np.array([one.value for one in answers])
    bounds = _bounds(answers)
    methods: dict[str, Score] = {"assay": score_predictions(truth, guess, bounds)}
    for place, name in enumerate(recipe.baselines):
        methods[name] = score_predictions(truth, np.array([one[place] for one in naive]))
    held = [one.groups["device" if hold_out == "random" else hold_out] for one in rows]
    said = (
        f"{abstained} of {abstained + len(rows)} held out were not answered: too little of their series or domain was "
        "published by others, for the model or for a baseline"
    )
    return SplitOutcome(
        recipe.kind, split, question, recipe.metric, methods, score_groups(held, truth, guess, bounds),
        {name: score_groups([one.groups[name] for one in rows], truth, guess, bounds) for name in strata},
        goal=goal, notes=(*([said] if abstained else []), *notes, *gathered.notes),
    )  # fmt: skip


def _domains_of(recipe: Recipe, rows: Sequence[Example]) -> frozenset[str]:
    """The domains that are asked of: nothing has to be learned of others."""
    told = (recipe.describe(one.question) for one in rows)
    return frozenset(one.domain for one in told if not isinstance(one, Unavailable))


def _bounds(answers: Sequence[Prediction]) -> dict[float, tuple[Floats, Floats]]:
    """Bounds of the levels that every answer has."""
    import numpy as np

    found = {}
    for level in LEVELS:
        intervals = [one.interval(level) for one in answers]
        ends = [(one.lo, one.hi) for one in intervals if one is not None]
        if len(ends) == len(answers):
            low, high = np.array(ends).T
            found[level] = (low, high)
    return found
