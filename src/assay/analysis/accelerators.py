"""What more accelerators bring: speed-up and efficiency against the smallest number under the same conditions.

May import: core, analysis.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from assay.analysis.side_by_side import Group, Subject
from assay.core.words import Direction, Provenance


@dataclass(frozen=True, slots=True)
class ScalingStep:
    """One number of accelerators beside the smallest one of its line. ``efficiency`` is speed-up over what is ideal."""

    group: Group
    first: Group
    speedup: float
    efficiency: float


@dataclass(frozen=True, slots=True)
class ScalingLine:
    """One device under one set of conditions, with growing numbers of it; smallest first."""

    workload: str
    label: str
    provenance: Provenance
    steps: tuple[ScalingStep, ...]


def find_lines(groups: Sequence[Group], direction: Direction) -> list[ScalingLine]:
    """Return the lines of groups that differ in the number of accelerators alone; most steps first."""
    by_line: dict[tuple[Subject, str, Provenance], list[Group]] = {}
    for group in groups:
        if group.subject.accelerators:
            key = (replace(group.subject, accelerators=None), group.device.label, group.provenance)
            by_line.setdefault(key, []).append(group)
    lines = []
    for (subject, device, provenance), found in by_line.items():
        ordered = sorted(found, key=lambda one: one.subject.accelerators or 0)
        if len(ordered) > 1:
            steps = tuple(_step(one, ordered[0], direction) for one in ordered)
            lines.append(ScalingLine(subject.workload, f"{device}, {subject.label}", provenance, steps))
    return sorted(lines, key=lambda line: (-len(line.steps), line.workload, line.label))


def _step(group: Group, first: Group, direction: Direction) -> ScalingStep:
    speedup = first.median / group.median if direction is Direction.LOWER else group.median / first.median
    ideal = (group.subject.accelerators or 1) / (first.subject.accelerators or 1)
    return ScalingStep(group, first, speedup, speedup / ideal)
