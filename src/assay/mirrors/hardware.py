"""Manufacturers, architectures, devices and systems, as the environments in a store describe them.

Nothing is guessed: a device that no environment describes has its name alone. An environment of an import holds what
its source says, in any form, so every fact is looked for with care. May import: core, probes, mirrors.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from assay.core.ids import content_hash
from assay.probes.devices import VENDOR_KINDS
from assay.probes.environment import hardware_class

EnvironmentRow = tuple[str, str | None, str | None, str | None, datetime | None, int | None]
"""env_id, host_id, hardware_class, facts as JSON, first_seen_at, schema_version; all but the first may be lost."""

_SPELLINGS = {"nvidia": "NVIDIA", "amd": "AMD", "intel": "Intel", "apple": "Apple"}
Row = tuple[object, ...]


def describe_hardware(environments: Iterable[EnvironmentRow], hardware: Iterable[str]) -> dict[str, list[Row]]:
    """Return the rows of five tables by name, in the order of their columns.

    ``environments`` come the earliest first: of what two say about one device, the first that says it counts.
    ``hardware`` are the devices that results name.
    """
    devices: dict[str, dict[str, Any]] = {name: {} for name in hardware}
    systems: dict[str, Row] = {}
    counts: dict[str, Counter[str]] = {}
    rows: list[Row] = []
    for env_id, host_id, machine, text, first_seen_at, schema_version in environments:
        facts = _mapping(json.loads(text)) if text else {}
        system_id = None
        if host_id is not None and machine is not None:
            system = _system(host_id, machine, facts)
            system_id = content_hash([*system])
            found = _devices(facts)
            systems[system_id] = (system_id, *system)
            counts.setdefault(system_id, Counter(name for name, _ in found))
            for name, known in found:
                for key, value in known.items():
                    devices.setdefault(name, {}).setdefault(key, value)
        os, python = _mapping(facts.get("os")), _mapping(facts.get("python"))
        rows.append((
            env_id, system_id, first_seen_at, _text(os.get("system")), _text(os.get("distribution")),
            _text(os.get("kernel")), _text(os.get("container")), _text(python.get("version")), text, schema_version,
        ))  # fmt: skip
    return {
        "manufacturers": [(name,) for name in sorted({_spell(one) for one in _values(devices, "manufacturer")})],
        "architectures": _architectures(devices),
        "devices": [_device_row(name, devices[name]) for name in sorted(devices)],
        "systems": [systems[key] for key in sorted(systems)],
        "system_devices": [
            (system_id, name, count)
            for system_id in sorted(counts)
            for name, count in sorted(counts[system_id].items())
        ],
        "environments": rows,
    }


def _system(host_id: str, machine: str, facts: Mapping[str, Any]) -> Row:
    cpu, memory, os = (_mapping(facts.get(part)) for part in ("cpu", "memory", "os"))
    return (
        host_id,
        machine,
        _integer(cpu.get("sockets")),
        _integer(cpu.get("physical_cores")),
        _integer(cpu.get("logical_cores")),
        _integer(memory.get("total_bytes")),
        _text(os.get("virtualisation")),
    )


def _devices(facts: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Name a machine's devices as results do, with what is known of each; none where these are not assay's facts."""
    found: list[tuple[str, dict[str, Any]]] = []
    try:
        cpu = facts["cpu"]
        known: dict[str, Any] = {
            "kind": "cpu",
            "model": _text(cpu["model"]),
            "manufacturer": _text(cpu["vendor"]),
            "architecture": _text(cpu["architecture"]),
        }
        found.append((hardware_class(facts, "cpu"), _stated(known)))
        for gpu in facts["gpus"]:
            if gpu["index"] is None or gpu["vendor"] not in VENDOR_KINDS:
                continue
            capability = _text(gpu.get("compute_capability"))
            known = {
                "kind": "gpu",
                "model": _text(gpu["name"]),
                "manufacturer": _text(gpu["vendor"]),
                "architecture": f"compute capability {capability}" if capability else None,
                "memory_bytes": _integer(gpu.get("memory_bytes")),
                "power_limit_w": _number(gpu.get("power_limit_w")),
            }
            found.append((hardware_class(facts, f"{VENDOR_KINDS[gpu['vendor']]}:{gpu['index']}"), _stated(known)))
    except (KeyError, TypeError, AttributeError):
        return []
    return found


def _architectures(devices: Mapping[str, Mapping[str, Any]]) -> list[Row]:
    """A GPU's architecture is its maker's alone, an instruction set need not be."""
    rows: dict[str, Row] = {}
    for name in sorted(devices):
        known = devices[name]
        if "architecture" in known:
            maker = _spell(known["manufacturer"]) if known["kind"] == "gpu" and "manufacturer" in known else None
            rows.setdefault(known["architecture"], (known["architecture"], known["kind"], maker))
    return [rows[name] for name in sorted(rows)]


def _device_row(name: str, known: Mapping[str, Any]) -> Row:
    maker = known.get("manufacturer")
    return (
        name, known.get("kind"), known.get("model"), None if maker is None else _spell(maker),
        known.get("architecture"), known.get("memory_bytes"), known.get("power_limit_w"),
    )  # fmt: skip


def _values(devices: Mapping[str, Mapping[str, Any]], key: str) -> Sequence[str]:
    return [known[key] for known in devices.values() if key in known]


def _stated(known: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in known.items() if value is not None}


def _spell(maker: str) -> str:
    return _SPELLINGS.get(maker.casefold(), maker)


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _integer(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None
