"""Of several who answer many questions, the one whose tested interval is the narrowest, question by question.

May import: predict.numbers, predict.values; numpy inside functions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assay.predict.numbers import NONE, Numbers
from assay.predict.values import LEVELS, Answer

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

_JUDGED = 1
"""Place in ``LEVELS`` of the interval that answers are told apart by: 80 %."""


def breadths(found: Numbers) -> Array:
    """How wide answers are, (n,): the logarithm of hi over lo at 80 %, infinite without an interval."""
    import numpy as np

    lo, hi = found.lo[:, _JUDGED], found.hi[:, _JUDGED]
    can = lo > 0
    return np.where(can, np.log(np.divide(hi, lo, out=np.ones_like(lo), where=can)), np.inf)


@dataclass(slots=True)
class Narrowest:
    """The best answers so far to n questions, (n,) or (n, levels) each; ``by`` is the place of who gave it."""

    by: Array
    breadth: Array
    values: Array
    lo: Array
    hi: Array
    layers: Array
    situations: Array

    @classmethod
    def of(cls, count: int) -> Narrowest:
        """Nobody has answered yet."""
        import numpy as np

        wide = (count, len(LEVELS))
        return cls(
            np.full(count, NONE, dtype=np.int16), np.full(count, np.inf), np.full(count, np.nan),
            np.full(wide, np.nan), np.full(wide, np.nan), np.full(count, NONE, dtype=np.int8),
            np.full(count, NONE, dtype=np.int8),
        )  # fmt: skip

    def consider(self, who: int, places: Array, found: Numbers, stands: Array) -> None:
        """Take what ``who`` said of ``places`` where it ``stands`` and is narrower; of equals the surer layer's."""
        import numpy as np

        breadth, before = breadths(found), self.breadth[places]
        # Layers are from the surest to the last resort; of nobody yet any answer is better.
        surer = (breadth == before) & (found.layers < self.layers[places])
        better = stands & ((self.by[places] == NONE) | (breadth < before) | surer)
        own = np.flatnonzero(better)
        self.take(who, places[own], own, found, breadth[own])

    def take(self, who: int, places: Array, own: Array, found: Numbers, breadth: Array | float) -> None:
        """Take the answers ``own`` of ``found`` for ``places``."""
        self.by[places], self.breadth[places] = who, breadth
        self.values[places], self.lo[places], self.hi[places] = found.values[own], found.lo[own], found.hi[own]
        self.layers[places], self.situations[places] = found.layers[own], found.situations[own]

    def numbers(self, explain: Callable[[int], Answer], models: tuple[str, ...]) -> Numbers:
        """Return them, with what makes each into an answer."""
        return Numbers(self.values, self.lo, self.hi, self.layers, self.situations, explain, self.by, models)
