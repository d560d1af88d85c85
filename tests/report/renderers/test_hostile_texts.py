"""Names that mean harm, in every format: shown as they are, and nothing more than shown."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import re
import unicodedata
import zipfile
from types import ModuleType

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from assay.report.cleaning import clean_line, clean_text, isolate, shorten
from assay.report.renderers.csv_text import field_text
from assay.report.renderers.html import block_environment, render_html
from assay.report.renderers.markdown import code, escape
from assay.report.sheet_columns import MOST_LETTERS, sheet_name
from assay.report.values import Figure, Report

UNSHOWABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2067\u2069\ufffe\uffff]")


@pytest.mark.parametrize("form", ["text", "markdown", "csv", "html"])
def test_nothing_that_cannot_be_shown(rendered: dict[str, str], form: str) -> None:
    text = rendered[form].replace("\r\n", "\n")
    isolates = text.count("\u2068")
    assert text.count("\u2069") == isolates, "what is isolated is closed"
    assert UNSHOWABLE.findall(text.replace("\u2069", "")) == []
    text.encode()


def test_html_is_nested_well_and_asks_for_nothing(rendered: dict[str, str], read_back: ModuleType) -> None:
    page = read_back.read_html(rendered["html"])
    assert [one for one in read_back.addresses(page) if not one.startswith("#")] == []
    assert len(page.find("script")) == 1
    assert {one.tag for one in page.find()} & {"img", "iframe", "object", "embed", "form", "base", "link"} == set()
    assert [name for one in page.find() for name in one.attributes if name.startswith("on")] == []
    identifiers = [one.attributes["id"] for one in page.find() if "id" in one.attributes]
    assert len(identifiers) == len(set(identifiers))


def test_html_shows_the_whole_of_every_text(rendered: dict[str, str], read_back: ModuleType, rich: ModuleType) -> None:
    page = read_back.read_html(rendered["html"])
    names = [row[0] for row in read_back.html_rows(page, "names-b")][:-1]
    assert [clean_line(name) for name in names] == [clean_line(text) for text in rich.HOSTILE]
    assert names[8] == rich.HOSTILE[8], "10 kB unfold"


def test_the_policy_names_what_is_in_the_page(rendered: dict[str, str], read_back: ModuleType) -> None:
    page = read_back.read_html(rendered["html"])
    policy = page.find("meta")[1].attributes["content"]
    for tag, directive in (("style", "style-src-elem"), ("script", "script-src")):
        digest = hashlib.sha256(page.find(tag)[0].text().encode()).digest()
        assert f"{directive} 'sha256-{base64.b64encode(digest).decode()}'" in policy
    assert "default-src 'none'" in policy
    assert "unsafe-inline" not in policy.replace("style-src-attr 'unsafe-inline'", "")


def test_a_template_of_blocks_escapes_whatever_it_is_called() -> None:
    environment = block_environment()
    assert environment.from_string("{{ word }}").render(word="<b>") == "&lt;b&gt;"
    assert callable(environment.autoescape)
    assert all(environment.autoescape(name) for name in ("blocks.html", "page.txt", "page.xml.j2", None))


def test_links_lead_where_the_caller_says(report: Report, read_back: ModuleType, rich: ModuleType) -> None:
    environment = block_environment()
    template = environment.from_string(
        '{% import "blocks.html" as blocks %}{{ blocks.table(table, link=link, sort=sort) }}'
    )
    table = report.tables()[2]
    page = read_back.read_html(
        template.render(
            table=table,
            link=lambda ref: f"/workloads/x?name={len(ref.id)}&a=<" if ref.id == rich.HOSTILE[0] else None,
            sort=lambda column: ("?sort=name", "ascending") if column.key == "name" else "?sort=-value",
        )
    )
    links = page.find("tbody")[0].find("a")
    assert [one.attributes["href"] for one in links] == ["/workloads/x?name=25&a=<"]
    assert links[0].text() == rich.HOSTILE[0]
    heads = page.find("th")[:3]
    assert [one.attributes.get("aria-sort") for one in heads] == ["ascending", None, None]
    assert heads[2].find("a")[0].attributes["href"] == "?sort=-value"


def test_markdown_holds_no_markup_of_others(rendered: dict[str, str]) -> None:
    parser = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    tokens = [one for token in parser.parse(rendered["markdown"]) for one in (token, *(token.children or ()))]
    kinds = {token.type for token in tokens}
    assert kinds & {"link_open", "image", "em_open", "s_open", "fence", "code_block"} == set()
    raw = [token.content.strip() for token in tokens if token.type in {"html_block", "html_inline"}]
    ours = re.compile(r"</?(sup|details)>|<details><summary>[\w ]+</summary>")
    assert [html for html in raw if not ours.fullmatch(html)] == []


def test_markdown_mentions_nobody_and_links_nothing(rendered: dict[str, str]) -> None:
    outside = re.sub(r"`+[^`]*`+", "", rendered["markdown"])
    assert re.findall(r"(?<![`\w])[@#]\w", outside) == []
    assert "https://" not in outside


def test_csv_has_no_formula(rendered: dict[str, str], rich: ModuleType) -> None:
    rows = list(csv.reader(io.StringIO(rendered["csv"], newline="")))
    assert {len(row) for row in rows} == {16}
    numbers = {5, 6, 7, 8, 9, 10, 11}
    for row in rows[1:]:
        for place, text in enumerate(row):
            if text.startswith(("=", "+", "-", "@", "\t", "\r")):
                assert place in numbers, text
                float(text)
    assert field_text(rich.HOSTILE[2]).startswith("'=")
    assert field_text(-3.5) == "-3.5"
    assert field_text("–") == "–"


def test_a_workbook_has_no_formula_and_no_link(workbook: bytes) -> None:
    book = openpyxl.load_workbook(io.BytesIO(workbook))
    cells = [cell for sheet in book for row in sheet.iter_rows() for cell in row]
    assert [cell.coordinate for cell in cells if cell.data_type == "f" or cell.hyperlink] == []
    with zipfile.ZipFile(io.BytesIO(workbook)) as parts:
        assert [name for name in parts.namelist() if "externalLink" in name or "vba" in name.lower()] == []
        sheets = "".join(parts.read(name).decode() for name in parts.namelist() if "worksheets/" in name)
    assert "<f>" not in sheets


def test_sheet_names_are_legal_and_unique() -> None:
    taken: set[str] = set()
    names = [
        sheet_name(title, taken)
        for title in ("a/b:c*d?[e]\\f", "History", "x" * 40, "X" * 40, "'quoted'", "", "", "\x00")
    ]
    assert names[:2] == ["a b c d e f", "History (2)"]
    assert len({name.casefold() for name in names}) == len(names)
    assert all(0 < len(name) <= 31 and not re.search(r"[\[\]:*?/\\]|^'|'$", name) for name in names)


def test_json_keeps_texts_as_they_are(rendered: dict[str, str], rich: ModuleType) -> None:
    content = json.loads(rendered["json"])
    names = [row[0]["value"] for row in content["sections"][3]["blocks"][1]["rows"][:-1]]
    assert names == [re.sub("[\ud800-\udfff]", "\ufffd", text) for text in rich.HOSTILE]


def test_svg_comes_in_unescaped_and_its_styles_are_allowed(report: Report, read_back: ModuleType) -> None:
    def draw(figure: Figure) -> str:
        return f'<svg viewBox="0 0 1 1"><style>.{figure.kind}{{fill:red}}</style><path d="M0 0"/></svg>'

    text = render_html(report, draw=draw)
    page = read_back.read_html(text)
    assert len(page.find("svg")) == 3
    digest = base64.b64encode(hashlib.sha256(b".trend{fill:red}").digest()).decode()
    assert digest in page.find("meta")[1].attributes["content"]


@given(st.text(st.characters(), max_size=80))
def test_cleaning_is_stable_and_encodable(text: str) -> None:
    clean = clean_text(text)
    clean.encode()
    assert clean_text(clean) == clean
    assert UNSHOWABLE.search(clean.replace("\r", "")) is None
    assert "\n" not in clean_line(text)
    assert len(shorten(clean, 10)) <= 10
    turned = any(unicodedata.bidirectional(one) in {"R", "AL", "AN"} for one in clean)
    assert (isolate(clean) != clean) == turned


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=60))
def test_escaped_markdown_is_shown_as_it_was(text: str) -> None:
    shown = clean_line(text)
    parser = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    for escaped in (escape(text), code(text)):
        rows = parser.parse(f"| a | b |\n| -- | -- |\n| {escaped} | end |\n")
        inline = [token for token in rows if token.type == "inline"]
        assert len(inline) == 4, "no cell more and no row less"
        read = "".join(child.content for child in inline[2].children or ())
        assert re.sub("[\u200b\u2068\u2069]", "", read).strip() == re.sub("\u200b", "", shown).strip()


def test_the_limit_of_a_cell_of_a_workbook(report: Report, workbook: bytes) -> None:
    del report
    book = openpyxl.load_workbook(io.BytesIO(workbook))
    longest = max(
        len(cell.value) for sheet in book for row in sheet.iter_rows() for cell in row if isinstance(cell.value, str)
    )
    assert 10_000 < longest <= MOST_LETTERS
