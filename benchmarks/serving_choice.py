"""Which set-up is chosen to serve a language model that nobody measured: LLM-Pilot's protocol, nested.

Prints for each model held out the width that was taken with what it was taken by, each width by itself, and the scores
beside the published methods, with how far they move when the models are drawn anew. Some ten minutes on one core.

Usage: python benchmarks/serving_choice.py FOLDER [--seed N] [--width W ...]   (FOLDER: llm_pilot as it was published)
"""

from __future__ import annotations

import argparse
from pathlib import Path

from assay.predict.base import Gathered
from assay.predict.serving.fit import fit_serving, list_examples
from assay.predict.serving.nested import DEMANDS, WIDTHS, choose_nested, learn_limits, names_of, score_left_out
from assay.predict.serving.pilot import PilotData, read_pilot
from assay.predict.serving.protocol import Choice
from assay.predict.serving.published import MethodScore, resample, score_method, score_published, tell_scores


def main() -> None:
    """Print every score."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--width", type=float, nargs="+", default=list(WIDTHS), help="what is chosen between")
    asked = parser.parse_args()
    data = read_pilot(asked.folder)
    found = choose_nested(data, DEMANDS, asked.seed, widths=asked.width)
    for name, inner in found.inner_so.items():
        shown = ", ".join(f"{width:g}: {score:.3f}" for width, score in inner.items())
        print(f"{name}: width {found.width[name]:g} by the mean S-O of the other models ({shown})")
    own = score_method("assay, nested", data, found.choices)
    for outcome in own.published.outcomes:
        spent = "fails" if outcome.overspend is None else f"{outcome.overspend:.0%} above the cheapest"
        print(f"{outcome.model}: {_tell(outcome.choice)}, {spent}")
    widths = [score_method(f"width {width:g}", data, choices) for width, choices in found.by_width.items()]
    _print([own, *score_published(data, asked.folder), *widths], data, asked.seed)
    _print_shipped(data, asked.width, asked.seed)


def _tell(choice: Choice | None) -> str:
    return "nothing" if choice is None else f"{choice.replicas} of {choice.setup}"


def _print(scores: list[MethodScore], data: PilotData, seed: int) -> None:
    spreads = resample(scores, names_of(data), seed)
    for line, spread in zip(tell_scores(scores), spreads, strict=True):
        low, high = spread.published
        print(f"{line}; nine in ten redraws of the models: {low:.2f} to {high:.2f}, "
              f"{spread.mean[0]:.2f} to {spread.mean[1]:.2f}")  # fmt: skip


def _print_shipped(data: PilotData, widths: list[float], seed: int) -> None:
    """What the shipped width was taken by: every model left out in turn, variances learned from all."""
    model = fit_serving(Gathered(tuple(list_examples(data, data.curves)), ()), seed)
    for width in widths:
        score = score_left_out(data, model, learn_limits(model, DEMANDS, width, seed), DEMANDS, seed)
        print(f"width {width:g}, all models left out in turn: mean S-O {score:.3f}")


if __name__ == "__main__":
    main()
