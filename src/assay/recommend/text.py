"""Which devices, and how many replicas of a language model, for so many users who are not to wait longer than they may.

A set-up is a number of one device that together hold one replica. How many users each may hold is drawn from what was
learned of published servers (`predict.serving`), and a choice weighs failing against cost as the S-O score of LLM-Pilot
does. May import: core, store, analysis, predict.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from assay.analysis.device_names import DeviceName
from assay.analysis.ranking_prices import PriceBook, open_price_book
from assay.core.absence import Unavailable
from assay.core.errors import AssayError, UsageError
from assay.predict.devices import find_profile
from assay.predict.layers import open_estimator
from assay.predict.llm.config_shape import decoder_of
from assay.predict.llm.shapes import LlmShape
from assay.predict.serving.choose import rank_for
from assay.predict.serving.fit import ask
from assay.predict.serving.model import ServingModel
from assay.predict.serving.pilot import Setup
from assay.predict.serving.protocol import Demand
from assay.predict.serving.terms import BETWEEN, describe_replica
from assay.recommend.choosing import check_prices
from assay.recommend.decision import candidates

if TYPE_CHECKING:
    from assay.store import Store

KIND = "serving"
COUNTS = (1, 2, 4)
"""Devices of a replica where none are asked for: what was published has these."""
_MOST_SETUPS = 64
NOTES = (
    "learned from one server software of 2023 (TGIS): another puts requests together in another way",
    "chosen as the S-O score weighs failing and cost: docs/predict-serving.md",
)


@dataclass(frozen=True, slots=True)
class TextWish:
    """A model by any of its names, devices by theirs, devices of one replica, USD an hour of a device where told."""

    model: str
    devices: tuple[str, ...]
    demand: Demand
    counts: tuple[int, ...] = COUNTS
    prices_usd_h: Mapping[str, float] | None = None


@dataclass(frozen=True, slots=True)
class TextOption:
    """``replicas`` of ``devices`` x ``device``: the probability that all users are within the limits, and its worth.

    ``worth`` is 1 for what is sure to do and costs as little as anything could; ``usd_h`` is of all replicas.
    """

    device: str
    hw_id: str | None
    devices: int
    replicas: int
    p_meets: float
    worth: float
    usd_h: float


@dataclass(frozen=True, slots=True)
class TextPlan:
    """Options, the most worth first; ``left`` are set-ups that nothing can be said of, with the reason."""

    options: tuple[TextOption, ...]
    left: tuple[tuple[str, str], ...]
    notes: tuple[str, ...] = NOTES


def plan_text(store: Store, wish: TextWish, *, seed: int = 0) -> TextPlan:
    """Rank set-ups for a demand. Raises UsageError, UnknownNameError, UnsupportedError, StoreError, AssayError."""
    _check(wish)
    decoder = decoder_of(wish.model)
    if decoder is None:
        raise UsageError(
            f"{wish.model} is not in the table of published language models.",
            hint="Give a family (llama/8b) or the folder of its config.json.",
        )
    model = _find_model(store)
    given = {find_profile(name).hw_id or name: usd for name, usd in (wish.prices_usd_h or {}).items()}
    prices = open_price_book(store, given)
    setups: list[Setup] = []
    left: list[tuple[str, str]] = []
    for name in dict.fromkeys(candidates(store, wish.devices)):
        for count in wish.counts:
            found = _make_setup(name, count, store, prices, model, decoder)
            if isinstance(found, Setup):
                setups.append(found)
            else:
                left.append(found)
    if len(setups) > _MOST_SETUPS:
        raise UsageError(f"{len(setups)} set-ups are asked about; expected at most {_MOST_SETUPS}.")
    of_name = {one.name: one for one in setups}
    options = []
    for one in rank_for(model, decoder, list(of_name.values()), wish.demand, seed=seed):
        setup, replicas = of_name[one.choice.setup], one.choice.replicas
        options.append(TextOption(
            setup.device.name, setup.device.hw_id, setup.devices, replicas, one.p_meets, one.worth,
            setup.usd_h * replicas,
        ))  # fmt: skip
    return TextPlan(tuple(options), tuple(left))


def describe_text_plan(found: TextPlan) -> dict[str, Any]:
    """Return a plan as JSON has it."""
    return {
        "plans": [{**asdict(one), "provenance": "predicted"} for one in found.options],
        "abstained": [{"device": name, "reason": why} for name, why in found.left],
        "notes": list(found.notes),
    }


def _check(wish: TextWish) -> None:
    demand = wish.demand
    check_prices(wish.prices_usd_h or {})
    if not 1 <= demand.users <= 1_000_000:  # noqa: PLR2004
        raise UsageError(f"Got {demand.users} users; expected 1 to 1 000 000.")
    if not (demand.nttft_ms > 0 and demand.itl_ms > 0):
        raise UsageError("Limits of waiting are to be above 0.")
    if not wish.counts or any(not 1 <= one <= 64 for one in wish.counts):  # noqa: PLR2004
        raise UsageError(f"Got {', '.join(map(str, wish.counts)) or 'no'} devices of a replica; expected 1 to 64.")


def _find_model(store: Store) -> ServingModel:
    estimator = open_estimator(store, kinds=(KIND,))
    for one in estimator.kinds:
        if isinstance(one.fitted, ServingModel):
            return one.fitted
    why = "; ".join(estimator.broken.values()) or "none is there"
    raise AssayError(f"No predictor of served language models can answer: {why}", hint="assay predict ls")


def _make_setup(
    name: str, count: int, store: Store, prices: PriceBook, model: ServingModel, decoder: LlmShape
) -> Setup | tuple[str, str]:
    profile = find_profile(name, store=store)
    label = profile.name if count == 1 else f"{count} × {profile.name}"
    price = prices.price_of(DeviceName(profile.name, profile.hw_id))
    if isinstance(price, str):
        return label, price
    setup = Setup(label, profile, count, price.usd * count)
    told = describe_replica(ask(decoder, setup, 1, BETWEEN))
    if isinstance(told, Unavailable):
        return label, told.reason
    known = model.names["device"]
    if told.words["device"] not in known:
        return label, f"no server was measured on it: known are {', '.join(known)}"
    return setup
