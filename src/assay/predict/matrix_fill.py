"""The empty cells of a matrix of results, foretold under the conditions that its row was mostly measured in.

A row says itself what its neighbours are measured with, so a foretold number stands beside like ones. What cannot be
foretold keeps a reason. May import: core, catalog, store, analysis, predict.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from assay.analysis.device_names import DeviceName
from assay.analysis.matrix import UNMEASURED, Matrix, MatrixCell, MatrixDevice, MatrixRow, relate_cells
from assay.analysis.ranking_values import Basis
from assay.core.case import Case
from assay.core.errors import AssayError
from assay.core.words import Mode, Provenance
from assay.predict.answers import ask
from assay.predict.graphs import profile_at
from assay.predict.matrix_rows import FORETOLD, LEVEL, interval_in_cell
from assay.predict.values import Abstention, Answer, Conditions, DeviceProfile, GraphProfile, Layer, Question

if TYPE_CHECKING:
    from assay.predict.answers import Answering
    from assay.store import Store

Shape = tuple[tuple[str, int], ...]
Wanted = tuple[str, Shape]
"""A model, and the inputs of its row."""
_Plain = tuple[Shape, Conditions]
_MODES = (Mode.INFERENCE, Mode.TRAINING)
_FREE = frozenset({"threads"})
_ENGINE, _PRECISION = "torch", "fp32"


@dataclass(frozen=True, slots=True)
class Hole:
    """An empty cell that may be foretold: its place, and what is asked but for the graph."""

    row: int
    column: int
    wanted: Wanted
    device: DeviceProfile
    conditions: Conditions


@dataclass(frozen=True, slots=True)
class Holes:
    """Cells to foretell, and why others are not: by row and column."""

    cells: tuple[Hole, ...] = ()
    reasons: Mapping[tuple[int, int], str] = field(default_factory=dict)

    @property
    def wanted(self) -> tuple[Wanted, ...]:
        """The graphs that they take."""
        return tuple(dict.fromkeys(one.wanted for one in self.cells))


def find_devices(names: Sequence[str]) -> tuple[MatrixDevice, ...]:
    """Return devices as columns. Raises UnknownNameError, UsageError for a name that means several devices."""
    from assay.predict.devices import find_profile

    profiles = [find_profile(name) for name in dict.fromkeys(names)]
    return tuple(dict.fromkeys(MatrixDevice(DeviceName(one.name, one.hw_id), None) for one in profiles))


def add_columns(matrix: Matrix, devices: Sequence[MatrixDevice]) -> Matrix:
    """Put devices without a result beside those that have some."""
    known = {one.device.hw_id for one in matrix.devices if one.device.hw_id and (one.accelerators or 1) == 1}
    more = tuple(one for one in devices if one.device.hw_id is None or one.device.hw_id not in known)
    if not more:
        return matrix
    blank = MatrixCell(reason=UNMEASURED)
    rows = tuple(replace(row, cells=(*row.cells, *(blank for _ in more))) for row in matrix.rows)
    found = matrix.devices_found + len(more)
    return replace(matrix, devices=(*matrix.devices, *more), rows=rows, devices_found=found)


def add_rows(matrix: Matrix, models: Sequence[str]) -> Matrix:
    """Put models without a result below those that have some. Raises UnknownNameError for none that is installed."""
    from assay.workloads.base import find_workload

    known = {row.workload for row in matrix.rows}
    rows = []
    for name in dict.fromkeys(models):
        workload = find_workload(name)
        if workload.name not in known:
            known.add(workload.name)
            unit = workload.family.unit.value
            basis = Basis(workload.name, matrix.request.where.get("mode") or Mode.INFERENCE.value, unit, "{}", (), None)
            rows.append(MatrixRow(workload.name, basis, tuple(MatrixCell(reason=UNMEASURED) for _ in matrix.devices)))
    return replace(matrix, rows=(*matrix.rows, *rows), workloads_found=matrix.workloads_found + len(rows))


def find_holes(store: Store, matrix: Matrix, *, most: int) -> Holes:
    """Return the empty cells that can be asked about, at most so many, and why others cannot.

    A row without any result is asked about in what the request says, else in fp32, batch 1, PyTorch. Raises StoreError.
    """
    from assay.workloads.base import families

    if matrix.request.metric not in FORETOLD:
        return Holes()
    cases = _read_cases(store, matrix)
    profiles = [_profile(one) for one in matrix.devices]
    found: list[Hole] = []
    reasons: dict[tuple[int, int], str] = {}
    for place, row in enumerate(matrix.rows):
        known = _plain_cases(row, cases, matrix)
        for column, cell in enumerate(row.cells):
            if cell.value is not None:
                continue
            profile = profiles[column]
            if row.workload.partition("/")[0] not in families.names():
                reasons[place, column] = "not predicted: no installed family has this workload"
            elif isinstance(known, str):
                reasons[place, column] = f"not predicted: {known}"
            elif isinstance(profile, str):
                reasons[place, column] = f"not predicted: {profile}"
            elif len(found) >= most:
                reasons[place, column] = f"not predicted: {most} cells are, at most; show fewer rows and columns"
            else:
                shape, conditions = _usual_of(known, profile)
                found.append(Hole(place, column, (row.workload, shape), profile, conditions))
    return Holes(tuple(found), reasons)


def fill_matrix(
    matrix: Matrix,
    holes: Holes,
    graphs: Mapping[Wanted, GraphProfile],
    failed: Mapping[Wanted, str],
    by: Answering | None,
) -> Matrix:
    """Fill what can be answered now; an abstention says why. A graph that is not counted yet leaves its cells empty."""
    reasons = dict(holes.reasons)
    asked: list[tuple[Hole, Question]] = []
    for hole in holes.cells:
        name = hole.wanted[0]
        if hole.wanted in graphs and by is not None:
            graph = profile_at(graphs[hole.wanted], hole.conditions.batch)
            asked.append((
                hole, Question(name, graph.family, hole.device, hole.conditions, matrix.request.metric, graph)
            ))  # fmt: skip
        else:
            why = failed.get(hole.wanted)
            reasons[hole.row, hole.column] = "its model is being counted" if why is None else f"not predicted: {why}"
    answers = ask(by, [question for _, question in asked]) if by is not None and asked else []
    filled = {
        (hole.row, hole.column): _cell(hole, one) for (hole, _), one in zip(asked, answers, strict=True)
    }  # fmt: skip
    rows = []
    for place, row in enumerate(matrix.rows):
        cells = [
            filled.get((place, column))
            or (replace(cell, reason=reasons[place, column]) if (place, column) in reasons else cell)
            for column, cell in enumerate(row.cells)
        ]
        rows.append(replace(row, cells=tuple(relate_cells(cells, matrix.direction))))
    return replace(matrix, rows=tuple(rows))


def _cell(hole: Hole, answer: Answer) -> MatrixCell:
    conditions = hole.conditions
    words = f"{conditions.precision}, batch {conditions.batch}, {conditions.engine}"
    if isinstance(answer, Abstention):
        measure = f"; measure: {answer.measure[0]}" if answer.measure else ""
        return MatrixCell(reason=f"not predicted ({words}): {answer.reason}{measure}")
    is_measured = answer.layer is Layer.MEASURED
    held = interval_in_cell(answer)
    by = answer.layer.value if answer.model is None else f"{answer.layer.value}, {answer.model}"
    said = "; ".join((words, f"by {by}", *answer.flags))
    return MatrixCell(
        value=answer.value, provenance=Provenance.MEASURED if is_measured else Provenance.PREDICTED,
        lo=None if held is None else held.lo, hi=None if held is None else held.hi, conditions=said,
        level=LEVEL if held is None else held.level,
    )  # fmt: skip


def _profile(device: MatrixDevice) -> DeviceProfile | str:
    """What a column's device gives, or why that is not known."""
    from assay.predict.devices import find_profile

    if (device.accelerators or 1) > 1:
        return "several devices together are not predicted here: assay recommend --devices"
    if device.device.hw_id is None:
        return "the catalogue has no sheet of this device"
    try:
        return find_profile(device.device.hw_id)
    except AssayError as error:
        return error.message


def _read_cases(store: Store, matrix: Matrix) -> dict[str, Case]:
    ids = sorted({cell.result_id for row in matrix.rows for cell in row.cells if cell.result_id is not None})
    if not ids:
        return {}
    found = store.results(result_id=ids, provenance="any")
    return {one.result_id: one.case for one in found if isinstance(one.case, Case)}


def _plain_cases(row: MatrixRow, cases: Mapping[str, Case], matrix: Matrix) -> list[_Plain] | str:
    """The inputs and conditions of a row's cells that are plain calls, or why none can be asked about."""
    if all(cell.value is None for cell in row.cells):
        where = matrix.request.where
        precision, batch, mode = where.get("precision"), where.get("batch"), where.get("mode")
        if mode is not None and mode not in _MODES:
            return f"{mode} is no plain call"
        return [((), Conditions(_ENGINE, precision or _PRECISION, batch or 1, mode or Mode.INFERENCE.value))]
    known = [cases[cell.result_id] for cell in row.cells if cell.result_id is not None and cell.result_id in cases]
    if not known:
        return "the sources of its row do not say engine, precision and batch"
    plain = [
        (one.shape, Conditions(one.engine, one.precision.value, one.batch, one.mode.value))
        for one in known
        if one.mode in _MODES and all(name in _FREE for name, _ in one.options)
    ]
    return plain or f"{known[0].mode.value} under these conditions is no plain call"


def _usual_of(known: Sequence[_Plain], device: DeviceProfile) -> _Plain:
    """Those that most cells have, of equals the first; with the reference engine where theirs has no such device."""
    own = [one for one in known if _runs_on(one[1].engine, device)]
    shape, conditions = Counter(own or known).most_common(1)[0][0]
    return shape, conditions if own else replace(conditions, engine=_ENGINE)


def _runs_on(engine: str, device: DeviceProfile) -> bool:
    """False where an engine has no such devices: OpenVINO is of processors and of Intel's."""
    return engine != "openvino" or device.kind == "cpu" or device.vendor == "Intel"
