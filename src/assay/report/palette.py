"""One palette for everything that is drawn: colours by role, marks by provenance, colour maps for heat.

Each colour has a value on light paper and one on dark. The name of a role is also the name of its CSS variable
(``--ink``, ``--data-1``): ``css_variables`` writes them all, so pages and pictures cannot differ. Colour never speaks
alone: where a number comes from is told by the shape of its mark, the dash of its line and the hatch of its bar too.
Contrast (WCAG 2.2: 3:1 for marks, 4.5:1 for text) and distance under the three colour-vision deficiencies are tested.
May import: core, report.values.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from assay.core.words import Provenance
from assay.report.values import Layer, Role


@dataclass(frozen=True, slots=True)
class Colour:
    """One colour as ``#rrggbb``, on light and on dark paper."""

    light: str
    dark: str

    def on(self, *, is_dark: bool) -> str:
        """The value on that paper."""
        return self.dark if is_dark else self.light


COLOURS: Mapping[str, Colour] = {
    "paper": Colour("#ffffff", "#14181d"),
    "panel": Colour("#f5f7f9", "#1c2229"),
    "grid": Colour("#e3e7ec", "#2b333d"),
    "rule": Colour("#858d97", "#7a8592"),
    "ink": Colour("#1b2129", "#e6eaef"),
    "muted": Colour("#59636f", "#a3adb8"),
    "data-1": Colour("#1b4fb8", "#5ea8f9"),
    "data-2": Colour("#d37812", "#ef8a17"),
    "data-3": Colour("#2f9490", "#62dcb6"),
    "data-4": Colour("#a069ee", "#9a58c0"),
    "data-5": Colour("#6a4d01", "#fbd846"),
    "data-6": Colour("#551149", "#b77e9b"),
    "data-7": Colour("#24207c", "#bcc7ff"),
    "data-8": Colour("#a2614f", "#b45a1c"),
    "data-other": Colour("#808994", "#76808b"),
    "highlight": Colour("#c4203a", "#ff6b6b"),
    "limit": Colour("#3b434d", "#c3ccd6"),
    "guide": Colour("#747d88", "#8d97a3"),
    "front": Colour("#1b2129", "#e6eaef"),
    "good": Colour("#1a7f4b", "#4cc38a"),
    "warning": Colour("#8a5a00", "#e0a92e"),
    "bad": Colour("#b3261e", "#ff8a80"),
    "link": Colour("#1257a8", "#79b8ff"),
    "on-dark-cell": Colour("#ffffff", "#ffffff"),
    "on-light-cell": Colour("#11161c", "#11161c"),
}
"""Every role. ``paper`` is behind all; ``ink`` and ``muted`` text; ``rule`` edges and axes; ``on-…-cell`` text in heat.

The eight of data differ most in lightness, which no colour-vision deficiency takes away: their least distance in OKLab,
as anybody sees them, was searched for by annealing, hue by hue.
"""

TEXT_ROLES = ("ink", "muted", "good", "warning", "bad", "link")
DATA_ROLES = tuple(f"data-{number}" for number in range(1, 9))
MARK_ROLES = (*DATA_ROLES, "data-other", "highlight", "limit", "guide", "front", "rule")
_ROLE_COLOURS = {Role.LIMIT: "limit", Role.GUIDE: "guide", Role.FRONT: "front", Role.HIGHLIGHT: "highlight"}


@dataclass(frozen=True, slots=True)
class Look:
    """How marks are drawn: ``marker`` is circle, diamond or triangle; ``dash`` a list of on and off lengths in px.

    ``is_filled`` False is a mark in outline. ``hatch`` covers bars and cells: an empty text is none. ``letter`` stands
    for the mark in plain text, ``ascii_letter`` where only ASCII can be shown.
    """

    marker: str
    is_filled: bool
    dash: tuple[float, ...]
    hatch: str
    letter: str
    ascii_letter: str


MEASURED = Look("circle", is_filled=True, dash=(), hatch="", letter="●", ascii_letter="o")
IMPORTED = Look("diamond", is_filled=False, dash=(6.0, 3.0), hatch="", letter="◇", ascii_letter="<")
PREDICTED = Look("triangle", is_filled=False, dash=(1.5, 2.5), hatch="////", letter="△", ascii_letter="^")
UNUSED_LETTER, UNUSED_ASCII_LETTER = "⊗", "x"
LOOKS: Mapping[Provenance, Look] = {
    Provenance.MEASURED: MEASURED,
    Provenance.IMPORTED: IMPORTED,
    Provenance.PREDICTED: PREDICTED,
}


def look_of(provenance: Provenance | None) -> Look:
    """How numbers of that provenance are marked; what is nobody's number is drawn plain, as measured is."""
    return MEASURED if provenance is None else LOOKS[provenance]


def colour_roles(layers: Iterable[Layer]) -> tuple[str, ...]:
    """The colour of each layer, as the name of a role.

    Layers of one group share a colour; without a group a layer is its own, by its label. Colours go round by first
    appearance; from the ninth group on all are ``data-other``: more hues than that cannot be told apart by anybody.
    """
    given: dict[str, str] = {}
    roles = []
    for layer in layers:
        if layer.role in _ROLE_COLOURS:
            roles.append(_ROLE_COLOURS[layer.role])
            continue
        group = layer.group if layer.group is not None else layer.label
        if group not in given:
            given[group] = DATA_ROLES[len(given)] if len(given) < len(DATA_ROLES) else "data-other"
        roles.append(given[group])
    return tuple(roles)


def css_variables() -> str:
    """A style sheet that sets a variable for each role: light by default, dark where the reader prefers it.

    ``data-theme="dark"`` or ``"light"`` at the root element stands above the reader's preference.
    """
    light = "".join(f"--{role}:{colour.light};" for role, colour in COLOURS.items())
    dark = "".join(f"--{role}:{colour.dark};" for role, colour in COLOURS.items())
    return (
        f":root{{color-scheme:light;{light}}}\n"
        f'@media (prefers-color-scheme:dark){{:root:not([data-theme="light"]){{color-scheme:dark;{dark}}}}}\n'
        f':root[data-theme="dark"]{{color-scheme:dark;{dark}}}\n'
    )


def _linear(channel: float) -> float:
    """An sRGB channel of 0 to 1 in linear light (IEC 61966-2-1)."""
    return channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4  # noqa: PLR2004


def _encoded(channel: float) -> float:
    channel = min(max(channel, 0.0), 1.0)
    return channel * 12.92 if channel <= 0.0031308 else 1.055 * channel ** (1 / 2.4) - 0.055  # noqa: PLR2004


def linear_rgb(colour: str) -> tuple[float, float, float]:
    """``#rrggbb`` as three channels of 0 to 1 in linear light."""
    red, green, blue = (_linear(int(colour[start : start + 2], 16) / 255) for start in (1, 3, 5))
    return red, green, blue


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two colours, 1 to 21 (WCAG 2.2, definition of contrast ratio)."""
    low, high = sorted(_luminance(colour) for colour in (one, other))
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: str) -> float:
    red, green, blue = linear_rgb(colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def text_role_on(cell: str) -> str:
    """The role of the text that reads better on a cell of that colour."""
    return max(("on-dark-cell", "on-light-cell"), key=lambda role: contrast(COLOURS[role].light, cell))


def _from_oklab(lightness: float, a: float, b: float) -> str:
    """OKLab as ``#rrggbb``, clipped into sRGB (Ottosson 2020, "A perceptual color space for image processing")."""
    l_root = lightness + 0.3963377774 * a + 0.2158037573 * b
    m_root = lightness - 0.1055613458 * a - 0.0638541728 * b
    s_root = lightness - 0.0894841775 * a - 1.2914855480 * b
    long, medium, short = l_root**3, m_root**3, s_root**3
    channels = (
        4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short,
        -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short,
        -0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short,
    )
    return "#" + "".join(f"{round(255 * _encoded(channel)):02x}" for channel in channels)


def _ramp(stops: tuple[tuple[float, float, float], ...], count: int) -> tuple[str, ...]:
    """``count`` colours along straight lines between stops in OKLab, so that equal steps look equal."""
    colours = []
    for number in range(count):
        place = number / (count - 1) * (len(stops) - 1)
        start = min(int(place), len(stops) - 2)
        share = place - start
        mixed = [low + share * (high - low) for low, high in zip(stops[start], stops[start + 1], strict=True)]
        colours.append(_from_oklab(mixed[0], mixed[1], mixed[2]))
    return tuple(colours)


STEPS = 65
SEQUENTIAL = _ramp(((0.27, -0.010, -0.105), (0.60, -0.075, -0.030), (0.93, -0.035, 0.145)), STEPS)
"""Dark blue through teal to light yellow: told apart by lightness alone, and by blue against yellow, as cividis is."""
DIVERGING = _ramp(((0.46, -0.045, -0.135), (0.955, 0.0, 0.005), (0.60, 0.085, 0.115)), STEPS)
"""Blue through near white to orange; the middle is the value that is neither."""


def heat_index(value: float, low: float, high: float) -> int:
    """The step of a colour map for a value between the ends; beyond them the end itself."""
    share = 0.5 if high <= low else (value - low) / (high - low)
    return min(max(round(share * (STEPS - 1)), 0), STEPS - 1)
