"""Paper of so many pixels, drawn on by matplotlib: texts, lines, marks and patches, coloured by role.

One pixel is one point at 72 dpi, the origin is top left; what is drawn later lies above. Only the object API of
matplotlib is used, never pyplot, and no axes of its: where values lie is reckoned in ``ticks``. Its settings are global
to the process, so ``drawing`` sets them under a lock and puts them back: threads draw one after another.
May import: core, report.palette, lettering, matplotlib (inside functions).
"""

from __future__ import annotations

import contextlib
import threading
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from assay.core.errors import AssayError
from assay.report.palette import COLOURS, DIVERGING, PREDICTED, SEQUENTIAL
from assay.report.renderers.lettering import BODY, Ruler

_LOCK = threading.RLock()
_SETTINGS = {
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "assay",  # the same figure gives the same bytes
    "svg.image_inline": True,
    "text.parse_math": False,  # a dollar sign in a name is a dollar sign
    "text.hinting": "no_hinting",  # letters as wide as they are measured
    "path.simplify_threshold": 0.2,
    "hatch.linewidth": 0.8,
    "lines.scale_dashes": False,  # dashes are in px, whatever the line's width
}

STAND_INS = {role: f"#fe01{number:02x}" for number, role in enumerate(COLOURS)}
"""A colour for each role that no palette and no colour map has: what is drawn in it becomes a CSS variable."""
HEAT_VARIABLES = {
    **{colour: f"seq-{step}" for step, colour in enumerate(SEQUENTIAL)},
    **{colour: f"div-{step}" for step, colour in enumerate(DIVERGING)},
}
"""CSS variables of the colours of heat. Pages need not set them: the same colours serve light and dark paper."""


@contextlib.contextmanager
def drawing() -> Iterator[None]:
    """Hold the lock, and matplotlib's default settings with ours: nobody's own style file shows in a report.

    Raises AssayError where matplotlib is not installed.
    """
    with _LOCK:
        try:
            import matplotlib as mpl
        except ImportError as error:
            raise AssayError(
                "Pictures are drawn by matplotlib, which is not installed.",
                hint="Install it: pip install 'assay[report]'.",
            ) from error
        defaults = {name: value for name, value in mpl.rcParamsDefault.items() if not name.startswith("backend")}
        with warnings.catch_warnings(), mpl.rc_context({**defaults, **_SETTINGS}):
            # A letter that no installed font has is drawn as a box; the text itself stays in the SVG and in its titles.
            warnings.filterwarnings("ignore", message=".*[Gg]lyph.*")
            yield


@dataclass(frozen=True, slots=True)
class Theme:
    """What roles are drawn in. ``is_themed``: stand-ins, on no paper of their own, for ``vector`` to replace."""

    is_themed: bool = False
    is_dark: bool = False

    def colour(self, role: str) -> str:
        """Return the value of a role; a colour of a map, ``#rrggbb``, is itself."""
        if role.startswith("#"):
            return role
        return STAND_INS[role] if self.is_themed else COLOURS[role].on(is_dark=self.is_dark)


@dataclass(slots=True)
class Canvas:
    """One picture while it is drawn. ``titles`` and ``refs`` are of the elements of a part, by the id of the part."""

    width: float
    height: float
    theme: Theme
    ruler: Ruler
    figure: Any = None
    titles: dict[str, tuple[str, ...]] = field(default_factory=dict)
    refs: dict[str, tuple[str | None, ...]] = field(default_factory=dict)
    _transform: Any = None
    _order: int = 0

    def __post_init__(self) -> None:
        from matplotlib.figure import Figure
        from matplotlib.transforms import Affine2D

        self.figure = Figure(figsize=(self.width / 72, self.height / 72), dpi=72)
        self.figure.patch.set_visible(not self.theme.is_themed)
        self.figure.patch.set(facecolor=self.theme.colour("paper"), linewidth=0)
        self._transform = Affine2D().scale(1 / self.width, -1 / self.height).translate(0, 1) + self.figure.transFigure

    def text(  # noqa: PLR0913  (where, what and how)
        self, x: float, y: float, text: str, *, size: float = BODY, role: str = "ink", at: str = "left",
        is_bold: bool = False, rotation: float = 0, title: str | None = None,
    ) -> None:  # fmt: skip
        """Write a text with its baseline at ``y``; ``title`` is shown on pointing at it."""
        artist = self.figure.text(
            x, y, text, transform=self._transform, fontproperties=self.ruler.font(size, is_bold=is_bold), ha=at,
            va="baseline", color=self.theme.colour(role), rotation=rotation, rotation_mode="anchor",
        )  # fmt: skip
        artist.set_zorder(self._next())
        if title is not None:
            artist.set_gid(self._file((title,), ()))

    def line(self, xs: Sequence[float], ys: Sequence[float], **style: Any) -> None:
        """Draw a line; NaN breaks it. ``style`` is what matplotlib's ``Line2D`` takes."""
        from matplotlib.lines import Line2D

        self.figure.add_artist(Line2D(xs, ys, transform=self._transform, zorder=self._next(), **style))

    def marks(
        self, points: Sequence[tuple[float, float]], titles: Sequence[str] = (), refs: Sequence[str | None] = (),
        **style: Any,
    ) -> None:  # fmt: skip
        """Draw a mark at each point, with a title and a reference each where they are given."""
        from matplotlib.lines import Line2D

        xs, ys = [x for x, _ in points], [y for _, y in points]
        artist = Line2D(xs, ys, transform=self._transform, zorder=self._next(), linestyle="none", **style)
        if titles:
            artist.set_gid(self._file(titles, refs))
        self.figure.add_artist(artist)

    def rectangle(
        self, left: float, top: float, width: float, height: float, *, title: str | None = None, ref: str | None = None,
        **style: Any,
    ) -> None:  # fmt: skip
        """Draw a rectangle. ``style`` is what matplotlib's ``Rectangle`` takes."""
        from matplotlib.patches import Rectangle

        artist = Rectangle((left, top), width, height, transform=self._transform, zorder=self._next(), **style)
        if title is not None:
            artist.set_gid(self._file((title,), (ref,)))
        self.figure.add_artist(artist)

    def hatch(
        self, left: float, top: float, width: float, height: float, *, colour: tuple[str, float],
        title: str | None = None, ref: str | None = None,
    ) -> None:  # fmt: skip
        """Hatch a rectangle, as what is predicted is, over what is there. ``colour`` is a value with its opacity."""
        style = {"facecolor": "none", "hatch": PREDICTED.hatch, "hatchcolor": colour, "linewidth": 0}
        self.rectangle(left, top, width, height, title=title, ref=ref, **style)

    def polygon(self, points: Sequence[tuple[float, float]], **style: Any) -> None:
        """Draw a filled area. ``style`` is what matplotlib's ``Polygon`` takes."""
        from matplotlib.patches import Polygon

        self.figure.add_artist(Polygon(points, closed=True, transform=self._transform, zorder=self._next(), **style))

    def segments(self, ends: Sequence[tuple[float, float, float, float]], **style: Any) -> None:
        """Draw many lines, each from (x, y) to (x, y), as one path."""
        from matplotlib.patches import PathPatch
        from matplotlib.path import Path

        if not ends:
            return
        path = Path(
            [point for x0, y0, x1, y1 in ends for point in ((x0, y0), (x1, y1))], [Path.MOVETO, Path.LINETO] * len(ends)
        )
        path.should_simplify = False  # it would join what are lines of their own
        self.figure.add_artist(PathPatch(path, fill=False, transform=self._transform, zorder=self._next(), **style))

    def image(self, left: float, top: float, width: float, height: float, pixels: Any) -> None:
        """Draw an array of (rows, columns, 4) bytes, row 0 on top, its pixels sharp."""
        axes = self.figure.add_axes(
            (left / self.width, 1 - (top + height) / self.height, width / self.width, height / self.height),
            frameon=False, zorder=self._next(), xticks=(), yticks=(),
        )  # fmt: skip
        axes.imshow(pixels, interpolation="none", aspect="auto")

    def _file(self, titles: Sequence[str], refs: Sequence[str | None]) -> str:
        name = f"part-{len(self.titles)}"
        self.titles[name], self.refs[name] = tuple(titles), tuple(refs)
        return name

    def _next(self) -> int:
        self._order += 1
        return self._order
