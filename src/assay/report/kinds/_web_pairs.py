"""Results of browsers, and the native one that each may stand beside. May import: core, store, analysis."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assay.analysis.usable_numbers import TABLES_READ, NumberWanted
from assay.core.words import Direction, Provenance, Verdict
from assay.store.query import fetch_rows

if TYPE_CHECKING:
    from assay.store import Store
    from assay.store.selection import Selection

IS_WEB = (
    "(coalesce(engine, '') LIKE 'web-%' OR lower(coalesce(device, '')) IN ('webgpu', 'webnn', 'wasm') "
    "OR json_exists(options, '$.browser'))"
)
"""A result of a browser: by its engine, its device, or because it names the browser."""


@dataclass(frozen=True, slots=True)
class Side:
    """The newest number of one result series, in a browser or outside."""

    result_id: str
    workload: str
    where: str
    browser: str | None
    engine: str | None
    precision: str | None
    batch: int | None
    shape: str
    hardware: str | None
    provenance: Provenance
    value: float | None
    lo: float | None
    hi: float | None
    n: int | None
    verdict: Verdict | None
    is_usable: bool
    why: str | None


@dataclass(frozen=True, slots=True)
class WebPair:
    """A browser's number beside the fastest native one of the same work.

    ``slowdown`` is how many times as long the browser takes. ``lo`` and ``hi`` bound it at 95 %, where both numbers
    have intervals.
    """

    web: Side
    native: Side
    slowdown: float
    lo: float | None
    hi: float | None


def pair_sides(
    web: Sequence[Side], native: Sequence[Side], direction: Direction
) -> tuple[list[WebPair], dict[str, str]]:
    """Pair usable numbers of browsers with the best native one; say for the others, by result, why they have none."""
    by_work: dict[tuple[Any, ...], list[Side]] = {}
    for side in native:
        if side.is_usable and side.value:
            by_work.setdefault(_work(side), []).append(side)
    pairs, alone = [], {}
    for side in web:
        reason = _why_alone(side)
        found = by_work.get(_work(side), [])
        if reason is None and not found:
            reason = "no usable native result of the same model, precision, batch and sizes on the same hardware"
        if reason is not None:
            alone[side.result_id] = reason
            continue
        best = min(found, key=lambda one: _cost(one, direction))
        pairs.append(_pair(side, best, direction))
    return sorted(pairs, key=lambda one: (one.web.workload, one.slowdown)), alone


def _why_alone(side: Side) -> str | None:
    if not side.is_usable:
        return side.why or "it may not be ranked"
    if not side.value:
        return "it has no such number"
    missing = [name for name in ("hardware", "precision", "batch") if getattr(side, name) is None]
    return f"its source does not say {' or '.join(missing)}, so nothing is known to be the same" if missing else None


def _work(side: Side) -> tuple[Any, ...]:
    return side.workload, side.precision, side.batch, side.shape, side.hardware, side.provenance


def _cost(side: Side, direction: Direction) -> float:
    value = side.value or math.inf
    return value if direction is Direction.LOWER else -value


def _pair(web: Side, native: Side, direction: Direction) -> WebPair:
    first, second = (web, native) if direction is Direction.LOWER else (native, web)
    value = (first.value or math.nan) / (second.value or math.nan)
    halves = [math.log(one.hi / one.lo) / 2 if one.lo and one.hi else None for one in (web, native)]
    if any(half is None for half in halves):
        return WebPair(web, native, value, None, None)
    half = math.hypot(*(one for one in halves if one is not None))
    return WebPair(web, native, value, value * math.exp(-half), value * math.exp(half))


def read_sides(store: Store, selection: Selection, wanted: NumberWanted) -> list[Side]:
    """Read the newest number of every series of a model that a browser ran. Raises StoreError."""
    where, parameters = selection.where()
    rows = fetch_rows(
        store.location,
        f"""
        WITH chosen AS (SELECT * FROM results WHERE {where}),
        models AS (SELECT DISTINCT workload FROM chosen WHERE {IS_WEB})
        SELECT result_id, workload, engine, device, precision, batch, shape::VARCHAR AS shape, hardware, provenance,
               options, {IS_WEB} AS is_web, usable, status, reason, marks, verdict,
               {wanted.sql()} AS number
        FROM chosen WHERE workload IN (SELECT workload FROM models) AND mode = 'inference'
        QUALIFY row_number() OVER (PARTITION BY series_id ORDER BY measured_at DESC NULLS LAST, result_id DESC) = 1
        ORDER BY workload, result_id
        """,  # noqa: S608  (words of ours; what is asked is bound or quoted)
        parameters,
        tables=TABLES_READ,
        versions=store.versions,
    )
    return [_side(row) for row in rows]


def _side(row: Mapping[str, Any]) -> Side:
    number = row["number"] or {}
    options = json.loads(row["options"])
    verdict = None if row["verdict"] is None else Verdict(row["verdict"])
    marks = "; ".join(f"{mark}: {why}" for mark, why in dict(row["marks"]).items())
    why = f"{row['status']}: {row['reason'] or 'no reason recorded'}" if row["status"] != "ok" else marks or None
    backend = str(row["engine"] or row["device"] or "").removeprefix("web-")
    if not str(row["engine"] or "").startswith("web-"):
        backend = str(row["device"] or "browser")
    return Side(
        result_id=row["result_id"],
        workload=row["workload"],
        where=backend if row["is_web"] else "native",
        browser=None if options.get("browser") is None else str(options["browser"]),
        engine=row["engine"],
        precision=row["precision"],
        batch=row["batch"],
        shape=row["shape"],
        # Of a device that the machine's facts do not name, the class has its own name before the CPU's.
        hardware=None if row["hardware"] is None else str(row["hardware"]).rpartition(" | ")[2],
        provenance=Provenance(row["provenance"]),
        value=number.get("value"),
        lo=number.get("lo"),
        hi=number.get("hi"),
        n=number.get("n"),
        verdict=verdict,
        is_usable=bool(row["usable"]) and verdict is not Verdict.CONTAMINATED,
        why=why,
    )
