"""What advice is: a sentence, the numbers behind it, and what it would gain. A rule that has no numbers says nothing.

May import: core, analysis.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from assay.analysis.ratio_width import half_width
from assay.core.adapters import is_software_adapter
from assay.core.case import AnyCase
from assay.core.records import ResultRecord
from assay.core.registry import Registry
from assay.core.words import Fidelity, Verdict
from assay.recommend.explain import ExplainedResult

LEAST_GAIN = 1.10
"""A gain below ten per cent is not worth a person's evening."""
_WEB = "web-"


@dataclass(frozen=True, slots=True)
class Evidence:
    """One number behind advice: what it is, its value in ``unit``, and the result (or run) that it is of."""

    what: str
    value: float
    unit: str
    result_id: str | None = None
    lo: float | None = None
    hi: float | None = None


@dataclass(frozen=True, slots=True)
class Advice:
    """What to do, why, and by how much. ``gain`` is how many times better by the metric named; None where not known.

    ``subject`` is the case, or group of cases, in words. ``cost`` says what is lost by it, if anything is.
    """

    rule: str
    subject: str
    action: str
    because: str
    evidence: tuple[Evidence, ...]
    gain: float | None = None
    gain_of: str | None = None
    cost: str | None = None

    def __post_init__(self) -> None:
        if not self.evidence:
            raise ValueError(f"advice of rule {self.rule!r} without evidence: {self.action!r}")


@dataclass(frozen=True, slots=True)
class Ratio:
    """How many times better one result is than another, with a 95 % interval where both have one."""

    value: float
    lo: float | None
    hi: float | None

    @property
    def text(self) -> str:
        """``1.84x (1.71 to 1.97)``."""
        known = "" if self.lo is None or self.hi is None else f" ({self.lo:.2f} to {self.hi:.2f})"
        return f"{self.value:.2f}x{known}"

    def exceeds(self, least: float) -> bool:
        """True where it is surely above 1 and its centre at least ``least``; an interval is needed to be sure."""
        return self.value >= least and self.lo is not None and self.lo > 1


@dataclass(frozen=True, slots=True)
class Ground:
    """What rules stand on: the results that advice is for, and what else was measured on the same machine and software.

    ``known`` holds the newest usable result of every series there, those of ``subjects`` among them. ``facts`` are the
    environment's. ``explained`` is what bounds the subjects, where a probe says so.
    """

    subjects: tuple[ResultRecord, ...]
    known: tuple[ResultRecord, ...]
    facts: Mapping[str, Any] = field(default_factory=dict)
    explained: tuple[ExplainedResult, ...] = ()

    def variants(self, result: ResultRecord, name: str) -> dict[object, ResultRecord]:
        """Results that differ from this one in a single field (``batch``, ``engine``, an option), by its value.

        Itself is among them. Only what may be used, and nothing that was disturbed, nor anything on a software adapter.
        An engine within a browser is no variant of one outside: who builds for the web has no such choice.
        """
        wanted = _but(result.case, name)
        found = {
            _value(one.case, name): one
            for one in self.known
            if one.verdict is not Verdict.CONTAMINATED
            and one.hardware == result.hardware
            and not is_software_adapter(one.hardware)
            and _but(one.case, name) == wanted
            and _is_in_browser(one.case) is _is_in_browser(result.case)
        }
        return {value: one for value, one in found.items() if value is not None}


Rule = Callable[[Ground], Iterator[Advice]]
rules: Registry[Rule] = Registry("advice")


def ratio_of(new: ResultRecord, old: ResultRecord, metric: str, *, higher_is_better: bool) -> Ratio | None:
    """Return how many times better ``new`` is than ``old`` by the median of a metric; None where one lacks it.

    The interval's half-width on the log scale is the root of the sum of squares of the two results' own.
    """
    first, second = new.metric(metric), old.metric(metric)
    if first is None or second is None or not first.value or not second.value:
        return None
    value = first.value / second.value if higher_is_better else second.value / first.value
    half = half_width(first, second)
    return Ratio(value, None, None) if half is None else Ratio(value, value * math.exp(-half), value * math.exp(half))


def evidence_of(result: ResultRecord, metric: str, what: str, *, stat: str = "median") -> Evidence | None:
    """Return one number of a result as evidence; None where it has none."""
    found = result.metric(metric, stat)
    if found is None or found.value is None:
        return None
    return Evidence(what, found.value, found.unit, result.result_id, found.ci_lo, found.ci_hi)


def collect(*evidence: Evidence | None) -> tuple[Evidence, ...]:
    """Return what there is of some evidence."""
    return tuple(one for one in evidence if one is not None)


def is_right(result: ResultRecord) -> bool:
    """True where its answers were shown to be right: only that is worth recommending instead of another."""
    return result.fidelity in (Fidelity.PASSED, Fidelity.REFERENCE)


def label_without(case: AnyCase, name: str) -> str:
    """The case in words, without one field."""
    shown = {"engine": str(case.engine), "precision": str(case.precision), "batch": f"b{case.batch}"}.get(name)
    words = case.label.split(" ")
    dropped = shown if shown is not None else next((word for word in words if word.startswith(f"{name}=")), None)
    if dropped in words:
        words.remove(dropped)
    return " ".join(words)


def by_group(subjects: Sequence[ResultRecord], name: str) -> Iterator[ResultRecord]:
    """Give one subject of each group that differs in one field only, so that advice is not said once for each."""
    seen: set[object] = set()
    for one in subjects:
        key = (one.hardware, _but(one.case, name))
        if one.is_usable and key not in seen:
            seen.add(key)
            yield one


def _is_in_browser(case: AnyCase) -> bool:
    return (case.engine or "").startswith(_WEB)


def _but(case: AnyCase, name: str) -> tuple[object, ...]:
    fields = ("workload", "engine", "device", "mode", "precision", "batch", "shape")
    options = tuple(pair for pair in case.options if pair[0] != name)
    return (*(getattr(case, one) for one in fields if one != name), options)


def _value(case: AnyCase, name: str) -> object:
    if name in ("engine", "precision", "batch", "device"):
        value = getattr(case, name)
        return str(value) if name == "precision" and value is not None else value
    return dict(case.options).get(name)
