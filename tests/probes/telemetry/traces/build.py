"""Write the constructed traces of this folder: ``python tests/probes/telemetry/traces/build.py``.

Nothing here was measured. The shapes (idle, a rise, a plateau, heat that follows) are those of any GPU; the numbers
are round, so that the energy each trace must give can be worked out by hand. Names and units of the answers are the
documented ones of NVML, amdsmi, the powercap files and powermetrics.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from assay.probes.telemetry.replay import RawTrace, save_raw

IDLE_S, LOAD_S = 6.0, 13.0
SECONDS = IDLE_S + LOAD_S
STEP_S = 0.1
GIB = 1024**3
TIMES = tuple(round(step * STEP_S, 3) for step in range(round(SECONDS / STEP_S) + 1))
HERE = Path(__file__).parent


def power_w(t_s: float, idle_w: float, load_w: float) -> float:
    """Idle, then load at once: what energy the counter must show is then plain."""
    return load_w if t_s >= IDLE_S else idle_w


def energy_j(t_s: float, idle_w: float, load_w: float) -> float:
    return idle_w * min(t_s, IDLE_S) + load_w * max(0.0, t_s - IDLE_S)


def column(read: Callable[[float], Any]) -> tuple[tuple[float, ...], tuple[Any, ...]]:
    return TIMES, tuple(read(t_s) for t_s in TIMES)


def once(value: Any) -> tuple[tuple[float, ...], tuple[Any, ...]]:
    return (0.0,), (value,)


def heat_c(t_s: float, cold: float, hot: float) -> int:
    return round(cold if t_s < IDLE_S else hot - (hot - cold) * math.exp(-(t_s - IDLE_S) / 3))


def make_nvml(
    idle_w: float, load_w: float, changes: dict[str, Any] | None = None, *, hot_c: float = 64
) -> dict[str, Any]:
    """A board of 1980 MHz under load, 345 MHz idle; memory 1 GiB before, 21 GiB with the model."""
    answers = {
        "nvmlDeviceGetTotalEnergyConsumption": column(lambda t: round(5e6 + 1e3 * energy_j(t, idle_w, load_w))),
        "nvmlDeviceGetPowerUsage": column(lambda t: round(1e3 * power_w(t, idle_w, load_w))),
        "nvmlDeviceGetUtilizationRates": column(
            lambda t: {"gpu": 97, "memory": 40} if t >= IDLE_S else {"gpu": 0, "memory": 0}
        ),
        "nvmlDeviceGetMemoryInfo": column(
            lambda t: {"total": 80 * GIB, "used": (21 if t >= 1 else 1) * GIB, "free": (59 if t >= 1 else 79) * GIB}
        ),
        "nvmlDeviceGetClockInfo/1": column(lambda t: 1980 if t >= IDLE_S else 345),
        "nvmlDeviceGetClockInfo/2": once(2619),
        "nvmlDeviceGetTemperature/0": column(lambda t: heat_c(t, 33, hot_c)),
        "nvmlDeviceGetCurrentClocksThrottleReasons": column(lambda t: 0 if t >= IDLE_S else 1),
        "nvmlDeviceGetFanSpeed": once(30),
        "nvmlDeviceGetEnforcedPowerLimit": once(700_000),
        "nvmlDeviceGetComputeRunningProcesses": column(lambda t: [None] if t >= 1 else []),
    }
    answers.update(changes or {})
    return {question: answer for question, answer in answers.items() if answer is not None}


def make_all() -> dict[str, RawTrace]:
    """File name without ending -> trace."""
    lost_s = IDLE_S + 7

    def until_lost(answer: tuple[tuple[float, ...], tuple[Any, ...]]) -> tuple[tuple[float, ...], tuple[Any, ...]]:
        kept = [(t, value) for t, value in zip(*answer, strict=True) if t < lost_s]
        return (*(t for t, _ in kept), lost_s), (*(value for _, value in kept), {"error": 15})

    not_supported = once({"error": 3})
    nvml = {
        "nvml_normal": ("a board that works at its full clock: 60 W idle, 400 W loaded", make_nvml(60, 400)),
        "nvml_throttled": (
            "too hot from 4 s into the load: thermal and hardware slowdown, the clock falls from 1980 to 1320 MHz",
            make_nvml(
                60,
                400,
                hot_c=92,
                changes={
                    "nvmlDeviceGetClockInfo/1": column(
                        lambda t: 345 if t < IDLE_S else 1980 if t < IDLE_S + 4 else 1320
                    ),
                    "nvmlDeviceGetCurrentClocksThrottleReasons": column(
                        lambda t: 1 if t < IDLE_S else 0 if t < IDLE_S + 4 else 0x8 | 0x20 | 0x40
                    ),
                },
            ),
        ),
        "nvml_power_capped": (
            "a board held at a limit of 200 W: software power cap through the whole load; newer function names only",
            make_nvml(
                60,
                200,
                {
                    "nvmlDeviceGetCurrentClocksThrottleReasons": None,
                    "nvmlDeviceGetCurrentClocksEventReasons": column(lambda t: 1 if t < IDLE_S else 0x4),
                    "nvmlDeviceGetTemperature/0": None,
                    "nvmlDeviceGetTemperatureV/0": column(lambda t: heat_c(t, 33, 55)),
                    "nvmlDeviceGetEnforcedPowerLimit": once(200_000),
                    "nvmlDeviceGetClockInfo/1": column(lambda t: 1410 if t >= IDLE_S else 345),
                },
            ),
        ),
        "nvml_fanless_na": (
            "an old passively cooled card: no fan, no energy counter, no memory clock; power is there",
            make_nvml(
                30,
                150,
                {
                    "nvmlDeviceGetFanSpeed": not_supported,
                    "nvmlDeviceGetTotalEnergyConsumption": not_supported,
                    "nvmlDeviceGetClockInfo/2": not_supported,
                    "nvmlDeviceGetEnforcedPowerLimit": not_supported,
                },
            ),
        ),
        "nvml_nothing": (
            "a chip that reports no power and no energy at all, and a utilisation query that fails now and then",
            make_nvml(
                30,
                150,
                {
                    "nvmlDeviceGetTotalEnergyConsumption": not_supported,
                    "nvmlDeviceGetPowerUsage": not_supported,
                    "nvmlDeviceGetUtilizationRates": column(
                        lambda t: {"error": 999} if round(t * 10) % 30 == 20 else {"gpu": 50, "memory": 10}
                    ),
                },
            ),
        ),
        "nvml_counter_reset": (
            "the driver was reloaded 5 s into the load, and the energy counter began again at 0",
            make_nvml(
                60,
                400,
                {
                    "nvmlDeviceGetTotalEnergyConsumption": column(
                        lambda t: round(1e3 * (energy_j(t, 60, 400) + (5000 if t < IDLE_S + 5 else -2360)))
                    )
                },
            ),
        ),
        "nvml_lost": (
            "NVML_ERROR_GPU_IS_LOST 7 s into the load",
            {question: until_lost(answer) for question, answer in make_nvml(60, 400).items()},
        ),
        "nvml_mig": (
            "a board cut into slices: questions about the slice have the prefix mig:",
            {
                **make_nvml(60, 400),
                "mig:nvmlDeviceGetMemoryInfo": once({"total": 10 * GIB, "used": 3 * GIB, "free": 7 * GIB}),
                "mig:nvmlDeviceGetUtilizationRates": not_supported,
                "mig:nvmlDeviceGetComputeRunningProcesses": once([None]),
            },
        ),
    }
    traces = {name: RawTrace("nvml", constructed=True, note=note, answers=made) for name, (note, made) in nvml.items()}
    range_uj = 262_143_328_850

    def package(zone: str, name: str, start_uj: int, idle_w: float, load_w: float) -> dict[str, Any]:
        folder = f"sys/class/powercap/{zone}"
        return {
            f"{folder}/name": once(name),
            f"{folder}/max_energy_range_uj": once(range_uj),
            f"{folder}/energy_uj": column(
                lambda t: str((start_uj + round(1e6 * energy_j(t, idle_w, load_w))) % range_uj)
            ),
        }

    two_sockets = {
        **package("intel-rapl:0", "package-0", 1_000_000, 40, 160),
        **package("intel-rapl:1", "package-1", 9_000_000, 35, 140),
        **package("intel-rapl:0:0", "dram", 5_000_000, 5, 12),
        **package("intel-rapl:0:1", "core", 5_000_000, 20, 120),
        **package("intel-rapl:2", "psys", 5_000_000, 200, 400),
        "sys/class/powercap/intel-rapl:0/constraint_0_power_limit_uw": once(165_000_000),
        "sys/class/powercap/intel-rapl:1/constraint_0_power_limit_uw": once(165_000_000),
    }
    # The turn comes 3 s into the load: 40 W x 6 s + 160 W x 3 s before the end of the range.
    wrapped = package("intel-rapl:0", "package-0", range_uj - 720_000_000, 40, 160)
    denied = {
        **package("intel-rapl:0", "package-0", 1_000_000, 40, 160),
        "sys/class/powercap/intel-rapl:0/energy_uj": once({"error": 13}),
    }
    stuck = {
        **package("intel-rapl:0", "package-0", 1_000_000, 40, 160),
        "sys/class/powercap/intel-rapl:0/energy_uj": once("0"),
    }
    for name, note, answers in (
        ("rapl_two_sockets", "two packages, with memory, cores and psys that must not be added", two_sockets),
        ("rapl_wrap", "the counter reaches its range and starts again 3 s into the load", wrapped),
        ("rapl_denied", "energy_uj may be read by root only (EACCES)", denied),
        ("rapl_stuck", "a virtual machine that shows the file and never counts", stuck),
    ):
        traces[name] = RawTrace("files", constructed=True, note=note, answers=answers)
    traces |= make_amd() | make_powermetrics()
    return traces


def make_amd() -> dict[str, RawTrace]:
    """An accelerator of 90 W idle and 500 W loaded, its counter in units of 15.3 microjoules."""
    unit_uj = 15.3

    def answers(**changes: Any) -> dict[str, Any]:
        made = {
            "amdsmi_get_energy_count": column(
                lambda t: {
                    "energy_accumulator": 10**9 + round(1e6 * energy_j(t, 90, 500) / unit_uj),
                    "counter_resolution": unit_uj,
                    "timestamp": round(t * 1e9),
                }
            ),
            "amdsmi_get_power_info": column(
                lambda t: {
                    "socket_power": "N/A",
                    "current_socket_power": round(power_w(t, 90, 500)),
                    "average_socket_power": "N/A",
                    "power_limit": 750,
                }
            ),
            "amdsmi_get_gpu_activity": column(
                lambda t: {"gfx_activity": 99 if t >= IDLE_S else 0, "umc_activity": 30, "mm_activity": "N/A"}
            ),
            "amdsmi_get_gpu_memory_usage/VRAM": once(20 * GIB),
            "amdsmi_get_clock_info/SYS": column(
                lambda t: {"clk": 2100 if t >= IDLE_S else 132, "min_clk": 500, "max_clk": 2100}
            ),
            "amdsmi_get_clock_info/MEM": once({"clk": 900, "min_clk": 900, "max_clk": 1300}),
            "amdsmi_get_temp_metric/HOTSPOT/CURRENT": column(lambda t: heat_c(t, 38, 70)),
            "amdsmi_get_violation_status": column(
                lambda t: {
                    "active_prochot_thrm": False,
                    "active_ppt_pwr": t >= IDLE_S + 6,
                    "active_socket_thrm": False,
                    "active_vr_thrm": False,
                    "active_hbm_thrm": "N/A",
                }
            ),
            "amdsmi_get_power_cap_info": once({"power_cap": 750_000_000, "max_power_cap": 750_000_000}),
            "amdsmi_get_gpu_process_list": once([]),
        }
        return {**made, **changes}

    def stuck(_t_s: float) -> dict[str, Any]:
        return {"power": 8_152_136, "counter_resolution": unit_uj, "timestamp": 1}

    lost_s = IDLE_S + 7
    lost = {
        question: (
            (*(t for t in times if t < lost_s), lost_s),
            (*(value for t, value in zip(times, values, strict=True) if t < lost_s), {"error": 34}),
        )
        for question, (times, values) in answers().items()
    }
    return {
        "amd_normal": RawTrace("amdsmi", constructed=True, note="no fan, a power cap from 6 s on", answers=answers()),
        "amd_stuck_counter": RawTrace(
            "amdsmi",
            constructed=True,
            note="a counter under its old name that never moves (ROCm/amdsmi issues 22 and 38), power works",
            answers=answers(amdsmi_get_energy_count=column(stuck)),
        ),
        "amd_lost": RawTrace("amdsmi", constructed=True, note="the driver is gone 7 s into the load", answers=lost),
    }


def make_powermetrics() -> dict[str, RawTrace]:
    """A chip of 2 W idle and 25 W loaded, a document every 0.5 s; the thermal pressure rises after 8 s of load."""
    times = tuple(0.5 * step for step in range(1, round(SECONDS / 0.5) + 1))

    def document(t_s: float, *, is_whole: bool) -> str:
        load = t_s > IDLE_S
        cpu_mw, gpu_mw = (3000, 22_000) if load else (1800, 200)
        parts = (
            f"<key>cpu_energy</key><integer>{round(cpu_mw * 0.5)}</integer>"
            f"<key>gpu_energy</key><integer>{round(gpu_mw * 0.5)}</integer>"
            "<key>ane_energy</key><integer>0</integer>"
            f"<key>combined_power</key><real>{cpu_mw + gpu_mw}</real>"
        )
        if not is_whole:
            parts = f"<key>cpu_energy</key><integer>{round(cpu_mw * 0.5)}</integer>"
        pressure = "Moderate" if t_s > IDLE_S + 8 else "Nominal"
        return (
            '<?xml version="1.0" encoding="UTF-8"?>\n<plist version="1.0">\n<dict>\n'
            "<key>elapsed_ns</key><integer>500000000</integer>\n"
            f"<key>thermal_pressure</key><string>{pressure}</string>\n"
            f"<key>processor</key><dict>{parts}<key>clusters</key><array>"
            "<dict><key>freq_hz</key><real>1020000000</real></dict>"
            f"<dict><key>freq_hz</key><real>{3_200_000_000 if load else 600_000_000}</real></dict></array></dict>\n"
            f"<key>gpu</key><dict><key>freq_hz</key><real>{1398 if load else 338}</real>"
            f"<key>idle_ratio</key><real>{0.02 if load else 0.98}</real></dict>\n</dict>\n</plist>\n"
        )

    return {
        "powermetrics_normal": RawTrace(
            "powermetrics",
            constructed=True,
            note="CPU, GPU and neural engine",
            answers={"documents": (times, tuple(document(t_s, is_whole=True) for t_s in times))},
        ),
        "powermetrics_partial": RawTrace(
            "powermetrics",
            constructed=True,
            note="a Mac that tells the energy of the CPU only, and one document that is cut off",
            answers={
                "documents": (
                    times[:20],
                    ("<plist><dict>", *(document(t_s, is_whole=False) for t_s in times[1:20])),
                )
            },
        ),
    }


def main() -> None:
    for name, trace in make_all().items():
        save_raw(trace, HERE / f"{name}.json")


if __name__ == "__main__":
    main()
