"""The priors that ship with assay: which published data they may be learned from, and their card.

A prior is a predictor like any other, in a file like any other; it answers until a version of one's own is promoted.
Only data whose licence allows it is shown to the kinds: folders without one are never in their reach. May import:
core, predict.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from assay.core.errors import AssayError
from assay.predict.base import ExampleSource, Gathered, PredictorKind
from assay.predict.model_file import SUFFIX, ModelRecord, read_content, read_model, save_bytes, write_model
from assay.predict.models import prior_folder
from assay.predict.scores import SplitOutcome
from assay.predict.train import choose_kinds, learn, validate_kind

PERMITTED = (
    "aiconfigurator", "llm_pilot", "mlperf_inference", "mlperf_official", "mlperf_training", "neusight", "timm_bench",
    "vidur_profiling", "zeus_power",
)  # fmt: skip
"""Folders of published data that come with a licence to learn from and pass on what was learned."""
MOST_BYTES = 2_000_000
"""All priors together: an install stays small."""
_LEVEL = 0.9
_WRONG_BY = 0.3
"""Mean error of a held-out group from which the card warns of it."""


@dataclass(frozen=True, slots=True)
class PriorMade:
    """What came of one kind: its file and size, or ``reason`` why there is none."""

    kind: str
    path: Path | None = None
    size_bytes: int = 0
    outcomes: tuple[SplitOutcome, ...] = ()
    reason: str | None = None


def permitted_source(folders: Sequence[Path]) -> ExampleSource:
    """Return a source that reaches the permitted folders below ``folders`` alone. Raises AssayError for none."""
    found = []
    for folder in folders:
        candidates = [folder] if folder.name in PERMITTED else [folder / name for name in PERMITTED]
        found += [one for one in candidates if one.is_dir()]
    if not found:
        raise AssayError(
            f"No permitted folder is in {', '.join(str(one) for one in folders) or 'nothing'}.",
            hint=f"Expected one of {', '.join(PERMITTED)}.",
        )
    return ExampleSource(None, tuple(found))


def make_priors(
    kinds: Sequence[str],
    source: ExampleSource,
    folder: Path,
    *,
    splits: Sequence[str] | None = None,
    seed: int = 0,
    listener: Callable[[str], None] = lambda _text: None,
) -> Iterator[PriorMade]:
    """Learn every kind that published data is enough for, and write it into ``folder``.

    ``splits`` None validates on all of each kind, which the card then shows. Raises UnknownNameError.
    """
    for kind in choose_kinds(kinds):
        listener(f"{kind.name}: reading")
        try:
            made = _make(kind, source, folder, splits, seed, listener)
        except ImportError as error:
            made = PriorMade(kind.name, reason=f"{error} ({kind.install_hint})")
        except AssayError as error:
            made = PriorMade(kind.name, reason=str(error))
        yield made


def why_not_permitted(gathered: Gathered) -> str | None:
    """Return why nothing may ship that was learned from this, None where it may: every use names its licence."""
    bare = [use.name for use in gathered.uses if not use.licence]
    return f"no licence is known of {', '.join(bare)}" if bare else None


def read_priors(folder: Path | None = None) -> list[ModelRecord]:
    """Return every prior, by kind. Raises AssayError for a damaged one."""
    return [read_model(path) for path in sorted((folder or prior_folder()).glob(f"*{SUFFIX}"))]


def write_card(records: Sequence[ModelRecord]) -> str:
    """Return the card of the priors in Markdown: all of it is from their manifests."""
    lines = [
        "# What ships with assay to predict with",
        "",
        "Generated from the manifests of the shipped files by `tools/make_prior.py`; edit nothing here. Every figure",
        "is of what was held out when the prior was made. A version learned from your own results takes its place",
        "once it is promoted (`assay predict train`).",
        "",
        "Intended use: a first guess, with an interval, of what nobody measured. Not for: comparing products, claims",
        "about a maker, or any number that somebody could have measured. Predictions are never shown as measurements.",
        "",
        "Everything is learned anew without what is held out. Features, settings and which rows a split is about were",
        "chosen while looking at some of these splits, with one seed, so their figures are a little optimistic",
        "([graphs](predict-learner.md), [systems and power](predict-system.md)).",
        "",
    ]
    if not records:
        lines += ["No prior ships with this version.", ""]
    for record in records:
        lines += _card_of(record)
    return "\n".join(lines)


def _make(
    kind: PredictorKind, source: ExampleSource, folder: Path, splits: Sequence[str] | None, seed: int,
    listener: Callable[[str], None],
) -> PriorMade:  # fmt: skip
    gathered = kind.gather(source)
    if len(gathered.examples) < kind.fewest:
        return PriorMade(kind.name, reason=f"{len(gathered.examples)} published examples, and it takes {kind.fewest}")
    if (why := why_not_permitted(gathered)) is not None:
        return PriorMade(kind.name, reason=why)
    mine = None if splits is None else [name for name in splits if name in kind.splits]
    outcomes = tuple(validate_kind(kind, gathered, mine, seed=seed, listener=listener))
    record = learn(kind, gathered, outcomes, source, seed=seed, listener=listener)
    content, _ = write_model(record)
    path = folder / f"{kind.name}{SUFFIX}"
    kind.load(read_content(content, path.name).payload)
    save_bytes(content, path)
    return PriorMade(kind.name, path, len(content), outcomes)


def _card_of(record: ModelRecord) -> Iterator[str]:
    yield from (
        f"## {record.kind} {record.version}", "",
        f"Made {record.made_at:%Y-%m-%d} by assay {record.assay_version}, seed {record.seed}.", "",
        "| learned from | rows | licence | sha256 |", "|---|---|---|---|",
    )  # fmt: skip
    for use in record.uses:
        yield f"| {_cell(use.name)} | {use.rows} | {_cell(use.licence or 'none known')} | `{use.sha256[:12]}` |"
    yield ""
    if not record.outcomes:
        yield from ("Held against nothing.", "")
        return
    yield from (
        "| held out | rows | mean error (median) | naive baselines | 90 % interval held | hi / lo | goal |",
        "|---|---|---|---|---|---|---|",
    )
    for one in record.outcomes:
        yield _row_of(one)
    yield ""
    for one in record.outcomes:
        if one.beaten_by:
            yield f"- It does not answer for {one.question} (split {one.split}): {', '.join(one.beaten_by)} did better."
        bad = [group for group in one.worst_groups if group.score.mean_error > _WRONG_BY]
        if bad:
            said = ", ".join(f"{group.group} {group.score.mean_error:.0%}" for group in bad[:8])
            yield f"- Not to be trusted (split {one.split}): {said}."
    for note in record.notes[:10]:
        yield f"- {note}"
    yield ""


def _row_of(one: SplitOutcome) -> str:
    own = one.own
    naive = "; ".join(
        f"{name} {score.mean_error:.1%} ({score.median_error:.1%})"
        for name, score in one.methods.items()
        if name != "assay"
    )
    held = f"{own.coverage[_LEVEL]:.1%}" if _LEVEL in own.coverage else "none"
    width = f"{own.width[_LEVEL]:.2f}" if _LEVEL in own.width else "none"
    goal = "" if one.goal is None else f"{one.goal:.1%}"
    cells = (
        f"{one.split}: {one.question}", str(own.n), f"{own.mean_error:.1%} ({own.median_error:.1%})", naive, held,
        width, goal,
    )  # fmt: skip
    return f"| {' | '.join(_cell(cell) for cell in cells)} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
