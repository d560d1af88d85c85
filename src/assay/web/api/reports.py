"""``/reports``: what `assay report` draws, over HTTP. May import: core, report, web."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Annotated, Any

from fastapi import Depends, Path, Query, Request
from fastapi.responses import Response
from pydantic import Field, StringConstraints

from assay.core.errors import AssayError, NotFoundError, nearest_names
from assay.report.base import Renderer, RenderOptions, ReportKind, ReportRequest, renderers, report_kinds
from assay.report.build import build_report, render_report
from assay.store.selection import Selection
from assay.web.api.filters import result_filter
from assay.web.api.replies import ANNOTATIONS_HOLD_S, Model, answer, answer_bytes, api_router, store_of
from assay.web.turns import take_turns

router = api_router("reports")

_ALONE = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:; sandbox"
"""A report is a file of its own: shown by a browser it may look as it likes, and run nothing."""
_MOST_ROWS = 10_000
_MOST_OPTIONS = 30


class KindModel(Model):
    """One kind of report."""

    name: str
    title: str
    description: str
    fewest_runs: int
    most_runs: int | None = Field(description="Null: any number.")
    options: dict[str, str] = Field(description="What `set` takes -> what it means.")


class FormatModel(Model):
    """One format of reports."""

    name: str
    media_type: str
    suffixes: list[str]
    description: str


class ReportsModel(Model):
    """What can be reported, and how."""

    kinds: list[KindModel]
    formats: list[FormatModel]
    broken: dict[str, str] = Field(description="Extensions that are installed and do not work -> why.")


@router.get(
    "/reports", operation_id="list_report_kinds", summary="Kinds and formats of reports", response_model=ReportsModel
)
def list_report_kinds(request: Request) -> Response:
    """What `/reports/{kind}` takes. Kinds and formats of other packages are among them."""

    def build() -> ReportsModel:
        broken: dict[str, str] = {}
        kinds: list[ReportKind] = [
            one for one in (_get(report_kinds, name, broken) for name in report_kinds.names()) if one
        ]
        forms: list[Renderer] = [one for one in (_get(renderers, name, broken) for name in renderers.names()) if one]
        return ReportsModel(
            kinds=[
                KindModel(
                    name=one.name, title=one.title, description=one.description, fewest_runs=one.runs[0],
                    most_runs=one.runs[1], options=dict(one.options),
                )
                for one in kinds
            ],
            formats=[
                FormatModel(
                    name=one.name, media_type=one.media_type, suffixes=list(one.suffixes), description=one.description
                )
                for one in forms
            ],
            broken=broken,
        )  # fmt: skip

    return answer(request, build)


@router.get(
    "/reports/{kind}",
    operation_id="get_report",
    summary="One report, as a file",
    response_class=Response,
    responses={
        200: {
            "description": "The report, in the format that was asked for.",
            "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
        }
    },
)
def get_report(  # noqa: PLR0913  (as many as `assay report` has)
    request: Request,
    *,
    kind: Annotated[str, Path(min_length=1, max_length=100, description="A kind of `/reports`.", examples=["run"])],
    only: Annotated[Selection, Depends(result_filter)],
    run: Annotated[
        list[Annotated[str, StringConstraints(min_length=1, max_length=200)]] | None,
        Query(max_length=20, description="The runs it is about: ids, `last~1`, `baseline:NAME`, `tag:NAME`."),
    ] = None,
    format: Annotated[str, Query(max_length=50, description="A format of `/reports`.")] = "json",  # noqa: A002
    metric: Annotated[str | None, Query(max_length=200, description="Which number; the kind's own if none.")] = None,
    stat: Annotated[str | None, Query(max_length=50, description="Which statistic of it.")] = None,
    set: Annotated[  # noqa: A002  (the word in the address)
        list[Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,40}:.{0,2000}$")]] | None,
        Query(max_length=_MOST_OPTIONS, description="Options of the kind, as `words:bert`."),
    ] = None,
    table: Annotated[str | None, Query(max_length=200, description="Key of the one table wanted.")] = None,
    figure: Annotated[str | None, Query(max_length=200, description="Key of the one figure wanted.")] = None,
    dark: Annotated[bool, Query(description="Pictures for a dark page.")] = False,
    width: Annotated[int, Query(ge=40, le=400, description="Columns of text.")] = 120,
    limit: Annotated[int, Query(ge=1, le=_MOST_ROWS, description="Most rows of a table.")] = 1000,
) -> Response:
    """The same numbers in every format; each cell of the JSON says where it is from and whether to believe it."""

    def build() -> tuple[bytes, str, Mapping[str, str]]:
        _check_known("kind of report", kind, report_kinds.names())
        options = dict(text.split(":", 1) for text in set or ())
        asked = ReportRequest(
            run_ids=tuple(run or ()), where=_where(only), metric=metric, stat=stat, options=options, limit=limit
        )
        form = renderers.get(format)
        with take_turns(request, "reports"):
            report = build_report(store_of(request), kind, asked)
            content = render_report(
                report, format, RenderOptions(table=table, figure=figure, is_dark=dark, width=width)
            )
        name = f"assay-{kind}{form.suffixes[0]}"
        return (
            content,
            form.media_type,
            {"Content-Disposition": f'inline; filename="{name}"', "Content-Security-Policy": _ALONE},
        )

    return answer_bytes(request, build, holds_s=ANNOTATIONS_HOLD_S)


def _where(only: Selection) -> dict[str, Any]:
    """What was said in the query; a report reads the rest as it is used to."""
    found = {one.name: getattr(only, one.name) for one in fields(only)}
    return {name: value for name, value in found.items() if value is not None and value is not False}


def _check_known(what: str, name: str, known: tuple[str, ...]) -> None:
    if name not in known:
        near = nearest_names(name, known)
        hint = f"Did you mean {near[0]!r}?" if near else f"Expected one of: {', '.join(known)}."
        raise NotFoundError(f"There is no {what} {name!r}.", hint=hint)


def _get(registry: Any, name: str, broken: dict[str, str]) -> Any:
    try:
        return registry.get(name)
    except AssayError as error:
        broken[name] = error.message
        return None
