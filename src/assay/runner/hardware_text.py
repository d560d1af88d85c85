"""What stands for the hardware of a result: the text that its series is keyed by.

Before a launch it is what this machine is known to have. An adapter that only a browser can name is known once a launch
has said it, and a visitor's device is never this machine. May import: core, engines.web.visit, probes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from assay.core.adapters import SEPARATOR, name_adapter
from assay.core.case import Case
from assay.core.records import LaunchRecord
from assay.core.words import Status
from assay.engines.base import device_kind
from assay.engines.web.visit import describe_visitor
from assay.probes.environment import hardware_class

ADAPTER, ADAPTER_KIND = "adapter", "adapter_kind"
"""Facts of a launch: what the browser calls the device that computed, and whether that is hardware."""
SOFTWARE = "software"
_LONGEST_NAME = 120


def describe_hardware(facts: Mapping[str, Any], case: Case, launches: Iterable[LaunchRecord] = ()) -> str:
    """Return the hardware of a case's result, by the environment's facts and what its launches said.

    ``<adapter> | <machine>`` on a device that a browser named, ``<adapter> (software adapter) | <machine>`` where that
    is a program, with ``<name> (visitor)`` as the machine where a person's own browser ran it.
    """
    visitor = describe_visitor(dict(case.options))
    is_cpu = device_kind(case.device) == "cpu"
    said = None if is_cpu else _find_adapter(launches)
    if said is not None:
        adapter, is_software = said
        return name_adapter(adapter, visitor or hardware_class(facts, "cpu"), is_software=is_software)
    if visitor is None:
        return hardware_class(facts, case.device)
    return visitor if is_cpu else f"{case.device}{SEPARATOR}{visitor}"


def _find_adapter(launches: Iterable[LaunchRecord]) -> tuple[str, bool] | None:
    """The adapter of the first launch that worked and names one, and whether it is software."""
    for launch in launches:
        name = launch.engine_facts.get(ADAPTER)
        if launch.status is Status.OK and name:
            shown = " ".join(name.replace("|", "/").split())[:_LONGEST_NAME]
            return shown, launch.engine_facts.get(ADAPTER_KIND) == SOFTWARE
    return None
