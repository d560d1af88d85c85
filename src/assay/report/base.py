"""What makes a report and what draws one: two registries, so that a kind or a format is one file.

A kind (entry points ``assay.report``) turns a store and a request into a Report. A renderer (entry points
``assay.renderer``) turns a Report into bytes. May import: core, store, report.values.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from assay.core.registry import Registry
from assay.report.values import Report
from assay.store import Store


@dataclass(frozen=True, slots=True)
class ReportRequest:
    """What is to be reported on.

    ``refs`` are runs as a person names them (``last``, ``last~2``, the end of an id), already found: full run ids.
    ``where`` are fields of ``Store.results`` (``workload``, ``engine``, ``since``, ``provenance`` ...), which narrow
    what is read; ``metric`` and ``stat`` what is asked of it (None: the kind's own). ``options`` is for what one kind
    alone understands, each documented by the kind. ``limit`` bounds the rows of a table. ``now`` comes in, for tests.
    """

    run_ids: tuple[str, ...] = ()
    where: Mapping[str, Any] = field(default_factory=dict)
    metric: str | None = None
    stat: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    limit: int = 1000
    now: datetime | None = None

    @property
    def time(self) -> datetime:
        """When the report is made."""
        return self.now or datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class ReportKind:
    """One question that is answered with a report.

    ``runs`` says how many runs it is about: (0, 0) none (it is about a query), (1, 1) one, (2, None) two or more.
    ``options`` are the options it understands, each with a sentence.
    """

    name: str
    title: str
    description: str
    build: Callable[[Store, ReportRequest], Report]
    runs: tuple[int, int | None] = (0, None)
    options: Mapping[str, str] = field(default_factory=dict)


report_kinds: Registry[ReportKind] = Registry("report")


@dataclass(frozen=True, slots=True)
class RenderOptions:
    """How a report is drawn: ``table`` or ``figure`` is the key of the one wanted; ``is_dark`` is for pictures.

    ``width`` is in characters, for text.
    """

    table: str | None = None
    figure: str | None = None
    is_dark: bool = False
    width: int = 120


@dataclass(frozen=True, slots=True)
class Renderer:
    """One format. ``suffixes`` are endings of file names (with the dot), the first the usual one.

    ``render`` returns the whole file. Raises UsageError for a table or figure that the report has not, and AssayError
    with the pip line where a package it needs is missing.
    """

    name: str
    suffixes: tuple[str, ...]
    media_type: str
    description: str
    render: Callable[[Report, RenderOptions], bytes]


renderers: Registry[Renderer] = Registry("renderer")
