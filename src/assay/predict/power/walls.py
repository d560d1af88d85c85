"""The recipe of power: what a whole system draws at the wall, and what a board draws in training under a power limit.

The reference is what the sheets allow: accelerators times their power, the hosts' processors with it; or the limit
that a board was set to. May import: core, importers, predict.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Sequence

from assay.core.absence import Unavailable
from assay.predict.base import DataUse, ExampleSource, Gathered
from assay.predict.power.boards import ZEUS, BoardRun, read_boards
from assay.predict.system.process import Term
from assay.predict.system.published import (
    FOLDER,
    LICENCE,
    PublishedResult,
    count_left_out,
    find_processor,
    read_publication,
)  # fmt: skip
from assay.predict.system.recipe import Described, Recipe
from assay.predict.system.sheet import profile_sheet, sheet_of
from assay.predict.system.systems import (
    LATEST,
    PREFIX,
    bare,
    conditions_of,
    groups_of,
    time_of,
)  # fmt: skip
from assay.predict.values import Conditions, Example, Question, Situation

METRIC = "average_power_w"
WALL = "systems at the wall"
BOARD = "boards in training"
USUAL_SOCKET_W = 205.0
"""A server's processor that the catalogue lacks, or whose sheet says no power: about the middle of those published."""
USUAL_REST_W = 83.0
"""What else of a server draws: memory 36 W, a disk 12 W, the motherboard 25 W, fans 10 W; its slots for cards are
counted with the accelerators. Source: Fan, Weber, Barroso 2007, Power provisioning for a warehouse-sized computer,
table 1."""
EMBEDDED_W = 10.0
_EMBEDDED = ("snapdragon", "cortex", "armv8", "rockchip", "amlogic", "carmel")


def gather_power(source: ExampleSource) -> Gathered:
    """Read published power of systems and of boards. Empty where no folder has either."""
    examples: list[Example] = []
    uses, notes = [], []
    folder = source.find(FOLDER)
    if folder is None:
        notes.append(f"no folder {FOLDER} was given")
    else:
        publication = read_publication(folder)
        drawn = [one for one in publication.results if one.power_w is not None and one.device.tdp_w]
        examples += [make_wall_example(one) for one in drawn]
        uses.append(DataUse(FOLDER, len(drawn), publication.sha256, LICENCE))
        notes += count_left_out(publication)
        notes.append("energy of single streams is not used: it is of a stream, not over a window")
    folder = source.find(ZEUS)
    if folder is None:
        notes.append(f"no folder {ZEUS} was given")
    else:
        boards = read_boards(folder)
        examples += [make_board_example(one) for one in boards.runs]
        uses.append(DataUse(ZEUS, len(boards.runs), boards.sha256, "Apache-2.0"))
    return Gathered(tuple(examples), tuple(uses), tuple(notes))


def make_wall_example(result: PublishedResult) -> Example:
    """The question that a published power answers, and its answer in W, of the whole system."""
    conditions = conditions_of(result)
    options = tuple(
        sorted(
            [
                *conditions.options,
                ("chassis", chassis_of(result.system)),
                ("host_power_w", host_power_w(result)),
                ("scope", "system"),
            ]
        )
    )
    question = Question(
        PREFIX + result.benchmark, bare(result.benchmark), profile_sheet(result.device),
        Conditions(conditions.engine, conditions.precision, devices=conditions.devices, options=options), METRIC,
    )  # fmt: skip
    assert result.power_w is not None  # noqa: S101  (the caller has seen it)
    return Example(
        question,
        result.power_w,
        groups_of(result) | {"scope": WALL, "form": form_of(host_power_w(result))},
        result.place,
    )


def make_board_example(run: BoardRun) -> Example:
    """The question that a board's training under a limit answers, and its answer in W, of the board alone."""
    options = (("power_limit_w", run.limit_w), ("scope", "board"))
    question = Question(
        run.network, run.network, profile_sheet(run.device),
        Conditions(precision="fp32", batch=run.batch, mode="training", options=options), METRIC,
    )  # fmt: skip
    groups = {
        "device": run.device.hw_id, "vendor": run.device.vendor, "benchmark": run.network,
        "scope": BOARD, "form": "board",
        "scenario": "training", "round": "2023", "software": "torch",
    }  # fmt: skip
    return Example(question, run.average_w, groups, run.place)


def host_power_w(result: PublishedResult) -> float:
    """What the hosts' processors may draw by their sheets; 0 where they are on the accelerator's own die."""
    if result.device.category.startswith("embedded"):
        return 0.0
    entry = find_processor(result.processor)
    if entry is not None and entry.tdp_w:
        each = entry.tdp_w
    elif any(word in result.processor.casefold() for word in _EMBEDDED):
        return EMBEDDED_W
    else:
        each = USUAL_SOCKET_W
    return each * max(1, result.processors)


def form_of(host_w: float) -> str:
    """``module`` where the host's processor is embedded or on the same die, else ``server``: desktops among them."""
    return "module" if host_w <= EMBEDDED_W else "server"


def chassis_of(system: str) -> str:
    """The machine that accelerators are in: what stands in front of ``(8x A100, MaxQ)``."""
    return system.partition("(")[0].strip().casefold()


def describe_power(question: Question) -> Described | Unavailable:
    """Words and ratios of a question about power."""
    options = dict(question.conditions.options)
    scope = options.get("scope") or ("system" if question.workload.startswith(PREFIX) else "board")
    device = sheet_of(question.device)
    if not device.power_w:
        return Unavailable(f"no power of {device.name} is known")
    words = {
        "series": "", "benchmark": "", "scenario": "", "host": "", "form": "",
        "device": device.hw_id or device.name, "vendor": device.vendor,
    }  # fmt: skip
    columns: dict[str, float] = {}
    if scope == "system" and question.workload.startswith(PREFIX):
        return _describe_wall(question, device.power_w, words, columns)
    if scope == "board" and question.conditions.mode == "training" and question.conditions.devices == 1:
        return _describe_board(question, device.power_w, words, columns)
    return Unavailable(
        f"power of {question.workload} in {question.conditions.mode} was not published: of systems there are "
        f"benchmarks ({PREFIX}resnet), of boards training on one device"
    )


def _describe_wall(
    question: Question, power_w: float, words: dict[str, str], columns: dict[str, float]
) -> Described | Unavailable:
    options = dict(question.conditions.options)
    flags: tuple[str, ...] = ()
    said = options.get("host_power_w")
    host_w = 2 * USUAL_SOCKET_W if said is None else float(said)
    if said is None:
        flags = ("processors of the host not said (option host_power_w): two of a usual server stand in",)
    benchmark = bare(question.workload.removeprefix(PREFIX))
    scenario = str(options.get("scenario", "Offline"))
    accelerators_w = question.conditions.devices * power_w
    host = str(options.get("chassis") or f"{host_w:.0f} W")
    words |= {"series": WALL, "benchmark": benchmark, "scenario": f"{benchmark} {scenario}", "host": host}
    words["form"] = form_of(host_w)
    # Rounds and limits make cells of their own; as terms they did not help on accelerators held out.
    limited = 1.0 if options.get("power_limited") else 0.0
    columns |= {
        "limit": 0.0,
        "batch": 0.0,
        "limited": limited,
        "time": time_of(str(options.get("round", LATEST))) or 0.0,
    }
    is_module = words["form"] == "module"
    columns["module"] = float(is_module)
    rest_w = 0.0 if is_module else USUAL_REST_W
    return Described(words, columns, math.log(accelerators_w + host_w + rest_w), WALL, flags)


def _describe_board(
    question: Question, power_w: float, words: dict[str, str], columns: dict[str, float]
) -> Described | Unavailable:
    limit_w = float(dict(question.conditions.options).get("power_limit_w", power_w))
    if not 0 < limit_w <= 2 * power_w:
        return Unavailable(f"a power limit of {limit_w:g} W on a device of {power_w:g} W is none")
    words |= {"series": BOARD, "benchmark": question.family, "scenario": question.family}
    columns |= {"limit": math.log(limit_w / power_w), "batch": math.log(question.conditions.batch / 64)}
    return Described(words, columns, math.log(limit_w), BOARD)


def _times_power(train: Sequence[Example], test: Sequence[Example]) -> list[float | None]:
    """Accelerators times the power of their sheet (or limit), times the median share drawn of that."""
    import numpy as np

    shares: dict[str, list[float]] = defaultdict(list)
    for one in train:
        shares[one.groups["scope"]].append(one.value / _sheet_w(one))
    medians = {scope: float(np.median(known)) for scope, known in shares.items()}
    return [
        None if one.groups["scope"] not in medians else medians[one.groups["scope"]] * _sheet_w(one) for one in test
    ]


def _times_sheets(train: Sequence[Example], test: Sequence[Example]) -> list[float | None]:
    """The recipe's own reference, the sheets of accelerators and hosts, times the median share drawn of it."""
    import numpy as np

    told = {id(one): describe_power(one.question) for one in (*train, *test)}
    shares: dict[str, list[float]] = defaultdict(list)
    for one in train:
        described = told[id(one)]
        if isinstance(described, Described):
            shares[described.domain].append(math.log(one.value) - described.reference)
    found: list[float | None] = []
    for one in test:
        described = told[id(one)]
        known = shares.get(described.domain) if isinstance(described, Described) else None
        found.append(
            math.exp(float(np.median(known)) + described.reference)
            if known and isinstance(described, Described)
            else None
        )
    return found


def _nearest(distance: Callable[[Example, Example], tuple[float, ...]]) -> Callable[..., list[float | None]]:
    def foretell(train: Sequence[Example], test: Sequence[Example]) -> list[float | None]:
        found: list[float | None] = []
        for one in test:
            own = (other for other in train if other.groups["scope"] == one.groups["scope"])
            near = min(own, key=lambda other: distance(one, other), default=None)
            found.append(None if near is None else near.value * _sheet_w(one) / _sheet_w(near))
        return found

    return foretell


def _by_benchmark(one: Example, other: Example) -> tuple[float, ...]:
    return (float(one.groups["benchmark"] != other.groups["benchmark"]), abs(math.log(_sheet_w(one) / _sheet_w(other))))


def _sheet_w(one: Example) -> float:
    limit = dict(one.question.conditions.options).get("power_limit_w")
    each = limit if limit is not None else one.question.device.power_w
    return float(each or 1.0) * one.question.conditions.devices


_BENCHMARK = ("benchmark",)
_WALL_TERMS = (
    Term("benchmark", _BENCHMARK, variance=0.01),
    Term("scenario", ("scenario",), variance=0.01),
    Term("host", ("host",), variance=0.02),
    Term("device", ("device",), variance=0.02),
    Term("device, benchmark", ("device", "benchmark"), variance=0.005),
    Term("device, host", ("device", "host"), variance=0.02),
    # Modules differ more from each other than servers do: their own variance, so that servers' answers stay narrow.
    Term("module of a device", ("device",), ("module",), "linear", variance=0.05),
)
_BOARD_TERMS = (
    Term("benchmark", _BENCHMARK, variance=0.01),
    Term("device", ("device",), variance=0.02),
    Term("device, benchmark", ("device", "benchmark"), variance=0.005),
    Term("limit", columns=("limit",), shape="linear", variance=0.5),
    Term("limit of benchmark", _BENCHMARK, ("limit",), "linear"),
    Term("near limits", columns=("limit",), shape="near", length=0.5),
    Term("near limits, benchmark", _BENCHMARK, ("limit",), "near", length=0.5),
    Term("batch", columns=("batch",), shape="linear", variance=0.01),
    Term("batch of benchmark", _BENCHMARK, ("batch",), "linear", variance=0.01),
)
POWER = Recipe(
    kind="power",
    metric=METRIC,
    abstains=frozenset({Situation.UNSEEN_VENDOR}),
    unit="W",
    terms=_WALL_TERMS,
    own_terms={BOARD: _BOARD_TERMS},
    describe=describe_power,
    baselines={
        "accelerators x power of sheet": _times_power,
        "accelerators and hosts x power of sheets": _times_sheets,
        "nearest x power of sheet": _nearest(_by_benchmark),
    },
    says="the power that the sheets of accelerators and hosts allow",
    warning="estimated from published results: not an MLPerf result and not verified by MLCommons",
)
