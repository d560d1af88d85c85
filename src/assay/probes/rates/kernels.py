"""The operations that the device probe times, each with how much of what one call does.

May import: core; torch inside functions.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

KIB = 1 << 10
MIB = 1 << 20

GEMM_SIZES: Mapping[str, tuple[int, ...]] = {"cpu": (256, 512, 1024, 2048)}
"""Sides of the square matrices, by kind of device."""
_ACCELERATOR_GEMM_SIZES = (1024, 2048, 4096, 8192)
_CPU_READ_BYTES = (16 * KIB, 32 * KIB, 128 * KIB, 512 * KIB, MIB, 4 * MIB, 16 * MIB, 32 * MIB, 64 * MIB)
_ACCELERATOR_READ_BYTES = (MIB, 4 * MIB, 8 * MIB, 16 * MIB, 32 * MIB, 64 * MIB, 128 * MIB, 256 * MIB)
_READ_AT_LEAST = 64 * MIB
"""Bytes that one call reads, over and over in small working sets, so that starting it weighs little."""
_LARGEST_BYTES = {"cpu": 256 * MIB}
_ACCELERATOR_LARGEST_BYTES = 1024 * MIB
_CACHES_BEYOND = 4
"""Arrays larger than this many times the last cache are in memory (McCalpin's rule for STREAM)."""
_MEMORY_SHARE = 8
_CONVOLUTION = (8, 128, 28, 3)
"""Images, channels, side, kernel: a layer of the middle of ResNet-50 (He et al. 2015, table 1), times eight."""


@dataclass(frozen=True, slots=True)
class Kernel:
    """One operation. ``amount`` is what a call does: floating point operations, bytes, or one start."""

    name: str
    call: Callable[[], object]
    amount: float


def gemm_sizes(kind: str) -> tuple[int, ...]:
    """Sides of the matrices to try on a kind of device, ascending."""
    return GEMM_SIZES.get(kind, _ACCELERATOR_GEMM_SIZES)


def make_gemm(device: torch.device, precision: str, size: int) -> Kernel:
    """A product of two square matrices, ``2 size^3`` operations, written into memory that is there already.

    int8 is ``torch._int_mm``, which accumulates in int32.
    """
    import torch

    name = f"gemm {precision} {size}"
    amount = 2.0 * size**3
    if precision == "int8":
        left, right = (torch.randint(-64, 64, (size, size), dtype=torch.int8, device=device) for _ in range(2))
        return Kernel(name, functools.partial(torch._int_mm, left, right), amount)  # noqa: SLF001  (its only name)
    left, right = (torch.randn(size, size, device=device).to(_dtype(precision)) for _ in range(2))
    out = torch.empty(size, size, dtype=left.dtype, device=device)
    return Kernel(name, functools.partial(torch.mm, left, right, out=out), amount)


def make_convolution(device: torch.device, precision: str) -> Kernel:
    """A 3 x 3 convolution: other libraries compute it than matrix products, at other rates."""
    import torch

    images, channels, side, kernel = _CONVOLUTION
    dtype = _dtype(precision)
    source = torch.randn(images, channels, side, side, device=device).to(dtype)
    weight = torch.randn(channels, channels, kernel, kernel, device=device).to(dtype)
    call = functools.partial(torch.nn.functional.conv2d, source, weight, padding=kernel // 2)
    return Kernel(f"convolution {precision}", call, 2.0 * images * channels * side**2 * channels * kernel**2)


def make_copy(device: torch.device, working_set_bytes: int) -> Kernel:
    """Copy one half of a working set into the other; bytes read and written both count (STREAM's convention)."""
    import torch

    count = working_set_bytes // 2 // 4
    source, target = torch.ones(count, device=device), torch.zeros(count, device=device)
    return Kernel(f"copy {size_text(working_set_bytes)}", functools.partial(target.copy_, source), 8.0 * count)


def make_read(device: torch.device, working_set_bytes: int) -> Kernel:
    """Sum a working set, so often in one call that starting it weighs little: rows that are one and the same row."""
    import torch

    count = working_set_bytes // 4
    repeats = max(1, _READ_AT_LEAST // working_set_bytes)
    rows = torch.ones(count, device=device).expand(repeats, count)
    return Kernel(f"read {size_text(working_set_bytes)}", rows.sum, 4.0 * count * repeats)


def make_tiny(device: torch.device) -> Kernel:
    """The smallest operation there is: the addition of one number."""
    import torch

    left, right = torch.ones(1, device=device), torch.ones(1, device=device)
    return Kernel("tiny operation", functools.partial(torch.add, left, right), 1.0)


def largest_working_set(kind: str, *, last_cache_bytes: int | None, memory_bytes: int | None) -> int:
    """Bytes that are surely in memory and not in a cache: 256 MiB (1 GiB on accelerators), or four last-level caches.

    Never more than an eighth of the memory.
    """
    wanted = max(_LARGEST_BYTES.get(kind, _ACCELERATOR_LARGEST_BYTES), _CACHES_BEYOND * (last_cache_bytes or 0))
    if memory_bytes is not None:
        wanted = min(wanted, memory_bytes // _MEMORY_SHARE)
    return max(MIB, wanted // MIB * MIB)


def read_sizes(kind: str, largest_bytes: int) -> tuple[int, ...]:
    """Working sets to read, ascending: about ten steps from the first cache into memory."""
    steps = _CPU_READ_BYTES if kind == "cpu" else _ACCELERATOR_READ_BYTES
    return (*itertools.takewhile(lambda size: size < largest_bytes, steps), largest_bytes)


def size_text(size_bytes: int) -> str:
    """``16384`` -> ``16KiB``: how working sets are named in the store."""
    for step, unit in ((1 << 30, "GiB"), (MIB, "MiB"), (KIB, "KiB")):
        if size_bytes % step == 0 and size_bytes >= step:
            return f"{size_bytes // step}{unit}"
    return f"{size_bytes}B"


def parse_size(text: str) -> int:
    """Read back what `size_text` wrote. Raises ValueError."""
    for unit, step in (("KiB", KIB), ("MiB", MIB), ("GiB", 1 << 30), ("B", 1)):
        if text.endswith(unit):
            return int(text.removesuffix(unit)) * step
    raise ValueError(f"{text!r} is not a size; expected for example 16KiB.")


def native_precisions(kind: str, *, isa: tuple[str, ...], capability: tuple[int, int] | None) -> tuple[str, ...]:
    """Precisions that the device computes products in by instructions of its own, best known first.

    ``isa`` are the CPU's flags as `assay.probes.cpu` names them, ``capability`` NVIDIA's compute capability. Where
    nothing tells, only fp32 is certain, with fp16 on an accelerator. Source of the capabilities: CUDA C++ Programming
    Guide, table "Arithmetic instructions" (fp16 5.3, int8 6.1 and on tensor cores 7.5, bf16 and tf32 8.0).
    """
    return tuple(_native(kind, frozenset(isa), capability))


_ISA_OF = {
    "bf16": frozenset({"avx512_bf16", "amx_bf16", "bf16", "svebf16"}),
    "fp16": frozenset({"avx512_fp16", "amx_fp16", "fp16"}),
    "int8": frozenset({"avx512_vnni", "avx_vnni", "avx_vnni_int8", "amx_int8", "dotprod", "i8mm"}),
}
_CAPABILITY_OF = {"tf32": (8, 0), "bf16": (8, 0), "fp16": (5, 3), "int8": (7, 5)}


def _native(kind: str, isa: frozenset[str], capability: tuple[int, int] | None) -> Iterator[str]:
    yield "fp32"
    if kind == "cpu":
        yield from (precision for precision, flags in _ISA_OF.items() if flags & isa)
    elif kind == "cuda" and capability is not None:
        yield from (precision for precision, least in _CAPABILITY_OF.items() if capability >= least)
    else:
        yield "fp16"


def _dtype(precision: str) -> Any:
    import torch

    names = {"fp32": torch.float32, "tf32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
    return names[precision]
