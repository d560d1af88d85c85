"""``assay kpi``: every command over the shipped catalogue, as a table that fits and as JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest
from typer.testing import CliRunner

from assay.cli.kpi import app
from assay.core.errors import AssayError, UnknownNameError, UsageError

COMMANDS = (
    ("correlations", "--figures", "peak16,bandwidth,tdp"),
    ("correlations", "--figures", "peak16,bandwidth", "--given", "year"),
    ("trends", "--figures", "peak16_per_w,memory", "--records"),
    ("tiers", "--rule", "ai"),
    ("tiers", "--rule", "performance", "--category", "datacentre gpu"),
    ("clusters", "--figures", "peak16,bandwidth", "--category", "datacentre gpu"),
    ("pareto", "--front", "balance", "--vendor", "amd"),
    ("pareto", "--all", "--limit", "5", "--vendor", "intel"),
    ("matrix", "compute", "--vendor", "amd"),
    ("matrix", "bandwidth", "--norm", "rank"),
)


def run(*words: str, width: int | None = None) -> str:
    environ = {} if width is None else {"COLUMNS": str(width)}
    said = CliRunner().invoke(app, [*words, "--shipped"], env=environ, catch_exceptions=True)
    if said.exception is not None and not isinstance(said.exception, SystemExit):
        raise said.exception
    assert said.exit_code == 0, said.output
    return said.output


def read(*words: str) -> Any:
    return json.loads(run(*words, "--json"))


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_prints_a_table_and_its_rule(words: tuple[str, ...]) -> None:
    printed = run(*words)
    assert "NaN" not in printed
    assert "nan" not in printed.split()
    assert max(map(len, printed.splitlines())) <= 400


def test_correlations_say_how_sure_they_are() -> None:
    rows = read("correlations", "--figures", "peak16,bandwidth,peak16_per_w", "--given", "year")
    assert rows["given"] == ["year"]
    by_pair = {(one["one"], one["other"]): one for one in rows["pairs"]}
    found = by_pair["peak16", "bandwidth"]
    assert found["lo"] < found["r"] < found["hi"]
    assert found["n"] > 100
    assert found["architectures"] > 20
    assert by_pair["peak16", "peak16_per_w"]["reason"] == "one is computed from the other"
    assert {one["key"]: one["rule"] for one in rows["figures"]}["peak16_per_w"] == "peak16 / tdp"


def test_trends_give_doubling_times_with_bounds() -> None:
    rows = {one["group"]: one for one in read("trends", "--figures", "peak16_per_w")["trends"]}
    found = rows["datacentre gpu"]
    assert found["word"] == "doubles"
    assert found["years_lo"] < found["years"]
    assert found["factor_per_year"] > found["lo"] > 1
    assert found["records"]
    assert set(rows) >= {"datacentre gpu", "consumer gpu", "workstation gpu"}


def test_tiers_show_their_rule_and_what_shakes_them() -> None:
    rows = read("tiers", "--rule", "ai")
    tiers = {one["hw_id"]: one["tier"] for one in rows["devices"]}
    assert tiers["nvidia-h100-sxm5-80gb"] == "AI flagship"
    assert {one["shaken"] for one in rows["stability"]} == {"figures", "rule"}
    assert all(0 <= one["adjusted_rand"] <= 1 for one in rows["stability"])
    assert all(one["reason"] for one in rows["devices"] if one["tier"] is None)
    assert "72 GiB" in run("tiers", "--rule", "ai")


def test_clusters_print_the_evidence() -> None:
    rows = read("clusters", "--figures", "peak16,bandwidth", "--k", "3")
    assert [one["k"] for one in rows["tries"]] == list(range(2, 9))
    assert (rows["k"], rows["is_forced"], len(rows["clusters"])) == (3, True, 3)
    assert sum(len(one["devices"]) for one in rows["clusters"]) == rows["devices"]


def test_a_front_names_what_beats_the_others() -> None:
    rows = read("pareto", "--figures", "tdp,peak16", "--category", "datacentre gpu")
    front = [one for one in rows["devices"] if one["layer"] == 1]
    assert all(one["beaten_by"] is None for one in front)
    assert all(one["beaten_by"] for one in rows["devices"] if one["layer"] > 1)
    watts = [one["tdp"] for one in front]
    assert watts == sorted(watts)
    assert [one["peak16"] for one in front] == sorted(one["peak16"] for one in front)


def test_a_matrix_keeps_raw_figures_beside_scaled_ones() -> None:
    rows = read("matrix", "compute", "--reference", "nvidia-a100-sxm4-80gb", "--category", "datacentre gpu")
    assert rows["norm"] == "reference"
    mine = next(one for one in rows["rows"] if one["hw_id"] == "nvidia-a100-sxm4-80gb")
    assert mine["scaled"]["peak16"] == 1
    assert mine["values"]["peak16"] == 312e12
    scores = [one["score"] for one in rows["rows"] if one["score"] is not None]
    assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("correlations", "--figures", "peak_16,tdp"), UnknownNameError),
        (("correlations", "--figures", "tdp"), UsageError),
        (("trends", "--by", "colour"), UnknownNameError),
        (("tiers", "--rule", "best"), UnknownNameError),
        (("tiers", "--vendor", "graphcore"), AssayError),
        (("clusters", "--k", "99"), UsageError),
        (("pareto", "--front", "prize"), UnknownNameError),
        (("matrix", "complet"), UnknownNameError),
        (("matrix", "--norm", "z"), UnknownNameError),
        (("matrix", "--price", "gold"), UnknownNameError),
        (("matrix", "--since", "2099"), UsageError),
    ],
)
def test_what_cannot_be_asked_is_refused_with_words(words: tuple[str, ...], error: type[AssayError]) -> None:
    with pytest.raises(error) as raised:
        run(*words)
    assert str(raised.value)
