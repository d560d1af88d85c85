"""From a question to a Report, and from a Report to a file: what the command line, web pages and notebooks call.

May import: core, catalog, analysis, store, report.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import PurePath
from typing import TYPE_CHECKING

from assay.catalog.metrics import metrics
from assay.core.errors import AssayError, UnknownNameError, UsageError
from assay.report.base import Renderer, RenderOptions, ReportKind, ReportRequest, renderers, report_kinds
from assay.report.values import Report

if TYPE_CHECKING:
    from assay.store import Store


def build_report(store: Store, kind: str, request: ReportRequest) -> Report:
    """Answer a question with a report. ``run_ids`` of the request may be anything that names a run.

    That is an id, a beginning or end of one, ``last~2``, ``baseline:NAME`` or ``tag:NAME``. Raises UnknownNameError for
    a kind, an option or a metric that nobody knows, UsageError for a number of runs that the kind is not about, and
    NotFoundError.
    """
    chosen = report_kinds.get(kind)
    check_options(chosen, request.options)
    if request.metric is not None:
        metrics.get(request.metric)  # raises for one that nobody knows
    _check_count(chosen, request.run_ids)
    return chosen.build(store, replace(request, run_ids=find_run_ids(store, chosen, request.run_ids)))


def render_report(report: Report, form: str, options: RenderOptions = RenderOptions()) -> bytes:  # noqa: B008  (frozen)
    """Draw a report as one file of a format. Raises UnknownNameError for the format, a table or a figure."""
    check_keys(report, options)
    return renderers.get(form).render(report, options)


def check_keys(report: Report, options: RenderOptions) -> None:
    """Raise UnknownNameError for a table or a figure that the report has not, with those that it has."""
    for kind, wanted, known in (
        ("table", options.table, [table.key for table in report.tables()]),
        ("figure", options.figure, [figure.key for figure in report.figures()]),
    ):
        if wanted is not None and wanted not in known:
            raise UnknownNameError(f"{kind} of this {report.kind} report", wanted, known)


def check_options(kind: ReportKind, options: Mapping[str, str]) -> None:
    """Raise UnknownNameError for an option that a kind does not understand, with those that it does."""
    for name in options:
        if name not in kind.options:
            hint = None if kind.options else f"The {kind.name} report has no options."
            raise UnknownNameError(f"option of the {kind.name} report", name, kind.options, hint=hint)


def find_run_ids(store: Store, kind: ReportKind, refs: Sequence[str]) -> tuple[str, ...]:
    """Return the full ids of the runs that some names mean.

    A baseline that pins other runs for single series stands for several runs: of a kind that is about several, it
    keeps its name, which the kind finds as `assay compare` does. Raises NotFoundError, UsageError.
    """
    from assay.analysis.sides import find_named_run

    found = []
    for ref in refs:
        named = find_named_run(store, ref)
        stays = bool(named.by_series) and kind.runs[1] != 1
        found.append(ref if stays else named.run.run_id)
    return tuple(found)


def format_of(path: str) -> str:
    """Return the name of the renderer whose suffix a file's name ends with. Raises UsageError naming the suffixes."""
    name = PurePath(path).name.lower()
    endings: dict[str, str] = {}
    # The format that is called like the ending comes first, so that no other's packages are looked for.
    for form in sorted(renderers.names(), key=lambda one: not name.endswith(f".{one}")):
        if name.endswith(f".{form}"):
            renderers.get(form)  # the one that is meant: where it is broken, that is what is to be said
        known = _known_renderer(form)
        if known is None:
            continue
        if any(name.endswith(suffix) for suffix in known.suffixes):
            return form
        endings |= dict.fromkeys(known.suffixes, form)
    suffix = PurePath(path).suffix
    got = f"ends with {suffix!r}" if suffix else "has no ending"
    raise UsageError(
        f"{path!r} {got}, which says no format.", hint=f"Expected one of {', '.join(sorted(endings))}; or say --format."
    )


def suffix_of(form: str) -> str:
    """Return the usual ending of a format's files, with the dot. Raises UnknownNameError."""
    return renderers.get(form).suffixes[0]


def _known_renderer(name: str) -> Renderer | None:
    """A renderer, unless its module cannot be imported: a broken extension must not hide the formats that work."""
    try:
        return renderers.get(name)
    except AssayError:
        return None


def _check_count(kind: ReportKind, refs: Sequence[str]) -> None:
    least, most = kind.runs
    got = len(refs)
    if least <= got and (most is None or got <= most):
        return
    if (least, most) == (0, 0):
        expected = "none: it is about what --workload, --engine and the like select"
    elif most == least:
        expected = _runs(least)
    elif most is None:
        expected = f"{least} or more"
    else:
        expected = f"{least} to {most}"
    raise UsageError(
        f"The {kind.name} report got {_runs(got)}; expected {expected}.",
        hint="For instance: last, last~1, or the end of an id that `assay ls` shows.",
    )


def _runs(count: int) -> str:
    return "1 run" if count == 1 else f"{count or 'no'} runs"
