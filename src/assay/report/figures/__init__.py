"""Figures, each defined once: data in, a ``Figure`` out.

Nothing here draws or measures, and nothing but ``intervals`` reads a store.

One module a figure; ``draw_...`` functions take keyword arguments: records of lower layers, or cells
(``report.values.Cell``), so that a number comes with its interval, count, provenance and reason. docs/figures.md says
what each shows. What holds for all of them:

- Values are in base units; the axis names the unit and which way is better.
- A layer has one provenance. What rankings leave out (``is_usable`` False, contaminated) is a layer of its own, hollow.
- ``labels`` say what a point is (a case, a launch) and, behind a colon, what else is to be known of it; its value,
  interval and count stand in ``y``, ``lo``, ``hi`` and ``n``. Names are as their source wrote them.
- On a category axis the positions are 0, 1, 2 ...; a band around all of them goes from -0.5 to the last + 0.5.
- ``alt`` says in numbers what one would see. What was left out, and why, stands in ``notes``; where points are thinned,
  a note says by which rule (``_thinning``).
- Nothing to draw is a figure with ``empty``: why, and what would fill it.

May import: core, catalog, stats, analysis, runner, recommend, report.
"""
