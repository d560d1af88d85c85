"""From a question in an address to an answer: the page, or the same report as JSON, CSV or a picture.

A page is built once for each address and state of what it depends on; its twins are drawn from the same report, so the
same numbers stand in all. May import: core, report, store, web.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING

from starlette.responses import RedirectResponse, Response

from assay import __version__
from assay.core.errors import NotFoundError
from assay.report.base import RenderOptions
from assay.report.build import render_report
from assay.store.address import is_remote
from assay.web.links import root_of
from assay.web.page import CSV, HTML, JSON, SVG, Ask, BareView, Page, PageView
from assay.web.query import Query
from assay.web.reading import Readings, State, readings_of
from assay.web.settings import ServeSettings
from assay.web.static_files import assets_digest
from assay.web.templating import render

if TYPE_CHECKING:
    from fastapi import APIRouter
    from starlette.requests import Request

    from assay.web.problem import Problem

AS_OF = "x-assay-as-of"
"""The header of an answer from a state that the store has left meanwhile: when that was last its state, in UTC."""
AS_OF_PLACE = b"<!--as-of-->"
"""Where a page says the same in words."""
_OLD = (
    '<p class="app-as-of" role="note">As of {time} UTC. The store has changed since, and this page is being made '
    "anew: load it again in a moment.</p>"
)
TWINS = {JSON: "application/json", CSV: "text/csv; charset=utf-8", SVG: "image/svg+xml"}
_OF_TWIN = ("table", "figure", "dark")
"""Values of the address that choose what a twin holds, and change nothing about the page."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A body that is ready to be sent."""

    body: bytes
    media_type: str
    name: str | None = None


Build = Callable[[Ask], Page]


@dataclass(frozen=True, slots=True)
class Route:
    """A page at a path. ``is_live`` pages show runs that go on; ``is_kept`` False makes the page anew each time.

    ``fresh`` is a box of the address with which the page is made anew, as it looks at what has no version. ``reads``
    tells the state of what the page depends on, which changes less often than that of the whole store; None: it
    depends on all of it. ``also`` tells the state of what it depends on beside the store. ``is_cut`` pages show the
    first rows of what their data files hold whole.
    """

    path: str
    build: Build
    is_live: bool = False
    is_kept: bool = True
    fresh: str | None = None
    reads: Callable[[Ask], State] | None = None
    is_cut: bool = False
    also: Callable[[Ask], State] | None = None

    def is_kept_for(self, query: Query) -> bool:
        """True where an unchanged store gives the same page. Raises UsageError."""
        return self.is_kept and not (self.fresh is not None and query.flag(self.fresh))


def add_page(  # noqa: PLR0913  (keywords, as a route has them)
    router: APIRouter,
    path: str,
    build: Build,
    *,
    name: str,
    is_live: bool = False,
    is_kept: bool = True,
    fresh: str | None = None,
    reads: Callable[[Ask], State] | None = None,
    is_cut: bool = False,
    also: Callable[[Ask], State] | None = None,
) -> None:
    """Put a page and its twins on a router; those of the overview are ``/overview.json`` and so on. See ``Route``."""
    route = Route(path, build, is_live, is_kept, fresh, reads, is_cut, also)
    for form in (*TWINS, HTML):
        twin = "" if form == HTML else f".{form}"
        address = path + twin if path != "/" or form == HTML else f"/overview{twin}"
        router.add_route(
            address, _endpoint(route, form), methods=["GET"], name=f"{name}{twin}", include_in_schema=False
        )


def respond(request: Request, route: Route, form: str) -> Response:
    """Answer one request. Raises AssayError where the question is wrong or the store cannot be read."""
    settings: ServeSettings = request.app.state.settings
    query = Query.of(request.url.query)
    path = _page_path(request, route, form)
    if form == HTML and _has_blanks(request.url.query):
        # A form without a script sends its empty fields too: the address to keep is the one without them.
        clean = query.encoded()
        return RedirectResponse(f"{root_of(settings)}{path}{'?' if clean else ''}{clean}", 303)
    readings = readings_of(request)
    tables = readings.states.read()
    ask = Ask(request.app.state.store, settings, query, path, dict(request.path_params), form, readings, tables)
    if not route.is_kept_for(query):
        return _response(_draw(ask, route.build(_without_twin(ask))))
    state = _state_of(ask, route)
    tag = _tag(ask, state)
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers={"etag": tag})
    made = readings.get_within(
        _name(ask),
        lambda: _draw(ask, _page(readings, ask, route, state)),
        state,
        tables,
        oldest_s=settings.oldest_answer_s,
    )
    return _response(made.value, _tag(ask, made.state), made.age_s)


def _state_of(ask: Ask, route: Route) -> State:
    """The state of what a page depends on."""
    reads = route.reads
    state = ask.state if reads is None else ask.kept(f"reads {ask.path}", lambda: reads(ask))
    state = state if route.also is None else (*state, *route.also(ask))
    return (*state, *ask.readings.states.read_journals()) if route.is_live and ask.readings is not None else state


def render_error(request: Request, problem: Problem) -> str:
    """Draw a page that says what went wrong, in the look of the others; it reads nothing from the store."""
    settings: ServeSettings = request.app.state.settings
    return render("error.html", page=None, problem=problem, settings=settings, view=BareView(settings))


def render_page(page: Page, ask: Ask) -> str:
    """Draw a page with its shell."""
    return render(page.template, page=page, report=page.report, view=PageView(page, ask), settings=ask.settings)


def _endpoint(route: Route, form: str) -> Callable[[Request], Response]:
    def endpoint(request: Request) -> Response:
        return respond(request, route, form)

    return endpoint


def _page(readings: Readings, ask: Ask, route: Route, state: State) -> Page:
    """Build the page, or take the one that its twin was drawn from."""
    own = _without_twin(ask)
    if not is_remote(ask.store.location):
        ask.rows("SELECT 1")  # makes the views of all tables, which every part of the page then uses
    kind = "whole" if route.is_cut and not own.is_page else "page"
    return readings.get(f"{kind} {own.path}?{own.query.encoded()} {own.size}", lambda: route.build(own), state)


def _without_twin(ask: Ask) -> Ask:
    return replace(ask, query=ask.query.without(*_OF_TWIN))


def _draw(ask: Ask, page: Page) -> Answer:
    report = page.report
    if ask.form == HTML:
        return Answer(
            render_page(page, replace(ask, query=ask.query.without(*_OF_TWIN))).encode(), "text/html; charset=utf-8"
        )
    if ask.form == JSON:
        return Answer(render_report(report, JSON, RenderOptions()), TWINS[JSON])
    figures = {figure.key: figure for figure in report.figures()}
    if ask.form == CSV:
        key = ask.query.text("table") or ask.query.text("figure") or page.main_table
        if key is None:
            raise NotFoundError("There is no table on this page, so it has no CSV.", hint="Its JSON has all of it.")
        options = RenderOptions(figure=key) if key in figures else RenderOptions(table=key)
        return Answer(render_report(report, CSV, options), TWINS[CSV], f"{_file_name(key)}.csv")
    key = ask.query.text("figure") or next((figure.key for figure in figures.values() if not figure.empty), None)
    if key is None:
        raise NotFoundError("There is no figure on this page.")
    options = RenderOptions(figure=key, is_dark=ask.query.flag("dark"))
    return Answer(render_report(report, SVG, options), TWINS[SVG], f"{_file_name(key)}.svg")


def _response(answer: Answer, tag: str | None = None, age_s: float = 0.0) -> Response:
    headers = {} if tag is None else {"etag": tag}
    if answer.name is not None:
        headers["content-disposition"] = f'inline; filename="{answer.name}"'
    body = answer.body
    if age_s > 0:
        as_of = datetime.now(UTC) - timedelta(seconds=age_s)
        headers |= {"age": str(math.ceil(age_s)), AS_OF: f"{as_of:%Y-%m-%dT%H:%M:%SZ}"}
        if answer.media_type.startswith("text/html"):
            body = body.replace(AS_OF_PLACE, _OLD.format(time=f"{as_of:%H:%M:%S}").encode(), 1)
    return Response(body, media_type=answer.media_type, headers=headers)


# -- addresses --------------------------------------------------------------------------------------------------


def _has_blanks(query: str) -> bool:
    return any(pair.endswith("=") for pair in query.split("&"))


def _page_path(request: Request, route: Route, form: str) -> str:
    """The path of the page as it was asked for, still encoded, without the ending of a twin and what stands before."""
    if route.path == "/":
        return "/"
    raw: bytes = request.scope.get("raw_path") or request.scope["path"].encode()
    path = raw.decode("ascii", "replace").partition("?")[0]
    root = str(request.scope.get("root_path", "")).rstrip("/")
    own = path[len(root) :] if root and path.startswith(f"{root}/") else path
    return own if form == HTML else own.removesuffix(f".{form}")


def _name(ask: Ask) -> str:
    return f"{ask.form} {ask.path}?{ask.query.encoded()}"


def _tag(ask: Ask, state: State) -> str:
    made_from = f"{_name(ask)} {state} {__version__} {assets_digest()} {ask.settings.title} {ask.settings.root_path}"
    return f'W/"{sha256(made_from.encode(errors="replace")).hexdigest()[:20]}"'


def _file_name(key: str) -> str:
    plain = "".join(letter if letter.isascii() and (letter.isalnum() or letter in "-_") else "-" for letter in key)
    return f"assay-{plain[:60]}"
