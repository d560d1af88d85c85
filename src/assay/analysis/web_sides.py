"""Results of browsers, and the native ones of the same models, with what their launches say of themselves.

A browser's result says which backend computed, in which browser, on which adapter and with how many threads; half of
that only its launches know. May import: core, catalog, probes, store, analysis.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from assay.analysis.launch_values import LaunchValues, read_launch_values
from assay.analysis.usable_numbers import TABLES_READ, NumberWanted
from assay.catalog.launch_metrics import known_stats
from assay.core.adapters import adapter_of, is_software_adapter, machine_of
from assay.core.words import Fidelity, Provenance, Status, Verdict
from assay.store.query import fetch_rows
from assay.store.schema import ENVIRONMENTS, LAUNCHES

if TYPE_CHECKING:
    from assay.store import Store
    from assay.store.selection import Selection

WEB_ENGINE = "web-"
"""Engines of browsers begin so."""
IS_WEB = (
    f"(coalesce(engine, '') LIKE '{WEB_ENGINE}%' OR lower(coalesce(device, '')) IN ('webgpu', 'webnn', 'wasm') "
    "OR (contains(options, '\"browser\"') AND json_exists(options, '$.browser')))"
)
"""A condition on ``results``: of a browser, by its engine, its device, or because it names the browser."""
VISITED = "visit"
"""The browser of a case that a person opens: which one it is, only its launches say."""
_RECIPE = "prepare_"
_CPU = "cpu"
_WEBNN_CPU = "webnn cpu"


@dataclass(frozen=True, slots=True)
class LaunchFacts:
    """What the launches of one result that ended well say, together.

    ``facts`` are the first launch's that has them, ``costs_ns`` medians, ``memory_bytes`` the largest, ``placement`` is
    how many nodes of the graph each provider executed (of the first launch that knows).
    """

    launches: int = 0
    threads: int | None = None
    facts: Mapping[str, str] = field(default_factory=dict)
    costs_ns: Mapping[str, float] = field(default_factory=dict)
    memory_bytes: Mapping[str, int] = field(default_factory=dict)
    placement: Mapping[str, int] = field(default_factory=dict)

    @property
    def recipes(self) -> frozenset[str]:
        """Artefacts that the launches started from: two results with the same one ran the same model file."""
        return frozenset(name.removeprefix(_RECIPE) for name in self.costs_ns if name.startswith(_RECIPE))


@dataclass(frozen=True, slots=True)
class Side:
    """The newest number of one result series, in a browser or outside of one (``backend`` None).

    ``machine`` is the machine without its adapter: of a native result on an accelerator the CPU beside it.
    ``is_usable`` says that it went well with right answers, ``why`` why not, or what else is to be known.
    """

    result_id: str
    run_id: str
    workload: str
    family: str
    backend: str | None
    browser: str | None
    engine: str | None
    device: str | None
    precision: str | None
    batch: int | None
    shape: str
    options: Mapping[str, Any]
    hardware: str | None
    machine: str | None
    host_id: str | None
    provenance: Provenance
    value: float | None
    lo: float | None
    hi: float | None
    n: int | None
    verdict: Verdict | None
    fidelity: Fidelity | None
    status: Status
    is_usable: bool
    why: str | None
    known: LaunchFacts = field(default_factory=LaunchFacts)
    launches: LaunchValues | None = None

    @property
    def is_software(self) -> bool:
        """True where a CPU played the graphics adapter: the number says that it works, and not how fast."""
        return is_software_adapter(self.hardware)

    @property
    def is_disturbed(self) -> bool:
        """True where most launches were disturbed: only what took turns with it, and met the same, stands beside it."""
        return self.verdict is Verdict.CONTAMINATED

    @property
    def adapter(self) -> str | None:
        """The graphics adapter by the browser's name of it, None where none computed."""
        return adapter_of(self.hardware)

    @property
    def browser_version(self) -> str | None:
        """The version of the browser, where its launches say it."""
        return self.known.facts.get("browser_version")

    @property
    def is_on_cpu(self) -> bool:
        """True where the CPU computed by way of no adapter, so that the number of threads is part of the work."""
        return (self.device or "").partition(":")[0].lower() == _CPU or self.backend in ("wasm", _WEBNN_CPU)

    @property
    def threads(self) -> int | None:
        """CPU threads: those that really computed, else those asked for; None where nobody says.

        WebNN's CPU backend takes as many as the browser likes, and does not say how many.
        """
        if self.backend == _WEBNN_CPU:
            return None
        used = self.known.facts.get("threads_used", "")
        if used.isdecimal():
            return int(used)
        if self.known.threads is not None:
            return self.known.threads
        asked = self.options.get("threads")
        return asked if isinstance(asked, int) else None

    @property
    def model_sha256(self) -> str | None:
        """Digest of the model file that ran, where the launches say it."""
        return self.known.facts.get("model_sha256")


def read_sides(store: Store, web: Selection, native: Selection, wanted: NumberWanted) -> list[Side]:
    """Read the newest number of every series of a model that a browser ran, with its launches. Raises StoreError.

    ``web`` selects among results of browsers, ``native`` among the others. Of a native series the newest result counts,
    and beside it the newest within the runs of the browsers' results, whose launches took turns with theirs.
    """
    web_where, web_parameters = web.where()
    native_where, native_parameters = native.where()
    newest = "ORDER BY measured_at DESC NULLS LAST, result_id DESC"
    columns = (
        "result_id, run_id, series_id, workload, family, engine, device, precision, batch, shape, hardware, "
        "provenance, options, usable, status, reason, fidelity, fidelity_reason, marks, verdict, verdict_reasons"
    )
    rows = fetch_rows(
        store.location,
        f"""
        WITH web AS MATERIALIZED (
          SELECT * FROM results WHERE {web_where} AND {IS_WEB} AND mode = 'inference'
          QUALIFY row_number() OVER (PARTITION BY series_id {newest}) = 1
        ), native AS (
          SELECT * FROM results WHERE {native_where} AND NOT {IS_WEB} AND mode = 'inference'
            AND workload IN (SELECT workload FROM web)
          QUALIFY row_number() OVER (PARTITION BY series_id, run_id IN (SELECT run_id FROM web) {newest}) = 1
        )
        SELECT {columns.replace("shape", "shape::VARCHAR AS shape")}, TRUE AS is_web, {wanted.sql()} AS number FROM web
        UNION ALL
        SELECT {columns.replace("shape", "shape::VARCHAR AS shape")}, FALSE, {wanted.sql()} FROM native
        ORDER BY workload, result_id
        """,  # noqa: S608  (words of ours; what is asked is bound or quoted)
        [*web_parameters, *native_parameters],
        tables=TABLES_READ,
        versions=store.versions,
    )
    measured = [row for row in rows if row["provenance"] == Provenance.MEASURED]
    known = read_launch_facts(store, [row["result_id"] for row in measured])
    values = _read_values(store, measured, wanted)
    hosts = _read_hosts(store, measured)
    return [_side(row, known.get(row["result_id"]), values.get(row["result_id"]), hosts) for row in rows]


def read_launch_facts(store: Store, result_ids: Sequence[str]) -> dict[str, LaunchFacts]:
    """Return what the launches of some results say, by result; none of a result without a good launch."""
    if not result_ids:
        return {}
    rows = fetch_rows(
        store.location,
        """
        SELECT result_id, threads, engine_facts, costs_ns, memory_bytes, placement FROM launches
        WHERE result_id IN (SELECT unnest(?::VARCHAR[])) AND status = 'ok' ORDER BY result_id, ordinal
        """,
        [list(result_ids)],
        tables=[LAUNCHES],
        versions=store.versions,
    )
    by_result: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        by_result.setdefault(row["result_id"], []).append(row)
    return {result_id: _together(launches) for result_id, launches in by_result.items()}


# -- from rows to values ---------------------------------------------------------------------------------------


def _together(launches: Sequence[Mapping[str, Any]]) -> LaunchFacts:
    facts: dict[str, str] = {}
    for launch in reversed(launches):
        facts |= dict(launch["engine_facts"])
    costs = _by_key(dict(launch["costs_ns"]) for launch in launches)
    memory = _by_key(dict(launch["memory_bytes"]) for launch in launches)
    return LaunchFacts(
        launches=len(launches),
        threads=next((launch["threads"] for launch in launches if launch["threads"] is not None), None),
        facts=facts,
        costs_ns={name: statistics.median(values) for name, values in costs.items()},
        memory_bytes={name: max(values) for name, values in memory.items()},
        placement=next((found for launch in launches if (found := dict(launch["placement"]))), {}),
    )


def _by_key(maps: Iterable[Mapping[str, int]]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for one in maps:
        for name, value in one.items():
            found.setdefault(name, []).append(value)
    return found


def _side(
    row: Mapping[str, Any], known: LaunchFacts | None, launches: LaunchValues | None, hosts: Mapping[str, _Host]
) -> Side:
    number = row["number"] or {}
    options = json.loads(row["options"])
    known = known or LaunchFacts()
    host = hosts.get(row["run_id"], _Host(None, None))
    verdict = None if row["verdict"] is None else Verdict(row["verdict"])
    backend = _backend(row["engine"], row["device"]) if row["is_web"] else None
    is_on_accelerator = not row["is_web"] and (row["device"] or _CPU).partition(":")[0].lower() != _CPU
    return Side(
        result_id=row["result_id"],
        run_id=row["run_id"],
        workload=row["workload"],
        family=row["family"],
        backend=backend,
        browser=_browser(options, known) if row["is_web"] else None,
        engine=row["engine"],
        device=row["device"],
        precision=row["precision"],
        batch=row["batch"],
        shape=row["shape"],
        options=options,
        hardware=row["hardware"],
        machine=(is_on_accelerator and host.machine) or machine_of(row["hardware"]),
        host_id=host.host_id,
        provenance=Provenance(row["provenance"]),
        value=number.get("value"),
        lo=number.get("lo"),
        hi=number.get("hi"),
        n=number.get("n"),
        verdict=verdict,
        fidelity=None if row["fidelity"] is None else Fidelity(row["fidelity"]),
        status=Status(row["status"]),
        is_usable=bool(row["usable"]),
        why=_why(row, verdict),
        known=known,
        launches=launches,
    )


def _backend(engine: str | None, device: str | None) -> str:
    """``wasm``, ``webgpu``, ``webnn cpu``: what the browser computed with, and on which of its devices."""
    if engine is None or not engine.startswith(WEB_ENGINE):
        return device or "browser"
    name = engine.removeprefix(WEB_ENGINE)
    kind = (device or "").removeprefix(name).lstrip(":")
    return f"{name} {kind}" if name == "webnn" and kind else name


def _browser(options: Mapping[str, Any], known: LaunchFacts) -> str | None:
    asked = options.get("browser")
    if asked is None or asked == VISITED:
        asked = known.facts.get("browser", asked)
    return None if asked is None else str(asked)


def _why(row: Mapping[str, Any], verdict: Verdict | None) -> str | None:
    if row["status"] != Status.OK:
        return f"{Status(row['status']).text}: {row['reason'] or 'no reason recorded'}"
    if row["fidelity"] == Fidelity.FAILED:
        return f"its answers are wrong: {row['fidelity_reason'] or 'fidelity failed'}"
    marks = [f"{mark}: {why}" for mark, why in dict(row["marks"]).items()]
    if verdict in (Verdict.NOISY, Verdict.CONTAMINATED):
        marks += row["verdict_reasons"] or [verdict.value]
    return "; ".join(marks) or None


# -- what else is read -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Host:
    """The machine of a run: its id, and its CPU as hardware texts write it."""

    host_id: str | None
    machine: str | None


def _read_hosts(store: Store, rows: Sequence[Mapping[str, Any]]) -> dict[str, _Host]:
    """Return the machine of each run; its CPU is looked up only where a result is of an accelerator."""
    run_ids = sorted({row["run_id"] for row in rows})
    found = fetch_rows(
        store.location,
        """
        SELECT run_id, env_id, host_id FROM runs LEFT JOIN environments USING (env_id)
        WHERE run_id IN (SELECT unnest(?::VARCHAR[]))
        """,
        [run_ids],
        tables=[ENVIRONMENTS],
        versions=store.versions,
    )
    wanted = {
        row["run_id"] for row in rows if not row["is_web"] and (row["device"] or _CPU).partition(":")[0].lower() != _CPU
    }
    machines = {env: _cpu_of(store, env) for env in {one["env_id"] for one in found if one["run_id"] in wanted}}
    return {one["run_id"]: _Host(one["host_id"], machines.get(one["env_id"])) for one in found}


def _cpu_of(store: Store, env_id: str) -> str | None:
    from assay.probes.environment import hardware_class

    try:
        return hardware_class(store.environment(env_id).facts, _CPU)
    except KeyError:  # an environment that says too little of its CPU
        return None


def _read_values(store: Store, rows: Sequence[Mapping[str, Any]], wanted: NumberWanted) -> dict[str, LaunchValues]:
    """Return the number of each launch; nothing where launches have no such statistic."""
    stat = wanted.stats[0]
    valid = known_stats(wanted.metric)
    if not rows or (valid is not None and stat not in valid):
        return {}
    return read_launch_values(store, sorted({row["run_id"] for row in rows}), wanted.metric, stat)
