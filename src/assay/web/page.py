"""A page as a value: the report it shows, what stands around it, and what its templates may ask.

May import: core, report, store, web.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from assay.report.values import Column, Figure, Ref, RefKind, Report
from assay.store import Store
from assay.web.forms import Form
from assay.web.links import page_url, root_of, url_of
from assay.web.navigation import Place
from assay.web.query import MOST_ROWS, Query
from assay.web.reading import Readings, State, read_rows
from assay.web.settings import ServeSettings

T = TypeVar("T")
HTML, JSON, CSV, SVG = "html", "json", "csv", "svg"
MOST_PAGE_ROWS = 200
"""Rows of a list that a page shows at most; its JSON and CSV may have ``query.MOST_ROWS``."""


@dataclass(frozen=True, slots=True)
class Ask:
    """What a page is asked: by whom does not matter. ``ids`` are the variable segments of the path.

    ``state`` is the state of the store's tables.
    """

    store: Store
    settings: ServeSettings
    query: Query
    path: str
    ids: Mapping[str, str]
    form: str = HTML
    readings: Readings | None = None
    state: State = ()

    def rows(self, sql: str, parameters: Sequence[object] = ()) -> list[dict[str, Any]]:
        """Run a query over the views of the store. Raises StoreError."""
        return read_rows(self.store, sql, parameters)

    def kept(self, name: str, make: Callable[[], T]) -> T:
        """Return what several pages need of the store (the choices of a filter), made once for each state of it."""
        return make() if self.readings is None else self.readings.get(f"part {name}", make, self.state)

    def last_kept(self, name: str) -> Any:
        """Return what was last kept under a name, of whatever state; None of nothing. What never changes is in it."""
        return None if self.readings is None else self.readings.last(f"part {name}")

    @property
    def is_page(self) -> bool:
        """True of the page and its pictures, False of files of data, which may hold more."""
        return self.form in (HTML, SVG)

    @property
    def size(self) -> int:
        """How many rows of a list are wanted."""
        return self.query.size(most=MOST_PAGE_ROWS if self.form == HTML else MOST_ROWS)

    def url(self, ref: Ref) -> str:
        """Return the address of the page of something."""
        return url_of(ref, self.settings)

    def url_of(self, path: str, **query: str | int | Sequence[str] | None) -> str:
        """Return the address of another page."""
        return page_url(self.settings, path, query)

    def here(self, **changes: str | int | Sequence[str] | None) -> str:
        """Return the address of this page with some values changed."""
        encoded = self.query.encoded(**changes)
        return f"{root_of(self.settings)}{self.path}{'?' if encoded else ''}{encoded}"


@dataclass(frozen=True, slots=True)
class Sorting:
    """By which column a list is sorted, and which it can be sorted by (column -> whether best or newest is first)."""

    key: str
    is_descending: bool
    columns: Mapping[str, bool]


@dataclass(frozen=True, slots=True)
class Pager:
    """Where in a list a page stands."""

    page: int
    size: int
    total: int
    noun: str

    @property
    def pages(self) -> int:
        """How many pages there are, at least one."""
        return max(1, -(-self.total // self.size))

    @property
    def first(self) -> int:
        """Number of the first row shown, from 1; 0 of none."""
        return min(self.total, (self.page - 1) * self.size + 1)

    @property
    def last(self) -> int:
        """Number of the last row shown."""
        return min(self.total, self.page * self.size)

    @property
    def near(self) -> tuple[int | None, ...]:
        """Pages to link to: the ends, those around this one; None is a gap."""
        wanted = sorted({1, self.pages, *range(max(1, self.page - 1), min(self.pages, self.page + 1) + 1)})
        found: list[int | None] = []
        for number in wanted:
            if found and found[-1] is not None and number > found[-1] + 1:
                found.append(None)
            found.append(number)
        return tuple(found)


class _Parts(dict[str, Any]):
    """Parts of a page: one that it has not is None."""

    def __missing__(self, key: str) -> None:
        return None


@dataclass(frozen=True, slots=True)
class Page:
    """A report and how it is shown. ``main`` is the key of the table that the CSV holds, None the first one.

    ``parts`` is what the template draws beside the report: ``kicker`` above the title, ``heading`` in its stead,
    ``ways`` to other pages, ``teach`` of lessons, ``listed`` the key of a table drawn as a list, and what a template of
    the page's own needs.
    """

    report: Report
    place: Place
    template: str = "page.html"
    main: str | None = None
    form: Form | None = None
    pager: Pager | None = None
    sorting: Sorting | None = None
    parts: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Let templates ask for parts that this page has not."""
        object.__setattr__(self, "parts", _Parts(self.parts))

    @property
    def main_table(self) -> str | None:
        """Key of the table that the CSV holds; None of a page without tables."""
        keys = [table.key for table in self.report.tables()]
        return self.main if self.main in keys else next(iter(keys), None)


@dataclass(frozen=True, slots=True)
class PageView:
    """What templates ask of a page: addresses of things, of sorted and of other pages, and figures for the script."""

    page: Page
    ask: Ask

    def link(self, ref: Ref) -> str:
        """The address of something that a cell leads to."""
        return self.ask.url(ref)

    def url(self, path: str, **query: str | int | Sequence[str] | None) -> str:
        """The address of another page."""
        return page_url(self.ask.settings, path, query)

    def here(self, **changes: str | int | Sequence[str] | None) -> str:
        """This page with other values."""
        return self.ask.here(**changes)

    def sort(self, column: Column) -> str | tuple[str, str] | None:
        """Where a heading leads: the list sorted by that column, the other way round where it is already."""
        sorting = self.page.sorting
        if sorting is None or column.key not in sorting.columns or self.ask.settings.is_static:
            return None
        if column.key != sorting.key:
            return self.ask.here(sort=f"{'-' if sorting.columns[column.key] else ''}{column.key}", page=None)
        other = column.key if sorting.is_descending else f"-{column.key}"
        return self.ask.here(sort=other, page=None), "descending" if sorting.is_descending else "ascending"

    def twin(self, form: str, **changes: str | int | None) -> str:
        """The address of this page as JSON, CSV or picture."""
        path = "/overview" if self.ask.path == "/" else self.ask.path
        encoded = self.ask.query.encoded(**changes)
        return f"{root_of(self.ask.settings)}{path}.{form}{'?' if encoded else ''}{encoded}"

    def plotly(self, figure: Figure) -> Mapping[str, Any]:
        """A figure as the script draws it; points lead to the pages of what they are."""
        from assay.report.renderers.plotly import figure_to_plotly

        drawn = figure_to_plotly(figure)
        for trace in drawn["data"]:
            if "customdata" in trace:
                trace["customdata"] = self._addresses(trace["customdata"])
        return drawn

    def first_sight(self, figure: Figure, plotted: Mapping[str, Any]) -> Any:
        """What stands in a figure's place until the script has drawn it there, as high as that will be; or nothing."""
        from markupsafe import Markup

        from assay.report.renderers.first_sight import draw_first_sight

        layout = plotted["layout"]
        return Markup(draw_first_sight(figure, height=layout["height"], top=layout["margin"]["t"]) or "")  # noqa: S704

    def _addresses(self, leads: Any) -> Any:
        """``result:0198…`` becomes the address of its page; lists may lie in lists, as in a heat map."""
        if isinstance(leads, list | tuple):
            return [self._addresses(one) for one in leads]
        kind, _, identity = leads.partition(":") if isinstance(leads, str) else ("", "", "")
        return self.link(Ref(RefKind(kind), identity)) if kind in set(RefKind) and identity else None

    @property
    def sections(self) -> Mapping[str, Any]:
        """The sections of the report by key; one that it has not is None."""
        return _Parts({section.key: section for section in self.page.report.sections})

    @property
    def has_figures(self) -> bool:
        """Whether the page needs the script that draws."""
        return any(not figure.empty for figure in self.page.report.figures())

    @property
    def all_rows(self) -> str | None:
        """The address of all rows of a list as CSV, None where the page has them all."""
        pager = self.page.pager
        if pager is None or pager.total <= pager.size:
            return None
        return self.twin(CSV, page=None, size=MOST_ROWS)

    @property
    def status(self) -> str:
        """What a screen reader is told after the results were swapped."""
        pager = self.page.pager
        if pager is None:
            return "The page was updated."
        return f"{pager.total} {pager.noun}, page {pager.page} of {pager.pages}."


@dataclass(frozen=True, slots=True)
class BareView:
    """What the shell of a page needs where there is no page."""

    settings: ServeSettings

    def url(self, path: str, **query: str | int | Sequence[str] | None) -> str:
        """The address of a page."""
        return page_url(self.settings, path, query)

    @property
    def has_figures(self) -> bool:
        """None."""
        return False
