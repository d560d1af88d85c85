"""AMD and Intel GPUs, through what the kernel's graphics drivers show in /sys.

No vendor library is needed, and none is imported: amdsmi without ROCm prints and raises. Source of the files:
Linux Documentation/gpu/amdgpu/driver-misc.rst and Documentation/ABI/testing/sysfs-driver-intel-*-hwmon.
May import: standard library and core.
"""

from __future__ import annotations

import re
from pathlib import Path

from assay.core.absence import Unavailable
from assay.probes.files import list_children, parse_int, read_int, read_text
from assay.probes.gpu import Gpu

_VENDORS = {0x1002: "amd", 0x8086: "intel"}
_MAKERS = {"amd": "AMD", "intel": "Intel"}
_POWER_FILES = ("power1_cap", "power1_max")
"""amdgpu has the first; i915 and xe have the second, some both. In microwatts."""
_PCI_NAMES = ("usr/share/hwdata/pci.ids", "usr/share/misc/pci.ids")


def find_drm_gpus(vendor: str, *, root: Path = Path("/")) -> tuple[Gpu, ...] | Unavailable:
    """Return the GPUs of ``vendor`` (``amd`` or ``intel``) in the kernel's order."""
    cards = [path for path in list_children(root / "sys/class/drm", "card*") if re.fullmatch(r"card\d+", path.name)]
    devices = [card / "device" for card in cards if _VENDORS.get(read_int(card / "device/vendor") or 0) == vendor]
    gpus = tuple(_describe(root, device, vendor, position) for position, device in enumerate(devices))
    return gpus or Unavailable(f"the kernel shows no {_MAKERS[vendor]} GPU in /sys/class/drm")


def _describe(root: Path, device: Path, vendor: str, position: int) -> Gpu:
    number = read_int(device / "device")
    listed = None if number is None else _find_pci_name(root, read_int(device / "vendor") or 0, number)
    name = read_text(device / "product_name") or listed or f"{'GPU' if number is None else f'GPU {number:#06x}'}"
    maker = _MAKERS[vendor]
    power_uw = next((power for power in _read_powers(device) if power), None)
    unique = read_text(device / "unique_id")
    return Gpu(
        vendor=vendor,
        name=name if name.startswith(maker) else f"{maker} {name}",
        index=position,
        driver=_read_driver(root, device),
        memory_bytes=read_int(device / "mem_info_vram_total"),
        power_limit_w=None if power_uw is None else power_uw / 1e6,
        pci_id=device.resolve().name if device.is_symlink() else None,
        uuid=unique or None,
    )


def _read_powers(device: Path) -> list[int | None]:
    folders = list_children(device / "hwmon", "hwmon*")
    return [read_int(folder / name) for name in _POWER_FILES for folder in folders]


def _read_driver(root: Path, device: Path) -> str | None:
    """Return ``amdgpu 6.10.5`` (the module's own version), or the bare name of an in-kernel driver."""
    uevent = read_text(device / "uevent") or ""
    found = re.search(r"^DRIVER=(\S+)$", uevent, re.MULTILINE)
    if found is None:
        return None
    version = read_text(root / "sys/module" / found[1] / "version")
    return f"{found[1]} {version}" if version else found[1]


def _find_pci_name(root: Path, vendor: int, device: int) -> str | None:
    """Look the device up in the system's list of PCI names: ``vendor  name`` lines, devices below after a tab."""
    text = next((text for name in _PCI_NAMES if (text := read_text(root / name))), "")
    inside = False
    for line in text.splitlines():
        if line and not line.startswith(("\t", "#")):
            inside = parse_int(f"0x{line[:4]}") == vendor
        elif inside and line.startswith("\t") and not line.startswith("\t\t") and parse_int(f"0x{line[1:5]}") == device:
            # "Aldebaran/MI200 [Instinct MI210]": people know the name in brackets.
            bracketed = re.search(r"\[(.+)\]\s*$", line)
            return bracketed[1] if bracketed else line[5:].strip()
    return None
