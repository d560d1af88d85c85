"""What a CPU could do on paper: cores x clock x operations a core does in one cycle.

Only where the core's design is known; a table of hardware, with memory bandwidths and accelerators, is the catalogue's.
May import: core.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from assay.core.absence import Unavailable
from assay.core.units import format_significant


@dataclass(frozen=True, slots=True)
class Peak:
    """A peak computed from facts, and the computation as text."""

    flops_per_s: float
    formula: str


def compute_cpu_peak(
    cpu: Mapping[str, Any], *, threads: int, clock_mhz: float | None, precision: str
) -> Peak | Unavailable:
    """Return threads x clock x floating point operations per cycle.

    ``cpu`` are the facts of `assay.probes.cpu`. The clock is the highest the CPU may reach where the system says so,
    else ``clock_mhz``, what was read while measuring: a virtual machine shows its base clock, and turbo goes above it.
    """
    per_cycle = flops_per_cycle(cpu, precision)
    if isinstance(per_cycle, Unavailable):
        return per_cycle
    highest = cpu.get("max_mhz")
    mhz = highest or clock_mhz
    if not mhz:
        return Unavailable("the clock of this CPU is not told")
    word = "highest clock" if highest else "clock as read"
    ghz = format_significant(mhz / 1e3)
    return Peak(threads * mhz * 1e6 * per_cycle, f"{threads} x {ghz} GHz ({word}) x {per_cycle} FLOP/cycle")


def flops_per_cycle(cpu: Mapping[str, Any], precision: str) -> int | Unavailable:
    """Operations a core can do in one cycle, a fused multiply-add counting as two.

    Width of a vector x units x 2. Sources: AMD Software Optimization Guides for families 17h, 19h and 1Ah (two FMA
    pipes of 128 bit in Zen, of 256 bit from Zen 2, of 512 bit in Zen 5 servers and desktops); Intel 64 and IA-32
    Architectures Optimization Reference Manual (two FMA ports; AMX: 1024 bf16 and 2048 int8 operations a cycle); Arm
    Neoverse Software Optimization Guides (FMLA throughput).
    """
    isa = set(cpu.get("isa") or ())
    amx = {"bf16": ("amx_bf16", 1024), "int8": ("amx_int8", 2048)}.get(precision)
    if amx is not None and amx[0] in isa:
        return amx[1]
    single = _single_per_cycle(cpu, isa)
    if single is None:
        return Unavailable(f"operations per cycle of {cpu.get('model') or 'this CPU'} are not known")
    if precision == "fp32":
        return single
    if precision == "bf16" and "avx512_bf16" in isa:
        return 2 * single
    return Unavailable(f"no {precision} operations per cycle are known for {cpu.get('model') or 'this CPU'}")


_NEOVERSE = {"Neoverse-N1": 16, "Neoverse-N2": 16, "Neoverse-V1": 32, "Neoverse-V2": 32}
_INTEL_AVX2_MODELS = frozenset({60, 63, 69, 70, 61, 71, 79, 86, 78, 94, 142, 158, 165, 166})
"""Haswell to Comet Lake: two 256-bit ports in every core. Later ones mix cores of two kinds."""
_ZEN2_MODEL = 0x30
_ZEN5_FULL = (range(0x20), range(0x40, 0x50))
"""Servers and desktops; in the mobile ones the units are half as wide."""


def _single_per_cycle(cpu: Mapping[str, Any], isa: set[str]) -> int | None:
    """fp32 operations per cycle and core."""
    if cpu.get("model") in _NEOVERSE:
        return _NEOVERSE[str(cpu["model"])]
    family, model = _family_and_model(cpu)
    designs = {"AMD": _amd_per_cycle, "Intel": _intel_per_cycle}
    find = designs.get(str(cpu.get("vendor")))
    return find(family, model, isa) if find is not None and "fma" in isa else None


def _amd_per_cycle(family: int, model: int, _isa: set[str]) -> int | None:
    match family:
        case 0x17:
            return 32 if model >= _ZEN2_MODEL else 16
        case 0x19:
            return 32
        case 0x1A if any(model in models for models in _ZEN5_FULL):
            return 64
    return None


def _intel_per_cycle(family: int, model: int, isa: set[str]) -> int | None:
    if family != 6:  # noqa: PLR2004  (the family of all of Intel's cores since 1995)
        return None
    if "amx_tile" in isa:
        return 64
    return 32 if "avx512f" not in isa and model in _INTEL_AVX2_MODELS else None


def _family_and_model(cpu: Mapping[str, Any]) -> tuple[int, int]:
    parts = str(cpu.get("family_model_stepping") or "").split("-")
    if len(parts) != 3 or not all(part.isdecimal() for part in parts):  # noqa: PLR2004  (a triple)
        return -1, -1
    return int(parts[0]), int(parts[1])
