"""How well graphs foretell what was held out, beside the nearest model and a plain roofline.

Everything is learned anew without what is held out: trees, intervals, baselines. Answers go through the same door as
in use, abstentions included. May import: core, predict; numpy inside functions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from assay.core.errors import AssayError, UnknownNameError
from assay.predict.base import Gathered
from assay.predict.graph.baselines import nearest_model, plain_roofline
from assay.predict.graph.fit import FEWEST, fit_graph, folds_of, usable_examples
from assay.predict.scores import GroupScore, SplitOutcome, score_groups, score_predictions
from assay.predict.splits import Fold, split_times
from assay.predict.values import LEVELS, Answer, Example, Prediction, Situation

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

KIND = "graph"
SPLITS = {
    "random": "rows at random: the same model stands on both sides, so it flatters",
    "model": "a model that was not measured",
    "family": "a family that was not measured",
    "both": "a family that was not measured, on a device that was not measured",
    "temporal": "a later version of the software, and what came with it",
}
GOALS = {"model": 0.08, "family": 0.14}
_SITUATIONS = {
    "random": (Situation.KNOWN, Situation.UNSEEN_MODEL),
    "model": (Situation.UNSEEN_MODEL, Situation.UNSEEN_FAMILY),
    "family": (Situation.UNSEEN_FAMILY,),
    "both": (Situation.BOTH_UNSEEN,),
    "temporal": (
        Situation.LATER, Situation.KNOWN, Situation.UNSEEN_FAMILY, Situation.UNSEEN_DEVICE, Situation.BOTH_UNSEEN,
    ),
}  # fmt: skip
_FOLDS = {"family": 10, "random": 3}
_OTHER_FOLDS = 6
_SIZES = ((0.0, "under 1 GFLOP"), (1e9, "1 to 10 GFLOP"), (1e10, "10 to 100 GFLOP"), (1e11, "over 100 GFLOP"))
"""Sizes of a sample's graph that coverage is told apart by."""


def validate_graph(gathered: Gathered, split: str, seed: int) -> SplitOutcome:
    """Hold out and predict. Raises AssayError where there is too little, UnknownNameError for another split."""
    import numpy as np

    if split not in SPLITS:
        raise UnknownNameError("split", split, SPLITS)
    examples = usable_examples(gathered)
    asked: list[Example] = []
    answers: list[Prediction] = []
    naive: list[Array] = []
    abstained: list[str] = []
    for fold in _folds(examples, split, seed):
        train, test = [examples[place] for place in fold.train], [examples[place] for place in fold.test]
        if len(train) < FEWEST:
            continue
        model = fit_graph(Gathered(tuple(train), ()), seed, situations=_SITUATIONS[split])
        found = model.answer([one.question for one in test])
        held = np.array([isinstance(one, Prediction) for one in found], dtype=bool)
        abstained += [_reason(one) for one in found if not isinstance(one, Prediction)]
        asked += [one for one, own in zip(test, held, strict=True) if own]
        answers += [one for one in found if isinstance(one, Prediction)]
        naive.append(np.stack([nearest_model(train, test), plain_roofline(train, test)])[:, held])
    if not answers:
        raise AssayError(
            f"Nothing could be held out for the split {split!r}: {len(examples)} timings can be learned from.",
            hint="Give published timings: assay predict validate --kind graph --data FOLDER",
        )
    nearest, roof = np.concatenate(naive, axis=1)
    return _outcome(split, asked, answers, {"nearest model by operations": nearest, "roofline": roof}, abstained)


def _folds(examples: Sequence[Example], split: str, seed: int) -> Iterator[Fold]:
    if split == "temporal":
        yield from split_times([one.groups.get("round", "") for one in examples], fewest_train=FEWEST)
        return
    situation = _SITUATIONS[split][0]
    yield from folds_of(examples, situation, seed, folds=_FOLDS.get(split, _OTHER_FOLDS))


def _outcome(
    split: str, asked: Sequence[Example], answers: Sequence[Prediction], naive: Mapping[str, Array],
    abstained: Sequence[str],
) -> SplitOutcome:  # fmt: skip
    import numpy as np

    truth = np.array([one.value for one in asked])
    guess = np.array([one.value for one in answers])
    bounds = {level: _bounds(answers, level) for level in LEVELS}
    methods = {"assay": score_predictions(truth, guess, bounds)}
    methods |= {name: score_predictions(truth, values) for name, values in naive.items()}

    def by(words: Sequence[str]) -> tuple[GroupScore, ...]:
        return score_groups(words, truth, guess, bounds)

    held = ["family" if split != "temporal" else "round" for _ in asked]
    stratified = {
        "size": by([_size_of(one) for one in asked]),
        "device": by([one.groups["device"] for one in asked]),
        "mode": by([one.question.conditions.mode for one in asked]),
        "software": by([_software_of(one) for one in asked]),
    }
    if split == "temporal":
        stratified["situation"] = by([str(one.calibrated_on) for one in answers])
    notes = []
    if abstained:
        most, _ = Counter(abstained).most_common(1)[0]
        asked_for = len(abstained) + len(answers)
        notes.append(f"{len(abstained)} of {asked_for} held out were not answered, most often because {most}")
    by_group = by([one.groups.get(word, "") for one, word in zip(asked, held, strict=True)])
    share = float(np.mean([one.score.coverage[LEVELS[-1]] for one in by_group]))
    notes.append(
        f"intervals of {LEVELS[-1]:.0%} held {share:.1%} as the mean over what was held out, each weighing the same"
    )
    if split == "random":
        notes.append("rows of one model stand on both sides: no figure to judge by")
    return SplitOutcome(
        KIND, split, SPLITS[split], "latency_ns", methods,
        by_group, stratified,
        GOALS.get(split), notes=tuple(notes),
    )  # fmt: skip


def _bounds(answers: Sequence[Prediction], level: float) -> tuple[Array, Array]:
    """Ends of the intervals; those that cannot be told are as wide as can be, so that they count as such."""
    import numpy as np

    found = [one.interval(level) for one in answers]
    low = np.array([1e-300 if one is None else one.lo for one in found])
    return low, np.array([1e300 if one is None else one.hi for one in found])


def _reason(answer: Answer) -> str:
    return "predicted" if isinstance(answer, Prediction) else answer.reason


def _size_of(one: Example) -> str:
    graph = one.question.graph
    flops = graph.flops / graph.batch if graph is not None else 0.0
    return next(name for least, name in reversed(_SIZES) if flops >= least)


def _software_of(one: Example) -> str:
    conditions = one.question.conditions
    return f"{conditions.engine} {dict(conditions.options).get('layout', '')}".strip()
