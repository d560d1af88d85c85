"""What bounds each result, and how near it comes to what the device gave the probe: the cost of a call under the roofs.

May import: core, catalog, artefacts, stats, runner, workloads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from assay.core.absence import Unavailable
from assay.core.words import Mode, Precision, Provenance, Status

if TYPE_CHECKING:
    from assay.catalog.hardware.environment import DeviceMatch
    from assay.core.records import EnvironmentRecord, ResultRecord
    from assay.runner.probe_device import ProbeRates
    from assay.stats.roofline import Explanation, Work
    from assay.store import Store
    from assay.workloads.cost_count import Cost

_COST_LIMIT_S = 300.0
_DISPATCHING_ENGINE = "torch"
"""The engine whose operations the cost model counts one by one; others fuse them, or start a whole graph at once."""

CostSource = Callable[["ResultRecord"], "Cost | Unavailable"]


@dataclass(frozen=True, slots=True)
class ExplainedResult:
    """One result with what explains it: the cost of a call and the roof it is held under, or why not.

    ``hardware`` is what the catalogue has of the device, None where the environment does not describe it.
    """

    result: ResultRecord
    cost: Cost | None
    explanation: Explanation | None
    text: str
    hardware: DeviceMatch | None = None


def explain_results(
    results: Sequence[ResultRecord],
    environment: EnvironmentRecord,
    store: Store,
    *,
    find_cost: CostSource | None = None,
) -> list[ExplainedResult]:
    """Explain every result that worked. ``find_cost`` gives the cost of a result's call (default: from the cache)."""
    return list(_explain(results, environment, store, find_cost or cached_cost))


def cached_cost(result: ResultRecord) -> Cost | Unavailable:
    """Return the cost from the cache of artefacts, counting it in a process of its own where it is not there."""
    from assay.artefacts.cache import cache_location, find_artefact, read_artefact
    from assay.artefacts.cost import read_cost, request_cost
    from assay.core.errors import AssayError
    from assay.runner.protocol import Failed, Prepared, PrepareJob
    from assay.runner.supervise import run_launch
    from assay.workloads.resolve import resolve_workload

    root = cache_location()
    try:
        workload = resolve_workload(result.case.workload)
        request = request_cost(workload, result.own_case, scope=result.run_id)
        found = find_artefact(request, workload, root)
        if found is None:
            said = run_launch(PrepareJob(request, str(root), 1), limit_s=_COST_LIMIT_S).outcome
            if isinstance(said, Failed):
                return Unavailable(said.reason)
            found = read_artefact(root / said.key) if isinstance(said, Prepared) else None
        return Unavailable("it was counted, but is not in the cache") if found is None else read_cost(found.folder)
    except AssayError as error:
        return Unavailable(str(error))


def _explain(
    results: Sequence[ResultRecord], environment: EnvironmentRecord, store: Store, find_cost: CostSource
) -> Iterator[ExplainedResult]:
    from assay.catalog.hardware.environment import find_match
    from assay.runner.probe_device import WORKLOAD, latest_probe

    probes: dict[tuple[str, int | None], ProbeRates | None] = {}
    threads_of = _threads_by_result(results, store)
    for result in results:
        if (
            result.status is not Status.OK
            or result.case.workload == WORKLOAD
            or result.provenance is not Provenance.MEASURED
        ):
            continue
        device = result.own_case.device
        key = (device, threads_of.get(result.result_id) if device == "cpu" else None)
        if key not in probes:
            probes[key] = latest_probe(store, environment, key[0], threads=key[1])
        one = _explain_one(result, probes[key], key[1], environment, find_cost)
        yield replace(one, hardware=find_match(environment.facts, device))


def _threads_by_result(results: Sequence[ResultRecord], store: Store) -> dict[str, int | None]:
    run_ids = {result.run_id for result in results}
    return {
        launch.result_id: launch.threads
        for run_id in run_ids
        for launch in store.launches(run_id=run_id)
        if launch.threads is not None
    }


def _explain_one(
    result: ResultRecord,
    probe: ProbeRates | None,
    threads: int | None,
    environment: EnvironmentRecord,
    find_cost: CostSource,
) -> ExplainedResult:
    from assay.stats.roofline import explain

    reason = _why_not(result)
    if reason is not None:
        return ExplainedResult(result, None, None, reason)
    cost = find_cost(result)
    if isinstance(cost, Unavailable):
        return ExplainedResult(result, None, None, f"cost unknown: {cost}")
    cost = _in_precision(cost, result)
    if probe is None:
        flags = [] if result.case.device == "cpu" else [f" --device {result.case.device}"]
        flags += [f" --threads {threads}"] if dict(result.case.options).get("threads") else []
        with_threads = f" with {threads} threads" if threads is not None else ""
        text = f"no probe of this device{with_threads} in the store: run `assay probe{''.join(flags)}`"
        return ExplainedResult(result, cost, None, text)
    latency = result.metric("latency_ns")
    if latency is None or latency.value is None:
        return ExplainedResult(result, cost, None, "it has no latency")
    found = explain(_work(cost, result), probe.rates, latency.value, arithmetic_of(result))
    if isinstance(found, Unavailable):
        return ExplainedResult(result, cost, None, str(found))
    return ExplainedResult(result, cost, found, "; ".join([found.text, *_caveats(cost, probe, environment)]))


def _why_not(result: ResultRecord) -> str | None:
    """Costs are those of one plain call."""
    options = dict(result.case.options)
    if result.case.mode is not Mode.INFERENCE:
        return f"cost unknown: only one call of inference is counted, and this is {result.case.mode}"
    for name in ("new_tokens", "scenario"):
        if name in options:
            return f"cost unknown: only one plain call is counted, and this has {name}={options[name]}"
    return None


def _in_precision(cost: Cost, result: ResultRecord) -> Cost:
    """Weights and activations in the bytes that this result really had; int8 and int4 keep activations in fp32."""
    precision = _effective(result)
    weights = precision.bytes_per_parameter
    is_quantized = precision in {Precision.INT8, Precision.INT4}
    activations = Precision.FP32.bytes_per_parameter if is_quantized else weights
    return cost.with_sizes(weight_bytes=weights, activation_bytes=activations)


def _effective(result: ResultRecord) -> Precision:
    """What it ran in, where the engine said so in our words, else what was asked for."""
    try:
        return Precision(result.effective_precision or "")
    except ValueError:
        return result.own_case.precision


def arithmetic_of(result: ResultRecord) -> str:
    """The precision of the products: weights alone in int8 or int4 are unpacked, and fp32 does the arithmetic."""
    precision = _effective(result)
    is_weight_only = dict(result.case.options).get("quantization") == "weight-only" or precision is Precision.INT4
    return Precision.FP32.value if is_weight_only else precision.value


def _work(cost: Cost, result: ResultRecord) -> Work:
    from assay.stats.roofline import Work

    convolution = cost.by_op_class.get("convolution")
    return Work(
        flops=cost.flops,
        bytes_compulsory=cost.bytes_compulsory,
        bytes_unfused=cost.bytes_unfused,
        convolution_flops=convolution.flops if convolution is not None else 0,
        kernels=cost.kernels if result.case.engine == _DISPATCHING_ENGINE else None,
    )


def _caveats(cost: Cost, probe: ProbeRates, environment: EnvironmentRecord) -> Iterator[str]:
    if cost.uncounted:
        yield f"operations not counted: {', '.join(cost.uncounted)}"
    if cost.guesses:
        yield f"{cost.guesses} values were guessed while counting"
    if probe.verdict not in (None, "trusted"):
        yield f"the probe itself is {probe.verdict}"
    if probe.host_id != environment.host_id:
        yield "the probe is of another machine of this class"
