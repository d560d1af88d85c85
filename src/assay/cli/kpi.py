"""``assay kpi``: devices held against each other by what their makers say: correlations, trends, tiers, fronts.

What is measured against data sheets is ``cli.kpi_measured``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from assay.cli import kpi_measured
from assay.cli.catalog_view import PreferOption
from assay.cli.output import JsonOption, StoreOption, print_json

if TYPE_CHECKING:
    from assay.analysis.hardware_table import HardwareTable, Pricing
    from assay.catalog.hardware.cells import Layer

app = typer.Typer(
    help="Devices held against each other: what goes together, growth over years, tiers, clusters, fronts, matrices.",
    no_args_is_help=True,
)

CategoryOption = Annotated[
    list[str] | None,
    typer.Option("--category", help="Only this category or kind; may be repeated. Default: gpu and accelerator.",
                 show_default=False),
]  # fmt: skip
VendorOption = Annotated[
    list[str] | None, typer.Option("--vendor", help="Only this maker's; may be repeated.", show_default=False)
]
SinceOption = Annotated[
    int | None, typer.Option("--since", metavar="YEAR", help="Released in this year or later.", show_default=False)
]
UntilOption = Annotated[
    int | None, typer.Option("--until", metavar="YEAR", help="Released in this year or before.", show_default=False)
]
FiguresOption = Annotated[
    str | None,
    typer.Option("--figures", "-f", help="Which figures, with commas between: peak16,bandwidth,tdp.",
                 show_default=False),
]  # fmt: skip
PriceOption = Annotated[
    str,
    typer.Option(
        "--price", help="Which price: release, cloud (an hour, on demand) or street; the last two of the store's."
    ),
]
LimitOption = Annotated[int, typer.Option("--limit", "-n", min=1, help="Rows of devices that are printed.")]
ShippedOption = Annotated[
    bool, typer.Option("--shipped", help="Only the shipped catalogue: no imported cells, no devices of one's own.")
]


@app.command("correlations")
def correlations(  # noqa: PLR0913  (an option is an argument)
    figures: FiguresOption = None,
    given: Annotated[
        str | None,
        typer.Option(
            help="Partial correlations: what is left once these are accounted for, such as year,tdp.",
            show_default=False,
        ),
    ] = None,
    category: CategoryOption = None,
    vendor: VendorOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    price: PriceOption = "release",
    limit: LimitOption = 20,
    shipped: ShippedOption = False,
    store: StoreOption = None,
    prefer: PreferOption = None,
    as_json: JsonOption = False,
) -> None:
    """Correlate the ranks of figures of data sheets, with intervals that draw whole architectures anew.

    For example:

      assay kpi correlations --category "datacentre gpu"

      assay kpi correlations --figures peak16,bandwidth,memory,tdp --given year
    """  # fmt: skip
    from assay.analysis.hardware_stats import CORRELATED, correlate_devices
    from assay.cli.kpi_tables import correlation_rows, print_correlations, say_layers

    controls = _split(given)
    keys = _split(figures) or [key for key in CORRELATED if key not in controls]
    table = _read(
        [*keys, *controls], category, vendor, since, until, price=price, shipped=shipped, store=store, prefer=prefer
    )
    found = correlate_devices(table, keys, given=controls)
    if as_json:
        print_json({"layers": table.layers} | correlation_rows(found))
    else:
        print_correlations(found, limit)
        say_layers(table.layers)


@app.command("trends")
def trends(  # noqa: PLR0913  (an option is an argument)
    figures: FiguresOption = None,
    by: Annotated[str, typer.Option(help="What trends are told apart by: category, vendor or none.")] = "category",
    records: Annotated[bool, typer.Option("--records", help="List the devices that were best of all so far.")] = False,
    category: CategoryOption = None,
    vendor: VendorOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    price: PriceOption = "release",
    shipped: ShippedOption = False,
    store: StoreOption = None,
    prefer: PreferOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show how fast figures grew over the years of release: factor a year, doubling time, intervals.

    For example:

      assay kpi trends --category "datacentre gpu" --figures peak16_per_w,bandwidth

      assay kpi trends --by none --since 2016 --records
    """
    from assay.analysis.hardware_trends import TRENDS, trend_devices
    from assay.cli.kpi_tables import print_trends, say_layers, trend_rows

    keys = _split(figures) or list(TRENDS)
    table = _read(
        [*keys, "year"], category, vendor, since, until, price=price, shipped=shipped, store=store, prefer=prefer
    )
    found = trend_devices(table, keys, by=by)
    if as_json:
        print_json({"layers": table.layers, "trends": trend_rows(found)})
    else:
        print_trends(found, with_records=records)
        say_layers(table.layers)


@app.command("tiers")
def tiers(  # noqa: PLR0913  (an option is an argument)
    rule: Annotated[str, typer.Option("--rule", help="performance or ai.")] = "performance",
    category: CategoryOption = None,
    vendor: VendorOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    limit: LimitOption = 40,
    shipped: ShippedOption = False,
    store: StoreOption = None,
    prefer: PreferOption = None,
    as_json: JsonOption = False,
) -> None:
    """Sort devices into tiers by a rule that is printed, and say how far the tiers hold when things are shaken.

    For example:

      assay kpi tiers --rule ai --category "datacentre gpu"
    """
    from assay.analysis.hardware_tiers import find_rule, tier_devices
    from assay.cli.kpi_tables import print_tiers, say_layers, tier_rows

    chosen = find_rule(rule)
    table = _read(chosen.columns, category, vendor, since, until, shipped=shipped, store=store, prefer=prefer)
    found = tier_devices(table, chosen)
    if as_json:
        print_json({"layers": table.layers} | tier_rows(found))
    else:
        print_tiers(found, limit)
        say_layers(table.layers)


@app.command("clusters")
def clusters(  # noqa: PLR0913  (an option is an argument)
    figures: FiguresOption = None,
    k: Annotated[
        int | None, typer.Option("--k", help="So many clusters, whether they fit the rule or not.", show_default=False)
    ] = None,
    category: CategoryOption = None,
    vendor: VendorOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    price: PriceOption = "release",
    shipped: ShippedOption = False,
    store: StoreOption = None,
    prefer: PreferOption = None,
    as_json: JsonOption = False,
) -> None:
    """Look for kinds of devices among data sheets: how many there are, by a rule that is printed, if any.

    For example:

      assay kpi clusters --figures peak16,bandwidth,memory
    """
    from assay.analysis.hardware_clusters import CLUSTERED, cluster_devices
    from assay.cli.kpi_tables import cluster_rows, print_clusters, say_layers

    keys = _split(figures) or list(CLUSTERED)
    table = _read(keys, category, vendor, since, until, price=price, shipped=shipped, store=store, prefer=prefer)
    found = cluster_devices(table, keys, k=k)
    if as_json:
        print_json({"layers": table.layers} | cluster_rows(found))
    else:
        print_clusters(found)
        say_layers(table.layers)


@app.command("pareto")
def pareto(  # noqa: PLR0913  (an option is an argument)
    figures: FiguresOption = None,
    front: Annotated[
        str, typer.Option("--front", help="By name: power, memory-power, size-speed, balance, price, memory-price.")
    ] = "power",
    every: Annotated[bool, typer.Option("--all", help="Also the devices that something beats.")] = False,
    category: CategoryOption = None,
    vendor: VendorOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    price: PriceOption = "release",
    limit: LimitOption = 60,
    shipped: ShippedOption = False,
    store: StoreOption = None,
    prefer: PreferOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the devices that no other is at least as good as in everything asked for, and better in something.

    For example:

      assay kpi pareto --category "datacentre gpu"

      assay kpi pareto --figures memory,bandwidth,tdp --vendor AMD
    """
    from assay.analysis.hardware_fronts import find_device_front, front_figures
    from assay.cli.kpi_tables import front_rows, print_front, say_layers

    keys = _split(figures) or list(front_figures(front))
    table = _read(keys, category, vendor, since, until, price=price, shipped=shipped, store=store, prefer=prefer)
    found = find_device_front(table, keys)
    if as_json:
        print_json({"layers": table.layers} | front_rows(found))
    else:
        print_front(found, limit, every=every)
        say_layers(table.layers)


@app.command("matrix")
def matrix(  # noqa: PLR0913  (an option is an argument)
    name: Annotated[str, typer.Argument(help="complete, compute, bandwidth or price-performance.")] = "complete",
    figures: FiguresOption = None,
    norm: Annotated[
        str, typer.Option("--norm", help="best (share of it), rank, or reference (times a device).")
    ] = "best",
    reference: Annotated[
        str | None, typer.Option("--reference", metavar="HW_ID", help="The device for reference.", show_default=False)
    ] = None,
    category: CategoryOption = None,
    vendor: VendorOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    price: PriceOption = "release",
    limit: LimitOption = 30,
    shipped: ShippedOption = False,
    store: StoreOption = None,
    prefer: PreferOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show devices by figures that are brought to one scale by a rule that is printed.

    For example:

      assay kpi matrix compute --category "datacentre gpu"

      assay kpi matrix bandwidth --norm reference --reference nvidia-a100-sxm4-80gb
    """
    from assay.analysis.hardware_matrix import Norm, compare_matrix, matrix_figures
    from assay.cli.kpi_tables import matrix_rows, print_matrix, say_layers
    from assay.core.errors import UnknownNameError

    words = [each.value for each in Norm]
    if norm not in words:
        raise UnknownNameError("scale of a matrix", norm, words)
    keys = _split(figures)
    table = _read(
        keys or matrix_figures(name), category, vendor, since, until, price=price, shipped=shipped, store=store,
        prefer=prefer,
    )  # fmt: skip
    chosen = Norm.REFERENCE if reference is not None else Norm(norm)
    found = compare_matrix(table, name, keys=keys, norm=chosen, reference=reference)
    if as_json:
        print_json({"layers": table.layers} | matrix_rows(found))
    else:
        print_matrix(found, limit)
        say_layers(table.layers)


kpi_measured.register(app)


def register(parent: typer.Typer) -> None:
    """Add the group to the application."""
    parent.add_typer(app, name="kpi")


def _read(  # noqa: PLR0913  (what every command of the group is asked)
    keys: Iterable[str],
    category: list[str] | None,
    vendor: list[str] | None,
    since: int | None,
    until: int | None,
    *,
    price: str = "release",
    shipped: bool = False,
    store: str | None = None,
    prefer: list[Layer] | None = None,
) -> HardwareTable:
    from assay.analysis.hardware_table import DeviceChoice, read_hardware
    from assay.catalog.hardware.facts import view_facts
    from assay.cli.catalog_view import read_facts

    usual = DeviceChoice()
    choice = DeviceChoice(tuple(category or usual.categories), tuple(vendor or ()), since, until)
    facts = view_facts() if shipped else read_facts(store, prefer)
    return read_hardware(facts, keys, choice, pricing=_pricing(price, store))


def _pricing(price: str, store: str | None) -> Pricing | None:
    """None stands for the price at release, which the facts have."""
    from assay.catalog.hardware.prices import PriceKind
    from assay.core.errors import UnknownNameError, UsageError

    words = [kind.value for kind in PriceKind]
    if price not in words:
        raise UnknownNameError("kind of price", price, words)
    kind = PriceKind(price)
    if kind is PriceKind.RELEASE:
        return None
    from assay.analysis.hardware_prices import price_devices
    from assay.cli.output import open_for_reading
    from assay.store.catalogue import read_prices

    pricing = price_devices(read_prices(open_for_reading(store)), kind)
    if not pricing.by_device:
        raise UsageError(
            f"The store has no {kind} price of a device of the catalogue.",
            hint="docs/catalogue.md says how prices are imported.",
        )
    return pricing


def _split(text: str | None) -> list[str]:
    return [part.strip() for part in (text or "").split(",") if part.strip()]
