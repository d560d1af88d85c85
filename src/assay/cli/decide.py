"""What ``assay recommend --model`` prints: devices in order, how sure that is, and why the others are not first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assay.cli.output import Form, StatusLine, make_console, new_table, print_csv, print_json
from assay.core.errors import UnknownNameError

if TYPE_CHECKING:
    from assay.recommend.decision import Decision, Option
    from assay.store import Store

COLUMNS = (
    "rank", "device", "provenance", "precision", "batch", "engine", "latency_ns", "lo", "hi", "rate_per_s", "unit",
    "replicas", "usd_h", "usd_per_million", "joules_per_million", "p_meets", "p_best", "regret", "is_pareto", "layer",
    "misses",
)  # fmt: skip
_PRECISIONS = ("fp32", "fp16")
"""What may be chosen where nothing is said: what every device of the last ten years computes in."""


@dataclass(frozen=True, slots=True)
class HardwareAsked:
    """The flags, as written."""

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


def recommend_hardware(store: Store, asked: HardwareAsked, form: Form, limit: int) -> None:
    """Decide and print. Raises UsageError, UnknownNameError."""
    found = make_decision(store, asked)
    if form is Form.JSON:
        print_json(_content(found))
    elif form is Form.CSV:
        print_csv([_row(one) for one in (*found.ranked, *found.lost)], COLUMNS)
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
    from assay.recommend.decision import Limits, Objective, candidates, decide

    if asked.objective not in list(Objective):
        raise UnknownNameError("objective", asked.objective, [one.value for one in Objective])
    longest = None if asked.max_latency is None else read_duration("max-latency", asked.max_latency) * 1e9
    given = {} if asked.price is None else read_prices(asked.price)
    prices = open_price_book(store, {find_profile(name).hw_id or name: usd for name, usd in given.items()})
    with StatusLine("counting what the model computes"):
        questions = make_questions(
            Asked(
                (asked.model,), tuple(candidates(store, asked.on)), asked.precisions or _PRECISIONS,
                tuple(read_integers("batch", asked.batches)) or (1,), asked.engines or ("torch",),
            ),
            store=store,
        )  # fmt: skip
    return decide(
        questions, open_estimator(store), prices, Objective(asked.objective),
        Limits(longest, asked.budget, asked.qps),
    )  # fmt: skip


def _content(found: Decision) -> Mapping[str, Any]:
    return {
        "objective": found.objective.value,
        "ranked": [_row(one) for one in found.ranked],
        "lost": [_row(one) for one in found.lost],
        "abstained": [
            {"device": question.device.name, "precision": question.conditions.precision, "reason": why}
            for question, why in found.abstained
        ],
        "notes": list(found.notes),
    }


def _row(one: Option) -> dict[str, Any]:
    conditions, held = one.question.conditions, one.answer.intervals[-1:] or ()
    graph = one.question.graph
    return {
        "rank": one.rank, "device": one.question.device.name, "hw_id": one.question.device.hw_id,
        "provenance": one.provenance, "layer": one.answer.layer.value, "model": one.answer.model,
        "precision": conditions.precision, "batch": conditions.batch, "engine": conditions.engine,
        "latency_ns": one.latency_ns, "lo": held[0].lo if held else None, "hi": held[0].hi if held else None,
        "level": held[0].level if held else None, "rate_per_s": one.rate_per_s,
        "unit": None if graph is None else graph.unit_of_work, "replicas": one.replicas, "usd_h": one.usd_h,
        "price": None if one.price is None else one.price.origin, "usd_per_million": one.usd_per_million,
        "joules_per_million": one.joules_per_million, "p_meets": one.p_meets, "p_best": one.p_best,
        "regret": one.regret, "is_pareto": one.is_pareto, "misses": list(one.misses), "unknown": dict(one.unknown),
        "flags": list(one.answer.flags), "device_notes": list(one.question.device.notes),
    }  # fmt: skip


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
        many = f"{one.replicas} × " if one.replicas > 1 else ""
        table.add_row(
            str(one.rank), many + one.question.device.name,
            f"{conditions.precision} b{conditions.batch} {conditions.engine}", format_duration_ns(one.latency_ns), span,
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
        console.print(f"  not {one.question.device.name}: {'; '.join(one.misses)}", soft_wrap=True)
    why: dict[str, list[str]] = {}
    for question, reason in found.abstained:
        why.setdefault(question.device.name, []).append(f"{question.conditions.precision}: {reason}")
    for name, reasons in list(why.items())[:limit]:
        console.print(f"  no answer for {name}: {reasons[0]}", style="dim", soft_wrap=True)
    for note in (
        *found.notes,
        *dict.fromkeys(note for one in found.ranked[:limit] for note in one.question.device.notes),
    ):
        console.print(f"  ! {note}", soft_wrap=True)
    if found.is_close:
        console.print(f"  ! it is close: {found.ranked[0].question.device.name} is the best with "
                      f"{found.ranked[0].p_best:.0%}", soft_wrap=True)  # fmt: skip
