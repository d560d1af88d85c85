"""What ``assay recommend --model`` prints: devices in order, how sure that is, and why the others are not first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from assay.cli.output import Form, StatusLine, make_console, new_table, print_csv, print_json
from assay.core.errors import UnknownNameError, UsageError

if TYPE_CHECKING:
    from assay.recommend.decision import Decision, Option
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
        if not found.ranked and not asked.on:
            make_console().print(
                "  Asked of devices with a stored price and of this machine's CPU. Name others: --on l4,h100; or bring "
                "prices in: assay catalog import-prices FILE",
                soft_wrap=True,
            )


def make_decision(store: Store, asked: HardwareAsked) -> Decision:
    """Decide by what was measured and is foretold. Raises UsageError, UnknownNameError."""
    from assay.analysis.ranking import read_prices
    from assay.cli.flags import read_duration, read_integers
    from assay.predict.layers import open_estimator
    from assay.recommend.choosing import PRECISIONS, Wish, choose_device
    from assay.recommend.decision import Limits, Objective

    if asked.objective not in list(Objective):
        raise UnknownNameError("objective", asked.objective, [one.value for one in Objective])
    if asked.optimizer is not None and asked.mode != "training":
        raise UsageError("--optimizer is of training.", hint="Add --mode training.")
    longest = None if asked.max_latency is None else read_duration("max-latency", asked.max_latency) * 1e9
    wish = Wish(
        asked.model, Objective(asked.objective), asked.on, asked.precisions or PRECISIONS,
        tuple(read_integers("batch", asked.batches)) or (1,), asked.engines or ("torch",), asked.mode,
        Limits(longest, asked.budget, asked.qps), {} if asked.price is None else read_prices(asked.price),
        tuple(read_integers("devices", asked.devices)), asked.cloud, asked.optimizer,
    )  # fmt: skip
    with StatusLine("counting what the model computes"):
        return choose_device(store, wish, open_estimator(store))


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
