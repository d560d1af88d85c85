"""What engines make of the analytic parts of memory, from the peaks that own results measured.

May import: core, predict, stats; numpy and scipy inside functions.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from assay.core.errors import AssayError
from assay.core.words import Mode
from assay.predict.memory import EngineFactors, MemoryCorrection, MemoryParts, count_memory, key_of
from assay.predict.values import Conditions, DeviceProfile, Example, GraphProfile, Question
from assay.stats.conformal import calibrate

if TYPE_CHECKING:
    from assay.core.records import ResultRecord

HOST_METRIC, DEVICE_METRIC, PHASE_METRIC = (
    "memory_peak_bytes", "device_memory_peak_bytes", "memory_phase_peak_bytes",
)  # fmt: skip
FEWEST = 8
"""Measurements of an engine below which nothing is corrected."""
_PRIOR_ROWS = 2.0
"""Weight of the belief that the analytic parts are right, in measurements."""
_BASE_BYTES = 1e6
"""The constant is fitted in MB."""
_OTHER_WORK = frozenset({"new_tokens", "scenario", "prune"})


def gather_memory(
    results: Sequence[ResultRecord], graph_of: Callable[[ResultRecord], GraphProfile]
) -> tuple[list[Example], list[str]]:
    """Take the measured peaks out of results (oldest first), and say what was left out and why.

    The newest result of a case counts. On an accelerator the allocator's peak is taken, on a host the resident one.
    """
    newest = {}
    for result in results:
        if (
            result.is_usable
            and result.own_case.family != "probe"
            and not dict(result.case.options).keys() & _OTHER_WORK
        ):
            newest[result.case.case_id, result.hardware] = result
    found, notes = [], []
    for result in newest.values():
        case = result.own_case
        metric, peak = _peak_of(result)
        if peak is None or case.mode not in (Mode.INFERENCE, Mode.TRAINING):
            continue
        conditions = Conditions(
            engine=case.engine, precision=result.effective_precision or case.precision.value, batch=case.batch,
            mode=case.mode.value, options=case.options,
        )  # fmt: skip
        try:
            graph = graph_of(result)
            count_memory(graph, conditions)
        except AssayError as error:
            notes.append(f"{case.workload} left out: {error.message}")
            continue
        device = DeviceProfile(name=result.hardware or case.device, kind="cpu" if case.device == "cpu" else "gpu")
        question = Question(case.workload, case.family, device, conditions, metric, graph)
        groups = {"family": case.family, "model": case.workload, "engine": case.engine, "mode": case.mode.value,
                  "device": device.name}  # fmt: skip
        found.append(Example(question, peak, groups, result.result_id))
    return found, list(dict.fromkeys(notes))


def parts_of(question: Question) -> MemoryParts:
    """The analytic parts of a question. Raises UnsupportedError where its graph does not say."""
    if question.graph is None:
        raise AssayError(f"The graph of {question.workload} is not known.")
    return count_memory(question.graph, question.conditions)


def learn_correction(examples: Sequence[Example]) -> MemoryCorrection:
    """Fit each engine's factors, and take the errors on families left out for the intervals.

    Relative errors are least squares with factors that are not negative, the analytic sum being believed as much as
    two measurements. An engine with fewer than 8 is left as it is.
    """
    import numpy as np

    by_key: dict[str, list[Example]] = {}
    for one in examples:
        by_key.setdefault(_key(one), []).append(one)
    usable = {key: own for key, own in sorted(by_key.items()) if len(own) >= FEWEST}
    factors = {key: _fit(own) for key, own in usable.items()}
    errors: dict[str, list[float]] = {}
    groups: dict[str, list[str]] = {}
    for own in usable.values():
        for one, guess in _leave_families_out(own):
            mode = one.question.conditions.mode
            errors.setdefault(mode, []).append(math.log(one.value / guess))
            groups.setdefault(mode, []).append(one.groups["family"])
    tested = {mode: calibrate(np.asarray(found), groups[mode]) for mode, found in errors.items()}
    return MemoryCorrection(factors, tested)


def _leave_families_out(examples: Sequence[Example]) -> list[tuple[Example, float]]:
    """Each example of one engine and mode, with the bytes foretold from the other families alone."""
    found = []
    for family in sorted({one.groups["family"] for one in examples}):
        rest = [one for one in examples if one.groups["family"] != family]
        if rest:
            held = _fit(rest)
            own = [one for one in examples if one.groups["family"] == family]
            found += [(one, held.apply(parts_of(one.question))) for one in own]
    return found


def _fit(examples: Sequence[Example]) -> EngineFactors:
    import numpy as np
    from scipy.optimize import nnls

    parts = [parts_of(one.question) for one in examples]
    rows = np.array([(one.state, one.activations, _BASE_BYTES) for one in parts])
    peaks = np.array([one.value for one in examples])
    scale = rows.mean(axis=0)
    scale[scale == 0] = 1.0
    believed = np.array([1.0, 1.0, 0.0])
    # In units of each column's mean, so that the belief in a factor weighs as much as its part of a usual peak.
    prior = math.sqrt(_PRIOR_ROWS) * np.diag(scale / peaks.mean())
    left = np.vstack([rows / peaks[:, None], prior])
    right = np.concatenate([np.ones(len(peaks)), prior @ believed])
    found, _ = nnls(left, right)
    return EngineFactors(float(found[0]), float(found[1]), float(found[2] * _BASE_BYTES), len(examples))


def _key(example: Example) -> str:
    return key_of(example.question.conditions, example.question.device.kind)


def _peak_of(result: ResultRecord) -> tuple[str, float | None]:
    """The allocator's peak on an accelerator, the resident one on a host; the worst of its phases in training."""
    usual = HOST_METRIC if result.own_case.device == "cpu" else DEVICE_METRIC
    for name in (usual, PHASE_METRIC):
        found = [one.value for one in result.metrics if one.name == name and one.value]
        if found:
            return usual, max(found)
    return usual, None
