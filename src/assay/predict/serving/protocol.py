"""How good a choice of set-up was, exactly as LLM-Pilot scores it: success rate, overspend and the S-O score.

A set-up is a number of one device that together hold one replica of a model. A replica holds so many users as its
latencies stay within limits; a load takes replicas by that. Source: Lazuka et al. 2024, LLM-Pilot (SC24), and the
notebook of IBM/LLM-performance-prediction at 3c66483, whose scores a test recomputes. May import: standard library.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

STATIC_REPLICAS = (*range(1, 11), 15, 20, 25, 30, 35)
"""Replicas that the published static policies have."""


@dataclass(frozen=True, slots=True)
class Demand:
    """What is to be served: ``users`` at the same time, each within both limits.

    ``nttft_ms`` is the median time to the first token over the tokens of the prompt; ``itl_ms`` the median between
    tokens. The defaults are those of the protocol.
    """

    users: int = 200
    nttft_ms: float = 100.0
    itl_ms: float = 50.0


@dataclass(frozen=True, slots=True)
class Curve:
    """Latencies of one replica of a model on a set-up by users, rising; medians, in ms."""

    model: str
    setup: str
    users: tuple[int, ...]
    nttft_ms: tuple[float, ...]
    itl_ms: tuple[float, ...]

    def held(self, demand: Demand) -> int:
        """The most users before the first that breaks a limit; 0 where one is already too many."""
        return min(
            users_within(self.users, self.nttft_ms, demand.nttft_ms),
            users_within(self.users, self.itl_ms, demand.itl_ms),
        )


@dataclass(frozen=True, slots=True)
class Choice:
    """So many replicas of a set-up."""

    setup: str
    replicas: int


@dataclass(frozen=True, slots=True)
class ChoiceOutcome:
    """What came of a choice. ``overspend`` is the share above the cheapest that would do; None where it failed."""

    model: str
    choice: Choice | None
    is_success: bool
    overspend: float | None


@dataclass(frozen=True, slots=True)
class ChoiceScore:
    """Shares of models served, spent too much on those, and twice the product of success and thrift over their sum.

    ``overspend`` is None where nothing succeeded: there is nothing to take the mean of.
    """

    success_rate: float
    overspend: float | None
    so_score: float
    outcomes: tuple[ChoiceOutcome, ...] = ()


def users_within(users: Sequence[int], latencies: Sequence[float], limit: float) -> int:
    """Return the most users before the first latency above ``limit``, 0 where that is the first."""
    held = 0
    for count, latency in zip(users, latencies, strict=True):
        if latency > limit:
            break
        held = count
    return held


def replicas_for(held: int, demand: Demand) -> int | None:
    """Return the replicas that the demand takes where each holds ``held`` users; None for those that hold none."""
    return math.ceil(demand.users / held) if held else None


def choose_cheapest(held: Mapping[str, int], price: Mapping[str, float], demand: Demand) -> Choice | None:
    """Choose the set-up that costs least by the users each is said to hold; the first of equals, None for none."""
    able = [Choice(setup, count) for setup, users in held.items() if (count := replicas_for(users, demand)) is not None]
    return min(able, key=lambda one: one.replicas * price[one.setup], default=None)


def score_choices(
    choices: Mapping[str, Choice | None],
    truth: Mapping[str, Mapping[str, int]],
    price: Mapping[str, float],
    demand: Demand,
) -> ChoiceScore:
    """Score a choice for each model of ``truth``, which has the users that each set-up really holds."""
    outcomes = [_judge(model, choices.get(model), held, price, demand) for model, held in truth.items()]
    success = sum(one.is_success for one in outcomes) / len(outcomes)
    spent = [one.overspend for one in outcomes if one.overspend is not None]
    overspend = sum(spent) / len(spent) if spent else None
    return ChoiceScore(success, overspend, score_so(success, overspend), tuple(outcomes))


def score_so(success_rate: float, overspend: float | None) -> float:
    """Return the harmonic mean of the success rate and of one minus the overspend, which counts as 0 below 0."""
    thrift = max(0.0, 1 - overspend) if overspend is not None else 0.0
    return 2 * success_rate * thrift / (success_rate + thrift) if success_rate + thrift else 0.0


def list_policies(setups: Iterable[str]) -> list[Choice]:
    """Return the static policies: the same replicas of the same set-up whatever the model."""
    return [Choice(setup, count) for setup in setups for count in STATIC_REPLICAS]


def apply_policy(policy: Choice, truth: Mapping[str, Mapping[str, int]]) -> dict[str, Choice | None]:
    """Return a static policy's choice for each model: none where the set-up was not measured with it."""
    return {model: policy if policy.setup in held else None for model, held in truth.items()}


def _judge(
    model: str, choice: Choice | None, held: Mapping[str, int], price: Mapping[str, float], demand: Demand
) -> ChoiceOutcome:
    best = choose_cheapest(held, price, demand)
    if choice is None or best is None or choice.replicas * held.get(choice.setup, 0) < demand.users:
        return ChoiceOutcome(model, choice, is_success=False, overspend=None)
    least = best.replicas * price[best.setup]
    return ChoiceOutcome(model, choice, True, (choice.replicas * price[choice.setup] - least) / least)  # noqa: FBT003
