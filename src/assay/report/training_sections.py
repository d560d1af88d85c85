"""Sections on measured trainings: time to a quality, curves, parts of a step, memory by phase.

The report on training and the report on a run show the same ones. May import: core, catalog, report.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from assay.core.records import MetricValue
from assay.core.words import Direction, Status
from assay.report.cells import choose_metric, metric_cell, metric_column, result_ref, why_no_number, workload_cell
from assay.report.figures.curves import TrainingCurve, draw_curves
from assay.report.figures.matrix import Entry, Sides, draw_matrix
from assay.report.training_data import TrainedLaunch, Training
from assay.report.values import Block, Cell, Column, Figure, Scale, Section, Table, Text, Tone
from assay.report.wording import join_and, plural, short_name

PARTS = {
    "data_wait_ns": "data wait",
    "forward_ns": "forward",
    "loss_time_ns": "loss",
    "backward_ns": "backward",
    "communication_ns": "communication",
    "optimizer_ns": "optimizer",
}
"""Parts of a training step in the order in which they happen."""
MOST_CURVES = 4
"""Cases whose curves are drawn: each takes three pictures."""
_MEMORY = "memory_phase_peak_bytes"
_PHASES = ("forward", "backward", "optimizer")
_HOW_TIMED = (
    "Medians over launches of the median step. Parts are timed in a pass of their own, with the device waited for "
    "around each, so their sum may differ from a whole step: the share says by how much."
)
_TEST, _SHARE, _COUNT = "test", "share", "count"


def training_sections(
    trainings: Sequence[Training], *, most_curves: int = MOST_CURVES, limit: int = 60
) -> tuple[Section, ...]:
    """Everything that is known of some measured trainings; empty where there are none."""
    found = (
        _target_section(trainings, limit),
        *_curve_sections(trainings, most_curves),
        _parts_section(trainings, limit),
        _memory_section(trainings, limit),
    )
    return tuple(section for section in found if section is not None)


def say_trainings(trainings: Sequence[Training]) -> Iterator[Text]:
    """What to know first: how many reached their target, which did not, and which learned from generated data."""
    asked = [one for one in trainings if one.has_target and one.result.status is Status.OK]
    reached = [one for one in asked if _value(one, "time_to_train_ns") is not None]
    if asked:
        text = f"{len(reached)} of {plural(len(asked), 'training')} to a target reached it in every launch."
        yield Text((text,), Tone.PLAIN if len(reached) == len(asked) else Tone.WARNING)
    generated = sorted({
        one.fact("dataset") or str(one.options["dataset"])
        for one in trainings
        if "dataset" in one.options and one.fact("dataset_kind") == "synthetic"
    })  # fmt: skip
    if generated:
        verb = "are" if len(generated) > 1 else "is"
        text = f"{join_and(generated)} {verb} generated, not real: times of steps carry over, accuracies do not."
        yield Text((text,))


# -- time to a quality -----------------------------------------------------------------------------------------


def _target_section(trainings: Sequence[Training], limit: int) -> Section | None:
    asked = [one for one in trainings if one.has_target]
    if not asked:
        return None
    columns = (
        *_CASE_COLUMNS,
        Column("target", "target", unit=_SHARE, description="Accuracy on the test split at which training is over"),
        Column("seeds", "seeds", description="Launches that reached the target, of those that ran; each has its seed"),
        replace(metric_column("time_to_train_ns"), title="time to accuracy"),
        replace(metric_column("time_to_train_ns", "min"), title="fastest seed"),
        replace(metric_column("time_to_train_ns", "max"), title="slowest seed"),
        replace(metric_column("steps_to_target"), title="steps", unit=_COUNT),
        Column("epochs", "epochs", unit=_COUNT, description="Passes over the training split until it was over: median"),
        Column(
            "accuracy",
            "accuracy",
            _SHARE,
            Direction.HIGHER,
            description="On the test split at the end: median over launches",
        ),
        Column(
            "best", "best accuracy", _SHARE, Direction.HIGHER, description="Of any evaluation: median over launches"
        ),
        metric_column("training_time_ns"),
        Column("evaluation", "evaluating", unit=_SHARE, description="Share of the time that evaluations took"),
        metric_column("energy_to_target_j"),
        replace(metric_column("gradient_noise_scale"), unit=_COUNT),
        replace(metric_column("suggested_batch"), unit=_COUNT),
    )
    rows = tuple(_target_row(one) for one in asked[:limit])
    table = Table(
        "time-to-accuracy", "Time to accuracy", columns, rows, rows_left_out=max(0, len(asked) - limit),
        caption=(
            "From the first step to the end of the evaluation that reached the target. Every launch is a seed of its "
            "own: other weights, other order of the data. Intervals are over seeds. A target that one seed missed has "
            "no time."
        ),
    )  # fmt: skip
    table = _without_doubled(table, {"training_time_ns": "time_to_train_ns", "best": "accuracy"})
    return Section("time-to-accuracy", "Time to accuracy", (_without_empty(table),))


def _target_row(training: Training) -> tuple[Cell, ...]:
    result = training.result
    reached = sum(1 for one in training.launches if one.stop_reason == "target reached")
    return (
        *_case_cells(training),
        Cell(float(training.options["target"])),
        Cell(f"{reached}/{len(training.launches)}") if training.launches else Cell(reason="no launch ended well"),
        metric_cell(result, "time_to_train_ns"),
        _stat_cell(training, "time_to_train_ns", "min"),
        _stat_cell(training, "time_to_train_ns", "max"),
        metric_cell(result, "steps_to_target"),
        metric_cell(result, "epochs"),
        metric_cell(result, "accuracy", phase=_TEST),
        _stat_cell(training, "accuracy", "best", phase=_TEST),
        metric_cell(result, "training_time_ns", phase="steady"),
        _evaluation_cell(training),
        metric_cell(result, "energy_to_target_j"),
        metric_cell(result, "gradient_noise_scale"),
        replace(metric_cell(result, "suggested_batch"), lo=None, hi=None),  # powers of two have none
    )


def _stat_cell(training: Training, name: str, stat: str, *, phase: str | None = None) -> Cell:
    """A statistic over seeds that only several launches have."""
    cell = metric_cell(training.result, name, stat, phase)
    if cell.value is not None or training.result.status is not Status.OK:
        return cell
    return replace(cell, reason=metric_cell(training.result, name).reason or "it takes several seeds")


def _evaluation_cell(training: Training) -> Cell:
    whole = choose_metric(training.result, "training_time_ns", phase="steady")
    part = choose_metric(training.result, "training_time_ns", phase="evaluation")
    if whole is None or part is None or not whole.value or part.value is None:
        return Cell(reason=why_no_number(training.result))
    return Cell(
        part.value / whole.value,
        provenance=training.result.provenance,
        verdict=training.result.verdict,
        n=whole.n,
        is_usable=training.result.is_usable,
        reason="derived: time of evaluations / time of training",
    )


# -- curves ----------------------------------------------------------------------------------------------------


def _curve_sections(trainings: Sequence[Training], most: int) -> Iterator[Section]:
    able = [one for one in trainings if any(launch.losses for launch in one.launches)]
    ordered = sorted(able, key=lambda one: not one.has_target)  # a target is what curves are looked at for
    for number, (training, name) in enumerate(zip(ordered[:most], _names(ordered), strict=False), 1):
        blocks: list[Block] = [Text((f"{_run_as(training)}.",)), *_curves_of(training, number)]
        yield Section(f"curves-{number}", f"Curves of {name}", tuple(blocks))
    if len(ordered) > most:
        text = f"{len(ordered) - most} more have curves: curves=N draws more, and a filter one alone."
        yield Section("curves-more", "Other curves", (Text((text,)),))


def _curves_of(training: Training, number: int) -> Iterator[Figure]:
    with_evaluations = [one for one in training.launches if one.accuracies]
    target = float(training.options["target"]) if training.has_target else None
    if with_evaluations:
        for over, unit, xs in (("time", "ns", _times), ("epoch", None, _epochs)):
            yield draw_curves(
                curves=[_curve(training, one.label, xs(one), one.accuracies) for one in with_evaluations],
                metric="accuracy", unit=_SHARE, direction=Direction.HIGHER, over=over, over_unit=unit, target=target,
                title=f"Test accuracy over {over}, a curve a seed", key=f"accuracy-{over}-{number}",
            )  # fmt: skip
    curves = [
        _curve(training, f"{one.label}, each batch" if with_evaluations else one.label, _steps(one), one.losses)
        for one in training.launches
        if one.losses
    ]
    curves += [
        _curve(training, f"{one.label}, test split", [float(step) for step in one.steps], one.test_losses)
        for one in with_evaluations
    ]
    what = "Loss of each batch and of the test split" if with_evaluations else "Loss of each batch"
    drawn = draw_curves(
        curves=curves, metric="loss", unit=None, direction=Direction.LOWER, over="step",
        title=f"{what}, by step", key=f"loss-{number}",
    )  # fmt: skip
    # A loss falls by factors, and its end is where trainings differ.
    is_positive = all(value > 0 for layer in drawn.layers for value in layer.y if value is not None)
    yield replace(drawn, y=replace(drawn.y, scale=Scale.LOG)) if is_positive and drawn.layers else drawn


def _curve(training: Training, label: str, x: Sequence[float], values: Sequence[float]) -> TrainingCurve:
    return TrainingCurve(
        label, x, values, group=label, ref=result_ref(training.result), is_usable=training.result.is_usable
    )


def _times(launch: TrainedLaunch) -> list[float]:
    return [float(value) for value in launch.wall_ns]


def _epochs(launch: TrainedLaunch) -> list[float]:
    return [float(place) for place in range(len(launch.accuracies))]


def _steps(launch: TrainedLaunch) -> list[float]:
    return [float(place) for place in range(1, len(launch.losses) + 1)]


# -- parts of a step -------------------------------------------------------------------------------------------


def _parts_section(trainings: Sequence[Training], limit: int) -> Section | None:
    able = [one for one in trainings if any(_value(one, name) is not None for name in PARTS)]
    if not able:
        return None
    names = [name for name in PARTS if any(_value(one, name) is not None for one in able)]
    columns = (
        *_CASE_COLUMNS,
        replace(metric_column("latency_ns"), title="step"),
        *(replace(metric_column(name), title=PARTS[name]) for name in names),
        Column("parts_share", "sum of parts", unit=_SHARE, description="Over the time of a whole step: 100 % is all"),
        metric_column("throughput_per_s"),
        replace(metric_column("loss_ratio"), title="loss, end over start"),
    )
    rows = tuple(
        (
            *_case_cells(one),
            metric_cell(one.result, "latency_ns"),
            *(metric_cell(one.result, name) for name in names),
            metric_cell(one.result, "parts_share"),
            metric_cell(one.result, "throughput_per_s"),
            metric_cell(one.result, "loss_ratio"),
        )
        for one in able[:limit]
    )
    table = Table(
        "parts", "Parts of a step", columns, rows, caption=_HOW_TIMED, rows_left_out=max(0, len(able) - limit)
    )
    return Section("parts", "Parts of a step", (_parts_figure(able, names), _without_empty(table)))


def _parts_figure(trainings: Sequence[Training], names: Sequence[str]) -> Figure:
    """Shares of a step: a row a case, so that cases whose steps differ a thousandfold stand side by side."""
    entries = []
    for training, case in zip(trainings, _names(trainings), strict=True):
        whole = sum(_value(training, name) or 0.0 for name in names)
        for name in names:
            cell = metric_cell(training.result, name)
            if isinstance(cell.value, (int, float)) and whole > 0:
                cell = replace(cell, value=cell.value / whole, lo=None, hi=None, unit=_SHARE)
            entries.append(Entry(case, PARTS[name], cell))
    figure = draw_matrix(
        entries=entries, sides=Sides("case", "part of the step"), title="Where the time of a step goes",
        metric="share of the step", unit=_SHARE, direction=Direction.NEITHER, columns=[PARTS[name] for name in names],
        key="parts-figure",
    )  # fmt: skip
    return replace(figure, caption="Shares of the sum of all parts of the step; each row is 100 %.")


# -- memory ----------------------------------------------------------------------------------------------------


def _memory_section(trainings: Sequence[Training], limit: int) -> Section | None:
    able = [one for one in trainings if any(metric.name == _MEMORY for metric in one.result.metrics)]
    if not able:
        return None
    known = dict.fromkeys(metric.phase for one in able for metric in one.result.metrics if metric.name == _MEMORY)
    phases = sorted(known, key=lambda phase: _PHASES.index(phase) if phase in _PHASES else len(_PHASES))
    column = metric_column(_MEMORY, "max")
    columns = (
        *_CASE_COLUMNS,
        *(replace(column, key=f"{_MEMORY}.{phase}", title=phase) for phase in phases),
        replace(metric_column("memory_peak_bytes"), title="whole step"),
        metric_column("device_memory_peak_bytes"),
        replace(metric_column("trainable_parameters"), title="trainable parameters"),
    )
    rows = tuple(
        (
            *_case_cells(one),
            *(metric_cell(one.result, _MEMORY, phase=phase) for phase in phases),
            metric_cell(one.result, "memory_peak_bytes"),
            metric_cell(one.result, "device_memory_peak_bytes"),
            metric_cell(one.result, "trainable_parameters"),
        )
        for one in able[:limit]
    )
    table = Table(
        "memory-phases", "Memory by phase", columns, rows, rows_left_out=max(0, len(able) - limit),
        caption="Peaks in each phase of a step, largest launch, above what the process used before loading.",
    )  # fmt: skip
    return Section("memory-phases", "Memory by phase of a step", (_without_empty(table),))


# -- what a row is ---------------------------------------------------------------------------------------------

_CASE_COLUMNS = (
    Column("workload", "workload", description="What is trained"),
    Column("dataset", "data", description="What it learns from, and whether that is real or generated"),
    Column("case", "run as", description="Engine, device, precision, batch, and options that are not the usual ones"),
)
_SAID_ELSEWHERE = ("dataset", "target", "epochs")


def _case_cells(training: Training) -> tuple[Cell, Cell, Cell]:
    return (
        workload_cell(training.case.workload),
        Cell(training.dataset),
        Cell(_run_as(training), ref=result_ref(training.result)),
    )


def _run_as(training: Training) -> str:
    case = training.case
    words = [case.engine, case.device, str(case.precision), f"batch {case.batch}"]
    shape = training.fact("dataset_shape") if "dataset" in training.options else None
    # Of a data set its own dimensions count: those of the workload are of its own inputs.
    words += [shape.replace("=", " ")] if shape else [f"{name} {size}" for name, size in case.shape]
    words += [f"{name} {value}" for name, value in case.options if name not in _SAID_ELSEWHERE]
    return ", ".join(words)


def _names(trainings: Sequence[Training]) -> list[str]:
    """Each training within a heading: what learns from what, and how it was run where that alone tells two apart."""
    short = []
    for one in trainings:
        dataset = (one.fact("dataset") or one.options["dataset"]) if "dataset" in one.options else None
        short.append(one.case.workload if dataset is None else f"{one.case.workload} on {dataset}")
    counts = Counter(short)
    return [
        short_name(name if counts[name] == 1 else f"{name}, {_run_as(one)}")
        for name, one in zip(short, trainings, strict=True)
    ]


def _value(training: Training, name: str) -> float | None:
    found: MetricValue | None = choose_metric(training.result, name)
    return None if found is None else found.value


def _without_doubled(table: Table, pairs: Mapping[str, str]) -> Table:
    """Leave out columns that say in every row what another one says: the first of each pair."""
    places = {column.key: place for place, column in enumerate(table.columns)}
    doubled = {
        places[key]
        for key, other in pairs.items()
        if all(row[places[key]].value == row[places[other]].value for row in table.rows)
    }
    kept = [place for place in range(len(table.columns)) if place not in doubled]
    return replace(
        table,
        columns=tuple(table.columns[place] for place in kept),
        rows=tuple(tuple(row[place] for place in kept) for row in table.rows),
    )


def _without_empty(table: Table) -> Table:
    """Leave out columns that have no value in any row, with the reason once where there is one to tell."""
    kept, notes = [], list(table.notes)
    for place, column in enumerate(table.columns):
        cells = [row[place] for row in table.rows]
        if any(cell.value is not None for cell in cells):
            kept.append(place)
            continue
        reasons = [why for why in dict.fromkeys(cell.reason for cell in cells) if why and why != "not measured"]
        if reasons:
            notes.append(f"No {column.title} in any row: {'; '.join(reasons[:2])}.")
    return replace(
        table,
        columns=tuple(table.columns[place] for place in kept),
        rows=tuple(tuple(row[place] for place in kept) for row in table.rows),
        notes=tuple(notes),
    )
