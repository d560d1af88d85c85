"""Read the inputs of an OpenVINO IR: its XML is streamed, and only ``Parameter`` layers are looked at.

No openvino, no tree in memory, no document types (which could expand without end). May import: core, workloads.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from xml.parsers import expat

from assay.core.errors import WorkloadError
from assay.workloads.signatures import MAX_RANK, Dimension, FileInput, FileSignature

MAX_BYTES = 256 * 1024 * 1024
_DTYPES = {
    "f64": "float64", "f32": "float32", "f16": "float16", "bf16": "bfloat16", "boolean": "bool",
    "i8": "int8", "i16": "int16", "i32": "int32", "i64": "int64",
    "u8": "uint8", "u16": "uint16", "u32": "uint32", "u64": "uint64",
}  # fmt: skip
_INTERVAL = re.compile(r"(\d*)\.\.(\d*)")
_UNESCAPED_COMMA = re.compile(r"(?<!\\),")


def read_openvino_signature(ref: str, path: Path) -> FileSignature:
    """Return the inputs of the model in order, and the bytes of both of its files.

    Raises WorkloadError for what is no IR, is cut short, or lacks its ``.bin``.
    """
    weights = path.with_suffix(".bin")
    if not weights.is_file():
        raise WorkloadError(
            f"{ref!r} is not whole: {weights.name!r} is not beside it.",
            hint="An OpenVINO model is an .xml and a .bin; openvino.save_model writes both.",
        )
    try:
        inputs = _Reader().read(path)
    except (OSError, ValueError, expat.ExpatError) as error:
        raise WorkloadError(
            f"{ref!r} is not an OpenVINO model: {error}.", hint="Expected what openvino.save_model writes."
        ) from error
    return FileSignature(inputs, path.stat().st_size + weights.stat().st_size)


@dataclass(slots=True)
class _Reader:
    """What the stream has said so far."""

    depth: int = 0
    found: list[FileInput] = field(default_factory=list)
    is_parameter: bool = False
    name: str = ""
    shape: str | None = None
    dtype: str = ""

    def read(self, path: Path) -> tuple[FileInput, ...]:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise ValueError(f"it has {size} bytes, expected at most {MAX_BYTES}")
        parser = expat.ParserCreate()
        parser.StartElementHandler = self._begin
        parser.EndElementHandler = self._end
        parser.StartDoctypeDeclHandler = _refuse_doctype
        with path.open("rb") as file:
            parser.ParseFile(file)
        return tuple(self.found)

    def _begin(self, tag: str, given: dict[str, str]) -> None:
        self.depth += 1
        if self.depth == 1 and (tag != "net" or "version" not in given):
            raise ValueError(f"its outermost element is <{tag}>, expected <net version=...>")
        # Bodies of loops hold layers of the same kind, deeper down; the model's own are <net><layers><layer>.
        if tag == "layer" and self.depth == 3:  # noqa: PLR2004
            self.is_parameter = given.get("type") == "Parameter"
            self.name, self.shape, self.dtype = given.get("name", ""), None, ""
        elif self.is_parameter and tag == "data":
            self.shape, self.dtype = given.get("shape"), given.get("element_type", "")
        elif self.is_parameter and tag == "port" and given.get("names"):
            self.name = _UNESCAPED_COMMA.split(given["names"])[0].replace("\\,", ",")

    def _end(self, tag: str) -> None:
        if tag == "layer" and self.depth == 3 and self.is_parameter:  # noqa: PLR2004
            self.is_parameter = False
            if self.shape is None:
                raise ValueError(f"its input {self.name!r} has no shape")
            dtype = _DTYPES.get(self.dtype, f"of type {self.dtype!r}")
            self.found.append(FileInput(self.name, dtype, _read_shape(self.shape, self.name)))
        self.depth -= 1


def _refuse_doctype(*_declaration: object) -> None:
    raise ValueError("it declares a document type, which no IR does")


def _read_shape(text: str, name: str) -> tuple[Dimension, ...]:
    """``?,3,224,1..512``: any size, a size, bounds."""
    parts = [part.strip() for part in text.split(",")] if text.strip() else []
    if len(parts) > MAX_RANK or "..." in parts:
        raise ValueError(f"its input {name!r} has the shape {text[:80]!r}, expected a known number of dimensions")
    return tuple(_read_dim(part, name) for part in parts)


def _read_dim(part: str, name: str) -> Dimension:
    if part in {"?", "-1"}:
        return Dimension(None)
    if part.isdecimal() and int(part) > 0:
        return Dimension(int(part))
    bounds = _INTERVAL.fullmatch(part)
    if bounds is None:
        raise ValueError(f"its input {name!r} has a dimension {part[:80]!r}")
    lo, hi = bounds.groups()
    return Dimension(None, lo=max(1, int(lo or 1)), hi=int(hi) if hi else None)
