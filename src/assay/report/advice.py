"""What a report may advise, and what bounds its cases: the rules of ``recommend`` over what is known already.

A report only reads. What `assay recommend` would first count in a process of its own, the cost of a call, counts here
where the cache of artefacts has it, and only for workloads of assay's own families: a name in a store must never make a
page import somebody's module. May import: core, analysis, artefacts, workloads, recommend, report.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from assay.core.absence import Unavailable
from assay.core.errors import AssayError
from assay.core.words import Provenance
from assay.report.cells import result_ref
from assay.report.values import Cell, Column, Ref, RefKind, Section, Table

if TYPE_CHECKING:
    from assay.core.records import EnvironmentRecord, ResultRecord
    from assay.recommend.base import Advice
    from assay.recommend.explain import ExplainedResult
    from assay.store import Store
    from assay.workloads.cost_count import Cost

PROBE_SUITE = "probe"
"""The suite of the runs of `assay probe`."""
MOST_SUBJECTS = 200
"""Results of a run that advice is given on here."""
TOO_MANY = f"Advice is given here on runs of at most {MOST_SUBJECTS} cases: `assay recommend` looks at all."
_MOST_KNOWN = 5_000
"""Results of the same workloads, machine and software that rules look at: the newest."""
_NOT_COUNTED = "what a call computes was not counted yet: `assay show RUN --explain` counts it"


def explain_known(
    results: Sequence[ResultRecord], environment: EnvironmentRecord, store: Store
) -> tuple[ExplainedResult, ...]:
    """Say what bounds each measured result, where a probe of its device is in the store; none where there is none."""
    own = [one for one in results if one.provenance is Provenance.MEASURED]
    if not own or not store.results(suite=PROBE_SUITE, limit=1).count_rows():
        return ()
    from assay.recommend.explain import explain_results

    return tuple(explain_results(own, environment, store, find_cost=_known_cost))


def advise(
    store: Store,
    results: Sequence[ResultRecord],
    environment: EnvironmentRecord,
    explained: Sequence[ExplainedResult] = (),
) -> tuple[Advice, ...]:
    """Apply every rule to some measured results of one environment, largest gain first.

    None of more results than ``MOST_SUBJECTS``: rules hold each against all that is known.
    """
    from assay.analysis.environments import Environments
    from assay.recommend.base import Ground, rules

    subjects = tuple(one for one in results if one.provenance is Provenance.MEASURED)
    hardware = sorted({one.hardware for one in subjects if one.hardware})
    if not hardware or len(subjects) > MOST_SUBJECTS:
        return ()
    beside = store.results(
        usable=True,
        hardware=hardware,
        workload=sorted({one.case.workload for one in subjects}),
        env_id=sorted(Environments(store).same_as(environment.env_id)),
        limit=_MOST_KNOWN,
    )
    newest = {one.series_id: one for one in beside}  # they come oldest first
    newest |= {one.series_id: one for one in subjects if one.is_usable}
    ground = Ground(subjects, tuple(newest.values()), environment.facts, tuple(explained))
    found: list[Advice] = [advice for name in rules.names() for advice in rules.get(name)(ground)]
    return tuple(sorted(found, key=lambda one: (one.gain is None, -(one.gain or 0.0), one.rule, one.subject)))


def advice_section(advice: Sequence[Advice], *, limit: int | None = None) -> Section | None:
    """What to do, why, and the numbers behind it, each leading to its result; None where nothing is to be said."""
    if not advice:
        return None
    shown = advice if limit is None else advice[:limit]
    left_out = len(advice) - len(shown)
    columns = [
        Column("number", "no."),
        Column("action", "what to do"),
        Column("subject", "with"),
        Column("because", "because"),
    ]
    has_gain, has_cost = any(one.gain is not None for one in shown), any(one.cost for one in shown)
    if has_gain:
        columns.append(Column("gain", "gain", unit="ratio", description="How much better, by the number named"))
        columns.append(Column("gain_of", "of"))
    columns += [Column("cost", "what it costs")] if has_cost else []
    said = Table(
        "advice",
        "What to do",
        tuple(columns),
        tuple(
            _advice_row(place, one, has_gain=has_gain, has_cost=has_cost) for place, one in enumerate(shown, start=1)
        ),
        caption="Only what was measured on the same machine with the same software is advised on.",
        rows_left_out=left_out,
    )
    numbers = Table(
        "evidence",
        "The numbers behind it",
        (Column("number", "no."), Column("what", "what"), Column("value", "value")),
        tuple(
            (
                Cell(place),
                Cell(number.what),
                Cell(
                    number.value,
                    Provenance.MEASURED,
                    lo=number.lo,
                    hi=number.hi,
                    unit=number.unit,
                    ref=None if number.result_id is None else Ref(RefKind.RESULT, number.result_id),
                ),
            )
            for place, one in enumerate(shown, start=1)
            for number in one.evidence
        ),
    )
    return Section("advice", "Advice", (said, numbers))


def bounds_table(explained: Sequence[ExplainedResult]) -> Table | None:
    """Which roof of the probed device bounds each case, and how near it comes; None where no case was explained."""
    if not any(one.explanation is not None for one in explained):
        return None
    columns = (
        Column("case", "case"),
        Column("bound", "bound by", description="The roof that a call meets first"),
        Column("share", "share of it", unit="share", description="Least time under the roofs over the time measured"),
        Column("attainable", "at best", unit="ns", description="Least time under all roofs"),
        Column("flops", "arithmetic", unit="FLOP/s"),
        Column("bytes", "traffic", unit="B/s", description="Compulsory bytes only, so at least this"),
    )
    rows = []
    for one in explained:
        found = one.explanation
        case = Cell(one.result.case.label, ref=result_ref(one.result))
        if found is None:
            rows.append((case, *(Cell(reason=one.text) for _ in columns[1:])))
            continue
        kind, verdict = one.result.provenance, one.result.verdict
        rows.append(
            (
                case,
                Cell(found.bound.value, reason=one.text),
                Cell(found.share, kind, verdict),
                Cell(found.attainable_ns),
                Cell(found.flops_per_s, kind, verdict),
                Cell(found.bytes_per_s, kind, verdict),
            )
        )
    return Table(
        "bounds", "What bounds each case", columns, tuple(rows),
        caption="Counted work over measured time, under what a probe got out of the same device.",
    )  # fmt: skip


def _advice_row(place: int, one: Advice, *, has_gain: bool, has_cost: bool) -> tuple[Cell, ...]:
    gain = Cell(one.gain, Provenance.MEASURED) if one.gain is not None else Cell(reason="no gain can be given")
    cells = [Cell(place), Cell(one.action), Cell(one.subject), Cell(one.because)]
    cells += [gain, Cell(one.gain_of or "")] if has_gain else []
    cells += [Cell(one.cost or "")] if has_cost else []
    return tuple(cells)


def _known_cost(result: ResultRecord) -> Cost | Unavailable:
    """The cost of a call from the cache alone, of a workload that is assay's own."""
    from assay.artefacts.cache import cache_location, find_artefact
    from assay.artefacts.cost import read_cost, request_cost
    from assay.workloads.base import find_workload

    try:
        workload = find_workload(result.case.workload)
        request = request_cost(workload, result.own_case, scope=result.run_id)
        found = find_artefact(request, workload, cache_location())
        return Unavailable(_NOT_COUNTED) if found is None else read_cost(found.folder)
    except AssayError as error:
        return Unavailable(str(error))
