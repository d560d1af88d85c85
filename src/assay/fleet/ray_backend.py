"""A fleet on Ray, seen from the process that drives: a child process holds the connection (see ``ray_bridge``).

A head that is lost shows as a child that says so, ends, or falls silent. May import: core, fleet; nothing of ray.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from assay.fleet.backend import BackendLostError, Said
from assay.fleet.values import Ended, Node, Order, Outcome, Started

_FIRST_WORD_S = 90.0
_SILENCE_S = 30.0
"""The child tells the nodes each second; silent for so long, it hangs in a call to a head that is gone."""
_ENVIRON = {
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_CLIENT_RECONNECT_GRACE_PERIOD": "5",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}


class RayBackend:
    """An engine of :class:`assay.fleet.backend.Backend`. ``write`` turns an order into what the node gets."""

    def __init__(
        self,
        where: str,
        write: Callable[[Order], Mapping[str, Any]],
        *,
        local: Mapping[str, Any] | None = None,
        silence_s: float = _SILENCE_S,
    ) -> None:
        self._write = write
        self._silence_s = silence_s
        self._nodes: tuple[Node, ...] = ()
        self._addresses: dict[str, str] = {}
        self._heard: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._kept_back: list[Said] = []
        self._heard_at = time.monotonic()
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "assay.fleet.ray_bridge"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, **_ENVIRON},
            start_new_session=True,  # Ctrl-C is for the one who drives
        )
        threading.Thread(target=self._listen, daemon=True).start()
        is_client = where not in {"local", "auto"}
        try:
            self._tell({"where": where, "client": is_client, "local": dict(local or {})})
            self._await_nodes()
        except BaseException:
            self.close()
            raise

    def nodes(self) -> Sequence[Node]:
        """Return the nodes as Ray said within the last second or so."""
        return self._nodes

    def submit(self, order: Order) -> None:
        """Hand out an attempt."""
        self._tell({
            "do": "submit", "order": self._write(order), "node_id": order.node.node_id,
            "address": self._addresses.get(order.node.node_id, order.node.name), "cpus": _cpus(order),
            "resources": order.case.resources.to_dict(), "reserve_memory": order.node.memory_bytes is not None,
        })  # fmt: skip

    def wait(self, timeout_s: float) -> Sequence[Said]:
        """Return what was said; the first word ends the waiting."""
        said, self._kept_back = self._kept_back, []
        deadline = time.monotonic() + (0.0 if said else timeout_s)
        while True:
            message = self._next(max(0.0, deadline - time.monotonic()), None if said else self._silence_s)
            if message is None:
                return said
            said += self._take(message)
            if said:
                deadline = 0.0

    def cancel(self, order: Order) -> None:
        """End an attempt by force."""
        self._tell({"do": "cancel", "key": order.key})

    def close(self) -> None:
        """Let the child end by itself, or end it."""
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _await_nodes(self) -> None:
        deadline = time.monotonic() + _FIRST_WORD_S
        while not self._nodes:
            message = self._next(max(0.0, deadline - time.monotonic()), None)
            if message is None:
                raise BackendLostError(f"Ray did not answer within {_FIRST_WORD_S:.0f} s.")
            self._kept_back += self._take(message)

    def _next(self, timeout_s: float, silence_s: float | None) -> dict[str, Any] | None:
        """Return the next message; None where none came. Raises BackendLostError where the child is gone or hangs."""
        try:
            message = self._heard.get(timeout=timeout_s) if timeout_s > 0 else self._heard.get_nowait()
        except queue.Empty:
            if silence_s is not None and time.monotonic() - self._heard_at > silence_s:
                raise BackendLostError(f"Ray has said nothing for {silence_s:.0f} s.") from None
            return None
        if message is None:
            raise BackendLostError("The connection to Ray ended.")
        if message["said"] == "gone":
            raise BackendLostError(f"The connection to Ray was lost: {message['error']}")
        return message

    def _take(self, message: Mapping[str, Any]) -> list[Said]:
        match message["said"]:
            case "nodes":
                self._addresses = {one["node_id"]: one["address"] for one in message["nodes"]}
                self._nodes = tuple(
                    Node(**{name: value for name, value in one.items() if name != "address"})
                    for one in message["nodes"]
                    if one["cpus"] >= 1 or one["devices"]
                )
            case "started":
                return [Started(message["key"], message["host"], message["pid"])]
            case "ended":
                return [read_ended(message)]
        return []

    def _tell(self, content: Mapping[str, Any]) -> None:
        assert self._process.stdin is not None  # noqa: S101  (for the type checker: it was asked for)
        try:
            self._process.stdin.write(json.dumps(content) + "\n")
            self._process.stdin.flush()
        except OSError as error:
            raise BackendLostError("The connection to Ray ended.") from error

    def _listen(self) -> None:
        assert self._process.stdout is not None  # noqa: S101
        self._heard_at = time.monotonic()
        for line in self._process.stdout:
            self._heard_at = time.monotonic()
            self._heard.put(json.loads(line))
        self._heard.put(None)


def read_ended(message: Mapping[str, Any]) -> Ended:
    """Read an end as ``execute_order``, or whoever speaks for it, wrote it."""
    return Ended(
        key=message["key"],
        outcome=Outcome(message["outcome"]),
        host=message.get("host"),
        pid=message.get("pid"),
        run_id=message.get("run_id"),
        status=message.get("status"),
        error=message.get("error"),
        wall_s=message.get("wall_s"),
    )


def _cpus(order: Order) -> float:
    """A case on the CPU gets all of the node's; one on a device its device's share of them."""
    node, wanted = order.node, order.case.resources
    if wanted.owns_node:
        return node.cpus
    return max(1.0, node.cpus // max(1, node.devices) * wanted.count)
