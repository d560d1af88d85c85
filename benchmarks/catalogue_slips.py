"""How many wrong cells of the hardware catalogue its own checks find: cells spoilt one at a time, each looked for.

Usage: python benchmarks/catalogue_slips.py [CELLS]. For each kind of error CELLS (400) cells are chosen at random, with
a fixed seed. Found: a finding that the sound table has not names the device and the column. Prints a table.
"""

from __future__ import annotations

import random
import sys
from collections import defaultdict
from dataclasses import replace
from types import MappingProxyType

from assay.catalog.hardware.facts import DeviceFacts, view_facts
from assay.catalog.hardware.presence import is_number
from assay.catalog.hardware.quality import find_findings

FACTORS = {
    "a thousandfold (MB for GB)": (1000, 1 / 1000),
    "1024-fold (MiB for GiB)": (1024, 1 / 1024),
    "eightfold (bits for bytes)": (8, 1 / 8),
    "twofold (sparse for dense, both directions for one)": (2, 1 / 2),
    "30 % (another device's figure)": (1.3, 1 / 1.3),
    "10 % (another clock)": (1.1, 1 / 1.1),
}

Group = tuple[str, str, str]


def main() -> None:
    """Spoil, look, count."""
    sample = int(sys.argv[1]) if len(sys.argv) > 1 else 400
    groups: dict[Group, list[DeviceFacts]] = defaultdict(list)
    for device in view_facts().values():
        groups[_group(device)].append(device)
    sound = {(one.hw_id, one.rule) for group in groups.values() for one in find_findings(group)}
    open_ones = [one for group in groups.values() for one in find_findings(group) if one.explained is None]
    cells = [(device, column) for device in view_facts().values() for column in device.cells if is_number(column)]
    print(f"{len(view_facts())} devices, {len(cells)} numbers; nothing spoilt: {len(open_ones)} findings unexplained")
    for name, factors in FACTORS.items():
        chosen = random.Random(0).sample(cells, sample)
        found = sum(
            _is_found(device, column, factors[place % 2], groups[_group(device)], sound)
            for place, (device, column) in enumerate(chosen)
        )
        print(f"| {name} | {found / sample:.0%} |")


def _group(device: DeviceFacts) -> Group:
    return device.vendor, device.architecture, device.kind


def _is_found(
    device: DeviceFacts, column: str, factor: float, group: list[DeviceFacts], sound: set[tuple[str, str]]
) -> bool:
    cell = device.cells[column]
    spoilt = replace(cell, value=float(cell.value) * factor)
    changed = replace(device, cells=MappingProxyType({**device.cells, column: spoilt}))
    findings = find_findings([changed if one is device else one for one in group])
    return any(
        one.hw_id == device.hw_id and column in one.columns and (one.hw_id, one.rule) not in sound for one in findings
    )


if __name__ == "__main__":
    main()
