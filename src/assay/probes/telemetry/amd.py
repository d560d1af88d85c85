"""AMD GPUs through amdsmi: the one GPU that ``rocm:N`` means in the worker.

``import amdsmi`` on a machine without ROCm prints to standard output and raises KeyError, so it happens only where
the amdgpu driver is loaded, with the printing caught. Source of names and units: AMD SMI documentation, "Python API"
and ``amdsmi.h``. May import: standard library, core, amdsmi (lazily).
"""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from assay.core.absence import Unavailable
from assay.probes.telemetry.base import Reading, SourceLostError, Throttle
from assay.probes.telemetry.queries import Asked, take_due

AmdsmiLoader = Callable[[], Any]
"""Return amdsmi as a module, or Unavailable where it does not import."""

_MODULE = "sys/module/amdgpu"
_LARGEST_W: Final = 10_000
"""A power cap above this is in microwatts: amdsmi's unit is uW on bare metal and W inside a virtual machine."""
_NEVER: Final = frozenset({1, 2, 3, 10})
"""Status codes of amdsmi.h that do not change later: invalid, not supported, not implemented, no permission."""
_LOST: Final = frozenset({31, 32, 34})
"""Device not found, library not initialised, driver not loaded."""
_VIOLATIONS: Final = {
    "active_prochot_thrm": Throttle.THERMAL,
    "active_socket_thrm": Throttle.THERMAL,
    "active_vr_thrm": Throttle.THERMAL,
    "active_hbm_thrm": Throttle.THERMAL,
    "active_ppt_pwr": Throttle.POWER_CAP,
}


def load_amdsmi() -> Any:
    """Import amdsmi without letting it print; Unavailable where it or its library is missing."""
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed):
            import amdsmi
    except ImportError:
        return Unavailable(
            "amdsmi is not installed", "pip install the amdsmi of your ROCm (in /opt/rocm/share/amd_smi)"
        )
    except Exception as error:  # noqa: BLE001  (KeyError and others, from inside the import)
        said = printed.getvalue().strip().partition("\n")[0] or f"{type(error).__name__}: {error}"
        return Unavailable(f"amdsmi does not load: {said}", "install ROCm's amd-smi-lib")
    return amdsmi


@dataclass(frozen=True, slots=True)
class _Query:
    """One sensor and the ways to ask for it, best first; each returns a number, or None for ``N/A``."""

    sensor: str
    ways: tuple[Callable[[Any, Any], float | None], ...]
    is_slow: bool = False


def _read_energy(amdsmi: Any, handle: Any) -> float | None:
    """Counter times resolution (in microjoules); the counter was called ``power`` before ROCm 6.1."""
    answer = amdsmi.amdsmi_get_energy_count(handle)
    counter = _number(answer.get("energy_accumulator", answer.get("power")))
    resolution_uj = _number(answer.get("counter_resolution"))
    return None if counter is None or resolution_uj is None else counter * resolution_uj / 1e6


def _read_power(amdsmi: Any, handle: Any) -> float | None:
    answer = amdsmi.amdsmi_get_power_info(handle)
    names = ("current_socket_power", "socket_power", "average_socket_power")
    return next((power for name in names if (power := _number(answer.get(name)))), None)


def _read_limit(amdsmi: Any, handle: Any) -> float | None:
    cap = _number(amdsmi.amdsmi_get_power_cap_info(handle).get("power_cap"))
    return cap / 1e6 if cap is not None and cap > _LARGEST_W else cap


def _read_utilisation(amdsmi: Any, handle: Any) -> float | None:
    percent = _number(amdsmi.amdsmi_get_gpu_activity(handle).get("gfx_activity"))
    return None if percent is None else percent / 100


def _read_memory(amdsmi: Any, handle: Any) -> float | None:
    return _number(amdsmi.amdsmi_get_gpu_memory_usage(handle, amdsmi.AmdSmiMemoryType.VRAM))


def _read_clock(domain: str) -> Callable[[Any, Any], float | None]:
    def read(amdsmi: Any, handle: Any) -> float | None:
        answer = amdsmi.amdsmi_get_clock_info(handle, getattr(amdsmi.AmdSmiClkType, domain))
        return _number(answer.get("clk", answer.get("cur_clk")))

    return read


def _read_temperature(place: str) -> Callable[[Any, Any], float | None]:
    def read(amdsmi: Any, handle: Any) -> float | None:
        sensor = getattr(amdsmi.AmdSmiTemperatureType, place)
        return _number(amdsmi.amdsmi_get_temp_metric(handle, sensor, amdsmi.AmdSmiTemperatureMetric.CURRENT))

    return read


def _read_fan(amdsmi: Any, handle: Any) -> float | None:
    speed, highest = amdsmi.amdsmi_get_gpu_fan_speed(handle, 0), amdsmi.amdsmi_get_gpu_fan_speed_max(handle, 0)
    return speed / highest if highest else None


def _read_throttle(amdsmi: Any, handle: Any) -> float | None:
    answer = amdsmi.amdsmi_get_violation_status(handle)
    known = {name: answer.get(name) for name in _VIOLATIONS if isinstance(answer.get(name), bool)}
    if not known:
        return None
    found = Throttle(0)
    for name, is_active in known.items():
        found |= _VIOLATIONS[name] if is_active else Throttle(0)
    return float(found)


_QUERIES: Final = (
    _Query("energy_j", (_read_energy,)),
    _Query("power_w", (_read_power,)),
    _Query("utilisation_share", (_read_utilisation,)),
    _Query("memory_used_bytes", (_read_memory,)),
    _Query("clock_mhz", (_read_clock("SYS"),)),  # the shaders' clock, which is also called GFX
    _Query("clock_memory_mhz", (_read_clock("MEM"),)),
    # The hot spot (junction) is what the chip throttles on; Instinct boards have no edge sensor, old cards no hot spot.
    _Query("temperature_c", (_read_temperature("HOTSPOT"), _read_temperature("EDGE"))),
    _Query("throttle_mask", (_read_throttle,)),
    _Query("fan_share", (_read_fan,), is_slow=True),
    _Query("power_limit_w", (_read_limit,), is_slow=True),
    _Query("processes", (lambda amdsmi, handle: float(len(amdsmi.amdsmi_get_gpu_process_list(handle))),), is_slow=True),
)


@dataclass(slots=True)
class AmdSource:
    """One GPU. Made by :func:`open_amd`."""

    device: str
    amdsmi: Any
    handle: Any
    name: str = "amdsmi"
    scope: str = "board"
    period_s: float = 0.1
    counter_period_s: float | None = 0.1
    _states: list[Asked[_Query]] = field(default_factory=lambda: [Asked(query) for query in _QUERIES])

    def begin(self) -> None:
        """Ask everything again, also what was refused before, so that each launch has its reasons."""
        self._states = [Asked(query) for query in _QUERIES]

    def read(self, now_ns: int) -> Sequence[Reading]:
        """Ask everything that is due. Raises SourceLostError where the driver is gone."""
        return [self._ask(state, now_ns) for state in take_due(self._states, now_ns)]

    def close(self) -> None:
        """Let go of the library."""
        with suppress(Exception):
            self.amdsmi.amdsmi_shut_down()

    def _ask(self, state: Asked[_Query], now_ns: int) -> Reading:
        reason, is_over = "", True
        for way in range(state.way, len(state.query.ways)):
            code: int | None = None
            try:
                value = state.query.ways[way](self.amdsmi, self.handle)
                if value is not None:
                    return Reading(state.query.sensor, self.device, now_ns, value)
                reason = f"amdsmi answers N/A for {state.query.sensor}"
            except AttributeError as error:
                code, reason = 2, f"this amdsmi is too old: {error}"
            except self.amdsmi.AmdSmiException as error:
                code, reason = _code_of(error), f"amdsmi: {' '.join(str(error).split())}"
            if code in _LOST:
                raise SourceLostError(f"{self.device} stopped answering: {reason}")
            is_over = is_over and code in _NEVER
            if code in _NEVER and way == state.way and way + 1 < len(state.query.ways):
                state.way += 1
        state.is_over = is_over
        return Reading(state.query.sensor, self.device, now_ns, None, reason)


def open_amd(
    device: str,
    *,
    load: AmdsmiLoader = load_amdsmi,
    environ: Mapping[str, str] = os.environ,
    root: Path = Path("/"),
) -> AmdSource | Unavailable:
    """Open the GPU that ``device`` (``rocm:1``) is under ROCR_ and HIP_VISIBLE_DEVICES, or say why that cannot be."""
    if not (root / _MODULE).exists():
        return Unavailable("no AMD GPU driver (amdgpu) is loaded", "install ROCm if this machine has such a GPU")
    amdsmi = load()
    if isinstance(amdsmi, Unavailable):
        return amdsmi
    try:
        amdsmi.amdsmi_init()
        handles = amdsmi.amdsmi_get_processor_handles()
    except amdsmi.AmdSmiException as error:
        return Unavailable(f"amdsmi does not start: {' '.join(str(error).split())}", "check the driver with amd-smi")
    position = _find_position(device, len(handles), environ)
    if isinstance(position, Unavailable):
        with suppress(Exception):
            amdsmi.amdsmi_shut_down()
        return position
    return AmdSource(device, amdsmi, handles[position])


def _find_position(device: str, count: int, environ: Mapping[str, str]) -> int | Unavailable:
    """Follow the number through the lists of ROCm (ROCR first, then HIP or CUDA inside it).

    Source: ROCm documentation, "GPU isolation techniques".
    """
    number = device.partition(":")[2]
    left = list(range(count))
    inner = "HIP_VISIBLE_DEVICES" if "HIP_VISIBLE_DEVICES" in environ else "CUDA_VISIBLE_DEVICES"
    for variable in ("ROCR_VISIBLE_DEVICES", inner):
        listed = environ.get(variable)
        if listed is None:
            continue
        entries = [part.strip() for part in listed.split(",")]
        if not all(entry.isdigit() for entry in entries):
            return Unavailable(f"{variable}={listed!r} names devices by other than numbers", "use numbers there")
        left = [left[int(entry)] for entry in entries if int(entry) < len(left)]
    at = int(number) if number.isdigit() else 0
    if at < len(left):
        return left[at]
    return Unavailable(f"there is no {device}: amdsmi shows {count} GPUs, and {len(left)} of them are visible")


def _code_of(error: Any) -> int | None:
    code = getattr(error, "err_code", None)
    return abs(code) if isinstance(code, int) else None


def _number(value: Any) -> float | None:
    """``N/A`` and other texts are missing values."""
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None
