"""From a suite to the cases of a fleet run: what each needs, and how long it will take.

The machine that plans need not have the devices: whether a case can be run is asked on the node that runs it. May
import: core, engines, runner, store, fleet.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from assay.core.words import Mode, Precision
from assay.engines.base import device_kind, engines
from assay.fleet.values import FleetCase, Node, Resources
from assay.runner.estimate import estimate_launch
from assay.runner.plan import AUTO_DEVICE, Machine, Plan, PlannedCase, expand_suite, find_obstacle, threads_for
from assay.runner.suite_model import CaseMatrix, Suite
from assay.workloads.resolve import resolve_workload, weight_bytes

if TYPE_CHECKING:
    from assay.store import Store

_HOST_FACTOR = 3.0
"""Host memory of a case, in times of its fp32 weights: they, a second copy while they load, and activations."""
_HOST_BASE_BYTES = 1 << 30
_PREPARE_S = 120.0
"""What an attempt may take beside its launches: making artefacts, reading the machine, writing the result."""


@dataclass(frozen=True, slots=True)
class Needs:
    """What is asked for beside the suite: an accelerator's model, host memory in bytes, each case on each node."""

    accelerator: str | None = None
    memory_bytes: int | None = None
    on_each_node: bool = False


def plan_fleet(suite: Suite, machine: Machine, nodes: Sequence[Node], store: Store, needs: Needs) -> list[FleetCase]:
    """Expand a suite into the cases of a fleet run, longest first. Raises UsageError or SuiteError."""
    planned: dict[str, PlannedCase] = {}
    for index, matrix in enumerate(suite.cases):
        meant = replace(matrix, devices=tuple(dict.fromkeys(_settle(name, matrix, nodes) for name in matrix.devices)))
        for one in expand_suite(suite, index, meant, machine):  # make_plan refuses what is not here
            bare = replace(one, obstacle=None)
            planned.setdefault(bare.case.case_id, bare)
    plan = Plan(suite, tuple(planned.values()))
    expected = expect_seconds(store, plan)
    cases = [
        FleetCase(
            case_id=one.case.case_id,
            label=one.case.label,
            content=one.case.to_dict(),
            resources=read_resources(one, needs),
            expected_s=expected[one.case.case_id][0],
            basis=expected[one.case.case_id][1],
            limit_s=suite.launches * suite.launch_limit_s + _PREPARE_S,
        )
        for one in plan.cases
    ]
    if needs.on_each_node:
        cases = [_pin(case, node) for case in cases for node in nodes if node.could_run(case.resources)]
    return sorted(cases, key=lambda case: -case.expected_s)


def _pin(case: FleetCase, node: Node) -> FleetCase:
    return replace(
        case, case_id=f"{case.case_id}@{node.name}", label=f"{case.label} @{node.name}",
        resources=replace(case.resources, node=node.name),
    )  # fmt: skip


def read_resources(planned: PlannedCase, needs: Needs) -> Resources:
    """What a case must have for itself. Its ranks are processes of one node, each with a device of its own."""
    case = planned.case
    kind = device_kind(case.device)
    weights = weight_bytes(planned.workload, Precision.FP32.bytes_per_parameter)
    estimated = None if weights is None else round(_HOST_BASE_BYTES + _HOST_FACTOR * weights)
    memory_bytes = needs.memory_bytes if needs.memory_bytes is not None else estimated
    if kind == "cpu":
        return Resources(memory_bytes=memory_bytes)
    count = int(dict(case.options).get("ranks", 1)) if case.mode is Mode.TRAINING else 1
    return Resources(kind, count, needs.accelerator, memory_bytes)


def expect_seconds(store: Store, plan: Plan) -> dict[str, tuple[float, str]]:
    """Return how long an attempt of each case will take, in seconds, and what that rests on.

    What the case took anywhere before; else the windows of the method, with a predicted latency where there is one in
    the store (a call that is longer than the window makes the launch longer).
    """
    before, predicted = _read_history(store, plan), _read_predicted(store, plan)
    expected: dict[str, tuple[float, str]] = {}
    for one in plan.cases:
        case_id = one.case.case_id
        if case_id in before:
            expected[case_id] = (before[case_id] * plan.suite.launches, "earlier results")
            continue
        whole = estimate_launch(one, plan, {})
        launch_s, basis = (whole.lo + whole.hi) / 2, "windows of the method"
        if case_id in predicted:
            calls = max(1.0, plan.suite.timing.min_time_s / predicted[case_id], plan.suite.timing.min_samples)
            launch_s = min(max(whole.lo, whole.lo + calls * predicted[case_id]), plan.suite.launch_limit_s)
            basis = "predicted latency"
        expected[case_id] = (launch_s * plan.suite.launches, basis)
    return expected


def matrix_of(case: PlannedCase) -> CaseMatrix:
    """Return the matrix that has this case and no other, for the run's record."""
    one = case.case
    options = dict(one.options)
    threads = options.pop("threads", None)
    return CaseMatrix(
        models=(one.workload,),
        engines=(one.engine,),
        devices=(one.device,),
        modes=(one.mode,),
        precisions=(one.precision,),
        batches=(one.batch,),
        shape=tuple((name, (size,)) for name, size in one.shape),
        threads=None if threads is None else (int(threads),),
        options=tuple((name, (value,)) for name, value in sorted(options.items())),
    )


def plan_here(suite: Suite, content: Mapping[str, object], machine: Machine) -> Plan:
    """Plan one case on the node that runs it: with an obstacle where the node cannot."""
    from assay.core.case import Case

    case = Case.from_dict(content)
    threads = dict(case.options).get("threads")
    bare = PlannedCase(
        case, resolve_workload(case.workload),
        int(threads) if threads is not None else threads_for(case.mode, machine),
    )  # fmt: skip
    obstacle = find_obstacle(bare, engines.get(case.engine), suite.seed, machine)
    planned = replace(bare, obstacle=obstacle)
    return Plan(replace(suite, cases=(matrix_of(planned),)), (planned,))


def _settle(device: str, matrix: CaseMatrix, nodes: Iterable[Node]) -> str:
    """``auto`` is the accelerator that nodes have and every engine of the entry knows, else the CPU."""
    if device != AUTO_DEVICE:
        return device
    able = [engines.get(name).capabilities.device_kinds for name in matrix.engines]
    for node in nodes:
        if node.devices and all(node.kind in kinds for kinds in able):
            return f"{node.kind}:0"
    return "cpu"


def _read_history(store: Store, plan: Plan) -> dict[str, float]:
    return _query(
        store, plan,
        "SELECT results.case_id, median(launches.wall_ns) / 1e9 AS value FROM launches JOIN results USING (result_id) "
        "WHERE launches.status = 'ok' AND results.case_id IN ({marks}) GROUP BY results.case_id",
    )  # fmt: skip


def _read_predicted(store: Store, plan: Plan) -> dict[str, float]:
    return _query(
        store, plan,
        "SELECT case_id, median(latency_ns) / 1e9 AS value FROM results WHERE provenance = 'predicted' "
        "AND latency_ns > 0 AND case_id IN ({marks}) GROUP BY case_id",
    )  # fmt: skip


def _query(store: Store, plan: Plan, sql: str) -> dict[str, float]:
    case_ids = [one.case.case_id for one in plan.cases]
    if not case_ids:
        return {}
    table = store.query(sql.format(marks=", ".join("?" * len(case_ids))), case_ids)
    return {row["case_id"]: float(row["value"]) for row in table.to_pylist() if row["value"] is not None}
