"""What ``assay recommend --model`` prints: devices in order, how sure that is, and why the others are not first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from assay.cli.output import Form, StatusLine, make_console, new_table, print_csv, print_json
from assay.core.errors import UnknownNameError, UsageError

if TYPE_CHECKING:
    from assay.analysis.ranking_prices import PriceBook
    from assay.predict.values import Question
    from assay.recommend.decision import Decision, Option
    from assay.recommend.fleets import Fleet, Machine
    from assay.store import Store

COLUMNS = (
    "rank", "device", "provenance", "precision", "batch", "engine", "latency_ns", "lo", "hi", "rate_per_s", "unit",
    "replicas", "usd_h", "usd_per_million", "joules_per_million", "p_meets", "p_best", "regret", "is_pareto", "layer",
    "misses", "devices", "strategy", "machine", "is_validated",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class HardwareAsked:
    """The flags, as written. ``cloud``: machines with stored prices are candidates too."""

    model: str
    objective: str
    on: tuple[str, ...]
    precisions: tuple[str, ...]
    batches: tuple[str, ...]
    engines: tuple[str, ...]
    max_latency: str | None
    budget: float | None
    qps: float | None
    price: str | None
    devices: tuple[str, ...] = ()
    cloud: bool = False
    mode: str = "inference"
    optimizer: str | None = None


def recommend_hardware(store: Store, asked: HardwareAsked, form: Form, limit: int) -> None:
    """Decide and print. Raises UsageError, UnknownNameError."""
    from assay.recommend.rows import describe_decision, describe_option

    found = make_decision(store, asked)
    if form is Form.JSON:
        print_json(describe_decision(found))
    elif form is Form.CSV:
        print_csv([describe_option(one) for one in (*found.ranked, *found.lost)], COLUMNS)
    else:
        _print(found, limit)


def make_decision(store: Store, asked: HardwareAsked) -> Decision:
    """Decide by what was measured and is foretold. Raises UsageError, UnknownNameError."""
    from assay.analysis.ranking import read_prices
    from assay.analysis.ranking_prices import open_price_book
    from assay.cli.flags import read_duration, read_integers
    from assay.predict.devices import find_profile
    from assay.predict.layers import open_estimator
    from assay.predict.questions import Asked, make_questions
    from assay.recommend.choosing import PRECISIONS
    from assay.recommend.decision import Limits, Objective, candidates, decide
    from assay.recommend.fleets import Fleet, check_counts

    if asked.objective not in list(Objective):
        raise UnknownNameError("objective", asked.objective, [one.value for one in Objective])
    longest = None if asked.max_latency is None else read_duration("max-latency", asked.max_latency) * 1e9
    given = {} if asked.price is None else read_prices(asked.price)
    prices = open_price_book(store, {find_profile(name).hw_id or name: usd for name, usd in given.items()})
    counts = check_counts(read_integers("devices", asked.devices))
    names, machines = _read_machines(candidates(store, asked.on), prices)
    if asked.optimizer is not None and asked.mode != "training":
        raise UsageError("--optimizer is of training.", hint="Add --mode training.")
    options = None if asked.optimizer is None else {"optimizer": asked.optimizer}
    with StatusLine("counting what the model computes"):
        questions = make_questions(
            Asked(
                (asked.model,), tuple(dict.fromkeys((*names, *(one.hw_id for one in machines)))),
                asked.precisions or PRECISIONS, tuple(read_integers("batch", asked.batches)) or (1,),
                asked.engines or ("torch",), mode=asked.mode, options=options,
            ),
            store=store,
        )  # fmt: skip
    # Without a machine by its name every device was asked for by itself.
    bare = frozenset(find_profile(one).name for one in names) if machines else None
    fleet = _make_fleet(store, asked, Fleet(counts, tuple(machines), bare=bare), prices, questions)
    return decide(
        questions, open_estimator(store), prices, Objective(asked.objective),
        Limits(longest, asked.budget, asked.qps), fleet=fleet,
    )  # fmt: skip


def _read_machines(names: Sequence[str], prices: PriceBook) -> tuple[list[str], list[Machine]]:
    """Tell names of rented machines from those of devices. Raises UsageError."""
    from assay.recommend.fleets import read_machine

    found = {name: read_machine(name, prices.stored) for name in names}
    return [name for name, one in found.items() if one is None], [one for one in found.values() if one is not None]


def _make_fleet(
    store: Store, asked: HardwareAsked, fleet: Fleet, prices: PriceBook, questions: Sequence[Question]
) -> Fleet:
    """Add rented machines where they are asked for, and what cutting a model takes; nothing where one device is all."""
    from assay.recommend.fleets import list_machines

    rented = list_machines(prices.stored, [one.device.hw_id or "" for one in questions]) if asked.cloud else ()
    plain = replace(fleet, machines=tuple(dict.fromkeys((*fleet.machines, *rented))))
    if max((*plain.counts, *(one.devices for one in plain.machines))) == 1:
        return plain
    from assay.predict.collectives import read_links
    from assay.predict.collectives_kind import KIND
    from assay.predict.collectives_model import CollectivesModel
    from assay.predict.models import load_active, shelf_of
    from assay.predict.strategy import Surroundings
    from assay.predict.strategy_blocks import find_blocks

    loaded = load_active(KIND, shelf_of(store.location))
    fitted = loaded[1] if loaded is not None else None
    exchanges = fitted if isinstance(fitted, CollectivesModel) else CollectivesModel()
    graph = questions[0].graph
    blocks = None if graph is None else find_blocks(asked.model, graph)
    return replace(plain, around=Surroundings(exchanges, read_links(store), blocks))


def _print(found: Decision, limit: int) -> None:
    from assay.core.units import format_duration_ns, format_significant

    console = make_console()
    table = new_table()
    table.add_column("", justify="right")
    for name in ("device", "with", "latency"):
        table.add_column(name, justify="right" if name == "latency" else "left")
    for name in ("90 %", "rate", "USD/million", "J/million", "meets", "is best", "regret"):
        table.add_column(name, justify="right")
    table.add_column("")
    for one in found.ranked[:limit]:
        conditions, held = one.question.conditions, one.answer.interval(0.9)
        span = "" if held is None else f"{held.lo / one.latency_ns - 1:+.0%} … {held.hi / one.latency_ns - 1:+.0%}"
        many = one.label if one.replicas == 1 else f"{one.replicas} × {_in_brackets(one)}"
        how = f" {one.strategy}" if one.devices > 1 else ""
        table.add_row(
            str(one.rank), many, f"{conditions.precision} b{conditions.batch} {conditions.engine}{how}",
            format_duration_ns(one.latency_ns), span if one.is_validated or held is not None else "not validated",
            f"{format_significant(one.rate_per_s)}/s",
            "–" if one.usd_per_million is None else format_significant(one.usd_per_million),
            "–" if one.joules_per_million is None else format_significant(one.joules_per_million),
            f"{one.p_meets:.0%}", f"{one.p_best:.0%}", f"{one.regret:.0%}",
            one.provenance + (" · Pareto" if one.is_pareto else ""),
        )  # fmt: skip
    if found.ranked:
        console.print(table)
    else:
        console.print("No device keeps the limits, or is known well enough.")
    for one in found.lost[:limit]:
        console.print(f"  not {one.label}: {'; '.join(one.misses)}", soft_wrap=True)
    why: dict[str, list[str]] = {}
    for question, reason in found.abstained:
        devices = question.conditions.devices
        name = f"{devices} × {question.device.name}" if devices > 1 else question.device.name
        why.setdefault(name, []).append(f"{question.conditions.precision}: {reason}")
    _print_why(found, limit)
    for name, reasons in list(why.items())[:limit]:
        console.print(f"  no answer for {name}: {reasons[0]}", style="dim", soft_wrap=True)
    for note in (
        *found.notes,
        *dict.fromkeys(note for one in found.ranked[:limit] for note in one.question.device.notes),
    ):
        console.print(f"  ! {note}", soft_wrap=True)
    if found.is_close:
        console.print(f"  ! it is close: {found.ranked[0].label} is the best with {found.ranked[0].p_best:.0%}",
                      soft_wrap=True)  # fmt: skip


def _in_brackets(one: Option) -> str:
    return one.label if one.devices == 1 else f"({one.label})"


def _print_why(found: Decision, limit: int) -> None:
    """Of the first option of each strategy that shares one model out, why and how."""
    from assay.predict.strategy_memory import Strategy

    console = make_console()
    said: set[Strategy] = set()
    for one in found.ranked[:limit]:
        if one.plan is None or one.strategy in said:
            continue
        said.add(one.strategy)
        console.print(f"  {one.label}, {one.strategy}: {'; '.join(one.plan.reasons)}", style="dim", soft_wrap=True)
        for flag in one.plan.flags:
            console.print(f"    {flag}", style="dim", soft_wrap=True)
