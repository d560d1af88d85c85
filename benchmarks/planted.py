"""Are real slowdowns found, and is nothing called one that is none: assay's rule and others' on the same launches.

Compares real models on this machine, each comparison 5 + 5 fresh interleaved launches of ``assay compare``'s own trial:
most of a model against itself (A/A), some against the same model with 5 % and 10 % of extra work (planted_models.py).
What is planted is verified twice: by FLOPs, and by timing both models in turns in one process. No launch serves two
comparisons. Every launch and sample stays in the store, from which the table can be printed again, by this or a later
rule:

    python benchmarks/planted.py --store planted-store --minutes 40
    python benchmarks/planted.py --store planted-store --table-only

Interrupted or out of time, the same command goes on where it stopped. One launch takes about 3 s, most of it the import
of PyTorch: 40 A/A and 20 + 20 planted comparisons are 800 launches, about 40 minutes. Run it where nothing else runs.
"""

from __future__ import annotations

import argparse
import gc
import json
import math
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

import planted_models
from assay.analysis.noise_floor import wilson_interval
from assay.core.records import LaunchRecord
from assay.core.words import Change, Direction, RunStatus
from assay.runner.suite_model import build_suite
from assay.stats.change import DEFAULT_FLOOR, Judgement, estimate_ratio, judge_ratio
from assay.stats.power import power_to_find
from assay.store import Store
from assay.trials.ab import run_trial
from assay.trials.values import SideSpec, TrialRequest
from rival_rules import RIVALS, Asv

FOLDER = Path(__file__).resolve().parent
LAUNCHES = 5
TAG = "planted"
TIMING = {
    "min_time_s": 0.3, "max_time_s": 1.0, "min_samples": 30, "warmup_min_s": 0.1, "warmup_max_s": 1.0,
}  # fmt: skip
"""Short windows: the noise between launches, which rules have to cope with, does not shrink with longer ones."""
VERIFIED = "planted-verified.json"
_ROUNDS = 60
_CHUNK_S = 0.05


@dataclass(frozen=True, slots=True)
class Pair:
    """One comparison to make: a model against itself with ``plant`` per cent of extra work."""

    number: int
    model: str
    plant: int

    @property
    def tag(self) -> str:
        """How its runs are found again."""
        return f"{TAG}:{self.number:03d}:{self.model}:{self.plant}"


@dataclass(frozen=True, slots=True)
class Launched:
    """The launches of both sides of one comparison, in ns: a median a launch, and every sample of it."""

    pair: Pair
    medians: tuple[list[float], list[float]]
    samples: tuple[list[list[float]], list[list[float]]]
    verdicts: tuple[str, ...]
    wall_s: float
    load: float


@dataclass(frozen=True, slots=True)
class Ruling:
    """A rule of the table: its name, and whether it calls B slower than A; None where it has no such rule."""

    name: str
    is_slower: Callable[[Launched, int, int], bool | None]


def main() -> None:
    """Measure what is left to measure, and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--store", type=Path, required=True, help="folder that keeps every launch")
    parser.add_argument("--pairs", type=int, default=40, help="A/A comparisons; half as many with each plant")
    parser.add_argument("--minutes", type=float, default=60.0, help="begin no further comparison after this long")
    parser.add_argument("--table-only", action="store_true", help="measure nothing")
    parser.add_argument(
        "--verify", action="store_true", help="verify again what is planted: the machine is quieter now"
    )
    arguments = parser.parse_args()
    location = arguments.store.resolve()
    store = Store.open(location, create=not arguments.table_only)
    if not arguments.table_only:
        os.chdir(FOLDER)  # where workers find planted_models
        if arguments.verify or not (location / VERIFIED).exists():
            verify_all(location / VERIFIED)
        measure(store, plan_pairs(arguments.pairs), limit_s=60 * arguments.minutes)
    launched = list(read_launched(store))
    if not launched:
        sys.exit("There is no comparison in this store yet.")
    print_table(launched, json.loads((location / VERIFIED).read_text(encoding="utf-8")))


# -- measuring -------------------------------------------------------------------------------------------------


def plan_pairs(count: int) -> list[Pair]:
    """Twice ``count`` comparisons, kinds and models in turns, so that a run that is cut short is still balanced."""
    kinds = (0, 5, 0, 10)
    names = list(planted_models.MODELS)
    seen = dict.fromkeys(kinds, 0)
    pairs = []
    for number in range(2 * count):
        plant = kinds[number % len(kinds)]
        pairs.append(Pair(number, names[seen[plant] % len(names)], plant))
        seen[plant] += 1
    return pairs


def measure(store: Store, pairs: Sequence[Pair], *, limit_s: float) -> None:
    """Make the comparisons that the store does not have yet."""
    begin = time.monotonic()
    done = {tag for run in store.runs() for tag in run.tags if run.status is RunStatus.OK}
    left = [pair for pair in pairs if pair.tag not in done]
    for made, pair in enumerate(left):
        elapsed = time.monotonic() - begin
        if elapsed > limit_s:
            print(f"out of time: {len(left) - made} comparisons left; the same command goes on", file=sys.stderr)
            return
        rest = f", about {elapsed / made * (len(left) - made) / 60:.0f} min left" if made else ""
        print(f"{made + 1} of {len(left)}: {pair.model} +{pair.plant} %{rest}", file=sys.stderr, flush=True)
        trial = run_trial(request_trial(pair), store)
        if any(one.run.status is RunStatus.INTERRUPTED for one in trial.runs):
            return


def request_trial(pair: Pair) -> TrialRequest:
    """Ask for one comparison as ``assay compare --side`` does; its own seed, so that no two orders are alike."""
    reference = "planted_models:{}_{}".format
    base = reference(pair.model, 0)
    suite = build_suite({
        "name": TAG, "launches": LAUNCHES, "timing": TIMING, "seed": pair.number,
        "cases": [{"model": base, "device": "cpu", "threads": 1}],
    })  # fmt: skip
    sides = (SideSpec("A", {"model": base}), SideSpec("B", {"model": reference(pair.model, pair.plant)}))
    load = f"load {os.getloadavg()[0]:.2f}"
    return TrialRequest(suite, sides, FOLDER, tags=(TAG, pair.tag), note=load)


def verify_all(file: Path) -> None:
    """Keep in a file what is planted, model by model."""
    plants = [plant for plant in planted_models.PLANTS if plant]
    found = [verify(model, plant) for model in planted_models.MODELS for plant in plants]
    file.write_text(json.dumps(found), encoding="utf-8")


def verify(model: str, plant: int) -> dict[str, Any]:
    """Time both models in turns in this process, and count their FLOPs: what the plant is, apart from any launch."""
    torch.set_num_threads(1)
    built = [planted_models.build(model, which) for which in (0, plant)]
    logs = []
    with torch.inference_mode():
        calls = [max(1, round(_CHUNK_S / time_calls(*one, 5))) for one in built]
        gc.disable()
        for number in range(_ROUNDS):
            times = {side: time_calls(*built[side], calls[side]) for side in ((0, 1) if number % 2 else (1, 0))}
            logs.append(math.log(times[1] / times[0]))
        gc.enable()
    # Neighbours in time, so their ratios are freer of drift than the sides; the median, for a loaded machine.
    error = statistics.stdev(logs) / math.sqrt(len(logs)) * math.sqrt(math.pi / 2)
    middle = statistics.median(logs)
    flops = [planted_models.count_flops(model, which) for which in (0, plant)]
    return {
        "model": model, "plant": plant, "flops": flops, "rounds": _ROUNDS, "ratio": math.exp(middle),
        "lo": math.exp(middle - 1.96 * error), "hi": math.exp(middle + 1.96 * error),
    }  # fmt: skip


def time_calls(module: torch.nn.Module, inputs: torch.Tensor, calls: int) -> float:
    """Return the median of so many calls, in seconds."""
    times = []
    for _ in range(calls):
        begin = time.perf_counter()
        module(inputs)
        times.append(time.perf_counter() - begin)
    return statistics.median(times)


# -- reading back ----------------------------------------------------------------------------------------------


def read_launched(store: Store) -> Iterator[Launched]:
    """Yield every complete comparison of the store, in the order of the plan."""
    runs: dict[str, list[Any]] = {}
    for run in reversed(store.runs()):
        for tag in run.tags:
            if tag.startswith(f"{TAG}:") and run.status is RunStatus.OK:
                runs.setdefault(tag, []).append(run)
    for tag, found in sorted(runs.items()):
        by_side = {side: run for run in found for side in ("A", "B") if f"side:{side}" in run.tags}
        if set(by_side) != {"A", "B"}:
            continue
        _, number, model, plant = tag.split(":")
        sides = [store.launches(run_id=by_side[side].run_id, with_samples=True) for side in ("A", "B")]
        every = [launch for side in sides for launch in side]
        note = by_side["A"].note or ""
        yield Launched(
            Pair(int(number), model, int(plant)),
            medians=(medians_of(sides[0]), medians_of(sides[1])),
            samples=(samples_of(sides[0]), samples_of(sides[1])),
            verdicts=tuple(str(launch.verdict) for launch in every),
            wall_s=sum((launch.wall_ns or 0) / 1e9 for launch in every),
            load=float(note.removeprefix("load ").split()[0]),
        )


def medians_of(launches: Sequence[LaunchRecord]) -> list[float]:
    """Return one value a launch: what assay compares."""
    return [launch.median_ns for launch in launches if launch.median_ns is not None]


def samples_of(launches: Sequence[LaunchRecord]) -> list[list[float]]:
    """Return the samples of each launch: what other tools pool."""
    return [
        [value / series.calls_per_sample for value in series.values]
        for launch in launches
        for series in launch.samples
        if series.name == "latency"
    ]


# -- the table -------------------------------------------------------------------------------------------------


def judge(launched: Launched, a: int, b: int) -> Judgement | None:
    """Apply assay's rule, with its usual floor."""
    estimate = estimate_ratio(launched.medians[a], launched.medians[b])
    return None if estimate is None else judge_ratio(estimate, direction=Direction.LOWER)


def rulings() -> list[Ruling]:
    """Return assay's rule and every rival that has one for two sides."""

    def by_assay(launched: Launched, a: int, b: int) -> bool | None:
        judgement = judge(launched, a, b)
        return None if judgement is None else judgement.change is Change.REGRESSED

    def by(rule: Any) -> Callable[[Launched, int, int], bool | None]:
        def decide(launched: Launched, a: int, b: int) -> bool | None:
            answer: bool | None = rule.compare(launched.samples[a], launched.samples[b])
            return answer

        return decide

    # What sets this one apart is of histories only.
    rivals = [rule for rule in RIVALS if rule != Asv(threshold=None)]
    return [Ruling("assay", by_assay), *(Ruling(rule.name, by(rule)) for rule in rivals)]


def print_table(launched: Sequence[Launched], verified: Sequence[dict[str, Any]]) -> None:
    """Print how many comparisons each rule calls changed (A/A, to either side) and slower (planted)."""
    groups = {plant: [one for one in launched if one.pair.plant == plant] for plant in planted_models.PLANTS}
    print_verified(verified, groups)
    print_conditions(launched)
    title = f"{'5 + 5 interleaved launches':34}"
    print(f"\n{title}{f'A/A: called changed of {len(groups[0])}':>34}", end="")
    print("".join(f"{f'+{plant} %: found of {len(groups[plant])}':>30}" for plant in planted_models.PLANTS if plant))
    for ruling in rulings():
        cells = []
        for plant, group in groups.items():
            answers = [ruling.is_slower(one, 0, 1) for one in group]
            if plant == 0:
                answers = [first or ruling.is_slower(one, 1, 0) for first, one in zip(answers, group, strict=True)]
            cells.append(count_text([answer for answer in answers if answer is not None]))
        if any(cells):
            print(f"{ruling.name:34}{cells[0]:>34}" + "".join(f"{cell:>30}" for cell in cells[1:]))
    print("in brackets the share with its 95 % interval (Wilson); no launch serves two comparisons")
    print_verdicts(groups)


def print_verdicts(groups: dict[int, list[Launched]]) -> None:
    """Print what assay says in full, and what its power is at the spread that these launches have."""
    spreads = {
        model: math.sqrt(statistics.fmean(
            statistics.variance(map(math.log, side))
            for group in groups.values() for one in group if one.pair.model == model for side in one.medians
        ))
        for model in {one.pair.model for group in groups.values() for one in group}
    }  # fmt: skip
    for plant, group in groups.items():
        changes = [judgement.change for one in group if (judgement := judge(one, 0, 1)) is not None]
        said = ", ".join(f"{changes.count(change)} {change}" for change in Change if change in changes)
        powers = [power_to_find(spreads[one.pair.model], plant / 100, LAUNCHES, floor=DEFAULT_FLOOR) for one in group]
        foretold = f"; foretold by the spread: {100 * statistics.fmean(powers):.0f} % found" if plant and powers else ""
        print(f"assay of {f'+{plant} %' if plant else 'A/A'}: {said or 'nothing yet'}{foretold}")


def print_verified(verified: Sequence[dict[str, Any]], groups: dict[int, list[Launched]]) -> None:
    """Print what is planted: by FLOPs, by timing in turns in one process, and over all launches of the comparisons."""
    print(f"{'planted':14}{'FLOPs':>10}{'in one process (95 % CI)':>34}{'over all launches':>22}")
    for one in verified:
        own = [each for each in groups[one["plant"]] if each.pair.model == one["model"]]
        logs = [statistics.fmean(map(math.log, each.medians[1])) - statistics.fmean(map(math.log, each.medians[0]))
                for each in own]  # fmt: skip
        measured = f"{100 * math.expm1(statistics.median(logs)):+.1f} % (of {len(logs)})" if logs else ""
        flops = 100 * (one["flops"][1] / one["flops"][0] - 1)
        timed = f"{100 * (one['ratio'] - 1):+.1f} % ({100 * (one['lo'] - 1):+.1f} .. {100 * (one['hi'] - 1):+.1f})"
        name = f"{one['model']} +{one['plant']} %"
        print(f"{name:14}{f'{flops:+.1f} %':>10}{timed:>34}{measured:>22}")


def print_conditions(launched: Sequence[Launched]) -> None:
    """Print what it took, how loaded the machine was, and how noisy the launches of one side are."""
    count = sum(len(one.verdicts) for one in launched)
    wall_s = sum(one.wall_s for one in launched)
    verdicts = [verdict for one in launched for verdict in one.verdicts]
    loads = sorted(one.load for one in launched)
    spreads = [statistics.stdev(map(math.log, side)) for one in launched for side in one.medians if len(side) > 1]
    shares = ", ".join(f"{100 * verdicts.count(word) / count:.0f} % {word}" for word in dict.fromkeys(verdicts))
    print(
        f"\n{len(launched)} comparisons, {count} launches in {wall_s / 60:.1f} min ({wall_s / count:.1f} s each); "
        f"load before each {loads[0]:.1f} .. {loads[len(loads) // 2]:.1f} .. {loads[-1]:.1f}; launches {shares}; "
        f"launches of one side differ by {100 * statistics.median(spreads):.1f} % (median of their sd)"
    )


def count_text(answers: Sequence[bool]) -> str:
    """``2 (5.0 %, 1.4 .. 16.5)``; empty where the rule has no answer."""
    if not answers:
        return ""
    count = sum(answers)
    low, high = wilson_interval(count, len(answers))
    return f"{count} ({100 * count / len(answers):.0f} %, {100 * low:.0f} .. {100 * high:.0f})"


if __name__ == "__main__":
    main()
