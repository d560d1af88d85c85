"""What happens on a node: one case, by the path of ``assay run``, its result written to the store from here.

Plain values come in and go out, so that whatever carries them needs to know nothing of assay. May import: core, probes,
runner, store, fleet.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Mapping
from typing import Any

from assay.core.errors import AssayError
from assay.fleet.values import Order, Outcome

TAG = "fleet:"
"""A run of a fleet has the tag ``fleet:ID``."""


def write_order(order: Order, *, fleet_id: str, location: str, suite: Mapping[str, Any]) -> dict[str, Any]:
    """Return an order as plain values."""
    return {
        "key": order.key, "case": dict(order.case.content), "number": order.number, "node": order.node.name,
        "fleet_id": fleet_id, "store": location, "suite": dict(suite),
    }  # fmt: skip


def execute_order(
    content: Mapping[str, Any], tell: Callable[[dict[str, Any]], None] = lambda _said: None
) -> dict[str, Any]:
    """Carry out one attempt here, and return its end as plain values. Never raises an AssayError.

    ``tell`` gets the host and process id once, before anything is measured.
    """
    begin = time.monotonic()
    who = {"key": content["key"], "host": socket.gethostname(), "pid": os.getpid()}
    tell({"said": "started", **who})
    try:
        found = _execute(content)
    except AssayError as error:
        found = {"outcome": Outcome.FAILED.value, "error": str(error)}
    return {"said": "ended", **who, "wall_s": time.monotonic() - begin, **found}


def _execute(content: Mapping[str, Any]) -> dict[str, Any]:
    from assay.fleet.plan import plan_here
    from assay.probes.environment import collect_environment
    from assay.runner.execute import execute_plan
    from assay.runner.plan import read_machine
    from assay.runner.request import RunRequest
    from assay.runner.suite_model import build_suite
    from assay.store import Store

    plan = plan_here(build_suite(content["suite"]), content["case"], read_machine())
    request = RunRequest(
        plan,
        collect_environment(),
        tags=(f"{TAG}{content['fleet_id']}",),
        config={"fleet": {name: content[name] for name in ("fleet_id", "key", "number", "node")}},
    )
    finished = execute_plan(request, Store.open(content["store"]))
    (result,) = finished.results
    outcome = Outcome.OK if result.status.value == "ok" else Outcome.FAILED
    return {
        "outcome": outcome.value, "run_id": finished.run.run_id, "status": result.status.value,
        "error": result.reason,
    }  # fmt: skip


def find_runs(location: str, fleet_id: str) -> dict[str, tuple[str, str]]:
    """Return the runs that a fleet run left in the store: run id and status of the result, by key of the attempt.

    Runs that were broken off say nothing and are left out.
    """
    import json

    from assay.store import Store

    table = Store.open(location).query(
        "SELECT run_id, config, results.status FROM runs JOIN results USING (run_id) "
        "WHERE list_contains(runs.tags, ?) AND runs.status <> 'interrupted' ORDER BY run_id",
        [f"{TAG}{fleet_id}"],
    )
    kept: dict[str, tuple[str, str]] = {}
    for row in table.to_pylist():
        key = json.loads(row["config"]).get("fleet", {}).get("key")
        if key is not None:
            kept.setdefault(key, (row["run_id"], row["status"]))
    return kept
