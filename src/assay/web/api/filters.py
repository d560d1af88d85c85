"""Which results are wanted, from the query of an address: the fields of ``Store.results``, each checked.

May import: core, store, web.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import Query
from pydantic import AwareDatetime, BeforeValidator, Field, StringConstraints

from assay.core.words import Fidelity, Mode, Status, Verdict
from assay.store.selection import Selection

LONGEST_TEXT = 16_384
"""Of a filter. Names may be long: what a source calls its model is kept as it is."""
_MOST_WORDS = 50
_MOST_INT = 2**63 - 1
_MOMENT = re.compile(
    r"(?P<day>(?P<year>\d{4})-\d\d-\d\d)[Tt ](?P<minute>\d\d:\d\d):(?P<second>\d\d)(?P<fraction>\.\d+)?"
    r"(?P<zone>[Zz]|[+-]\d\d:\d\d)",
    re.ASCII,
)
_EARLIEST, _LATEST = datetime(1900, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)


def _read_moment(text: object) -> datetime:
    """Read RFC 3339's form and no other: a bare number may mean seconds or milliseconds, and one without zone anything.

    What lies before or after everything is brought to ends that clocks and databases can hold.
    """
    found = _MOMENT.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        raise ValueError("expected a time with its zone, as 2026-11-22T10:00:00Z")
    year = int(found["year"])
    if not _EARLIEST.year < year < _LATEST.year:
        return _EARLIEST if year <= _EARLIEST.year else _LATEST
    second = min(int(found["second"]), 59)  # a leap second is the one before
    zone = found["zone"].upper().replace("Z", "+00:00")
    fraction = (found["fraction"] or "")[:7]
    return datetime.fromisoformat(f"{found['day']}T{found['minute']}:{second:02}{fraction}{zone}").astimezone(UTC)


# Each asterisk of a pattern multiplies the time that matching takes.
_Word = Annotated[str, StringConstraints(max_length=LONGEST_TEXT, pattern=r"^[^*]*(\*[^*]*){0,3}$")]
Words = list[_Word] | None
Moment = Annotated[AwareDatetime, BeforeValidator(_read_moment)]
Origin = Literal["measured", "imported", "predicted", "any"]
_SIZE = r"^[A-Za-z0-9_.-]{1,100}:[0-9]{1,15}$"
_OPTION = r"^[A-Za-z0-9_.-]{1,100}:.{0,1000}$"


def _words(description: str) -> Any:
    return Query(max_length=_MOST_WORDS, description=description)


async def result_filter(  # noqa: PLR0913  (a query has as many filters as a case has fields)
    *,
    workload: Annotated[Words, _words("Family and size; `*` stands for anything: `bert/*`.")] = None,
    family: Annotated[Words, _words("The part of the workload before the slash.")] = None,
    engine: Annotated[Words, _words("The software that executed.")] = None,
    device: Annotated[Words, _words("The device that was asked for.")] = None,
    hardware: Annotated[Words, _words("The class of hardware.")] = None,
    mode: Annotated[list[Mode] | None, Query(description="What kind of work was timed.")] = None,
    precision: Annotated[Words, _words("The precision that was asked for.")] = None,
    batch: Annotated[list[Annotated[int, Field(ge=0, le=_MOST_INT)]] | None, _words("Batch sizes.")] = None,
    shape: Annotated[
        list[Annotated[str, StringConstraints(pattern=_SIZE)]] | None,
        _words("Free dimensions, as `seq:128`; every one must fit."),
    ] = None,
    option: Annotated[
        list[Annotated[str, StringConstraints(pattern=_OPTION)]] | None,
        _words("Options of the case, as `threads:4`; every one must fit."),
    ] = None,
    status: Annotated[list[Status] | None, Query(description="How it ended.")] = None,
    verdict: Annotated[list[Verdict] | None, Query(description="Whether to believe it.")] = None,
    fidelity: Annotated[list[Fidelity] | None, Query(description="Whether its answers are right.")] = None,
    usable: Annotated[bool | None, Query(description="Whether aggregates may use its numbers.")] = None,
    provenance: Annotated[
        list[Origin] | None, Query(description="Where the numbers are from; `measured` where nothing is said.")
    ] = None,
    source: Annotated[Words, _words("Of imported results: the file or address.")] = None,
    run_id: Annotated[Words, _words("Ids of runs.")] = None,
    series_id: Annotated[Words, _words("Ids of series.")] = None,
    case_id: Annotated[Words, _words("Ids of cases.")] = None,
    import_id: Annotated[Words, _words("Ids of imports.")] = None,
    env_id: Annotated[Words, _words("Ids of environments.")] = None,
    suite: Annotated[Words, _words("Names of suites.")] = None,
    tag: Annotated[str | None, Query(max_length=LONGEST_TEXT, description="A tag of the run.")] = None,
    since: Annotated[Moment | None, Query(description="Measured then or later.")] = None,
    until: Annotated[Moment | None, Query(description="Measured before.")] = None,
    include_superseded: Annotated[
        bool, Query(description="Results of runs too that another run resumed, which has them as well.")
    ] = False,
) -> Selection:
    """Return what the query selects."""
    given: dict[str, Any] = {name: value for name, value in locals().items() if name not in {"shape", "option"}}
    for name in ("mode", "status", "verdict", "fidelity"):
        given[name] = None if given[name] is None else [word.value for word in given[name]]
    given["shape"] = {name: int(size) for name, size in map(_halves, shape)} if shape else None
    given["options"] = {name: _scalar(text) for name, text in map(_halves, option)} if option else None
    return Selection.of(given)


def _halves(text: str) -> tuple[str, str]:
    name, _, value = text.partition(":")
    return name, value


def _scalar(text: str) -> bool | float | str:
    """A value as the case has it: ``4`` is a number, ``true`` is one of two, anything else is a word."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return value if isinstance(value, (bool, int, float, str)) else text
