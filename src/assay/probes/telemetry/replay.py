"""Raw traces of drivers, and the sampler's loop run over them on a clock of their own.

A *raw trace* is what the lowest reader answered: NVML's functions, amdsmi's functions, files of /sys, property lists
of powermetrics. Replaying it (doubles.py) runs every line of a source except the vendor's library, in no time and
without a GPU; record.py makes one where the hardware is. The format is described in docs/telemetry.md. May import:
standard library and core.
"""

from __future__ import annotations

import bisect
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from assay.core.errors import AssayError
from assay.probes.telemetry.base import Source, Telemetry
from assay.probes.telemetry.sampler import Collector

FORMAT: Final = "assay-raw-trace/1"
_KINDS: Final = ("nvml", "amdsmi", "files", "powermetrics")


@dataclass(slots=True)
class ReplayClock:
    """A clock that only moves when it is told to."""

    now_ns: int = 0

    def __call__(self) -> int:
        """Return the time in ns."""
        return self.now_ns


@dataclass(frozen=True, slots=True)
class RawTrace:
    """Recorded or constructed answers: question -> (times in s, answers), each answer valid until the next.

    ``kind`` names the reader. ``constructed`` is True for what was written by hand to the documented formats, and
    never measured. An answer that is ``{"error": 15}`` is raised as the library's error with that code.
    """

    kind: str
    constructed: bool
    note: str
    answers: Mapping[str, tuple[tuple[float, ...], tuple[Any, ...]]]

    def at(self, question: str, t_s: float) -> Any:
        """Return the answer in force at ``t_s``; the first one before anything was recorded. Raises KeyError."""
        times, answers = self.answers[question]
        return answers[max(0, bisect.bisect_right(times, t_s) - 1)]

    @property
    def seconds(self) -> float:
        """Time of the last answer."""
        return max((times[-1] for times, _ in self.answers.values() if times), default=0.0)


def load_raw(path: Path) -> RawTrace:
    """Read a raw trace. Raises AssayError where the file is none."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        answers = {
            question: (tuple(float(t_s) for t_s in column["t_s"]), tuple(column["values"]))
            for question, column in content["answers"].items()
        }
        trace = RawTrace(content["kind"], bool(content["constructed"]), str(content["note"]), answers)
        _check(trace, content["format"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise AssayError(f"{path} is no raw trace of telemetry: {error}.", hint=f"Expected {FORMAT}.") from error
    return trace


def _check(trace: RawTrace, form: Any) -> None:
    if form != FORMAT or trace.kind not in _KINDS:
        raise ValueError(f"format {form!r}, kind {trace.kind!r}")
    if any(not times or len(times) != len(values) for times, values in trace.answers.values()):
        raise ValueError("a question has no answers, or not one for each time")


def save_raw(trace: RawTrace, path: Path) -> None:
    """Write a raw trace: answers that repeat are left out, since each holds until the next (documents are events)."""
    columns = {}
    are_events = trace.kind == "powermetrics"
    for question, (times, answers) in trace.answers.items():
        kept = [at for at in range(len(times)) if are_events or at == 0 or answers[at] != answers[at - 1]]
        columns[question] = {"t_s": [times[at] for at in kept], "values": [answers[at] for at in kept]}
    content = {
        "format": FORMAT,
        "kind": trace.kind,
        "constructed": trace.constructed,
        "note": trace.note,
        "answers": columns,
    }
    path.write_text(json.dumps(content, indent=None, separators=(",", ":")) + "\n", encoding="utf-8")


def replay(sources: Sequence[Source], clock: ReplayClock, seconds: float, *, period_s: float = 0.1) -> Telemetry:
    """Run the sampler's loop over ``seconds`` of the replayed clock, at once."""
    collector = Collector(sources, period_s=period_s, clock=clock, cpu_clock=lambda: 0)
    end_ns = clock.now_ns + round(seconds * 1e9)
    while True:
        due_ns = collector.read_due()
        if due_ns is None or due_ns > end_ns:
            break
        clock.now_ns = max(due_ns, clock.now_ns + 1)
    clock.now_ns = end_ns
    collector.read_all()
    return collector.finish()
