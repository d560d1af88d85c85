"""``assay annotate | accept | mute | annotations | retract``: what people say of findings, and taking it back."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from assay.cli.compare_sides import complete_metric
from assay.cli.output import (
    CsvOption,
    Form,
    JsonOption,
    StoreOption,
    choose_form,
    format_age,
    new_table,
    open_for_reading,
    print_csv,
    print_json,
    print_table,
    short_id,
)
from assay.cli.subjects import Subject, complete_subject, find_author, find_subject
from assay.core.errors import NotFoundError, UsageError

if TYPE_CHECKING:
    from assay.core.records import AnnotationRecord
    from assay.store import Store

COLUMNS = (
    "annotation_id", "kind", "subject_kind", "subject_id", "metric", "text", "author", "created_at", "expires_at",
    "retracts", "holds",
)  # fmt: skip
_SHORTEST_ID = 4
SubjectArgument = Annotated[
    str,
    typer.Argument(
        metavar="SUBJECT",
        help="A number of the last check, a run (last), a result or series id, or a case.",
        autocompletion=complete_subject,
    ),
]
MetricOption = Annotated[
    str | None,
    typer.Option(
        "--metric", help="Only of this metric. Default: all, or the finding's.", autocompletion=complete_metric
    ),
]
AuthorOption = Annotated[
    str | None, typer.Option("--author", help="Who says it. Default: git's user.name.", show_default=False)
]


def annotate(
    subject: SubjectArgument,
    text: Annotated[str, typer.Argument(help="What is to be known of it.")],
    store: StoreOption = None,
    split: Annotated[
        bool, typer.Option("--split", help="Here something else begins: histories and trends start anew.")
    ] = False,
    metric: MetricOption = None,
    author: AuthorOption = None,
) -> None:
    """Note something of a run, a result or a series."""
    opened = open_for_reading(store)
    _say(opened, "split" if split else "note", find_subject(opened, subject), text, metric, author)


def accept(
    subject: SubjectArgument,
    reason: Annotated[str, typer.Argument(help="Why it is as it should be.")],
    store: StoreOption = None,
    metric: MetricOption = None,
    author: AuthorOption = None,
) -> None:
    """Say that this level is the new normal: histories begin here. Of a run, also which cases it has.

    For example:

      assay accept 1 "twice the layers since this commit"

      assay accept last "the vision cases moved to another suite"
    """
    opened = open_for_reading(store)
    found = find_subject(opened, subject)
    if found.finding is not None and found.finding.result_id is None:
        raise UsageError(
            f"{found.label} is missing, so it has no level to accept.",
            hint=f"Accept the run (assay accept {short_id(found.finding.run_id)} REASON), or mute the series.",
        )
    _say(opened, "accept", found, reason, metric, author)


def mute(
    subject: SubjectArgument,
    reason: Annotated[str, typer.Argument(help="Why nobody is to be told.")],
    store: StoreOption = None,
    duration: Annotated[
        str | None, typer.Option("--for", metavar="AGE", help="How long: 14d. Default: until taken back.")
    ] = None,
    metric: MetricOption = None,
    author: AuthorOption = None,
) -> None:
    """Keep findings in the report, marked, and out of the exit code and notifications.

    For example:

      assay mute 2 "known, waits for the next driver" --for 14d
    """
    from assay.cli.flags import read_duration

    expires = None if duration is None else datetime.now(UTC) + timedelta(seconds=read_duration("for", duration))
    opened = open_for_reading(store)
    found = find_subject(opened, subject)
    if found.finding is not None:  # the finding of one run is past; what is muted is the series
        found = Subject("series", found.finding.series_id, found.label, found.finding)
    _say(opened, "mute", found, reason, metric, author, expires)


def list_annotations(
    subject: Annotated[
        str | None,
        typer.Argument(
            metavar="SUBJECT", help="Only of this one.", autocompletion=complete_subject, show_default=False
        ),
    ] = None,
    store: StoreOption = None,
    everything: Annotated[bool, typer.Option("--all", help="Also what was taken back or has ended.")] = False,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """List what people said, newest first."""
    form = choose_form(as_json=as_json, as_csv=as_csv)
    opened = open_for_reading(store)
    subject_id = None if subject is None else find_subject(opened, subject).subject_id
    holding = {one.annotation_id for one in opened.annotations()}
    said = [
        one
        for one in reversed(opened.annotations(subject_id=subject_id, include_ended=True))
        if everything or one.annotation_id in holding
    ]
    rows: list[dict[str, Any]] = [asdict(one) | {"holds": one.annotation_id in holding} for one in said]
    if form is Form.JSON:
        print_json([{name: row[name] for name in COLUMNS} for row in rows])
    elif form is Form.CSV:
        print_csv(rows, COLUMNS)
    elif not said:
        typer.echo("Nobody has said anything yet. `assay accept`, `assay mute` and `assay annotate` do.")
    else:
        _print(opened, said, holding)


def retract(
    annotation: Annotated[str, typer.Argument(metavar="ANNOTATION", help="Its id or the end of it, or last.")],
    reason: Annotated[str, typer.Argument(help="Why.")] = "taken back",
    store: StoreOption = None,
    author: AuthorOption = None,
) -> None:
    """Take back what was said; both rows stay. This is how something is unmuted."""
    from assay.store.annotations import retract as take_back

    opened = open_for_reading(store)
    found = _find_annotation(opened, annotation)
    take_back(opened.location, found.annotation_id, text=reason, author=author or find_author())
    typer.echo(f"taken back: {found.kind} of {found.subject_kind} {found.subject_id}: {found.text}")


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command("annotate")(annotate)
    app.command("accept")(accept)
    app.command("mute")(mute)
    app.command("annotations")(list_annotations)
    app.command("retract")(retract)


def _say(
    store: Store,
    kind: str,
    subject: Subject,
    text: str,
    metric: str | None,
    author: str | None,
    expires_at: datetime | None = None,
) -> None:
    from assay.catalog.metrics import metrics
    from assay.store.annotations import annotate as keep

    if metric is not None:
        metrics.get(metric)
    elif subject.finding is not None and kind != "note":
        metric = subject.finding.metric
    record = keep(
        store.location, kind=kind, subject_kind=subject.kind, subject_id=subject.subject_id, text=text,
        author=author or find_author(), metric=metric, expires_at=expires_at,
    )  # fmt: skip
    about = f" of {record.metric}" if record.metric else ""
    until = "" if record.expires_at is None else f" until {record.expires_at:%Y-%m-%d %H:%M} UTC"
    words = {"note": "noted", "accept": "accepted", "mute": "muted", "split": "split"}
    typer.echo(
        f"{words[kind]}{about}: {subject.label} ({subject.kind} {subject.subject_id}){until}, by {record.author}"
    )
    typer.echo(f"take it back with: assay retract {short_id(record.annotation_id)}")


def _find_annotation(store: Store, text: str) -> AnnotationRecord:
    said = store.annotations()
    wanted = text.strip().lower()
    if wanted == "last" and said:
        return said[-1]
    hits = [one for one in said if len(wanted) >= _SHORTEST_ID and one.annotation_id.endswith(wanted)]
    if len(hits) == 1:
        return hits[0]
    if hits:
        raise UsageError(f"{text!r} fits {len(hits)} annotations.", hint="Give more characters of the id.")
    raise NotFoundError(f"There is no annotation {text!r} that holds.", hint="`assay annotations` lists them.")


def _print(store: Store, said: list[AnnotationRecord], holding: set[str]) -> None:
    from assay.cli.subjects import read_labels

    labels = read_labels(store, [one.subject_id for one in said])
    table = new_table()
    for header in ("id", "when", "kind", "of", "metric", "text", "by", "until"):
        table.add_column(header, overflow="fold")
    for one in said:
        ended = "" if one.annotation_id in holding else " (ended)"
        until = "" if one.expires_at is None else f"{one.expires_at:%Y-%m-%d}"
        name = labels.get(one.subject_id, short_id(one.subject_id))
        table.add_row(
            short_id(one.annotation_id), format_age(one.created_at), f"{one.kind}{ended}",
            f"{one.subject_kind} {name}", one.metric or "all", one.text, one.author, until,
        )  # fmt: skip
    print_table(table)
