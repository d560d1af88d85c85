"""Badge and feed: colours that can be read, widths that fit, an Atom feed by the book."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from xml.etree import ElementTree as ET

import pytest

from assay.analysis.values import CheckReport
from assay.ci import badge
from assay.ci.badge import badge_colour, badge_message, render_shields, render_svg, text_width_px
from assay.ci.feed import ATOM, render_feed
from assay.core.records import FindingRecord
from assay.core.words import Change

MakeFinding = Callable[..., FindingRecord]
MakeReport = Callable[..., CheckReport]
SVG = "{http://www.w3.org/2000/svg}"
NAMES = {"a": ATOM}


# -- badge -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message", "colour"),
    [
        ([Change.UNCHANGED], "no change", badge._GREEN),
        ([Change.UNCHANGED, Change.IMPROVED], "1 improved", badge._BLUE),
        ([Change.REGRESSED, Change.REGRESSED, Change.SUSPECT, Change.FAILED], "2 regressed, 1 failed", badge._RED),
        ([Change.SUSPECT, Change.UNCHANGED], "1 suspect", badge._YELLOW),
        ([Change.MISSING], "1 missing", badge._ORANGE),
        ([Change.INCONCLUSIVE, Change.UNCHANGED], "1 inconclusive", badge._GREY),
        ([Change.NEW], "nothing to compare with yet", badge._GREY),
        ([], "nothing compared", badge._GREY),
    ],
)
def test_what_a_badge_says(
    changes: list[Change], message: str, colour: str, make_finding: MakeFinding, make_report: MakeReport
) -> None:
    findings = [make_finding(f"case/{index}", change) for index, change in enumerate(changes)]
    report = make_report(*findings, make_finding("m", Change.REGRESSED, muted="known"))
    assert (badge_message(report), badge_colour(report)) == (message, colour)
    assert json.loads(render_shields(report)) == {
        "schemaVersion": 1, "label": "perf", "message": message, "color": colour, "cacheSeconds": 300,
    }  # fmt: skip


def luminance(colour: str) -> float:
    """WCAG 2.2, relative luminance."""
    parts = [int(colour[index : index + 2], 16) / 255 for index in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_white_letters_can_be_read_on_every_colour() -> None:
    for colour in (badge._GREEN, badge._BLUE, badge._YELLOW, badge._ORANGE, badge._RED, badge._GREY, "#444444"):
        assert 1.05 / (luminance(colour) + 0.05) >= 4.5, colour


def test_the_picture_is_whole_and_refers_to_nothing(mixed: CheckReport) -> None:
    text = render_svg(mixed, label='<perf> & "more"')
    root = ET.fromstring(text)  # noqa: S314  (our own text)
    assert root.attrib["aria-label"] == '<perf> & "more": 1 regressed, 1 failed'
    assert root.findtext(f"{SVG}title") == root.attrib["aria-label"]
    left, right = root.iter(f"{SVG}text")
    assert [left.text, right.text] == ['<perf> & "more"', "1 regressed, 1 failed"]
    end = int(right.attrib["x"]) + int(right.attrib["textLength"])
    assert int(left.attrib["x"]) + int(left.attrib["textLength"]) < int(right.attrib["x"])
    assert end < int(root.attrib["width"])
    assert not re.search(r"href|url\((?!#)|<script|<image", text)


def test_widths_follow_the_letters() -> None:
    assert text_width_px("illi") < text_width_px("abcd") < text_width_px("WMWM")
    assert text_width_px("") == 1


# -- feed ------------------------------------------------------------------------------------------------------


def parse_feed(text: str) -> ET.Element:
    """Hold a document to RFC 4287: what a feed and an entry must have, dates with a zone, ids that are IRIs, once."""
    feed = ET.fromstring(text)  # noqa: S314  (our own text)
    assert feed.tag == f"{{{ATOM}}}feed"
    assert feed.find("a:author/a:name", NAMES) is not None
    ids = []
    for element in (feed, *feed.findall("a:entry", NAMES)):
        for name in ("id", "title", "updated"):
            assert len(element.findall(f"a:{name}", NAMES)) == 1
            assert (element.findtext(f"a:{name}", namespaces=NAMES) or "").strip()
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", element.findtext("a:updated", namespaces=NAMES) or "")
        identity = element.findtext("a:id", namespaces=NAMES) or ""
        assert uuid.UUID(identity.removeprefix("urn:uuid:"))
        ids.append(identity)
        assert element is feed or element.find("a:content[@type='text']", NAMES) is not None
    assert len(ids) == len(set(ids))
    return feed


def titles(feed: ET.Element) -> list[str]:
    return [entry.findtext("a:title", namespaces=NAMES) or "" for entry in feed.findall("a:entry", NAMES)]


def test_the_newest_fifty_of_what_matters(make_finding: MakeFinding) -> None:
    start = datetime(2026, 5, 1, tzinfo=UTC)
    findings = [
        make_finding(
            f"case/{n}", Change.REGRESSED if n % 2 else Change.UNCHANGED, created_at=start + timedelta(hours=n)
        )
        for n in range(200)
    ]  # fmt: skip
    findings.append(make_finding("muted", Change.REGRESSED, created_at=start + timedelta(days=99), muted="known"))
    feed = parse_feed(render_feed(findings, title="t", identity="here"))
    assert len(titles(feed)) == 50
    assert titles(feed)[0].startswith("regressed: case/199,")
    assert titles(feed)[-1].startswith("regressed: case/101,")
    assert feed.findtext("a:updated", namespaces=NAMES) == "2026-05-09T07:00:00Z"
    everything = parse_feed(render_feed(findings, title="t", identity="here", everything=True, newest=3))
    assert [title.partition(",")[0] for title in titles(everything)] == [
        "regressed: muted", "regressed: case/199", "unchanged: case/198",
    ]  # fmt: skip


def test_an_entry_has_what_is_known(make_finding: MakeFinding) -> None:
    east = timezone(timedelta(hours=9))
    finding = make_finding(
        change=Change.REGRESSED, git_commit="b" * 40, created_at=datetime(2026, 5, 1, 9, tzinfo=east), reasons=("why",)
    )
    text = render_feed([finding], title="t", identity="x", suites={finding.run_id: "ci"}, link="https://x.example/r")
    feed = parse_feed(text)
    assert feed.findtext("a:updated", namespaces=NAMES) == "2026-05-01T00:00:00Z"
    assert feed.findtext("a:entry/a:id", namespaces=NAMES) == f"urn:uuid:{finding.finding_id}"
    lines = (feed.findtext("a:entry/a:content", namespaces=NAMES) or "").splitlines()
    assert {"suite: ci", "commit: bbbbbbb", "hardware: AMD EPYC 2c 24GiB", "why: why; floor 3 %"} <= set(lines)
    link = feed.find("a:entry/a:link", NAMES)
    assert link is not None
    assert link.attrib == {"href": "https://x.example/r", "rel": "alternate"}


def test_ids_stay_the_same_and_differ_between_feeds(make_finding: MakeFinding) -> None:
    finding = replace(make_finding(change=Change.SUSPECT), finding_id="no uuid")
    first, again, other = (
        parse_feed(render_feed([finding], title="t", identity=identity)) for identity in ("one", "one", "two")
    )
    ids = [[one.text for one in feed.iter(f"{{{ATOM}}}id")] for feed in (first, again, other)]
    assert ids[0] == ids[1]
    assert ids[0][0] != ids[2][0]
    assert ids[0][1] == ids[2][1]


def test_an_empty_feed_is_a_feed() -> None:
    feed = parse_feed(render_feed([], title=" ", identity="x", now=datetime(2026, 1, 2, tzinfo=UTC)))
    assert feed.findtext("a:updated", namespaces=NAMES) == "2026-01-02T00:00:00Z"
    assert feed.findtext("a:title", namespaces=NAMES) == "assay"
