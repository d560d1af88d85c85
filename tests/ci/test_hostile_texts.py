"""Whatever stands in a finding survives every form: parsed back it is the same text, and nothing else came of it."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assay.analysis.values import CheckReport
from assay.ci.badge import render_svg
from assay.ci.feed import ATOM, render_feed
from assay.ci.github import check_outputs, render_annotations, write_outputs
from assay.ci.junit import render_junit
from assay.ci.lines import format_line, format_reasons
from assay.ci.markdown import SMALLEST_LIMIT_BYTES, render_check
from assay.ci.notify import make_payload, make_slack_payload
from assay.ci.openmetrics import render_openmetrics
from assay.ci.text import clean_xml, code_span, escape_markdown, flatten_text
from assay.ci.values import CheckContext
from assay.core.records import FindingRecord
from assay.core.words import Change

EVIL = (
    "a|b", "`x`", "``", "\\", "\\|", "|", "a\\", "<script>alert(1)</script>", "<!-- -->", "-->", "@team", "#12",
    "x\ny", "\r\n::error::x", "[a](javascript:1)", "![i](u)", "**b**", "_i_", "~~s~~", "$x$", "&amp;", "&#64;x",
    "1. one", "- x", "# h", "/close", "\u202eabc", "\x00\x1b[31m", "\ud800", "\ufffe", "]]>", "<a>", '"', "'", "%0A",
    "::", "https://x.y", "www.x.y", "", " ", "ünï", "\U0001f600", "{{ x }}", "${{ github.token }}", "EOF", "<!channel>",
    "+ a", "=", "---", "| x |",
)  # fmt: skip
letters = st.characters() | st.sampled_from(list("|`\\<>&@#[]()*_~$\n\r\t\x00\"':;%/-"))
texts = st.text(letters, max_size=40) | st.lists(st.sampled_from(EVIL), max_size=4).map("".join)
numbers = st.none() | st.floats() | st.floats(0.5, 2.0)
findings = st.builds(
    FindingRecord,
    finding_id=st.uuids().map(str) | texts, check_id=texts, created_at=st.datetimes(timezones=st.just(UTC)),
    run_id=texts, series_id=texts, case_label=texts, metric=texts, stat=texts,
    unit=texts | st.sampled_from(["ns", "B", "1/s"]), change=st.sampled_from(Change), against=texts, method=texts,
    hardware=st.none() | texts, value=numbers, reference_value=numbers, ratio=numbers,
    is_worse=st.none() | st.booleans(), ci_lo=numbers, ci_hi=numbers, p=numbers, q=numbers, p_slower=numbers,
    floor=numbers, launches=st.integers(0, 9), launches_needed=st.none() | st.integers(1, 99),
    environment_break=st.none() | texts, confirmed_by=st.lists(texts, max_size=2).map(tuple), muted=st.none() | texts,
    reasons=st.lists(texts, max_size=2).map(tuple),
)  # fmt: skip
reports = st.builds(
    CheckReport,
    check_id=texts, run_id=texts, created_at=st.just(datetime(2026, 5, 1, tzinfo=UTC)), suite=texts, against=texts,
    findings=st.lists(findings, max_size=5).map(tuple), expected=st.integers(0, 9), git_commit=st.none() | texts,
    git_branch=st.none() | texts, git_dirty=st.none() | st.booleans(), reference_run_id=st.none() | texts,
    reference_git_commit=st.none() | texts, environment_break=st.none() | texts,
    notes=st.lists(texts, max_size=2).map(tuple),
)  # fmt: skip
context = st.builds(
    CheckContext, environment=st.lists(st.tuples(texts, texts), max_size=2).map(tuple),
    reference_branch=st.none() | texts, commit_url=st.none() | st.just("https://github.com/o/r/commit/"),
)  # fmt: skip
quick = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)


def render(markdown: str) -> list[Any]:
    """Return the tokens of Markdown as GitHub reads it."""
    from markdown_it import MarkdownIt

    return list(MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).parse(markdown))


def inline_of(markdown: str) -> list[Any]:
    """Return the inline tokens of the one paragraph or cell in the Markdown."""
    (inline,) = (token for token in render(markdown) if token.type == "inline")
    return list(inline.children)


def without_marks(text: str) -> str:
    """Take out the spaces without width that keep others from being mentioned."""
    return text.replace("\u200b", "")


def flat(text: str, limit: int) -> str:
    return flatten_text(text, limit) or "–"


# -- one text --------------------------------------------------------------------------------------------------


@quick
@given(texts)
def test_a_text_in_a_list_is_that_text_and_nothing_else(text: str) -> None:
    tokens = render(f"- {escape_markdown(text)}\n")
    assert [token.type for token in tokens].count("list_item_open") == 1
    assert not {token.type for token in tokens} & {"heading_open", "hr", "fence", "html_block", "blockquote_open"}
    children = inline_of(f"- {escape_markdown(text)}\n")
    assert {child.type for child in children} <= {"text", "text_special"}
    assert without_marks("".join(child.content for child in children)) == without_marks(flat(text, 300))


@quick
@given(texts)
def test_a_text_as_code_in_a_table_is_one_cell(text: str) -> None:
    tokens = render(f"| a | b |\n| - | - |\n| {code_span(text)} | {escape_markdown(text)} |\n")
    inline = [token for token in tokens if token.type == "inline"]
    assert len(inline) == 4
    if code_span(text) != "–":
        (code,) = inline[2].children
        assert (code.type, code.content) == ("code_inline", flatten_text(text, 200))
    assert without_marks("".join(child.content for child in inline[3].children)) == without_marks(flat(text, 300))


@pytest.mark.parametrize("text", ["@team", "x @team/a", "#12", "o/r#12", "https://x.y/z", "www.x.y", "a@b.c"])
def test_nobody_is_mentioned_and_nothing_is_linked(text: str) -> None:
    shown = escape_markdown(text)
    assert not re.search(r"[@#]\w|\w://\w|\bwww\.\w", shown)
    assert without_marks(shown).replace("\\", "") == text


# -- whole documents -------------------------------------------------------------------------------------------


@quick
@given(reports, context)
def test_a_comment_of_any_texts(report: CheckReport, around: CheckContext) -> None:
    text = render_check(report, around, limit_bytes=SMALLEST_LIMIT_BYTES)
    assert len(text.encode()) <= SMALLEST_LIMIT_BYTES
    allowed = ("<!-- assay:", "###", "- ", "| ", "**", "> ", "<details>", "</details>", "check ", "and ")
    assert all(line.startswith(allowed) for line in text.splitlines() if line)
    assert text.splitlines() == text.split("\n")[:-1]  # no other line end is in it
    tokens = render(text)
    raw = [token.content.strip() for token in tokens if token.type == "html_block"]
    assert all(
        re.fullmatch(r"<!-- assay:check:[^>]* -->|<details><summary>[\w ,]+</summary>|</details>", one) for one in raw
    )
    spans = [child for token in tokens if token.type == "inline" for child in token.children]
    assert {child.type for child in spans} <= {
        "text", "text_special", "code_inline", "strong_open", "strong_close", "em_open", "em_close", "softbreak",
        "link_open", "link_close",
    }  # fmt: skip
    links = {child.attrs["href"] for child in spans if child.type == "link_open"}
    assert all(str(link).startswith("https://github.com/o/r/commit/") for link in links)
    widths: list[int] = []
    for token in tokens:
        if token.type == "tr_open":
            widths.append(0)
        elif token.type in ("td_open", "th_open"):
            widths[-1] += 1
    rows = [line for line in text.splitlines() if line.startswith("| ") and not line.startswith("| :--")]
    assert len(widths) == len(rows)


@quick
@given(reports)
def test_xml_of_any_texts_is_parsed_back(report: CheckReport) -> None:
    suite = ET.fromstring(render_junit(report))  # noqa: S314  (our own text)
    cases = suite.findall("testcase")
    assert len(cases) == len(report.findings)
    assert len({case.attrib["name"] for case in cases}) == len(cases)
    said = sorted(case.findtext("system-out") or "" for case in cases)
    assert said == sorted(clean_xml(f"{format_line(one)}\n{format_reasons(one)}").strip() for one in report.findings)
    feed = ET.fromstring(  # noqa: S314  (our own text)
        render_feed(report.findings, title=report.suite, identity=report.check_id, everything=True)
    )
    titles = [entry.findtext(f"{{{ATOM}}}title") for entry in feed.iter(f"{{{ATOM}}}entry")]
    assert sorted(filter(None, titles)) == sorted(
        clean_xml(flatten_text(format_line(one), 300)) for one in report.findings
    )
    root = ET.fromstring(render_svg(report, label=report.suite))  # noqa: S314  (our own text)
    assert root.attrib["aria-label"].startswith(clean_xml(flatten_text(report.suite, 60)))


@quick
@given(reports)
def test_commands_of_any_texts_stay_commands(report: CheckReport) -> None:
    lines = render_annotations(report, strict=True).splitlines()
    assert len(lines) == sum(
        one.muted is None and one.change in (Change.INCONCLUSIVE, *filter(lambda change: change.is_alarm, Change))
        for one in report.findings
    )
    for line in lines:
        assert (found := re.fullmatch(r"::(error|warning) title=([^:,]*)::(.*)", line)), line
        assert not re.search(r"%(?!25|0D|0A|3A|2C)", found[2] + found[3])


@quick
@given(report=reports)
def test_outputs_of_any_texts_are_read_back(report: CheckReport, tmp_path: Path) -> None:
    path = tmp_path / "output"
    path.write_text("before=1\n", encoding="utf-8")
    report = replace(report, check_id=clean_xml(report.check_id), run_id=clean_xml(report.run_id))
    outputs = check_outputs(report, strict=False, comment_url="https://x.example/1")
    write_outputs(path, outputs)
    assert read_outputs(path.read_text(encoding="utf-8").split("\n")) == {"before": "1", **outputs}


def read_outputs(lines: Sequence[str]) -> dict[str, str]:
    """Read the file as the runner does: ``name=value``, or up to the delimiter that a line names."""
    found, waiting = {}, list(lines)
    while waiting:
        line = waiting.pop(0)
        if "<<" in line:
            name, _, delimiter = line.partition("<<")
            value: list[str] = []
            while (line := waiting.pop(0)) != delimiter:
                value.append(line)
            found[name] = "\n".join(value)
        elif line:
            name, _, found[name] = line.partition("=")
    return found


@quick
@given(reports, context)
def test_json_of_any_texts(report: CheckReport, around: CheckContext) -> None:
    slack = make_slack_payload(report, around)
    assert len(slack["blocks"]) <= 50
    assert sum(len(json.dumps(block)) for block in slack["blocks"]) < 13_000
    assert not re.search(r"<|>|&(?!amp;|lt;|gt;)", slack["text"])
    for block in slack["blocks"]:
        for element in [block["text"]] if "text" in block else block["elements"]:
            assert element["type"] == "plain_text"
            assert 0 < len(element["text"]) <= (150 if block["type"] == "header" else 400)
    json.dumps([make_payload(report, around), slack], allow_nan=False)


@quick
@given(reports)
def test_openmetrics_of_any_texts_are_lines(report: CheckReport) -> None:
    lines = render_openmetrics(report).split("\n")
    assert lines[-2:] == ["# EOF", ""]
    label = r'[a-z_]+="(?:[^"\\\n]|\\["\\n])*"'
    for line in lines[:-2]:
        assert re.fullmatch(
            rf"# (?:TYPE|HELP) assay_\w* .+|assay_\w*(?:\{{{label}(?:,{label})*\}})? -?[0-9.e+-]+", line, re.ASCII
        ), line  # fmt: skip
        assert "#" not in line[1:]
