"""``assay predict auto``, and what the end of a run does with it: learn again, or say that there is a need."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from assay.cli.output import JsonOption, StatusLine, StoreOption, make_console, open_for_reading, print_json

if TYPE_CHECKING:
    from assay.store import Store

_WORDS = ("on", "off")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("auto")(auto)


def complete_switch(incomplete: str) -> list[str]:
    """``on`` and ``off`` that begin so, for the shell."""
    return [one for one in _WORDS if one.startswith(incomplete)]


def auto(
    switch: Annotated[
        str | None,
        typer.Argument(metavar="[on|off]", autocompletion=complete_switch, show_default=False, help="Omit to look."),
    ] = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Learn predictors again at the end of a run, where results are new or intervals no longer hold; or say how it is.

    For example:

      assay predict auto on
    """
    from assay.core.errors import UsageError
    from assay.predict.auto import AutoSetting, find_needs, read_setting, write_setting
    from assay.predict.models import shelf_of

    opened = open_for_reading(store)
    shelf = shelf_of(opened.location)
    if switch is not None:
        if switch not in _WORDS:
            raise UsageError(f"Got {switch!r}; expected on or off.", hint="assay predict auto on")
        write_setting(shelf, AutoSetting(switch == "on"))
    setting, needs = read_setting(shelf), find_needs(opened)
    if as_json:
        print_json({"on": setting.is_on, "kinds": [asdict(one) for one in needs]})
        return
    console = make_console()
    does = "are learned again at the end of a run" if setting.is_on else "are not learned by themselves"
    console.print(f"predictors of this store {does}: {', '.join(one.kind for one in needs) or 'there are none'}")
    for one in needs:
        said = "; ".join(one.reasons) if one.is_needed else f"no need: {one.known}"
        console.print(f"  {one.kind}: {said}", soft_wrap=True)


def finish_run(store: Store) -> None:
    """Learn again what has a need where that is on; else say so, if predictors were ever learned here.

    Nothing that goes wrong here is the run's: it is said, and the run stands.
    """
    from assay.core.errors import AssayError
    from assay.predict.auto import find_needs, learn_needed, read_setting
    from assay.predict.models import shelf_of

    shelf = shelf_of(store.location)
    if not shelf.is_dir():
        return
    console = make_console(stderr=True)
    try:
        if not read_setting(shelf).is_on:
            needed = [one.kind for one in find_needs(store) if one.is_needed]
            if needed:
                console.print(
                    f"{', '.join(needed)}: there is something new to learn: assay predict train --if-needed, "
                    "or always: assay predict auto on",
                    style="dim", soft_wrap=True,
                )  # fmt: skip
            return
        with StatusLine("learning again") as line:
            found = learn_needed(store, listener=line.show)
    except AssayError as error:
        console.print(f"predictors were not learned again: {error.message}", style="dim", soft_wrap=True)
        return
    for one in found:
        done = f"version {one.version}: {one.why}" if one.version else f"nothing learned: {one.reason}"
        console.print(f"{one.kind}: {done}", style="dim", soft_wrap=True)
