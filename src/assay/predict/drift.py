"""Whether predictors still hold what they promised, and whether there is enough new to learn from.

Stored predictions are held against what was measured later of the same case on the same hardware. A version has
drifted where its intervals hold clearly less than they say, or where it is clearly to one side. Both are exact tests
of a proportion (Clopper, Pearson 1934, Biometrika 26), so that few pairs decide nothing. May import: core, store,
predict.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.core.errors import AssayError
from assay.predict.base import Payload, predictors
from assay.predict.model_file import ModelRecord
from assay.predict.models import find_active
from assay.predict.scores import Score, score_predictions
from assay.predict.stored import KEPT_LEVEL

if TYPE_CHECKING:
    from assay.store import Store

FEWEST_PAIRS = 12
"""Fewer pairs than these decide nothing about a version."""
ALPHA = 0.01
FEWEST_NEW = 30
NEW_SHARE = 0.2
"""Enough is new where it is so many rows, and this share of what was learned from."""
OWN_USE = "the store's own results"


@dataclass(frozen=True, slots=True)
class ScoredPair:
    """A prediction and the first usable measurement of its case on its hardware that came after it.

    ``by``: the kind and version that predicted (``graph 1a2b3c4d``); ``metric`` its number; the bounds are those of the
    level that stored predictions keep, None without.
    """

    by: str
    layer: str
    metric: str
    workload: str
    hardware: str | None
    made_at: datetime
    measured_at: datetime
    predicted: float
    lo: float | None
    hi: float | None
    measured: float
    prediction_id: str
    result_id: str

    @property
    def log_error(self) -> float:
        """Logarithm of measured over predicted."""
        return math.log(self.measured / self.predicted)

    @property
    def is_held(self) -> bool | None:
        """Whether the interval holds the measurement; None without an interval."""
        return None if self.lo is None or self.hi is None else self.lo <= self.measured <= self.hi


@dataclass(frozen=True, slots=True)
class PairScore:
    """How good the pairs of one version were in one span of time. ``when`` is a month, or ``all``."""

    by: str
    when: str
    score: Score


@dataclass(frozen=True, slots=True)
class Need:
    """Whether a kind should be learned anew. ``reasons`` say why; ``known`` what was looked at, where nothing does."""

    kind: str
    is_needed: bool
    reasons: tuple[str, ...]
    known: str = ""


def read_pairs(store: Store) -> list[ScoredPair]:
    """Read every stored prediction with what was measured after it, oldest first. Raises StoreError.

    A measurement that came before the prediction is no test of it.
    """
    from assay.store.query import fetch_rows

    rows = fetch_rows(
        store.location,
        """
        WITH predicted AS (
          SELECT r.result_id, r.case_id, r.hardware, r.workload, r.measured_at AS made_at, r.source, r.source_fields,
                 m.name, m.phase, m.stat, m.value, m.ci_lo, m.ci_hi
          FROM results r JOIN metrics m ON r.result_id = m.result_id
          WHERE r.provenance = 'predicted' AND r.status = 'ok' AND m.value > 0
        ), measured AS (
          SELECT r.result_id, r.case_id, r.hardware, r.measured_at, m.name, m.phase, m.stat, m.value
          FROM results r JOIN metrics m ON r.result_id = m.result_id
          WHERE r.provenance = 'measured' AND r.status = 'ok' AND r.usable AND m.value > 0
            AND r.verdict IS DISTINCT FROM 'contaminated' AND r.case_id IN (SELECT case_id FROM predicted)
        )
        SELECT p.*, m.result_id AS measured_id, m.measured_at, m.value AS truth
        FROM predicted p JOIN measured m
          ON p.case_id = m.case_id AND p.hardware IS NOT DISTINCT FROM m.hardware AND p.name = m.name
         AND p.phase IS NOT DISTINCT FROM m.phase AND p.stat IS NOT DISTINCT FROM m.stat
         AND m.measured_at > p.made_at
        QUALIFY row_number() OVER (
          PARTITION BY p.result_id, p.name, p.phase, p.stat ORDER BY m.measured_at, m.result_id) = 1
        ORDER BY p.made_at, p.result_id
        """,
        versions=store.versions,
    )
    return [_pair(row) for row in rows]


def score_over_time(pairs: Iterable[ScoredPair]) -> list[PairScore]:
    """Return the score of each version, over all time and by the month of the measurement."""
    groups: dict[tuple[str, str], list[ScoredPair]] = {}
    for one in pairs:
        groups.setdefault((one.by, "all"), []).append(one)
        groups.setdefault((one.by, f"{one.measured_at:%Y-%m}"), []).append(one)
    return [PairScore(by, when, score_pairs(found)) for (by, when), found in sorted(groups.items())]


def score_pairs(pairs: Sequence[ScoredPair]) -> Score:
    """Score pairs; coverage is of those with an interval. Raises ValueError for none."""
    from dataclasses import replace

    score = score_predictions([one.measured for one in pairs], [one.predicted for one in pairs])
    bounded = [one for one in pairs if one.is_held is not None]
    if not bounded:
        return score
    bounds = {KEPT_LEVEL: ([one.lo for one in bounded], [one.hi for one in bounded])}
    held = score_predictions([one.measured for one in bounded], [one.predicted for one in bounded], bounds)  # type: ignore[arg-type]  # is_held has seen both ends
    return replace(score, coverage=held.coverage, width=held.width)


def find_drift(pairs: Sequence[ScoredPair]) -> str | None:
    """Return in what way these pairs of one version have drifted; None where they have not, or are too few."""
    bounded = [one.is_held for one in pairs if one.is_held is not None]
    if len(bounded) >= FEWEST_PAIRS:
        held = sum(bounded)
        if at_most(held, len(bounded), KEPT_LEVEL) < ALPHA:
            return f"its {KEPT_LEVEL:.0%} intervals held {held} of {len(bounded)} later measurements"
    if len(pairs) >= FEWEST_PAIRS:
        above = sum(one.log_error > 0 for one in pairs)
        fewer = min(above, len(pairs) - above)
        if 2 * at_most(fewer, len(pairs), 0.5) < ALPHA:
            side = "above" if above > len(pairs) / 2 else "below"
            return f"{max(above, len(pairs) - above)} of {len(pairs)} later measurements are {side} what it predicted"
    return None


def at_most(count: int, n: int, share: float) -> float:
    """Return the probability of at most ``count`` of ``n`` independent outcomes of probability ``share`` each."""
    return sum(math.comb(n, k) * share**k * (1 - share) ** (n - k) for k in range(count + 1))


def count_new(record: ModelRecord, store: Store) -> tuple[int, int]:
    """Return how many usable measured rows came after a version was made, and how many it was learned from.

    One query of counts: cheap enough for the end of every run. Raises StoreError.
    """
    from assay.store.query import fetch_rows

    row = fetch_rows(
        store.location,
        """
        SELECT count(*) AS n FROM results WHERE provenance = 'measured' AND status = 'ok' AND usable
          AND verdict IS DISTINCT FROM 'contaminated' AND mode = 'inference' AND measured_at > ?
        """,
        [record.made_at],
        tables=("results",),
        versions=store.versions,
    )[0]
    return int(row["n"]), sum(use.rows for use in record.uses if use.name == OWN_USE)


def judge_need(kind: str, store: Store, shelf: Path | None, pairs: Sequence[ScoredPair] | None = None) -> Need:
    """Say whether a kind should be learned anew from this store: never learned, drifted, or enough is new.

    ``pairs`` None reads them. Raises StoreError; a damaged version is a reason to learn.
    """
    from assay.predict.model_file import read_model

    path = find_active(kind, shelf)
    try:
        record = None if path is None else read_model(path)
    except AssayError as error:
        return Need(kind, is_needed=True, reasons=(error.message,))
    if record is None:
        record = ModelRecord(kind, datetime.fromtimestamp(0, UTC), "", Payload({}))
    new, learned = count_new(record, store)
    if not (learned or predictors.get(kind).is_self_taught):
        new = 0  # it is learned from published data: what is measured here teaches it nothing
    reasons = []
    wanted = max(FEWEST_NEW, math.ceil(NEW_SHARE * learned))
    if new >= wanted:
        reasons.append(f"{new} results are new since {'nothing' if path is None else record.version or 'the prior'}")
    mine = [one for one in (read_pairs(store) if pairs is None else pairs) if one.by == f"{kind} {record.version[:8]}"]
    if (drift := find_drift(mine)) is not None:
        reasons.append(drift)
    known = f"{new} of {wanted} new results, {len(mine)} predictions measured later"
    return Need(kind, bool(reasons), tuple(reasons), known)


def _pair(row: Mapping[str, Any]) -> ScoredPair:
    fields = row["source_fields"]
    said = json.loads(fields) if isinstance(fields, str) else dict(fields or {})
    return ScoredPair(
        by=row["source"] or "", layer=str(said.get("layer", "")), metric=row["name"], workload=row["workload"],
        hardware=row["hardware"], made_at=row["made_at"], measured_at=row["measured_at"], predicted=row["value"],
        lo=row["ci_lo"], hi=row["ci_hi"], measured=row["truth"], prediction_id=row["result_id"],
        result_id=row["measured_id"],
    )  # fmt: skip
