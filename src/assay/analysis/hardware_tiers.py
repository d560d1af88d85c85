"""Devices sorted into tiers by a rule that is shown, and how far the tiers hold when something is shaken.

Three things are shaken, each by itself: which devices the rule looked at (architectures drawn anew), the figures
(sources disagree about some), and the rule's own numbers, which somebody chose. A tier that does not survive these says
more of the rule than of the device. May import: core, catalog, stats, analysis; numpy inside functions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from assay.analysis.hardware_columns import EXACT
from assay.analysis.hardware_tier_rules import RULES, FloorRule, ShareRule, TierRule
from assay.core.errors import UnknownNameError, UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from assay.analysis.hardware_table import HardwareTable
    from assay.catalog.hardware.facts import DeviceFacts

DRAWS = 300
CELL_ERROR = 0.05
"""Standard deviation of a figure's logarithm: what two sources of one cell may differ by before it is a conflict."""
FLOOR_ERROR = 0.10
WEIGHT_ERROR = 0.50
"""Standard deviations of the logarithms of a rule's own numbers. Weights are opinion, so they are moved far."""
_FIRM = 0.9
_FEWEST = 20


class Shaken(StrEnum):
    """What was shaken."""

    DEVICES = "devices"
    FIGURES = "figures"
    RULE = "rule"


def say_shaken(rule: TierRule, shaken: Shaken) -> str:
    """What is done to the devices, the figures or the rule, in words."""
    if shaken is Shaken.DEVICES:
        return "architectures drawn anew, with all their devices"
    if shaken is Shaken.FIGURES:
        return f"each figure but memory size off by {100 * CELL_ERROR:g} %"
    if isinstance(rule, FloorRule):
        return f"each floor off by {100 * FLOOR_ERROR:g} %"
    return f"each weight off by {100 * WEIGHT_ERROR:g} %"


@dataclass(frozen=True, slots=True)
class TieredDevice:
    """A device and its tier, ``tier`` None with a ``reason``. ``score`` is of rules that have one, from 0 to 1.

    ``kept`` is the least share of draws, over what was shaken, in which it kept its tier; ``instead`` the tier that it
    was given most often otherwise.
    """

    device: DeviceFacts
    tier: str | None
    score: float | None = None
    kept: float | None = None
    instead: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Stability:
    """How the tiers held when one thing was shaken: means over the draws, and the share of devices that are firm."""

    shaken: Shaken
    adjusted_rand: float
    kept: float
    firm: float
    draws: int


@dataclass(frozen=True, slots=True)
class DeviceTiers:
    """Devices from the first tier to the last, within one by score; then those without a tier."""

    rule: TierRule
    devices: tuple[TieredDevice, ...]
    stability: tuple[Stability, ...]

    def count(self, tier: str) -> int:
        """How many devices have this tier."""
        return sum(one.tier == tier for one in self.devices)


def find_rule(name: str) -> TierRule:
    """Return one rule. Raises UnknownNameError with the others."""
    if name not in RULES:
        raise UnknownNameError("rule for tiers", name, RULES)
    return RULES[name]


def tier_devices(table: HardwareTable, rule: TierRule, *, draws: int = DRAWS, seed: int = 0) -> DeviceTiers:
    """Sort devices into tiers; ``table`` must have the rule's columns. Deterministic by ``seed``.

    A device without a figure that the rule takes has no tier: it is not guessed at. Raises UsageError where fewer than
    20 devices can be judged.
    """
    import numpy as np

    values = np.stack([table.column(key) for key in rule.columns], axis=1)
    known: NDArray[np.bool_] = np.asarray((values > 0).all(axis=1))
    if known.sum() < _FEWEST:
        raise UsageError(
            f"{int(known.sum())} devices have all of {', '.join(rule.columns)}; tiers take {_FEWEST}.",
            hint="Choose more devices.",
        )
    kept = values[known]
    scores = _scores(rule, kept, np.ones(len(kept)), np.ones(len(rule.columns)))
    places = _places(rule, kept, scores, np.ones(len(kept)), None)
    designs = [design for design, is_known in zip(table.groups, known, strict=True) if is_known]
    shaken = {how: _shake(rule, kept, designs, how, draws, seed) for how in _applicable(rule)}
    stability = tuple(_judge(how, places, found) for how, found in shaken.items())
    tiered = _tiered(table, rule, known, places, scores if isinstance(rule, ShareRule) else None, shaken)
    unjudged = [
        TieredDevice(table.devices[row], None, reason=_why_none(rule, values[row]))
        for row in range(len(table))
        if not known[row]
    ]
    return DeviceTiers(rule, (*tiered, *unjudged), stability)


def _applicable(rule: TierRule) -> tuple[Shaken, ...]:
    # Floors do not depend on which devices were looked at.
    return tuple(Shaken) if isinstance(rule, ShareRule) else (Shaken.FIGURES, Shaken.RULE)


def _scores(rule: TierRule, values: Any, counts: Any, factors: Any) -> Any:
    """Weighted mean of the percentile ranks of (devices, columns) values; zeros for a rule without scores."""
    import numpy as np

    from assay.stats.rank_association import weighted_ranks

    if isinstance(rule, FloorRule):
        return np.zeros(len(values))
    weights = np.array([rule.weights[key] for key in rule.columns]) * factors
    ranks = [weighted_ranks(column, counts[:, None])[:, 0] / counts.sum() for column in values.T]
    return np.average(np.stack(ranks, axis=1), axis=1, weights=weights)


def _places(rule: TierRule, values: Any, scores: Any, counts: Any, factors: Any) -> Any:
    """The place of each device's tier, 0 the first. ``factors`` multiply the floors, (1, columns)."""
    import numpy as np

    if isinstance(rule, ShareRule):
        order = np.argsort(-scores, kind="stable")
        from_top = np.empty(len(scores))
        # Devices of one score are of one tier: that of the first of them.
        above = np.concatenate([[0.0], np.cumsum(counts[order])[:-1]]) / counts.sum()
        ordered = scores[order]
        first = np.searchsorted(-ordered, -ordered, side="left")
        from_top[order] = above[first]
        # A share of rounding decides nothing.
        return np.searchsorted(np.cumsum(rule.shares)[:-1], from_top + 1e-9, side="right")
    floors = np.array([[row[key] for key in rule.columns] for row in rule.floors])
    floors = floors if factors is None else floors * factors
    holds = (values[:, None, :] >= floors[None, :, :] * (1 - 1e-9)).all(axis=2)
    return np.where(holds.any(axis=1), holds.argmax(axis=1), len(rule.floors))


def _shake(rule: TierRule, values: Any, designs: Sequence[str], how: Shaken, draws: int, seed: int) -> Any:
    """Places of (draws, devices); -1 where a device was not drawn."""
    import numpy as np

    from assay.stats.resampling import draw_group_weights

    random = np.random.default_rng([seed, list(Shaken).index(how)])
    devices, columns = values.shape
    even = np.ones(devices)
    errors = np.array([0.0 if key in EXACT else CELL_ERROR for key in rule.columns])
    found = np.full((draws, devices), -1, dtype=np.int64)
    weights = draw_group_weights(designs, resamples=draws, seed=seed) if how is Shaken.DEVICES else None
    for draw in range(draws):
        counts, shaken, factors, floors = even, values, np.ones(columns), None
        if weights is not None:
            counts = weights[:, draw]
        elif how is Shaken.FIGURES:
            shaken = values * np.exp(random.normal(0, 1, values.shape) * errors)
        else:
            size = FLOOR_ERROR if isinstance(rule, FloorRule) else WEIGHT_ERROR
            factors = np.exp(random.normal(0, size, columns))
            floors = factors[None, :]
        there = counts > 0
        scores = _scores(rule, shaken[there], counts[there], factors)
        found[draw, there] = _places(rule, shaken[there], scores, counts[there], floors)
    return found


def _judge(how: Shaken, places: Any, found: Any) -> Stability:
    import numpy as np

    from assay.stats.clusters import adjusted_rand

    there = found >= 0
    agree = (found == places[None, :]) & there
    kept = agree.sum(axis=0) / np.maximum(there.sum(axis=0), 1)
    rand = [adjusted_rand(places[mine], row[mine]) for row, mine in zip(found, there, strict=True)]
    return Stability(how, float(np.mean(rand)), float(kept.mean()), float((kept >= _FIRM).mean()), len(found))


def _tiered(
    table: HardwareTable, rule: TierRule, known: Any, places: Any, scores: Any, shaken: Mapping[Shaken, Any]
) -> list[TieredDevice]:
    import numpy as np

    rows = np.flatnonzero(known)
    found = []
    for at, row in enumerate(rows):
        shares: list[float] = []
        others: Counter[int] = Counter()
        for draws in shaken.values():
            mine = draws[:, at][draws[:, at] >= 0]
            if mine.size:
                shares.append(float((mine == places[at]).mean()))
                others.update(int(place) for place in mine[mine != places[at]])
        instead = others.most_common(1)
        found.append(
            TieredDevice(
                table.devices[int(row)],
                rule.tiers[int(places[at])],
                None if scores is None else float(scores[at]),
                min(shares, default=None),
                rule.tiers[instead[0][0]] if instead else None,
            )
        )
    order = sorted(range(len(found)), key=lambda at: (places[at], -(found[at].score or 0.0), found[at].device.hw_id))
    return [found[at] for at in order]


def _why_none(rule: TierRule, values: Any) -> str:
    """What is not known, and what the tier would be at most by what is."""
    missing = [key for key, value in zip(rule.columns, values, strict=True) if not value > 0]
    said = f"{', '.join(missing)} not known"
    if isinstance(rule, FloorRule):
        best = next(
            (
                tier
                for tier, floors in zip(rule.tiers, rule.floors, strict=False)
                if all(not value > 0 or value >= floors[key] for key, value in zip(rule.columns, values, strict=True))
            ),
            rule.tiers[-1],
        )
        said += f"; at most {best} by the rest" if len(missing) < len(rule.columns) else ""
    return said
