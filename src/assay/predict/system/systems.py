"""The recipe of published systems: throughput by benchmark, scenario, accelerator and count.

The reference is accelerators times their 8-bit rate; what is learned is how far each benchmark stays from it, and how
that depends on bandwidth and power for the rate. May import: core, importers, predict.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Sequence

from assay.core.absence import Unavailable
from assay.importers.base import RowError
from assay.importers.mlperf.units import JUDGED_PERCENTILE, SCENARIOS, read_unit
from assay.predict.base import DataUse, ExampleSource, Gathered
from assay.predict.system.process import Term
from assay.predict.system.published import (
    FOLDER,
    LICENCE,
    PublishedResult,
    count_left_out,
    read_publication,
)  # fmt: skip
from assay.predict.system.recipe import Described, Recipe
from assay.predict.system.sheet import profile_sheet, rate_8bit, ratios_of, sheet_of
from assay.predict.values import Conditions, DeviceProfile, Example, Question, Situation

METRIC = "throughput_per_s"
PREFIX = "mlperf/"
LATEST = "v4.1"
MAKERS = ("tensorrt", "vllm")
"""Software that makers tune for such results."""
_UNTUNED = "software that its maker did not tune: such results differ by factors"
_ENGINES = {"torch": "pytorch", "torch-compile": "pytorch"}
_FIRST_MAJOR = 2
_ROUNDS_A_YEAR = 2
_STEP = 4.0
"""Rounds in two years: the unit of time."""


def gather_systems(source: ExampleSource) -> Gathered:
    """Read published systems from the folders. Empty where none has them; raises AssayError for a broken file."""
    folder = source.find(FOLDER)
    if folder is None:
        return Gathered((), (), (f"no folder {FOLDER} was given",))
    publication = read_publication(folder)
    examples = tuple(make_example(one) for one in publication.results if rate_8bit(profile_sheet(one.device)))
    notes = list(count_left_out(publication))
    without = len(publication.results) - len(examples)
    if without:
        notes.append(f"{without} published results left out: no rate of products in the accelerator's sheet")
    return Gathered(examples, (DataUse(FOLDER, len(examples), publication.sha256, LICENCE),), tuple(notes))


def make_example(result: PublishedResult) -> Example:
    """The question that a published result answers, and its answer."""
    device = profile_sheet(result.device)
    question = Question(PREFIX + result.benchmark, bare(result.benchmark), device, conditions_of(result), METRIC)
    return Example(question, result.rate_per_s, groups_of(result), result.place)


def conditions_of(result: PublishedResult) -> Conditions:
    """The conditions of a published result."""
    options = (
        ("power_limited", result.is_power_limited), ("round", result.round), ("scenario", result.scenario),
        ("unit", result.unit),
    )  # fmt: skip
    return Conditions(engine=result.software, precision="int8", devices=result.devices, options=options)


def groups_of(result: PublishedResult) -> dict[str, str]:
    """What splits hold out."""
    return {
        "device": result.device.hw_id, "vendor": result.device.vendor, "round": result.round,
        "benchmark": bare(result.benchmark), "scenario": result.scenario, "submitter": result.submitter,
        "software": result.software, "devices": str(result.devices), "system": result.system,
    }  # fmt: skip


def bare(benchmark: str) -> str:
    """The benchmark without the accuracy asked of it: ``bert-99.9`` -> ``bert``."""
    name, _, accuracy = benchmark.rpartition("-")
    return name if name and accuracy in {"99", "99.9"} else benchmark


def describe_system(question: Question) -> Described | Unavailable:
    """Words and ratios of a question about a system."""
    options = dict(question.conditions.options)
    if not question.workload.startswith(PREFIX):
        return Unavailable(f"{question.workload} is no published benchmark; those are asked for as {PREFIX}resnet")
    if question.conditions.mode != "inference":
        return Unavailable(f"published systems are of inference, not of {question.conditions.mode}")
    benchmark = question.workload.removeprefix(PREFIX)
    scenario = SCENARIOS.get(str(options.get("scenario", "Offline")).casefold())
    if scenario is None:
        return Unavailable(f"{options['scenario']!r} is no scenario, expected one of {', '.join(SCENARIOS.values())}")
    device = sheet_of(question.device)
    ratios, rate = ratios_of(device), rate_8bit(device)
    if ratios is None or rate is None:
        return Unavailable(f"no rate of products of {device.name} is known")
    round_ = str(options.get("round", LATEST))
    time = time_of(round_)
    if time is None:
        return Unavailable(f"{round_!r} is no round, expected for instance {LATEST!r}")
    unit = str(options.get("unit") or _unit_of(benchmark, scenario, round_))
    name = f"{bare(benchmark)} {scenario} {unit}"
    engine = _ENGINES.get(question.conditions.engine, question.conditions.engine)
    words = {
        "series": f"{benchmark} {scenario} {unit}", "benchmark": name, "model": bare(benchmark),
        "device": device.hw_id or device.name, "vendor": device.vendor, "architecture": device.architecture,
        "software": engine,
    }  # fmt: skip
    limited = 1.0 if options.get("power_limited") else 0.0
    count = math.log(question.conditions.devices)
    columns = {
        "rate": ratios.rate, "balance": ratios.balance, "power": ratios.power, "count": count, "limited": limited,
        "time": time,
    }  # fmt: skip
    flags = ratios.flags if engine in MAKERS else (*ratios.flags, _UNTUNED)
    return Described(words, columns, math.log(rate) + count, _domain_of(engine, scenario), flags)


def _domain_of(engine: str, scenario: str) -> str:
    software = "software tuned by the maker" if engine in MAKERS else "other software"
    return f"{'one stream at a time' if scenario in JUDGED_PERCENTILE else scenario}, {software}"


def time_of(round_: str) -> float | None:
    """Rounds since v2.0 over four, two rounds a year; None for what is no round. At least 0."""
    major, _, minor = round_.removeprefix("v").partition(".")
    if not (major.isdecimal() and minor.isdecimal()):
        return None
    return max(0.0, (_ROUNDS_A_YEAR * (int(major) - _FIRST_MAJOR) + int(minor)) / _STEP)


def _unit_of(benchmark: str, scenario: str, round_: str) -> str:
    if scenario in JUDGED_PERCENTILE:
        return "sample"
    label = "Samples/s" if scenario == "Offline" else "Queries/s"
    try:
        return read_unit(label, model=benchmark, scenario=scenario, round_=round_).work or "sample"
    except RowError:
        return "sample"


def _nearest_by(scale: Callable[[DeviceProfile], float | None]) -> Callable[..., list[float | None]]:
    """The nearest accelerator in 8-bit rate with that benchmark, its median per accelerator times a ratio of sheets."""

    def foretell(train: Sequence[Example], test: Sequence[Example]) -> list[float | None]:
        import numpy as np

        known: dict[tuple[str, str, str], dict[str, list[Example]]] = defaultdict(lambda: defaultdict(list))
        for one in train:
            known[_series(one)][one.groups["device"]].append(one)
        medians = {
            series: [
                (rows[0].question.device, float(np.median([_each(row) for row in rows]))) for rows in devices.values()
            ]
            for series, devices in known.items()
        }
        found: list[float | None] = []
        for one in test:
            device = one.question.device
            near = min(medians.get(_series(one), []), key=lambda other: _away(device, other[0]), default=None)
            here, there = (scale(device), None if near is None else scale(near[0]))
            if near is None or not here or not there:
                found.append(None)
            else:
                found.append(near[1] * here / there * one.question.conditions.devices)
        return found

    return foretell


def _each(one: Example) -> float:
    return one.value / one.question.conditions.devices


def _series(one: Example) -> tuple[str, str, str]:
    options = dict(one.question.conditions.options)
    tuned = str(one.question.conditions.engine in MAKERS)  # rows of the domain that answers: a stronger baseline
    return one.question.workload, f"{options['scenario']} {tuned}", str(options["unit"])


def _away(one: DeviceProfile, other: DeviceProfile) -> float:
    here, there = rate_8bit(one), rate_8bit(other)
    return abs(math.log(here / there)) if here and there else math.inf


def _peak_and_bandwidth(device: DeviceProfile) -> float | None:
    rate, bandwidth = rate_8bit(device), device.bandwidth_bytes_per_s
    return math.sqrt(rate * bandwidth) if rate and bandwidth else rate


_BENCHMARK = ("benchmark",)
SYSTEM = Recipe(
    kind="system",
    metric=METRIC,
    abstains=frozenset({Situation.UNSEEN_VENDOR}),
    unit="1/s",
    terms=(
        Term("series", ("series",), variance=0.05),
        Term("benchmark", _BENCHMARK, variance=4.0),
        Term("model", ("model",), variance=2.0),
        Term("rate", columns=("rate",), shape="linear"),
        Term("rate of benchmark", _BENCHMARK, ("rate",), "linear"),
        Term("balance", columns=("balance",), shape="linear"),
        Term("balance of model", ("model",), ("balance",), "linear"),
        Term("balance of benchmark", _BENCHMARK, ("balance",), "linear"),
        Term("power", columns=("power",), shape="linear"),
        Term("power of model", ("model",), ("power",), "linear"),
        Term("near devices", columns=("rate", "balance", "power"), shape="near"),
        Term("near devices, benchmark", _BENCHMARK, ("rate", "balance", "power"), "near"),
        Term("device", ("device",), variance=0.01),
        Term("device, benchmark", ("device", "benchmark"), variance=0.01),
        Term("architecture", ("architecture",)),
        Term("architecture, benchmark", ("architecture", "benchmark")),
        Term("vendor, benchmark", ("vendor", "benchmark")),
        Term("time of benchmark", _BENCHMARK, ("time",), "steps"),
        Term("count", columns=("count",), shape="linear", variance=0.01),
        Term("count of benchmark", _BENCHMARK, ("count",), "linear", variance=0.01),
        Term("limit", columns=("limited",), shape="linear"),
        Term("limit of benchmark", _BENCHMARK, ("limited",), "linear"),
        Term("limit of device", ("device",), ("limited",), "linear", variance=0.01),
        Term("software", ("software",), variance=0.2),
        Term("software of model", ("software", "model"), variance=0.2),
    ),
    describe=describe_system,
    baselines={
        "nearest x 8-bit peak": _nearest_by(rate_8bit),
        "nearest x peak and bandwidth": _nearest_by(_peak_and_bandwidth),
    },
    says="accelerators times the 8-bit rate of their sheet",
    warning="not an MLPerf result and not verified by MLCommons: an estimate from published results",
)
