"""``assay predict scores``: how good stored predictions were, by what was measured later."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from assay.cli.output import (
    CsvOption,
    Form,
    JsonOption,
    StoreOption,
    choose_form,
    make_console,
    new_table,
    open_for_reading,
    print_csv,
    print_json,
    print_table,
)

if TYPE_CHECKING:
    import typer

    from assay.predict.drift import PairScore

_COLUMNS = ("by", "when", "n", "mean_error", "median_error", "within_10", "within_20", "coverage_90", "width_90")
_LEVEL = 0.9


def register(parent: typer.Typer) -> None:
    """Add the command."""
    parent.command("scores")(scores)


def scores(store: StoreOption = None, as_json: JsonOption = False, as_csv: CsvOption = False) -> None:
    """Hold stored predictions against what was measured later of the same case, by version and month.

    Says which predictors have drifted, and where enough is new to learn from. Each pair: assay report predictions.
    """
    from assay.predict.base import predictors
    from assay.predict.drift import judge_need, read_pairs, score_over_time
    from assay.predict.models import shelf_of

    form = choose_form(as_json=as_json, as_csv=as_csv)
    opened = open_for_reading(store)
    pairs = read_pairs(opened)
    found = score_over_time(pairs)
    rows = [_row(one) for one in found]
    if form is Form.CSV:
        print_csv(rows, _COLUMNS)
        return
    shelf = shelf_of(opened.location)
    needs = [judge_need(name, opened, shelf, pairs) for name in predictors.names()]
    if form is Form.JSON:
        print_json({"scores": rows, "needs": [asdict(one) for one in needs]})
        return
    console = make_console()
    if rows:
        table = new_table()
        for name in ("predictor", "measured in"):
            table.add_column(name)
        for name in ("pairs", "mean error", "median", "≤ 10 %", "≤ 20 %", "90 % held", "hi / lo"):
            table.add_column(name, justify="right")
        for row in rows:
            table.add_row(row["by"], row["when"], str(row["n"]), *_shares(row))
        print_table(table)
    else:
        console.print("No stored prediction was measured later. Keep some: assay predict ... --save; then assay run")
    for one in needs:
        for reason in one.reasons:
            console.print(f"{one.kind}: {reason}; learn it anew: assay predict train --kind {one.kind}", soft_wrap=True)


def _row(one: PairScore) -> dict[str, Any]:
    score = one.score
    return {
        "by": one.by, "when": one.when, "n": score.n, "mean_error": score.mean_error,
        "median_error": score.median_error, "within_10": score.within_10, "within_20": score.within_20,
        "coverage_90": score.coverage.get(_LEVEL), "width_90": score.width.get(_LEVEL),
    }  # fmt: skip


def _shares(row: dict[str, Any]) -> list[str]:
    parts = [
        f"{row['mean_error']:.1%}",
        f"{row['median_error']:.1%}",
        f"{row['within_10']:.0%}",
        f"{row['within_20']:.0%}",
    ]
    held, width = row["coverage_90"], row["width_90"]
    return [*parts, "–" if held is None else f"{held:.0%}", "–" if width is None else f"{width:.2f}"]
