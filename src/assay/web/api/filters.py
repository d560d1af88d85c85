"""Which results are wanted, from the query of an address: the fields of ``Store.results``, each checked.

May import: core, store, web.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import Query
from pydantic import AfterValidator, AwareDatetime, Field, StringConstraints

from assay.core.words import Fidelity, Mode, Status, Verdict
from assay.store.selection import Selection

LONGEST_TEXT = 16_384
"""Of a filter. Names may be long: what a source calls its model is kept as it is."""
_MOST_WORDS = 50
_MOST_INT = 2**63 - 1
_EARLIEST, _LATEST = datetime(1900, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)


def _clamp(moment: datetime) -> datetime:
    """No result is older or newer; beyond it lie the ends of what clocks and databases can hold."""
    if moment.year <= _EARLIEST.year:
        return _EARLIEST
    return _LATEST if moment.year >= _LATEST.year else moment.astimezone(UTC)


# Each asterisk of a pattern multiplies the time that matching takes.
_Word = Annotated[str, StringConstraints(max_length=LONGEST_TEXT, pattern=r"^[^*]*(\*[^*]*){0,3}$")]
Words = list[_Word] | None
Moment = Annotated[AwareDatetime, AfterValidator(_clamp)]
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
