"""What own results taught, and the answers it gives: the roofline of the probed rates times a residual of its own.

Intervals are the process's own spread, stretched by what held-out groups showed. May import: predict, stats; numpy
inside functions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assay.predict.base import Payload
from assay.predict.numbers import Alike, Numbers, find_alike, from_answers
from assay.predict.own.process import EFFECTS, Points, Process, expect, in_portions, squared_distance
from assay.predict.own.terms import TERMS, terms_of, why_no_terms
from assay.predict.values import LEVELS, Abstention, Answer, Evidence, Interval, Layer, Prediction, Question, Situation
from assay.predict.web import refuse_in_a_page
from assay.stats.conformal import Calibration

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[Any]

METRIC = "latency_ns"
_WIDEST = math.log(4)
"""Standard deviation of the logarithm beyond which a number helps nobody."""
_ELSEWHERE = (Situation.UNSEEN_DEVICE, Situation.BOTH_UNSEEN)
"""Answered only where such were held out: errors on one's own machine say nothing of another."""
_STANDS_IN = (Situation.UNSEEN_MODEL, Situation.UNSEEN_FAMILY)
"""Whose intervals are taken where a situation could not be tested: of models where that is all that is new."""
_MAKE_UP_SPREAD = 2.0
"""Times differ by factors of a thousand; those within a factor of seven (ln 2) are of one make-up."""
CODES = ("engine", "family", "model", "device", "precision")


@dataclass(frozen=True, slots=True)
class OwnModel:
    """What was learned.

    ``costs`` (1 + engines, terms) weigh the roofline's times; ``names`` numbers what rows may share, and has the calls
    (``call_of``) that were measured.
    """

    costs: Floats
    process: Process
    names: Mapping[str, tuple[str, ...]]
    calibrations: Mapping[Situation, Calibration]
    sources: tuple[str, ...]
    values: Floats
    labels: tuple[str, ...]

    def answer(self, questions: Sequence[Question]) -> list[Answer]:
        """Answer latencies in ns; what has no graph or rates, or is too uncertain, gets an abstention."""
        answers: list[Answer | None] = [_refuse(question) or self._refuse_elsewhere(question) for question in questions]
        places = [place for place, answer in enumerate(answers) if answer is None]
        asked = [questions[place] for place in places]
        if asked:
            for place, answer in zip(places, self._answer(asked), strict=True):
                answers[place] = answer
        return [answer for answer in answers if answer is not None]

    def numbers(self, questions: Sequence[Question], asked: Alike | None = None) -> Numbers:
        """Answer as arrays: a matrix asks of many machines, and of most nothing is known but that."""
        import numpy as np

        alike = asked or find_alike(questions)
        is_near = np.array([self._is_near(device.name) for device in alike.devices], dtype=bool)
        places = np.flatnonzero(is_near[alike.of_device])
        answers = self.answer([questions[place] for place in places.tolist()])
        told = dict(zip(places.tolist(), answers, strict=True))

        def explain(place: int) -> Answer:
            return told[place] if place in told else self.answer([questions[place]])[0]

        return from_answers(answers).spread(places, len(questions), explain)

    def expect(self, questions: Sequence[Question]) -> tuple[Floats, Floats]:
        """Return the logarithm of the latency in ns expected, and its standard deviation, (n,) each."""
        import numpy as np

        points = self._points(questions)
        # An engine never seen has a code below zero, and the costs that all engines share.
        costs = self.costs[np.maximum(points.codes[:, CODES.index("engine")] + 1, 0)]
        base = np.log((terms_of(questions) * costs).sum(axis=1))
        mean, sd = expect(self.process, points)
        return base + mean, sd

    def situation(self, question: Question) -> Situation:
        """Say what a question has in common with what was learned from."""
        known = self.names
        if question.device.name not in known["device"]:
            return Situation.UNSEEN_DEVICE if question.workload in known["model"] else Situation.BOTH_UNSEEN
        if question.workload in known["model"]:
            return Situation.KNOWN if call_of(question) in known.get("call", ()) else Situation.UNSEEN_BATCH
        return Situation.UNSEEN_MODEL if question.family in known["family"] else Situation.UNSEEN_FAMILY

    def payload(self) -> Payload:
        """What ``load`` reads."""
        points = self.process.points
        meta = {
            "names": {name: list(words) for name, words in self.names.items()},
            "sds": list(self.process.sds),
            "effects": list(EFFECTS),
            "terms": list(TERMS),
            "noise": self.process.noise,
            "sources": list(self.sources),
            "labels": list(self.labels),
            "calibrations": {
                one.value: {"scores": list(held.scores), "weights": list(held.weights), "groups": held.groups}
                for one, held in self.calibrations.items()
            },
        }
        arrays = {
            "costs": self.costs, "codes": points.codes, "batch": points.batch, "make_up": points.make_up,
            "residuals": self.process.residuals, "values": self.values,
        }  # fmt: skip
        return Payload(meta, arrays)

    def _points(self, questions: Sequence[Question]) -> Points:
        return make_points([words_of(question) for question in questions], questions, self.names)

    def _answer(self, questions: Sequence[Question]) -> list[Answer]:
        logs, sds = self.expect(questions)
        near = self._nearest(questions)
        answers: list[Answer] = []
        for question, log, sd, place in zip(questions, logs.tolist(), sds.tolist(), near, strict=True):
            situation = self.situation(question)
            held = self.calibrations.get(situation)
            stands_in = situation if held is not None else self._stands_in(situation)
            held = self.calibrations.get(stands_in)
            if sd > _WIDEST or held is None:
                answers.append(_too_far(question, sd))
                continue
            value = math.exp(log)
            intervals, flags = [], []
            for level in LEVELS:
                half = held.half_width(level) * sd
                if math.isfinite(half):
                    intervals.append(Interval(level, value * math.exp(-half), value * math.exp(half)))
            if len(intervals) < len(LEVELS):
                flags.append(f"only {held.groups} groups to calibrate on: no interval at {LEVELS[-1]:.0%}")
            if stands_in is not situation:
                flags.append(f"never tested ({situation}): intervals are those of {stands_in}")
            evidence = Evidence(
                self.labels[place], float(self.values[place]), "ns", self.sources[place], "nearest of what was measured"
            )
            answers.append(
                Prediction(
                    METRIC, value, "ns", tuple(intervals), Layer.LEARNED,
                    (f"roofline of the device's rates, times what {len(self.sources)} own results showed beside it",),
                    (evidence,), situation, held.n, held.groups, flags=tuple(flags),
                    would_change=(_measure(question),),
                )
            )  # fmt: skip
        return answers

    def _is_near(self, device: str) -> bool:
        return device in self.names["device"] or any(one in self.calibrations for one in _ELSEWHERE)

    def _refuse_elsewhere(self, question: Question) -> Abstention | None:
        """What one machine's results say of another was never tested, so it is not said."""
        if question.device.name in self.names["device"] or self.situation(question) in self.calibrations:
            return None
        reason = f"what own results say of other machines was never tested, and none is of {question.device.name}"
        return Abstention(
            question.metric, reason, ("results of three machines and more in one store", _measure(question))
        )

    def _stands_in(self, situation: Situation) -> Situation:
        """The situation whose intervals are taken for one that could not be tested."""
        of = _STANDS_IN if situation is Situation.UNSEEN_BATCH else _STANDS_IN[1:]
        return next((one for one in of if one in self.calibrations), of[-1])

    def _nearest(self, questions: Sequence[Question]) -> list[int]:
        """The result that shares the most with each question, and of those the one made up most alike."""
        own = self.process.points
        places: list[int] = []
        for _, points in in_portions(self._points(questions), len(own)):
            shared = sum(
                (points.codes[:, column, None] == own.codes[None, :, column]).astype(float)
                for column in range(len(CODES))
            )
            places += (shared - 0.1 * squared_distance(points, own)).argmax(axis=1).tolist()
        return places


def make_points(words: Sequence[Sequence[str]], questions: Sequence[Question], names: Mapping[str, Any]) -> Points:
    """Number what rows share; a word that is not among ``names`` shares with no row."""
    import numpy as np

    index = {name: {word: place for place, word in enumerate(names[name])} for name in CODES}
    # Numbers below zero are of words never seen: each other than all others, and the same within one call.
    new: dict[tuple[str, str], int] = {}
    codes = np.empty((len(words), len(CODES)), dtype=np.int64)
    for row, own in enumerate(words):
        for column, (name, word) in enumerate(zip(CODES, own, strict=True)):
            found = index[name].get(word)
            codes[row, column] = new.setdefault((name, word), -1 - len(new)) if found is None else found
    times = terms_of(questions)
    make_up = np.log(np.stack([times[:, :3].sum(axis=1), times[:, 3:5].sum(axis=1), times[:, 5]], axis=1) + 1.0)
    batch = np.log([question.conditions.batch for question in questions])
    return Points(codes, np.asarray(batch, dtype=np.float64), make_up / _MAKE_UP_SPREAD)


def words_of(question: Question) -> tuple[str, ...]:
    """Return what a question shares with others, by ``CODES``."""
    conditions = question.conditions
    return (conditions.engine, question.family, question.workload, question.device.name, conditions.precision)


def call_of(question: Question) -> str:
    """Return a model with its batch and the shape of its inputs, in words."""
    shape = () if question.graph is None else question.graph.shape
    return " ".join((question.workload, f"b{question.conditions.batch}", *(f"{name}{size}" for name, size in shape)))


def _refuse(question: Question) -> Abstention | None:
    if question.metric != METRIC:
        return Abstention(question.metric, f"own results foretell {METRIC}, not {question.metric}")
    if question.conditions.mode != "inference":
        return Abstention(question.metric, f"own results foretell inference, not {question.conditions.mode}")
    if (refused := refuse_in_a_page(question)) is not None:
        return refused
    missing = why_no_terms(question)
    return None if missing is None else Abstention(question.metric, missing.reason, (missing.install_hint or "",))


def _too_far(question: Question, sd: float) -> Abstention:
    reason = f"nothing measured is near enough: it could be off by a factor of {math.exp(sd):.1f} (one sd)"
    return Abstention(question.metric, reason, (_measure(question),))


def _measure(question: Question) -> str:
    conditions = question.conditions
    return (
        f"assay run --model {question.workload} --engine {conditions.engine} --precision {conditions.precision} "
        f"--batch {conditions.batch}"
    )
