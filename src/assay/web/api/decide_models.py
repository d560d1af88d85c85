"""What ``/recommend/model``, ``/suggest``, ``/plan``, ``/plan/text`` and ``/matrix`` answer with, as described.

May import: core, recommend, web.
"""

from __future__ import annotations

from pydantic import Field

from assay.core.words import Provenance
from assay.recommend.decision import Objective
from assay.web.api.replies import Model


class BoundModel(Model):
    """An interval of a sum: its parts were tested, it was not."""

    level: float
    lo: float | None
    hi: float | None


class PlanModel(Model):
    """The parts of a time on several devices."""

    micro_batches: int
    compute_ns: float | None
    exchange_ns: float | None
    hideable_ns: float | None
    bubble: float | None
    memory_bytes: float | None
    p_out_of_memory: float | None
    bounds: list[BoundModel]


class OptionModel(Model):
    """One device under the conditions in which it does best by the objective."""

    rank: int | None = Field(description="From 1; null where it takes no part.")
    device: str
    hw_id: str | None
    provenance: Provenance = Field(description="Of the time: `measured`, or `predicted`.")
    layer: str = Field(description="Who answered: measured, transfer, learned, roofline.")
    model: str | None = Field(description="The predictor that answered, and its version.")
    precision: str
    batch: int
    engine: str
    latency_ns: float | None = Field(description="Of a call.")
    lo: float | None = Field(description="Lower end of the time, at `level`.")
    hi: float | None
    level: float | None
    rate_per_s: float | None = Field(description="Units a second, of all `devices`.")
    unit: str | None = Field(description="What is counted.")
    replicas: int = Field(description="As many as the load takes.")
    usd_h: float | None = Field(description="Of all replicas.")
    price: str | None = Field(description="Where the price is from.")
    usd_per_million: float | None
    joules_per_million: float | None
    p_meets: float = Field(description="Probability that the limit of the latency is kept.")
    p_best: float = Field(description="Probability that no other does better.")
    regret: float | None = Field(description="By what share it is expected to be worse than the best.")
    is_pareto: bool
    misses: list[str] = Field(description="Why it takes no part.")
    unknown: dict[str, str] = Field(description="What is not known of it -> why.")
    flags: list[str] = Field(description="What to be wary of.")
    device_notes: list[str]
    devices: int
    strategy: str
    is_validated: bool = Field(description="Measured, or predicted with an interval that was tested.")
    machine: str | None
    why: list[str]
    plan: PlanModel | None


class AbstainedModel(Model):
    """What there is no number of."""

    device: str
    precision: str
    reason: str
    devices: int


class DecisionModel(Model):
    """Options in order, as `assay recommend --model` has them."""

    objective: Objective
    ranked: list[OptionModel]
    lost: list[OptionModel] = Field(description="Those that miss a limit, or a number.")
    abstained: list[AbstainedModel]
    notes: list[str]


class SuggestionModel(Model):
    """One measurement that would make the choice surer."""

    device: str
    workload: str
    precision: str
    batch: int
    engine: str
    value: float | None = Field(description="Share of the objective that knowing it is expected to spare.")
    p_changes: float = Field(description="Probability that the choice changes.")
    spread_factor: float | None = Field(description="What its number may be off by either way, at one sigma.")
    command: str | None = Field(description="What to run there; null where assay cannot measure it.")
    devices: int = Field(1, description="How many of the device together.")
    strategy: str = Field("single", description="How they share the work.")
    note: str | None = Field(None, description="What can measure it, where assay cannot.")


class ProbeModel(Model):
    """One model to measure on a device that others foretell: everything else on it gets surer."""

    device: str
    workload: str
    shape: dict[str, int]
    precision: str
    batch: int
    engine: str
    error_now: float | None = Field(description="Mean error (a share) of held-out devices without probes.")
    error_then: float | None = Field(description="The same with ten.")
    command: str | None = Field(description="What to run there; null where assay has no such model.")
    note: str | None = None


class SuggestionsModel(Model):
    """What to measure next, most valuable first; none where the choice stands whatever they turn out."""

    suggestions: list[SuggestionModel]
    probes: list[ProbeModel] = Field([], description="Of devices that are foretold by others.")


class CapacityModel(Model):
    """How many of one device a load takes."""

    device: str
    provenance: Provenance
    precision: str
    batch: int
    engine: str
    rate_per_s: float | None = Field(description="Units a second of one.")
    spread: float | None = Field(description="Standard deviation of its logarithm.")
    replicas: int
    p_meets: float = Field(description="Probability that the wait and the margin hold.")
    busy: float | None
    p_wait: float | None
    mean_wait_s: float | None
    usd_h: float | None
    usd_per_million: float | None


class NotPlannedModel(Model):
    """A device without a plan."""

    device: str
    reason: str


class PlansModel(Model):
    """Plans by what they cost, those of unknown price last."""

    plans: list[CapacityModel]
    abstained: list[NotPlannedModel]


class TextPlanModel(Model):
    """A set-up, as many times as the users take: `replicas` of `devices` devices each."""

    device: str
    hw_id: str | None
    devices: int = Field(description="That hold one replica together.")
    replicas: int
    provenance: Provenance
    p_meets: float = Field(description="Probability that all users wait no longer than they may.")
    worth: float = Field(description="1 is sure to do, and as cheap as anything could be.")
    usd_h: float = Field(description="Of all replicas.")


class TextPlansModel(Model):
    """Set-ups for users of a language model, the most worth first."""

    plans: list[TextPlanModel]
    abstained: list[NotPlannedModel]
    notes: list[str] = Field(description="What to be wary of.")


class MatrixCellModel(Model):
    """One number, or the reason why there is none."""

    workload: str
    device: str
    hw_id: str | None
    precision: str
    batch: int
    engine: str
    metric: str
    value: float | None
    unit: str | None
    lo: float | None
    hi: float | None
    level: float | None
    provenance: Provenance | None = Field(description="`measured` or `predicted`; null where nobody can say.")
    layer: str | None
    model: str | None
    relative: float | None = Field(description="How near it comes to the best of its row and provenance; 1 is best.")
    reason: str | None


class MatrixModel(Model):
    """Workloads by devices under one set of conditions; row by row."""

    metric: str
    precision: str
    batch: int
    engine: str
    measured: int
    predicted: int
    abstained: int
    cells: list[MatrixCellModel]
