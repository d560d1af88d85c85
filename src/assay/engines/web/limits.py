"""What a page cannot hold, said before it is tried: a renderer that runs out of memory just goes away.

Only what is certain is refused here; a model that passes may still be too big for this browser. May import: core,
engines.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from assay.core.errors import UnsupportedError
from assay.core.units import format_bytes

MEMORY_BYTES = 4 << 30
"""All the memory of one WebAssembly module with 32-bit addresses: 65536 pages of 64 KiB (WebAssembly core
specification, 2.5.5). onnxruntime-web is built that way."""
BUFFER_BYTES = 2 << 30
"""The longest ArrayBuffer that Chromium allocates, and the longest message that protocol buffers parse."""
_INLINE_COPIES = 2
"""A graph with its weights inside lies in WebAssembly's memory as the file and as what is read from it."""
_INLINE_BYTES = 1_500_000_000
"""Above this the exporter writes weights beside the graph."""
_HINT = "Take a smaller size, or a precision with smaller weights."
_SHARDED_HINT = "With -o sharded=on the weights come as files beside the graph, which takes half the memory or less."


@dataclass(frozen=True, slots=True)
class ModelSize:
    """Bytes of the graph's file, of each file of weights beside it, and of the largest single weight."""

    graph: int
    beside: tuple[int, ...] = ()
    largest: int = 0

    @property
    def total(self) -> int:
        """All of it."""
        return self.graph + sum(self.beside)


def check_planned(name: str, weights: int | None, *, backend: str, is_sharded: bool) -> None:
    """Refuse by the number of weights alone, before anything is exported. Raises UnsupportedError."""
    if weights is None:
        return
    if is_sharded:
        whole, rest = divmod(weights, BUFFER_BYTES)
        check_model(name, ModelSize(0, (*[BUFFER_BYTES] * whole, rest)), backend=backend)
    elif weights > _INLINE_BYTES:
        check_model(name, ModelSize(0, (weights,)), backend=backend)
    else:
        check_model(name, ModelSize(weights), backend=backend)


def check_model(name: str, size: ModelSize, *, backend: str) -> None:
    """Refuse what no page can load: a file, or all of them. Raises UnsupportedError naming the limit."""
    for what, length in (("graph", size.graph), *(("file of weights", one) for one in size.beside)):
        if length > BUFFER_BYTES:
            raise UnsupportedError(
                f"The {what} of {name} has {format_bytes(length)}, and a page cannot hold a file "
                f"above {format_bytes(BUFFER_BYTES)} (ArrayBuffer).",
                hint=_SHARDED_HINT,
            )
    # WebGPU and WebNN take weights that lie beside the graph without a way through WebAssembly's memory.
    beside = sum(size.beside) if backend == "wasm" else 0
    needed = _INLINE_COPIES * size.graph + beside
    if needed > MEMORY_BYTES:
        raise UnsupportedError(
            f"{name} takes {format_bytes(needed)} of WebAssembly's memory while it is loaded, which has "
            f"{format_bytes(MEMORY_BYTES)} at most (32-bit addresses).",
            hint=_SHARDED_HINT if not size.beside and size.graph <= MEMORY_BYTES else _HINT,
        )


def check_adapter(name: str, largest: int, limits: Mapping[str, object]) -> None:
    """Refuse a weight that no buffer of this GPU holds. ``limits`` are the device's. Raises UnsupportedError.

    Above ``maxStorageBufferBindingSize`` the runtime binds a buffer in pieces (onnxruntime 1.24, pull request 26429),
    so that only the number of bindings limits it.
    """
    whole, binding, count = (
        _read(limits, one)
        for one in ("maxBufferSize", "maxStorageBufferBindingSize", "maxStorageBuffersPerShaderStage")
    )
    if whole is not None and largest > whole:
        _refuse_weight(name, largest, "maxBufferSize", whole)
    # An operator reads its weight and an input and writes an output: two bindings are for those.
    if binding is not None and count is not None and largest > binding * (count - 2):
        _refuse_weight(name, largest, f"{count - 2} x maxStorageBufferBindingSize", binding * (count - 2))


def _refuse_weight(name: str, largest: int, what: str, limit: int) -> None:
    raise UnsupportedError(
        f"A weight of {name} has {format_bytes(largest)}, and a buffer of this GPU {format_bytes(limit)} ({what}).",
        hint=_HINT,
    )


def _read(limits: Mapping[str, object], name: str) -> int | None:
    value = limits.get(name)
    return int(value) if isinstance(value, (int, float)) and not isinstance(value, bool) and value > 0 else None


def sizes_of(lengths: Sequence[int], largest: int) -> ModelSize:
    """Make a size of file lengths, the graph's first."""
    return ModelSize(lengths[0], tuple(lengths[1:]), largest)
