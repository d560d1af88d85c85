"""What an MLPerf inference result counts: its scenario, its unit, and where the label of the unit is known to be wrong.

The submission checker of MLCommons labels every Offline result ``Samples/s`` and every Server result ``Queries/s``;
for language models it reads other lines of the log, so the number is of tokens and the label stayed as it was.
May import: core, catalog, importers.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from assay.importers.base import RowError

SCENARIOS = {name.casefold(): name for name in ("SingleStream", "MultiStream", "Server", "Offline", "Interactive")}
JUDGED_PERCENTILE = {"SingleStream": "p90", "MultiStream": "p99"}
"""The latency that is the result of a scenario (mlcommons/inference_policies, inference_rules.adoc, Scenarios)."""
SAMPLES_PER_QUERY = {"SingleStream": 1.0, "MultiStream": 8.0}
OPEN_LOOP = ("Server", "Interactive")
"""Queries arrive at random at a rate; the result is the highest rate that held the latencies asked for."""

_VERSION = re.compile(r"v?(\d+)\.(\d+)(?!\.)")
_LATENCY_UNIT = re.compile(r"(?:latency\s*)?(?:\(|in )?\s*(ns|us|ms|s)\s*\)?", re.IGNORECASE)
_WORK = {"samples/s": "sample", "queries/s": "query", "tokens/s": "token"}
_TOKENS_SINCE = {
    "llama2-70b": (4, 0), "gptj": (4, 1), "mixtral-8x7b": (4, 1), "llama3.1-405b": (5, 0), "llama3.1-8b": (5, 1),
    "deepseek-r1": (5, 1), "whisper": (5, 1), "gpt-oss-120b": (6, 0),
}  # fmt: skip
"""Round from which the result of a model counts tokens: RESULT_FIELD_BENCHMARK_OVERWRITE of the submission checker
(mlcommons/inference, tools/submission, v4.1 and v6.0)."""
_QUERIES_IN = {("llama2-70b", (4, 0))}
"""Server results of a round whose collected number is of queries: there the checker's file for v4.1 reads
``result_completed_samples_per_sec``, and the numbers are about 300 times smaller than Offline's tokens."""


@dataclass(frozen=True, slots=True)
class Unit:
    """The unit of a result: ``work`` (``token`` ...) per second, or ``time`` (``ms`` ...) of a latency.

    ``label`` is how it is written; ``correction`` says why that is not what the source writes (None: it is).
    """

    label: str
    work: str | None
    time: str | None
    correction: str | None = None


def read_round(text: str | None) -> str | None:
    """``v4.1``, ``4.1``, ``v4.1-0003`` -> ``v4.1``. Raises RowError for what is no round."""
    if text is None:
        return None
    hit = _VERSION.match(text.strip())
    if hit is None:
        raise RowError(f"{text[:40]!r} is not a round, expected for instance 'v4.1'.")
    return f"v{int(hit[1])}.{int(hit[2])}"


def read_scenario(text: str | None) -> str:
    """Return the scenario as MLPerf writes it. Raises RowError."""
    found = SCENARIOS.get((text or "").replace(" ", "").replace("_", "").casefold())
    if found is None:
        raise RowError(f"{(text or '')[:40]!r} is not a scenario, expected one of {', '.join(SCENARIOS.values())}.")
    return found


def read_unit(label: str | None, *, model: str, scenario: str, round_: str | None, fixed: str | None = None) -> Unit:
    """Tell what a result counts, a wrong label put right. ``fixed`` is the collector's own correction, if any.

    Raises RowError for a unit that is not known or that the scenario does not have.
    """
    if label is None:
        raise RowError("the result has no unit.")
    right, correction = _find_right(label, model, scenario, round_, fixed)
    work = _WORK.get(right.casefold())
    hit = _LATENCY_UNIT.fullmatch(right)
    is_latency = scenario in JUDGED_PERCENTILE
    if work is None and hit is None:
        raise RowError(f"{label[:40]!r} is not a unit of an MLPerf result, expected 'Samples/s', 'Latency (ms)' ...")
    if is_latency != (hit is not None):
        raise RowError(f"the unit {right[:40]!r} does not go with the scenario {scenario}.")
    return Unit(right, work, hit[1].casefold() if hit else None, correction)


def _find_right(label: str, model: str, scenario: str, round_: str | None, fixed: str | None) -> tuple[str, str | None]:
    """The label that is right, and why it is another than the source's."""
    if scenario in JUDGED_PERCENTILE:
        return label, None
    version = _version(round_)
    name = next((prefix for prefix in _TOKENS_SINCE if model.startswith(prefix)), None)
    if name is not None and version is not None:
        if scenario in OPEN_LOOP and (name, version) in _QUERIES_IN:
            return label, _explain_queries(label, name, round_, fixed)
        if version >= _TOKENS_SINCE[name] and label.casefold() != "tokens/s":
            return "Tokens/s", f"labelled {label}; results of {name} count tokens since v{_dotted(_TOKENS_SINCE[name])}"
    if fixed is not None and fixed != label:
        return fixed, f"labelled {label}; the collector's column of corrected units says {fixed}"
    return label, None


def _explain_queries(label: str, name: str, round_: str | None, fixed: str | None) -> str | None:
    if fixed is None or fixed == label:
        return None
    return (
        f"the collector's column of corrected units says {fixed}, which is wrong for Server results of {name} in "
        f"{round_}: the number is of queries, as labelled ({label})"
    )


def _version(round_: str | None) -> tuple[int, int] | None:
    hit = _VERSION.match(round_) if round_ else None
    return (int(hit[1]), int(hit[2])) if hit else None


def _dotted(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"
