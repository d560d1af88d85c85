"""The page's answers beside those of the native runtime: the same model file, the same inputs, in this process.

Fidelity holds a case against float32 PyTorch, so it has the export's own error in it. What a browser adds is told by
this second number alone. It decides nothing. Made after all timing, since the native runtime has threads of its own.
May import: core, probes, stats, engines.web; onnxruntime and numpy inside functions.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.core.absence import installed_version
from assay.core.errors import AssayError
from assay.core.records import MetricValue
from assay.core.units import format_bytes

if TYPE_CHECKING:
    from numpy.typing import NDArray

ERROR_VS_NATIVE = "error_vs_native"
"""Largest difference of an output, relative to the largest magnitude of the native runtime's."""
_LOG_ERRORS_ONLY = 3
_COPIES = 2
"""Of the weights, in the file and in the session, and activations beside them."""

Outputs = Sequence["NDArray[Any]"]


@dataclass(slots=True)
class Answers:
    """What the page answered last, kept for what is asked of it after all timing.

    ``bring`` lets the page make one call and returns its outputs in the graph's order.
    """

    bring: Callable[[], Outputs]
    last: Outputs | None = field(default=None)

    def take(self) -> Outputs:
        """Let the page make one call, and keep what it answers."""
        self.last = self.bring()
        return self.last


def compare_with_native(
    answers: Answers, file: Path, feeds: Mapping[str, NDArray[Any]], *, size: int, threads: int
) -> tuple[MetricValue, ...]:
    """Return ``error_vs_native``; None with its reason where the native runtime cannot say.

    ``file`` is the model's, whose weights may lie beside it, ``size`` the bytes of all of it. Never raises for what the
    native runtime cannot do; EngineError where the page is gone.
    """
    ours = answers.last if answers.last is not None else answers.take()
    value, reason = None, _absence(size)
    if reason is None:
        try:
            value = _relative_error(run_natively(file, feeds, threads=threads), ours)
        except Exception as error:  # noqa: BLE001  (the runtime raises classes of its own, for each thing it cannot do)
            reason = f"the native runtime did not run this file: {_first_line(error)}"
        if value is not None and not math.isfinite(value):
            value, reason = None, "the page's outputs hold NaN or infinities that the native runtime's have not"
    return (MetricValue(ERROR_VS_NATIVE, value, "1", reason=reason),)


def run_natively(file: Path, feeds: Mapping[str, NDArray[Any]], *, threads: int) -> Outputs:
    """Run an ONNX file once on the CPU with ONNX Runtime's usual options; its outputs, in the graph's order."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = _LOG_ERRORS_ONLY
    session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    outputs: Outputs = session.run(None, dict(feeds))
    return outputs


def native_facts() -> dict[str, str]:
    """Which native runtime the answers are held against; nothing where there is none."""
    version = installed_version("onnxruntime")
    return {} if version is None else {"native_runtime": f"onnxruntime {version}"}


def _absence(size: int) -> str | None:
    """Why there is nothing to compare with; None where there may be."""
    import importlib.util

    from assay.probes.memory import available_memory_bytes

    if importlib.util.find_spec("onnxruntime") is None:
        return "onnxruntime is not installed here, so there is no native answer: pip install 'assay[onnx]'"
    needed, available = _COPIES * size, available_memory_bytes()
    if available is not None and needed > available:
        return f"the native runtime needs {format_bytes(needed)} for this model, {format_bytes(available)} are free"
    return None


def _relative_error(expected: Outputs, got: Outputs) -> float:
    from assay.stats.fidelity import compare_outputs

    return compare_outputs(_widen(expected), _widen(got)).max_relative_error


def _widen(outputs: Outputs) -> Outputs:
    import numpy as np

    return [array.astype(np.float32) if np.issubdtype(array.dtype, np.floating) else array for array in outputs]


def _first_line(error: Exception) -> str:
    text = error.message if isinstance(error, AssayError) else str(error)
    return (text.strip().splitlines() or [type(error).__name__])[0][:200]
