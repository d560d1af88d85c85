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
    modes: tuple[Mode, ...] = ()
    """The modes that the option belongs to, whatever the engine; none where it is the engine's."""
    least: int = 1
    """Smallest value of a whole number."""
    changes_model: bool = False
    """True where the weights or the arithmetic differ, so that the result must be compared with the unchanged model."""

    @property
    def expected(self) -> str:
        """What a value may be, for messages."""
        if self.choices:
            return f"one of {', '.join(self.choices)}"
        return {int: f"a whole number of at least {self.least}", float: "a number above 0", str: "a text"}[self.kind]


DEFAULT_NEW_TOKENS = 32
"""Tokens of a generation that says nothing else: enough steps for a steady time per token, short on a CPU."""

_SERVING, _TRAINING, _DATA = (Mode.SERVING,), (Mode.TRAINING,), (Mode.DATA,)
_FED = (Mode.TRAINING, Mode.DATA)

OPTIONS: dict[str, Option] = {
    option.name: option
    for option in (
        Option("accumulate", "Micro-batches whose gradients are summed in one step.", kind=int, modes=_TRAINING),
        Option(
            "browser", "Web engines: chromium, chrome, edge, firefox, sparticuz, or visit for one that a person opens."
        ),
        Option("checkpointing", "Activations are computed again instead of kept.", ("off", "on"), modes=_TRAINING),
        Option("compile_cache", "Whether compiled kernels of earlier launches are used.", ("warm", "cold")),
        Option("compile_mode", "How hard torch.compile tries.", ("default", "reduce-overhead", "max-autotune")),
        Option(
            "dataset",
            "What is learned or read: a registered data set, NAME or NAME:WHERE; without it, the workload's own.",
            modes=_FED,
        ),
        Option("epochs", "Most passes over the data before a target counts as missed.", kind=int, modes=_TRAINING),
        Option("hint", "What OpenVINO is configured for.", ("latency", "throughput")),
        Option("latency_target_ms", "Server scenario: the latency that a rate must hold.", kind=float, modes=_SERVING),
        Option("learning_rate", "Peak learning rate; without it, the workload's own.", kind=float, modes=_TRAINING),
        Option("new_tokens", "Tokens that a generation makes after its prompt.", kind=int, modes=(Mode.GENERATION,)),
        Option("optimizer", "What updates the weights.", ("adamw", "sgd", "adafactor", "adamw-8bit"), modes=_TRAINING),
        Option("overlap", "Whether gradients are exchanged while others are computed.", ("on", "off"), modes=_TRAINING),
        Option("parallel_load", "Web engines: copies of the model that are loaded at once.", kind=int),
        Option("pin", "Whether batches are made in page-locked memory.", ("off", "on"), modes=_FED),
        Option("prefetch", "Batches that each loading process makes ahead.", kind=int, modes=_FED),
        Option(
            "probe_steps",
            "Contrastive: steps of training, after those that are timed, before a linear probe of the encoder.",
            kind=int,
            modes=_TRAINING,
        ),
        Option("profile", "How long a serving scenario is run.", ("assay", "mlperf-like"), modes=_SERVING),
        Option("provider", "Execution provider of ONNX Runtime, by its own name."),
        Option("prune", "Weights taken away before measuring: magnitude:0.5 or structured:0.3.", changes_model=True),
        Option(
            "quantization", "How int8 or int4 are come by.", ("dynamic", "static", "weight-only"), changes_model=True
        ),
        Option(
            "rate_per_s",
            "Server scenario: the rate of arrivals, instead of a search for the highest.",
            kind=float,
            modes=_SERVING,
        ),
        Option("ranks", "Processes that train together, each on its own batch.", kind=int, modes=_TRAINING),
        Option("samples", "Inputs that a static quantization is calibrated on.", kind=int),
        Option(
            "scenario", "How queries arrive.", ("single-stream", "multi-stream", "server", "offline"), modes=_SERVING
        ),
        Option("schedule", "How the learning rate goes.", ("constant", "linear", "cosine"), modes=_TRAINING),
        Option(
            "strategy",
            "How ranks share the work.",
            ("ddp", "fsdp2", "tensor", "pipeline"),
            modes=_TRAINING,
        ),
        Option("shader_cache", "WebGPU: whether compiled shaders of earlier launches are used.", ("cold", "warm")),
        Option("sharded", "Web engines: whether the weights come as files beside the graph.", ("off", "on")),
        Option("storage", "What samples are read from.", ("memory", "h5", "parquet", "memmap"), modes=_DATA),
        Option(
            "target", "Accuracy at which training is over: time to accuracy is measured.", kind=float, modes=_TRAINING
        ),
        Option("threads", "CPU threads that the engine may use.", kind=int),
        Option(
            "tune",
            "What is trained: all, the head only, or low-rank adapters.",
            ("full", "frozen", "lora"),
            modes=_TRAINING,
        ),
        Option("visitor", "Web engines, browser=visit: the name of the device whose browser a person opens."),
        Option("windowing", "Where windows are cut.", ("sequential", "random", "even"), modes=_DATA),
        Option("workers", "Processes that load data; 0 is the training process itself.", kind=int, modes=_FED, least=0),
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
        number = math.nan
    is_whole = option.kind is int
    if not math.isfinite(number) or (not number.is_integer() or number < option.least if is_whole else number <= 0):
        raise UsageError(f"got {value!r} for the option {name!r}, expected {option.expected}.")
    return int(number) if option.kind is int else number
