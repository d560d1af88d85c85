"""A derived metric as data: a figure that follows from others, with its rule, its unit, its source and its inputs.

May import: core, catalog.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from assay.core.words import Direction


@dataclass(frozen=True, slots=True)
class DerivedMetric:
    """One figure that is computed from ``needs`` (keys of ``quantities.QUANTITIES``), in their order, by ``compute``.

    ``compute`` returns a number in ``unit``, or says in words why there is none. ``is_estimate`` where the result
    rests on an assumption, which ``note`` then states. ``source`` is where the rule comes from.
    """

    name: str
    title: str
    unit: str
    formula: str
    source: str
    direction: Direction
    needs: tuple[str, ...]
    compute: Callable[..., float | str]
    is_estimate: bool = False
    note: str | None = None


@dataclass(frozen=True, slots=True)
class DerivedValue:
    """One metric of one device: ``value`` in the metric's unit, or None with the reason.

    ``layers`` say whose statements it rests on, each once; ``note`` what has to be known beside it: what an estimate
    assumes, which offer, which region, which device it is held against.
    """

    metric: DerivedMetric
    value: float | None
    reason: str | None = None
    layers: tuple[str, ...] = ()
    note: str | None = None
