"""What a worker does with a loaded session after all timing: memory, energy, outputs, and what ran where.

Each is a pass of its own, so that nothing of it sits between timed calls. May import: core, artefacts, engines, probes,
stats, runner.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from assay.core.errors import EngineError
from assay.core.words import Mode
from assay.runner.measure import time_call
from assay.runner.stopwatch import make_calls

if TYPE_CHECKING:
    from assay.engines.base import Placement, Session
    from assay.runner.protocol import Job

_MEMORY_PASS_CALLS = 3
_ENERGY_TURN_NS = 250_000_000


def read_memory(session: Session, memory: dict[str, int]) -> None:
    """Add what calls need: the peak of this process, or the resident size of those that the model runs in."""
    from assay.probes.memory import peak_rss_bytes, reset_peak_rss

    if session.reset_device_memory is not None:
        session.reset_device_memory()
    if session.stopwatch is None:
        # Where the kernel cannot reset its peak, what can be read is the peak since the process began: another thing.
        name = "peak" if reset_peak_rss() else "peak_since_start"
        for _ in range(_MEMORY_PASS_CALLS):
            time_call(session)
        keep_known(memory, name, peak_rss_bytes(), memory.get("baseline"))
    else:  # this process holds nothing of the model
        make_calls(session.stopwatch, _MEMORY_PASS_CALLS)
    if session.process_memory is not None:
        kinds = session.process_memory()
        memory |= {f"process_{kind}": held for kind, held in kinds.items()}
        if kinds:
            memory["process_tree"] = sum(kinds.values())
    if session.device_memory is not None:
        memory |= {f"device_{key}": value for key, value in session.device_memory().items()}


def spend_energy(session: Session, load_s: float, call_ns: float) -> dict[str, int]:
    """METHOD 3: be idle, then work, and say when; the supervisor reads the meters meanwhile.

    Another program is given a quarter of a second of work at a time, or it would wait for the next word between calls.
    """
    from assay.probes.telemetry.load import run_energy_pass

    stopwatch = session.stopwatch
    if stopwatch is None:
        return run_energy_pass(lambda: time_call(session), load_s=load_s).to_dict()
    calls = max(1, round(_ENERGY_TURN_NS / max(1.0, call_ns)))
    marks = run_energy_pass(lambda: make_calls(stopwatch, 1, calls_per_sample=calls), load_s=load_s)
    return replace(marks, calls=marks.calls * calls).to_dict()


def compare_with_reference(session: Session, job: Job, reference: str) -> tuple[dict[str, float], str | None]:
    """METHOD 4: the numbers of the comparison, or why there are none."""
    if session.read_outputs is None:
        return {}, f"the outputs of engine {job.case.engine} cannot be read back"
    from assay.artefacts.reference import read_reference
    from assay.runner.generate_summary import compare_tokens
    from assay.stats.fidelity import compare_outputs

    outputs = session.infer()
    if session.synchronize is not None:
        session.synchronize()
    try:
        expected, answers = read_reference(Path(reference)), session.read_outputs(outputs)
        if job.case.mode is Mode.GENERATION:
            agreement = compare_tokens(answers[0], expected[0])
            return {"token_agreement": agreement.share, "tokens_before_difference": float(agreement.before)}, None
        compared = compare_outputs(expected, answers)
    except (ValueError, OSError) as error:
        return {}, f"cannot be compared: {error}"
    return compared.to_dict(), None


def check_placement(placement: Placement) -> dict[str, int]:
    """Return where the nodes ran. Raises EngineError where none, or too few, ran on what was asked for."""
    if placement.fallback is not None:
        raise EngineError(f"silent fallback: {placement.fallback}")
    share = placement.share
    if share is not None and share < placement.least_share:
        total, there = sum(placement.nodes.values()), placement.nodes[placement.wanted]
        found = ", ".join(f"{count} on {name}" for name, count in sorted(placement.nodes.items()))
        raise EngineError(
            f"silent fallback: only {there} of {total} nodes ran on {placement.wanted}, and at least "
            f"{100 * placement.least_share:.0f} % must: {found} (by {placement.source})",
            hint=f"So {placement.wanted} was not timed: it lacks operators, or a dimension has no fixed size.",
        )
    return dict(placement.nodes)


def keep_known(memory: dict[str, int], name: str, value: int | None, baseline: int | None) -> None:
    """Keep ``value`` net of ``baseline``; what is not known gets no entry."""
    if value is not None and baseline is not None:
        memory[name] = value - baseline
