"""The catalogue as a command looks at it: shipped, own and imported figures, and one device of them by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from assay.catalog.hardware.cells import Layer
from assay.cli.output import open_for_reading
from assay.core.errors import UnknownNameError, UsageError

if TYPE_CHECKING:
    from assay.catalog.hardware.facts import DeviceFacts

PreferOption = Annotated[
    list[Layer] | None,
    typer.Option("--prefer", help="Whose figure counts where several state one; repeat for a second choice."),
]
DeviceArgument = Annotated[str | None, typer.Argument(help="Only this device: an id, or a name that means one.")]


def read_facts(store: str | None, prefer: Sequence[Layer] | None) -> Mapping[str, DeviceFacts]:
    """The catalogue with own devices and the store's imports; layers that ``prefer`` does not name come last."""
    from assay.catalog.hardware.cells import PREFERENCE
    from assay.catalog.hardware.facts import view_facts
    from assay.catalog.hardware.own import load_own_cells
    from assay.store.catalogue import read_cells

    order = tuple(dict.fromkeys([*(prefer or ()), *PREFERENCE]))
    return view_facts([*read_cells(open_for_reading(store)), *load_own_cells()], prefer=order)


def resolve_in(name: str, facts: Mapping[str, DeviceFacts]) -> str:
    """An id of the view, or a name that means one device."""
    if name in facts:
        return name
    from assay.catalog.hardware.match import match_hardware

    match = match_hardware(name)
    if match.hw_id is not None:
        return match.hw_id
    if match.candidates:
        hint = f"It may be: {', '.join(match.candidates)}."
        raise UsageError(f"{name!r} does not name one device of the catalogue: {match.reason}.", hint=hint)
    raise UnknownNameError("device of the catalogue", name, facts, hint="List them: assay catalog ls.")
