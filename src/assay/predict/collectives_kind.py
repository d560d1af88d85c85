"""The predictor ``collectives``: times of exchanges between devices, learned from published timings.

What is learned is little: of each kind of link a latency and the share of a sheet's bandwidth that is reached. Held
out are whole systems and whole devices, beside the bytes over the bandwidth; intervals are of those errors. May import:
core, predict, stats; numpy, pyarrow and scipy inside functions.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from assay.core.errors import AssayError, UnknownNameError
from assay.predict.base import Gathered, PredictorKind, predictors
from assay.predict.collectives import (
    LARGE_BYTES,
    Collective,
    LinkKind,
    LinkTerms,
    MeasuredLink,
    count_traffic,
    fit_terms,
    time_exchange,
    time_measured,
)
from assay.predict.collectives_data import Timing, gather_collectives
from assay.predict.collectives_model import METRIC, UNLEARNED, CollectivesModel, load_collectives
from assay.predict.scores import SplitOutcome, score_groups, score_predictions
from assay.predict.splits import leave_one_out
from assay.predict.values import LEVELS
from assay.stats.conformal import calibrate

KIND = "collectives"
_SPLITS = {
    "topology": "exchanges in a system that was not measured",
    "device": "exchanges between devices that were not measured",
    "link": "sizes between four that were measured on the same link",
}
_PROBES = (64 << 10, 1 << 20, 16 << 20, 256 << 20)
"""Messages that the suite ``distributed`` times between GPUs; the nearest that were published stand for them."""
_BINS_PER_OCTAVE = 4
_FEWEST = 100
_MOST_SCORES = 400


def fit_collectives(gathered: Gathered, seed: int) -> CollectivesModel:
    """Learn from all of one machine, and take the errors of each device left out. Raises AssayError for too few."""
    del seed  # nothing is drawn
    timings = _linked(gathered)
    if len(timings) < _FEWEST:
        raise AssayError(f"{len(timings)} times of exchanges on known links; expected at least {_FEWEST}.")
    errors = list(_leave_out(timings, [one.device for one in timings]))
    calibrations = {}
    for name, wanted in (("small", False), ("large", True)):
        own = [(error, one.group) for one, error in errors if (one.size_bytes >= LARGE_BYTES) is wanted]
        if own:
            calibrations[name] = calibrate([one[0] for one in own], [one[1] for one in own]).thinned(_MOST_SCORES)
    probed = list(_predict_between(gathered.examples))
    if probed:
        logs = [math.log(one.time_ns / guess) for one, guess, _ in probed]
        calibrations["link"] = calibrate(logs, [one.group for one, _, _ in probed]).thinned(_MOST_SCORES)
    return CollectivesModel(_learn(timings), calibrations, frozenset({"NVIDIA"}))


def validate_collectives(gathered: Gathered, split: str, seed: int) -> SplitOutcome:
    """Hold out and foretell, beside the bytes over the bandwidth. Raises AssayError, UnknownNameError."""
    del seed
    if split not in _SPLITS:
        raise UnknownNameError("split", split, _SPLITS)
    if split == "link":
        return _validate_link(gathered)
    timings = _linked(gathered)
    names = [one.system if split == "topology" else one.device for one in timings]
    if len(set(names)) < 3:  # noqa: PLR2004  (one is held out, and of two left each calibrates the other)
        raise AssayError(f"Timings of {len(set(names))} {split} are here; expected at least 3.")
    truth, own, bare, ring, groups = [], [], [], [], []
    bounds: dict[float, tuple[list[float], list[float]]] = {level: ([], []) for level in LEVELS}
    for fold in leave_one_out(names):
        train = [timings[place] for place in fold.train]
        terms = _learn(train)
        inner = list(_leave_out(train, [names[place] for place in fold.train]))
        widths = _widths(inner)
        for place in fold.test:
            one = timings[place]
            guess = _expect(terms, one)
            assert one.link is not None  # noqa: S101  (only those of one machine are asked)
            truth.append(one.time_ns)
            own.append(guess)
            bare.append(one.size_bytes / one.link.bytes_per_s * 1e9)
            ring.append(bare[-1] * count_traffic(one.collective, one.ranks))
            groups.append(one.group)
            for level, (low, high) in bounds.items():
                wide = widths[one.size_bytes >= LARGE_BYTES].get(level, math.inf)
                low.append(guess * math.exp(-wide))
                high.append(guess * math.exp(wide))
    held = {level: one for level, one in bounds.items() if all(math.isfinite(high) for high in one[1])}
    methods = {
        "assay": score_predictions(truth, own, held),
        "bytes / bandwidth": score_predictions(truth, bare),
        "ring at full bandwidth": score_predictions(truth, ring),
    }
    sizes = ["1 MiB and more" if value >= LARGE_BYTES else "below 1 MiB" for value in _sizes(timings, names)]
    left_open = [f"{level:.0%}" for level in LEVELS if level not in held]
    notes = ["exchanges within one machine; most of a small message's time is what one rank waits for the other"]
    if left_open:
        notes.append(f"too few configurations are left for intervals of {', '.join(left_open)}")
    return SplitOutcome(
        KIND, split, _SPLITS[split], "latency_ns", methods, score_groups(groups, truth, own, held),
        {"size": score_groups(sizes, truth, own, held)}, notes=tuple(notes),
    )  # fmt: skip


def _validate_link(gathered: Gathered) -> SplitOutcome:
    found = list(_predict_between(gathered.examples))
    if not found:
        raise AssayError("No configuration has four sizes and more to foretell.")
    truth = [one.time_ns for one, _, _ in found]
    own, bare = [guess for _, guess, _ in found], [naive for _, _, naive in found]
    names = [one.group for one, _, _ in found]
    logs: dict[str, list[float]] = {name: [] for name in names}
    for one, guess, _ in found:
        logs[one.group].append(math.log(one.time_ns / guess))
    # Every configuration is held against the errors of all the others.
    halves = {}
    for name in logs:
        rest = [(error, other) for other, errors in logs.items() if other != name for error in errors]
        held = calibrate([one[0] for one in rest], [one[1] for one in rest])
        halves[name] = {level: held.half_width(level) for level in LEVELS}
    bounds = {
        level: ([guess * math.exp(-halves[name][level]) for guess, name in zip(own, names, strict=True)],
                [guess * math.exp(halves[name][level]) for guess, name in zip(own, names, strict=True)])
        for level in LEVELS
        if all(math.isfinite(one[level]) for one in halves.values())
    }  # fmt: skip
    methods = {
        "assay": score_predictions(truth, own, bounds),
        "bytes / bandwidth of the largest": score_predictions(truth, bare),
    }
    sizes = ["1 MiB and more" if one.size_bytes >= LARGE_BYTES else "below 1 MiB" for one, _, _ in found]
    return SplitOutcome(
        KIND, "link", _SPLITS["link"], "latency_ns", methods, score_groups(names, truth, own, bounds),
        {"size": score_groups(sizes, truth, own, bounds)}, notes=("between machines too",),
    )  # fmt: skip


def _predict_between(timings: Sequence[Timing]) -> Iterator[tuple[Timing, float, float]]:
    """Each row that is no probe, what the probes of its configuration say, and the bytes over the largest's rate."""
    found: dict[str, list[Timing]] = {}
    for one in timings:
        found.setdefault(one.group, []).append(one)
    for own in found.values():
        probes = {min(own, key=lambda one, size=size: abs(one.size_bytes - size)) for size in _PROBES}  # type: ignore[misc]  # bound at once
        points = tuple(sorted((one.size_bytes, one.time_ns) for one in probes))
        link = MeasuredLink(own[0].ranks, points, own[0].group)
        rate = points[-1][0] / points[-1][1]
        for one in own:
            if one not in probes:
                yield one, time_measured(link, Collective.ALL_REDUCE, one.size_bytes), one.size_bytes / rate


def _linked(gathered: Gathered) -> list[Timing]:
    return [one for one in gathered.examples if one.link is not None]


def _learn(timings: Sequence[Timing]) -> dict[LinkKind, LinkTerms]:
    """Terms of each kind of link from medians of sizes like each other; every configuration weighs the same."""
    import statistics

    bins: dict[tuple[str, int], list[Timing]] = {}
    for one in timings:
        step = round(math.log2(one.size_bytes) * _BINS_PER_OCTAVE)
        bins.setdefault((one.group, step), []).append(one)
    found: dict[LinkKind, list[tuple[Timing, float, float]]] = {}
    of_group: dict[str, int] = {}
    for group, _ in bins:
        of_group[group] = of_group.get(group, 0) + 1
    for own in bins.values():
        first = own[0]
        assert first.link is not None  # noqa: S101  (those without are left out before)
        size = statistics.median(one.size_bytes for one in own)
        middle = statistics.median(one.time_ns for one in own)
        found.setdefault(first.link.kind, []).append((first, size, middle))
    terms = {}
    for kind, rows in found.items():
        links = [(one.link.bytes_per_s, one.ranks, one.collective) for one, _, _ in rows if one.link is not None]
        weights = [1 / of_group[one.group] for one, _, _ in rows]
        terms[kind] = fit_terms([size for _, size, _ in rows], [value for _, _, value in rows], links, weights)
    return terms


def _expect(terms: Mapping[LinkKind, LinkTerms], one: Timing) -> float:
    assert one.link is not None  # noqa: S101  (those without are left out before)
    # A kind of link that nobody measured is taken as the other kinds are.
    known = terms.get(one.link.kind) or next(iter(terms.values()), UNLEARNED)
    return max(time_exchange(known, one.link, one.collective, one.size_bytes, one.ranks), 1.0)


def _leave_out(timings: Sequence[Timing], names: Sequence[str]) -> Iterator[tuple[Timing, float]]:
    """Each row with the logarithm of its time over what is foretold without its group."""
    for fold in leave_one_out(names):
        if not fold.train:
            continue
        terms = _learn([timings[place] for place in fold.train])
        for place in fold.test:
            one = timings[place]
            yield one, math.log(one.time_ns / _expect(terms, one))


def _widths(errors: Sequence[tuple[Timing, float]]) -> dict[bool, dict[float, float]]:
    """Half widths by level, of small messages (False) and large ones."""
    found: dict[bool, dict[float, float]] = {False: {}, True: {}}
    for is_large in found:
        own = [(error, one.group) for one, error in errors if (one.size_bytes >= LARGE_BYTES) is is_large]
        if own:
            held = calibrate([one[0] for one in own], [one[1] for one in own])
            found[is_large] = {level: held.half_width(level) for level in LEVELS}
    return found


def _sizes(timings: Sequence[Timing], names: Sequence[str]) -> list[float]:
    """Sizes in the order in which folds hold rows out."""
    return [timings[place].size_bytes for fold in leave_one_out(names) for place in fold.test]


predictors.add(
    KIND,
    PredictorKind(
        name=KIND,
        title="Exchanges between devices",
        metrics=(METRIC,),
        splits=_SPLITS,
        gather=gather_collectives,
        fit=fit_collectives,
        load=load_collectives,
        validate=validate_collectives,
        fewest=_FEWEST,
        packages=("scipy", "pyarrow"),
    ),
)
