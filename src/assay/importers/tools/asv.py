"""Results of airspeed velocity (``results/<machine>/<commit>-<environment>.json``), and its ``machine.json``.

Version 2 of the format, as ``asv/results.py`` of 0.5 and later writes it: ``result_columns`` names the columns of each
benchmark's row; a result has one value for each combination of parameters, null where it failed and NaN where it was
skipped. The unit stands in ``benchmarks.json`` and not here; what a benchmark is follows from its name, as it does for
asv itself. May import: core, importers.
"""

from __future__ import annotations

import ast
import itertools
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from assay.core.case import ForeignCase, Scalar
from assay.core.records import SampleSeries
from assay.core.words import Mark, Status
from assay.importers.base import Facts, ImportedRow, ImportFileError, Item, Note, Refusal, RowError, importers
from assay.importers.numbers import Numbers
from assay.importers.plain import plain, pointer
from assay.importers.source import Source
from assay.importers.tools.records import (
    calls_of,
    count_of,
    make_series,
    object_of,
    optional_list,
    read_epoch_ms,
    read_readings,
    refuse,
    require_some,
)

_MACHINE = frozenset({"arch", "cpu", "machine", "num_cpu", "os", "ram", "version"})
_KINDS = (
    (re.compile(r"(?:time_|timeraw_|Time[A-Z_]|Timeraw[A-Z_])"), "time"),
    (re.compile(r"(?:peakmem_|PeakMem[A-Z_])"), "peakmem"),
    (re.compile(r"(?:mem_|Mem[A-Z_])"), "mem"),
    (re.compile(r"(?:track_|Track[A-Z_])"), "track"),
)
"""The prefixes by which asv itself finds benchmarks and tells their type (asv_runner/benchmarks)."""
_VERSION = 2
_ENVIRONMENT = ("env_name", "params", "python", "requirements", "env_vars")
_COMMIT = ("commit_hash", "date")
"""What was measured; it goes with the rows."""
_COMMON = frozenset({"params", "version", "started_at", "duration", "profile"})
"""Columns with one value for all combinations; the others have one for each. A profile is a dump of its own."""
_MOST_COMBINATIONS = 100_000


class Asv:
    """One commit in one environment on one machine: ``results`` by benchmark."""

    name = "asv"
    title = "airspeed velocity results"

    def recognise(self, source: Source) -> bool:
        """True for results with named columns of a commit, and for the description of a machine."""
        content = source.json_or_none()
        if not isinstance(content, dict):
            return False
        has_results = isinstance(content.get("results"), dict) and isinstance(content.get("result_columns"), list)
        return (has_results and "commit_hash" in content) or _is_machine(content)

    def read(self, source: Source) -> Iterator[Item]:
        """Give the machine, then a row for each combination of parameters of each benchmark."""
        content = object_of(source, self.title)
        if _is_machine(content):
            yield Facts(plain(content), _cpu(content))
            yield Note("It describes a machine and holds no results; those are in the files beside it.")
            return
        results, columns = content.get("results"), content.get("result_columns")
        columns = columns if isinstance(columns, list) else []
        if content.get("version") != _VERSION or not isinstance(results, dict) or "result" not in columns:
            raise ImportFileError(
                f"{source.name} is asv's format {content.get('version')!r}, expected {_VERSION} with result_columns.",
                hint="Bring it up to date with `asv update`.",
            )
        params = content.get("params")
        params = params if isinstance(params, dict) else {}
        yield Facts({key: plain(content[key]) for key in _ENVIRONMENT if key in content}, _cpu(params))
        commit = {key: plain(content[key]) for key in _COMMIT if key in content}
        options = {"environment": content["env_name"]} if isinstance(content.get("env_name"), str) else {}
        for name, values in results.items():
            yield from _rows(name, values, [str(column) for column in columns], (options, commit))


def _is_machine(content: Mapping[str, Any]) -> bool:
    return content.keys() >= {"machine", "cpu", "version"} and content.keys() <= _MACHINE


def _cpu(params: Mapping[str, Any]) -> str | None:
    cpu = params.get("cpu")
    return cpu if isinstance(cpu, str) and cpu.strip() else None


def _rows(
    name: str, values: object, columns: list[str], shared: tuple[Mapping[str, Scalar], Mapping[str, Any]]
) -> Iterator[ImportedRow | Refusal]:
    place = pointer("results", name)
    try:
        cells = _cells(values, columns)
        combinations = _combinations(cells.get("params"))
    except RowError as error:
        yield refuse(place, error, values)
        return
    for at, combination in enumerate(combinations):
        # The pointer leads to this combination's value in the column of results.
        here = f"{place}/{columns.index('result')}/{at}"
        try:
            own = {key: _pick(cells, key, at, len(combinations)) for key in cells if key not in _COMMON}
            yield _row(here, name, own, combination, cells, shared)
        except RowError as error:
            yield refuse(here, error, {"params": combination, "result": cells["result"]})


def _cells(values: object, columns: list[str]) -> dict[str, Any]:
    """Name the columns of one benchmark; those at its end that hold nothing are not written."""
    if not isinstance(values, list):
        raise RowError(f"It is of type {type(values).__name__}, expected the list of columns.")
    cells = dict(zip(columns, values, strict=False))
    if "result" not in cells:
        raise RowError("result is missing.")
    return cells


def _combinations(params: object) -> list[tuple[str, ...]]:
    if params is None or params == []:
        return [()]
    if not isinstance(params, list) or not all(isinstance(values, list) for values in params):
        raise RowError("params is no list of lists.")
    if math.prod(len(values) for values in params) > _MOST_COMBINATIONS:
        raise RowError(f"params has more than {_MOST_COMBINATIONS} combinations.")
    return list(itertools.product(*([str(value) for value in values] for values in params)))


def _row(
    place: str,
    name: str,
    own: Mapping[str, Any],
    combination: Sequence[str],
    cells: Mapping[str, Any],
    shared: tuple[Mapping[str, Scalar], Mapping[str, Any]],
) -> ImportedRow:
    environment, commit = shared
    status, reason = _ending(own["result"])
    kind = _kind(name, has_statistics=own.get("stats_repeat") is not None)
    numbers = Numbers()
    samples: tuple[SampleSeries, ...] = ()
    if status is Status.OK:
        _add(numbers, kind, name, own)
        require_some(numbers)
        samples = _samples(name, own) if kind == "time" else ()
    single = kind == "time" and own.get("stats_repeat") == 1 and own.get("stats_number") == 1
    options = {f"param{index}": _literal(text) for index, text in enumerate(combination, start=1)}
    return ImportedRow(
        place,
        ForeignCase.make(workload=name, options={**environment, **options}),
        status=status,
        reason=reason,
        # When the benchmark started; the file's own date is that of the commit.
        measured_at=read_epoch_ms(cells.get("started_at")),
        metrics=tuple(numbers.metrics),
        conversions=numbers.conversions,
        fields={
            **commit,
            "params": list(combination),
            "version": plain(cells.get("version")),
            "started_at": plain(cells.get("started_at")),
            **{key: plain(value) for key, value in own.items() if key != "samples" or not samples},
        },
        samples=samples,
        marks={Mark.SINGLE_SHOT: "one repetition of one call"} if single else {},
    )


def _pick(cells: Mapping[str, Any], column: str, at: int, count: int) -> Any:
    """Return a column's value for one combination; a column that is null has none for any."""
    values = cells[column]
    if values is None:
        return None
    if not isinstance(values, list) or len(values) != count:
        got = f"{len(values)} values" if isinstance(values, list) else f"a value of type {type(values).__name__}"
        raise RowError(f"{column} has {got}, expected {count}: one for each combination of parameters.")
    return values[at]


def _ending(result: object) -> tuple[Status, str | None]:
    if result is None:
        return Status.FAILED, "asv has no value: the benchmark failed or ran out of time"
    if isinstance(result, float) and math.isnan(result):
        return Status.SKIPPED, "asv says n/a: the benchmark skipped this combination"
    return Status.OK, None


def _samples(name: str, own: Mapping[str, Any]) -> tuple[SampleSeries, ...]:
    """Make a series of the raw times, which are there where asv ran with --record-samples."""
    readings = read_readings(optional_list(own, "samples") or (), "samples")
    calls = calls_of(own.get("stats_number"), "stats_number")
    return make_series(_time_metric(name), ((value, calls) for value in readings), unit="s")


def _kind(name: str, *, has_statistics: bool) -> str:
    last = name.rpartition(".")[2]
    for pattern, kind in _KINDS:
        if pattern.match(last):
            return kind
    return "time" if has_statistics else "track"


def _time_metric(name: str) -> str:
    """Return the metric of a timing; ``timeraw`` runs a program of its own, start-up included."""
    last = name.rpartition(".")[2]
    return "wall_time_ns" if last.casefold().startswith("timeraw") else "latency_ns"


def _add(numbers: Numbers, kind: str, name: str, own: Mapping[str, Any]) -> None:
    result = own["result"]
    if kind == "time":
        repeats = count_of(own.get("stats_repeat"), "stats_repeat")
        for column, stat in (("result", "median"), ("stats_q_25", "p25"), ("stats_q_75", "p75")):
            if own.get(column) is not None:
                numbers.add(_time_metric(name), own[column], field=column, unit="s", stat=stat, n=repeats)
    elif kind == "track":
        numbers.add(
            "score", result, field="result", unit="1", phase=name.rpartition(".")[2], zero_is_unknown=False,
            note="the unit stands in asv's benchmarks.json, which is another file",
        )  # fmt: skip
    else:
        numbers.add("memory_used_bytes", result, field="result", unit="B", stat="max" if kind == "peakmem" else "mean")


def _literal(text: str) -> Scalar:
    """Read what asv wrote with repr(): ``'a'`` is a, ``10`` is 10; anything else stays as written."""
    try:
        value = ast.literal_eval(text) if len(text) < 100 else text  # noqa: PLR2004  (a plain value is short)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return text
    if isinstance(value, float) and not math.isfinite(value):
        return text
    return value if isinstance(value, (str, int, float, bool)) else text


importers.add(Asv.name, Asv())
