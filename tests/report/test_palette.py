from __future__ import annotations

import itertools
import math
import re

import pytest

from assay.core.words import Provenance
from assay.report import palette
from assay.report.values import Layer, Role, Shape

# Machado, Oliveira and Fernandes 2009, "A Physiologically-based Model for Simulation of Color Vision Deficiency",
# severity 1.0; applied to linear RGB.
VISIONS = {
    "usual": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protanopia": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "deuteranopia": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881)),
    "tritanopia": ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.303900)),
}
PAPERS = [False, True]


def oklab(colour: str, vision: str) -> tuple[float, float, float]:
    seen = palette.linear_rgb(colour)
    red, green, blue = (max(0.0, sum(a * b for a, b in zip(row, seen, strict=True))) for row in VISIONS[vision])
    long = (0.4122214708 * red + 0.5363325363 * green + 0.0514459929 * blue) ** (1 / 3)
    medium = (0.2119034982 * red + 0.6806995451 * green + 0.1073969566 * blue) ** (1 / 3)
    short = (0.0883024619 * red + 0.2817188376 * green + 0.6299787005 * blue) ** (1 / 3)
    return (
        0.2104542553 * long + 0.7936177850 * medium - 0.0040720468 * short,
        1.9779984951 * long - 2.4285922050 * medium + 0.4505937099 * short,
        0.0259040371 * long + 0.7827717662 * medium - 0.8086757660 * short,
    )


def distance(one: str, other: str, vision: str) -> float:
    return math.dist(oklab(one, vision), oklab(other, vision))


@pytest.mark.parametrize("is_dark", PAPERS)
def test_marks_and_texts_stand_out_from_paper_and_panel(*, is_dark: bool) -> None:
    for ground in ("paper", "panel"):
        behind = palette.COLOURS[ground].on(is_dark=is_dark)
        for role in palette.MARK_ROLES:
            assert palette.contrast(palette.COLOURS[role].on(is_dark=is_dark), behind) >= 3.0, (role, ground)
        for role in palette.TEXT_ROLES:
            assert palette.contrast(palette.COLOURS[role].on(is_dark=is_dark), behind) >= 4.5, (role, ground)


@pytest.mark.parametrize("vision", VISIONS)
@pytest.mark.parametrize("is_dark", PAPERS)
def test_colours_of_groups_are_told_apart_by_everybody(*, is_dark: bool, vision: str) -> None:
    colours = [palette.COLOURS[role].on(is_dark=is_dark) for role in palette.DATA_ROLES]
    for one, other in itertools.combinations(colours, 2):
        assert distance(one, other, vision) >= 0.09, (one, other)


@pytest.mark.parametrize("vision", VISIONS)
def test_heat_colours_rise_evenly_for_everybody(vision: str) -> None:
    steps = [distance(a, b, vision) for a, b in itertools.pairwise(palette.SEQUENTIAL)]
    assert min(steps) > 0.004
    lightness = [oklab(colour, vision)[0] for colour in palette.SEQUENTIAL]
    assert lightness == sorted(lightness)
    if vision == "usual":
        assert max(steps) / min(steps) < 2


@pytest.mark.parametrize("vision", VISIONS)
def test_the_two_sides_of_a_diverging_map_differ_for_everybody(vision: str) -> None:
    colours, middle = palette.DIVERGING, palette.STEPS // 2
    for step in range(8, middle + 1, 8):
        assert distance(colours[middle - step], colours[middle + step], vision) > 0.012 * step / 2
    assert oklab(colours[middle], "usual")[0] > 0.94


def test_text_on_every_cell_can_be_read() -> None:
    for colour in (*palette.SEQUENTIAL, *palette.DIVERGING):
        role = palette.text_role_on(colour)
        assert palette.contrast(palette.COLOURS[role].light, colour) >= 4.3, colour
        assert palette.COLOURS[role].light == palette.COLOURS[role].dark


def test_contrast_is_that_of_wcag() -> None:
    assert palette.contrast("#000000", "#ffffff") == pytest.approx(21.0)
    assert palette.contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


def test_provenances_differ_in_shape_dash_and_filling() -> None:
    looks = list(palette.LOOKS.values())
    assert set(palette.LOOKS) == set(Provenance)
    for part in ("marker", "dash", "letter", "ascii_letter"):
        assert len({getattr(look, part) for look in looks}) == 3, part
    assert [look.is_filled for look in looks] == [True, False, False]
    assert [bool(look.hatch) for look in looks] == [False, False, True]
    assert palette.look_of(None) is palette.MEASURED


def layer(label: str, group: str | None = None, role: Role = Role.DATA) -> Layer:
    return Layer(label, Shape.POINTS, x=(1.0,), y=(1.0,), group=group, role=role)


def test_groups_share_colours_and_the_ninth_is_grey() -> None:
    layers = [layer("a", "x"), layer("b", "y"), layer("c", "x"), layer("roof", role=Role.LIMIT), layer("b2", "y")]
    assert palette.colour_roles(layers) == ("data-1", "data-2", "data-1", "limit", "data-2")
    many = palette.colour_roles([layer(str(number)) for number in range(10)])
    assert many == (*palette.DATA_ROLES, "data-other", "data-other")


def test_style_sheet_sets_every_role_for_both_themes() -> None:
    sheet = palette.css_variables()
    for role, colour in palette.COLOURS.items():
        assert sheet.count(f"--{role}:{colour.light};") >= 1
        assert len(re.findall(rf"--{role}:{colour.dark};", sheet)) >= 2
    assert sheet.count("{") == sheet.count("}")


def test_heat_index_stays_on_the_map() -> None:
    assert [palette.heat_index(value, 0.0, 1.0) for value in (-5.0, 0.0, 0.5, 1.0, 9.0)] == [0, 0, 32, 64, 64]
    assert palette.heat_index(3.0, 3.0, 3.0) == 32
