"""What ``assay kpi bias`` and ``compare`` print: the same numbers as tables for people and as plain values."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from assay.cli.output import make_console, new_table, print_table

if TYPE_CHECKING:
    from rich.table import Table

    from assay.analysis.datasheet_bias import SheetBias
    from assay.analysis.datasheet_check import BiasCheck
    from assay.analysis.datasheet_compare import MeasuredComparison, Ratio
    from assay.core.words import Provenance

_DASH = "–"
_MOST_REASONS = 5
_WIDE = 110
"""Columns of a terminal from which a table shows all it has; below, what matters most."""
_NAME_WIDTH = 16


def bias_head(bias: SheetBias, word: Provenance | None) -> dict[str, Any]:
    """What an estimate is of, without its factors."""
    return {
        "by": str(bias.by), "basis": str(bias.basis), "part": bias.part, "reference": bias.reference,
        "level": bias.level, "provenance": None if word is None else str(word), "values": bias.n,
        "subjects": bias.subjects, "witnesses": bias.witnesses, "degrees_of_freedom": bias.freedom,
        "outlying": bias.outlying, "typical_factors": dict(bias.spreads), "reason": bias.reason,
        "left_out": [asdict(one) for one in bias.left_out],
    }  # fmt: skip


def bias_rows(bias: SheetBias, word: Provenance | None) -> list[dict[str, Any]]:
    """A row a group."""
    return [
        {"by": str(bias.by), "basis": str(bias.basis), "reference": bias.reference}
        | asdict(one)
        | {"provenance": None if word is None else str(word)}
        for one in bias.factors
    ]


def print_bias(bias: SheetBias, word: Provenance | None) -> None:
    """The factors, what they are of, and what was left out."""
    console = make_console()
    if bias.reason is None:
        print_table(_factors_table(bias, word, is_wide=console.width >= _WIDE))
        apart = ", ".join(f"{name} {100 * (spread - 1):.0f} %" for name, spread in bias.spreads)
        console.print(
            f"{bias.n} values of {bias.witnesses} witnesses at {bias.subjects} kinds of work under one set of rules; "
            f"typical differences: {apart}; {bias.outlying} values far from the rest counted less",
            style="dim", soft_wrap=True,
        )  # fmt: skip
    else:
        console.print(f"No factors by {bias.by} against the {bias.basis.words}: {bias.reason}.", soft_wrap=True)
    without: dict[str, list[str]] = {}
    for one in bias.factors:
        if one.factor is None and one.reason != bias.reason:
            without.setdefault(one.reason or "not known", []).append(one.group)
    for reason, groups in without.items():
        console.print(f"no factor: {'; '.join(groups)}: {reason}", style="dim", soft_wrap=True)
    for left in bias.left_out[:_MOST_REASONS]:
        console.print(f"left out: {left.count}, {left.reason}", style="dim", soft_wrap=True)


def _factors_table(bias: SheetBias, word: Provenance | None, *, is_wide: bool) -> Table:
    of = f", {word} numbers" if word is not None else ""
    table = new_table(f"measured over {bias.basis.words} by {bias.by}{bias.part_words} against {bias.reference}{of}")
    headers = ["factor", "95 % interval", "n", "witnesses"]
    headers += ["plain", "one more number", "devices", "works"] if is_wide else []
    table.add_column(str(bias.by), overflow="fold", min_width=_NAME_WIDTH)
    for header in headers:
        table.add_column(header, justify="right", no_wrap=True)
    for one in bias.factors:
        if one.factor is None:
            continue
        cells = [one.group, f"{one.factor:.2f}", _span(one.lo, one.hi), str(one.n), str(one.witnesses)]
        if is_wide:
            cells += [f"{one.plain:.2f}", _span(one.new_lo, one.new_hi), str(one.devices), str(one.works)]
        table.add_row(*cells)
    return table


def check_row(check: BiasCheck) -> dict[str, Any]:
    """A check as plain values."""
    return asdict(check) | {"is_better": check.is_better}


def print_check(check: BiasCheck) -> None:
    """Whether the factors tell what they were not made from better than data sheets alone."""
    console = make_console()
    if check.sheet_error is None or check.factor_error is None or check.helped is None or check.covered is None:
        console.print(f"Not checked: {check.reason}.", soft_wrap=True)
        return
    console.print(
        f"Told without their own witness ({check.n} values of {check.witnesses} witnesses): half lie within "
        f"{100 * (check.sheet_error - 1):.1f} % by data sheets alone, within {100 * (check.factor_error - 1):.1f} % "
        f"with factors; better for {100 * check.helped:.0f} % of witnesses; {100 * check.covered:.1f} % lie in the "
        "interval of one more number.",
        soft_wrap=True,
    )


def compare_row(found: MeasuredComparison, word: Provenance | None) -> dict[str, Any]:
    """A comparison as plain values."""
    return asdict(found) | {
        "by": str(found.by), "basis": str(found.basis), "provenance": None if word is None else str(word),
    }  # fmt: skip


def print_comparison(found: MeasuredComparison, word: Provenance | None) -> None:
    """Measured, promised and their ratio; then each work that both did."""
    console = make_console()
    of = f" ({word} numbers)" if word is not None else ""
    console.print(f"{found.one} over {found.other}, a device{of}", style="bold", soft_wrap=True)
    if found.measured is not None and found.over_promise is not None and found.promised is not None:
        console.print(f"  measured             {_say(found.measured)}", soft_wrap=True)
        console.print(f"  by the data sheet    {found.promised:.2f} ({found.basis.words})", soft_wrap=True)
        console.print(f"  measured / promised  {_say(found.over_promise)}", soft_wrap=True)
    if found.reason is not None:
        console.print(f"  {found.reason}", soft_wrap=True)
    counts = zip(("values", "witnesses", "devices"), (found.values, found.witnesses, found.devices), strict=True)
    console.print(f"  {'; '.join(f'{ours} and {theirs} {name}' for name, (ours, theirs) in counts)}", style="dim")
    if not found.works:
        return
    table = new_table("work that both did under the same rules")
    table.add_column("work", overflow="fold")
    for header in ("measured", "lowest", "highest", "data sheet", "subjects", "witnesses"):
        table.add_column(header, justify="right", no_wrap=True)
    for one in found.works:
        promised = _DASH if one.promised is None else f"{one.promised:.2f}"
        table.add_row(
            one.workload, f"{one.measured:.2f}", f"{one.lowest:.2f}", f"{one.highest:.2f}", promised,
            str(one.subjects), " and ".join(map(str, one.witnesses)),
        )  # fmt: skip
    print_table(table)


def _say(ratio: Ratio) -> str:
    return f"{ratio.value:.2f} ({_span(ratio.lo, ratio.hi)})"


def _span(lo: float | None, hi: float | None) -> str:
    return _DASH if lo is None or hi is None else f"{lo:.2f} … {hi:.2f}"
