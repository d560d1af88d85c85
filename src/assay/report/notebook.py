"""Values in a notebook: `store.results()` at a prompt of Jupyter is a table, a report is a report.

``core.display`` finds this module by its entry point when the first value is shown. What is shown is the same Report
that files are made of, drawn with the same blocks; the style is closed in, so that it touches nothing else on the page,
and follows the notebook's own theme. May import: core, report; jinja2 and IPython inside functions.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from assay.core.display import presenters
from assay.core.errors import AssayError
from assay.report.in_hand import report_of
from assay.report.marks import marks_of
from assay.report.palette import COLOURS
from assay.report.renderers.html import block_environment, find_drawing
from assay.report.renderers.text import render_text
from assay.report.values import Figure, Report

TEXT, HTML = "text/plain", "text/html"
_WIDTH = 120
_SCOPE = "assay-report"
_DARK = (
    'body[data-jp-theme-light="false"]', 'body[data-vscode-theme-kind="vscode-dark"]', "body.vscode-dark",
    'html[theme="dark"]',
)  # fmt: skip
"""How JupyterLab, Visual Studio Code and Colab say that their page is dark."""
_PAPER = "var(--jp-layout-color0, {})"
_FRAGMENT = """\
{% import "blocks.html" as blocks %}
<div class="{{ scope }}"><style>{{ css|safe }}</style><div class="r-page">
{% if report.title %}<h2>{{ blocks.words(report.title) }}</h2>{% endif %}
{{ blocks.scope(report.scope) }}
{% for one in report.summary %}{{ blocks.text(one) }}{% endfor %}
{{ blocks.legend(marks) }}
{% if report.sections|length == 1 %}
{% for one in report.sections[0].blocks %}{{ blocks.block(one, svg=svg, heading=report.sections[0].title) }}{% endfor %}
{% else %}
{% for section in report.sections %}{{ blocks.section(section, svg=svg) }}{% endfor %}
{% endif %}
{{ blocks.sources(report.sources) }}
</div></div>
"""


@presenters.register("notebook")
def present_in_notebook(value: object) -> Mapping[str, str] | None:
    """Return a value as text and, where it can be seen, as HTML; None for a value of no report."""
    report = report_of(value)
    if report is None:
        return None
    shown = {TEXT: render_text(report, _WIDTH)}
    if _shows_html():
        try:
            shown[HTML] = render_fragment(report)
        except AssayError:
            return shown  # jinja2 is not installed: the text says the same
    return shown


def display(value: object) -> Report:
    """Return a value as the report that a notebook shows of it. Raises AssayError for a value that has none."""
    report = report_of(value)
    if report is None:
        raise AssayError(f"There is no report of a {type(value).__name__}.")
    return report


def render_fragment(report: Report) -> str:
    """Return a report as HTML for the inside of a page, with its own style closed in. Raises AssayError."""
    environment = block_environment()
    draw = find_drawing()

    def svg(figure: Figure) -> str | None:
        try:
            return draw(figure)
        except AssayError:  # no matplotlib: the numbers of the figure stand in its place
            return None

    return environment.from_string(_FRAGMENT).render(
        report=report, scope=_SCOPE, css=_style(), marks=marks_of(report), svg=svg
    )


def load_ipython_extension(shell: Any) -> None:
    """Register for ``%load_ext assay.report.notebook``: lists of results, too, are then shown as tables."""
    formatter = shell.display_formatter.mimebundle_formatter
    formatter.for_type(list, _present_list)


def _present_list(value: list[Any], **_: Any) -> Mapping[str, str] | None:
    from assay.core.records import ResultRecord
    from assay.report.in_hand import report_of_results

    if not value or not all(isinstance(one, ResultRecord) for one in value):
        return None
    from datetime import UTC, datetime

    report = report_of_results(value, time=datetime.now(UTC))
    return {TEXT: render_text(report, _WIDTH), HTML: render_fragment(report)}


def _shows_html() -> bool:
    """True unless this is IPython at a terminal, which would throw the HTML away."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return shell is None or HTML in shell.display_formatter.active_types


@cache
def _style() -> str:
    """The style of the blocks within ``.assay-report`` alone (CSS nesting), and the palette in both themes."""
    sheet = files("assay.report").joinpath("templates", "report.css").read_text(encoding="utf-8")
    screen, _, _ = sheet.partition("@media print")
    root, _, rules = screen.partition(".r-page")
    fonts = root.partition(":root {")[2].partition("}")[0]
    themes = [
        "".join(f"--{role}:{_PAPER.format(value) if role == 'paper' else value};" for role, value in roles)
        for roles in (
            [(role, colour.light) for role, colour in COLOURS.items()],
            [(role, colour.dark) for role, colour in COLOURS.items()],
        )
    ]
    dark = ",".join(f"{one} .{_SCOPE}" for one in _DARK)
    return (
        f".{_SCOPE}{{color-scheme:light;{fonts}{themes[0]}}}{dark}{{color-scheme:dark;{themes[1]}}}"
        f".{_SCOPE}{{.r-page{rules}}}"
    )
