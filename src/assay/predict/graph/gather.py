"""Examples of graphs on devices: published timings, and one's own results, which weigh more. May import: predict."""

from __future__ import annotations

from dataclasses import replace

from assay.predict.base import ExampleSource, Gathered
from assay.predict.graph.features import round_of
from assay.predict.graph.timm import gather_timm
from assay.predict.own.gather import gather_own

OWN_WEIGHT = 5.0
"""What a row of one's own weighs beside a published one: it is of the machines and models that will be asked about."""

ENGINES = ("torch", "torch-compile")
"""Engines that features tell apart. Other runtimes have kernels of their own: the predictor ``own`` knows them."""


def gather_graphs(source: ExampleSource) -> Gathered:
    """Read the published tables that are there, and the store's own results with their graphs."""
    published, own = gather_timm(source), gather_own(source)
    mine = [
        replace(
            one,
            weight=one.weight * OWN_WEIGHT,
            groups={
                "vendor": one.question.device.vendor, "config": f"{one.groups['device']} {one.groups['engine']}",
                "round": round_of(one.question.conditions), **one.groups,
            },
        )
        for one in own.examples
        if one.question.conditions.engine in ENGINES
    ]  # fmt: skip
    return Gathered(
        (*published.examples, *mine), (*published.uses, *own.uses), tuple(dict.fromkeys((*published.notes, *own.notes)))
    )
