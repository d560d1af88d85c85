"""What follows from devices' sheets and prices, as tables: of one device, and of several beside each other.

May import: core, catalog, store, analysis, report.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from assay.analysis.device_compare import DeviceComparison, compare_devices
from assay.catalog.hardware.derived import GROUPS
from assay.catalog.hardware.derived_metric import DerivedMetric, DerivedValue
from assay.core.words import Direction
from assay.report.values import Block, Cell, Column, Ref, RefKind, Table

if TYPE_CHECKING:
    from assay.store import Store

BESIDE_EACH_OTHER = (
    "rate16_per_w", "rate16_per_usd", "usd_per_h", "rate16_per_rent", "balance16", "memory_reads_per_s",
    "generation_rate16", "rate_llama2_7b", "cost_llama2_7b", "latency_index",
)  # fmt: skip
"""The metrics of a table of several devices."""
_CAPTION = "They follow from data sheets and prices; nothing of them was measured."
_ESTIMATES = (
    "Estimated figures are the most that the roofline allows, and are marked in each cell; measured ones are lower."
)


def derived_table(found: DeviceComparison) -> Table:
    """Return all metrics of the first device of ``found``: each with its formula, and whose figures it rests on."""
    group_of = {metric.name: group for group, metrics in GROUPS.items() for metric in metrics}
    rows = tuple(
        (
            Cell(value.metric.title),
            derived_cell(value),
            Cell(", ".join(value.layers) or None, reason=None if value.layers else "it is not known"),
            Cell(value.metric.formula),
            Cell(group_of[value.metric.name]),
        )
        for value in found.values[0]
    )
    columns = (
        Column("metric", "figure"),
        Column("value", "value"),
        Column("layers", "rests on", description="Whose figures: the shipped catalogue, imported, own, an offer"),
        Column("formula", "formula", is_code=True),
        Column("group", "group"),
    )
    return Table("derived", "Derived figures", columns, rows, caption=_CAPTION, notes=(_ESTIMATES,))


def comparison_table(found: DeviceComparison) -> Table:
    """Return devices beside each other, one row each, with the metrics that some of them has."""
    places = [
        place for place in range(len(found.metrics)) if any(value.value is not None for value in found.column(place))
    ]
    missing = [found.metrics[place].title for place in range(len(found.metrics)) if place not in places]
    columns = [Column("device", "device"), *(_column(found.metrics[place]) for place in places)]
    rows = tuple(
        (
            Cell(device.name, ref=Ref(RefKind.DEVICE, device.name)),
            *(derived_cell(row[place]) for place in places),
        )
        for device, row in zip(found.devices, found.values, strict=True)
    )
    notes = (_ESTIMATES, *((f"Not known of any of them: {', '.join(missing)}.",) if missing else ()))
    return Table("sheets", "By data sheet and price", tuple(columns), rows, caption=_CAPTION, notes=notes)


def derived_cell(value: DerivedValue) -> Cell:
    """Return one figure with its unit and what has to be known beside it."""
    said = value.reason if value.value is None else value.note
    return Cell(value.value, unit=value.metric.unit, reason=said)


def sheet_blocks(store: Store, hw_ids: Sequence[str], limit: int) -> list[Block]:
    """Return the table of the first ``limit`` devices; nothing where the catalogue has none of them.

    Raises StoreError.
    """
    from assay.store.catalogue import read_facts, read_prices

    facts = read_facts(store)
    known = [hw_id for hw_id in dict.fromkeys(hw_ids) if hw_id in facts][:limit]
    if not known:
        return []
    return [comparison_table(compare_devices(facts, known, BESIDE_EACH_OTHER, prices=read_prices(store)))]


def _column(metric: DerivedMetric) -> Column:
    direction = None if metric.direction is Direction.NEITHER else metric.direction
    title = f"{metric.title} (estimated)" if metric.is_estimate else metric.title
    return Column(metric.name, title, unit=metric.unit, direction=direction, description=metric.formula)
