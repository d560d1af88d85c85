"""What published results taught, and the answers it gives: a reference of data sheets times what a process expects.

May import: core, predict, stats; numpy inside functions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assay.core.absence import Unavailable
from assay.predict.base import Payload
from assay.predict.system.process import Process, Rows, expect, nearest
from assay.predict.system.recipe import Described, Recipe
from assay.predict.values import LEVELS, Abstention, Answer, Evidence, Interval, Layer, Prediction, Question, Situation
from assay.stats.conformal import Calibration

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[Any]

_WIDEST = math.log(3)
"""Standard deviation of the logarithm beyond which a number helps nobody."""
_FEW_VENDORS = "few makers were held out: intervals are those of unseen accelerators, and may be too narrow"


@dataclass(frozen=True, slots=True)
class SystemModel:
    """What was learned. ``names`` numbers the words of rows; ``labels``, ``sources`` and ``values`` (n,) tell rows."""

    recipe: Recipe
    process: Process
    names: Mapping[str, tuple[str, ...]]
    calibrations: Mapping[Situation, Calibration]
    labels: tuple[str, ...]
    sources: tuple[str, ...]
    values: Floats

    def answer(self, questions: Sequence[Question]) -> list[Answer]:
        """Answer questions of the recipe's metric; abstain from others, and from a benchmark never seen."""
        found: list[Answer | None] = []
        told: list[tuple[Question, Described]] = []
        for question in questions:
            described = self._describe(question)
            if isinstance(described, Unavailable):
                hint = (described.install_hint,) if described.install_hint else ()
                found.append(Abstention(question.metric, described.reason, hint))
            else:
                found.append(None)
                told.append((question, described))
        answers = iter(self._answer(told))
        return [next(answers) if one is None else one for one in found]

    def situation(self, described: Described) -> Situation:
        """Say what a question has in common with what was learned from."""
        if described.words["vendor"] not in self.names["vendor"]:
            return Situation.UNSEEN_VENDOR
        return Situation.KNOWN if described.words["device"] in self.names["device"] else Situation.UNSEEN_DEVICE

    def expect(self, told: Sequence[Described]) -> tuple[Floats, Floats]:
        """Return the logarithm of the value expected, and its standard deviation, (n,) each."""
        import numpy as np

        mean, sd = expect(self.process, make_rows(self.recipe, told, self.names))
        return mean + np.array([one.reference for one in told]), sd

    def calibration(self, situation: Situation) -> Calibration | None:
        """The held-out errors that intervals of a situation are made of; unseen accelerators stand in."""
        return self.calibrations.get(situation) or self.calibrations.get(Situation.UNSEEN_DEVICE)

    def payload(self) -> Payload:
        """What ``load`` reads."""
        process = self.process
        meta = {
            "kind": self.recipe.kind,
            "terms": [one.name for one in self.recipe.terms],
            "names": {name: list(words) for name, words in self.names.items()},
            "variances": list(process.variances),
            "noise": process.noise,
            "mean": process.mean,
            "labels": list(self.labels),
            "sources": list(self.sources),
            "calibrations": {
                one.value: {"scores": list(held.scores), "weights": list(held.weights), "groups": held.groups}
                for one, held in self.calibrations.items()
            },
        }
        arrays = {"process_values": process.values, "process_repeats": process.repeats, "values": self.values}
        arrays |= {f"word_{name}": one for name, one in process.rows.words.items()}
        arrays |= {f"column_{name}": one for name, one in process.rows.columns.items()}
        return Payload(meta, arrays)

    def _describe(self, question: Question) -> Described | Unavailable:
        if question.metric != self.recipe.metric:
            return Unavailable(f"{question.metric} is not what {self.recipe.kind} foretells, but {self.recipe.metric}")
        described = self.recipe.describe(question)
        if isinstance(described, Unavailable):
            return described
        series = described.words[self.recipe.series]
        if series not in self.names[self.recipe.series]:
            return Unavailable(f"nobody published {series!r} yet, on any accelerator")
        return described

    def _answer(self, told: Sequence[tuple[Question, Described]]) -> list[Answer]:
        if not told:
            return []
        described = [one for _, one in told]
        logs, sds = self.expect(described)
        near = nearest(self.process, make_rows(self.recipe, described, self.names))
        rows = zip(told, logs.tolist(), sds.tolist(), near.tolist(), strict=True)
        return [self._make(question, one, log, sd, place) for (question, one), log, sd, place in rows]

    def _make(self, question: Question, described: Described, log: float, sd: float, place: int) -> Answer:
        situation = self.situation(described)
        if situation in self.recipe.abstains:
            why = f"{situation}: nothing of {question.device.vendor or 'it'} was published, and guesses fail there"
            return Abstention(question.metric, why, (f"a result of any device of {question.device.vendor}",))
        held = self.calibration(situation)
        if sd > _WIDEST or held is None:
            why = f"too far from all published results: a factor of {math.exp(sd):.1f} either way"
            return Abstention(question.metric, why, (f"measure {question.workload} on {question.device.name}",))
        value = math.exp(log)
        halves = {level: held.half_width(level) * sd for level in LEVELS}
        intervals = tuple(
            Interval(level, value * math.exp(-half), value * math.exp(half))
            for level, half in halves.items()
            if math.isfinite(half)
        )
        flags = [*described.flags, *([self.recipe.warning] if self.recipe.warning else [])]
        if situation not in self.calibrations:
            flags.append(_FEW_VENDORS if situation is Situation.UNSEEN_VENDOR else f"none of {situation} was held out")
        if len(intervals) < len(LEVELS):
            flags.append(f"only {held.groups} groups to calibrate on: no interval at {LEVELS[-1]:.0%}")
        evidence = Evidence(
            self.labels[place], float(self.values[place]), self.recipe.unit, None, f"nearest: {self.sources[place]}"
        )
        return Prediction(
            self.recipe.metric, value, self.recipe.unit, intervals, Layer.LEARNED,
            (f"{self.recipe.says}, times what {len(self.labels)} published cells showed beside it",), (evidence,),
            situation if situation in self.calibrations else Situation.UNSEEN_DEVICE, held.n, held.groups,
            flags=tuple(flags), would_change=(f"a result of {question.workload} on {question.device.name}",),
        )  # fmt: skip


def make_rows(recipe: Recipe, told: Sequence[Described], names: Mapping[str, tuple[str, ...]]) -> Rows:
    """Number what rows share; a word that is not among ``names`` shares with no known row."""
    import numpy as np

    words = {}
    for name in recipe.words:
        index = {word: place for place, word in enumerate(names[name])}
        new: dict[str, int] = {}
        codes = [
            index[word] if word in index else new.setdefault(word, -1 - len(new))
            for word in (one.words[name] for one in told)
        ]
        words[name] = np.array(codes, dtype=np.int64)
    columns = {name: np.array([one.columns[name] for one in told], dtype=np.float64) for name in recipe.columns}
    return Rows(words, columns, len(told))
