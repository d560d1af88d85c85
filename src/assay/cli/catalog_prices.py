"""``assay catalog prices``: what devices cost, each with the offer it comes from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from assay.cli.output import (
    CsvOption,
    Form,
    JsonOption,
    StoreOption,
    choose_form,
    make_console,
    new_table,
    open_for_reading,
    print_csv,
    print_json,
    print_table,
)
from assay.core.errors import UnknownNameError, UsageError

if TYPE_CHECKING:
    from assay.catalog.hardware.prices import Price, PriceKind, Terms

_NONE_STORED = "No prices are stored. Import price lists: assay catalog import-prices FILE."
_WIDE = 120
"""Characters from which a list of devices has room for the whole offer."""
_OFFER_COLUMNS = (
    "hw_id", "device_text", "kind", "provider", "region", "instance", "n_devices", "usd", "per_hour", "per_device_usd",
    "terms", "as_of", "source", "source_row",
)  # fmt: skip
_DEVICE_COLUMNS = (
    "hw_id", "usd", "lowest_usd", "highest_usd", "offers", "providers", "provider", "region", "instance", "terms",
    "as_of", "source", "source_row",
)  # fmt: skip


def register(parent: typer.Typer) -> None:
    """Add the command to the group ``assay catalog``."""
    parent.command("prices")(show_prices)


def show_prices(  # noqa: PLR0913  (a command has as many options as people need)
    device: Annotated[
        str | None, typer.Argument(help="Id of a device, or a name that means one; all where left out.")
    ] = None,
    kind: Annotated[str, typer.Option("--kind", help="cloud (an hour), street or release (to buy).")] = "cloud",
    terms: Annotated[str, typer.Option("--terms", help="on_demand, reserved or spot.")] = "on_demand",
    region: Annotated[str | None, typer.Option("--region", help="Only this region, as the provider writes it.")] = None,
    as_of: Annotated[
        str | None, typer.Option("--date", metavar="DATE", help="As prices were then: 2024, 2024-06, 2024-06-30.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="Most offers of a device to print.")] = 20,
    store: StoreOption = None,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """List what devices cost, each with the offer it comes from; or all current offers of one device.

    The cheapest machine for a device stands for a provider's region, the median of regions for a provider, and the
    median of providers answers. Release prices are the catalogue's.

    For example:

      assay catalog prices

      assay catalog prices "A100 SXM4 80GB" --region us-east-1
    """
    from assay.catalog.hardware.prices import PriceKind, Terms, first_day

    form = choose_form(as_json=as_json, as_csv=as_csv)
    for word, known, what in ((kind, PriceKind, "kind of price"), (terms, Terms, "terms")):
        if word not in set(known):
            raise UnknownNameError(what, word, [one.value for one in known])
    if as_of is not None:
        first_day(as_of)
    asked = _Asked(PriceKind(kind), Terms(terms) if kind == PriceKind.CLOUD else None, region, as_of)
    prices = _known_prices(store, asked.kind)
    if device is None:
        _show_devices(prices, asked, form)
    else:
        _show_offers(_resolve(device), prices, asked, form, limit)


# -- what is asked -----------------------------------------------------------------------------------------------


class _Asked:
    """How prices are narrowed, once for all devices."""

    def __init__(self, kind: PriceKind, terms: Terms | None, region: str | None, as_of: str | None) -> None:
        self.kind = kind
        self.narrowed: dict[str, Any] = {"terms": terms, "region": region, "as_of": as_of}

    @property
    def unit(self) -> str:
        """What amounts are for, as a column's head."""
        return "USD/h" if self.kind == "cloud" else "USD"

    def __str__(self) -> str:
        said = [str(value).replace("_", " ") for value in self.narrowed.values() if value]
        return f"{self.kind} prices" + (f" ({', '.join(said)})" if said else "")


def _known_prices(store: str | None, kind: PriceKind) -> tuple[Price, ...]:
    from assay.catalog.hardware.prices import PriceKind
    from assay.catalog.hardware.release_prices import release_prices
    from assay.store.catalogue import read_prices

    stored = tuple(one for one in read_prices(open_for_reading(store)) if one.kind is kind)
    return (*stored, *release_prices()) if kind is PriceKind.RELEASE else stored


def _resolve(name: str) -> str:
    from assay.catalog.hardware.load import load_catalogue
    from assay.catalog.hardware.match import match_hardware

    devices = load_catalogue()
    if name in devices:
        return name
    match = match_hardware(name)
    if match.hw_id is None and match.candidates:
        hint = f"It may be: {', '.join(match.candidates)}."
        raise UsageError(f"{name!r} does not name one device of the catalogue: {match.reason}.", hint=hint)
    if match.hw_id is None:
        raise UnknownNameError("device of the catalogue", name, devices, hint="List them: assay catalog ls.")
    return match.hw_id


# -- devices and offers ------------------------------------------------------------------------------------------


def _show_devices(prices: Sequence[Price], asked: _Asked, form: Form) -> None:
    from assay.catalog.hardware.prices import choose_price, current_offers, group_by_device

    rows = []
    for hw_id, ours in sorted(group_by_device(prices).items()):
        chosen = choose_price(ours, hw_id, asked.kind, **asked.narrowed)
        if chosen is not None:
            rows.append(_device_row(hw_id, chosen, current_offers(ours, hw_id, asked.kind, **asked.narrowed)))
    if form is Form.JSON:
        print_json(rows)
    elif form is Form.CSV:
        print_csv(rows, _DEVICE_COLUMNS)
    elif not rows:
        make_console().print(f"No {asked} of any device are stored." if prices else _NONE_STORED)
    else:
        _print_devices(rows, prices, asked)


def _device_row(hw_id: str, chosen: Price, offers: Sequence[Price]) -> dict[str, Any]:
    amounts = [one.per_device_usd for one in offers if one.per_device_usd is not None]
    said = _price_row(chosen)
    return {
        "hw_id": hw_id,
        "usd": chosen.per_device_usd,
        "lowest_usd": min(amounts),
        "highest_usd": max(amounts),
        "offers": len(offers),
        "providers": len({one.provider.casefold() for one in offers}),
        **{name: said[name] for name in _DEVICE_COLUMNS[6:]},
    }


def _price_row(price: Price) -> dict[str, Any]:
    row = {name: getattr(price, name) for name in _OFFER_COLUMNS}
    return row | {"kind": price.kind.value, "terms": price.terms.value if price.terms else None}


def _print_devices(rows: Sequence[Mapping[str, Any]], prices: Sequence[Price], asked: _Asked) -> None:
    from rich.text import Text

    table = new_table()
    table.add_column("device", overflow="fold")
    for header in (asked.unit, "from", "to", "offers"):
        table.add_column(header, justify="right", no_wrap=True)
    is_wide = make_console().width >= _WIDE
    table.add_column("the offer" if is_wide else "of", overflow="fold" if is_wide else "ellipsis", no_wrap=not is_wide)
    for row in rows:
        named = (row["provider"], row["instance"], row["region"]) if is_wide else (row["provider"],)
        place = " ".join(filter(None, named))
        amounts = [_amount(row[name]) for name in ("usd", "lowest_usd", "highest_usd")]
        table.add_row(row["hw_id"], *amounts, str(row["offers"]), f"{place}, {row['as_of']}")
    print_table(table)
    nameless = sum(one.hw_id is None for one in prices)
    more = f"; {nameless} prices of names that mean no one device are left out" if nameless else ""
    legend = f"{len(rows)} devices; {asked}, for one device{more}"
    make_console().print(Text(legend, style="dim"), soft_wrap=True)


def _show_offers(hw_id: str, prices: Sequence[Price], asked: _Asked, form: Form, limit: int) -> None:
    from assay.catalog.hardware.prices import choose_price, current_offers

    offers = current_offers(prices, hw_id, asked.kind, **asked.narrowed)
    chosen = choose_price(prices, hw_id, asked.kind, **asked.narrowed)
    released = _release_text(hw_id)
    rows = [_price_row(one) for one in offers]
    if form is Form.JSON:
        chosen_row = None if chosen is None else _price_row(chosen)
        print_json({"hw_id": hw_id, "chosen": chosen_row, "release": released, "offers": rows})
    elif form is Form.CSV:
        print_csv(rows, _OFFER_COLUMNS)
    else:
        _print_offers(hw_id, offers, chosen, _say_none(hw_id, prices, asked), asked, limit)
        if released is not None:
            make_console().print(f"released at {_amount(released['usd'])} USD ({released['source']})", style="dim")


def _release_text(hw_id: str) -> dict[str, Any] | None:
    from assay.catalog.hardware.load import find_hardware, find_source
    from assay.catalog.hardware.release_prices import COLUMN

    device = find_hardware(hw_id)
    if device.release_price_usd is None:
        return None
    source = find_source(device, COLUMN)
    return {"usd": device.release_price_usd, "source": f"{source.publisher}, {source.title}, {source.date}"}


def _say_none(hw_id: str, prices: Sequence[Price], asked: _Asked) -> str:
    """Why there is no offer, with what there is instead."""
    if not prices:
        return _NONE_STORED
    ours = [one for one in prices if one.hw_id == hw_id]
    others = sorted({str(one.terms or one.kind).replace("_", " ") for one in ours})
    instead = f" {len(ours)} others are stored ({', '.join(others)}, also of shares and of other days)." if ours else ""
    return f"No {asked} of {hw_id} are stored.{instead}"


def _print_offers(
    hw_id: str, offers: Sequence[Price], chosen: Price | None, when_none: str, asked: _Asked, limit: int
) -> None:
    from rich.text import Text

    console = make_console()
    if chosen is None:
        console.print(Text(when_none), soft_wrap=True)
        return
    console.print(Text(hw_id, style="bold"))
    table = new_table()
    is_wide = console.width >= _WIDE
    headers = (asked.unit, "provider", "machine", "n", "region", "as of", "source")
    for header in headers if is_wide else headers[:-1]:
        is_number = header in {asked.unit, "n"}
        table.add_column(header, justify="right" if is_number else "left", no_wrap=is_number, overflow="fold")
    for one in offers[:limit]:
        row = "" if one.source_row is None else f":{one.source_row}"
        cells = [
            _amount(one.per_device_usd), one.provider, one.instance, str(one.n_devices), one.region, one.as_of,
            f"{one.source}{row}",
        ]  # fmt: skip
        table.add_row(*cells[: len(table.columns)], style="bold" if one == chosen else None)
    print_table(table)
    left = len(offers) - limit
    more = f"; {left} more with --limit {len(offers)}" if left > 0 else ""
    console.print(Text(f"{len(offers)} offers{more}; {asked}, for one device", style="dim"), soft_wrap=True)
    text = f"it costs {_amount(chosen.per_device_usd)} {asked.unit}: {chosen.label}"
    console.print(Text(text), soft_wrap=True)


def _amount(usd: float | None) -> str:
    from assay.core.units import MISSING

    if usd is None:
        return MISSING
    return f"{usd:.4g}" if usd < 1000 else f"{usd:.0f}"  # noqa: PLR2004  (from here on nobody asks for cents)
