"""What checks found as an Atom feed, newest first (RFC 4287), for readers and for bots that follow one.

May import: core, ci.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from xml.etree import ElementTree as ET

from assay import __version__
from assay.ci.lines import format_interval, format_line, format_reasons, short_hash
from assay.ci.text import clean_xml, flatten_text, link_target, without_surrogates
from assay.core.records import FindingRecord
from assay.core.words import Change

ATOM = "http://www.w3.org/2005/Atom"
NEWEST = 50
_QUIET = frozenset({Change.UNCHANGED, Change.NEW, Change.INCOMPARABLE, Change.INCONCLUSIVE})


def render_feed(
    findings: Sequence[FindingRecord],
    *,
    title: str,
    identity: str,
    suites: Mapping[str, str] | None = None,
    link: str | None = None,
    newest: int = NEWEST,
    everything: bool = False,
    now: datetime | None = None,
) -> str:
    """Return the newest findings as an Atom document.

    Only what regressed, failed, is missing, suspect or improved, and is not muted, unless ``everything``. ``identity``
    is hashed into the id of the feed and must not change over its life; ``suites`` names the suite of a run. ``link``
    is where the feed or a report is. ``now`` is the feed's date where it is empty. Raises ValueError for a link that
    is none.
    """
    told = [one for one in findings if everything or (one.change not in _QUIET and one.muted is None)]
    told = sorted(told, key=lambda one: (one.created_at, one.finding_id), reverse=True)[:newest]
    # ElementTree's own default_namespace refuses attributes without a namespace, which all of Atom's are.
    feed = ET.Element("feed", {"xmlns": ATOM})
    _add(feed, "id", _hashed_id(f"assay findings of {identity}"))
    _add(feed, "title", flatten_text(title, 200) or "assay")
    _add(feed, "updated", _moment(told[0].created_at if told else now or datetime.now(UTC)))
    _add(ET.SubElement(feed, "author"), "name", "assay")
    ET.SubElement(feed, "generator", {"version": __version__}).text = "assay"
    if link is not None:
        ET.SubElement(feed, "link", {"href": link_target(link), "rel": "alternate"})
    for one in told:
        _add_entry(feed, one, suite=(suites or {}).get(one.run_id), link=link)
    ET.indent(feed)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(feed, encoding="unicode")}\n'


def _add_entry(feed: ET.Element, finding: FindingRecord, *, suite: str | None, link: str | None) -> None:
    entry = ET.SubElement(feed, "entry")
    _add(entry, "id", _entry_id(finding.finding_id))
    _add(entry, "title", flatten_text(format_line(finding), 300))
    _add(entry, "updated", _moment(finding.created_at))
    _add(entry, "published", _moment(finding.created_at))
    ET.SubElement(entry, "category", {"term": str(finding.change)})
    if link is not None:
        ET.SubElement(entry, "link", {"href": link_target(link), "rel": "alternate"})
    facts = {
        "suite": suite, "run": finding.run_id, "against": finding.against, "hardware": finding.hardware,
        "commit": finding.git_commit and short_hash(finding.git_commit),
        "reference commit": finding.reference_git_commit and short_hash(finding.reference_git_commit),
        "interval": format_interval(finding), "environment break": finding.environment_break,
        "why": format_reasons(finding),
    }  # fmt: skip
    lines = [f"{name}: {flatten_text(text, 1000)}" for name, text in facts.items() if text]
    content = ET.SubElement(entry, "content", {"type": "text"})
    content.text = clean_xml("\n".join([flatten_text(format_line(finding), 1000), *lines]))


def _entry_id(finding_id: str) -> str:
    """Return the UUID that a finding has, or one made from an id that is none: an entry's id is an IRI."""
    try:
        return f"urn:uuid:{uuid.UUID(finding_id)}"
    except ValueError:
        return _hashed_id(f"assay finding {finding_id}")


def _hashed_id(name: str) -> str:
    return f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, without_surrogates(name))}"


def _add(parent: ET.Element, name: str, text: str) -> None:
    ET.SubElement(parent, name).text = clean_xml(text)


def _moment(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
