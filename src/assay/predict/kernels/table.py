"""Kernels as columns: what each computes and moves, on which device, and how long it took where that was measured.

A quarter of a million published timings are learned from, so they stay arrays. May import: core, predict.base,
predict.devices, catalog; numpy and pyarrow inside functions.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.core.errors import AssayError
from assay.predict.base import DataUse, ExampleSource, Gathered
from assay.predict.devices import find_profile
from assay.predict.values import DeviceProfile

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

FOLDER = "neusight"
_FILE = "kernels.parquet"
FAMILIES = ("linear", "bmm", "elementwise", "softmax", "norm")
"""Kinds of kernels with a law of their own: products with one matrix, many at once, and three that only move."""
PRODUCTS = ("linear", "bmm")
_FAMILY_OF = {"linear": "linear", "bmm": "bmm", "softmax": "softmax", "ln": "norm"} | dict.fromkeys(
    ("add", "addu", "div", "divu", "mul", "mulu", "pow", "powu", "gelu", "relu", "tanh"), "elementwise"
)
_OPERANDS = dict.fromkeys(("add", "div", "mul", "pow"), 3)
"""Two are read and one is written; the others read one."""
BYTES = 4
"""All of the published kernels compute in fp32."""
_LEFT_OUT = "conv"


@dataclass(frozen=True, slots=True)
class Kernels:
    """Kernels in fp32, (n,) each; no device yet.

    ``family`` is one of ``FAMILIES``. Products are ``batch`` times (m x k) by (k x n). The others have ``m`` rows of
    ``n`` numbers, batch 1, k 0. ``moved_bytes``: each operand and the outcome once.
    """

    family: Array
    batch: Array
    m: Array
    n: Array
    k: Array
    moved_bytes: Array

    def __len__(self) -> int:
        return len(self.family)

    @property
    def flops(self) -> Array:
        """Floating point operations of products, 0 for the rest."""
        return 2 * self.batch * self.m * self.n * self.k

    def take(self, places: Array) -> Kernels:
        """Those at ``places`` (numbers or a mask)."""
        return Kernels(*(getattr(self, name)[places] for name in ("family", "batch", "m", "n", "k", "moved_bytes")))


@dataclass(frozen=True, slots=True)
class KernelTable(Sequence[str]):
    """Timed kernels. As a sequence it is one word a row, so that rows can be counted.

    ``latency_ns`` and ``device`` (n,): which of ``profiles`` it ran on; ``part`` is ``train`` or ``test``, as
    published: at random, or the shapes of language models.
    """

    kernels: Kernels
    latency_ns: Array
    device: Array
    part: Array
    profiles: Mapping[str, DeviceProfile]

    def __len__(self) -> int:
        return len(self.kernels)

    def __getitem__(self, place: Any) -> Any:
        return self.kernels.family[place]

    def take(self, places: Array) -> KernelTable:
        """Those at ``places`` (numbers or a mask)."""
        return replace(
            self, kernels=self.kernels.take(places), latency_ns=self.latency_ns[places], device=self.device[places],
            part=self.part[places],
        )  # fmt: skip


def gather_kernels(source: ExampleSource) -> Gathered:
    """Read the timings of a folder ``neusight``; nothing without it. AMD's lack most products, so they are left out."""
    folder = source.find(FOLDER)
    if folder is None:
        return Gathered((), (), (f"no folder {FOLDER} was given",))
    path = folder / _FILE
    table, notes = read_kernels(path)
    use = DataUse(FOLDER, len(table), hashlib.sha256(path.read_bytes()).hexdigest(), "MIT")
    return Gathered(table, (use,), notes)


def read_kernels(path: Path) -> tuple[KernelTable, tuple[str, ...]]:
    """Read the file of kernels. Raises AssayError where it is none, or a column is missing."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = ["OPName", "Latency", "Device", "vendor", "split", "B", "H", "M", "N", "K"]
    try:
        read = pq.read_table(path, columns=columns).to_pydict()
    except (OSError, pa.ArrowInvalid, KeyError) as error:
        raise AssayError(
            f"The kernels could not be read from {path}: {error}", hint=f"Expected columns: {', '.join(columns)}"
        ) from error
    ops = np.array(read["OPName"], dtype=object)
    vendor = np.array(read["vendor"], dtype=object)
    latency = np.array(read["Latency"], dtype=np.float64) * 1e6
    known = (vendor == "nvidia") & np.isin(ops, list(_FAMILY_OF)) & np.isfinite(latency) & (latency > 0)
    left_out = {
        "rows of other makers": int((vendor != "nvidia").sum()),
        f"rows of {_LEFT_OUT}": int(((vendor == "nvidia") & (ops == _LEFT_OUT)).sum()),
    }
    sizes = {name: np.array(read[name], dtype=np.float64)[known] for name in ("B", "H", "M", "N", "K")}
    ops = ops[known]
    is_product = np.isin(ops, PRODUCTS)
    operands = np.array([_OPERANDS.get(op, 2) for op in ops], dtype=np.float64)
    kernels = make_kernels(
        np.array([_FAMILY_OF[op] for op in ops], dtype=object),
        np.where(is_product, sizes["B"], 1.0),
        np.where(is_product, sizes["M"], sizes["B"]),
        np.where(is_product, sizes["N"], sizes["H"]),
        np.where(is_product, sizes["K"], 0.0),
        operands,
    )
    device = np.array(read["Device"], dtype=object)[known]
    table = KernelTable(
        kernels, latency[known], device, np.array(read["split"], dtype=object)[known],
        {str(name): find_profile(str(name)) for name in sorted(set(device))},
    )  # fmt: skip
    return table, tuple(f"{count} {what} are left out" for what, count in left_out.items() if count)


def make_kernels(family: Array, batch: Array, m: Array, n: Array, k: Array, operands: Array) -> Kernels:
    """Make columns from sizes; ``operands`` counts what the ones that only move read and write."""
    import numpy as np

    moved = np.where(k > 0, batch * (m * k + k * n + m * n), operands * m * n)
    return Kernels(family, batch, m, n, k, BYTES * moved)
