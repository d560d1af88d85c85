"""Which sources tell something about a device, opened as far as this machine allows.

May import: standard library and core.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from contextlib import suppress

from assay.core.absence import Unavailable
from assay.probes.telemetry.amd import open_amd
from assay.probes.telemetry.apple import open_powermetrics
from assay.probes.telemetry.base import Source
from assay.probes.telemetry.drm import open_drm
from assay.probes.telemetry.host import open_host
from assay.probes.telemetry.nvml import open_nvml
from assay.probes.telemetry.rapl import open_rapl

Opener = Callable[[], Source | Unavailable]


def choose_sources(device: str, *, platform: str = sys.platform) -> tuple[list[Source], dict[str, Unavailable]]:
    """Open every source for ``device``: the host always, then what measures that device.

    Returns the open sources, and for each that could not be opened its name and why. Close them with
    :func:`close_sources`.
    """
    opened: list[Source] = []
    absent: dict[str, Unavailable] = {}
    for name, opener in list_openers(device, platform=platform):
        try:
            found = opener()
        except Exception as error:  # noqa: BLE001  (a broken driver or library must cost the telemetry, not the run)
            found = Unavailable(f"{name} could not be opened: {type(error).__name__}: {error}")
        if isinstance(found, Unavailable):
            absent[name] = found
        else:
            opened.append(found)
    return opened, absent


def list_openers(device: str, *, platform: str = sys.platform) -> tuple[tuple[str, Opener], ...]:
    """Return (name, how to open it) of each source that is looked for; a second reader only where it adds something."""
    kind = device.partition(":")[0]
    host: tuple[str, Opener] = ("host", open_host)
    if kind == "cpu" and platform != "darwin":
        return (host, ("rapl", open_rapl))
    if kind in ("cpu", "mps"):
        return (host, ("powermetrics", lambda: open_powermetrics(device, platform=platform)))
    if kind == "cuda":
        return (host, ("nvml", lambda: open_nvml(device)))
    if kind == "rocm":
        return (host, ("amdsmi", lambda: _open_amd(device)))
    if kind == "xpu":
        return (host, ("drm", lambda: open_drm(device, "intel")))
    return (host, (kind, lambda: Unavailable(f"assay knows no telemetry of the device {device!r}")))


def close_sources(sources: Iterable[Source]) -> None:
    """Close all of them, whatever one of them says."""
    for source in sources:
        with suppress(Exception):
            source.close()


def _open_amd(device: str) -> Source | Unavailable:
    """Ask amdsmi, and where it is missing the kernel's own files."""
    found = open_amd(device)
    if not isinstance(found, Unavailable):
        return found
    from_kernel = open_drm(device, "amd")
    return found if isinstance(from_kernel, Unavailable) else from_kernel
