"""The inputs that a model file asks for, and how they become inputs assay can make: named dimensions, fills, a batch.

A file says only shapes and types. Which dimension is the batch, which is a length and which values are valid is
guessed here, by rules that docs/files.md lists. May import: core, workloads.base.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from assay.core.errors import WorkloadError
from assay.workloads.base import Fill, InputSpec

BATCH = "batch"
MAX_INPUTS = 1000
MAX_RANK = 16

_FLOATS = frozenset({"float16", "float32", "float64"})
_INTEGERS = frozenset({"int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"})
DTYPES = _FLOATS | _INTEGERS | {"bool"}
"""What inputs may be, in numpy's words."""

_FLAG_NAMES = ("mask", "token_type", "segment")
"""Integer inputs with such names hold 0 or 1."""
_MOST_TOKENS = 100
"""Token ids stay below this: low enough for any vocabulary."""
_LENGTH_NAMES = ("seq", "len", "token", "text")
_SIDE_NAMES = ("height", "width", "image", "pixel")
_DEFAULT_LENGTH = 128
_DEFAULT_SIDE = 224
_MOST_CHANNELS = 4
_SUM_OF_PRODUCTS = re.compile(r"\s*([^\W\d]\w*|\d+)\s*([*+]\s*([^\W\d]\w*|\d+)\s*)*")
_WORD = re.compile(r"\w+")
_MEANINGLESS = re.compile(r"([su]|unk|dim|dyn|d)_*\d*|dynamic_axes_\d+|unknown\w*|None|\?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Dimension:
    """One dimension of an input: ``size`` where the file fixes it, else what it says of it.

    ``symbol`` is the file's name or expression (``seq``, ``2*seq``), empty where it has none; ``lo`` and ``hi`` bound
    what it takes.
    """

    size: int | None
    symbol: str = ""
    lo: int = 1
    hi: int | None = None


@dataclass(frozen=True, slots=True)
class FileInput:
    """One input as the file declares it; ``dtype`` is numpy's word, or the file's own where numpy has none."""

    name: str
    dtype: str
    dims: tuple[Dimension, ...]


@dataclass(frozen=True, slots=True)
class FileSignature:
    """What a reader finds in a file: its inputs in order, and the bytes of the model with its weights."""

    inputs: tuple[FileInput, ...]
    weight_bytes: int


@dataclass(frozen=True, slots=True)
class BatchRange:
    """The batch sizes a file takes. ``hi`` is None where there is no limit."""

    lo: int
    hi: int | None

    def holds(self, batch: int) -> bool:
        """True for a batch that the file takes."""
        return self.lo <= batch and (self.hi is None or batch <= self.hi)

    @property
    def is_fixed(self) -> bool:
        """True where there is one size only."""
        return self.lo == self.hi


@dataclass(frozen=True, slots=True)
class MadeInputs:
    """Specifications that `assay.workloads.inputs` can fill, default sizes of free dimensions, and the batch."""

    specs: tuple[InputSpec, ...]
    shape: Mapping[str, int]
    batch: BatchRange


def make_specs(ref: str, inputs: Sequence[FileInput]) -> MadeInputs:
    """Turn a file's declarations into specifications. Raises WorkloadError for inputs that assay cannot make."""
    _refuse_unusable(ref, inputs)
    names = _Names(inputs)
    specs = tuple(
        InputSpec(one.name, tuple(names.of(index, axis) for axis in range(len(one.dims))), one.dtype, *_fill(one))
        for index, one in enumerate(inputs)
    )
    return MadeInputs(specs, names.shape, names.batch)


def _refuse_unusable(ref: str, inputs: Sequence[FileInput]) -> None:
    if not inputs:
        raise WorkloadError(f"{ref!r} cannot be a workload: its graph has no inputs.")
    if len(inputs) > MAX_INPUTS:
        raise WorkloadError(f"{ref!r} cannot be a workload: got {len(inputs)} inputs, expected at most {MAX_INPUTS}.")
    for one in inputs:
        if one.dtype not in DTYPES:
            raise WorkloadError(
                f"{ref!r} cannot be a workload: its input {one.name!r} is {one.dtype}, expected one of "
                f"{', '.join(sorted(DTYPES))}.",
                hint="A factory module:function can make any input: it returns (module, inputs).",
            )
        if len(one.dims) > MAX_RANK:
            raise WorkloadError(f"{ref!r} cannot be a workload: its input {one.name!r} has {len(one.dims)} dimensions.")


def _fill(one: FileInput) -> tuple[Fill, int, int]:
    """How values are made, with their bounds."""
    if not one.dims:
        return Fill.ONES, 0, 1
    if one.dtype in _FLOATS:
        return Fill.NORMAL, 0, 1
    is_flag = one.dtype == "bool" or any(word in one.name.lower() for word in _FLAG_NAMES)
    return Fill.TOKENS, 0, 2 if is_flag else _MOST_TOKENS


@dataclass(slots=True)
class _Names:
    """Names for every free dimension of a file's inputs, found once."""

    inputs: Sequence[FileInput]
    batch: BatchRange = field(init=False)
    shape: dict[str, int] = field(init=False, default_factory=dict)
    _by_symbol: dict[str, str] = field(init=False, default_factory=dict)
    _fixed: int | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        leading = [one.dims[0] for one in self.inputs if one.dims and _leads_batch(one.dims[0])]
        for one in leading:
            if one.symbol:
                self._by_symbol[one.symbol] = BATCH
        if leading:
            limits = [one.hi for one in leading if one.hi is not None]
            self.batch = BatchRange(max(1, *(one.lo for one in leading)), min(limits, default=None))
        else:
            first = next((one.dims[0].size for one in self.inputs if one.dims), None)
            self._fixed = first
            self.batch = BatchRange(first or 1, first or 1)
        for index, axis, dim in self._free():
            self._settle(index, axis, dim)

    def of(self, index: int, axis: int) -> int | str:
        """The size of one dimension as an ``InputSpec`` says it."""
        dim = self.inputs[index].dims[axis]
        if dim.size is not None:
            # Said by name, so that a batch the file was not made for is an error of the runtime and never ignored.
            return BATCH if axis == 0 and dim.size == self._fixed else dim.size
        if axis == 0 and _leads_batch(dim):
            return BATCH
        return self._settle(index, axis, dim)

    def _free(self) -> Iterator[tuple[int, int, Dimension]]:
        """Every dimension that needs a name, plain symbols first: an expression may be made of them."""
        found = [
            (index, axis, dim)
            for index, one in enumerate(self.inputs)
            for axis, dim in enumerate(one.dims)
            if dim.size is None and not (axis == 0 and _leads_batch(dim))
        ]
        return iter(sorted(found, key=lambda one: not one[2].symbol.isidentifier()))

    def _settle(self, index: int, axis: int, dim: Dimension) -> str:
        if not dim.symbol:
            return self._keep(_name_by_place(self.inputs[index], axis), dim)
        if dim.symbol in self._by_symbol:
            return self._by_symbol[dim.symbol]
        if not dim.symbol.isidentifier() and _SUM_OF_PRODUCTS.fullmatch(dim.symbol):
            name = self._name_expression(index, axis, dim.symbol)
        elif _MEANINGLESS.fullmatch(dim.symbol):
            name = self._keep(_name_by_place(self.inputs[index], axis), dim)
        else:
            name = self._keep(self._unused(_identifier(dim.symbol)), dim)
        self._by_symbol[dim.symbol] = name
        return name

    def _name_expression(self, index: int, axis: int, symbol: str) -> str:
        """``2*seq`` in terms of named dimensions."""

        def rename(match: re.Match[str]) -> str:
            word = match[0]
            return word if word.isdecimal() else self._settle(index, axis, Dimension(None, word))

        return _WORD.sub(rename, symbol).replace(" ", "")

    def _keep(self, name: str, dim: Dimension) -> str:
        if name != BATCH and name not in self.shape:
            self.shape[name] = _default_size(name, dim)
        return name

    def _unused(self, name: str) -> str:
        taken = {*self._by_symbol.values(), BATCH}
        suffixes = ("", *(f"_{count}" for count in range(2, MAX_INPUTS * MAX_RANK)))
        return next(name + suffix for suffix in suffixes if name + suffix not in taken)


def _leads_batch(dim: Dimension) -> bool:
    """A free first dimension is the batch, unless its name says that it is something else."""
    name = dim.symbol.lower()
    return dim.size is None and not any(word in name for word in (*_LENGTH_NAMES, *_SIDE_NAMES))


def _name_by_place(one: FileInput, axis: int) -> str:
    """Guess what an unnamed dimension is by where it stands: images have sides, sequences a length."""
    rank = len(one.dims)
    if rank == 4:  # noqa: PLR2004  (batch, channels, height, width; or channels last)
        last = one.dims[3].size
        sides = (1, 2) if last is not None and last <= _MOST_CHANNELS and one.dims[1].size is None else (2, 3)
        if axis in sides:
            return ("height", "width")[sides.index(axis)]
    is_row_of_tokens = rank == 2 and one.dtype not in _FLOATS  # noqa: PLR2004  (batch, length)
    is_embedded = rank == 3 and one.dims[2].size is not None  # noqa: PLR2004  (batch, length, features)
    if axis == 1 and (is_row_of_tokens or is_embedded):
        return "seq"
    return f"{_identifier(one.name)}_{axis}"


def _identifier(name: str) -> str:
    word = re.sub(r"\W+", "_", name).strip("_") or "dim"
    return f"dim_{word}" if word[0].isdecimal() else word


def _default_size(name: str, dim: Dimension) -> int:
    lowered = name.lower()
    if any(word in lowered for word in _LENGTH_NAMES):
        size = _DEFAULT_LENGTH
    elif any(word in lowered for word in _SIDE_NAMES):
        size = _DEFAULT_SIDE
    else:
        size = 1
    size = max(size, dim.lo)
    return size if dim.hi is None else min(size, dim.hi)
