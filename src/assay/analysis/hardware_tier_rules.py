"""The rules that sort devices into tiers, as data: what counts, how it is combined, and where the cuts are.

May import: core.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

_GIB = 2.0**30
_TOKENS_READ_PER_S = 15.0
_TOKENS_PROMPT_PER_S = 2000.0


@dataclass(frozen=True, slots=True)
class ShareRule:
    """Tiers by place among the devices looked at.

    A device's score is the mean of its percentile ranks in the figures, weighted by ``weights``. ``shares`` cut the
    scores: the best 0.05 are the first tier, the next 0.15 the second, and so on; they add up to 1.
    """

    name: str
    title: str
    tiers: tuple[str, ...]
    weights: Mapping[str, float]
    shares: tuple[float, ...]
    why: str

    @property
    def columns(self) -> tuple[str, ...]:
        """The figures that it takes."""
        return tuple(self.weights)

    def words(self) -> tuple[str, ...]:
        """The rule in words, a line each."""
        total = sum(self.weights.values())
        parts = ", ".join(f"{key} {100 * weight / total:.3g} %" for key, weight in self.weights.items())
        cuts = ", ".join(f"{tier} {100 * share:.3g} %" for tier, share in zip(self.tiers, self.shares, strict=True))
        return (
            f"Score: mean of the percentile ranks among the devices looked at, weighted {parts}.",
            f"Tiers: by score from the top, {cuts}.",
            self.why,
        )


@dataclass(frozen=True, slots=True)
class FloorRule:
    """Tiers by what a device must have at least, in base units; the first whose floors all hold is its tier.

    ``floors`` has a row for each tier but the last, which takes the rest.
    """

    name: str
    title: str
    tiers: tuple[str, ...]
    floors: tuple[Mapping[str, float], ...]
    why: str

    @property
    def columns(self) -> tuple[str, ...]:
        """The figures that it takes."""
        return tuple(self.floors[0])

    def words(self) -> tuple[str, ...]:
        """The rule in words, a line each."""
        return (
            *(
                f"{tier}: {', '.join(f'{key} at least {_say(key, floor)}' for key, floor in floors.items())}."
                for tier, floors in zip(self.tiers, self.floors, strict=False)
            ),
            f"{self.tiers[-1]}: the rest.",
            self.why,
        )


TierRule = ShareRule | FloorRule


def _for_weights(gib: float) -> Mapping[str, float]:
    """Floors for a language model with so many GiB of 16-bit weights."""
    size = gib * _GIB
    # A token made reads all weights once. A token of a prompt takes 2 operations a weight of 2 bytes: one a byte.
    return MappingProxyType({
        "memory": size, "bandwidth": _TOKENS_READ_PER_S * size, "peak16": _TOKENS_PROMPT_PER_S * size
    })  # fmt: skip


def _say(key: str, floor: float) -> str:
    if key == "memory":
        return f"{floor / _GIB:g} GiB"
    if key == "bandwidth":
        return f"{floor / 1e9:.4g} GB/s"
    return f"{floor / 1e12:.3g} TFLOP/s"


PERFORMANCE = ShareRule(
    name="performance",
    title="Performance",
    tiers=("Ultra", "High", "Upper mid", "Mid", "Entry"),
    weights=MappingProxyType({"peak32": 1.0, "peak16": 1.0, "bandwidth": 1.0, "memory": 1.0}),
    shares=(0.05, 0.15, 0.25, 0.30, 0.25),
    why="A place among those looked at, and no property of the device: other devices, other tiers. Weights are equal "
    "because nothing measured says otherwise; how much they matter is under stability.",
)
AI = FloorRule(
    name="ai",
    title="AI",
    tiers=("AI flagship", "AI high", "AI mainstream", "AI light", "basic"),
    # Between the sizes that are sold, so that no device stands on an edge: 64 and 80, 32 and 40, 12 and 16, 6 and 8.
    floors=tuple(_for_weights(gib) for gib in (72, 36, 14, 7)),
    why="Floors: a language model of 39, 19, 7.5 or 3.8 billion weights of 2 bytes fits, is read "
    f"{_TOKENS_READ_PER_S:g} times a second, once a token, and takes in {_TOKENS_PROMPT_PER_S:g} tokens of a prompt a "
    "second at 2 operations a weight and token. Peaks of data sheets: what is reached is less.",
)
RULES: Mapping[str, TierRule] = MappingProxyType({rule.name: rule for rule in (PERFORMANCE, AI)})
"""Every rule by its name."""
