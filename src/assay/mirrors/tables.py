"""All tables of the mirror, parents before children. May import: mirrors.shape and the modules that describe tables."""

from __future__ import annotations

from assay.mirrors import run_tables, shared_tables
from assay.mirrors.catalogue_tables import CATALOGUE_TABLES
from assay.mirrors.shape import Filling, Table

SCHEMA_VERSION = 3
"""Of the mirror's tables. A mirror of an earlier version gets the tables that are new; see ``ddl.upgrade_schema``."""

TABLES: tuple[Table, ...] = (
    shared_tables.METRIC_REGISTRY,
    shared_tables.MANUFACTURERS,
    shared_tables.ARCHITECTURES,
    shared_tables.DEVICES,
    shared_tables.SYSTEMS,
    shared_tables.SYSTEM_DEVICES,
    shared_tables.ENVIRONMENTS,
    shared_tables.WORKLOADS,
    shared_tables.CASES,
    shared_tables.SERIES,
    run_tables.RUNS,
    run_tables.IMPORTS,
    run_tables.IMPORT_REFUSALS,
    run_tables.RESULTS,
    run_tables.RESULT_MARKS,
    run_tables.METRICS,
    run_tables.LAUNCHES,
    run_tables.LAUNCH_METRICS,
    run_tables.SAMPLES,
    run_tables.TELEMETRY,
    shared_tables.ANNOTATIONS,
    shared_tables.BASELINES,
    shared_tables.FINDINGS,
    shared_tables.CALIBRATIONS,
    shared_tables.PREDICTIONS,
    *CATALOGUE_TABLES,
)
BY_NAME = {table.name: table for table in TABLES}
OPTIONAL = tuple(table.name for table in TABLES if table.optional)


def filled(*fillings: Filling) -> tuple[Table, ...]:
    """Return the tables that are filled in one of these ways, in order."""
    return tuple(table for table in TABLES if table.filling in fillings)


def with_parents(names: frozenset[str]) -> frozenset[str]:
    """Add the optional tables that these refer to."""
    found = set(names)
    while True:
        parents = {one.table for name in found for one in BY_NAME[name].references} & set(OPTIONAL)
        if parents <= found:
            return frozenset(found)
        found |= parents
