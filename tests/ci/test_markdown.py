"""The comment and the summary: what stands in them, in which order, and that they fit."""

from __future__ import annotations

import re
from collections.abc import Callable
from html.parser import HTMLParser

import pytest

from assay import __version__
from assay.analysis.values import CheckReport
from assay.ci.fitting import Block, Line, fit_blocks
from assay.ci.markdown import COMMENT_LIMIT_BYTES, SMALLEST_LIMIT_BYTES, comment_marker, is_marker, render_check
from assay.ci.text import link_target
from assay.ci.values import CheckContext
from assay.ci.words import MEANINGS
from assay.core.records import FindingRecord
from assay.core.words import Change

MakeFinding = Callable[..., FindingRecord]
MakeReport = Callable[..., CheckReport]


class Tables(HTMLParser):
    """The cells of every table of a page, and the titles of what is folded."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tables: list[list[list[str]]] = []
        self.folded: list[str] = []
        self._into: list[str] | None = None
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        del attrs
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self._into = self.tables[-1][-1]
            self._into.append("")
        elif tag == "summary":
            self._into = self.folded
            self._into.append("")

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th", "summary"):
            self._into = None

    def handle_data(self, data: str) -> None:
        if self._into is not None:
            self._into[-1] += data


def to_html(markdown: str) -> str:
    """Convert as GitHub does: CommonMark with HTML, and tables."""
    from markdown_it import MarkdownIt

    return str(MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).render(markdown))


def tables_of(markdown: str) -> Tables:
    return Tables(to_html(markdown))


def test_a_whole_comment(mixed: CheckReport) -> None:
    context = CheckContext(
        (("CPU", "AMD EPYC, 2 cores"), ("packages", "torch 2.13.0+cpu")), "main", "https://ci.example/1?a=(b)",
        "https://github.com/o/r/commit/",
    )  # fmt: skip
    text = render_check(mixed, context)
    assert text.startswith("<!-- assay:check:ci -->\n### assay: 1 regressed, 1 failed, 1 missing, 1 suspect, ")
    html = to_html(text)
    assert (
        f'<a href="https://github.com/o/r/commit/{"b" * 40}"><code>bbbbbbb</code></a> on <code>feature/x</code>' in html
    )
    assert f'run <code>feedbeef</code> of <a href="https://github.com/o/r/commit/{"a" * 40}">' in html
    assert "on <code>main</code>" in html
    assert '<a href="https://ci.example/1?a=%28b%29">Full report</a>' in html
    assert "<code>latency_ns</code> −1.9 % over 4 of 9" in html
    assert "<li>CPU: AMD EPYC, 2 cores</li>\n<li>packages: torch 2.13.0+cpu</li>" in html
    assert all(f"<strong>{change}</strong>: {MEANINGS[change]}" in html for change in Change)
    assert "<code>case/failed</code>: <strong>failed</strong>: failed: out of memory" in html
    found = tables_of(text)
    assert found.folded == [
        "1 unchanged, 1 new", "1 muted, not counted", "Environment", "What the words mean",
    ]  # fmt: skip
    first, folded, muted = found.tables
    assert [row[0] for row in first[1:]] == [
        "regressed", "failed", "missing", "suspect", "inconclusive", "incomparable", "improved",
    ]  # fmt: skip
    assert first[1][:5] == ["regressed", "case/regressed", "+10.2 % (worse)", "expected −3.0 % … +4.0 %", "1.10 ms"]
    assert [row[0] for row in folded[1:]] == ["new", "unchanged"]
    assert muted[0][-1] == "muted because"
    assert muted[1][0] == "regressed"
    assert muted[1][-1] == "known, see the ticket"


def test_several_metrics_and_machines_get_columns(make_finding: MakeFinding, make_report: MakeReport) -> None:
    findings = [
        make_finding("a", Change.REGRESSED, p_slower=0.97), make_finding("a", Change.SUSPECT, metric="load_ns"),
        make_finding("b", Change.SUSPECT, hardware="GPU"),
    ]  # fmt: skip
    header, *rows = tables_of(render_check(make_report(*findings))).tables[0]
    assert header == [
        "verdict", "series", "metric", "hardware", "change", "interval", "now", "before", "launches", "P(slower)",
    ]  # fmt: skip
    assert rows[0][2:4] == ["latency_ns median", "AMD EPYC 2c 24GiB"]
    assert rows[0][-1] == "0.97"


def test_another_environment_is_said_first_and_is_no_alarm(make_finding: MakeFinding, make_report: MakeReport) -> None:
    findings = [
        make_finding(f"case/{n}", Change.INCOMPARABLE, environment_break="torch 2.12 -> 2.13") for n in range(9)
    ]
    text = render_check(make_report(*findings, environment_break="torch 2.12 -> 2.13"))
    assert "The environment changed</strong>: torch 2.12 -&gt; 2.13." in to_html(text)
    assert "### assay: new environment, nothing compared" in text
    assert tables_of(text).folded[0] == "9 incomparable"


def test_breaks_of_some_series_are_counted(make_finding: MakeFinding, make_report: MakeReport) -> None:
    findings = [make_finding(f"case/{n}", Change.INCOMPARABLE, environment_break="driver 1 -> 2") for n in range(3)]
    text = render_check(make_report(make_finding(), *findings))
    assert "<li>driver 1 -&gt; 2 (3 series)</li>" in to_html(text)


def test_a_check_of_nothing(make_report: MakeReport) -> None:
    text = render_check(make_report(git_commit=None, git_branch=None, reference_run_id=None, notes=("all excluded",)))
    assert "### assay: nothing compared\n" in text
    assert "- all excluded\n" in text
    assert tables_of(text).tables == []


# -- length ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [SMALLEST_LIMIT_BYTES, 20_000, COMMENT_LIMIT_BYTES, 1024**2])
def test_a_comment_is_cut_between_rows_and_says_what_is_left_out(
    limit: int, make_finding: MakeFinding, make_report: MakeReport
) -> None:
    label = "ümlaut/x torch cpu fp32 b1 sequence 128"
    findings = [
        *(
            make_finding(f"{label} {n}", Change.REGRESSED, ratio=1.1 + n / 1000, reasons=("why " * 20,))
            for n in range(300)
        ),
        *(make_finding(f"{label} {n}", Change.INCONCLUSIVE) for n in range(300)),
        *(make_finding(f"{label} {n}") for n in range(2000)),
    ]  # fmt: skip
    text = render_check(make_report(*findings), limit_bytes=limit)
    assert len(text.encode()) <= limit
    found = tables_of(text)
    width = len(found.tables[0][0])
    assert all(len(row) == width and all(row[:2]) for table in found.tables for row in table)
    regressed = [row for row in found.tables[0] if row[0] == "regressed"]
    assert regressed[0][1].endswith(" 299")  # worst first
    left_out = [int(count) for count in re.findall(r"^and (\d+) more series", text, re.MULTILINE)]
    shown = sum(len(table) - 1 for table in found.tables)
    assert shown + sum(left_out) == len(findings)
    if len(regressed) < 300:
        assert re.search(rf"^and \d+ more series, {300 - len(regressed)} of them alarms\.$", text, re.MULTILINE)
    else:
        assert " of them alarms" not in text.partition("**Why**")[0].replace("none of them alarms", "")
    assert f"· assay {__version__}\n" in text[-40:]


def test_what_is_left_out_without_an_alarm_says_so() -> None:
    lines = tuple(Line("x" * 9 + "\n", is_alarm=n < 2) for n in range(50))
    text = fit_blocks([Block("head\n", lines)], 150)
    assert text.startswith("head\nxxxxxxxxx\n")
    assert text.endswith("more series, none of them alarms.\n")
    assert len(text) <= 150
    assert fit_blocks([Block("head\n", lines)], 60) == "\nand 50 more series, 2 of them alarms.\n"
    assert fit_blocks([Block("head\n", lines, is_droppable=True)], 60) == ""
    assert fit_blocks([Block("head\n", lines[:1])], 60) == "head\nxxxxxxxxx\n"
    with pytest.raises(ValueError, match="10 bytes are 29 too few"):
        fit_blocks([Block("head\n", lines)], 10)


def test_a_limit_that_is_too_small_is_refused(mixed: CheckReport) -> None:
    with pytest.raises(ValueError, match="expected at least 8192"):
        render_check(mixed, limit_bytes=SMALLEST_LIMIT_BYTES - 1)


# -- markers and links -----------------------------------------------------------------------------------------


def test_markers_are_one_for_each_suite_and_cannot_be_left() -> None:
    names = ["ci", "ci suite", "ci%20suite", "--><script>", "a--b", "a-%2Db", "ünï", "x" * 90, "a\nb"]
    markers = [comment_marker(name) for name in names]
    assert len(set(markers)) == len(names)
    for marker in markers:
        assert is_marker(marker)
        assert marker.count("-->") == 1
        assert "--" not in marker[4:-3]
        assert "\n" not in marker
    assert not is_marker("<!-- assay:check: -->")
    assert not is_marker("<!-- assay:check:x --> and more")


@pytest.mark.parametrize("address", ["javascript:alert(1)", "ftp://x/y", "https://x/a b", "nowhere", "https://"])
def test_links_are_pages(address: str) -> None:
    with pytest.raises(ValueError, match="no address of a page"):
        link_target(address)


def test_a_link_cannot_end_early() -> None:
    assert link_target("https://x.example/a)[b](c") == "https://x.example/a%29%5Bb%5D%28c"
    assert link_target("https://x.example/%20?q=1&r=2#f") == "https://x.example/%20?q=1&r=2#f"
