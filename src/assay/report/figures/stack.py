"""Where a whole goes: bars of parts that stand on each other, in the order in which they happen.

May import: core, report.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from assay.core.words import Direction, Provenance
from assay.report.display import format_number
from assay.report.figures._layers import clamp, number_of, refs_of
from assay.report.figures._words import empty_figure, join_sentences, say_better, say_name, say_names
from assay.report.values import Axis, Cell, Figure, FigureKind, Layer, Scale, Shape
from assay.report.wording import say_count

MOST_STACKS = 24


@dataclass(frozen=True, slots=True)
class Stack:
    """One whole, and the parts of it that are known, by name."""

    label: str
    parts: Mapping[str, Cell]

    @property
    def total(self) -> float:
        """The sum of the parts that are known."""
        return clamp(sum(value for name in self.parts if (value := _length(self, name)) is not None))


def draw_stacks(  # noqa: PLR0913  (keyword-only)
    *,
    stacks: Sequence[Stack],
    parts: Sequence[str],
    title: str,
    metric: str,
    unit: str | None,
    direction: Direction = Direction.LOWER,
    of: str = "",
    key: str = "stacks",
    limit: int = MOST_STACKS,
) -> Figure:
    """Draw wholes as bars of their parts, in the order given; ``parts`` is the order within a bar.

    A part is a layer of its own, one for each provenance, whose values are the parts' own lengths. A bar lacks what is
    not known of it, which the notes say. Negative parts have no length and are not drawn.
    """
    known = [one for one in stacks if one.total > 0]
    shown = known[:limit]
    notes = []
    if len(known) < len(stacks):
        lacking = [one.label for one in stacks if one.total <= 0]
        notes.append(f"Nothing is known of {say_names(lacking)}.")
    if len(shown) < len(known):
        notes.append(f"The first {format_number(limit)} of {format_number(len(known))} are drawn.")
    names = [name for name in parts if any(_length(one, name) is not None for one in shown)]
    partial = [one.label for one in shown if any(_length(one, name) is None for name in names)]
    if partial:
        notes.append(f"Not every part is known of {say_names(partial)}.")
    x = Axis(of, scale=Scale.CATEGORY, categories=tuple(one.label for one in shown))
    y = Axis(metric, unit, direction=direction)
    if not shown:
        why = f"Nothing has parts of its {metric}."
        return empty_figure(key, FigureKind.BARS, title, x, y, why=why, notes=notes)
    return Figure(
        key, FigureKind.BARS, title, x, y,
        layers=tuple(layer for name in names for layer in _layers(shown, names, name)),
        caption="Parts stand in the order in which they happen.",
        alt=_alt(title, shown, unit, direction),
        notes=tuple(notes),
    )  # fmt: skip


def _length(stack: Stack, name: str) -> float | None:
    value = number_of(stack.parts.get(name, Cell()))
    return value if value is not None and value >= 0 else None


def _layers(stacks: Sequence[Stack], names: Sequence[str], name: str) -> list[Layer]:
    """The layers of one part: where each begins is the sum of those before it."""
    found: dict[Provenance | None, list[tuple[int, float, float, Cell]]] = {}
    for place, stack in enumerate(stacks):
        length = _length(stack, name)
        if length is not None:
            begin = clamp(sum(_length(stack, before) or 0.0 for before in names[: names.index(name)]))
            cell = stack.parts[name]
            found.setdefault(cell.provenance, []).append((place, begin, length, cell))
    return [
        Layer(
            name,
            Shape.BARS,
            x=tuple(float(place) for place, _, _, _ in points),
            y=tuple(length for _, _, length, _ in points),
            base=tuple(begin for _, begin, _, _ in points),
            n=tuple(cell.n for *_, cell in points) if any(cell.n is not None for *_, cell in points) else (),
            refs=refs_of([cell.ref for *_, cell in points]),
            provenance=provenance,
            group=name,
        )
        for provenance, points in found.items()
    ]


def _alt(title: str, stacks: Sequence[Stack], unit: str | None, direction: Direction) -> str:
    ends = sorted(stacks, key=lambda one: one.total)
    said = []
    for word, one in zip(("Shortest", "Longest"), ends[:: max(1, len(ends) - 1)], strict=False):
        part, cell = max(one.parts.items(), key=lambda pair: number_of(pair[1]) or 0.0)
        largest = format_number(number_of(cell) or 0.0, unit)
        total = format_number(one.total, unit)
        said.append(f"{word}: {say_name(one.label)}, {total}, of which {part} {largest}.")
    return join_sentences(f"{title}: {say_count(len(stacks), 'bar')}.", *said, say_better(direction))
