"""What the client's answers hold, for type checkers: the schemas of the REST API. May import: standard library."""

from __future__ import annotations

from typing import Any, TypedDict


class Case(TypedDict):
    """What was measured; of an imported result a field is None where its source does not say."""

    label: str
    workload: str
    family: str
    engine: str | None
    device: str | None
    mode: str
    precision: str | None
    batch: int | None
    shape: dict[str, int]
    options: dict[str, Any]


class Number(TypedDict):
    """One number of a result in ``unit``; a ``value`` None has a ``reason``."""

    name: str
    phase: str
    stat: str
    value: float | None
    unit: str
    direction: str | None
    ci_lo: float | None
    ci_hi: float | None
    n: int | None
    reason: str | None


class Result(TypedDict):
    """One case in one run."""

    result_id: str
    run_id: str
    series_id: str
    case_id: str
    case: Case
    provenance: str
    status: str
    reason: str | None
    verdict: str | None
    verdict_reasons: list[str]
    fidelity: str | None
    fidelity_reason: str | None
    usable: bool
    marks: dict[str, str]
    hardware: str | None
    effective_precision: str | None
    parameters: int | None
    units_per_call: float | None
    unit_of_work: str | None
    launches_planned: int
    launches_ok: int
    measured_at: str | None
    source: str | None
    source_place: str | None
    simulated: bool | None
    numbers: list[Number]


class Run(TypedDict):
    """One execution of a plan, or one imported file."""

    run_id: str
    parent_id: str | None
    suite: str
    status: str
    provenance: str
    started_at: str
    finished_at: str
    env_id: str
    hardware: str | None
    cases_planned: int
    results: int
    launches: int
    superseded: bool
    assay_version: str
    git_commit: str | None
    git_branch: str | None
    git_dirty: bool | None
    tags: list[str]
    note: str | None
    import_id: str | None


class Series(TypedDict):
    """One case on one class of hardware, with its newest result."""

    series_id: str
    case: Case
    hardware: str | None
    provenance: str
    results: int
    usable_results: int
    first_at: str | None
    last_at: str | None
    newest: Result


class Table(TypedDict):
    """What a statement of SQL returned."""

    columns: list[dict[str, str]]
    rows: list[list[Any]]
    truncated: bool
    elapsed_ms: float
