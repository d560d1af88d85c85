"""Watch a step on the meta device and note every kernel with its sizes. Imports torch: import it lazily.

Routing by values is what the meta device cannot follow: a mixture's experts each get as many rows as their capacity
allows, as the published tables were measured. May import: core,
artefacts, workloads, predict.kernels; torch, transformers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from assay.artefacts.onnx_files import quiet_logging
from assay.core.errors import AssayError
from assay.predict.kernels.models import Step
from assay.predict.kernels.table import BYTES, Kernels, make_kernels
from assay.workloads._cost_torch import CostCounter, move_to_meta

_SOFTMAX = ("_softmax", "_log_softmax", "_softmax_backward_data", "_log_softmax_backward_data", "_safe_softmax")
_NORM = ("native_layer_norm", "native_layer_norm_backward")
_ADDED = {"addmm": 1, "baddbmm": 1}
"""Products whose first argument is what they are added to."""


class KernelRecorder(CostCounter):
    """Counts as its parent does, and notes sizes: family, batch, m, n, k, moved elements."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[tuple[str, float, float, float, float, float]] = []

    def _add(
        self, op_class: str, finer: str, name: str, tensors: list[torch.Tensor], args: Any, outputs: list[torch.Tensor]
    ) -> None:
        before = self.work[finer]
        super()._add(op_class, finer, name, tensors, args, outputs)
        after = self.work[finer]
        moved: float = (after.elements_read - before.elements_read) + (after.elements_written - before.elements_written)
        moved += (
            after.other_bytes_read - before.other_bytes_read + after.other_bytes_written - before.other_bytes_written
        ) / BYTES
        if name in ("mm", "addmm", "bmm", "baddbmm"):
            left, right = args[_ADDED.get(name, 0)], args[_ADDED.get(name, 0) + 1]
            batch = left.shape[0] if left.ndim == 3 else 1  # noqa: PLR2004  (a product of many)
            family = "bmm" if left.ndim == 3 else "linear"  # noqa: PLR2004
            self.rows.append((family, batch, left.shape[-2], right.shape[-1], left.shape[-1], moved))
            return
        if moved <= 0:
            return
        family = "softmax" if name in _SOFTMAX else "norm" if name in _NORM else "elementwise"
        shape = outputs[0].shape if outputs else tensors[0].shape
        length = float(shape[-1]) if len(shape) else 1.0
        rows = max(float(outputs[0].numel() if outputs else tensors[0].numel()) / max(length, 1.0), 1.0)
        self.rows.append((family, 1, rows, max(length, 1.0), 0, moved))

    def kernels(self) -> Kernels:
        """What was noted, as columns."""
        family = np.array([row[0] for row in self.rows], dtype=object)
        sizes = np.array([row[1:] for row in self.rows], dtype=np.float64).reshape(-1, 5)
        batch, m, n, k, moved = sizes.T
        return make_kernels(family, batch, m, n, k, moved / (m * n))


class _Experts(torch.nn.Module):  # type: ignore[misc]  # torch is not followed by mypy (pyproject)
    """Routes each row to one of several feed-forward layers, with room for a fixed number of rows in each."""

    def __init__(self, width: int, inner: int, experts: int, capacity: int) -> None:
        super().__init__()
        self.router = torch.nn.Linear(width, experts, bias=False)
        self.first = torch.nn.ModuleList(torch.nn.Linear(width, inner, bias=False) for _ in range(experts))
        self.second = torch.nn.ModuleList(torch.nn.Linear(inner, width, bias=False) for _ in range(experts))
        self.capacity = capacity

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """Return (batch, tokens, width)."""
        probability = torch.softmax(self.router(hidden), dim=-1)
        flat = hidden.reshape(-1, hidden.shape[-1])
        routed = flat.clone()
        # Which rows go where is a matter of values. How many may go there is not.
        places = torch.zeros(hidden.shape[0] * self.capacity, dtype=torch.int64, device=hidden.device)
        for first, second in zip(self.first, self.second, strict=True):
            found = second(torch.relu(first(flat.index_select(0, places))))
            routed = routed.index_copy(0, places, found)
        return routed.view_as(hidden) * probability.amax(dim=-1, keepdim=True)


def trace_step(step: Step, configuration: Mapping[str, Any]) -> Kernels:
    """Return the kernels of a step. Raises AssayError where the configuration cannot be built or followed."""
    is_mixture = configuration["model_type"] == "switch_transformers"
    try:
        with quiet_logging(), torch.device("meta"):
            module = _build_mixture(configuration) if is_mixture else _build(configuration, step)
        module.train(step.is_training)
        recorder = KernelRecorder()
        tokens = move_to_meta(torch.ones(step.batch, step.length, dtype=torch.int64), recorder)
        given = {"input_ids": tokens} | ({"decoder_input_ids": tokens} if is_mixture else {})
        recorder.watch_weights([*module.parameters(), *module.buffers()])
        with torch.set_grad_enabled(step.is_training), recorder:
            found = module(**given)
            if step.is_training:
                logits = getattr(found, "prediction_logits", None)
                logits = found.logits if logits is None else logits
                torch.nn.functional.cross_entropy(logits.view(-1, logits.shape[-1]), tokens.view(-1)).backward()
    except (AttributeError, IndexError, KeyError, NotImplementedError, RuntimeError, TypeError, ValueError) as error:
        raise AssayError(
            f"{step.reference}: its kernels could not be told: {type(error).__name__}: {error}",
            hint="Check the configuration, and that the model takes so many tokens.",
        ) from error
    return recorder.kernels()


def _build(configuration: Mapping[str, Any], step: Step) -> Any:
    """The class that the published tables ran: with a head for language, or for sequences when BERT infers."""
    import transformers

    values = dict(configuration)
    config = transformers.AutoConfig.for_model(values.pop("model_type"), **values)
    config._attn_implementation = "eager"  # noqa: SLF001  (no fused attention, as the tables were measured)
    if config.model_type == "bert":
        name = "AutoModelForPreTraining" if step.is_training else "AutoModelForSequenceClassification"
        return getattr(transformers, name).from_config(config, attn_implementation="eager")
    return transformers.AutoModelForCausalLM.from_config(config, attn_implementation="eager")


def _build_mixture(configuration: Mapping[str, Any]) -> Any:
    """T5 of the same sizes; every other feed-forward layer, counted from the second, has experts."""
    import transformers

    sizes = ("vocab_size", "d_model", "d_kv", "d_ff", "num_layers", "num_decoder_layers", "num_heads")
    config = transformers.T5Config(**{name: configuration[name] for name in sizes}, feed_forward_proj="relu")
    module = transformers.T5ForConditionalGeneration._from_config(config, attn_implementation="eager")  # noqa: SLF001
    for stack, sparse in (
        (module.encoder, configuration["num_sparse_encoder_layers"]),
        (module.decoder, configuration["num_sparse_decoder_layers"]),
    ):
        step = max(1, len(stack.block) // max(1, sparse))
        for place in list(range(step - 1, len(stack.block), step))[:sparse]:
            stack.block[place].layer[-1].DenseReluDense = _Experts(
                config.d_model, config.d_ff, configuration["num_experts"], configuration["expert_capacity"]
            )
    return module
