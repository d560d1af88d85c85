"""Apple chips, through ``powermetrics``, which every macOS has and only root may run.

It is a program that prints one property list every interval, so a thread reads its pipe and the source hands over
what arrived. Its power is a model of Apple's ("estimated", says its manual), for CPU, GPU and neural engine together.
Source of names and units: ``man powermetrics`` and its plist output. May import: standard library and core.
"""

from __future__ import annotations

import os
import plistlib
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, Any, Final, Protocol

from assay.core.absence import Unavailable
from assay.probes.telemetry.base import Reading, SourceLostError, Throttle

_PERIOD_S: Final = 0.2
_COMMAND: Final = ("powermetrics", "--format", "plist", "--samplers", "cpu_power,gpu_power,thermal")
_END: Final = b"</plist>"
_BELOW_HZ: Final = 1e5
"""``freq_hz`` of the GPU is in MHz all the same, that of the CPU clusters in Hz: no clock is between these."""
_PARTS: Final = ("cpu_energy", "gpu_energy", "ane_energy")


class Documents(Protocol):
    """Where the property lists come from; replays bring their own."""

    def drain(self) -> Sequence[tuple[int, bytes]]:
        """Return (arrival in ns, document) of what came since the last call. Raises SourceLostError at its end."""

    def close(self) -> None:
        """End the program. Never raises."""


class PowermetricsProcess:
    """The running program and the thread that empties its pipe."""

    def __init__(self, command: Sequence[str], *, clock: Callable[[], int] = time.perf_counter_ns) -> None:
        self._clock = clock
        self._arrived: deque[tuple[int, bytes]] = deque()
        self._process = subprocess.Popen(
            list(command), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        self._thread = threading.Thread(target=self._listen, args=(self._process.stdout,), daemon=True)
        self._thread.start()

    def drain(self) -> Sequence[tuple[int, bytes]]:
        """Return what arrived since the last call."""
        is_over = not self._thread.is_alive()
        found = []
        while self._arrived:
            found.append(self._arrived.popleft())
        if is_over and not found:
            raise SourceLostError(f"powermetrics ended with exit code {self._process.poll()}")
        return found

    def close(self) -> None:
        """End the program and wait for it."""
        with suppress(OSError):
            self._process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=2)
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._thread.join(timeout=2)

    def _listen(self, pipe: IO[bytes] | None) -> None:
        """Cut at the closing tag: the NUL that separates documents comes a whole interval later."""
        if pipe is None:
            return
        lines: list[bytes] = []
        with pipe:
            for line in pipe:
                lines.append(line)
                if line.strip() == _END:
                    self._arrived.append((self._clock(), b"".join(lines)))
                    lines.clear()


@dataclass(slots=True)
class PowermetricsSource:
    """The chip. Energy is summed from the intervals, so it starts at 0. Made by :func:`open_powermetrics`."""

    device: str
    documents: Documents
    name: str = "powermetrics"
    scope: str = "SoC"
    period_s: float = _PERIOD_S
    counter_period_s: float | None = _PERIOD_S
    _energy_j: float = 0.0
    _said_why: bool = False

    def begin(self) -> None:
        """Drop what arrived between two launches."""
        self._said_why = False
        with suppress(SourceLostError):  # the first reading says it again
            self.documents.drain()

    def read(self, now_ns: int) -> Sequence[Reading]:
        """Return what arrived since the last call, each reading with the time of its own arrival."""
        readings: list[Reading] = []
        for t_ns, document in self.documents.drain():
            try:
                content = plistlib.loads(document.strip(b"\0\r\n\t "))
            except Exception as error:  # noqa: BLE001  (plistlib lets the XML parser's errors through)
                reason = f"powermetrics wrote what is no property list: {error}"
                readings.append(Reading("power_w", self.device, t_ns, None, reason))
                continue
            readings.extend(self._read_document(content if isinstance(content, dict) else {}, t_ns))
        del now_ns
        return readings

    def close(self) -> None:
        """End the program."""
        self.documents.close()

    def _read_document(self, content: dict[str, Any], t_ns: int) -> list[Reading]:
        processor, gpu = _table(content.get("processor")), _table(content.get("gpu"))
        elapsed_s = (_number(content.get("elapsed_ns")) or 0.0) / 1e9
        energy_j = _find_energy_j(processor, elapsed_s)
        found: dict[str, float | None] = {}
        if energy_j is not None and elapsed_s > 0:
            self._energy_j += energy_j
            found["energy_j"] = self._energy_j
            found["power_w"] = energy_j / elapsed_s
        is_gpu = self.device != "cpu"
        idle = _number(gpu.get("idle_ratio"))
        clocks = (
            [gpu.get("freq_hz")] if is_gpu else [_table(one).get("freq_hz") for one in _list(processor, "clusters")]
        )
        known = [clock for clock in map(_to_mhz, clocks) if clock is not None]
        if is_gpu and idle is not None:
            found["utilisation_share"] = min(1.0, max(0.0, 1 - idle))
        if known:
            found["clock_mhz"] = max(known)
        pressure = content.get("thermal_pressure")
        if isinstance(pressure, str):
            found["throttle_mask"] = float(Throttle(0) if pressure == "Nominal" else Throttle.THERMAL)
        readings = [Reading(sensor, self.device, t_ns, value) for sensor, value in found.items()]
        if "energy_j" not in found and not self._said_why:
            self._said_why = True
            reason = "powermetrics gives no power of CPU, GPU and neural engine on this Mac"
            readings.append(Reading("energy_j", self.device, t_ns, None, reason))
        return readings


def open_powermetrics(
    device: str,
    *,
    platform: str = sys.platform,
    is_root: Callable[[], bool] = lambda: hasattr(os, "geteuid") and os.geteuid() == 0,
    start: Callable[[Sequence[str]], Documents] = PowermetricsProcess,
) -> PowermetricsSource | Unavailable:
    """Start powermetrics, or say why that cannot be."""
    if platform != "darwin":
        return Unavailable("not macOS")
    if not is_root():
        return Unavailable("powermetrics may be run by root only", "run assay with sudo to have power and energy")
    try:
        documents = start((*_COMMAND, "--sample-rate", str(round(_PERIOD_S * 1e3))))
    except OSError as error:
        return Unavailable(f"powermetrics does not start: {error}")
    return PowermetricsSource(device, documents)


def _find_energy_j(processor: dict[str, Any], elapsed_s: float) -> float | None:
    """Energy of one interval: the sum of the three parts (mJ), else the combined power (mW) times the interval.

    A part that is missing leaves the sum unknown: half a chip's energy must not pass for the whole.
    """
    parts = [_number(processor.get(name)) for name in _PARTS]
    known = [part for part in parts if part is not None]
    if len(known) == len(_PARTS):
        return sum(known) / 1e3
    combined_mw = _number(processor.get("combined_power"))
    return None if combined_mw is None else combined_mw / 1e3 * elapsed_s


def _to_mhz(value: Any) -> float | None:
    number = _number(value)
    return number / 1e6 if number is not None and number > _BELOW_HZ else number


def _table(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(table: dict[str, Any], name: str) -> list[Any]:
    value = table.get(name)
    return value if isinstance(value, list) else []


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None
