"""How well a time is brought to a device that was held out, with 0, 5, 10 or 40 models measured there.

Every device is held out with all its tables; what the process is made of and how wide intervals are is chosen on the
other devices alone. Beside it: the geometric mean of the ratios of peak and bandwidth, and that times the median of the
probes. May import: core, predict, stats; numpy and scipy inside functions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING, Any

from assay.core.errors import AssayError, UnknownNameError
from assay.predict.base import Gathered
from assay.predict.devices import effective_peak
from assay.predict.graph.features import describe
from assay.predict.scores import GroupScore, SplitOutcome, score_groups, score_predictions
from assay.predict.transfer import KIND, METRIC, SPLITS, fill, key_of, software_of, usable
from assay.predict.transfer_lean import Rows, choose_probes, model_of, setting_of, view_from
from assay.predict.transfer_process import Index, MakeUp, Scaling, Surface, teach
from assay.predict.values import LEVELS, Example
from assay.stats.conformal import Calibration, calibrate

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[Any]

GOAL_10 = 0.06
_GRID = {"shape": (0.06, 0.12, 0.25), "row": (0.03, 0.06, 0.12), "lean": (0.0, 0.03, 0.06, 0.12)}
_FEWEST_MODELS = 60
_ENOUGH = 300
"""Rows of a table that a surface is chosen by: more change no choice."""
_COUNTS = {"device": 0, "device-5": 5, "device-10": 10, "device-40": 40}


@dataclass(frozen=True, slots=True)
class Target:
    """One table of a device: each model's logarithm of time over what other devices foretell of it.

    ``residuals``, ``naive`` (n,): over the ratio of rooflines, and over that of peak and bandwidth. ``made`` (n,) is
    seen from this device: nothing in it was measured there. ``kind`` is ``cpu`` or ``gpu``.
    """

    name: str
    device: str
    kind: str
    residuals: Floats
    naive: Floats
    made: MakeUp
    truth: Floats


def make_targets(examples: Sequence[Example]) -> list[Target]:
    """Hold every row of every table against the rows that ``TransferModel.answer`` would bring over to it."""
    import numpy as np

    tables: dict[str, list[Example]] = {}
    for one in examples:
        tables.setdefault(one.groups.get("config", one.groups["device"]), []).append(one)
    devices = [one.groups["device"] for one in examples]
    software = [software_of(one.question) for one in examples]
    described = describe([one.question for one in examples])
    values = np.array([one.value for one in examples])
    ratios, rows = np.log(values / (described.base_s * 1e9)), fill(described.rows)
    place_of = {id(one): place for place, one in enumerate(examples)}
    scalings = {name: Scaling.of(rows[[where != name for where in devices]]) for name in set(devices)}
    known = Rows([key_of(one.question) for one in examples], devices, software, ratios)
    index = Index.of(known.keys, devices, software)
    targets = []
    for name, own in tables.items():
        kept, paired = [], []
        for one in {_model_of(one): one for one in own}.values():
            found = index.find(key_of(one.question), one.groups["device"], software_of(one.question))
            if found:
                kept.append(one)
                paired.append(found)
        if len(kept) < _FEWEST_MODELS:
            continue
        of_kept = _ratio_logs(kept)
        residuals, naive = np.empty(len(kept)), np.empty(len(kept))
        for place, found in enumerate(paired):
            residuals[place] = of_kept[0][place] - index.mean(ratios, found, software_of(kept[place].question))
            naive[place] = of_kept[1][place] - np.mean([_naive_log(examples[one], kept[place]) for one in found])
        scaled = scalings[kept[0].groups["device"]].scale(rows[[place_of[id(one)] for one in kept]])
        made = _make_up(known, index, kept, scaled)
        truth = np.array([one.value for one in kept])
        kind = "cpu" if kept[0].question.device.kind == "cpu" else "gpu"
        targets.append(Target(name, kept[0].groups["device"], kind, residuals, naive, made, truth))
    return targets


def calibrate_devices(examples: Sequence[Example], seed: int) -> tuple[Surface, dict[str, Calibration]]:
    """Choose the surface over all devices, and take the errors of each device left out, by split."""
    targets = make_targets(examples)
    if not targets:
        return Surface(), {}
    surface = _choose(targets, 10, seed)
    found = {}
    for split, count in _COUNTS.items():
        held = _calibrate(targets, count, surface, seed)
        if held is not None:
            found[split] = held
    return surface, found


def validate_transfer(gathered: Gathered, split: str, seed: int) -> SplitOutcome:
    """Hold every device out. Raises UnknownNameError, and AssayError where no two devices ran the same models."""
    import numpy as np

    if split not in _COUNTS:
        raise UnknownNameError("split", split, SPLITS)
    examples = usable(gathered)
    targets = make_targets(examples)
    if len({one.device for one in targets}) < 2:  # noqa: PLR2004  (one is held out, another is left)
        raise AssayError("No two devices ran the same models, so none can be held out.", hint="Give --data FOLDER.")
    count = _COUNTS[split]
    truth, guess, names, groups, kinds = [], [], [], [], []
    peaks, shifted = [], []
    apart: dict[str, list[Target]] = {}
    bounds: dict[float, list[tuple[Floats, Floats]]] = {level: [] for level in LEVELS}
    for target in targets:
        if target.device not in apart:
            # Not even as a source for others is the device known: they are held against each other anew.
            left = [one for one in examples if one.groups["device"] != target.device]
            apart[target.device] = make_targets(left)
        rest = apart[target.device]
        others = [one for one in rest if one.kind == target.kind] or rest
        surface = _choose(others, count, seed) if count and others else Surface()
        probes, test = _divide(target, count, seed)
        mean, sd = _expect(target, surface, probes, test)
        actual = target.truth[test]
        expected = actual / np.exp(target.residuals[test] - mean)
        truth.append(actual)
        guess.append(expected)
        peaks.append(actual / np.exp(target.naive[test]))
        shifted.append(peaks[-1] * math.exp(float(np.median(target.naive[probes])) if count else 0.0))
        names += [target.name] * len(test)
        groups += [target.device] * len(test)
        kinds += [target.kind] * len(test)
        held = _calibrate(rest, count, surface, seed)
        for level in LEVELS:
            half = held.half_width(level) if held is not None else math.inf
            bounds[level].append((expected * np.exp(-half * sd), expected * np.exp(half * sd)))
    every, found = np.concatenate(truth), np.concatenate(guess)
    joined = {level: _join(parts) for level, parts in bounds.items()}
    spans = {level: ends for level, ends in joined.items() if np.isfinite(ends[1]).all()}
    methods = {"assay": score_predictions(every, found, spans)}
    methods["peak and bandwidth"] = score_predictions(every, np.concatenate(peaks))
    if count:
        methods["the same x median of probes"] = score_predictions(every, np.concatenate(shifted))
    return SplitOutcome(
        KIND, split, SPLITS[split], METRIC, methods, score_groups(groups, every, found, spans),
        {"kind": score_groups(kinds, every, found, spans), "table": _groups(names, every, found, spans)},
        goal=GOAL_10 if count == 10 else None,  # noqa: PLR2004  (the goal was set for ten)
        notes=_notes(targets, count),
    )  # fmt: skip


def _notes(targets: Sequence[Target], count: int) -> tuple[str, ...]:
    devices = len({one.device for one in targets})
    if not count:
        return (f"{devices} devices: too few for an interval of 90 %, as the next may be worse than all of them",)
    return (
        f"the {count} probes are the middles of groups of like make-up, and not scored",
        "intervals are made of the tables of other devices, and widened by how far apart the device's own probes lay",
    )


def _groups(names: Sequence[str], truth: Floats, guess: Floats, spans: Mapping[float, Any]) -> tuple[GroupScore, ...]:
    return score_groups(names, truth, guess, spans)


def _join(parts: Sequence[tuple[Floats, Floats]]) -> tuple[Floats, Floats]:
    import numpy as np

    return np.concatenate([low for low, _ in parts]), np.concatenate([high for _, high in parts])


def _divide(target: Target, count: int, seed: int) -> tuple[list[int], list[int]]:
    probes = choose_probes(target.made.scaled, target.made.leanings, count, seed) if count else []
    held = set(probes)
    return probes, [place for place in range(len(target.truth)) if place not in held]


def _expect(target: Target, surface: Surface, probes: Sequence[int], test: Sequence[int]) -> tuple[Floats, Floats]:
    taught = teach(surface, target.made.take(probes), target.residuals[list(probes)])
    return taught.expect(target.made.take(test))


def _make_up(known: Rows, index: Index, kept: Sequence[Example], scaled: Floats) -> MakeUp:
    """As ``TransferModel`` sees models of one table from the table's device."""
    key = key_of(kept[0].question)
    view = view_from(known, index, kept[0].groups["device"], setting_of(key), software_of(kept[0].question))
    return MakeUp(scaled, view.take([model_of(key_of(one.question)) for one in kept], scaled))


def _calibrate(targets: Sequence[Target], count: int, surface: Surface, seed: int) -> Calibration | None:
    """Errors in units of what the process thought they might be, of all rows of these targets; None without any.

    Every device weighs the same without probes, and the next may be worse than all of them. After probes every table
    does; what a whole device is off by is in the scale that its own probes taught, so that the next outcome is of a
    model that is not among these: it is the models that bounds are widened for the number of.
    """
    import numpy as np

    errors, scales, names = [], [], []
    for target in targets:
        probes, test = _divide(target, count, seed)
        mean, sd = _expect(target, surface, probes, test)
        errors.append(target.residuals[test] - mean)
        scales.append(sd)
        names += [target.name if count else target.device] * len(test)
    if not errors:
        return None
    held = calibrate(np.concatenate(errors), names, np.concatenate(scales))
    return replace(held, groups=max(map(len, errors))) if count else held


def _choose(targets: Sequence[Target], count: int, seed: int) -> Surface:
    """The surface with the least mean error on these targets, with so many probes."""
    import numpy as np

    whole = [_divide(target, count, seed) for target in targets]
    divided = [(probes, test[:: max(1, len(test) // _ENOUGH)]) for probes, test in whole]
    best, least = Surface(), math.inf
    for shape, row, lean in product(*_GRID.values()):
        surface = replace(Surface(), shape=shape, row=row, lean=lean)
        misses = [
            float(np.mean(np.abs(np.expm1(target.residuals[test] - _expect(target, surface, probes, test)[0]))))
            for target, (probes, test) in zip(targets, divided, strict=True)
        ]
        if misses and float(np.mean(misses)) < least:
            best, least = surface, float(np.mean(misses))
    return best


def _model_of(one: Example) -> str:
    graph = one.question.graph
    return f"{one.question.workload} {dict(graph.shape) if graph is not None else ''}"


def _ratio_logs(examples: Sequence[Example]) -> tuple[Floats, Floats]:
    """Logarithms of time over roofline, and of time a sample, (n,) each."""
    import numpy as np

    values = np.array([one.value for one in examples])
    batch = np.array([one.question.conditions.batch for one in examples], dtype=np.float64)
    base = describe([one.question for one in examples]).base_s * 1e9
    return np.log(values / base), np.log(values / batch)


def _naive_log(source: Example, target: Example) -> float:
    """The time a sample that the geometric mean of the ratios of peak and bandwidth foretells, as a logarithm."""
    logs = [math.log(source.value / source.question.conditions.batch)]
    for one, sign in ((source, 0.5), (target, -0.5)):
        device = one.question.device
        peak, width = effective_peak(device, one.question.conditions.precision), device.bandwidth_bytes_per_s
        logs.append(sign * (math.log(peak or 1.0) + math.log(width or 1.0)))
    return sum(logs)
