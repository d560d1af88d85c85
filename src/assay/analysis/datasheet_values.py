"""Throughputs of single devices beside what their data sheets promise: the values that bias is estimated from.

One value is of one subject (the same work under the same rules), one device, one precision and one **witness**: whoever
answers for the number. That is the submitter of a benchmark, the machine of an own measurement, the publisher's format
of any other import. All that one witness says of the same is one value, its median. May import: core, catalog, store,
analysis.
"""

from __future__ import annotations

import math
import re
import statistics
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from assay.analysis.device_names import DeviceName, name_device
from assay.analysis.efficiency import ARITHMETIC
from assay.analysis.side_by_side import Subject
from assay.analysis.usable_numbers import LeftOut, NumberWanted, count_parts, keyed_sql, numbers_sql, usable_sql
from assay.core.words import Provenance
from assay.store.query import fetch_rows
from assay.store.schema import ENVIRONMENTS, IMPORTS, RESULTS

if TYPE_CHECKING:
    from assay.catalog.hardware.entry import Hardware
    from assay.store import Store
    from assay.store.selection import Selection

_WANTED = ("throughput_per_accelerator_per_s", "throughput_per_s")
_TABLES = (RESULTS, ENVIRONMENTS, IMPORTS)
_TARGET = re.compile(r"-99(?:\.9)?$")
_SIXTEEN = ("bf16", "fp16")
_EIGHT = ("fp8", "int8")
_SUBJECT_FIELDS = tuple(Subject.__dataclass_fields__)


class Basis(StrEnum):
    """The figure of the data sheet that a throughput is held against."""

    PEAK16 = "peak16"
    PEAK8 = "peak8"
    STATED = "stated"
    BANDWIDTH = "bandwidth"

    @property
    def words(self) -> str:
        """The figure in words."""
        return {
            Basis.PEAK16: "dense 16-bit peak",
            Basis.PEAK8: "dense 8-bit peak",
            Basis.STATED: "dense peak of the precision that the source states",
            Basis.BANDWIDTH: "memory bandwidth",
        }[self]


@dataclass(frozen=True, slots=True)
class SheetValue:
    """What one witness says of one device at one kind of work: ``rate_per_s`` is of one device, over ``numbers``.

    ``precision`` is what the source states, None where it does not. ``workload`` is without its accuracy target.
    """

    subject: Subject
    workload: str
    device: DeviceName
    hardware: Hardware
    precision: str | None
    witness: str
    provenance: Provenance
    rate_per_s: float
    numbers: int

    def promised(self, basis: Basis) -> float | None:
        """The figure of the data sheet, per second; None where it has none, or the precision is not stated."""
        match basis:
            case Basis.BANDWIDTH:
                return self.hardware.memory_bandwidth_bytes_per_s
            case Basis.PEAK16:
                return _highest(self.hardware, _SIXTEEN)
            case Basis.PEAK8:
                return _highest(self.hardware, _EIGHT)
            case Basis.STATED:
                arithmetic = ARITHMETIC.get(self.precision or "")
                return None if arithmetic is None else self.hardware.peak(arithmetic)

    def log_ratio(self, basis: Basis) -> float | None:
        """Logarithm of measured over promised, up to the operations of the work; None where nothing is promised."""
        promised = self.promised(basis)
        return None if not promised else math.log(self.rate_per_s / promised)


@dataclass(frozen=True, slots=True)
class SheetEvidence:
    """The values of a selection, and the numbers that gave none, with reasons."""

    values: tuple[SheetValue, ...]
    left_out: tuple[LeftOut, ...]

    @property
    def witnesses(self) -> tuple[str, ...]:
        """Everybody who answers for a value."""
        return tuple(sorted({one.witness for one in self.values}))


def read_evidence(store: Store, selection: Selection) -> SheetEvidence:
    """Read the throughputs that can be held against a data sheet. Raises StoreError, UsageError.

    Of a benchmark with rules no division counts in which everybody may change the model; a table that names no division
    is compared with itself alone. Accelerators of one system share its throughput evenly; how many there were is then
    no condition any more, for such a benchmark.
    """
    wanted = [NumberWanted.of(name) for name in _WANTED]
    condition, parameters = usable_sql(selection)
    rows = fetch_rows(
        store.location, _sql(wanted, condition), parameters * count_parts(wanted), tables=_TABLES,
        versions=store.versions,
    )  # fmt: skip
    left: Counter[str] = Counter()
    found: dict[tuple[Any, ...], list[tuple[float, int]]] = {}
    for row in rows:
        device = name_device(row["hardware"], row["device"])
        hardware = device.hardware
        reason = _why_not(row, device)
        if reason is not None or hardware is None:
            left[reason or "a part of a device, whose peak no data sheet says"] += row["count"]
            continue
        key = (_subject(row), device, hardware.hw_id, row["stated"], row["witness"], row["provenance"])
        found.setdefault(key, []).append((row["rate"], row["count"]))
    values = tuple(
        SheetValue(
            subject=subject, workload=_TARGET.sub("", subject.workload), device=device, hardware=_sheet(device),
            precision=stated, witness=witness, provenance=Provenance(word),
            rate_per_s=statistics.median(rate for rate, _ in rates), numbers=sum(count for _, count in rates),
        )
        for (subject, device, _, stated, witness, word), rates in found.items()
    )  # fmt: skip
    return SheetEvidence(values, tuple(LeftOut(reason, count) for reason, count in left.most_common()))


def take_one_provenance(
    evidence: SheetEvidence, word: Provenance | None = None
) -> tuple[SheetEvidence, Provenance | None]:
    """Keep the values of one provenance, since aggregates never mix them: ``word``, else that of most values."""
    counts = Counter(one.provenance for one in evidence.values)
    if word is None:
        word = max(counts, key=lambda one: counts[one], default=None)
    kept = tuple(one for one in evidence.values if one.provenance is word)
    others = [LeftOut(f"{one}: not mixed with {word}", count) for one, count in counts.items() if one is not word]
    return SheetEvidence(kept, (*others, *evidence.left_out)), word


def say_gaps(values: Iterable[SheetValue], basis: Basis) -> tuple[LeftOut, ...]:
    """Why values have no figure to be held against, by reason, most first."""
    found: Counter[str] = Counter()
    for one in values:
        if one.promised(basis) is None:
            is_unsaid = basis is Basis.STATED and one.precision is None
            why = "no precision stated" if is_unsaid else f"the data sheet of its device has no {_figure(one, basis)}"
            found[why] += 1
    return tuple(LeftOut(reason, count) for reason, count in found.most_common())


def _figure(one: SheetValue, basis: Basis) -> str:
    return f"peak of {one.precision}" if basis is Basis.STATED else basis.words


def _sheet(device: DeviceName) -> Hardware:
    if device.hardware is None:
        raise AssertionError("values without a data sheet were sorted out")
    return device.hardware


def _highest(hardware: Hardware, precisions: Iterable[str]) -> float | None:
    return max((rate for one in precisions if (rate := hardware.peak(one)) is not None), default=None)


def _why_not(row: Mapping[str, Any], device: DeviceName) -> str | None:
    if device.hw_id is None:
        return "the catalogue does not know the device, or its source does not name it"
    if row["is_ruled"] and row["division"] not in (None, "closed"):
        return f"division {row['division']}: everybody may change the model"
    if row["witness"] is None:
        return "its source does not say who answers for it"
    return None


def _subject(row: Mapping[str, Any]) -> Subject:
    fields = {name: row[name] for name in _SUBJECT_FIELDS}
    if row["is_ruled"]:
        # The rate is of one accelerator already, and rules fix the rest: eight are compared with four.
        fields["accelerators"] = None
    return Subject(**fields)


def _sql(wanted: list[NumberWanted], condition: str) -> str:
    """A row for each subject, device, precision and witness, of medians, with how many numbers each is of."""
    columns = (
        "result_id, run_id, workload, mode, unit_of_work, precision, batch, shape, engine, options, provenance, "
        "hardware, device, coalesce(effective_precision, precision) AS told"
    )
    keys = "workload, mode, unit_of_work, accelerators, is_ruled, precision, batch, shape, engine, conditions, within"
    return f"""
    WITH picked AS MATERIALIZED ({numbers_sql(wanted, columns, condition)}),
    keyed AS ({keyed_sql("SELECT * FROM picked")}),
    named AS (
      SELECT keyed.*,
        json_extract_string(options, '$.division') AS division,
        CASE WHEN metric = 0 THEN value ELSE value / coalesce(accelerators, 1) END AS one_rate,
        CASE WHEN is_ruled THEN json_extract_string(options, '$.submitter')
             WHEN keyed.provenance = '{Provenance.MEASURED}' THEN environments.host_id
             ELSE imports.format END AS witness
      FROM keyed
      LEFT JOIN runs ON keyed.run_id = runs.run_id
      LEFT JOIN environments ON runs.env_id = environments.env_id
      LEFT JOIN (SELECT run_id, any_value(format) AS format FROM imports GROUP BY run_id) AS imports
        ON keyed.run_id = imports.run_id
      -- Of a benchmark's results the rate of one accelerator was derived on import: without it, it is not known.
      WHERE CASE WHEN is_ruled THEN metric = 0 ELSE metric = 1 END
    ), told AS (
      -- A submission that stands in two files counts once, and with the precision that one of them states.
      SELECT {keys}, division, hardware, device, provenance, witness, submission, one_rate,
        coalesce(told, CASE WHEN submission IS NOT NULL
          THEN max(told) OVER (PARTITION BY workload, conditions, submission, printf('%.5g', one_rate)) END) AS stated
      FROM named
    )
    SELECT {keys}, division, hardware, device, provenance, witness, stated, median(one_rate) AS rate,
      count(*) FILTER (submission IS NULL)
        + count(DISTINCT submission || printf(' %.5g', one_rate)) AS count
    FROM told GROUP BY ALL ORDER BY ALL
    """  # noqa: S608  (words of ours; what is asked is bound or quoted)
