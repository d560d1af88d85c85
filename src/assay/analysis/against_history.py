"""Judge results by their histories: METHOD 6, *check (history)*.

May import: core, stats, analysis; scipy inside functions.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from assay.analysis.environments import Environments
from assay.analysis.expected import Earlier
from assay.analysis.history import FEWEST_RESULTS, MOST_RESULTS, History
from assay.analysis.levels import Level
from assay.analysis.question import Question
from assay.core.records import FindingRecord, ResultRecord
from assay.core.words import Change
from assay.stats.change import is_worse_ratio, within_floor
from assay.stats.prediction import NextValue, judge_next_many

if TYPE_CHECKING:
    from assay.analysis.floors import Floors

METHOD = "prediction-interval"
_EQUIVALENCE_LEVEL = 0.95
"""One-sided level of the interval that must lie within the floor for "unchanged": two sides make it 90 %."""


@dataclass(frozen=True, slots=True)
class Past:
    """All that earlier runs say to one question: by series, and by case what was expected."""

    histories: Mapping[str, History]
    levels: Mapping[str, Level]
    expected: Mapping[str, Earlier]
    environments: Environments
    floors: Floors


def judge_by_history(question: Question, results: Sequence[ResultRecord], past: Past) -> list[FindingRecord]:
    """Judge results that have a number, each by its own history; all statistics in one go."""
    findings, waiting = [], []
    for result in results:
        history = past.histories.get(result.series_id, History(result.series_id))
        if len(history.values) >= FEWEST_RESULTS:
            waiting.append((result, history))
        else:
            findings.append(_without_history(question, result, history, past))
    floors = [past.floors.floor(one.series_id, question.choice.metric, question.run.env_id) for one, _ in waiting]
    judged = judge_next_many(
        [history.values for _, history in waiting],
        [question.value_of(result) or math.nan for result, _ in waiting],  # screened: each has one, above 0
        directions=[question.choice.direction] * len(waiting),
        floors=floors,
    )
    for (result, history), one, floor in zip(waiting, judged, floors, strict=True):
        findings.append(_judge(question, result, history, one, floor))
    return findings


def describe_histories(question: Question, past: Past, series_ids: Sequence[str]) -> str | None:
    """Say in one line what was compared with: how many results, since when, and what began there."""
    used = [past.histories[one] for one in series_ids if one in past.histories]
    used = [one for one in used if len(one.values) >= FEWEST_RESULTS]
    if not used:
        return None
    counts = sorted(len(one.values) for one in used)
    span = f"{counts[0]}" if counts[0] == counts[-1] else f"{counts[0]} to {counts[-1]}"
    since = min(one.since for one in used if one.since is not None)
    begins = Counter(_begin_of(question, one, past) for one in used).most_common(1)[0][0]
    age = _age(since, question.created_at)
    return f"compared with {span} results since {f'{begins} ({age})' if begins else f'{since:%Y-%m-%d} ({age})'}"


def _judge(
    question: Question, result: ResultRecord, history: History, judged: NextValue, floor: float
) -> FindingRecord:
    direction = question.choice.direction
    limit = judged.limit_ratio
    finding = question.begin(
        result, Change.UNCHANGED, **_pointing_to(history), reference_value=judged.centre, ratio=judged.ratio,
        is_worse=is_worse_ratio(judged.ratio, direction), ci_lo=min(limit, 1 / limit), ci_hi=max(limit, 1 / limit),
        p=judged.p, floor=floor,
    )  # fmt: skip
    seen = f"{_percent(judged.ratio)} against {judged.n} results, whose 99 % limit is {_percent(limit)}"
    if judged.is_suspect:
        return replace(finding, change=Change.SUSPECT, reasons=(seen,))
    if _is_within(judged, floor):
        return finding
    if judged.is_outside:
        reason = f"{seen}; less than the {100 * floor:.3g} % that count"
    elif judged.is_large and not finding.is_worse and abs(math.log(judged.ratio)) > abs(math.log(limit)):
        reason = (
            f"better than {judged.n} results foretell, by {_percent(judged.ratio)}: interleaved launches would tell"
        )
    else:
        hidden = max(abs(limit - 1), floor)
        reason = (
            f"results scatter by {100 * judged.sd_log:.1f} %, which hides changes of less than {100 * hidden:.1f} %"
        )
    return replace(finding, change=Change.INCONCLUSIVE, reasons=(reason,))


def _is_within(judged: NextValue, floor: float) -> bool:
    """True where the 90 % interval of the value beside its history lies within the floor to both sides."""
    from scipy.special import stdtrit

    half = float(stdtrit(judged.n - 1, _EQUIVALENCE_LEVEL)) * judged.sd_log * math.sqrt(1 + 1 / judged.n)
    return all(within_floor(judged.ratio * math.exp(side * half), floor) for side in (-1, 1))


def _without_history(question: Question, result: ResultRecord, history: History, past: Past) -> FindingRecord:
    """Too few results to judge by: none, some, or some in another environment only."""
    level = past.levels.get(result.series_id)
    count = len(history.values)
    pointing = _pointing_to(history)
    if level is not None and level.since == result.measured_at:
        return question.begin(result, Change.NEW, f"this level was accepted: {level.text}")
    if count:
        begins = _begin_of(question, history, past)
        since = "" if begins is None else f" since {begins}"
        return question.begin(result, Change.INCONCLUSIVE, f"{count} of {FEWEST_RESULTS} results{since}", **pointing)
    if history.other_env_id is not None:
        return _across_break(question, result, history.other_env_id, past)
    if level is not None:
        return question.begin(result, Change.NEW, f"no result since the level was accepted: {level.text}")
    elsewhere = past.expected.get(result.case.case_id)
    if elsewhere is not None and elsewhere.series_id != result.series_id:
        return _across_break(question, result, elsewhere.env_id, past)
    return question.begin(result, Change.NEW, f"0 of {FEWEST_RESULTS} results")


def _across_break(question: Question, result: ResultRecord, env_id: str, past: Past) -> FindingRecord:
    broken = past.environments.describe_break(env_id, question.run.env_id) or "another hardware class"
    return question.begin(
        result, Change.INCOMPARABLE, f"the environment changed: {broken}; a break, not a regression",
        environment_break=broken,
    )  # fmt: skip


def _begin_of(question: Question, history: History, past: Past) -> str | None:
    """What a history begins with, where that is an accepted level or an environment that came before it."""
    level = past.levels.get(history.series_id)
    if level is not None:
        return f"the level was accepted: {level.text}"
    is_after = history.other_at is not None and history.since is not None and history.other_at < history.since
    if not is_after or history.other_env_id is None or len(history.values) >= MOST_RESULTS:
        return None
    return past.environments.describe_break(history.other_env_id, question.run.env_id)


def _pointing_to(history: History) -> dict[str, Any]:
    return {
        "reference_run_id": history.newest_run_id, "reference_git_commit": history.newest_commit,
        "reference_n": len(history.values),
    }  # fmt: skip


def _percent(ratio: float) -> str:
    return f"{100 * (ratio - 1):+.1f} %"


def _age(since: datetime, now: datetime) -> str:
    days = (now - since).days
    return "today" if days < 1 else f"{days} day{'s' if days != 1 else ''} ago"
