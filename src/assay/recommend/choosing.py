"""From a typed wish to a decision: which device for a model, by what was measured and is foretold.

What the command line, REST and pages have in common; each of them reads its own words first. May import: core, catalog,
store, analysis, predict, recommend.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from assay.core.errors import UnknownNameError, UsageError
from assay.recommend.decision import Decision, Limits, Objective, candidates, decide
from assay.recommend.fleets import Fleet, Machine, check_counts, list_machines, read_machine

if TYPE_CHECKING:
    from assay.analysis.ranking_prices import PriceBook
    from assay.predict.layers import Estimator
    from assay.predict.strategy import Surroundings
    from assay.predict.values import Question
    from assay.store import Store

PRECISIONS = ("fp32", "fp16")
"""What may be chosen where nothing is said: what every device of the last ten years computes in."""

LARGEST_LOAD = 1e9
"""Units a second, and USD an hour: above these a number is a slip, and sums of it are none."""
_MOST_PRICES = 200


@dataclass(frozen=True, slots=True)
class Wish:
    """One model and what may be chosen for it: every device under every precision, batch and engine.

    ``devices`` are names of devices and of machines to rent; empty: devices with a stored price, and this machine's
    CPU. ``prices_usd_h`` are of one device by its id or name, and go before stored ones. ``counts`` says how many of a
    device may be taken together, empty: one. ``has_cloud`` lets in machines with a stored price that have one of these
    devices. ``optimizer`` is of training.
    """

    model: str
    objective: Objective = Objective.LATENCY
    devices: tuple[str, ...] = ()
    precisions: tuple[str, ...] = PRECISIONS
    batches: tuple[int, ...] = (1,)
    engines: tuple[str, ...] = ("torch",)
    mode: str = "inference"
    limits: Limits = Limits()  # noqa: RUF009  (a frozen value)
    prices_usd_h: Mapping[str, float] = field(default_factory=dict)
    counts: tuple[int, ...] = ()
    has_cloud: bool = False
    optimizer: str | None = None


def check_prices(prices_usd_h: Mapping[str, float]) -> None:
    """Refuse more prices than anybody has by hand, and those that are a slip. Raises UsageError."""
    if len(prices_usd_h) > _MOST_PRICES:
        raise UsageError(f"{len(prices_usd_h)} prices were given; expected at most {_MOST_PRICES}.")
    if any(usd > LARGEST_LOAD for usd in prices_usd_h.values()):
        raise UsageError(f"A price is above {LARGEST_LOAD:g} USD an hour.")


def choose_device(store: Store, wish: Wish, estimator: Estimator, *, most: int | None = None) -> Decision:
    """Decide. Raises UsageError (of more than ``most`` questions too), UnknownNameError, StoreError."""
    from assay.analysis.ranking_prices import open_price_book
    from assay.predict.devices import find_profile
    from assay.predict.questions import Asked, make_questions

    _check_optimizer(wish)
    check_prices(wish.prices_usd_h)
    counts = check_counts(wish.counts)
    given = tuple(dict.fromkeys(candidates(store, wish.devices)))
    conditions = len(wish.precisions) * len(wish.batches) * len(wish.engines)
    check_count(len(given) * conditions, most)  # before anything is looked up by so many names
    prices = open_price_book(store, {find_profile(name).hw_id or name: usd for name, usd in wish.prices_usd_h.items()})
    names, machines = _read_machines(given, prices)
    devices = tuple(dict.fromkeys((*names, *(one.hw_id for one in machines))))
    # Without a machine by its name every device was asked for by itself.
    bare = frozenset(find_profile(one, store=store).name for one in names) if machines else None
    if wish.has_cloud:
        known = [find_profile(one, store=store).hw_id or "" for one in devices]
        machines = list(dict.fromkeys((*machines, *list_machines(prices.stored, known))))
    check_count((len(names) * len(counts) + len(machines)) * conditions, most)
    options = None if wish.optimizer is None else {"optimizer": wish.optimizer}
    questions = make_questions(
        Asked(
            (wish.model,), devices, wish.precisions, wish.batches, wish.engines, mode=wish.mode, options=options
        ),
        store=store,
    )  # fmt: skip
    fleet = Fleet(counts, tuple(machines), bare=bare)
    if max((*counts, *(one.devices for one in machines))) > 1:
        fleet = replace(fleet, around=_find_surroundings(store, wish.model, questions))
    return decide(questions, estimator, prices, wish.objective, wish.limits, fleet=fleet)


def _check_optimizer(wish: Wish) -> None:
    """Raise UsageError, UnknownNameError."""
    if wish.optimizer is None:
        return
    from assay.predict.memory import OPTIMIZER_BYTES

    if wish.mode != "training":
        raise UsageError(
            f"An optimizer is of training: got {wish.optimizer[:40]!r}; the mode is {wish.mode}.",
            hint="Ask for the mode training, or leave the optimizer out.",
        )
    if wish.optimizer not in OPTIMIZER_BYTES:
        raise UnknownNameError("optimizer", wish.optimizer, OPTIMIZER_BYTES)


def _read_machines(names: Sequence[str], prices: PriceBook) -> tuple[list[str], list[Machine]]:
    """Tell names of rented machines from those of devices. Raises UsageError."""
    found = {name: read_machine(name, prices.stored) for name in names}
    return [name for name, one in found.items() if one is None], [one for one in found.values() if one is not None]


def _find_surroundings(store: Store, model: str, questions: Sequence[Question]) -> Surroundings:
    """Return what cutting a model over devices takes: times of exchanges, links that were measured, blocks."""
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
    return Surroundings(exchanges, read_links(store), None if graph is None else find_blocks(model, graph))


def check_count(count: int, most: int | None) -> None:
    """Raise UsageError where more numbers are asked for than may be at a time."""
    if most is not None and count > most:
        raise UsageError(
            f"{count} numbers were asked for; expected at most {most} at a time.",
            hint="Name fewer devices, numbers of them, precisions, batches or engines.",
        )
