"""Which of a driver's queries are due: most at every reading, slow ones once a second, those that are over never again.

May import: standard library.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Generic, Protocol, TypeVar

_SLOW_NS: Final = 1_000_000_000
"""Limits, fans and process lists are read once a second: they change slowly, and a process list is dear."""


class Query(Protocol):
    """One sensor of a driver, and whether asking for it is dear."""

    @property
    def sensor(self) -> str:
        """The sensor, as ``base.SENSORS`` has it."""

    @property
    def is_slow(self) -> bool:
        """Whether it is read once a second only."""


Q = TypeVar("Q", bound=Query)


@dataclass(slots=True)
class Asked(Generic[Q]):
    """How a query stands in a launch: which of its ways is in use, when it is due, whether it is over for good."""

    query: Q
    way: int = 0
    due_ns: int | None = None
    is_over: bool = False


def take_due(asked: Iterable[Asked[Q]], now_ns: int) -> Iterator[Asked[Q]]:
    """Give what is due at ``now_ns`` (``time.perf_counter_ns``), one after the other, and put slow ones off."""
    for one in asked:
        if one.is_over or (one.due_ns is not None and now_ns < one.due_ns):
            continue
        if one.query.is_slow:
            one.due_ns = now_ns + _SLOW_NS
        yield one
