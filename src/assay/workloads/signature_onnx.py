"""Read the inputs of an ONNX file: its protocol buffer is walked where it lies, and weights are stepped over.

The package ``onnx`` would read gigabytes of weights into memory to say three names, in every worker; and who runs
ONNX Runtime need not have it. Field numbers are those of onnx/onnx.proto3 (ONNX IR, https://onnx.ai); the wire format
is https://protobuf.dev/programming-guides/encoding. A test holds this to ``onnx`` itself. May import: core,
workloads.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from assay.core.errors import WorkloadError
from assay.workloads.signatures import MAX_RANK, Dimension, FileInput, FileSignature

_MODEL_IR_VERSION, _MODEL_GRAPH = 1, 7
_GRAPH_INITIALIZER, _GRAPH_INPUT = 5, 11
_VALUE_NAME, _VALUE_TYPE = 1, 2
_TYPE_TENSOR = 1
_TYPE_KINDS = {4: "a sequence", 5: "a map", 7: "an opaque value", 8: "a sparse tensor", 9: "an optional value"}
_TENSOR_TYPE_ELEMENT, _TENSOR_TYPE_SHAPE = 1, 2
_SHAPE_DIM = 1
_DIM_VALUE, _DIM_PARAM = 1, 2
_TENSOR_NAME, _TENSOR_EXTERNAL = 8, 13
_ENTRY_KEY, _ENTRY_VALUE = 1, 2
_ELEMENTS = {
    1: "float32", 2: "uint8", 3: "int8", 4: "uint16", 5: "int16", 6: "int32", 7: "int64", 8: "string", 9: "bool",
    10: "float16", 11: "float64", 12: "uint32", 13: "uint64", 14: "complex64", 15: "complex128", 16: "bfloat16",
}  # fmt: skip
_LONGEST_TEXT = 64 * 1024
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_MOST_VARINT_BYTES = 10

_Span = tuple[int, int]


def read_onnx_signature(ref: str, path: Path) -> FileSignature:
    """Return the inputs that the graph asks for, and the bytes of the file and of the weights beside it.

    Raises WorkloadError for what is no ONNX model, is cut short, or lacks its weights.
    """
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            graph = _read_graph(data)
    except (OSError, ValueError, RecursionError) as error:
        raise WorkloadError(
            f"{ref!r} is not an ONNX model: {error}.", hint="Expected what torch.onnx.export or onnx.save writes."
        ) from error
    inputs = tuple(one for one in graph.inputs if one.name not in graph.initializers)
    return FileSignature(inputs, path.stat().st_size + sum(_external_sizes(ref, path, graph.locations)))


@dataclass(slots=True)
class _Graph:
    inputs: list[FileInput] = field(default_factory=list)
    initializers: set[str] = field(default_factory=set)
    locations: set[str] = field(default_factory=set)


def _read_graph(data: mmap.mmap) -> _Graph:
    spans: list[_Span] = []
    versions: list[int] = []
    for number, value in _fields(data, (0, len(data))):
        if number == _MODEL_GRAPH and isinstance(value, tuple):
            spans.append(value)
        elif number == _MODEL_IR_VERSION and isinstance(value, int):
            versions.append(value)
    if not spans or not versions:
        raise ValueError("it has no graph" if versions else "it does not begin as one")
    graph = _Graph()
    for number, value in _fields(data, spans[-1]):
        if number == _GRAPH_INPUT and isinstance(value, tuple):
            graph.inputs.append(_read_input(data, value))
        elif number == _GRAPH_INITIALIZER and isinstance(value, tuple):
            _read_initializer(data, value, graph)
    return graph


def _read_input(data: mmap.mmap, span: _Span) -> FileInput:
    name, dtype, dims = "", "of no type", None
    for number, value in _fields(data, span):
        if number == _VALUE_NAME:
            name = _text(data, value)
        elif number == _VALUE_TYPE and isinstance(value, tuple):
            for kind, inner in _fields(data, value):
                if kind == _TYPE_TENSOR and isinstance(inner, tuple):
                    dtype, dims = _read_tensor_type(data, inner)
                elif kind in _TYPE_KINDS:
                    dtype, dims = _TYPE_KINDS[kind], ()
    if dims is None:
        raise ValueError(f"its input {name!r} has no shape; add one with onnx.shape_inference or export it anew")
    return FileInput(name, dtype, dims)


def _read_tensor_type(data: mmap.mmap, span: _Span) -> tuple[str, tuple[Dimension, ...] | None]:
    dtype, dims = "of no type", None
    for number, value in _fields(data, span):
        if number == _TENSOR_TYPE_ELEMENT and isinstance(value, int):
            dtype = _ELEMENTS.get(value, f"of ONNX type {value}")
        elif number == _TENSOR_TYPE_SHAPE and isinstance(value, tuple):
            found = [_read_dim(data, inner) for kind, inner in _fields(data, value) if kind == _SHAPE_DIM]
            if len(found) > MAX_RANK:
                raise ValueError(f"an input has {len(found)} dimensions")
            dims = tuple(found)
    return dtype, dims


def _read_dim(data: mmap.mmap, span: int | _Span) -> Dimension:
    size, symbol = None, ""
    for number, value in _fields(data, _as_span(span)):
        if number == _DIM_VALUE and isinstance(value, int):
            size = value if 0 < value < 1 << 63 else None  # some exporters write 0 or -1 for "any"
        elif number == _DIM_PARAM:
            symbol = _text(data, value)
    return Dimension(size, symbol)


def _read_initializer(data: mmap.mmap, span: _Span, graph: _Graph) -> None:
    for number, value in _fields(data, span):
        if number == _TENSOR_NAME:
            graph.initializers.add(_text(data, value))
        elif number == _TENSOR_EXTERNAL:
            entry = {kind: _text(data, inner) for kind, inner in _fields(data, _as_span(value))}
            if entry.get(_ENTRY_KEY) == "location":
                graph.locations.add(entry.get(_ENTRY_VALUE, ""))


def _external_sizes(ref: str, path: Path, locations: set[str]) -> Iterator[int]:
    for location in sorted(locations):
        place = PurePosixPath(location)
        if place.is_absolute() or ".." in place.parts or not location:
            raise WorkloadError(f"{ref!r} is refused: its weights are said to lie in {location!r}, outside its folder.")
        beside = path.parent / place
        if not beside.is_file():
            raise WorkloadError(
                f"{ref!r} is not whole: its weights are in {location!r}, which is not beside it.",
                hint="Keep both files in one folder.",
            )
        yield beside.stat().st_size


# -- the wire format -------------------------------------------------------------------------------------------


def _fields(data: mmap.mmap, span: _Span) -> Iterator[tuple[int, int | _Span]]:
    """Every field of one message: its number, with its integer or the span of its bytes. Raises ValueError."""
    position, end = span
    while position < end:
        key, position = _varint(data, position, end)
        number, wire = key >> 3, key & 7
        if number == 0:
            raise ValueError(f"byte {position} begins no field")
        if wire == _VARINT:
            value, position = _varint(data, position, end)
            yield number, value
            continue
        if wire == _BYTES:
            length, position = _varint(data, position, end)
        elif wire in {_FIXED32, _FIXED64}:
            length = 4 if wire == _FIXED32 else 8
        else:
            raise ValueError(f"byte {position} begins no field")
        if length > end - position:
            raise ValueError(f"it is cut short: {length} bytes were announced and {end - position} are left")
        if wire == _BYTES:
            yield number, (position, position + length)
        position += length


def _varint(data: mmap.mmap, position: int, end: int) -> tuple[int, int]:
    value = 0
    for count in range(_MOST_VARINT_BYTES):
        if position >= end:
            raise ValueError("it is cut short")
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << (7 * count)
        if byte < 0x80:  # noqa: PLR2004  (the highest bit says that more follows)
            return value, position
    raise ValueError(f"byte {position} ends no number")


def _as_span(value: int | _Span) -> _Span:
    if isinstance(value, int):
        raise ValueError("a number stands where a message should")  # noqa: TRY004  (the data is wrong, not a type)
    return value


def _text(data: mmap.mmap, value: int | _Span) -> str:
    begin, end = _as_span(value)
    if end - begin > _LONGEST_TEXT:
        raise ValueError(f"a name in it is {end - begin} bytes long")
    return data[begin:end].decode("utf-8")
