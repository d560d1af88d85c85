"""``/catalog/derived``, ``/catalog/compare``, ``/catalog/prices``: what follows from sheets and prices.

The module ``catalog`` includes this router. May import: core, catalog, store, analysis, web.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response  # noqa: TC002  (FastAPI reads annotations)
from pydantic import Field

from assay.analysis.device_compare import DeviceComparison, Terrain, compare_devices
from assay.catalog.grid import find_grid_factor
from assay.catalog.hardware.derived import GROUPS, REFERENCE
from assay.catalog.hardware.derived_metric import DerivedValue
from assay.catalog.hardware.prices import Price, PriceKind, Terms
from assay.core.errors import NotFoundError, nearest_names
from assay.core.words import Direction
from assay.store.catalogue import read_facts, read_prices
from assay.web.api.replies import ANNOTATIONS_HOLD_S, Model, answer, store_of

router = APIRouter()

_MOST_NAMES = 50
_MOST_PRICES = 1000

MetricNames = Annotated[
    list[str] | None,
    Query(max_length=_MOST_NAMES, description="Only these metrics, or groups (`per watt`); all where none is named."),
]
RentTerms = Annotated[Terms, Query(description="Of the offers of rent that count.")]
Region = Annotated[str | None, Query(max_length=100, description="Only offers of this region.")]
Grid = Annotated[
    str | None, Query(max_length=100, description="Whose electricity: a country, a state, a cloud's region.")
]
Reference = Annotated[str, Query(max_length=200, description="The device that relative metrics take as 1.")]


class DerivedMetricModel(Model):
    """One figure that follows from others."""

    name: str
    group: str
    title: str
    unit: str
    formula: str
    source: str
    direction: Direction
    needs: list[str] = Field(description="Its inputs, as the formula names them.")
    is_estimate: bool
    note: str | None = Field(description="What an estimate assumes.")


class DerivedMetrics(Model):
    """The registry of derived metrics."""

    items: list[DerivedMetricModel]


class DerivedValueModel(Model):
    """One derived figure of one device. What lacks an input is null, and `reason` says which."""

    value: float | None
    unit: str
    is_estimate: bool
    reason: str | None
    note: str | None = Field(description="Assumptions of an estimate; which offer, region or other device it uses.")
    layers: list[str] = Field(description="Whose figures it rests on: `own`, `shipped`, `imported`, `priced`, `grid`.")


class DerivedDevice(Model):
    """The derived figures of one device, by name."""

    hw_id: str
    name: str
    vendor: str
    metrics: dict[str, DerivedValueModel]


class DerivedDevices(Model):
    """Devices beside each other, in the order asked for."""

    items: list[DerivedDevice]


class PriceModel(Model):
    """One offer, as it was quoted."""

    hw_id: str | None = Field(description="Null where the offer leaves open which device it is.")
    device_text: str
    kind: PriceKind
    provider: str
    region: str
    instance: str
    n_devices: int | None
    usd: float = Field(description="Of all devices together.")
    per_hour: bool
    per_device_usd: float | None
    terms: Terms | None
    as_of: str
    source: str
    source_row: int | None


class Prices(Model):
    """Stored offers."""

    total: int = Field(description=f"Of which at most {_MOST_PRICES} are in `items`.")
    items: list[PriceModel]


@router.get(
    "/catalog/derived", operation_id="list_derived_metrics", summary="Derived metrics", response_model=DerivedMetrics
)
def list_derived(request: Request) -> Response:
    """Unit, formula, inputs and source of every figure that follows from sheets and prices."""

    def build() -> DerivedMetrics:
        own = [name for name in DerivedMetricModel.model_fields if name not in {"group", "needs"}]
        return DerivedMetrics(
            items=[
                DerivedMetricModel(group=group, needs=list(one.needs), **{name: getattr(one, name) for name in own})
                for group, metrics in GROUPS.items()
                for one in metrics
            ]
        )

    return answer(request, build)


@router.get(
    "/catalog/compare", operation_id="compare_devices", summary="Devices by data sheet", response_model=DerivedDevices
)
def compare(
    request: Request,
    device: Annotated[list[str], Query(min_length=1, max_length=_MOST_NAMES, description="Ids of devices.")],
    metric: MetricNames = None,
    terms: RentTerms = Terms.ON_DEMAND,
    region: Region = None,
    grid: Grid = None,
    reference: Reference = REFERENCE,
) -> Response:
    """Figures that follow from data sheets and prices. Nothing of it was measured."""

    def build() -> DerivedDevices:
        found = _compare(request, device, metric, _terrain(terms, region, grid, reference))
        return DerivedDevices(items=[_device(found, row) for row in range(len(found.devices))])

    return answer(request, build, holds_s=ANNOTATIONS_HOLD_S)


@router.get(
    "/catalog/devices/{hw_id}/derived", operation_id="get_device_derived", summary="What follows of one device",
    response_model=DerivedDevice,
)  # fmt: skip
def get_derived(
    request: Request,
    hw_id: Annotated[str, Path(min_length=1, max_length=200, description="Id of a device.")],
    metric: MetricNames = None,
    terms: RentTerms = Terms.ON_DEMAND,
    region: Region = None,
    grid: Grid = None,
    reference: Reference = REFERENCE,
) -> Response:
    """Every derived figure of one device, or why it has none."""

    def build() -> DerivedDevice:
        return _device(_compare(request, [hw_id], metric, _terrain(terms, region, grid, reference)), 0)

    return answer(request, build, holds_s=ANNOTATIONS_HOLD_S)


@router.get("/catalog/prices", operation_id="list_prices", summary="Stored prices", response_model=Prices)
def list_prices(
    request: Request,
    device: Annotated[str | None, Query(max_length=200, description="Only of this device, by its id.")] = None,
    kind: Annotated[PriceKind | None, Query(description="Only of this kind.")] = None,
) -> Response:
    """Offers that were imported, with provider, terms, day and the line of the list they stand in."""

    def build() -> Prices:
        found = [one for one in read_prices(store_of(request), hw_id=device) if kind is None or one.kind is kind]
        return Prices(total=len(found), items=[_price(one) for one in found[:_MOST_PRICES]])

    return answer(request, build)


def _terrain(terms: Terms, region: str | None, grid: str | None, reference: str) -> Terrain:
    return Terrain(terms, region, grid=None if grid is None else find_grid_factor(grid), reference=reference)


def _compare(request: Request, devices: list[str], metrics: list[str] | None, terrain: Terrain) -> DeviceComparison:
    facts = read_facts(store_of(request))
    for hw_id in devices:
        if hw_id not in facts:
            near = nearest_names(hw_id, facts)
            hint = f"The nearest are {', '.join(near)}." if near else "/api/v1/catalog/devices lists them."
            raise NotFoundError(f"There is no device {hw_id!r} in the catalogue.", hint=hint)
    prices = read_prices(store_of(request), hw_id=devices[0] if len(devices) == 1 else None)
    return compare_devices(facts, devices, metrics or (), prices=prices, terrain=terrain)


def _device(found: DeviceComparison, row: int) -> DerivedDevice:
    device = found.devices[row]
    return DerivedDevice(
        hw_id=device.hw_id, name=device.name, vendor=device.vendor,
        metrics={value.metric.name: _value(value) for value in found.values[row]},
    )  # fmt: skip


def _value(value: DerivedValue) -> DerivedValueModel:
    return DerivedValueModel(
        value=value.value, unit=value.metric.unit, is_estimate=value.metric.is_estimate, reason=value.reason,
        note=value.note, layers=list(value.layers),
    )  # fmt: skip


def _price(price: Price) -> PriceModel:
    return PriceModel(**{name: getattr(price, name) for name in PriceModel.model_fields})
