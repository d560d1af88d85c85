"""The words and flags of ``assay report``, as what is asked of the report package."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.cli.flags import split_values
from assay.cli.output import StatusLine
from assay.core.errors import NotFoundError, UsageError, join_or, nearest_names

if TYPE_CHECKING:
    from assay.report.values import Report
    from assay.store import Store

_DEFAULT_KIND, _OF_SEVERAL, _OF_TARGETS = "run", "comparison", "targets"


def choose_kind(
    store: Store, words: list[str], *, by: str | None, against: str | None, has_targets: bool
) -> tuple[str, tuple[str, ...]]:
    """Tell the kind from the runs: the first word is a kind where it is called like one.

    Raises UsageError for a first word that is neither, with the nearest kinds.
    """
    from assay.report.base import report_kinds

    kinds = report_kinds.names()
    if words and words[0] in kinds:
        name, refs = words[0], words[1:]
    else:
        if words:
            _refuse_unknown(store, words[0], kinds)
        name = _OF_TARGETS if has_targets else _OF_SEVERAL if by or against or len(words) > 1 else _DEFAULT_KIND
        refs = words
    if not refs and report_kinds.get(name).runs[0] == 1:
        refs = ["last"]
    return name, tuple(refs)


def _refuse_unknown(store: Store, word: str, kinds: Sequence[str]) -> None:
    from assay.analysis.sides import find_named_run

    try:
        find_named_run(store, word)
    except NotFoundError as error:
        near = nearest_names(word, kinds)
        if not near:
            raise
        raise UsageError(
            f"{word!r} is no kind of report and no run.", hint=f"Did you mean {join_or(near)}? --list names every kind."
        ) from error


def where_of(
    *, tag: str | None, provenance: str | None, usable: bool, since: str | None, until: str | None, **texts: Any
) -> dict[str, Any]:
    """Return the fields of ``Store.results`` that flags narrow, each as it takes them. Raises UsageError for a time."""
    from assay.cli.trend import read_moment

    given: dict[str, Any] = {name: split_values(value) for name, value in texts.items() if value}
    given |= given_of({"tag": tag})
    given |= {"provenance": split_values([provenance])} if provenance else {}
    given |= {"usable": True} if usable else {}
    given |= {"since": read_moment("since", since)} if since else {}
    return given | ({"until": read_moment("until", until)} if until else {})


def given_of(values: Mapping[str, str | None]) -> dict[str, str]:
    """Return what was given."""
    return {name: value for name, value in values.items() if value is not None}


def read_options(values: Sequence[str] | None) -> dict[str, str]:
    """Read ``NAME=VALUE`` pairs. Raises UsageError for one without a value."""
    found = {}
    for text in values or ():
        name, equals, value = text.partition("=")
        if not equals:
            raise UsageError(f"--option got {text!r}; expected a name and its value, such as figures=3.")
        found[name.strip()] = value.strip()
    return found


def read_targets(written: Sequence[str] | None, file: Path | None) -> dict[str, str]:
    """The targets as the report takes them: a file is read here, since a report reads the store and nothing else."""
    if written and file is not None:
        raise UsageError("--target and --targets-file were both given; expected one of them.")
    if written:
        return {"targets": json.dumps(list(written))}
    if file is None:
        return {}
    from assay.catalog.targets import target_to_content
    from assay.runner.suite_model import load_suite

    targets = load_suite(file).targets
    if not targets:
        raise UsageError(f"{file} has no 'targets'.", hint="docs/targets.md shows how they are written.")
    return {"targets": json.dumps([target_to_content(one) for one in targets])}


def build(
    store: Store,
    name: str,
    refs: Sequence[str],
    *,
    where: Mapping[str, Any],
    metric: str | None,
    stat: str | None,
    options: Mapping[str, str],
    limit: int,
) -> Report:
    """Build the report that was asked for, with a line on a terminal meanwhile. Raises as ``build_report`` does."""
    from assay.report.base import ReportRequest
    from assay.report.build import build_report

    asked, _, named = (metric or "").partition(".")
    request = ReportRequest(
        run_ids=tuple(refs), where=where, metric=asked or None, stat=stat or named or None, options=options, limit=limit
    )
    with StatusLine(f"{name} report"):
        return build_report(store, name, request)
