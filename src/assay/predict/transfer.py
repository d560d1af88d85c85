"""The predictor ``transfer``: a model measured on other devices, brought to one where it was not.

Without any measurement there, the time goes by the ratio of the two devices' rooflines. A few measurements of other
models there (probes) say what that ratio misses: a Gaussian process over how calls are made up learns it from a handful
of rows. May import: core, predict; numpy inside functions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from assay.core.errors import AssayError
from assay.predict.base import ExampleSource, Gathered, Payload, PredictorKind, predictors
from assay.predict.graph.features import FEATURES, describe, why_not_described
from assay.predict.scores import SplitOutcome
from assay.predict.transfer_process import Index, Scaling, Software, Surface, Taught, teach
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
_MOST_PROBES = 300
"""Rows of a device that its process is made of: more change little, and cost with the third power."""
_RELEASE = 2


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """What other devices say of one key: mean logarithm of time over roofline, the rows shown, the devices named."""

    ratio: float
    evidence: tuple[Evidence, ...]
    devices: str


@dataclass(frozen=True, slots=True)
class TransferModel:
    """Rows by what they share: ``keys`` say model, shape, software; ``devices`` where each was timed.

    ``logs`` (n,) are logarithms of seconds a sample, ``roofs`` (n,) of the roofline's, ``rows`` (n, features) make-ups.
    ``software`` tells which of a device's rows is the most alike. What a device's own rows took over what the others
    foretell is found when the device is first asked for, and kept.
    """

    keys: tuple[str, ...]
    devices: tuple[str, ...]
    software: tuple[Software, ...]
    logs: Floats
    roofs: Floats
    rows: Floats
    surface: Surface
    calibrations: Mapping[str, Calibration]
    sources: tuple[str, ...]
    _index: Index = field(init=False, repr=False, compare=False)
    _scaling: Scaling = field(init=False, repr=False, compare=False)
    _ratios: Floats = field(init=False, repr=False, compare=False)
    _known: frozenset[str] = field(init=False, repr=False, compare=False)
    _found: dict[tuple[str, str | None, Software], Elsewhere | None] = field(
        init=False, repr=False, compare=False, default_factory=dict
    )
    """What was looked up already: a matrix asks the same of two hundred devices."""
    _taught: dict[tuple[str, str], Taught] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_index", Index.of(self.keys, self.devices, self.software))
        object.__setattr__(self, "_scaling", Scaling.of(self.rows))
        object.__setattr__(self, "_ratios", self.logs - self.roofs)
        object.__setattr__(self, "_known", frozenset(self.devices))

    def answer(self, questions: Sequence[Question]) -> list[Answer]:
        """Answer latencies of models that other devices were measured with; the rest gets an abstention."""
        import numpy as np

        answers: dict[int, Answer] = {}
        asked: dict[tuple[str, str], list[tuple[int, Elsewhere]]] = {}
        for place, question in enumerate(questions):
            why = why_not_described(question)
            if question.metric != METRIC or why is not None:
                reason = str(why or f"transfer foretells {METRIC}, not {question.metric}")
                answers[place] = Abstention(question.metric, reason)
                continue
            key, device = key_of(question), question.device.name
            found = self._look(key, question.workload, device, software_of(question))
            if found is None:
                reason = f"{question.workload} was not measured like this on another device"
                answers[place] = Abstention(question.metric, reason)
            else:
                asked.setdefault((device if device in self._known else "", setting_of(key)), []).append((place, found))
        for (device, setting), places in asked.items():
            described = describe([questions[place] for place, _ in places])
            taught = self._teach(device, setting)
            means, sds = taught.expect(self._scaling.scale(fill(described.rows)))
            elsewhere = np.array([found.ratio for _, found in places])
            values = np.exp(elsewhere + means) * described.base_s * 1e9
            for (place, found), value, sd in zip(places, values.tolist(), sds.tolist(), strict=True):
                answers[place] = self._make_answer(questions[place], found, value, sd, taught.probes)
        return [answers[place] for place in range(len(questions))]

    def payload(self) -> Payload:
        """What ``load_transfer`` reads."""
        surface = self.surface
        meta = {
            "features": list(FEATURES), "keys": list(self.keys), "devices": list(self.devices),
            "sources": list(self.sources), "software": [list(one) for one in self.software],
            "surface": [surface.level, surface.shape, surface.row, surface.length],
            "calibrations": {
                name: {"scores": list(one.scores), "weights": list(one.weights), "groups": one.groups}
                for name, one in self.calibrations.items()
            },
        }  # fmt: skip
        return Payload(meta, {"logs": self.logs, "roofs": self.roofs, "rows": self.rows})

    def _make_answer(self, question: Question, found: Elsewhere, value: float, sd: float, probes: int) -> Answer:
        device, held = question.device.name, self.calibrations.get(split_for(probes))
        intervals, flags = [], []
        for level in LEVELS if held is not None else ():
            half = held.half_width(level) * sd if held is not None else math.inf
            if math.isfinite(half):
                intervals.append(Interval(level, value * math.exp(-half), value * math.exp(half)))
        if len(intervals) < len(LEVELS):
            flags.append(f"only {0 if held is None else held.groups} devices to calibrate on")
        reason = f"as on {found.devices}, by the ratio of the rooflines, and {probes} models measured here"
        return Prediction(
            METRIC, value, "ns", tuple(intervals), Layer.TRANSFER, (reason,), found.evidence, Situation.UNSEEN_DEVICE,
            0 if held is None else held.n, 0 if held is None else held.groups, flags=tuple(flags),
            would_change=(f"a few models measured on {device}",),
        )  # fmt: skip

    def _look(self, key: str, workload: str, device: str, software: Software) -> Elsewhere | None:
        import numpy as np

        asked = (key, device if device in self._known else None, software)
        if asked not in self._found:
            places = self._index.find(key, device, software)
            where = sorted({self.devices[place] for place in places})
            evidence = tuple(
                Evidence(f"{workload} on {self.devices[place]}", math.exp(float(self.logs[place])) * 1e9,
                         "ns a sample", self.sources[place], "the same model elsewhere")
                for place in places[:3]
            )  # fmt: skip
            self._found[asked] = (
                Elsewhere(float(np.mean(self._ratios[places])), evidence, ", ".join(where[:3])) if places else None
            )
        return self._found[asked]

    def _teach(self, device: str, setting: str) -> Taught:
        """What the device's own rows of a setting took over what others foretell of them, found once."""
        import numpy as np

        if (device, setting) not in self._taught:
            known = []
            for place, where in enumerate(self.devices):
                if where == device and setting_of(self.keys[place]) == setting:
                    found = self._index.find(self.keys[place], device, self.software[place])
                    if found:
                        known.append((place, float(self._ratios[place] - np.mean(self._ratios[found]))))
            kept = known[:: max(1, math.ceil(len(known) / _MOST_PROBES))]
            rows = self._scaling.scale(self.rows[[place for place, _ in kept]])
            self._taught[device, setting] = teach(self.surface, rows, np.array([one for _, one in kept]))
        return self._taught[device, setting]


def setting_of(key: str) -> str:
    """Return what of a key is not the model: mode, precision, engine, kind of device."""
    return " ".join(key.rsplit(" ", 4)[1:])


def software_of(question: Question) -> Software:
    """Read layout and release of the framework from the options of a question."""
    options = dict(question.conditions.options)
    layout, release = options.get("layout"), options.get("torch")
    parts = str(release or "").split(".")[:_RELEASE]
    known = len(parts) == _RELEASE and all(one.isdecimal() for one in parts)
    return None if layout is None else str(layout), int(parts[0]) + int(parts[1]) / 100 if known else None


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
        tuple(software_of(one.question) for one in examples),
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
        software = tuple(_read_software(*one) for one in meta["software"])
        sizes = {len(keys), len(devices), len(software), len(sources), len(logs), len(roofs), len(rows)}
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
    return TransferModel(keys, devices, software, logs, roofs, rows, surface, calibrations, sources)


def usable(gathered: Gathered) -> list[Example]:
    """The examples that have features, of latency."""
    found = [one for one in gathered.examples if why_not_described(one.question) is None]
    return [one for one in found if one.question.metric == METRIC]


def _read_software(layout: object, release: float | None) -> Software:
    return None if layout is None else str(layout), None if release is None else float(release)


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
