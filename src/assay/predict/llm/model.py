"""What answers how long a served model takes: laws of both times, and intervals by what is shared with the data.

May import: core, predict, stats; numpy inside functions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from assay.core.absence import Unavailable
from assay.core.errors import AssayError
from assay.predict.base import Payload
from assay.predict.llm.features import BETWEEN_TERMS, FIRST_TERMS, RATIOS, Measures, measure
from assay.predict.llm.fit import Law
from assay.predict.llm.setups import BETWEEN, FIRST, METRICS, Setup, read_setup
from assay.predict.trees import read_forest
from assay.predict.values import (
    LEVELS,
    Abstention,
    Answer,
    DeviceProfile,
    Interval,
    Layer,
    Prediction,
    Question,
    Situation,
)
from assay.stats.conformal import Calibration

_FAR = 2.0
"""Times beyond what was learned from up to which there is an answer."""
_TERMS = {BETWEEN: BETWEEN_TERMS, FIRST: FIRST_TERMS}
_WIDEST = math.log(10)
"""Half of an interval of the logarithm beyond which it helps nobody."""
_NAMED = 3
_UNTOLD = "whether several tokens are guessed at once (MTP) is not told in what was published: it may be half as long"


@dataclass(frozen=True, slots=True)
class Seen:
    """What was learned from: names of models, ids of devices, makers; ranges of sizes; ``most`` users of a set-up."""

    models: frozenset[str]
    devices: frozenset[str]
    vendors: frozenset[str]
    ranges: Mapping[str, tuple[float, float]]
    most: Mapping[str, float]

    def is_more(self, setup: Setup, device: str) -> bool:
        """True where the set-up was measured, with fewer users only."""
        return setup.users > self.most.get(key_of(setup, device), math.inf)

    def situation(self, setup: Setup, device: str) -> tuple[Situation, tuple[str, ...]]:
        """Say what a set-up on a device has in common with this, and which calibrations stand for that."""
        is_model, is_device = setup.shape.name in self.models, device in self.devices
        if is_model and is_device:
            return Situation.KNOWN, ("load", "case") if self.is_more(setup, device) else ("case",)
        if is_model:
            return Situation.UNSEEN_DEVICE, ("device",)
        return (Situation.UNSEEN_MODEL, ("model",)) if is_device else (Situation.BOTH_UNSEEN, ("model", "device"))

    def beyond(self, setup: Setup) -> str | None:
        """Say in what a set-up lies too far outside; None where it does not."""
        for name, value in sizes_of(setup).items():
            low, high = self.ranges[name]
            if not low / _FAR <= value <= high * _FAR:
                return f"{name} {value:g} lies outside of what was published ({low:g} to {high:g})"
        return None


def sizes_of(setup: Setup) -> dict[str, float]:
    """The sizes whose ranges are kept."""
    return {"users": setup.users, "isl": setup.isl, "osl": setup.osl, "devices": setup.devices}


def key_of(setup: Setup, device: str) -> str:
    """A set-up at any number of users and of any server software, as the most users are kept by."""
    held = f"{setup.workers:.0f}x{setup.devices:.0f}+{setup.prefill_workers:.0f}x{setup.prefill_devices:.0f}"
    return f"{setup.shape.name} {setup.precision} {held} {device} {setup.isl:.0f}+{setup.osl:.0f}"


@dataclass(frozen=True, slots=True)
class LlmModel:
    """Laws and calibrations by metric; ``rows`` is how many measurements they were learned from."""

    laws: Mapping[str, Law]
    calibrations: Mapping[str, Mapping[str, Calibration]]
    seen: Seen
    rows: int

    def answer(self, questions: Sequence[Question]) -> list[Answer]:
        """Answer questions of a token's times; abstain from others, and from what is too far away."""
        found: list[Answer | None] = []
        told: list[tuple[Question, Setup]] = []
        for question in questions:
            setup = self._read(question)
            if isinstance(setup, Abstention):
                found.append(setup)
            else:
                found.append(None)
                told.append((question, setup))
        if told:
            told_of = measure([setup for _, setup in told])
            answers = [self._make(one, setup, told_of.take([place])) for place, (one, setup) in enumerate(told)]
            left = iter(answers)
            found = [next(left) if one is None else one for one in found]
        return [one for one in found if one is not None]

    def expect(self, metric: str, setup: Setup, device: str, told: Measures) -> tuple[float, tuple[Interval, ...]]:
        """Return the time of a set-up, ns, with its intervals; of several calibrations the wider one holds."""
        value = float(self.laws[metric].expect(told)[0])
        held = self._held(metric, self.seen.situation(setup, device)[1])
        halves = [(level, max((one.half_width(level) for one in held), default=math.inf)) for level in LEVELS]
        return value, tuple(
            Interval(level, value * math.exp(-half), value * math.exp(half))
            for level, half in halves
            if half <= _WIDEST
        )

    def payload(self) -> Payload:
        """What ``load_llm`` reads."""
        meta: dict[str, Any] = {
            "ratios": list(RATIOS),
            "laws": {
                name: {
                    "terms": list(_TERMS[name]),
                    "coefficients": law.coefficients.tolist(),
                    "step": law.step.tolist(),
                }
                for name, law in self.laws.items()
            },
            "calibrations": {
                metric: {
                    name: {"scores": list(one.scores), "weights": list(one.weights), "groups": one.groups}
                    for name, one in own.items()
                }
                for metric, own in self.calibrations.items()
            },
            "models": sorted(self.seen.models), "devices": sorted(self.seen.devices),
            "vendors": sorted(self.seen.vendors),
            "ranges": {name: list(ends) for name, ends in self.seen.ranges.items()},
            "most": dict(self.seen.most), "rows": self.rows,
        }  # fmt: skip
        arrays: dict[str, Any] = {}
        for name, law in self.laws.items():
            arrays |= law.forest.arrays(f"{name}_")
        return Payload(meta, arrays)

    def _held(self, metric: str, names: Sequence[str]) -> list[Calibration]:
        own = self.calibrations.get(metric, {})
        return [own[name] for name in names if name in own]

    def _read(self, question: Question) -> Setup | Abstention:
        if question.metric not in self.laws:
            return Abstention(question.metric, f"served language models are foretold in {' and '.join(METRICS)}")
        if question.conditions.mode != "inference":
            return Abstention(question.metric, "only inference is served")
        setup = read_setup(question)
        if isinstance(setup, Unavailable):
            return Abstention(question.metric, setup.reason, (setup.install_hint,) if setup.install_hint else ())
        measured = (f"measure {question.workload} on {question.device.name}",)
        if question.device.vendor not in self.seen.vendors:
            known = ", ".join(sorted(self.seen.vendors))
            return Abstention(question.metric, f"only devices of {known} were published", measured)
        far = self.seen.beyond(setup)
        return setup if far is None else Abstention(question.metric, far, measured)

    def _make(self, question: Question, setup: Setup, told: Measures) -> Prediction:
        device = id_of(question.device)
        value, intervals = self.expect(question.metric, setup, device, told)
        situation, names = self.seen.situation(setup, device)
        held = self._held(question.metric, names)
        flags = [] if question.metric == FIRST else [_UNTOLD]
        if "load" in names:
            most = self.seen.most[key_of(setup, device)]
            flags.append(f"{setup.users:g} users are more than were measured of this set-up ({most:g})")
        if device not in self.seen.devices and setup.devices > 1 and not question.device.interconnect_bytes_per_s:
            flags.append(
                f"what joins {setup.devices:g} {question.device.name} is not known: NVLink is taken for granted"
            )
        if not held:
            flags.append("nothing was held out that is like this: no interval")
        elif len(intervals) < len(LEVELS):
            groups = min(one.groups for one in held)
            flags.append(f"no interval at {LEVELS[-1]:.0%}: of {groups} groups, or wider than ten times either way")
        return Prediction(
            question.metric, value, "ns", intervals, Layer.LEARNED,
            (self._explain(question.metric, told), f"learned from {self.rows} published runs of served models"), (),
            situation, min((one.n for one in held), default=0), min((one.groups for one in held), default=0),
            flags=tuple(flags), would_change=(f"a run of {question.workload} on {question.device.name}",),
        )  # fmt: skip

    def _explain(self, metric: str, told: Measures) -> str:
        """The largest parts of the law, and what the trees make of it."""
        law = self.laws[metric]
        parts = (told.terms(metric, law.step) * law.coefficients)[0]
        whole = float(parts.sum())
        largest = sorted(zip(_TERMS[metric], parts.tolist(), strict=True), key=lambda one: -one[1])[:_NAMED]
        said = ", ".join(f"{name} {part / whole:.0%}" for name, part in largest)
        return f"law of {whole / 1e6:.3g} ms ({said}), corrected by {float(law.expect(told)[0]) / whole:.2f}"


def id_of(device: DeviceProfile) -> str:
    """How a device is named among what was learned from: only to tell whether its intervals are those of a new one."""
    return device.hw_id or device.name


def load_llm(payload: Payload) -> LlmModel:
    """Read back a payload. Raises AssayError where it is not sound."""
    try:
        return _load(payload.meta, payload.arrays)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise AssayError(
            f"What was learned of served language models cannot be read: {type(error).__name__}: {error}.",
            hint="Learn it again: assay predict train --kind llm",
        ) from error


def _load(meta: Mapping[str, Any], arrays: Mapping[str, Any]) -> LlmModel:
    import numpy as np

    if tuple(meta["ratios"]) != RATIOS or set(meta["laws"]) != set(METRICS):
        raise ValueError(f"got ratios {meta['ratios']} of {sorted(meta['laws'])}")
    laws = {}
    for name, one in meta["laws"].items():
        if tuple(one["terms"]) != _TERMS[name]:
            raise ValueError(f"got terms {one['terms']} of {name}")
        own, step = (np.array(one[part], dtype=np.float64) for part in ("coefficients", "step"))
        if own.shape != (len(_TERMS[name]),) or step.shape != (len(BETWEEN_TERMS),):
            raise ValueError(f"got {own.shape} coefficients and {step.shape} of a step")
        if not (np.isfinite(own).all() and np.isfinite(step).all() and own.min() >= 0 and own.max() > 0):
            raise ValueError("got coefficients that are not finite, negative, or all 0")
        forest = read_forest(arrays, f"{name}_")
        if forest.features != len(RATIOS) + len(own):
            raise ValueError(f"got trees over {forest.features} columns")
        laws[name] = Law(name, own, step, forest)
    held = {
        metric: {
            str(name): Calibration(tuple(one["scores"]), tuple(one["weights"]), int(one["groups"]))
            for name, one in own.items()
        }
        for metric, own in meta["calibrations"].items()
    }
    ranges = {str(name): (float(low), float(high)) for name, (low, high) in meta["ranges"].items()}
    if set(ranges) != {"users", "isl", "osl", "devices"}:
        raise ValueError(f"got ranges of {sorted(ranges)}")
    most = {str(name): float(users) for name, users in meta["most"].items()}
    models, devices, vendors = (frozenset(map(str, meta[name])) for name in ("models", "devices", "vendors"))
    seen = Seen(models, devices, vendors, ranges, most)
    return LlmModel(laws, held, seen, int(meta["rows"]))
