"""``assay ci ...``: what the last check said, in the forms that continuous integration reads.

Nothing here judges anything: the verdicts are the check's. ``github`` and ``gitlab`` end with the check's own exit
code; the others end with 0 where they did what they were asked to, so that none of them stops the next.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from assay.ci.words import BadgeForm, Host, When
from assay.cli.output import StoreOption, open_for_reading, print_json
from assay.core.errors import UsageError

if TYPE_CHECKING:
    from assay.analysis.values import CheckReport
    from assay.ci.github import GithubJob
    from assay.ci.publish import Outcome
    from assay.ci.values import CheckContext

EXIT_NOT_POSTED = 2

app = typer.Typer(
    help="What a check said, for CI: comment, summary, JUnit, annotations, badge, feed, notifications.",
    no_args_is_help=True,
)

CheckArgument = Annotated[
    str, typer.Argument(metavar="CHECK", help="A check, a run that was checked, last or last~N.", show_default=False)
]
LinkOption = Annotated[
    str | None, typer.Option("--link", metavar="URL", help="Address of a full report, shown beside the check.")
]
OutputOption = Annotated[
    Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write to this file.", show_default=False)
]
PrintOption = Annotated[bool, typer.Option("--print", help="Print what would be written or sent; send nothing.")]
StrictOption = Annotated[bool, typer.Option("--strict", help="Suspect and inconclusive count, as for assay check.")]
JunitOption = Annotated[Path | None, typer.Option("--junit", metavar="FILE", help="Also write JUnit XML here.")]
BadgeOption = Annotated[Path | None, typer.Option("--badge", metavar="FILE", help="Also write the SVG badge here.")]
CommentOption = Annotated[bool, typer.Option("--comment/--no-comment", help="Whether to comment on the change.")]
PullRequestOption = Annotated[
    int | None, typer.Option("--pull-request", metavar="N", min=1, help="Its number, where the job does not know it.")
]


# -- texts -----------------------------------------------------------------------------------------------------


@app.command()
def summary(
    check: CheckArgument = "last",
    store: StoreOption = None,
    link: LinkOption = None,
    output: OutputOption = None,
    dry_run: PrintOption = False,
) -> None:
    """Write the check as Markdown: appended to a GitHub step's summary where there is one, else printed."""
    from assay.ci.github import SUMMARY_LIMIT_BYTES, append_summary
    from assay.ci.markdown import render_check

    job = _github_job()
    report, context = _read(store, check, link or job.run_url, job.commit_url)
    if job.summary_path is not None and output is None and not dry_run:
        if not append_summary(job.summary_path, report, context):
            typer.echo("The step's summary is full already; nothing was added.", err=True)
        return
    _put(render_check(report, context, limit_bytes=SUMMARY_LIMIT_BYTES), output)


@app.command()
def junit(
    check: CheckArgument = "last", store: StoreOption = None, strict: StrictOption = False, output: OutputOption = None
) -> None:
    """Write the check as JUnit XML: a test case a series."""
    from assay.ci.junit import render_junit

    _put(render_junit(_read_report(store, check), strict=strict), output)


@app.command("annotations")
def annotate(
    check: CheckArgument = "last", store: StoreOption = None, strict: StrictOption = False, output: OutputOption = None
) -> None:
    """Print GitHub's workflow commands: errors and warnings that are shown on the page of the job."""
    from assay.ci.github import render_annotations

    _put(render_annotations(_read_report(store, check), strict=strict), output)


@app.command()
def badge(
    check: CheckArgument = "last",
    store: StoreOption = None,
    form: Annotated[BadgeForm, typer.Option("--form", help="A picture, or JSON for shields.io.")] = BadgeForm.SVG,
    label: Annotated[str, typer.Option("--label", help="The left half.")] = "perf",
    output: OutputOption = None,
) -> None:
    """Draw a badge: no change, 2 regressed, 1 suspect."""
    from assay.ci.badge import render_shields, render_svg

    render = render_svg if form is BadgeForm.SVG else render_shields
    _put(render(_read_report(store, check), label=label), output)


@app.command()
def openmetrics(check: CheckArgument = "last", store: StoreOption = None, output: OutputOption = None) -> None:
    """Write the numbers of the check as OpenMetrics text, for GitLab's metrics reports and Prometheus."""
    from assay.ci.openmetrics import render_openmetrics

    _put(render_openmetrics(_read_report(store, check)), output)


@app.command()
def feed(
    check: Annotated[
        str | None, typer.Argument(metavar="CHECK", help="Only this check. Default: all.", show_default=False)
    ] = None,
    store: StoreOption = None,
    title: Annotated[str, typer.Option("--title", help="Title of the feed.")] = "assay: what checks found",
    link: LinkOption = None,
    newest: Annotated[int, typer.Option("--newest", min=1, help="At most so many entries.")] = 50,
    everything: Annotated[bool, typer.Option("--all", help="Also what did not change, and what is muted.")] = False,
    output: OutputOption = None,
) -> None:
    """Write what checks found as an Atom feed, newest first."""
    from assay.ci.feed import render_feed
    from assay.ci.stored import read_feed_findings

    opened = open_for_reading(store)
    findings, suites = read_feed_findings(opened, check)
    address = _check_link(link)
    text = render_feed(
        findings, title=title, identity=address or opened.location, suites=suites, link=address, newest=newest,
        everything=everything,
    )  # fmt: skip
    _put(text, output)


# -- sending ---------------------------------------------------------------------------------------------------


@app.command()
def comment(
    check: CheckArgument = "last",
    store: StoreOption = None,
    on: Annotated[
        Host | None, typer.Option("--on", help="Where. Default: where this job runs.", show_default=False)
    ] = None,
    pull_request: PullRequestOption = None,
    body: Annotated[
        Path | None, typer.Option("--body", metavar="FILE", help="Post this file, which --output wrote elsewhere.")
    ] = None,
    link: LinkOption = None,
    output: OutputOption = None,
    dry_run: PrintOption = False,
) -> None:
    """Comment on the pull or merge request, in place of the comment of the last check of this suite."""
    from dataclasses import replace

    from assay.ci.github import append_summary
    from assay.ci.gitlab import read_gitlab_job
    from assay.ci.markdown import comment_marker, render_check
    from assay.ci.publish import comment_on_github, comment_on_gitlab

    host = on or (Host.GITLAB if os.environ.get("GITLAB_CI") else Host.GITHUB)
    github, gitlab = _github_job(), read_gitlab_job(os.environ)
    if pull_request is not None:
        github = replace(github, pull_request=pull_request)
        gitlab = replace(gitlab, merge_request=pull_request)
    page, commits = (github.run_url, github.commit_url) if host is Host.GITHUB else (gitlab.job_url, gitlab.commit_url)
    report, context = (None, None) if body is not None else _read(store, check, link or page, commits)
    text = _read_body(body) if report is None or context is None else render_check(report, context)
    if dry_run or output is not None:
        _put(text, output)
        return
    marker = text.partition("\n")[0] if report is None else comment_marker(report.suite)
    if host is Host.GITLAB:
        _say(comment_on_gitlab(gitlab, text, marker))
        return
    outcome = comment_on_github(github, text, marker)
    if outcome.posted is None and github.summary_path is not None and report is not None and context is not None:
        append_summary(github.summary_path, report, context, note=outcome.text)
    _say(outcome)


@app.command()
def notify(
    check: CheckArgument = "last",
    store: StoreOption = None,
    when: Annotated[When, typer.Option("--when", help="On an alarm, on a change to the better too, or always.")] = (
        When.ALARM
    ),
    webhook: Annotated[
        str | None,
        typer.Option("--webhook", envvar="ASSAY_WEBHOOK", metavar="URL", help="Gets assay's own JSON."),
    ] = None,
    slack: Annotated[
        str | None, typer.Option("--slack", envvar="ASSAY_SLACK", metavar="URL", help="Gets a message as Slack reads.")
    ] = None,
    link: LinkOption = None,
    strict: StrictOption = False,
    dry_run: PrintOption = False,
) -> None:
    """Tell a webhook or a Slack channel, by default only of alarms. Addresses are better given as ASSAY_WEBHOOK."""
    from assay.ci.notify import is_wanted, make_payload, make_slack_payload, send

    report, context = _read(store, check, link, None)
    payload, message = make_payload(report, context, strict=strict), make_slack_payload(report, context)
    if dry_run:
        print_json({"webhook": payload, "slack": message})
        return
    if webhook is None and slack is None:
        raise UsageError(
            "There is nobody to tell.", hint="Give --webhook or --slack, or set ASSAY_WEBHOOK or ASSAY_SLACK."
        )
    if not is_wanted(report, when):
        typer.echo(f"Nobody was told: there is no {when.value}.", err=True)
        return
    if webhook is not None:
        send(webhook, payload, what="the webhook")
    if slack is not None:
        send(slack, message, what="the Slack webhook")
    typer.echo("Told.", err=True)


@app.command()
def github(
    check: CheckArgument = "last",
    store: StoreOption = None,
    strict: StrictOption = False,
    link: LinkOption = None,
    with_comment: CommentOption = True,
    pull_request: PullRequestOption = None,
    junit_file: JunitOption = None,
    badge_file: BadgeOption = None,
) -> None:
    """Do all of it in GitHub Actions: comment, summary, outputs, annotations. Ends with the check's exit code."""
    from dataclasses import replace

    from assay.ci.github import render_annotations
    from assay.ci.publish import publish_on_github

    job = _github_job()
    if pull_request is not None:
        job = replace(job, pull_request=pull_request)
    report, context = _read(store, check, link or job.run_url, job.commit_url)
    _write_files(report, junit_file, badge_file, strict=strict)
    outcome = publish_on_github(job, report, context, strict=strict, with_comment=with_comment)
    sys.stdout.write(render_annotations(report, strict=strict))
    _end(report, outcome, strict=strict)


@app.command()
def gitlab(
    check: CheckArgument = "last",
    store: StoreOption = None,
    strict: StrictOption = False,
    link: LinkOption = None,
    with_comment: CommentOption = True,
    junit_file: JunitOption = None,
    badge_file: BadgeOption = None,
    metrics_file: Annotated[
        Path | None, typer.Option("--metrics", metavar="FILE", help="Also write OpenMetrics text here.")
    ] = None,
) -> None:
    """Do all of it in GitLab CI: note on the merge request, files for its reports. Ends with the check's exit code."""
    from assay.ci.gitlab import read_gitlab_job
    from assay.ci.markdown import comment_marker, render_check
    from assay.ci.openmetrics import render_openmetrics
    from assay.ci.publish import Outcome, comment_on_gitlab

    job = read_gitlab_job(os.environ)
    report, context = _read(store, check, link or job.job_url, job.commit_url)
    _write_files(report, junit_file, badge_file, strict=strict)
    if metrics_file is not None:
        _put(render_openmetrics(report), metrics_file)
    outcome = Outcome()
    if with_comment:
        outcome = comment_on_gitlab(job, render_check(report, context), comment_marker(report.suite))
    _end(report, outcome, strict=strict)


# -- common ----------------------------------------------------------------------------------------------------


def _github_job() -> GithubJob:
    from assay.ci.github import read_github_job

    return read_github_job(os.environ)


def _read_report(store: str | None, check: str) -> CheckReport:
    from assay.ci.stored import read_report

    return read_report(open_for_reading(store), check)


def _read(store: str | None, check: str, link: str | None, commit_url: str | None) -> tuple[CheckReport, CheckContext]:
    from assay.ci.stored import read_context, read_report

    opened = open_for_reading(store)
    report = read_report(opened, check)
    return report, read_context(opened, report, link=_check_link(link), commit_url=commit_url)


def _check_link(link: str | None) -> str | None:
    from assay.ci.text import link_target

    try:
        return None if link is None else link_target(link)
    except ValueError as error:
        raise UsageError(f"--link: {error}") from error


def _read_body(path: Path | None) -> str:
    """Read a comment that another job made: it may be anybody's, so it must be one of ours by its form and length."""
    from assay.ci.markdown import COMMENT_LIMIT_BYTES, is_marker

    try:
        content = b"" if path is None else path.read_bytes()[: COMMENT_LIMIT_BYTES + 1]
    except OSError as error:
        raise UsageError(f"--body: {path} cannot be read: {error.strerror}.") from error
    text = content.decode("utf-8", "replace")
    if len(content) > COMMENT_LIMIT_BYTES or not is_marker(text.partition("\n")[0]):
        raise UsageError(
            f"--body: {path} is no comment of assay's.", hint="Expected what `assay ci comment --output FILE` wrote."
        )
    return text


def _put(text: str, output: Path | None) -> None:
    if output is None:
        sys.stdout.write(text)
        return
    try:
        output.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise UsageError(f"{output} cannot be written: {error.strerror}.") from error


def _write_files(report: CheckReport, junit_file: Path | None, badge_file: Path | None, *, strict: bool) -> None:
    from assay.ci.badge import render_svg
    from assay.ci.junit import render_junit

    if junit_file is not None:
        _put(render_junit(report, strict=strict), junit_file)
    if badge_file is not None:
        _put(render_svg(report), badge_file)


def _say(outcome: Outcome) -> None:
    typer.echo(outcome.text, err=True)
    if outcome.failure is not None:
        raise typer.Exit(EXIT_NOT_POSTED)


def _end(report: CheckReport, outcome: Outcome, *, strict: bool) -> None:
    """End with the check's exit code; where that is 0, a comment that could not be made is a fault of its own."""
    from assay.analysis.values import exit_code

    typer.echo(outcome.text, err=True)
    code = exit_code(report, strict=strict)
    raise typer.Exit(code or (EXIT_NOT_POSTED if outcome.failure is not None else 0))
