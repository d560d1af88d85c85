"""The registry of derived metrics, and what they are for one device or many.

A figure that lacks an input is None and says which input it lacks; nothing is imputed. May import: core, catalog.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from assay.catalog.grid import GridFactor
from assay.catalog.hardware.derived_metric import DerivedMetric, DerivedValue
from assay.catalog.hardware.derived_models import ESTIMATES
from assay.catalog.hardware.derived_sheet import BALANCE, GENERATION, MONEY, POWER, SILICON
from assay.catalog.hardware.facts import DeviceFacts
from assay.catalog.hardware.generations import find_predecessors
from assay.catalog.hardware.prices import Price
from assay.catalog.hardware.quantities import QUANTITIES, DeviceInputs, Reading
from assay.core.errors import UnknownNameError

REFERENCE = "nvidia-a100-sxm4-80gb"
"""The device that relative metrics take as 1 unless another is chosen: most published results have it beside them."""

GROUPS: Mapping[str, tuple[DerivedMetric, ...]] = MappingProxyType(
    {
        "per watt": POWER,
        "per dollar": MONEY,
        "balance": BALANCE,
        "silicon": SILICON,
        "generation": GENERATION,
        "estimates": ESTIMATES,
    }
)
"""The metrics under the headings that listings show them by."""
DERIVED: Mapping[str, DerivedMetric] = MappingProxyType(
    {metric.name: metric for metrics in GROUPS.values() for metric in metrics}
)
"""Every derived metric by its name."""


def find_derived(name: str) -> DerivedMetric:
    """Return one metric. Raises UnknownNameError with the nearest."""
    if name not in DERIVED:
        raise UnknownNameError("derived metric", name, DERIVED, hint="List them: assay catalog metrics.")
    return DERIVED[name]


def choose_derived(names: Iterable[str] = ()) -> tuple[DerivedMetric, ...]:
    """Return the metrics of these names or groups, each once, all where none is named. Raises UnknownNameError."""
    chosen: dict[str, DerivedMetric] = {}
    for name in names:
        for metric in GROUPS.get(name) or (find_derived(name),):
            chosen[metric.name] = metric
    return tuple((chosen or DERIVED).values())


def gather_inputs(
    facts: Mapping[str, DeviceFacts],
    *,
    rents: Mapping[str, Price] = MappingProxyType({}),
    purchases: Mapping[str, Price] = MappingProxyType({}),
    grid: GridFactor | None = None,
    reference: str = REFERENCE,
) -> Mapping[str, DeviceInputs]:
    """Return every device of ``facts`` with all that its metrics take, by its id.

    ``rents`` and ``purchases`` are the offers chosen for each device (``prices.choose_price``). Raises
    UnknownNameError for a reference that ``facts`` lacks.
    """
    if reference not in facts:
        raise UnknownNameError("device of the catalogue", reference, facts, hint="It was to be the reference.")
    before = find_predecessors(facts)
    return {
        hw_id: DeviceInputs(device, rents.get(hw_id), purchases.get(hw_id), grid, before[hw_id], facts[reference])
        for hw_id, device in facts.items()
    }


def derive(inputs: DeviceInputs, metrics: Sequence[DerivedMetric] | None = None) -> tuple[DerivedValue, ...]:
    """Return these metrics of one device, all where none are given, in their order."""
    chosen = tuple(DERIVED.values()) if metrics is None else metrics
    readings: dict[str, Reading] = {}
    for metric in chosen:
        for key in metric.needs:
            if key not in readings:
                readings[key] = QUANTITIES[key].read(inputs)
    return tuple(_derive(metric, [readings[key] for key in metric.needs]) for metric in chosen)


def _derive(metric: DerivedMetric, readings: Sequence[Reading]) -> DerivedValue:
    missing = [one.reason or "an input is not known" for one in readings if one.value is None]
    if missing:
        return DerivedValue(metric, None, "; ".join(dict.fromkeys(missing)))
    result = metric.compute(*(one.value for one in readings))
    if isinstance(result, str):
        return DerivedValue(metric, None, result)
    said = dict.fromkeys(one.says for one in readings if one.says)
    note = "; ".join([*([metric.note] if metric.note else []), *said]) or None
    layers = tuple(dict.fromkeys(layer for one in readings for layer in one.layers))
    return DerivedValue(metric, result, layers=layers, note=note)
