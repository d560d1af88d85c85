"""Where the numbers of a report are from: the machine and software of measured ones, the sources of imported ones.

May import: core, analysis, store, report.values.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from assay.core.records import EnvironmentRecord, ResultRecord
from assay.core.units import format_bytes
from assay.core.words import Provenance
from assay.report.values import Cell, Facts, Ref, RefKind, Source

if TYPE_CHECKING:
    from assay.store import Store

_MOST_SOURCES = 40
_TOLD_FIRST = (
    "torch", "transformers", "onnxruntime", "openvino", "nncf", "torchao", "numpy", "Python", "assay", "driver",
)  # fmt: skip


def environment_facts(environment: EnvironmentRecord, *, key: str = "environment", title: str = "Environment") -> Facts:
    """What of a machine and its software moves numbers: hardware class, then the facts by which segments are told.

    Facts that are not known are left out; the environment's own record has every one (`assay show --environment`).
    """
    from assay.analysis.segments import compared_facts

    facts = compared_facts(environment.facts)
    first = [name for name in _TOLD_FIRST if name in facts]
    named = dict.fromkeys([*_hardware_first(facts), *first, *facts])
    items = [("hardware class", Cell(environment.hardware_class, ref=Ref(RefKind.DEVICE, environment.hardware_class)))]
    items += [(name, Cell(facts[name])) for name in named]
    items += [("environment", Cell(environment.env_id)), ("machine", Cell(environment.host_id))]
    return Facts(key, title, tuple(items))


def sources_of(results: Iterable[ResultRecord], store: Store) -> tuple[Source, ...]:
    """Where the imported ones of some results are from: one source a file, most used first; measured ones have none.

    Raises StoreError.
    """
    counts: Counter[str] = Counter()
    names: dict[str, str] = {}
    for one in results:
        if one.provenance is Provenance.IMPORTED:
            counts[one.run_id] += 1
            names.setdefault(one.run_id, one.source or "a source that is not named")
    return sources_of_runs(store, counts, names)


def sources_of_runs(
    store: Store, counts: Mapping[str, int], names: Mapping[str, str] | None = None
) -> tuple[Source, ...]:
    """The same where only the runs of imported results are known, each with how many results were used.

    ``names`` are what to call a run's file that no import record names. Runs that were measured are left out.
    """
    records = {one.run_id: one for one in store.imports()} if counts else {}
    found = []
    for run_id, count in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])):
        record = records.get(run_id)
        if record is None:
            if names and run_id in names:
                found.append(Source(names[run_id], f"{count} results"))
            continue
        parts = [
            f"{count} results", f"read by {record.format} on {record.imported_at:%Y-%m-%d}",
            f"{format_bytes(record.size_bytes)}, sha256 {record.sha256[:12]}",
            f"{record.rows_refused} of {record.rows_seen} rows refused" if record.rows_refused else "",
            *record.notes,
        ]  # fmt: skip
        found.append(Source(record.source, "; ".join(part for part in parts if part)))
    if len(found) > _MOST_SOURCES:
        more = len(found) - _MOST_SOURCES
        found = [
            *found[:_MOST_SOURCES],
            Source(f"and {more} more files", "assay sql 'SELECT source FROM imports' names every one"),
        ]
    return tuple(found)


def _hardware_first(facts: Mapping[str, str]) -> Sequence[str]:
    return [name for name in ("GPU", "driver", "GPU memory", "CPU", "memory") if name in facts]
