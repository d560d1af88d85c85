"""What a GPU is to assay, whoever made it. Vendors are read in nvidia.py, drm.py and apple.py.

May import: standard library and core.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from assay.core.ids import content_hash


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU as its driver describes it. Nothing here changes by the minute.

    ``index`` is the number by which programs of this process address it (0 is the first *visible* one), None
    where it is hidden (``CUDA_VISIBLE_DEVICES``). ``memory_bytes`` is device memory, for Apple the unified memory.
    """

    vendor: str
    name: str
    index: int | None
    driver: str | None = None
    memory_bytes: int | None = None
    power_limit_w: float | None = None
    pci_id: str | None = None
    uuid: str | None = None
    compute_mode: str | None = None
    mig: bool | None = None
    persistence: bool | None = None
    compute_capability: str | None = None
    ecc: bool | None = None

    def to_facts(self) -> dict[str, Any]:
        """Return plain data for the environment; the uuid only as a hash, because it identifies the owner."""
        facts = asdict(self)
        uuid = facts.pop("uuid")
        facts["uuid_hash"] = None if uuid is None else content_hash(uuid)
        return facts
