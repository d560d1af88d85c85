"""A browser beside native: which native result each of a browser's stands beside, and the ratio of the two.

A pair is the same model file where both say which, the same precision, batch and input sizes, on the same machine, on a
CPU with as many threads. The ratio is over launches with its interval, and says whether they took turns. Results that
were disturbed make one only within a run, where a disturbance meets both, and carry it as their verdict. What a CPU
computed in the place of a graphics adapter makes none. May import: core, engines, stats, store, analysis.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from assay.analysis.compare import were_interleaved
from assay.analysis.web_sides import Side
from assay.core.words import Direction, Provenance, Verdict
from assay.engines.options import OPTIONS
from assay.stats.change import RatioEstimate, estimate_ratio
from assay.stats.ratios import geometric_mean

_CHANGES_MODEL = tuple(name for name, option in OPTIONS.items() if option.changes_model)
SAME_FILE, SAME_RECIPE, SAME_NAME = "same file", "same recipe", "same name"
SOFTWARE = "a software adapter: a CPU plays the graphics hardware, so its time says nothing of one"
NO_NATIVE = "no usable native result of the same model, precision, batch and sizes on the same hardware"


@dataclass(frozen=True, slots=True)
class WebPair:
    """A browser's number beside a native one of the same work.

    ``ratio`` is how many times worse the browser's is, whichever way the metric goes: above 1 the browser is behind.
    ``lo`` and ``hi`` bound it at 95 %: by launches (``estimate``), else where both numbers have intervals of their own.
    ``took_turns`` None: not known, as one of them has no launches. ``model`` says how far the model is known to be the
    same, ``notes`` what else is to be known.
    """

    web: Side
    native: Side
    ratio: float
    lo: float | None
    hi: float | None
    model: str
    estimate: RatioEstimate | None = None
    took_turns: bool | None = None
    notes: tuple[str, ...] = ()

    @property
    def verdict(self) -> Verdict | None:
        """The worse of the two verdicts; None where neither has one."""
        known = [one for one in (self.web.verdict, self.native.verdict) if one is not None]
        return Verdict.worst(known) if known else None

    @property
    def n(self) -> int | None:
        """Launches of the side that has fewer."""
        return None if self.estimate is None else min(self.estimate.n_a, self.estimate.n_b)


@dataclass(frozen=True, slots=True)
class WebMean:
    """The geometric mean of ``n`` ratios, from ``lowest`` to ``highest``; it is bounded where all of them are."""

    ratio: float
    lo: float | None
    hi: float | None
    lowest: float
    highest: float
    n: int


def pair_sides(
    sides: Sequence[Side], direction: Direction, *, native: str | None = None
) -> tuple[list[WebPair], dict[str, str]]:
    """Pair the usable numbers of browsers; say for the others, by result, why they have no pair.

    ``native`` names the engine that they are held against. Without it the fastest of those that ran it stands for
    native. Of a series that has a result in the browser's own run that one counts.
    """
    outside = [one for one in sides if one.backend is None and one.is_usable and one.value and not one.is_software]
    outside = [one for one in outside if native in (None, one.engine)]
    by_work: dict[tuple[Any, ...], list[Side]] = {}
    for side in outside:
        by_work.setdefault(_work(side), []).append(side)
    pairs, alone = [], {}
    for side in sides:
        if side.backend is None:
            continue
        reason = _why_alone(side)
        if reason is None:
            found = _fitting(side, by_work.get(_work(side), []), native)
            if isinstance(found, str):
                reason = found
            else:
                chosen = min(_of_own_run(side, found), key=lambda one: _cost(one, direction))
                pairs.append(_pair(side, chosen, direction))
        if reason is not None:
            alone[side.result_id] = reason
    return sorted(pairs, key=lambda one: (one.web.workload, one.web.shape, one.ratio)), alone


def mean_of(pairs: Sequence[WebPair]) -> WebMean:
    """Take the geometric mean of at least one pair; its interval is of these pairs and says nothing of others."""
    ratios = [one.ratio for one in pairs]
    estimates = [one.estimate for one in pairs if one.estimate is not None]
    lo = hi = None
    if len(estimates) == len(pairs):
        mean = geometric_mean(ratios, [one.error_log**2 for one in estimates], df=[one.df for one in estimates])
        lo, hi = mean.lo95, mean.hi95
    elif len(pairs) == 1:
        lo, hi = pairs[0].lo, pairs[0].hi
    centre = math.exp(math.fsum(math.log(one) for one in ratios) / len(ratios))
    return WebMean(centre, lo, hi, min(ratios), max(ratios), len(pairs))


def group_pairs(pairs: Iterable[WebPair], key: Callable[[WebPair], Any]) -> dict[Any, list[WebPair]]:
    """Sort pairs by what they have in common, in order of appearance."""
    found: dict[Any, list[WebPair]] = {}
    for pair in pairs:
        found.setdefault(key(pair), []).append(pair)
    return found


# -- what belongs together -------------------------------------------------------------------------------------


def _why_alone(side: Side) -> str | None:
    if not side.is_usable:
        return side.why or "it may not be ranked"
    if side.is_software:
        return SOFTWARE
    if not side.value or side.value < 0:
        return "it has no such number"
    missing = [name for name in ("hardware", "precision", "batch") if getattr(side, name) is None]
    return f"its source does not say {' or '.join(missing)}, so nothing is known to be the same" if missing else None


def _work(side: Side) -> tuple[Any, ...]:
    changed = tuple(side.options.get(name) for name in _CHANGES_MODEL)
    return side.workload, side.precision, side.batch, side.shape, side.machine, side.provenance, changed


def _fitting(web: Side, found: Sequence[Side], native: str | None) -> list[Side] | str:
    """Return the native results that a browser's may stand beside, or why there is none."""
    if not found:
        return NO_NATIVE if native is None else f"{NO_NATIVE} by {native}"
    same_model = [one for one in found if not _is_other_model(web, one)]
    if not same_model:
        return "native results of it are of another model file"
    if web.is_on_cpu:
        on_cpu = [one for one in same_model if one.is_on_cpu]
        same_threads = [one for one in on_cpu if _agree(web.threads, one.threads)]
        if not on_cpu:
            return "native results of it are of accelerators, and the browser computed on the CPU"
        if not same_threads:
            known = sorted({one.threads for one in on_cpu if one.threads is not None})
            return f"it had {web.threads} threads, and native results of it have {', '.join(map(str, known))}"
        return _undisturbed(web, same_threads)
    # A graphics adapter stands beside the machine's accelerator, and beside its CPU where no other was used.
    return _undisturbed(web, [one for one in same_model if not one.is_on_cpu] or same_model)


def _undisturbed(web: Side, found: Sequence[Side]) -> list[Side] | str:
    kept = [one for one in found if one.run_id == web.run_id or not (one.is_disturbed or web.is_disturbed)]
    return kept or "one of the two was disturbed, and the other is of another run"


def _is_other_model(one: Side, other: Side) -> bool:
    return not _agree(one.model_sha256, other.model_sha256)


def _agree(one: object, other: object) -> bool:
    return one is None or other is None or one == other


def _of_own_run(web: Side, found: Sequence[Side]) -> list[Side]:
    """Of each way of running natively the result in the browser's own run, where there is one."""
    ways: dict[tuple[Any, ...], list[Side]] = {}
    for one in found:
        options = tuple(sorted((name, str(value)) for name, value in one.options.items()))
        ways.setdefault((one.engine, one.device, one.threads, options), []).append(one)
    return [one for several in ways.values() for one in _own_or_all(web, several)]


def _own_or_all(web: Side, several: Sequence[Side]) -> list[Side]:
    own = [one for one in several if one.run_id == web.run_id]
    return own or [max(several, key=lambda one: one.result_id)]


def _cost(side: Side, direction: Direction) -> float:
    value = side.value or math.inf
    return -value if direction is Direction.HIGHER else value


# -- the ratio -------------------------------------------------------------------------------------------------


def _pair(web: Side, native: Side, direction: Direction) -> WebPair:
    notes = list(_notes(web, native))
    model = _model(web, native)
    first, second = (web, native) if direction is Direction.HIGHER else (native, web)
    of_first, of_second = (() if one.launches is None else one.launches.values for one in (first, second))
    are_positive = all(value > 0 for value in (*of_first, *of_second))
    estimate = estimate_ratio(of_first, of_second) if are_positive else None
    if estimate is not None:
        return WebPair(
            web, native, estimate.ratio, estimate.lo95, estimate.hi95, model, estimate, _took_turns(web, native),
            tuple(notes),
        )  # fmt: skip
    ratio = (second.value or math.nan) / (first.value or math.nan)
    halves = [math.log(one.hi / one.lo) / 2 if one.lo and one.hi else None for one in (web, native)]
    if any(half is None for half in halves):
        notes.append("without an interval: not both have two launches, or intervals of their own")
        return WebPair(web, native, ratio, None, None, model, notes=tuple(notes))
    half = math.hypot(*(one for one in halves if one is not None))
    bounds = ratio * math.exp(-half), ratio * math.exp(half)
    return WebPair(web, native, ratio, *bounds, model, took_turns=None, notes=tuple(notes))


def _took_turns(web: Side, native: Side) -> bool | None:
    if web.launches is None or native.launches is None or web.host_id is None:
        return None
    return web.host_id == native.host_id and were_interleaved(web.launches.started_at, native.launches.started_at)


def _model(web: Side, native: Side) -> str:
    """How far the two are known to have run the same model."""
    if web.model_sha256 is not None and web.model_sha256 == native.model_sha256:
        return SAME_FILE
    is_one_run = web.run_id == native.run_id
    return SAME_RECIPE if is_one_run and web.known.recipes & native.known.recipes else SAME_NAME


def _notes(web: Side, native: Side) -> Iterable[str]:
    if web.is_on_cpu and (web.threads is None or native.threads is None) and web.provenance is Provenance.MEASURED:
        silent = [word for word, side in (("the browser", web), (str(native.engine), native)) if side.threads is None]
        yield f"how many threads {' and '.join(silent)} used is not known"
    if not web.is_on_cpu and native.is_on_cpu:
        yield "native is the CPU beside the adapter"
    for word, side in (("in the browser", web), ("outside", native)):
        if side.launches is not None and side.launches.contaminated:
            yield f"{side.launches.contaminated} of {len(side.launches.values)} launches {word} were disturbed"


def count_reasons(alone: Mapping[str, str]) -> dict[str, int]:
    """How many results each reason keeps without a pair, most first; what stands behind a colon is left out."""
    found: dict[str, int] = {}
    for why in alone.values():
        word = why.partition(":")[0]
        found[word] = found.get(word, 0) + 1
    return dict(sorted(found.items(), key=lambda one: -one[1]))
