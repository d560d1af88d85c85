"""The predictor ``transfer``: a model measured on other devices, brought to one where it was not.

Without any measurement there, the time goes by the ratio of the two devices' rooflines. A few measurements of other
models there (probes) say what that ratio misses: a Gaussian process over how calls are made up learns it from a handful
of rows. May import: core, predict; numpy inside functions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assay.core.errors import AssayError
from assay.predict.base import ExampleSource, Gathered, Payload, PredictorKind, predictors
from assay.predict.graph.features import FEATURES, describe, why_not_described
from assay.predict.scores import SplitOutcome
from assay.predict.values import (
    LEVELS,
    Abstention,
    Answer,
    Evidence,
    Example,
    Interval,
    Layer,
    Prediction,
    Question,
    Situation,
)
from assay.stats.conformal import Calibration

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[Any]

KIND = "transfer"
METRIC = "latency_ns"
SPLITS = {
    "device": "a model measured elsewhere, on a device where nothing was",
    "device-5": "the same with 5 models measured there",
    "device-10": "the same with 10 models measured there",
    "device-40": "the same with 40 models measured there",
}
FEWEST = 60


@dataclass(frozen=True, slots=True)
class Surface:
    """Of what a process over make-ups is made: standard deviations of its level, its shape, a row; its length."""

    level: float = 0.5
    shape: float = 0.12
    row: float = 0.04
    length: float = 3.0


@dataclass(frozen=True, slots=True)
class TransferModel:
    """Rows by what they share: ``keys`` say model, shape, software; ``devices`` where each was timed.

    ``logs`` (n,) are logarithms of seconds a sample, ``roofs`` (n,) of the roofline's, ``rows`` (n, features) make-ups.
    ``residuals`` of a device are found when it is asked for: what its own rows took over what the others foretell.
    """

    keys: tuple[str, ...]
    devices: tuple[str, ...]
    logs: Floats
    roofs: Floats
    rows: Floats
    surface: Surface
    calibrations: Mapping[str, Calibration]
    sources: tuple[str, ...]

    def answer(self, questions: Sequence[Question]) -> list[Answer]:
        """Answer latencies of models that other devices were measured with; the rest gets an abstention."""
        return [self._answer(one) for one in questions]

    def payload(self) -> Payload:
        """What ``load_transfer`` reads."""
        surface = self.surface
        meta = {
            "features": list(FEATURES), "keys": list(self.keys), "devices": list(self.devices),
            "sources": list(self.sources),
            "surface": [surface.level, surface.shape, surface.row, surface.length],
            "calibrations": {
                name: {"scores": list(one.scores), "weights": list(one.weights), "groups": one.groups}
                for name, one in self.calibrations.items()
            },
        }  # fmt: skip
        return Payload(meta, {"logs": self.logs, "roofs": self.roofs, "rows": self.rows})

    def _answer(self, question: Question) -> Answer:
        import numpy as np

        why = why_not_described(question)
        if question.metric != METRIC or why is not None:
            return Abstention(question.metric, str(why or f"transfer foretells {METRIC}, not {question.metric}"))
        key, device = key_of(question), question.device.name
        places = [place for place, (one, where) in enumerate(zip(self.keys, self.devices, strict=True))
                  if one == key and where != device]  # fmt: skip
        if not places:
            return Abstention(question.metric, f"{question.workload} was not measured like this on another device")
        found = describe([question])
        row, roof = fill(found.rows)[0], math.log(float(found.base_s[0]) / question.conditions.batch)
        expected = float(np.mean(self.logs[places] - self.roofs[places])) + roof
        own = [place for place, where in enumerate(self.devices) if where == device]
        probes = self._residuals(own)
        mean, sd = 0.0, math.hypot(self.surface.level, self.surface.shape)
        if probes:
            taught = np.array([place for place, _ in probes])
            means, sds = expect_surface(
                self.surface, self.rows[taught], np.array([one for _, one in probes]), row[None, :]
            )
            mean, sd = float(means[0]), float(sds[0])
        value = math.exp(expected + mean) * question.conditions.batch * 1e9
        split = split_for(len(probes))
        held = self.calibrations.get(split)
        intervals, flags = [], []
        for level in LEVELS if held is not None else ():
            half = held.half_width(level) * sd if held is not None else math.inf
            if math.isfinite(half):
                intervals.append(Interval(level, value * math.exp(-half), value * math.exp(half)))
        if len(intervals) < len(LEVELS):
            flags.append(f"only {0 if held is None else held.groups} devices to calibrate on")
        where = sorted({self.devices[place] for place in places})
        evidence = tuple(
            Evidence(f"{question.workload} on {self.devices[place]}", math.exp(float(self.logs[place])) * 1e9,
                     "ns a sample", self.sources[place], "the same model elsewhere")
            for place in places[:3]
        )  # fmt: skip
        reason = f"as on {', '.join(where[:3])}, by the ratio of the rooflines, and {len(probes)} models measured here"
        return Prediction(
            METRIC, value, "ns", tuple(intervals), Layer.TRANSFER, (reason,), evidence, Situation.UNSEEN_DEVICE,
            0 if held is None else held.n, 0 if held is None else held.groups, flags=tuple(flags),
            would_change=(f"a few models measured on {device}",),
        )  # fmt: skip

    def _residuals(self, own: Sequence[int]) -> list[tuple[int, float]]:
        """What each row of a device took over what other devices foretell of it, for those that others know."""
        import numpy as np

        elsewhere: dict[str, list[int]] = {}
        mine = set(own)
        for place, key in enumerate(self.keys):
            if place not in mine:
                elsewhere.setdefault(key, []).append(place)
        found = []
        for place in own:
            others = elsewhere.get(self.keys[place], [])
            if others:
                expected = float(np.mean(self.logs[others] - self.roofs[others])) + float(self.roofs[place])
                found.append((place, float(self.logs[place]) - expected))
        return found


def key_of(question: Question) -> str:
    """Say what has to be the same before a time is brought over: model, shape, mode, precision, engine."""
    graph, conditions = question.graph, question.conditions
    shape = ",".join(f"{name}{size}" for name, size in (graph.shape if graph is not None else ()))
    kind = "cpu" if question.device.kind == "cpu" else "gpu"
    words = (question.workload, shape, conditions.mode, conditions.precision, conditions.engine, kind)
    return " ".join(word for word in words if word)


def fill(rows: Floats) -> Floats:
    """Figures that a sheet lacks say nothing of how a call is made up."""
    import numpy as np

    return np.nan_to_num(np.asarray(rows, dtype=np.float64), nan=0.0)


def expect_surface(surface: Surface, known: Floats, residuals: Floats, asked: Floats) -> tuple[Floats, Floats]:
    """Return mean and standard deviation (m,) of what ``asked`` (m, features) miss, by ``known`` (k, features)."""
    import numpy as np

    every = np.vstack([known, asked])
    spread = every.std(axis=0)
    scaled = (every - every.mean(axis=0)) / np.where(spread > 0, spread, 1.0) / math.sqrt(every.shape[1])
    left, right = scaled[: len(known)], scaled[len(known) :]

    def share(one: Floats, other: Floats) -> Floats:
        # |a - b|^2 by products: tables of a thousand models would fill the memory otherwise.
        squares = (one**2).sum(axis=1)[:, None] + (other**2).sum(axis=1)[None, :] - 2 * one @ other.T
        near = np.exp(-0.5 * np.maximum(squares, 0) * (3 / surface.length) ** 2)
        return np.asarray(surface.level**2 + surface.shape**2 * near)

    inner = share(left, left) + surface.row**2 * np.eye(len(known))
    cross = share(right, left)
    mean = cross @ np.linalg.solve(inner, residuals)
    own = surface.level**2 + surface.shape**2 + surface.row**2
    variance = own - np.einsum("ij,ji->i", cross, np.linalg.solve(inner, cross.T))
    return mean, np.sqrt(np.maximum(variance, surface.row**2))


def split_for(probes: int) -> str:
    """The split whose errors say how far off an answer with so many probes may be."""
    for count in (40, 10, 5):
        if probes >= count:
            return f"device-{count}"
    return "device"


def gather_transfer(source: ExampleSource) -> Gathered:
    """Read the examples of graphs; only inference is brought over."""
    from assay.predict.graph.gather import gather_graphs

    found = gather_graphs(source)
    kept = tuple(one for one in found.examples if one.question.conditions.mode == "inference")
    return Gathered(kept, found.uses, found.notes)


def fit_transfer(gathered: Gathered, seed: int) -> TransferModel:
    """Keep the rows, choose the surface, take the errors of devices left out. Raises AssayError for too few."""
    import numpy as np

    from assay.predict.transfer_check import calibrate_devices

    examples = usable(gathered)
    if len({one.groups["device"] for one in examples}) < 2 or len(examples) < FEWEST:  # noqa: PLR2004
        raise AssayError(
            f"{len(examples)} timings of {len({one.groups['device'] for one in examples})} devices are here; "
            f"expected at least {FEWEST} of 2.",
            hint="Measure the same models on two machines, or import what others measured.",
        )
    surface, calibrations = calibrate_devices(examples, seed)
    found = describe([one.question for one in examples])
    batch = np.array([one.question.conditions.batch for one in examples], dtype=np.float64)
    return TransferModel(
        tuple(key_of(one.question) for one in examples),
        tuple(one.question.device.name for one in examples),
        np.log(np.array([one.value for one in examples]) / 1e9 / batch),
        np.log(found.base_s / batch),
        fill(found.rows),
        surface,
        calibrations,
        tuple(one.source for one in examples),
    )


def load_transfer(payload: Payload) -> TransferModel:
    """Read back a payload. Raises AssayError where it is not sound."""
    import numpy as np

    try:
        meta, arrays = payload.meta, payload.arrays
        logs, roofs, rows = (np.asarray(arrays[name], dtype=np.float64) for name in ("logs", "roofs", "rows"))
        keys, devices, sources = (tuple(str(one) for one in meta[name]) for name in ("keys", "devices", "sources"))
        sizes = {len(keys), len(devices), len(sources), len(logs), len(roofs), len(rows)}
        calibrations = {
            str(name): Calibration(tuple(one["scores"]), tuple(one["weights"]), int(one["groups"]))
            for name, one in meta["calibrations"].items()
        }
        surface = Surface(*(float(one) for one in meta["surface"]))
        is_sound = len(sizes) == 1 and tuple(meta["features"]) == FEATURES and rows.shape[1:] == (len(FEATURES),)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise _broken(f"{type(error).__name__}: {error}") from error
    if not is_sound:
        raise _broken(f"rows of {sorted(sizes)} lengths, or of other features")
    return TransferModel(keys, devices, logs, roofs, rows, surface, calibrations, sources)


def usable(gathered: Gathered) -> list[Example]:
    """The examples that have features, of latency."""
    found = [one for one in gathered.examples if why_not_described(one.question) is None]
    return [one for one in found if one.question.metric == METRIC]


def _broken(why: str) -> AssayError:
    return AssayError(
        f"What a predictor of other devices learned cannot be read: {why}.",
        hint="Learn it again: assay predict train --kind transfer",
    )


def _validate(gathered: Gathered, split: str, seed: int) -> SplitOutcome:
    from assay.predict.transfer_check import validate_transfer

    return validate_transfer(gathered, split, seed)


predictors.add(
    KIND,
    PredictorKind(
        name=KIND,
        title="Other devices",
        metrics=(METRIC,),
        splits=SPLITS,
        gather=gather_transfer,
        fit=fit_transfer,
        load=load_transfer,
        validate=_validate,
        fewest=FEWEST,
    ),
)
