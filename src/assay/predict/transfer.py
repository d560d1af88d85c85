"""The predictor ``transfer``: a model measured on other devices, brought to one where it was not.

Without any measurement there, the time goes by the ratio of the two devices' rooflines. A few measurements of other
models there (probes) say what that ratio misses: a Gaussian process over how calls are made up learns it from a handful
of rows. May import: core, predict; numpy inside functions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from assay.core.errors import AssayError
from assay.predict.base import ExampleSource, Gathered, Payload, PredictorKind, predictors
from assay.predict.graph.features import FEATURES, describe, why_not_described
from assay.predict.scores import SplitOutcome
from assay.predict.transfer_lean import Rows, View, choose_probes, model_of, setting_of, view_from
from assay.predict.transfer_process import Index, MakeUp, Scaling, Software, Surface, Taught, teach
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
_PROBES = 10
"""Models that are named to measure: with more, each says less."""


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
    ``probes`` names by setting the models to measure first on a device that has none.
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
    probes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    _index: Index = field(init=False, repr=False, compare=False)
    _scalings: dict[str, Scaling] = field(init=False, repr=False, compare=False, default_factory=dict)
    _ratios: Floats = field(init=False, repr=False, compare=False)
    _known: frozenset[str] = field(init=False, repr=False, compare=False)
    _found: dict[tuple[str, str | None, Software], Elsewhere | None] = field(
        init=False, repr=False, compare=False, default_factory=dict
    )
    """What was looked up already: a matrix asks the same of two hundred devices."""
    _taught: dict[tuple[str, str], Taught] = field(init=False, repr=False, compare=False, default_factory=dict)
    _views: dict[tuple[str, str, Software], View] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_index", Index.of(self.keys, self.devices, self.software))
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
            own = [questions[place] for place, _ in places]
            keys, software = [key_of(one) for one in own], [software_of(one) for one in own]
            means, sds = taught.expect(self._make_up(device, keys, software, described.rows))
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
            "sources": list(self.sources), "probes": {name: list(one) for name, one in self.probes.items()},
            "software": [list(one) for one in self.software],
            "surface": [surface.level, surface.shape, surface.row, surface.length, surface.lean],
            "calibrations": {
                name: {"scores": list(one.scores), "weights": list(one.weights), "groups": one.groups}
                for name, one in self.calibrations.items()
            },
        }  # fmt: skip
        return Payload(meta, {"logs": self.logs, "roofs": self.roofs, "rows": self.rows})

    def _make_answer(self, question: Question, found: Elsewhere, value: float, sd: float, probes: int) -> Answer:
        device, held = question.device.name, self.calibrations.get(split_for(probes))
        devices = 0 if held is None else len(self._known)
        intervals, flags = [], []
        for level in LEVELS if held is not None else ():
            half = held.half_width(level) * sd if held is not None else math.inf
            if math.isfinite(half):
                intervals.append(Interval(level, value * math.exp(-half), value * math.exp(half)))
        if len(intervals) < len(LEVELS):
            flags.append(f"only {devices} devices to calibrate on")
        wanted = ", ".join(self.probes.get(setting_of(key_of(question)), ())) or "a few models"
        reason = f"as on {found.devices}, by the ratio of the rooflines, and {probes} models measured here"
        return Prediction(
            METRIC, value, "ns", tuple(intervals), Layer.TRANSFER, (reason,), found.evidence, Situation.UNSEEN_DEVICE,
            0 if held is None else held.n, devices, flags=tuple(flags),
            would_change=(f"measured on {device}: {wanted}",),
        )  # fmt: skip

    def _look(self, key: str, workload: str, device: str, software: Software) -> Elsewhere | None:

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
                Elsewhere(self._index.mean(self._ratios, places, software), evidence, ", ".join(where[:3]))
                if places
                else None
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
                        known.append(
                            (
                                place,
                                float(self._ratios[place])
                                - self._index.mean(self._ratios, found, self.software[place]),
                            )
                        )
            kept = known[:: max(1, math.ceil(len(known) / _MOST_PROBES))]
            places = [place for place, _ in kept]
            keys, software = [self.keys[place] for place in places], [self.software[place] for place in places]
            made = self._make_up(device, keys, software, self.rows[places])
            self._taught[device, setting] = teach(self.surface, made, np.array([one for _, one in kept]))
        return self._taught[device, setting]

    def choose_probes(self, seed: int) -> dict[str, tuple[str, ...]]:
        """Return the models that say most of a device that has none, by setting: those that validation measures.

        They are made up, and lean, as all models together do (``transfer_lean.choose_probes``).
        """
        found = {}
        for setting in sorted({setting_of(key) for key in self.keys}):
            places = {model_of(key): place for place, key in enumerate(self.keys) if setting_of(key) == setting}
            if len(places) < 2 * _PROBES:
                continue
            own = list(places.values())
            made = self._make_up("", [self.keys[place] for place in own], [(None, None)] * len(own), self.rows[own])
            names = list(places)
            found[setting] = tuple(names[place] for place in choose_probes(made.scaled, made.leanings, _PROBES, seed))
        return found

    def _make_up(self, device: str, keys: Sequence[str], software: Sequence[Software], rows: Floats) -> MakeUp:
        """How models are made up and lean, seen from a device (empty for one that is not known), (n,) each."""
        import numpy as np

        if device not in self._scalings:
            self._scalings[device] = Scaling.of(self.rows[np.asarray(self.devices, dtype=object) != device])
        scaled = self._scalings[device].scale(fill(rows))
        parts: dict[tuple[str, str, Software], list[int]] = {}
        for place, (key, one) in enumerate(zip(keys, software, strict=True)):
            parts.setdefault((device, setting_of(key), one), []).append(place)
        leanings = None
        for asked, places in parts.items():
            if asked not in self._views:
                known = Rows(self.keys, self.devices, self.software, self._ratios)
                self._views[asked] = view_from(known, self._index, *asked)
            found = self._views[asked].take([model_of(keys[place]) for place in places], scaled[places])
            leanings = np.empty((len(keys), found.shape[1])) if leanings is None else leanings
            leanings[places] = found
        return MakeUp(scaled, np.empty((0, 0)) if leanings is None else leanings)


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
    model = TransferModel(
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
    return replace(model, probes=model.choose_probes(seed))


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
        level, shape, row, length, lean = (float(one) for one in meta["surface"])
        surface = Surface(level, shape, row, length, lean)
        probes = {str(name): tuple(str(one) for one in names) for name, names in meta["probes"].items()}
        is_sound = len(sizes) == 1 and tuple(meta["features"]) == FEATURES and rows.shape[1:] == (len(FEATURES),)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise _broken(f"{type(error).__name__}: {error}") from error
    if not is_sound:
        raise _broken(f"rows of {sorted(sizes)} lengths, or of other features")
    return TransferModel(keys, devices, software, logs, roofs, rows, surface, calibrations, sources, probes)


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
