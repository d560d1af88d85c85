"""Apple GPUs, through the two system tools that every macOS has.

May import: standard library and core.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from assay.core.absence import Unavailable
from assay.probes.commands import CommandRunner, run_command
from assay.probes.files import parse_int
from assay.probes.gpu import Gpu


def read_sysctl(name: str, *, run: CommandRunner = run_command) -> str | None:
    """Return one kernel value of macOS as text, None where it does not exist."""
    output = run(["sysctl", "-n", name])
    return None if output is None or output.code != 0 or not output.stdout.strip() else output.stdout.strip()


def find_apple_gpus(*, run: CommandRunner = run_command, platform: str = sys.platform) -> tuple[Gpu, ...] | Unavailable:
    """Return the GPU of an Apple chip. ``memory_bytes`` is the unified memory it shares with the CPU."""
    if platform != "darwin":
        return Unavailable("not macOS")
    if read_sysctl("hw.optional.arm64", run=run) != "1":
        return Unavailable("this Mac has no Apple chip, and its GPU is not supported")
    chip = read_sysctl("machdep.cpu.brand_string", run=run) or "Apple chip"
    cores = _read_core_count(run)
    return (
        Gpu(
            vendor="apple",
            name=f"{chip} GPU" if cores is None else f"{chip} {cores}-core GPU",
            index=0,
            driver=read_sysctl("kern.osproductversion", run=run),
            memory_bytes=parse_int(read_sysctl("hw.memsize", run=run)),
        ),
    )


def _read_core_count(run: CommandRunner) -> int | None:
    output = run(["system_profiler", "-json", "SPDisplaysDataType"])
    if output is None or output.code != 0:
        return None
    try:
        content: Any = json.loads(output.stdout)
        counts = [parse_int(str(display.get("sppci_cores"))) for display in content["SPDisplaysDataType"]]
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return next((count for count in counts if count), None)
