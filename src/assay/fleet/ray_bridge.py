"""The process that holds the connection to Ray: ``python -P -m assay.fleet.ray_bridge``, JSON lines in and out.

Ray ends or hangs a process that loses its head, and takes over its signals and output; so none of it is in the process
that keeps the ledger. From standard input come ``submit`` and ``cancel``; back go ``nodes``, ``started``, ``ended`` and
``gone``. May import: fleet; ray inside functions.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
import time
from collections.abc import Mapping
from typing import Any

_POLL_S = 0.1
_NODES_EVERY_S = 1.0
_KINDS = {"AMD": "rocm", "Intel": "xpu"}
"""Beginning of Ray's name of an accelerator -> the word of its devices; all others are NVIDIA's."""


def main() -> None:
    """Serve until standard input ends, or Ray is gone."""
    answer_to = os.dup(1)
    os.dup2(2, 1)  # what Ray prints cannot be taken for an answer
    settings = json.loads(sys.stdin.readline())
    asked: queue.Queue[dict[str, Any] | None] = queue.Queue()
    threading.Thread(target=_listen, args=(asked,), daemon=True).start()

    def say(content: Mapping[str, Any]) -> None:
        os.write(answer_to, (json.dumps(content) + "\n").encode())

    try:
        bridge = Bridge(settings)
        while bridge.serve(asked, say):
            pass
    except Exception as error:  # noqa: BLE001  (whatever Ray raises, the connection is no good any more)
        say({"said": "gone", "error": f"{type(error).__name__}: {error}".splitlines()[0][:400]})
    # No tidy farewell: shutting down asks the head, which may be what is gone.
    os._exit(0)


def _listen(asked: queue.Queue[dict[str, Any] | None]) -> None:
    for line in sys.stdin:
        asked.put(json.loads(line))
    asked.put(None)


class Bridge:
    """The connection, and the attempts that go on over it."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        import ray

        self._ray: Any = ray
        where = settings["where"]
        options: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR", "configure_logging": False}
        if where == "local":
            options |= {"include_dashboard": False, **settings.get("local", {})}
        else:
            options["address"] = "auto" if where == "auto" else f"ray://{where}" if settings["client"] else where
        ray.init(**options)
        self._desk = _make_desk(ray)
        self._execute = ray.remote(max_retries=0)(_execute_on_node)
        self._keys: dict[Any, str] = {}
        self._references: dict[str, Any] = {}
        self._groups: dict[str, Any] = {}
        self._heard: Any = None
        self._nodes_at = 0.0

    def serve(self, asked: queue.Queue[dict[str, Any] | None], say: Any) -> bool:
        """Do what was asked and tell what is new. False where nobody asks any more."""
        if time.monotonic() - self._nodes_at > _NODES_EVERY_S:
            say({"said": "nodes", "nodes": [read_node(one) for one in self._list_nodes() if one["Alive"]]})
            self._nodes_at = time.monotonic()
        while not asked.empty():
            wanted = asked.get()
            if wanted is None:
                self._ray.shutdown()
                return False
            if wanted["do"] == "submit":
                self._submit(wanted)
            else:
                self._cancel(wanted["key"])
        self._hear(say)
        if self._keys:
            done, _ = self._ray.wait(list(self._keys), num_returns=len(self._keys), timeout=_POLL_S)
            for reference in done:
                say(self._collect(reference))
        else:
            time.sleep(_POLL_S)
        return True

    def _list_nodes(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._ray.nodes()
        return found

    def _submit(self, wanted: Mapping[str, Any]) -> None:
        options = task_options(wanted)
        key = wanted["order"]["key"]
        if wanted["resources"]["count"] > 1:
            options |= self._reserve(key, wanted)
        else:
            from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

            options["scheduling_strategy"] = NodeAffinitySchedulingStrategy(wanted["node_id"], soft=False)
        reference = self._execute.options(**options).remote(wanted["order"], self._desk)
        self._keys[reference] = key
        self._references[key] = reference

    def _reserve(self, key: str, wanted: Mapping[str, Any]) -> dict[str, Any]:
        """Reserve several devices of one node together: all of them or none."""
        from ray.util.placement_group import placement_group
        from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

        bundle = {"CPU": wanted["cpus"], "GPU": wanted["resources"]["count"], f"node:{wanted['address']}": 0.001}
        group = placement_group([bundle], strategy="STRICT_PACK")
        self._groups[key] = group
        return {"scheduling_strategy": PlacementGroupSchedulingStrategy(group, placement_group_bundle_index=0)}

    def _cancel(self, key: str) -> None:
        reference = self._references.pop(key, None)
        if reference is not None:
            self._keys.pop(reference, None)
            self._ray.cancel(reference, force=True)
        self._release(key)

    def _release(self, key: str) -> None:
        group = self._groups.pop(key, None)
        if group is not None:
            from ray.util.placement_group import remove_placement_group

            remove_placement_group(group)

    def _collect(self, reference: Any) -> dict[str, Any]:
        key = self._keys.pop(reference)
        self._references.pop(key, None)
        self._release(key)
        try:
            found: dict[str, Any] = self._ray.get(reference)
        except self._ray.exceptions.RayError as error:
            return {"said": "ended", "key": key, **read_error(self._ray, error)}
        return found

    def _hear(self, say: Any) -> None:
        """Pass on which process has which attempt. A desk that is gone is only a process id that nobody knows."""
        if self._heard is None:
            self._heard = self._desk.take_all.remote()
        done, _ = self._ray.wait([self._heard], timeout=0)
        if not done:
            return
        try:
            for said in self._ray.get(self._heard):
                say(said)
        except self._ray.exceptions.RayError:
            self._desk = _make_desk(self._ray)
        self._heard = None


def _make_desk(ray: Any) -> Any:
    return ray.remote(num_cpus=0, max_restarts=0)(_Desk).remote()


class _Desk:
    """An actor where the workers say that they have begun."""

    def __init__(self) -> None:
        self._said: list[dict[str, Any]] = []

    def put(self, said: dict[str, Any]) -> None:
        self._said.append(said)

    def take_all(self) -> list[dict[str, Any]]:
        said, self._said = self._said, []
        return said


def _execute_on_node(order: dict[str, Any], desk: Any) -> dict[str, Any]:
    from assay.fleet.execute import execute_order

    return execute_order(order, desk.put.remote)


def read_node(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return what Ray says of a node as plain values of ours."""
    resources = row.get("Resources", {})
    model = next((name.partition(":")[2] for name in resources if name.startswith("accelerator_type:")), None)
    devices = int(resources.get("GPU", 0))
    kind = next((word for start, word in _KINDS.items() if (model or "").startswith(start)), "cuda")
    address = row["NodeManagerAddress"]
    # A label tells nodes of one host apart; without one the address does.
    name = (row.get("Labels") or {}).get("assay-node") or address
    return {
        "node_id": row["NodeID"], "name": name, "cpus": float(resources.get("CPU", 0)),
        "kind": kind if devices else "cpu", "devices": devices, "accelerator": model,
        "memory_bytes": int(resources["memory"]) if "memory" in resources else None, "address": address,
    }  # fmt: skip


def task_options(wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Return what Ray is to reserve: the whole node's CPUs, or devices with their share of them."""
    resources = wanted["resources"]
    options: dict[str, Any] = {"num_cpus": wanted["cpus"], "max_retries": 0}
    if resources["kind"] != "cpu":
        options["num_gpus"] = resources["count"]
        if resources["accelerator"]:
            options["accelerator_type"] = resources["accelerator"]
    if resources["memory_bytes"] and wanted["reserve_memory"]:
        options["memory"] = resources["memory_bytes"]
    return options


def read_error(ray: Any, error: Exception) -> dict[str, Any]:
    """Say what an error of Ray means for the attempt: lost where a process or node went away, else failed."""
    known = ray.exceptions
    lost = (
        known.WorkerCrashedError, known.NodeDiedError, known.OutOfMemoryError, known.RaySystemError,
        known.TaskUnschedulableError, known.ObjectLostError, known.LocalRayletDiedError,
    )  # fmt: skip
    text = f"{type(error).__name__}: {error}".strip().splitlines()[0][:400]
    return {"outcome": "lost" if isinstance(error, lost) else "failed", "error": text}


if __name__ == "__main__":
    main()
