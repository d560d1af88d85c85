from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.loading import load_module

from assay.report.palette import COLOURS, DIVERGING, SEQUENTIAL
from assay.report.renderers.plotly import figure_to_plotly
from assay.report.values import Figure

composed = load_module("report.renderers.composed_figures")
EVERY: tuple[Callable[[], Figure], ...] = (*composed.KINDS, *composed.OTHERS)
NAMED = re.compile(r"var:([a-z0-9-]+)(?:/([0-9.]+))?")


@functools.cache
def plotted(compose: Callable[[], Figure]) -> dict[str, Any]:
    """What becomes of a figure after a way through strict JSON."""
    found: dict[str, Any] = json.loads(json.dumps(figure_to_plotly(compose()), allow_nan=False))
    return found


def walk(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for name, one in value.items():
            yield from walk(one, name)
    elif isinstance(value, list):
        for one in value:
            yield from walk(one, key)
    else:
        yield key, value


@pytest.mark.parametrize("compose", EVERY, ids=lambda one: one.__name__)
def test_every_figure_is_strict_json_of_the_cartesian_bundle(compose: Callable[[], Figure]) -> None:
    plot = plotted(compose)
    assert set(plot) == {"data", "layout"}
    assert {trace["type"] for trace in plot["data"]} <= {"scatter", "bar", "box", "heatmap", "contour"}
    assert bool(plot["data"]) is (compose is not composed.empty)


@pytest.mark.parametrize("compose", EVERY, ids=lambda one: one.__name__)
def test_colours_are_names_of_roles_under_keys_that_end_in_color(compose: Callable[[], Figure]) -> None:
    for key, value in walk(plotted(compose)):
        if key.endswith("color"):
            found = NAMED.fullmatch(str(value))
            assert value == "rgba(0,0,0,0)" or (found is not None and found[1] in COLOURS), (key, value)
        elif key != "colorscale":
            assert not NAMED.fullmatch(str(value)), (key, value)


@pytest.mark.parametrize("compose", EVERY, ids=lambda one: one.__name__)
def test_texts_have_no_tag_but_the_line_break(compose: Callable[[], Figure]) -> None:
    for key, value in walk(plotted(compose)):
        if isinstance(value, str) and key != "customdata":
            assert not set("<>$") & set(value.replace("<br>", "")), (key, value)
            assert not re.search("[\x00-\x09\x0b-\x1f\u202a-\u202e]", value), (key, value)
            assert len(value) < 2000


@pytest.mark.parametrize("compose", composed.KINDS, ids=lambda one: one.__name__)
def test_what_belongs_to_points_is_as_long_as_they_are(compose: Callable[[], Figure]) -> None:
    for trace in plotted(compose)["data"]:
        if trace["type"] in {"scatter", "bar"}:
            for name in ("y", "hovertext", "customdata"):
                if name in trace:
                    assert len(trace[name]) == len(trace["x"]), (trace["name"], name)


def test_provenances_look_different() -> None:
    traces = {trace["name"]: trace for trace in plotted(composed.pareto)["data"]}
    assert traces["measured"]["marker"]["symbol"] == "circle"
    assert traces["imported"]["marker"]["symbol"] == "diamond-open"
    assert traces["predicted"]["marker"]["symbol"] == "triangle-up-open"
    assert traces["measured, not used"]["marker"]["symbol"] == "circle-x-open"
    bars = {trace["name"]: trace["marker"] for trace in plotted(composed.bars)["data"]}
    assert "pattern" not in bars["fp32 (measured)"]
    assert bars["fp32 (imported)"]["color"] == "var:data-1/0.12"
    assert bars["fp32 (predicted)"]["pattern"]["shape"] == "/"
    assert bars["int8 (measured), not used"]["pattern"]["shape"] == "x"
    lines = {trace["name"]: trace["line"]["dash"] for trace in plotted(composed.scaling)["data"]}
    assert lines["torch (measured)"] == "solid"
    assert lines["onnxruntime (imported)"] == "6px,3px"
    assert lines["torch, predicted"] == "1.5px,2.5px"


def test_numbers_are_in_the_unit_of_the_title_and_the_texts_say_all() -> None:
    plot = plotted(composed.trend)
    assert plot["layout"]["yaxis"]["title"]["text"] == "Latency, ms   ↓ lower is better"
    assert plot["layout"]["xaxis"]["title"]["text"] == "Time of run, UTC"
    trace = next(trace for trace in plot["data"] if trace["name"] == "latency")
    assert trace["x"][0] == "2026-03-01 00:00:00.000000"
    assert trace["y"][0] == pytest.approx(12.55, abs=0.05)
    assert trace["customdata"][:2] == ["result:result-0", "result:result-1"]
    assert trace["hovertext"][0].startswith("latency<br>Time of run: 2026-03-01 00:00 UTC<br>Latency: 12.6 ms; exactly")
    assert trace["hovertext"][0].endswith("95 % interval 12.5 … 12.6 ms; n = 5; measured")
    assert trace["error_y"]["array"][0] == pytest.approx(0.005 * trace["y"][0])


def test_heat_uses_the_very_colours_of_the_pictures() -> None:
    for compose, colours in ((composed.matrix, SEQUENTIAL), (composed.correlation, DIVERGING)):
        trace = plotted(compose)["data"][0]
        assert [colour for _, colour in trace["colorscale"]] == list(colours)
        assert (trace["zmin"], trace["zmax"]) == (0, 1)
    trace = plotted(composed.correlation)["data"][0]
    assert trace["z"][0][0] == 1
    assert trace["text"][0][1] == "−0.20"
    assert trace["z"][5][2] is None
    assert "not known: too few pairs" in trace["hovertext"][5][2]
    names = [trace["name"] for trace in plotted(composed.matrix)["data"] if trace.get("showlegend")]
    assert names == ["predicted", "imported", "not used in rankings", "not known"]


def test_gaps_stay_gaps() -> None:
    trace = next(
        one
        for one in plotted(composed.curves)["data"]
        if one["name"] == "validation (measured)" and one["mode"] == "lines" and "fill" not in one
    )
    assert trace["y"][20] is None
    assert trace["hovertext"][20] is None


def test_an_empty_figure_says_why() -> None:
    plot = plotted(composed.empty)
    assert plot["layout"]["annotations"][0]["text"].startswith("No result has an energy counter.")
    assert plot["layout"]["xaxis"] == {"visible": False}
