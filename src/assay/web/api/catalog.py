"""``/catalog``: what is known beforehand, of devices, metrics, workloads, engines.

May import: core, catalog, store, engines, workloads, report, web.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Path, Query, Request
from fastapi.responses import Response  # noqa: TC002  (FastAPI reads annotations)
from pydantic import Field

from assay.catalog.hardware.cells import CatalogueCell, Layer
from assay.catalog.hardware.facts import IDENTITY, DeviceFacts
from assay.catalog.hardware.fields import RATE_COLUMNS
from assay.catalog.hardware.load import load_catalogue, load_sources
from assay.catalog.hardware.quantities import read_column
from assay.catalog.metrics import metrics as registry
from assay.core.errors import AssayError, NotFoundError, nearest_names
from assay.core.words import Direction
from assay.store.catalogue import read_facts
from assay.web.api import catalog_derived
from assay.web.api.replies import ANNOTATIONS_HOLD_S, Model, answer, api_router, store_of

router = api_router("catalogue")
router.include_router(catalog_derived.router)

_MOST_NAMES = 50


class DeviceModel(Model):
    """One device as it is sold, in SI units. A figure that is not known is null; `figures` of one device says whose."""

    hw_id: str
    vendor: str
    name: str
    architecture: str
    category: str
    kind: str = Field(description="`cpu`, `gpu`, `soc` or `accelerator`.")
    release: str | None
    memory_bytes: int | None
    memory_kind: str | None
    memory_bandwidth_bytes_per_s: float | None
    tdp_w: float | None
    peak_rates_per_s: dict[str, float] = Field(
        description="Dense peaks in operations a second, by unit and precision; with 2:4 sparsity as `sparse_...`."
    )
    aliases: list[str]


class FigureModel(Model):
    """One figure of a device, as its data sheet writes it, with its source."""

    value: str
    source: str = Field(description="Publisher, title, date, and how near it is to the maker; or the file it is from.")
    layer: Layer = Field(description="Whose statement: `own`, `shipped` or `imported`.")
    as_of: str = Field(description="When its source says so; empty where it does not tell.")


class DeviceDetail(DeviceModel):
    """One device with every figure and its source."""

    figures: dict[str, FigureModel]


class MetricModel(Model):
    """One kind of number."""

    name: str
    unit: str
    direction: Direction
    description: str
    formula: str
    source: str
    headline: bool


class SizeModel(Model):
    """One size of a family."""

    workload: str = Field(examples=["bert/base"])
    tier: str
    parameters: int | None = Field(description="Null where only building it would tell.")
    source: str


class FamilyModel(Model):
    """One family of models that assay builds itself."""

    name: str
    task: str
    modality: str
    unit_of_work: str
    default_shape: dict[str, int]
    default_batches: list[int]
    requires: list[str] = Field(description="Python packages.")
    reference: str
    sizes: list[SizeModel]


class EngineModel(Model):
    """One engine. Whether it works on the server is not asked: that would import it."""

    name: str
    packages: list[str]
    install_hint: str
    precisions: dict[str, list[str]] = Field(description="Kind of device -> precisions that run there.")
    modes: list[str]
    options: list[str]
    reason: str | None = Field(description="Why nothing is known of it.")


class Devices(Model):
    """Devices of the catalogue."""

    items: list[DeviceModel]


class Metrics(Model):
    """The metric registry."""

    items: list[MetricModel]


class Families(Model):
    """Families of models."""

    items: list[FamilyModel]


class Engines(Model):
    """Engines."""

    items: list[EngineModel]


@router.get("/catalog/devices", operation_id="list_devices", summary="Devices", response_model=Devices)
def list_devices(
    request: Request,
    vendor: Annotated[list[str] | None, Query(max_length=_MOST_NAMES, description="Only these makers'.")] = None,
    category: Annotated[
        list[str] | None, Query(max_length=_MOST_NAMES, description="Only these categories, or kinds (`gpu`, `cpu`).")
    ] = None,
    q: Annotated[str | None, Query(max_length=200, description="Part of a name, an id or an alias.")] = None,
) -> Response:
    """What makers say of their devices. A maker or category that the catalogue lacks gives an empty list."""
    makers = {one.casefold() for one in vendor or ()}
    kinds = {one.casefold() for one in category or ()}
    part = (q or "").casefold()

    def build() -> Devices:
        chosen = [
            one
            for one in read_facts(store_of(request)).values()
            if (not makers or one.vendor.casefold() in makers)
            and (not kinds or kinds & {one.category.casefold(), one.kind})
            and any(part in text.casefold() for text in (one.hw_id, one.name, *_aliases(one)))
        ]
        return Devices(items=[DeviceModel(**_device(one)) for one in chosen])

    return answer(request, build, holds_s=ANNOTATIONS_HOLD_S)


@router.get("/catalog/devices/{hw_id}", operation_id="get_device", summary="One device", response_model=DeviceDetail)
def get_device(
    request: Request, hw_id: Annotated[str, Path(min_length=1, max_length=200, description="Id of a device.")]
) -> Response:
    """Every figure with its source."""

    def build() -> DeviceDetail:
        devices = read_facts(store_of(request))
        if hw_id not in devices:
            near = nearest_names(hw_id, devices)
            hint = f"The nearest are {', '.join(near)}." if near else "/api/v1/catalog/devices lists them."
            raise NotFoundError(f"There is no device {hw_id!r} in the catalogue.", hint=hint)
        device = devices[hw_id]
        figures = {column: _figure(cell) for column, cell in device.cells.items() if column not in IDENTITY}
        return DeviceDetail(**_device(device), figures=figures)

    return answer(request, build, holds_s=ANNOTATIONS_HOLD_S)


@router.get("/catalog/metrics", operation_id="list_metrics", summary="Metrics", response_model=Metrics)
def list_metrics(request: Request) -> Response:
    """Name, unit, direction, meaning, formula and source of every kind of number."""

    def build() -> Metrics:
        known = [registry.get(name) for name in registry.names()]
        return Metrics(
            items=[MetricModel(**{name: getattr(one, name) for name in MetricModel.model_fields}) for one in known]
        )

    return answer(request, build)


@router.get("/catalog/workloads", operation_id="list_workloads", summary="Workloads", response_model=Families)
def list_workloads(request: Request) -> Response:
    """Families of models and their sizes. A store may hold results of others, which are in `/series`."""
    return answer(request, lambda: Families(items=[_family(name) for name in _families()]))


@router.get("/catalog/engines", operation_id="list_engines", summary="Engines", response_model=Engines)
def list_engines(request: Request) -> Response:
    """What can execute a workload, and what that takes."""
    return answer(request, lambda: Engines(items=[_engine(name) for name in _engines()]))


def _families() -> tuple[str, ...]:
    from assay.workloads.base import families

    return families.names()


def _engines() -> tuple[str, ...]:
    from assay.engines.base import engines

    return engines.names()


def _device(one: DeviceFacts) -> dict[str, Any]:
    memory = read_column(one, "memory_gib")
    rates = {rate: read_column(one, column) for column, rate in RATE_COLUMNS.items()}
    return {
        "hw_id": one.hw_id, "vendor": one.vendor, "name": one.name, "architecture": one.architecture,
        "category": one.category, "kind": one.kind, "release": one.text("release"),
        "memory_bytes": None if memory is None else round(memory), "memory_kind": one.text("memory_kind"),
        "memory_bandwidth_bytes_per_s": read_column(one, "memory_bandwidth_gb_s"), "tdp_w": one.number("tdp_w"),
        "peak_rates_per_s": {rate: value for rate, value in rates.items() if value is not None},
        "aliases": _aliases(one),
    }  # fmt: skip


def _aliases(one: DeviceFacts) -> list[str]:
    shipped = load_catalogue().get(one.hw_id)
    own = [alias for alias in (one.text("aliases") or "").split(";") if alias]
    return [*(() if shipped is None else shipped.aliases), *own]


def _figure(cell: CatalogueCell) -> FigureModel:
    source = load_sources().get(cell.source_id) if cell.layer is Layer.SHIPPED else None
    text = cell.source_id if source is None else f"{source.publisher}, {source.title}, {source.date} ({source.kind})"
    return FigureModel(value=str(cell.value), source=text, layer=cell.layer, as_of=cell.as_of)


def _family(name: str) -> FamilyModel:
    from assay.workloads.base import families

    one = families.get(name)
    return FamilyModel(
        name=one.name, task=one.task, modality=one.modality, unit_of_work=str(one.unit),
        default_shape=dict(one.default_shape), default_batches=list(one.default_batches), requires=list(one.requires),
        reference=one.reference,
        sizes=[
            SizeModel(
                workload=f"{one.name}/{size}", tier=str(found.tier), parameters=found.parameters, source=found.source
            )
            for size, found in one.sizes.items()
        ],
    )  # fmt: skip


def _engine(name: str) -> EngineModel:
    """Return what an engine says of itself; one of somebody else's that is broken must not hide the others."""
    from assay.engines.base import engines

    try:
        can = engines.get(name).capabilities
    except AssayError as error:
        return EngineModel(
            name=name, packages=[], install_hint="", precisions={}, modes=[], options=[], reason=error.message
        )
    return EngineModel(
        name=name, packages=list(can.packages), install_hint=can.install_hint,
        precisions={kind: [str(one) for one in found] for kind, found in can.precisions.items()},
        modes=[str(one) for one in can.modes], options=list(can.options), reason=None,
    )  # fmt: skip
