"""What an importer is: it knows a format by its content, and reads rows of it.

An importer changes no number but by a unit that it names, leaves out nothing, and guesses nothing: what a source does
not say is None. Everything that is not peculiar to a format is the pipeline's (``importers.pipeline``): opening files
safely, finding repeated rows and suspected fallbacks, keeping refusals, writing. May import: core, catalog, importers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from assay.core.case import ForeignCase
from assay.core.errors import AssayError
from assay.core.records import MetricValue, SampleSeries
from assay.core.registry import Registry
from assay.core.words import Mark, Status

if TYPE_CHECKING:
    from assay.importers.source import Source


class ImportFileError(AssayError):
    """A file that cannot be imported at all; nothing of it is taken."""


class RowError(AssayError):
    """One row that cannot be taken; the others of its file can."""


@dataclass(frozen=True, slots=True)
class Conversion:
    """How one number of a row came from its source.

    ``field`` is the source's own name of it, ``unit`` the source's unit, ``factor`` what it was multiplied by to get
    the registry's unit (None where it was computed in another way, which ``note`` then says).
    """

    field: str
    unit: str
    factor: float | None = 1.0
    note: str | None = None


@dataclass(frozen=True, slots=True)
class ImportedRow:
    """One result as its source has it.

    ``place`` says where in the file: a JSON pointer (RFC 6901) or ``row 17`` (the first row of data is 1). ``fields``
    is the source's record under its own names, without raw readings that are in ``samples``. ``conversions`` has an
    entry for each metric, keyed ``name.stat`` (``name.stat.phase`` where the phase is not steady). ``samples`` are raw
    readings in ns. ``simulated`` is the source's own account of itself (None: it does not say).
    """

    place: str
    case: ForeignCase
    status: Status = Status.OK
    reason: str | None = None
    measured_at: datetime | None = None
    metrics: tuple[MetricValue, ...] = ()
    conversions: Mapping[str, Conversion] = field(default_factory=dict)
    fields: Mapping[str, Any] = field(default_factory=dict)
    hardware: str | None = None
    parameters: int | None = None
    units_per_call: float | None = None
    unit_of_work: str | None = None
    effective_precision: str | None = None
    samples: tuple[SampleSeries, ...] = ()
    simulated: bool | None = None
    marks: Mapping[Mark, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Refusal:
    """One row that was not taken. ``raw`` is what it says, cut where it is long."""

    place: str
    error: str
    raw: str


@dataclass(frozen=True, slots=True)
class Note:
    """Something about the file as a whole that whoever imports it should know."""

    text: str


@dataclass(frozen=True, slots=True)
class Facts:
    """What the file says of the machine and software behind all its rows; kept as their environment."""

    values: Mapping[str, Any]
    hardware: str | None = None


Item = ImportedRow | Refusal | Note | Facts


class Importer(Protocol):
    """One format. ``title`` is what people call it; ``name`` what ``--format`` takes."""

    name: str
    title: str

    def recognise(self, source: Source) -> bool:
        """True where the content, not the name, is of this format. Must be cheap and must not raise."""
        ...

    def read(self, source: Source) -> Iterator[Item]:
        """Give the rows, in the order of the file, with refusals among them.

        Raises ImportFileError where the file as a whole is none of this format or is broken. May be called twice.
        """
        ...


importers: Registry[Importer] = Registry("importer")
