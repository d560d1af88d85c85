"""How the hosts of a fleet differ: settings that are not the majority's, and hosts that are slow.

Read from the environments and results that the store has already; nothing is asked of the hosts. May import: core,
analysis, store, fleet.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

from assay.analysis.segments import compared_facts
from assay.fleet.execute import TAG
from assay.fleet.outliers import HostSpeed, compare_hosts

if TYPE_CHECKING:
    from assay.store import Store

_LEAST_HOSTS = 3
"""Of two hosts that differ, neither is the majority."""
_SPOKEN = {
    "GPU power limit W": ("power cap", " W"),
    "CPU governor": ("governor", ""),
    "CPU limit MHz": ("clock limit", " MHz"),
}
"""What a setting is called in a sentence, and its unit."""
_SHOWN = 4


@dataclass(frozen=True, slots=True)
class Deviation:
    """A setting of a host that most hosts with the same hardware have otherwise. None: the host has none."""

    host: str
    setting: str
    value: str | None
    majority: str | None
    hosts_with_majority: int
    hosts: int

    @property
    def text(self) -> str:
        """``power cap 250 W (others 300 W)``."""
        name, unit = _SPOKEN.get(self.setting, (self.setting, ""))
        return f"{name} {_say(self.value, unit)} (others {_say(self.majority, unit)})"


@dataclass(frozen=True, slots=True)
class DriftReport:
    """Hosts of the same hardware beside each other. ``undecided`` are settings that differ without a majority."""

    hardware_class: str
    hosts: tuple[str, ...]
    deviations: tuple[Deviation, ...]
    undecided: Mapping[str, Mapping[str, str | None]]
    speeds: tuple[HostSpeed, ...]

    def sentences(self) -> list[str]:
        """Say it: slow and fast hosts with what is peculiar to them, then what else is peculiar."""
        own: dict[str, list[Deviation]] = defaultdict(list)
        for one in self.deviations:
            own[one.host].append(one)
        said = [_say_speed(speed, own.pop(speed.host, [])) for speed in self.speeds if speed.is_outlier]
        said += [f"{host} differs: {_list(found)}" for host, found in sorted(own.items())]
        return said


@dataclass(frozen=True, slots=True)
class Seen:
    """One result with where it is from."""

    host: str
    hardware_class: str
    case_id: str
    latency_ns: float


def read_drift(
    store: Store, *, fleet_id: str | None = None, run_id: str | None = None, with_contaminated: bool = False
) -> list[DriftReport]:
    """Compare the hosts in the store: of one fleet run, of one run, or all. Hardware of one host only is left out.

    Contaminated results say nothing of a host's speed, unless ``with_contaminated`` is set.
    """
    runs = _read_runs(store, fleet_id, run_id)
    environments = {
        row["env_id"]: (row["hardware_class"], json.loads(row["facts"]))
        for row in store.query("SELECT env_id, hardware_class, facts FROM environments").to_pylist()
    }
    facts: dict[str, tuple[str, Mapping[str, Any]]] = {}
    seen = []
    for row in runs:  # oldest first, so that a host is as it was last
        host = _name_host(row)
        hardware_class, found = environments[row["env_id"]]
        facts[host] = (hardware_class, found)
        if row["latency_ns"] and row["status"] == "ok" and (with_contaminated or row["verdict"] != "contaminated"):
            seen.append(Seen(host, hardware_class, row["case_id"], row["latency_ns"]))
    return report_drift(facts, seen)


def report_drift(facts: Mapping[str, tuple[str, Mapping[str, Any]]], seen: Sequence[Seen]) -> list[DriftReport]:
    """Compare hosts. ``facts`` are hardware class and environment of each; ``seen`` what each took for which case."""
    by_class: dict[str, list[str]] = defaultdict(list)
    for host, (hardware_class, _) in sorted(facts.items()):
        by_class[hardware_class].append(host)
    reports = []
    for hardware_class, hosts in sorted(by_class.items()):
        if len(hosts) < 2:  # noqa: PLR2004  (nothing to hold it against)
            continue
        settings = {host: compared_facts(facts[host][1]) for host in hosts}
        deviations, undecided = find_deviations(settings)
        medians = _medians([one for one in seen if one.hardware_class == hardware_class and one.host in settings])
        reports.append(
            DriftReport(hardware_class, tuple(hosts), tuple(deviations), undecided, tuple(compare_hosts(medians)))
        )
    return reports


def find_deviations(
    settings: Mapping[str, Mapping[str, str]],
) -> tuple[list[Deviation], dict[str, dict[str, str | None]]]:
    """Return settings of hosts that more than half of the hosts have otherwise, and settings without such a value."""
    deviations: list[Deviation] = []
    undecided: dict[str, dict[str, str | None]] = {}
    for name in dict.fromkeys(name for own in settings.values() for name in own):
        values = {host: own.get(name) for host, own in settings.items()}
        (majority, count), *rest = Counter(values.values()).most_common()
        if not rest:
            continue
        if count * 2 <= len(values) or len(values) < _LEAST_HOSTS:
            undecided[name] = values
            continue
        deviations += [
            Deviation(host, name, value, majority, count, len(values))
            for host, value in values.items() if value != majority
        ]  # fmt: skip
    return deviations, undecided


def _read_runs(store: Store, fleet_id: str | None, run_id: str | None) -> list[dict[str, Any]]:
    where, params = "runs.provenance = 'measured'", []
    if fleet_id is not None:
        where, params = f"{where} AND list_contains(runs.tags, ?)", [f"{TAG}{fleet_id}"]
    elif run_id is not None:
        where, params = f"{where} AND runs.run_id = ?", [run_id]
    found: list[dict[str, Any]] = store.query(
        f"""
        SELECT runs.config, runs.env_id, environments.host_id, results.case_id, results.status, results.verdict,
               results.latency_ns
        FROM runs JOIN environments USING (env_id) JOIN results USING (run_id)
        WHERE {where} ORDER BY runs.run_id
        """,  # noqa: S608  (fixed words only; values are bound)
        params,
    ).to_pylist()
    return found


def _name_host(row: Mapping[str, Any]) -> str:
    """Name a host as the fleet calls it, else by its hash."""
    node = json.loads(row["config"]).get("fleet", {}).get("node")
    return str(node) if node else f"host {row['host_id'][:8]}"


def _medians(seen: Sequence[Seen]) -> dict[str, dict[str, float]]:
    values: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for one in seen:
        values[one.host][one.case_id].append(one.latency_ns)
    return {host: {case: median(found) for case, found in own.items()} for host, own in values.items()}


def _say_speed(speed: HostSpeed, deviations: Sequence[Deviation]) -> str:
    percent = abs(speed.ratio - 1) * 100
    said = f"{speed.host} is {percent:.0f} % {'slow' if speed.ratio > 1 else 'fast'}"
    return f"{said}: {_list(deviations)}" if deviations else f"{said}; its settings are those of the others"


def _list(deviations: Sequence[Deviation]) -> str:
    texts = [one.text for one in deviations[:_SHOWN]]
    more = len(deviations) - _SHOWN
    return "; ".join([*texts, f"and {more} more"] if more > 0 else texts)


def _say(value: str | None, unit: str) -> str:
    if value is None:
        return "none"
    text = value.removesuffix(".0") if unit else value
    return f"{text}{unit}"
