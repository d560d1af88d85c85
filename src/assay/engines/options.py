"""Case options: what else changes the computation, or how it is run, beside precision, batch and shape.

A case's options are part of its identity, so each has a closed meaning here, and an engine names those it
understands. May import: core.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from assay.core.case import Scalar
from assay.core.errors import UnknownNameError, UsageError
from assay.core.words import Mode


@dataclass(frozen=True, slots=True)
class Option:
    """One option: what it means, and its values: the ``choices``, else anything of ``kind``."""

    name: str
    description: str
    choices: tuple[str, ...] = ()
    kind: type[int | float | str] = str
    mode: Mode | None = None
    """The mode that the option belongs to, whatever the engine; None where it is the engine's."""
    changes_model: bool = False
    """True where the weights or the arithmetic differ, so that the result must be compared with the unchanged model."""

    @property
    def expected(self) -> str:
        """What a value may be, for messages."""
        if self.choices:
            return f"one of {', '.join(self.choices)}"
        return {int: "a whole number of at least 1", float: "a number above 0", str: "a text"}[self.kind]


DEFAULT_NEW_TOKENS = 32
"""Tokens of a generation that says nothing else: enough steps for a steady time per token, short on a CPU."""

OPTIONS: dict[str, Option] = {
    option.name: option
    for option in (
        Option("compile_cache", "Whether compiled kernels of earlier launches are used.", ("warm", "cold")),
        Option("compile_mode", "How hard torch.compile tries.", ("default", "reduce-overhead", "max-autotune")),
        Option("hint", "What OpenVINO is configured for.", ("latency", "throughput")),
        Option(
            "latency_target_ms", "Server scenario: the latency that a rate must hold.", kind=float, mode=Mode.SERVING
        ),
        Option("new_tokens", "Tokens that a generation makes after its prompt.", kind=int, mode=Mode.GENERATION),
        Option("profile", "How long a serving scenario is run.", ("assay", "mlperf-like"), mode=Mode.SERVING),
        Option("provider", "Execution provider of ONNX Runtime, by its own name."),
        Option("prune", "Weights taken away before measuring: magnitude:0.5 or structured:0.3.", changes_model=True),
        Option(
            "quantization", "How int8 or int4 are come by.", ("dynamic", "static", "weight-only"), changes_model=True
        ),
        Option(
            "rate_per_s",
            "Server scenario: the rate of arrivals, instead of a search for the highest.",
            kind=float,
            mode=Mode.SERVING,
        ),
        Option("samples", "Inputs that a static quantization is calibrated on.", kind=int),
        Option(
            "scenario", "How queries arrive.", ("single-stream", "multi-stream", "server", "offline"), mode=Mode.SERVING
        ),
        Option("threads", "CPU threads that the engine may use.", kind=int),
    )
}


def read_option(name: str, value: object) -> Scalar:
    """Check one option and its value. Raises UnknownNameError or UsageError saying what is expected."""
    option = OPTIONS.get(name)
    if option is None:
        raise UnknownNameError("option", name, OPTIONS)
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise UsageError(f"got {value!r} for the option {name!r}, expected {option.expected}.")
    if option.choices:
        if value not in option.choices:
            raise UsageError(f"got {value!r} for the option {name!r}, expected {option.expected}.")
        return value
    if option.kind is str:
        if not isinstance(value, str) or not value or not value.isprintable():
            raise UsageError(f"got {value!r} for the option {name!r}, expected {option.expected}.")
        if name == "prune":
            from assay.workloads.prune import parse_prune

            parse_prune(value)
        return value
    try:
        number = float(value)
    except ValueError:
        number = 0.0
    if not 0 < number < math.inf or (option.kind is int and not number.is_integer()):
        raise UsageError(f"got {value!r} for the option {name!r}, expected {option.expected}.")
    return int(number) if option.kind is int else number
