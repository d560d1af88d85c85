"""Examples from one's own store: what was measured of one plain call, with its graph and the rates of its device.

The newest usable result of each case on each kind of hardware counts. Graphs are told without weights and kept in the
cache, so the second time costs nothing. May import: core, catalog, store, runner, predict; workloads by predict.graphs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from assay.core.errors import AssayError
from assay.core.words import Mode, Provenance, Verdict
from assay.predict.base import DataUse, ExampleSource, Gathered
from assay.predict.own.fit import MOST, thin_out
from assay.predict.own.model import METRIC
from assay.predict.values import Conditions, DeviceProfile, Example, GraphProfile, Question
from assay.predict.web import is_web

if TYPE_CHECKING:
    from assay.core.case import Case
    from assay.core.records import EnvironmentRecord, ResultRecord
    from assay.store import Store

_OTHER_WORK = frozenset({"new_tokens", "scenario", "prune"})
"""Options with which a call is no plain call of the whole model."""

GraphSource = Callable[["Case"], GraphProfile]


def gather_own(source: ExampleSource, *, graph_of: GraphSource | None = None) -> Gathered:
    """Read the examples of the store. ``graph_of`` tells the graph of a case (default: counted, or from the cache)."""
    if source.store is None:
        return Gathered((), (), ("no store was given",))
    newest = _newest(source.store)
    devices = _Devices(source.store)
    examples, notes = [], []
    graphs: dict[tuple[object, ...], GraphProfile | str] = {}
    for result in newest.values():
        case = result.own_case
        key = (case.workload, case.batch, case.shape)
        if key not in graphs:
            try:
                graphs[key] = (graph_of or count_graph)(case)
            except AssayError as error:
                graphs[key] = str(error)
                notes.append(f"{case.workload} left out: {error.message}")
        graph = graphs[key]
        if not isinstance(graph, str):
            examples.append(_example(result, graph, devices.of(result)))
    digest = hashlib.sha256("\n".join(sorted(one.source for one in examples)).encode()).hexdigest()
    uses = (DataUse("the store's own results", len(examples), digest),) if examples else ()
    kept = thin_out(examples, MOST)
    if len(kept) < len(examples):
        notes.append(f"of {len(examples)} results the {len(kept)} that say most about all are learned from")
    return Gathered(tuple(kept), uses, tuple(dict.fromkeys(notes)))


def count_graph(case: Case) -> GraphProfile:
    """Tell the graph of a case without running it. Raises AssayError."""
    from assay.predict.graphs import profile_workload

    return profile_workload(case.workload, batch=case.batch, shape=dict(case.shape) or None)


def why_not_plain(result: ResultRecord) -> str | None:
    """Return why a result is no example, None where it is."""
    options = dict(result.case.options)
    known = result.metric(METRIC)
    reasons = (
        (result.provenance is not Provenance.MEASURED or not result.is_usable, "not a usable measurement"),
        (result.case.mode is not Mode.INFERENCE, f"not one call of inference but {result.case.mode}"),
        (result.verdict is Verdict.CONTAMINATED, "contaminated"),
        (result.case.family == "probe", "a probe"),
        (is_web(result.case.engine or "") and result.case.device != "cpu", "an adapter, whose rates no probe knows"),
        (
            bool(_OTHER_WORK & options.keys()),
            f"more than a plain call: {', '.join(sorted(_OTHER_WORK & options.keys()))}",
        ),
        (known is None or not known.value, "no latency"),
    )
    return next((reason for is_so, reason in reasons if is_so), None)


def hardware_of(result: ResultRecord) -> str:
    """Return what a result ran on, in one word for splits: the hardware, and its threads where they were asked for."""
    threads = dict(result.case.options).get("threads")
    return f"{result.hardware}" + (f", {threads} threads" if threads else "")


def _newest(store: Store) -> Mapping[tuple[str, str], ResultRecord]:
    found: dict[tuple[str, str], ResultRecord] = {}
    for result in store.results(status="ok"):  # oldest first, so that the last one stays
        if why_not_plain(result) is None:
            found[result.case.case_id, hardware_of(result)] = result
    return found


class _Devices:
    """Profiles of the machines that results are from: the probe's rates where there is one, else the sheet's."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: dict[tuple[str, str], DeviceProfile] = {}
        self._environments: dict[str, EnvironmentRecord] = {}
        self._env_of_run: dict[str, str] = {run.run_id: run.env_id for run in store.runs()}

    def of(self, result: ResultRecord) -> DeviceProfile:
        device = result.own_case.device
        key = (hardware_of(result), device)
        if key not in self._known:
            env_id = self._env_of_run[result.run_id]
            if env_id not in self._environments:
                self._environments[env_id] = self._store.environment(env_id)
            threads = dict(result.case.options).get("threads")
            self._known[key] = profile_machine(
                self._store, self._environments[env_id], device, result.hardware or device,
                threads=int(threads) if isinstance(threads, int) else None,
            )  # fmt: skip
        return self._known[key]


def profile_machine(
    store: Store, environment: EnvironmentRecord, device: str, name: str, *, threads: int | None = None
) -> DeviceProfile:
    """Return what a probe of this machine's device measured; a profile without rates where none was made."""
    from assay.runner.probe_device import latest_probe

    probe = latest_probe(store, environment, device, threads=threads)
    bare = DeviceProfile(name=name, kind="cpu" if device == "cpu" else "gpu")
    if probe is None:
        return replace(bare, notes=("never probed: run assay probe",))
    rates = probe.rates
    return replace(
        bare,
        flops_per_s=dict(rates.gemm_flops_per_s),
        bandwidth_bytes_per_s=rates.bandwidth_for(float("inf")),
        launch_overhead_ns=rates.launch_overhead_ns,
        origin=dict.fromkeys(("flops_per_s", "bandwidth_bytes_per_s", "launch_overhead_ns"), "probe"),
    )


def _example(result: ResultRecord, graph: GraphProfile, device: DeviceProfile) -> Example:
    case = result.own_case
    known = result.metric(METRIC)
    assert known is not None  # noqa: S101  (why_not_plain has seen it)
    assert known.value is not None  # noqa: S101
    precision = result.effective_precision or case.precision.value
    conditions = Conditions(
        engine=case.engine, precision=precision, batch=case.batch, mode=case.mode.value, options=case.options
    )
    question = Question(case.workload, case.family, device, conditions, METRIC, graph)
    shape = ",".join(f"{name}{size}" for name, size in case.shape)
    groups = {
        "model": case.workload,
        "family": case.family,
        "engine": case.engine,
        "precision": precision,
        "device": hardware_of(result),
        "tier": case.workload.partition("/")[2],
        "case": f"{case.workload} {shape}",
    }
    return Example(question, known.value, groups, result.result_id)
