"""Browsers beside native, as one question and its answer: what is asked of a store, pairs, and what has none.

The command line, the report and the dashboard ask here, so that they hold the same pairs. May import: core, catalog,
store, analysis.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from assay.analysis.usable_numbers import NumberWanted, read_shape, select_any
from assay.analysis.web_pairs import WebMean, WebPair, group_pairs, mean_of, pair_sides
from assay.analysis.web_sides import Side, read_sides
from assay.core.display import Displayed
from assay.core.errors import UnknownNameError
from assay.core.words import Direction

if TYPE_CHECKING:
    from assay.store import Store

_OF_THE_BROWSER = ("engine", "device", "hardware", "options", "status", "verdict", "fidelity", "usable", "result_id")
"""Fields of a selection that narrow the browsers' results alone: what they stand beside has others."""


@dataclass(frozen=True, slots=True)
class WebQuestion:
    """What is asked. ``where`` are fields of a selection; ``native`` is the engine that browsers are held against.

    ``native`` None: the fastest that ran the same. ``browser``, ``backend`` and ``family`` narrow further, by the words
    that results are shown with.
    """

    metric: str = "latency_ns"
    stat: str | None = None
    native: str | None = None
    where: Mapping[str, Any] = field(default_factory=dict)
    run_ids: tuple[str, ...] = ()
    browser: str | None = None
    backend: str | None = None
    family: str | None = None


@dataclass(frozen=True, slots=True)
class WebReport(Displayed):
    """The answer: every result of a browser in ``web``, their ``pairs``, and why each other has none (``alone``).

    ``browsers``, ``backends`` and ``families`` are all that the selection has, whatever was narrowed to, and
    ``engines`` those that ran the same models outside.
    """

    question: WebQuestion
    wanted: NumberWanted
    web: tuple[Side, ...]
    pairs: tuple[WebPair, ...]
    alone: Mapping[str, str]
    browsers: tuple[str, ...]
    backends: tuple[str, ...]
    families: tuple[str, ...]
    engines: tuple[str, ...]

    @property
    def direction(self) -> Direction:
        """Which way the metric is better."""
        return self.wanted.direction

    @property
    def software(self) -> tuple[Side, ...]:
        """Results on software adapters that went well: they show that something works, and are in no ratio."""
        return tuple(one for one in self.web if one.is_software and one.is_usable)

    def means(self) -> list[tuple[str | None, str, WebMean]]:
        """The geometric mean of the ratios by browser and backend, the least first."""
        groups = group_pairs(self.pairs, lambda one: (one.web.browser, str(one.web.backend), one.web.provenance))
        found = [(browser, backend, mean_of(own)) for (browser, backend, _), own in groups.items()]
        return sorted(found, key=lambda one: one[2].ratio)


def compare_web(store: Store, question: WebQuestion) -> WebReport:
    """Answer it. Raises StoreError, UsageError, UnknownNameError for a metric or native engine that nobody knows."""
    wanted = NumberWanted.of(question.metric, question.stat)
    outside = {name: one for name, one in question.where.items() if name not in _OF_THE_BROWSER}
    sides = read_sides(
        store, select_any(question.where, question.run_ids), select_any(outside, question.run_ids), wanted
    )
    everything = [one for one in sides if one.backend is not None]
    engines = _words(one.engine for one in sides if one.backend is None)
    if question.native is not None and question.native not in engines:
        raise UnknownNameError("engine that ran the same models outside of a browser", question.native, engines)
    web = [one for one in everything if _fits(one, question)]
    native = [one for one in sides if one.backend is None]
    pairs, alone = pair_sides([*web, *native], wanted.direction, native=question.native)
    return WebReport(
        question=question,
        wanted=wanted,
        web=tuple(web),
        pairs=tuple(pairs),
        alone=alone,
        browsers=_words(one.browser for one in everything),
        backends=_words(one.backend for one in everything),
        families=_words(one.family for one in everything),
        engines=engines,
    )


def case_words(side: Side) -> str:
    """The work of a side in words, without engine and browser: ``bert/tiny fp32 b1 seq128 threads=2``."""
    sizes = [f"{name}{size}" for name, size in read_shape(side.shape)]
    shown = [f"{name}={value}" for name, value in side.options.items() if name not in ("browser", "threads", "visitor")]
    batch = None if side.batch is None else f"b{side.batch}"
    threads = f"threads={side.threads}" if side.is_on_cpu and side.threads is not None else None
    return " ".join(word for word in (side.workload, side.precision, batch, *sizes, threads, *shown) if word)


def _fits(side: Side, question: WebQuestion) -> bool:
    asked: Sequence[tuple[str | None, str | None]] = (
        (question.browser, side.browser), (question.backend, side.backend), (question.family, side.family),
    )  # fmt: skip
    return all(wanted in (None, own) for wanted, own in asked)


def _words(values: Iterable[str | None]) -> tuple[str, ...]:
    return tuple(sorted({one for one in values if one is not None}))
