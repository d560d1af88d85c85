"""Which rows are held out together: by group in seeded folds, one group at a time, at random, or by time.

Rows that share a group never stand on both sides. May import: standard library.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fold:
    """Places of the rows to learn from and of those held out; ``held_out`` names the groups."""

    train: tuple[int, ...]
    test: tuple[int, ...]
    held_out: tuple[str, ...]


def split_groups(groups: Sequence[str], folds: int, seed: int) -> Iterator[Fold]:
    """Hold each group out once, in ``folds`` folds of about as many rows each (the largest groups are dealt first).

    With ``folds`` at least the number of groups this is leave-one-group-out.
    """
    sizes: dict[str, int] = {}
    for name in groups:
        sizes[name] = sizes.get(name, 0) + 1
    names = sorted(sizes)
    random.Random(seed).shuffle(names)  # noqa: S311  (a seeded deal, no secret)
    names.sort(key=lambda name: -sizes[name])
    count = min(folds, len(names))
    deals: list[list[str]] = [[] for _ in range(count)]
    loads = [0] * count
    for name in names:
        place = loads.index(min(loads))
        deals[place].append(name)
        loads[place] += sizes[name]
    for dealt in deals:
        yield hold_out(groups, dealt)


def leave_one_out(groups: Sequence[str]) -> Iterator[Fold]:
    """Hold out one group after the other, in the order of their names."""
    for name in sorted(set(groups)):
        yield hold_out(groups, [name])


def hold_out(groups: Sequence[str], names: Sequence[str]) -> Fold:
    """Hold out the rows of these groups."""
    held = frozenset(names)
    train = tuple(place for place, name in enumerate(groups) if name not in held)
    test = tuple(place for place, name in enumerate(groups) if name in held)
    return Fold(train, test, tuple(sorted(held)))


def split_rows(count: int, folds: int, seed: int) -> Iterator[Fold]:
    """Hold every row out once, at random. It leaks where rows share a model: shown beside the others, never alone."""
    places = list(range(count))
    random.Random(seed).shuffle(places)  # noqa: S311
    for fold in range(min(folds, count)):
        test = sorted(places[fold::folds])
        held = frozenset(test)
        yield Fold(tuple(place for place in range(count) if place not in held), tuple(test), (f"fold {fold}",))


def split_times(times: Sequence[str], *, fewest_train: int = 1) -> Iterator[Fold]:
    """Hold out each time (a round, a year; sorted as text) and learn from what is earlier."""
    for name in sorted(set(times)):
        train = tuple(place for place, one in enumerate(times) if one < name)
        test = tuple(place for place, one in enumerate(times) if one == name)
        if len(train) >= fewest_train:
            yield Fold(train, test, (name,))
