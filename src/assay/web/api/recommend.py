"""``/recommend``: what would be better by what was measured, and which hardware for a workload.

Nothing is launched, no model built: a name in a store must never make the server import somebody's module, so what a
call costs is taken from the cache of artefacts where it was counted. May import: core, analysis, report, web.
"""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import Query, Request
from fastapi.responses import Response  # noqa: TC002  (FastAPI reads annotations)
from pydantic import Field, StringConstraints

from assay.analysis.ranking import rank_hardware, read_prices
from assay.analysis.ranking_values import Candidate, Objective, Quantity, Ranking, RankingRequest, many_of
from assay.core.errors import UnknownNameError, UsageError
from assay.core.words import Mode, Provenance, Verdict
from assay.report.advice import advise, explain_known
from assay.store.selection import ANY
from assay.web.api.filters import LONGEST_TEXT
from assay.web.api.replies import Model, answer, api_router, finite, store_of
from assay.web.api.runs import find_run

router = api_router("analysis")

_Text = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_TEXT, pattern=r"^[^*]*(\*[^*]*){0,3}$")]


class EvidenceModel(Model):
    """One number behind advice."""

    what: str
    value: float | None
    unit: str
    provenance: Provenance
    lo: float | None
    hi: float | None
    result_id: str | None


class AdviceModel(Model):
    """What to do, why, and by how much."""

    rule: str
    subject: str = Field(description="The case, or cases, in words.")
    action: str
    because: str
    gain: float | None = Field(description="How many times better by `gain_of`; null where not known.")
    gain_of: str | None
    cost: str | None = Field(description="What is lost by it.")
    evidence: list[EvidenceModel]


class AdviceOfRun(Model):
    """What `assay recommend` says of a run, largest gain first."""

    run_id: str
    results: int = Field(description="Measured results that the advice is for.")
    advice: list[AdviceModel]


class QuantityModel(Model):
    """One number of a device."""

    value: float | None
    unit: str
    lo: float | None = Field(description="Lower end of the 95 % interval, where it is of one result.")
    hi: float | None
    lowest: float | None = Field(description="The lowest of the results that it is the median of.")
    highest: float | None
    results: int
    result_id: str | None
    verdict: Verdict | None
    reason: str | None = Field(description="Why it is not known, or how it was derived.")


class CandidateModel(Model):
    """One device under the conditions in which it does best."""

    rank: int | None = Field(description="From 1; null where it takes no part.")
    label: str
    hw_id: str | None = Field(description="Its entry of the catalogue.")
    accelerators: int | None
    provenance: Provenance
    times_worse: float | None = Field(description="How many times worse than the first by the objective.")
    is_level: bool = Field(description="Whether its interval, or spread, overlaps the first one's.")
    misses: list[str] = Field(description="Why it takes no part.")
    software: list[str]
    latency: QuantityModel
    throughput: QuantityModel
    energy: QuantityModel
    power: QuantityModel
    cost: QuantityModel


class RankingModel(Model):
    """Devices in order, of what was measured under the same conditions. Nothing in it is predicted."""

    workload: str
    objective: Objective
    basis: str | None = Field(description="What all of them have in common; null where nothing was found.")
    latency_metric: str
    throughput_metric: str
    ranked: list[CandidateModel]
    lost: list[CandidateModel] = Field(description="Those that miss a limit, or a number.")
    other_bases: dict[str, int] = Field(description="Other conditions -> devices that have numbers under them.")
    unmeasured: list[str] = Field(description="Devices of the store without a usable number of this workload.")


@router.get("/recommend", operation_id="recommend", summary="Advice for a run", response_model=AdviceOfRun)
def recommend(
    request: Request,
    run: Annotated[str, Query(min_length=1, max_length=200, description="The run.")] = "last",
    rule: Annotated[list[str] | None, Query(max_length=50, description="Only these rules.")] = None,
) -> Response:
    """What would be faster, larger, cheaper or safer than what a run did, each with the numbers behind it."""

    def build() -> AdviceOfRun:
        from assay.recommend.base import rules

        for name in rule or ():
            if name not in rules.names():
                raise UnknownNameError("advice", name, rules.names())
        store = store_of(request)
        record = find_run(store, run)
        if record.provenance is not Provenance.MEASURED:
            raise UsageError(f"Run {record.run_id} was {record.provenance}; advice is for measured runs.")
        environment = store.environment(record.env_id)
        results = list(store.results(run_id=record.run_id))
        advice = advise(store, results, environment, explain_known(results, environment, store))
        return AdviceOfRun(
            run_id=record.run_id,
            results=len(results),
            advice=[
                AdviceModel(
                    rule=one.rule, subject=one.subject, action=one.action, because=one.because, gain=finite(one.gain),
                    gain_of=one.gain_of, cost=one.cost,
                    evidence=[
                        EvidenceModel(
                            what=number.what, value=finite(number.value), unit=number.unit,
                            provenance=Provenance.MEASURED, lo=finite(number.lo), hi=finite(number.hi),
                            result_id=number.result_id,
                        )
                        for number in one.evidence
                    ],
                )
                for one in advice
                if rule is None or one.rule in rule
            ],
        )  # fmt: skip

    return answer(request, build)


@router.get("/recommend/hardware", operation_id="rank_hardware", summary="Which hardware", response_model=RankingModel)
def rank(  # noqa: PLR0913  (as many limits as people have)
    request: Request,
    *,
    workload: Annotated[_Text, Query(description="Family and size; `*` stands for anything.")],
    objective: Annotated[Objective, Query(description="What the best has least or most of.")] = Objective.THROUGHPUT,
    precision: Annotated[list[_Text] | None, Query(max_length=50, description="Only these precisions.")] = None,
    mode: Annotated[list[Mode] | None, Query(description="Only this kind of work.")] = None,
    provenance: Annotated[
        list[Literal["measured", "imported"]] | None,
        Query(description="Both where nothing is said: each row says which it is."),
    ] = None,
    max_latency_ns: Annotated[float | None, Query(gt=0, le=1e18, description="A device has to stay below it.")] = None,
    min_throughput_per_s: Annotated[float | None, Query(gt=0, le=1e18, description="... or above it.")] = None,
    scenario: Annotated[str | None, Query(max_length=100, description="MLPerf's word: Offline, Server ...")] = None,
    accelerators: Annotated[int | None, Query(ge=1, le=1_000_000, description="Devices together.")] = None,
    prices: Annotated[
        str,
        Query(max_length=2000, description="USD for an hour of one device: `nvidia-l4=0.71, ...`; else stored ones."),
    ] = "",
) -> Response:
    """Devices in order of what was measured on them, by this store or by others, under the same conditions."""

    def build() -> RankingModel:
        where = {
            "precision": precision,
            "mode": None if mode is None else [one.value for one in mode],
            "provenance": provenance or ANY,
        }
        asked = RankingRequest(
            workload=workload,
            objective=objective,
            where={name: value for name, value in where.items() if value is not None},
            max_latency_ns=max_latency_ns,
            min_throughput_per_s=min_throughput_per_s,
            prices_usd_per_h=read_prices(prices),
            scenario=scenario,
            accelerators=accelerators,
        )
        return _ranking(rank_hardware(store_of(request), asked))

    return answer(request, build)


def _ranking(found: Ranking) -> RankingModel:
    return RankingModel(
        workload=found.request.workload, objective=found.request.objective,
        basis=None if found.basis is None else found.basis.label, latency_metric=found.latency_metric,
        throughput_metric=found.throughput_metric, ranked=[_candidate(one, found) for one in found.ranked],
        lost=[_candidate(one, found) for one in found.lost],
        other_bases={one.label: count for one, count in found.other_bases}, unmeasured=list(found.unmeasured),
    )  # fmt: skip


def _candidate(one: Candidate, found: Ranking) -> CandidateModel:
    work = (None if found.basis is None else found.basis.unit_of_work) or "unit of work"
    return CandidateModel(
        rank=one.rank,
        label=one.label,
        hw_id=one.device.hw_id,
        accelerators=one.accelerators,
        provenance=one.provenance,
        times_worse=finite(one.times_worse),
        is_level=one.is_level,
        misses=list(one.misses),
        software=list(one.software),
        latency=_quantity(one.latency, "ns"),
        throughput=_quantity(one.throughput, f"{work}/s"),
        energy=_quantity(one.energy, "J/call" if found.is_energy_of_a_call else f"J/{work}"),
        power=_quantity(one.power, "W"),
        cost=_quantity(one.cost_usd, f"USD/1e6 {many_of(work)}"),
    )


def _quantity(one: Quantity, unit: str) -> QuantityModel:
    return QuantityModel(
        value=finite(one.value), unit=unit, lo=finite(one.lo), hi=finite(one.hi), lowest=finite(one.lowest),
        highest=finite(one.highest), results=one.results, result_id=one.result_id, verdict=one.verdict,
        reason=one.reason,
    )  # fmt: skip
