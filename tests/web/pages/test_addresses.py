"""Addresses keep the whole state of a page, survive any name, and say the same thing in one way."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.core.errors import UsageError
from assay.report.values import Ref, RefKind
from assay.web.links import encode_query, url_of
from assay.web.page import Pager
from assay.web.query import MOST_ROWS, Query
from assay.web.settings import ServeSettings

if TYPE_CHECKING:
    from starlette.testclient import TestClient

NAMES = st.text(min_size=1, max_size=60).filter(lambda name: name.encode("utf-8", "ignore").decode() == name)


@given(NAMES)
def test_any_name_survives_the_way_into_an_address_and_back(name: str) -> None:
    for kind, key in ((RefKind.DEVICE, "name"), (RefKind.WORKLOAD, "name"), (RefKind.IMPORT, "id")):
        address = url_of(Ref(kind, name), ServeSettings(root_path="/lab/"))
        parts = urlsplit(address)
        assert address.isascii()
        assert address.startswith("/lab/")
        assert not set(address) & set("<>\"' \n\r")
        assert Query.of(parts.query).exact(key) == name
    path = url_of(Ref(RefKind.RUN, name), ServeSettings())
    assert path.count("/") == 2
    assert "?" not in path


@given(st.dictionaries(st.sampled_from("abcq"), st.lists(NAMES, min_size=1, max_size=3).map(tuple), max_size=4))
def test_a_query_is_read_as_it_was_written(values: dict[str, tuple[str, ...]]) -> None:
    query = Query.of(encode_query(values))
    assert dict(query.values) == values
    assert Query.of(query.encoded()).values == query.values
    assert [name for name, _ in parse_qsl(query.encoded())] == sorted(
        name for name, several in values.items() for _ in several
    )


def test_changing_one_value_keeps_the_others_and_the_order() -> None:
    query = Query.of("suite=nightly&page=3&sort=-started")
    assert query.encoded(page=None, sort="suite") == "sort=suite&suite=nightly"
    assert query.encoded() == "page=3&sort=-started&suite=nightly"


@pytest.mark.parametrize(
    ("text", "name"),
    [("page=0", "page"), ("page=x", "page"), ("page=1e9", "page"), ("page=٣", "page"), ("page=99999999", "page")],
)
def test_a_number_that_is_none_is_told(text: str, name: str) -> None:
    with pytest.raises(UsageError, match=f"{name} is"):
        _ = Query.of(text).page


def test_values_have_limits() -> None:
    with pytest.raises(UsageError, match="at most 16384"):
        Query.of("q=" + "x" * 20_000)
    with pytest.raises(UsageError, match="more than 200"):
        Query.of("&".join("a=1" for _ in range(300)))
    assert Query.of("size=5000").size(most=200) == 200
    assert Query.of("size=5000").size(most=MOST_ROWS) == 5000
    assert Query.of("until=2026-11-22").end_of_day("until").isoformat() == "2026-11-23T00:00:00+00:00"  # type: ignore[union-attr]
    with pytest.raises(UsageError, match="the last day"):
        Query.of("until=9999-12-31").end_of_day("until")


@pytest.mark.parametrize(
    ("page", "total", "expected"),
    [(1, 0, (1,)), (1, 101, (1, 2, 3)), (5, 1000, (1, None, 4, 5, 6, None, 20)), (20, 1000, (1, None, 19, 20))],
)
def test_a_pager_links_to_its_ends_and_around(page: int, total: int, expected: tuple[int | None, ...]) -> None:
    assert Pager(page, 50, total, "rows").near == expected


def test_what_a_form_leaves_empty_is_not_in_the_address_that_stays(measured: TestClient) -> None:
    answer = measured.get("/runs?q=&suite=nightly&status=&sort=", follow_redirects=False)
    assert answer.status_code == 303
    assert answer.headers["location"] == "/runs?suite=nightly"


def test_a_page_beyond_the_last_is_the_last(measured: TestClient) -> None:
    assert measured.get("/results?page=900").status_code == 200


def test_ticked_runs_become_a_comparison_with_the_earlier_one_as_baseline(measured: TestClient, facts: object) -> None:
    newer, older = facts.run_id, facts.other_run_id  # type: ignore[attr-defined]
    answer = measured.get(f"/compare/choose?run={newer}&run={older}", follow_redirects=False)
    assert answer.status_code == 303
    assert answer.headers["location"] == f"/compare?a={older}&b={newer}"
