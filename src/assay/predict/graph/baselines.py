"""What a naive guess says of a graph on a device: the nearest model by operations, and a roofline.

May import: predict.values, predict.graph.features; numpy inside functions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from assay.predict.graph.features import FEATURES, describe
from assay.predict.values import Example

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

_INTENSITY = FEATURES.index("intensity")


def roofline_s(examples: Sequence[Example]) -> Array:
    """Return seconds at the device's rates when work and traffic overlap in full, (n,): the larger of the two."""
    import numpy as np

    found = describe([one.question for one in examples])
    ratio = np.exp(found.rows[:, _INTENSITY])
    return np.asarray(found.base_s * np.maximum(ratio, 1.0) / (1.0 + ratio))


def plain_roofline(train: Sequence[Example], test: Sequence[Example]) -> Array:
    """Return ns by the roofline over the share of it that was reached: in the same set-up, else in all of that mode."""
    import numpy as np

    known, asked = roofline_s(train) * 1e9, roofline_s(test) * 1e9
    shares = np.array([one.value for one in train]) / known
    guess = np.empty(len(test))
    for own, near in _matches(train, test):
        guess[own] = asked[own] * np.median(shares[near])
    return guess


def nearest_model(train: Sequence[Example], test: Sequence[Example]) -> Array:
    """Return ns of the model with the nearest number of operations a sample, scaled by operations (same set-up).

    Where nothing of that set-up was measured, the nearest of all of that mode is scaled by the roofline.
    """
    import numpy as np

    work, asked = _flops(train), _flops(test)
    values = np.array([one.value for one in train])
    roofs, roofs_asked = roofline_s(train), roofline_s(test)
    setups = {_setup(one) for one in train}
    guess = np.empty(len(test))
    for own, near in _matches(train, test):
        order = near[np.argsort(work[near, 0], kind="stable")]
        place = np.searchsorted(work[order, 0], asked[own, 0])
        lower, upper = np.clip(place - 1, 0, len(order) - 1), np.clip(place, 0, len(order) - 1)
        gap_low = np.abs(work[order[lower], 0] - asked[own, 0])
        gap_high = np.abs(work[order[upper], 0] - asked[own, 0])
        chosen = order[np.where(gap_low <= gap_high, lower, upper)]
        if _setup(test[own[0]]) in setups:
            guess[own] = values[chosen] * np.exp(asked[own, 1] - work[chosen, 1])
        else:
            guess[own] = values[chosen] * roofs_asked[own] / roofs[chosen]
    return guess


def _matches(train: Sequence[Example], test: Sequence[Example]) -> list[tuple[Array, Array]]:
    """Return places of test rows of one set-up, with those of train rows to take: of it, else of its mode, else all."""
    import numpy as np

    of_setup: dict[str, list[int]] = {}
    of_mode: dict[str, list[int]] = {}
    for place, one in enumerate(train):
        of_setup.setdefault(_setup(one), []).append(place)
        of_mode.setdefault(one.question.conditions.mode, []).append(place)
    asked: dict[tuple[str, str], list[int]] = {}
    for place, one in enumerate(test):
        asked.setdefault((_setup(one), one.question.conditions.mode), []).append(place)
    everything = list(range(len(train)))
    return [
        (np.array(own), np.array(of_setup.get(setup) or of_mode.get(mode) or everything))
        for (setup, mode), own in asked.items()
    ]


def _setup(one: Example) -> str:
    return one.groups.get("config") or f"{one.groups['device']} {one.question.conditions.engine}"


def _flops(examples: Sequence[Example]) -> Array:
    """Logarithms of operations: of a sample, of a call, (n, 2)."""
    import numpy as np

    pairs = []
    for one in examples:
        graph = one.question.graph
        flops = max(graph.flops, 1.0) if graph is not None else 1.0
        pairs.append((flops / (graph.batch if graph is not None else 1), flops))
    return np.asarray(np.log(np.array(pairs)))
