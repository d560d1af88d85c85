"""How listings leave: a table for people, ``--json`` and ``--csv`` for programs, the same rows in all three."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any, Self, TextIO

import typer

from assay.core.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.status import Status
    from rich.table import Table

    from assay.store import Store

StoreOption = Annotated[
    str | None,
    typer.Option(
        "--store", metavar="PATH", envvar="ASSAY_STORE", help="Folder or address of the store.", show_default=False
    ),
]
AsOfOption = Annotated[
    str | None,
    typer.Option(
        "--as-of", metavar="STATE", help="The store as it was: a snapshot, a time, or an age (2d).", show_default=False
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
CsvOption = Annotated[bool, typer.Option("--csv", help="Print CSV instead of a table.")]

_PIPED_WIDTH = 200


class Form(Enum):
    """What a listing is printed as."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


def choose_form(*, as_json: bool, as_csv: bool) -> Form:
    """Settle ``--json`` and ``--csv``; both at once is a slip."""
    if as_json and as_csv:
        raise UsageError("--json and --csv were both given; expected one of them.")
    return Form.JSON if as_json else Form.CSV if as_csv else Form.TABLE


def print_json(content: Any) -> None:
    """Print one JSON document. NaN and infinities, which a query can give and JSON cannot say, become null."""
    # Where the terminal's encoding is not UTF-8, JSON's own escapes lose nothing.
    plain = not is_utf8(sys.stdout)
    try:
        text = json.dumps(content, indent=2, ensure_ascii=plain, default=_plain, allow_nan=False)
    except ValueError:
        text = json.dumps(_without_nan(content), indent=2, ensure_ascii=plain, default=_plain)
    sys.stdout.write(text + "\n")


def is_utf8(stream: TextIO) -> bool:
    """Whether everything can be written to a stream."""
    return (stream.encoding or "").lower().replace("-", "").replace("_", "").startswith("utf")


def escape_what_cannot_be_printed() -> None:
    """Have standard output and error show what their encoding lacks as escapes instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and not is_utf8(stream):
            stream.reconfigure(errors="backslashreplace")


def print_csv(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
    """Print rows with a header; nested values as JSON, missing values as empty fields."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({column: _flat(row.get(column)) for column in columns})
    sys.stdout.write(text.getvalue())


def make_console(*, stderr: bool = False) -> Console:
    """A console; piped output gets a fixed generous width, so that tables are never cut to 80 columns.

    Markup is off: notes, reasons and names of models are shown as they are, brackets included.
    """
    from rich.console import Console

    console = Console(stderr=stderr, highlight=False, markup=False, emoji=False)
    if console.is_terminal:
        return console
    return Console(stderr=stderr, highlight=False, markup=False, emoji=False, width=_PIPED_WIDTH)


def open_for_reading(location: str | None, as_of: str | None = None) -> Store:
    """Open the store to look at it, as it is or was.

    One named by the flag must be there; the usual one may be yet to be filled.
    """
    from assay.store import Store
    from assay.store.location import refuse_absent

    if location is not None and location != os.environ.get("ASSAY_STORE"):  # typer hands that over as if it were given
        refuse_absent(location)
    opened = Store.open(location)
    return opened if as_of is None else opened.as_of(as_of)


class StatusLine:
    """One line on a terminal's standard error that is written over; nothing where that is piped."""

    def __init__(self, beginning: str) -> None:
        self._beginning = beginning
        self._status: Status | None = None

    def __enter__(self) -> Self:
        console = make_console(stderr=True)
        if console.is_terminal:
            self._status = console.status(self._beginning)
            self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._status is not None:
            self._status.stop()

    def show(self, text: str) -> None:
        """Say where the work is."""
        if self._status is not None:
            self._status.update(text)


def new_table(title: str | None = None) -> Table:
    """An empty table in the house's one style."""
    from rich import box
    from rich.table import Table

    return Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)


def print_table(table: Table) -> None:
    """Print a table to standard output."""
    make_console().print(table)


def format_age(moment: datetime, now: datetime | None = None) -> str:
    """``3 min ago``, ``2 h ago``, ``5 d ago``; the date once it is a month."""
    seconds = ((now or datetime.now(UTC)) - moment).total_seconds()
    for limit, step, word in ((90, 1, "s"), (5400, 60, "min"), (172_800, 3600, "h"), (2_592_000, 86_400, "d")):
        if seconds < limit:
            return f"{max(0, round(seconds / step))} {word} ago"
    return moment.astimezone().strftime("%Y-%m-%d")


def short_id(run_id: str) -> str:
    """The last eight characters: the random end of a UUIDv7, which people can type."""
    return run_id[-8:]


def _without_nan(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _without_nan(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_nan(one) for one in value]
    return value


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, bytes):
        return value.hex()
    return str(value)


def _flat(value: Any) -> Any:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, (Mapping, list, tuple)):
        return json.dumps(value, default=_plain, ensure_ascii=False)
    return value
