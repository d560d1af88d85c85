"""Learning from published results, and reading back what was learned.

May import: core, predict, stats; numpy inside functions.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from assay.core.absence import Unavailable
from assay.core.errors import AssayError
from assay.predict.base import Gathered, Payload
from assay.predict.system.model import SystemModel, make_rows
from assay.predict.system.process import Process, Rows, fit_process, leave_out, rebuild
from assay.predict.system.recipe import Described, Recipe
from assay.predict.values import Example, Situation
from assay.stats.conformal import Calibration, calibrate

FEWEST = 30
_FEWEST_GROUPS = 3
"""Groups from which there is a bound at 50 % that is not the worst error of all: 0.5 x (1 + 1/3) is 2/3."""
_MOST_CELLS = 4000
"""Rows of a process: its covariance takes 8 bytes x cells^2."""


def fit_recipe(recipe: Recipe, gathered: Gathered, seed: int) -> SystemModel:
    """Learn. Results under the same conditions count as one cell, their median. Raises AssayError for too few."""
    import numpy as np

    cells = group_cells(recipe, gathered.examples)
    if len(cells) < FEWEST:
        raise AssayError(
            f"{len(cells)} published cells can be learned from; expected at least {FEWEST}.",
            hint="Give the folder of published results with --data.",
        )
    if len(cells) > _MOST_CELLS:
        raise AssayError(
            f"{len(cells)} published cells are too many to learn from at once; expected at most {_MOST_CELLS}.",
            hint="Leave out rounds that are too old to matter.",
        )
    told = [described for described, _ in cells]
    logs = np.array([np.median([np.log(one.value) for one in rows]) for _, rows in cells])
    names = {name: tuple(sorted({one.words[name] for one in told})) for name in recipe.words}
    rows = make_rows(recipe, told, names)
    repeats = np.array([float(len(found)) for _, found in cells])
    process = fit_process(recipe.terms, rows, logs - np.array([one.reference for one in told]), repeats, seed)
    labels = tuple(_label(found[0]) for _, found in cells)
    sources = tuple(found[0].source for _, found in cells)
    return SystemModel(recipe, process, names, _calibrate(process, told), labels, sources, np.exp(logs))


def group_cells(recipe: Recipe, examples: Sequence[Example]) -> list[tuple[Described, list[Example]]]:
    """Group examples that cannot be told apart, in the order they came; those that cannot be told are left out."""
    cells: dict[tuple[Any, ...], tuple[Described, list[Example]]] = {}
    for one in examples:
        described = recipe.describe(one.question)
        if isinstance(described, Unavailable):
            continue
        key = (*sorted(described.words.items()), *sorted(described.columns.items()), described.reference)
        cells.setdefault(key, (described, []))[1].append(one)
    return list(cells.values())


def check_payload(recipe: Recipe, payload: Payload) -> None:
    """Look whether a payload has all its parts, of one length, finite. Raises AssayError where it has not."""
    try:
        _check(recipe, payload.meta, payload.arrays)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _unreadable(recipe, error) from error


def load_recipe(recipe: Recipe, payload: Payload) -> SystemModel:
    """Read back a payload. Raises AssayError where it is not sound."""
    import numpy as np

    check_payload(recipe, payload)
    try:
        return _load(recipe, payload.meta, payload.arrays)
    except (KeyError, TypeError, ValueError, IndexError, np.linalg.LinAlgError) as error:
        raise _unreadable(recipe, error) from error


def _unreadable(recipe: Recipe, error: Exception) -> AssayError:
    return AssayError(
        f"What the predictor {recipe.kind!r} learned cannot be read: {type(error).__name__}: {error}.",
        hint="Learn it again: assay predict train",
    )


def _check(recipe: Recipe, meta: Mapping[str, Any], arrays: Mapping[str, Any]) -> None:
    import numpy as np

    if meta["kind"] != recipe.kind or tuple(meta["terms"]) != tuple(one.name for one in recipe.terms):
        raise ValueError(f"got terms {meta['terms']} of {meta['kind']}")
    names = ["process_values", "process_repeats", "values", *(f"word_{one}" for one in recipe.words)]
    parts = [np.asarray(arrays[name], dtype=np.float64) for name in (*names, *(f"column_{c}" for c in recipe.columns))]
    n = len(parts[0])
    if not 0 < n <= _MOST_CELLS or any(one.shape != (n,) for one in parts):
        raise ValueError(f"got parts of other lengths than {n} rows, or more than {_MOST_CELLS}")
    if len(meta["labels"]) != n or len(meta["sources"]) != n:
        raise ValueError(f"got {len(meta['labels'])} labels and {len(meta['sources'])} sources of {n} rows")
    scalars = np.array([*meta["variances"], meta["noise"], meta["mean"]], dtype=np.float64)
    if not all(np.isfinite(one).all() for one in (*parts, scalars)):
        raise ValueError("got numbers that are not finite")
    if (parts[1] < 1).any() or (scalars[:-2] < 0).any() or scalars[-2] <= 0 or len(scalars) != len(recipe.terms) + 2:
        raise ValueError("got a variance below 0, no noise, or repeats below 1")


def _load(recipe: Recipe, meta: Mapping[str, Any], arrays: Mapping[str, Any]) -> SystemModel:
    import numpy as np

    values, repeats, own = (
        np.asarray(arrays[name], dtype=np.float64) for name in ("process_values", "process_repeats", "values")
    )
    words = {name: np.asarray(arrays[f"word_{name}"], dtype=np.int64) for name in recipe.words}
    columns = {name: np.asarray(arrays[f"column_{name}"], dtype=np.float64) for name in recipe.columns}
    rows = Rows(words, columns, len(values))
    variances = [float(one) for one in meta["variances"]]
    process = rebuild(recipe.terms, variances, float(meta["noise"]), float(meta["mean"]), rows, values, repeats)
    names = {name: tuple(map(str, meta["names"][name])) for name in recipe.words}
    calibrations = {
        Situation(name): Calibration(tuple(one["scores"]), tuple(one["weights"]), int(one["groups"]))
        for name, one in meta["calibrations"].items()
    }
    labels, sources = tuple(map(str, meta["labels"])), tuple(map(str, meta["sources"]))
    return SystemModel(recipe, process, names, calibrations, labels, sources, own)


def _calibrate(process: Process, told: Sequence[Described]) -> Mapping[Situation, Calibration]:
    """Errors of rows left out with their group: an accelerator, a maker, or the cell alone."""
    held: dict[Situation, list[str]] = {
        Situation.KNOWN: [str(place) for place in range(len(told))],
        Situation.UNSEEN_DEVICE: [one.words["device"] for one in told],
        Situation.UNSEEN_VENDOR: [one.words["vendor"] for one in told],
    }
    found = {}
    series = [one.words["series"] for one in told]
    for situation, groups in held.items():
        # A series of one group alone is abstained from when that group is held out: it says nothing of answers.
        among: dict[str, set[str]] = defaultdict(set)
        for name, group in zip(series, groups, strict=True):
            among[name].add(group)
        kept = [place for place, name in enumerate(series) if len(among[name]) > 1]
        own = [groups[place] for place in kept]
        if len(set(own)) >= _FEWEST_GROUPS:  # fewer than ten leave the widest levels without a bound
            errors, sds = leave_out(process, groups)
            found[situation] = calibrate(errors[kept], own, sds[kept])
    return found


def _label(one: Example) -> str:
    conditions = one.question.conditions
    scenario = dict(conditions.options).get("scenario", "")
    return f"{one.question.workload} {scenario} on {conditions.devices} x {one.question.device.name}".replace("  ", " ")
