"""``assay plan --users``: which devices, and how many replicas of a language model, for so many users."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from assay.cli.output import Form, StatusLine, make_console, new_table, print_csv, print_json

if TYPE_CHECKING:
    from assay.recommend.text import TextPlan
    from assay.store import Store

COLUMNS = ("device", "hw_id", "devices", "replicas", "provenance", "p_meets", "worth", "usd_h")


@dataclass(frozen=True, slots=True)
class TextAsked:
    """The options as they were written."""

    model: str
    users: int
    max_ttft: str
    isl: int
    max_itl: str
    on: tuple[str, ...]
    devices: tuple[str, ...]
    price: str | None


def show_plan(store: Store, asked: TextAsked, form: Form) -> None:
    """Plan, and print it. Raises UsageError, UnknownNameError, UnsupportedError, StoreError."""
    from assay.analysis.ranking import read_prices
    from assay.cli.flags import read_duration, read_integers
    from assay.predict.serving.protocol import Demand
    from assay.recommend.text import COUNTS, TextWish, describe_text_plan, plan_text

    first_ms = read_duration("max-ttft", asked.max_ttft) * 1e3
    between_ms = read_duration("max-itl", asked.max_itl) * 1e3
    demand = Demand(asked.users, first_ms / asked.isl, between_ms)
    wish = TextWish(
        asked.model, asked.on, demand, tuple(read_integers("devices", list(asked.devices))) or COUNTS,
        {} if asked.price is None else read_prices(asked.price),
    )  # fmt: skip
    with StatusLine("learning what is within the limits"):
        found = plan_text(store, wish)
    if form is Form.JSON:
        print_json(describe_text_plan(found))
    elif form is Form.CSV:
        print_csv(describe_text_plan(found)["plans"], COLUMNS)
    else:
        _print(found)


def _print(found: TextPlan) -> None:
    console = make_console()
    table = new_table()
    table.add_column("replicas of")
    for name in ("met with", "USD/h", "worth"):
        table.add_column(name, justify="right")
    for one in found.options:
        device = one.device if one.devices == 1 else f"({one.devices} × {one.device})"
        table.add_row(f"{one.replicas} × {device}", f"{one.p_meets:.0%}", f"{one.usd_h:.2f}", f"{one.worth:.2f}")
    if found.options:
        console.print(table)
    else:
        console.print("No set-up is known well enough, holds the model, and has a price.")
    of_reason: dict[str, list[str]] = {}
    for name, why in found.left:
        of_reason.setdefault(why, []).append(name)
    for why, names in of_reason.items():
        console.print(f"  no answer for {', '.join(names)}: {why}", style="dim", soft_wrap=True)
    for note in found.notes:
        console.print(f"  ! {note}", soft_wrap=True)
    console.print("predicted, not measured; worth: 1 is sure to do, and as cheap as anything could be",
                  style="dim", soft_wrap=True)  # fmt: skip
