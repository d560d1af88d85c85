"""``assay catalog add`` and ``own``: a user's devices, from YAML files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from assay.cli.output import JsonOption, make_console, new_table, print_json, print_table

if TYPE_CHECKING:
    from assay.catalog.hardware.own import OwnDevice


def register(parent: typer.Typer) -> None:
    """Add the commands to ``assay catalog``."""
    parent.command("add")(add_devices)
    parent.command("own")(list_own)


def add_devices(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="YAML of devices (docs/own-devices.md).")],
    replace: Annotated[bool, typer.Option("--replace", help="In place of the file of the same name.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check the file, and copy nothing.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Add devices of your own, or your own figures of known ones. Nothing is guessed; a fault names line and column.

    For example:

      assay catalog add lab.yaml
    """
    from assay.catalog.hardware.own import add_own_file, own_folder, read_own_file

    devices = read_own_file(file) if dry_run else add_own_file(file, replace=replace)
    if as_json:
        print_json({
            "folder": None if dry_run else str(own_folder()),
            "devices": [plain_device(device) for device in devices],
        })  # fmt: skip
        return
    console = make_console()
    for device in devices:
        what = "new device" if device.is_new else "figures that go before the shipped ones"
        console.print(f"{device.hw_id}: {what}, {_count(device)}", highlight=False, soft_wrap=True)
    told = "the file is sound; nothing was copied" if dry_run else f"kept in {own_folder()}"
    console.print(told, highlight=False, soft_wrap=True)


def list_own(as_json: JsonOption = False) -> None:
    """List your own devices and figures.

    For example:

      assay catalog own
    """
    from assay.catalog.hardware.own import load_own_devices, own_folder

    devices = load_own_devices()
    if as_json:
        print_json({"folder": str(own_folder()), "devices": [plain_device(device) for device in devices]})
    elif not devices:
        text = f"no device of your own in {own_folder()}: assay catalog add FILE"
        make_console().print(text, highlight=False, soft_wrap=True)
    else:
        _print_own(devices)


def plain_device(device: OwnDevice) -> dict[str, Any]:
    """An own device as plain values."""
    names = ("hw_id", "name", "vendor", "architecture", "category", "is_new", "source", "as_of", "file")
    return {name: getattr(device, name) for name in names} | {
        "aliases": list(device.aliases),
        "cells": {cell.field: cell.value for cell in _facts(device)},
    }


def _facts(device: OwnDevice) -> list[Any]:
    from assay.catalog.hardware.fields import FACTS

    return [cell for cell in device.cells if cell.field in FACTS]


def _count(device: OwnDevice) -> str:
    cells = _facts(device)
    return f"{len(cells)} cell{'' if len(cells) == 1 else 's'}"


def _print_own(devices: Sequence[OwnDevice]) -> None:
    table = new_table()
    for header in ("id", "what", "cells", "source", "as of", "file"):
        table.add_column(header, justify="right" if header == "cells" else "left", overflow="fold")
    for device in devices:
        what = "new" if device.is_new else "shipped, with own figures"
        table.add_row(device.hw_id, what, str(len(_facts(device))), device.source, device.as_of, device.file)
    print_table(table)
