"""Text generation as two graphs: reading the prompt, and one more token with the keys and values kept.

Time to first token is the time of the first graph, time per output token that of the second, which reads every weight
and the whole cache for one token a text. Counted on the meta device from a family or a configuration. Definitions:
docs/predict-graphs.md. May import: core, workloads, artefacts, predict; torch and transformers inside functions.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.artefacts.base import BuildRequest, Recipe, recipes, request_artefact
from assay.artefacts.cache import cache_location, make_artefact
from assay.artefacts.cost import read_cost
from assay.core.errors import UnsupportedError
from assay.predict.graphs import from_cost, is_kept, profile_at, resolve_for_count, stamp_of
from assay.predict.values import DeviceProfile, GraphProfile, OpWork
from assay.workloads.base import UnitOfWork, Workload
from assay.workloads.config_models import WITH_HEAD, build_on_meta
from assay.workloads.cost_count import ON_META, Cost

if TYPE_CHECKING:
    from torch import Tensor, nn

_RECIPE = "generation-cost"
_FILE = "generation.json"
_SHORT, _LONG = 512, 1024
"""Positions in the cache at which a step is counted; all between and beyond follows in a straight line."""


@dataclass(frozen=True, slots=True)
class GenerationProfile:
    """The graphs of generating with a prompt of ``prompt_tokens``: ``prefill`` of it, ``decode`` of one token a text.

    ``cache_elements`` are the keys and values of all texts when the last of ``new_tokens`` is made.
    """

    prefill: GraphProfile
    decode: GraphProfile
    prompt_tokens: int
    new_tokens: int
    cache_elements: float


@dataclass(frozen=True, slots=True)
class GenerationTimes:
    """Lower bounds by the rates of a device, ns: to the first token, and per token after it; what binds each."""

    ttft_ns: float
    tpot_ns: float
    ttft_bound: str
    tpot_bound: str

    def total_ns(self, new_tokens: int) -> float:
        """The whole text: the first token, and the others after it."""
        return self.ttft_ns + max(0, new_tokens - 1) * self.tpot_ns


def profile_generation(
    ref: str, *, batch: int = 1, prompt_tokens: int = 128, new_tokens: int = 128, cache: Path | None = None
) -> GenerationProfile:
    """Return the graphs of generating ``new_tokens`` after a prompt, for ``batch`` texts of equal length.

    ``ref`` is a decoder-only family (``llama/8b``) or a configuration of one. The step is that in the middle of the
    text, which is the mean of all, its cost growing in a straight line. Raises AssayError where it cannot generate.
    """
    for name, value in (("batch", batch), ("prompt_tokens", prompt_tokens), ("new_tokens", new_tokens)):
        if value < 1:
            raise UnsupportedError(f"got {name}={value}; expected at least 1")
    prefill = profile_at(_count(ref, "prefill", prompt_tokens, cache), batch)
    short, long = (_count(ref, "decode", length, cache) for length in (_SHORT, _LONG))
    if _reads_experts(short) and batch > 1:  # more texts read more of the experts: no straight line
        short, long = (_count(ref, "decode", length, cache, batch) for length in (_SHORT, _LONG))
    middle = prompt_tokens + (new_tokens - 1) / 2
    decode = profile_at(_between(short, long, middle), batch)
    whole = _cache_per_token(short, long) / short.batch * (prompt_tokens + new_tokens) * batch
    return GenerationProfile(prefill, decode, prompt_tokens, new_tokens, whole)


def bound_generation(
    profile: GenerationProfile, device: DeviceProfile, *, precision: str = "fp16", share: float = 1.0
) -> GenerationTimes:
    """Return what the device's rates allow at best, each rate times ``share`` (what is usually reached of it).

    The larger of arithmetic / peak, compulsory traffic / bandwidth (weights and cache once, the roofline of Williams
    et al. 2009, doi 10.1145/1498765.1498785) and operations x the cost of a launch. Raises UnsupportedError where the
    device's rates are not known.
    """
    rate, bandwidth = device.flops_per_s.get(precision), device.bandwidth_bytes_per_s
    if not rate or not bandwidth:
        raise UnsupportedError(
            f"The {'bandwidth' if rate else f'rate in {precision}'} of {device.name} is not known.",
            hint="Measure it with `assay probe`, or choose a precision that its sheet names.",
        )
    if not 0 < share <= 1:
        raise ValueError(f"got share {share}; expected one above 0 and at most 1")
    first, more = (
        _bound(graph, rate * share, bandwidth * share, device.launch_overhead_ns or 0.0, _width(precision))
        for graph in (profile.prefill, profile.decode)
    )
    return GenerationTimes(first[0], more[0], first[1], more[1])


def _width(precision: str) -> float:
    from assay.core.words import Precision

    return Precision(precision).bytes_per_parameter


def _bound(graph: GraphProfile, rate: float, bandwidth: float, overhead_ns: float, width: float) -> tuple[float, str]:
    attention = graph.work.get("attention", OpWork())
    moved = (graph.weight_elements + attention.elements + graph.edge_elements) * width
    terms = {
        "arithmetic": graph.flops / rate * 1e9,
        "bandwidth": moved / bandwidth * 1e9,
        "launches": graph.kernels * overhead_ns,
    }
    name = max(terms, key=lambda one: terms[one])
    return terms[name], name


def _reads_experts(step: GraphProfile) -> bool:
    """True for a mixture of experts, of whose weights a token reads some."""
    return bool(step.work.get("batched_matmul", OpWork()).weight_elements)


def _cache_per_token(short: GraphProfile, long: GraphProfile) -> float:
    """Elements of keys and values one more token adds: attention reads them, and nothing else grows by them alone."""
    one, two = (graph.work.get("attention", OpWork()).elements for graph in (short, long))
    return max(0.0, (two - one) / (_LONG - _SHORT))


def _between(short: GraphProfile, long: GraphProfile, length: float) -> GraphProfile:
    """The step at ``length`` positions, in a straight line through two that were counted."""
    share = (length - _SHORT) / (_LONG - _SHORT)

    def at(low: float, high: float) -> float:
        return max(0.0, low + share * (high - low))

    fields = ("count", "flops", "elements", "other_bytes", "weight_elements")
    work = {}
    for name in sorted({*short.work, *long.work}):
        low, high = short.work.get(name, OpWork()), long.work.get(name, OpWork())
        work[name] = OpWork(**{one: at(getattr(low, one), getattr(high, one)) for one in fields})
    return replace(short, work=work, shape=(("cached", round(length)),))


def _count(ref: str, what: str, length: int, cache: Path | None, batch: int = 1) -> GraphProfile:
    return _count_once(ref, what, length, batch, cache, stamp_of(ref))


@functools.lru_cache(maxsize=256)
def _count_once(
    ref: str, what: str, length: int, batch: int, cache: Path | None, stamp: tuple[int, int] | None
) -> GraphProfile:
    del stamp  # a file that was changed meanwhile is another model
    workload = resolve_for_count(ref, head=WITH_HEAD)
    shape = {what: length}
    if is_kept(workload):
        request = request_artefact(_RECIPE, workload, batch=batch, shape=shape, seed=0)
        folder = make_artefact(request, workload, cache or cache_location(), threads=1).folder
        cost = read_cost(folder, _FILE)
    else:
        cost = count_generation(workload, what, length, batch)
    graph = from_cost(cost, workload, batch=batch, shape={"seq": length})
    tokens = batch * (1 if what == "decode" else length)
    return replace(graph, units_per_call=float(tokens), unit_of_work=UnitOfWork.TOKEN.value)


def count_generation(workload: Workload, what: str, length: int, batch: int = 1) -> Cost:
    """Count the ``prefill`` of ``length`` tokens, or the ``decode`` of one with ``length`` kept, of ``batch`` texts.

    Raises UnsupportedError for a model that is not a decoder of text.
    """
    import torch

    from assay.workloads.cost_count import count_module

    if workload.family.bring is not None and not workload.size.config.get(ON_META):
        raise UnsupportedError(f"{workload.name} brings a module of its own, which may generate in a way of its own.")
    kept: list[Any] = []

    def build() -> nn.Module:
        is_described = workload.size.config.get(ON_META)
        module = (build_on_meta(workload) if is_described else workload.family.build(workload.size)).eval()
        if not module.can_generate() or module.config.is_encoder_decoder:
            raise UnsupportedError(
                f"{workload.name} does not generate text as a decoder does.",
                hint="Expected a decoder-only family (llama, qwen2) or the configuration of one.",
            )
        if what == "decode":
            kept.append(_fill_cache(module.config, length, batch))
        return module

    def run(module: nn.Module, inputs: Mapping[str, Tensor]) -> Any:
        if what == "decode":
            return module(**inputs, past_key_values=kept[0], use_cache=True).logits
        return module(**inputs, use_cache=True, logits_to_keep=1).logits

    tokens = torch.ones((batch, length if what == "prefill" else 1), dtype=torch.int64)
    return count_module(build, {"input_ids": tokens}, run, workload.name)


def _fill_cache(config: Any, length: int, batch: int) -> Any:
    """A cache with ``length`` positions in every layer, without values."""
    import torch
    from transformers import DynamicCache

    text = config.get_text_config()
    heads = getattr(text, "num_key_value_heads", None) or text.num_attention_heads
    width = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
    cache = DynamicCache()
    for layer in range(text.num_hidden_layers):
        kept = torch.empty((batch, heads, length, width), device="meta")
        cache.update(kept, kept.clone(), layer)
    return cache


def _build(wanted: BuildRequest) -> Mapping[str, str]:
    ((what, length),) = wanted.request.shape
    cost = count_generation(wanted.workload, what, length, wanted.request.batch)
    (wanted.folder / _FILE).write_text(json.dumps(cost.to_dict(), indent=2) + "\n", encoding="utf-8")
    return {"flops": str(cost.flops)}


recipes.add(
    _RECIPE,
    Recipe(
        name=_RECIPE,
        version=1,
        description="count of reading a prompt, and of one step of generation",
        build=_build,
        packages=("torch", "transformers"),
        install_hint="pip install 'assay[torch]'",
    ),
)
