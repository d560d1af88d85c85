"""Devices side by side: the usable numbers of a metric, in groups of results that measured the same on the same device.

A group never mixes measured with imported numbers, units of work, rounds of a benchmark, or conditions; where several
results remain in it (submitters, runs, days) it shows their median and how far they spread. May import: core,
catalog, store, analysis.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from assay.analysis.device_names import DeviceName, read_stored_names
from assay.analysis.usable_numbers import (
    TABLES_READ,
    NumberWanted,
    count_parts,
    keyed_sql,
    numbers_sql,
    read_shape,
    usable_sql,
)
from assay.core.words import Direction, Provenance, Verdict
from assay.store.query import fetch_rows
from assay.store.rows import optional_aware

if TYPE_CHECKING:
    from assay.store import Store
    from assay.store.selection import Selection

_MOST_WORDS = 4
_RULED_ORDER = ("round", "division", "suite", "scenario")


@dataclass(frozen=True, slots=True)
class Subject:
    """What was measured: two groups are comparable where this is equal. None is what the source does not say.

    ``accelerators`` is how many devices took part. ``is_ruled`` means that the rules of a benchmark fix the conditions,
    so that precision, batch and engine are the submitter's choice and are no part of it. ``within`` is the import of
    rows whose source leaves conditions unsaid: they are comparable with each other and with nothing else.
    """

    workload: str
    mode: str
    unit_of_work: str | None
    accelerators: int | None
    is_ruled: bool
    precision: str | None
    batch: int | None
    shape: str
    engine: str | None
    conditions: str
    within: str | None

    @property
    def label(self) -> str:
        """The conditions in words, without the workload: ``fp32, batch 8, seq 128, torch``."""
        return ", ".join(self.words) or "conditions not said"

    @property
    def words(self) -> tuple[str, ...]:
        """The conditions one by one."""
        options = self.options
        if self.is_ruled:
            first = [str(options[name]) for name in _RULED_ORDER if name in options]
            rest = [f"{name} {value}" for name, value in options.items() if name not in _RULED_ORDER]
            return (" ".join(first), *rest)
        words = [self.precision, None if self.batch is None else f"batch {self.batch}"]
        words += [f"{name} {size}" for name, size in read_shape(self.shape)]
        words += [self.engine, *(f"{name} {value}" for name, value in options.items())]
        if self.mode != "inference":
            words.insert(0, self.mode)
        return tuple(word for word in words if word)

    @property
    def options(self) -> Mapping[str, Any]:
        """The options that are part of what was measured."""
        return _read_options(self.conditions)

    @property
    def gap(self) -> str | None:
        """What its source leaves unsaid; None where nothing that matters is."""
        if self.within is None:
            return None
        missing = [word for word, value in (("precision", self.precision), ("batch", self.batch)) if value is None]
        return f"its source does not say {' and '.join(missing) or 'the hardware'}"


_SUBJECT_FIELDS = tuple(Subject.__dataclass_fields__)


@dataclass(frozen=True, slots=True)
class Single:
    """One result's number, with its own interval over ``n`` launches (or whatever its source took it over).

    ``at`` is when it was measured, None where its source does not say.
    """

    value: float
    result_id: str
    at: datetime | None
    lo: float | None
    hi: float | None
    n: int | None
    stat: str
    verdict: Verdict | None


@dataclass(frozen=True, slots=True)
class Group:
    """The usable results of one subject on one device, of one provenance.

    ``median``, ``lowest`` and ``highest`` are over ``results`` results; ``newest`` and ``best`` are single ones of
    them. ``software`` are at most four of them, ``stats`` the first and last by name of the statistics.
    """

    subject: Subject
    device: DeviceName
    provenance: Provenance
    results: int
    median: float
    lowest: float
    highest: float
    newest: Single
    best: Single
    software: tuple[str, ...]
    stats: tuple[str, ...]

    @property
    def device_label(self) -> str:
        """The device, with how many of it where that is more than one: ``8 × NVIDIA H100 SXM``."""
        return label_devices(self.device.label, self.subject.accelerators)

    @property
    def only(self) -> Single | None:
        """The one result, where there is one."""
        return self.newest if self.results == 1 else None


def label_devices(label: str, accelerators: int | None) -> str:
    """``8 × NVIDIA H100 SXM``; the bare name of one, or of an unknown number."""
    return label if accelerators in (None, 1) else f"{accelerators} × {label}"


def read_groups(store: Store, selection: Selection, wanted: NumberWanted) -> tuple[Group, ...]:
    """Read the groups of a selection, in the order of workload, subject and device.

    Rows without the number, or that may not be ranked, are not in them (``usable_numbers.count_left_out``). Raises
    StoreError, UsageError.
    """
    return read_groups_of(store, selection, [wanted])[wanted.metric]


def read_groups_of(store: Store, selection: Selection, wanted: Sequence[NumberWanted]) -> dict[str, tuple[Group, ...]]:
    """Read the groups of several metrics at once, by metric: one pass over the store. Raises StoreError, UsageError."""
    condition, parameters = usable_sql(selection)
    names = read_stored_names(store, condition, parameters)
    # Wholly in DuckDB but for the devices' names, so that a million rows come back as their groups.
    columns = (
        "result_id, run_id, workload, mode, unit_of_work, precision, batch, shape, engine, options, provenance, "
        "hardware, device, verdict, measured_at"
    )
    source = numbers_sql(wanted, columns, condition)
    single = (
        "{'id': result_id, 'value': value, 'lo': lo, 'hi': hi, 'n': n, 'stat': stat, 'verdict': verdict, "
        "'at': measured_at}"
    )
    falling = [place for place, one in enumerate(wanted) if one.direction is Direction.HIGHER]
    sign = f"CASE WHEN metric IN ({', '.join(map(str, falling)) or 'NULL'}) THEN -1 ELSE 1 END"
    rows = fetch_rows(
        store.location,
        f"""
        WITH picked AS MATERIALIZED ({source}),
        named AS (
          SELECT unnest(?::VARCHAR[]) AS hardware, unnest(?::VARCHAR[]) AS device, unnest(?::INTEGER[]) AS name
        )
        SELECT metric, name, provenance, workload, mode, unit_of_work, accelerators, is_ruled, precision, batch, shape,
               engine, conditions, within, median(value) AS median, min(value) AS lowest, max(value) AS highest,
               -- A submission that stands in two files counts once: it is known by whose it is and by its number.
               count(*) FILTER (submission IS NULL) + count(DISTINCT submission || printf(' %.5g', value)) AS results,
               coalesce(max_by({single}, measured_at), max_by({single}, result_id)) AS newest,
               min_by({single}, ({sign}) * value) AS best,
               list_sort(list(DISTINCT software) FILTER (is_ruled AND software IS NOT NULL))[:{_MOST_WORDS}]
                 AS software,
               min(stat) AS first_stat, max(stat) AS last_stat
        FROM ({keyed_sql("SELECT * FROM picked")}) AS keyed
        JOIN named ON keyed.hardware IS NOT DISTINCT FROM named.hardware
                  AND keyed.device IS NOT DISTINCT FROM named.device
        GROUP BY ALL ORDER BY metric, workload, conditions, precision, batch, shape, name, provenance
        """,  # noqa: S608  (words of ours; what is asked is bound or quoted)
        [
            *(parameters * count_parts(wanted)),
            *names.columns,
        ],
        tables=TABLES_READ,
        versions=store.versions,
    )
    subjects: dict[tuple[Any, ...], Subject] = {}
    found: dict[str, list[Group]] = {one.metric: [] for one in wanted}
    for row in rows:
        found[wanted[row["metric"]].metric].append(_group(row, names.devices, subjects))
    return {metric: tuple(groups) for metric, groups in found.items()}


def _group(row: Mapping[str, Any], devices: Sequence[DeviceName], subjects: dict[tuple[Any, ...], Subject]) -> Group:
    fields = tuple(row[name] for name in _SUBJECT_FIELDS)
    subject = subjects.setdefault(fields, Subject(*fields))
    return Group(
        subject=subject,
        device=devices[row["name"]],
        provenance=Provenance(row["provenance"]),
        results=row["results"],
        median=row["median"],
        lowest=row["lowest"],
        highest=row["highest"],
        newest=_single(row["newest"]),
        best=_single(row["best"]),
        software=tuple(row["software"] or ()) if subject.is_ruled else (subject.engine,) if subject.engine else (),
        stats=tuple(dict.fromkeys((row["first_stat"], row["last_stat"]))),
    )


def _single(found: Mapping[str, Any]) -> Single:
    return Single(
        value=found["value"],
        result_id=found["id"],
        at=optional_aware(found["at"]),
        lo=found["lo"],
        hi=found["hi"],
        n=found["n"],
        stat=found["stat"],
        verdict=None if found["verdict"] is None else Verdict(found["verdict"]),
    )


@functools.lru_cache(maxsize=4096)
def _read_options(conditions: str) -> Mapping[str, Any]:
    read: Mapping[str, Any] = MappingProxyType(json.loads(conditions))
    return read
