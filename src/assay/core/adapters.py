"""How the hardware of a browser's graphics adapter is written, and what of it is software: in one place.

A browser names its adapter itself, and the machine beside it is known to assay, so a result on one has both:
``<adapter> | <machine>``. An adapter that a CPU plays (SwiftShader, llvmpipe, WARP) is written with the word that keeps
it out of rankings: its numbers say that something works, and nothing of how fast a graphics adapter is. May import:
nothing.
"""

from __future__ import annotations

SOFTWARE_ADAPTER = "(software adapter)"
"""Stands behind the name of an adapter that is a program."""
SEPARATOR = " | "
SOFTWARE_MARK = f"{SOFTWARE_ADAPTER}{SEPARATOR}"
"""What every hardware text of such an adapter holds, and no other does."""


def name_adapter(adapter: str, machine: str, *, is_software: bool) -> str:
    """``SwiftShader (software adapter) | AMD EPYC 2c 24GiB``: the hardware of a result on an adapter."""
    return f"{adapter}{f' {SOFTWARE_ADAPTER}' if is_software else ''}{SEPARATOR}{machine}"


def is_software_adapter(hardware: str | None) -> bool:
    """Tell whether a hardware text is that of a software adapter."""
    return hardware is not None and SOFTWARE_MARK in hardware


def adapter_of(hardware: str | None) -> str | None:
    """Return the adapter of a hardware text without the word for software; None where it names the machine alone."""
    if hardware is None or SEPARATOR not in hardware:
        return None
    return hardware.rpartition(SEPARATOR)[0].removesuffix(SOFTWARE_ADAPTER).rstrip()


def machine_of(hardware: str | None) -> str | None:
    """Return the machine of a hardware text: what stands behind the adapter, else all of it."""
    return None if hardware is None else hardware.rpartition(SEPARATOR)[2]
