from __future__ import annotations

import builtins
import functools
import io
import re
import sys
import threading
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from PIL import Image
from tests.loading import load_module

from assay.core.errors import AssayError
from assay.report.palette import COLOURS, DIVERGING, SEQUENTIAL
from assay.report.renderers.canvas import STAND_INS, drawing
from assay.report.renderers.picture import draw_figure_png, draw_figure_svg
from assay.report.values import Axis, Figure, FigureKind, Layer, Scale, Shape

composed = load_module("report.renderers.composed_figures")
EVERY: tuple[Callable[[], Figure], ...] = (*composed.KINDS, *composed.OTHERS)
SVG = "{http://www.w3.org/2000/svg}"
XLINK = "{http://www.w3.org/1999/xlink}"
COLOUR = re.compile(r"#[0-9a-fA-F]{6}\b")


@functools.cache
def drawn(compose: Callable[[], Figure]) -> str:
    """The themed picture of a figure, drawn once for all tests that read it."""
    return draw_figure_svg(compose(), themed=True)


def parse(text: str) -> ET.Element:
    return ET.fromstring(text)  # noqa: S314  (strict, and what assay wrote)


def texts_of(root: ET.Element) -> list[str]:
    return [one.text or "" for one in root.iter(f"{SVG}text")]


def titles_of(root: ET.Element) -> list[str]:
    return [one.text or "" for one in root.iter(f"{SVG}title")]


def test_every_kind_has_a_figure_here() -> None:
    assert [one().kind for one in composed.KINDS] == list(FigureKind)


@pytest.mark.parametrize("compose", EVERY, ids=lambda one: one.__name__)
def test_every_figure_is_strict_xml_with_words_for_those_who_cannot_see_it(compose: Callable[[], Figure]) -> None:
    figure = compose()
    root = parse(drawn(compose))
    assert root.tag == f"{SVG}svg"
    assert root.get("role") == "img"
    title, description = root[0], root[1]
    assert (title.tag, description.tag) == (f"{SVG}title", f"{SVG}desc")
    assert root.get("aria-labelledby") == f"{title.get('id')} {description.get('id')}"
    if compose in composed.KINDS:
        assert title.text == figure.title
        assert description.text == figure.alt


@pytest.mark.parametrize("compose", EVERY, ids=lambda one: one.__name__)
def test_themed_pictures_have_no_colour_but_variables(compose: Callable[[], Figure]) -> None:
    root = parse(drawn(compose))
    for element in root.iter():
        for name, value in element.attrib.items():
            if value.startswith(("url(#", "data:image/png;base64,")) or name.endswith("href"):
                continue
            without = re.sub(r"var\(--[a-z0-9-]+, #[0-9a-f]{6}\)", "", value)
            assert not COLOUR.search(without), (element.tag, name, value)
            assert without not in {"black", "white"}
    assert not any(colour in ET.tostring(root, encoding="unicode") for colour in STAND_INS.values())


@pytest.mark.parametrize("compose", EVERY, ids=lambda one: one.__name__)
def test_pictures_ask_nothing_of_others_and_style_nothing_but_themselves(compose: Callable[[], Figure]) -> None:
    root = parse(drawn(compose))
    ids = [one.get("id") for one in root.iter() if one.get("id")]
    assert len(ids) == len(set(ids))
    for element in root.iter():
        assert element.tag.removeprefix(SVG) in {
            "svg", "g", "path", "use", "text", "title", "desc", "defs", "clipPath", "rect", "pattern", "image",
        }  # fmt: skip
        assert "style" not in element.attrib
        assert not [name for name in element.attrib if name.startswith("on")]
        target = element.get(f"{XLINK}href")
        if target is not None:
            assert target.startswith("data:image/png;base64,") or target[1:] in ids


def test_two_figures_of_one_page_share_no_id() -> None:
    first, second = (parse(drawn(one)) for one in (composed.trend, composed.scaling))
    ids = [{one.get("id") for one in root.iter() if one.get("id")} for root in (first, second)]
    assert ids[0]
    assert not ids[0] & ids[1]
    strange = [
        draw_figure_svg(Figure(key, FigureKind.BARS, "t", Axis("x"), Axis("y")), themed=True) for key in ("a b", "a-b")
    ]
    assert len({parse(one)[0].get("id") for one in strange}) == 2


@pytest.mark.parametrize("compose", [composed.trend, composed.matrix, composed.hostile])
def test_the_same_figure_gives_the_same_bytes(compose: Callable[[], Figure]) -> None:
    assert draw_figure_svg(compose(), themed=True) == drawn(compose)
    assert draw_figure_png(compose(), dpi=72) == draw_figure_png(compose(), dpi=72)


@pytest.mark.parametrize("compose", composed.KINDS, ids=lambda one: one.__name__)
def test_pictures_on_paper_use_the_palette_and_its_maps_only(compose: Callable[[], Figure]) -> None:
    for is_dark in (False, True):
        text = draw_figure_svg(compose(), themed=False, is_dark=is_dark)
        allowed = {colour.on(is_dark=is_dark) for colour in COLOURS.values()} | {*SEQUENTIAL, *DIVERGING}
        values = [value for one in parse(text).iter() for value in one.attrib.values() if COLOUR.fullmatch(value)]
        assert values
        assert set(values) <= allowed


@pytest.mark.parametrize("compose", composed.KINDS, ids=lambda one: one.__name__)
def test_pngs_have_their_paper_and_something_on_it(compose: Callable[[], Figure]) -> None:
    for is_dark in (False, True):
        with Image.open(io.BytesIO(draw_figure_png(compose(), is_dark=is_dark, dpi=72))) as picture:
            assert picture.format == "PNG"
            assert picture.width == 760
            assert picture.info == {}
            rgb = picture.convert("RGB")
            paper = COLOURS["paper"].on(is_dark=is_dark)
            assert "#" + rgb.crop((1, 1, 2, 2)).tobytes().hex() == paper
            assert len(rgb.getcolors(1 << 24) or ()) > 20


def test_text_stays_text_and_dollars_stay_dollars() -> None:
    root = parse(draw_figure_svg(composed.hostile(), themed=False))
    shown = " ".join(texts_of(root))
    assert "$\\frac{1}{2}$ and $unbalanced" in shown
    assert "<script>alert(1)</script>" in shown
    assert "شبكة عصبية bert" in shown
    everything = "".join(root.itertext())
    assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\u202a-\u202e\ufffe\uffff]", everything)
    assert max(map(len, texts_of(root))) <= 300


def test_marks_say_what_they_are_and_where_they_lead() -> None:
    root = parse(drawn(composed.trend))
    marks = [one for one in root.iter(f"{SVG}use") if one.get("data-ref")]
    assert [one.get("data-ref") for one in marks[:2]] == ["result:result-0", "result:result-1"]
    title = marks[0][0]
    assert title.tag == f"{SVG}title"
    assert title.text is not None
    lines = title.text.split("\n")
    assert lines[:2] == ["latency", "Time of run: 2026-03-01 00:00 UTC"]
    assert lines[2].startswith("Latency: 12.6 ms; exactly ")
    assert "95 % interval 12.5 … 12.6 ms; n = 5; measured" in lines[2]
    assert any("left out of rankings" in one for one in titles_of(root))


def test_cells_say_why_they_are_not_known_and_predictions_their_interval() -> None:
    titles = titles_of(parse(drawn(composed.matrix)))
    assert any(one.endswith("Latency: not known: out of memory") for one in titles)
    assert any("95 % interval" in one and one.endswith("predicted") for one in titles)


def test_axes_name_units_and_directions() -> None:
    shown = texts_of(parse(drawn(composed.pareto)))
    assert "Energy per sample, mJ" in shown
    assert "↓ lower is better" in shown
    assert "Latency, ms" in shown
    assert "← lower is better" in shown
    assert "H100 b1" in shown
    shown = texts_of(parse(drawn(composed.scaling)))
    assert {"Throughput, 1/s", "↑ higher is better", "1000", "10\u00a0k", "128", "knee at 24"} <= set(shown)
    assert {"torch (measured)", "torch, predicted", "onnxruntime (imported)"} <= set(shown)
    assert "Intervals 95 %; n = 5." in shown


def test_names_that_do_not_fit_lay_bars_on_their_side() -> None:
    names = tuple(f"a rather long name of a device, number {number}" for number in range(12))
    axis = Axis("Device", None, Scale.CATEGORY, None, names)
    bars = Layer("all", Shape.BARS, x=tuple(range(12)), y=tuple(range(1, 13)))
    shown = texts_of(
        parse(draw_figure_svg(Figure("k", FigureKind.BARS, "t", axis, Axis("y", "W"), (bars,)), themed=True))
    )
    # From the top down, as names are read.
    assert next(one for one in shown if "number" in one or "…" in one).endswith("number 0")
    assert "Y, W" in shown


def test_an_empty_figure_is_its_reason() -> None:
    root = parse(drawn(composed.empty))
    assert "No result has an energy counter. Run `assay run --energy` on a device that has one." in " ".join(
        texts_of(root)
    )
    bare = Figure(
        "bare",
        FigureKind.BARS,
        "t",
        Axis("x"),
        Axis("y", None, Scale.LOG),
        (Layer("a", Shape.LINE, x=(1.0,), y=(None,)),),
    )
    assert texts_of(parse(draw_figure_svg(bare, themed=True))) == ["There is nothing to draw."]


def test_many_points_stay_small_and_say_when_some_are_not_drawn() -> None:
    text = draw_figure_svg(composed.many_points(5000), themed=True)
    assert len(text.encode()) < 400_000
    assert text.count("<use") == 5001  # and one in the legend
    thinned = draw_figure_svg(composed.many_points(12_000), themed=True)
    assert len(thinned.encode()) < 400_000
    assert "of 12\u202f000 marks are drawn: neighbours within" in " ".join(texts_of(parse(thinned)))
    line = draw_figure_svg(composed.many_points(20_000, shape=Shape.LINE), themed=True)
    assert len(line.encode()) < 100_000


def test_a_heat_map_of_many_cells_is_an_image_with_hatched_predictions() -> None:
    root = parse(drawn(composed.large_heat))
    images = list(root.iter(f"{SVG}image"))
    assert len(images) == 1
    assert len(ET.tostring(root)) < 200_000


@pytest.mark.parametrize(
    "layer",
    [
        Layer("one", Shape.POINTS, x=(5.0,), y=(5.0,)),
        Layer("same", Shape.LINE_POINTS, x=(1.0, 2.0), y=(0.0, 0.0)),
        Layer("none", Shape.BAND, x=(1.0, 2.0), lo=(None, None), hi=(1.0, 2.0)),
        Layer("box", Shape.BOXES, x=(1.0,), y=(2.0,), lo=(None,), hi=(None,)),
        Layer("huge", Shape.LINE, x=(1e-300, 1e300), y=(-1e300, 1e300)),
        Layer("nan", Shape.BARS, x=(1.0, float("nan"), 3.0), y=(float("inf"), 1.0, -4.0)),
        Layer("whole", Shape.STEPS, x=(0, 1, 2), y=(3, 1, 2)),
    ],
    ids=lambda layer: layer.label,
)
@pytest.mark.parametrize("scale", [Scale.LINEAR, Scale.LOG])
def test_odd_numbers_are_drawn_or_left_out_but_never_fail(layer: Layer, scale: Scale) -> None:
    for unit in (None, "ns", "B", "ratio"):
        figure = Figure("odd", FigureKind.CURVES, "Odd", Axis("x", unit, scale), Axis("y", unit, scale), (layer,))
        parse(draw_figure_svg(figure, themed=True, width_px=390))


def test_eight_threads_draw_what_one_draws() -> None:
    figures = [one() for one in (composed.trend, composed.matrix, composed.bars, composed.hostile)] * 2
    alone = [draw_figure_svg(one, themed=True) for one in figures[:4]] * 2
    found: dict[int, str] = {}
    failed: list[BaseException] = []

    def draw(place: int) -> None:
        try:
            found[place] = draw_figure_svg(figures[place], themed=True)
        except BaseException as error:  # noqa: BLE001  (handed to the test)
            failed.append(error)

    threads = [threading.Thread(target=draw, args=(place,)) for place in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert [found[place] for place in range(8)] == alone


def test_settings_of_matplotlib_are_as_they_were_and_nobodys_own_shows() -> None:
    import matplotlib as mpl

    usual = draw_figure_svg(composed.bars(), themed=True)
    with mpl.rc_context(
        {"svg.fonttype": "path", "axes.facecolor": "#ff00ff", "text.parse_math": True, "font.size": 40}
    ):
        before = dict(mpl.rcParams)
        assert draw_figure_svg(composed.bars(), themed=True) == usual
        assert dict(mpl.rcParams) == before
    assert "matplotlib.pyplot" not in sys.modules or mpl.rcParams["svg.hashsalt"] is None


def test_without_matplotlib_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def refuse(name: str, *rest: Any, **named: Any) -> Any:
        if name.partition(".")[0] == "matplotlib":
            raise ImportError(name)
        return real(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(AssayError, match=re.escape("pip install 'assay[report]'")), drawing():
        pass
