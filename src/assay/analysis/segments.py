"""When two environments are the same for a comparison, and what differs where they are not.

A driver, a power cap, a library, a version of assay: any of them moves numbers without anything having regressed, so
numbers from either side of such a change are never held against each other (METHOD 6). An environment's own ``env_id``
is too fine for that: it changes with every package of the user's own. May import: core, probes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from assay.core.ids import content_hash
from assay.probes.environment import round_memory_gib

ABSENT = "none"
"""What a fact is called that one side has and the other has not."""
_SHOWN = 6
_GIB = 1024**3
_PLACES_AND_NAMES = ("_DIR", "_PATH", "_HOME", "_ROOT", "_CACHE", "_ID", "_FILE", "_DEVICES", "_ADDR", "_PORT", "_RANK")
"""Ends of variables that say where something lies or which of several equals it is, not how fast it computes."""

Facts = Mapping[str, Any]


def environment_key(facts: Facts) -> str:
    """Hash what of an environment decides whether its numbers may be compared: equal keys, no break between."""
    return content_hash(compared_facts(facts))


def describe_break(before: Facts, after: Facts) -> str | None:
    """Say what changed between two environments, as ``torch 2.12.0 -> 2.13.0; driver 550 -> 560``.

    None where nothing did that matters. At most six facts are named, the rest counted.
    """
    old, new = compared_facts(before), compared_facts(after)
    differing = [name for name in dict.fromkeys([*old, *new]) if old.get(name) != new.get(name)]
    if not differing:
        return None
    texts = [f"{name} {old.get(name, ABSENT)} -> {new.get(name, ABSENT)}" for name in differing[:_SHOWN]]
    more = len(differing) - _SHOWN
    return "; ".join([*texts, f"and {more} more"] if more > 0 else texts)


def compared_facts(facts: Facts) -> dict[str, str]:
    """Return what of an environment is compared, by the name a person reads, most telling first; absent facts left out.

    Left out on purpose: the count and hash of all packages (the user's own changes with every commit), assay's source
    hash, which of several equal GPUs it is, and variables that only name a place.
    """
    found = [
        *_gpus(facts), *_packages(facts), *_cpu(facts), *_memory(facts), *_system(facts), *_variables(facts),
    ]  # fmt: skip
    return {name: str(value) for name, value in found if value is not None}


Found = Iterable[tuple[str, Any]]


def _packages(facts: Facts) -> Found:
    python = _section(facts, "python")
    yield from sorted(_section(python, "packages").items())
    yield "Python", python.get("version")
    yield "Python implementation", python.get("implementation")
    yield "assay", _section(facts, "assay").get("version")


def _cpu(facts: Facts) -> Found:
    cpu = _section(facts, "cpu")
    yield "CPU", cpu.get("model")
    yield "CPU stepping", cpu.get("family_model_stepping")
    for name in ("microcode", "governor", "boost"):
        yield f"CPU {name}", cpu.get(name)
    yield "CPU frequency driver", cpu.get("frequency_driver")
    yield "CPU limit MHz", cpu.get("max_mhz")
    for name in ("sockets", "physical_cores", "logical_cores", "usable_cores"):
        yield name.replace("_", " "), cpu.get(name)
    isa = cpu.get("isa")
    yield "instructions", " ".join(sorted(map(str, isa))) if isinstance(isa, list) else None


def _memory(facts: Facts) -> Found:
    memory = _section(facts, "memory")
    for name, key in (("memory", "total_bytes"), ("memory limit", "cgroup_limit_bytes")):
        size = memory.get(key)
        # Rounded as in the hardware class: each kernel keeps another share of the same memory to itself.
        yield name, f"{round_memory_gib(size):g} GiB" if isinstance(size, (int, float)) and size > _GIB / 1024 else None
    yield "CPU quota", memory.get("cgroup_cpu_quota")
    yield "huge pages", memory.get("transparent_hugepage")


def _gpus(facts: Facts) -> Found:
    """Facts of all GPUs together: in a set of equal ones the order says nothing."""
    gpus = [gpu for gpu in facts.get("gpus") or () if isinstance(gpu, Mapping)]
    for name, key in (
        ("driver", "driver"), ("GPU", "name"), ("GPU memory", "memory_bytes"), ("GPU power limit W", "power_limit_w"),
        ("GPU compute mode", "compute_mode"), ("GPU MIG", "mig"), ("GPU persistence", "persistence"),
        ("GPU ECC", "ecc"),
    ):  # fmt: skip
        values = sorted(str(gpu[key]) for gpu in gpus if gpu.get(key) is not None)
        if name == "driver":
            values = sorted(set(values))
        counted = {value: values.count(value) for value in values}
        texts = [value if count == 1 else f"{count} x {value}" for value, count in counted.items()]
        yield name, ", ".join(texts) or None


def _system(facts: Facts) -> Found:
    system = facts.get("os")
    if not isinstance(system, Mapping):
        yield "operating system", system
        return
    for name in ("kernel", "distribution", "system", "virtualisation", "container", "clocksource"):
        yield name, system.get(name)


def _variables(facts: Facts) -> Found:
    threads, variables = _section(facts, "threads"), _section(facts, "env")
    yield from sorted((name, value) for name, value in {**variables, **threads}.items() if _matters(name))


def _matters(variable: str) -> bool:
    return not variable.endswith(_PLACES_AND_NAMES)


def _section(facts: Facts, name: str) -> Facts:
    """Return a group of facts; an environment that others wrote may have anything there."""
    found = facts.get(name)
    return found if isinstance(found, Mapping) else {}
