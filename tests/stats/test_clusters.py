"""Silhouettes and the adjusted Rand index against their definitions; fronts against theirs."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.stats.clusters import (
    adjusted_rand,
    build_tree,
    cut_tree,
    distances,
    draw_one_cloud,
    mean_silhouette,
    standardise,
)
from assay.stats.fronts import find_beater, find_layers

groupings = st.integers(2, 10).flatmap(
    lambda n: st.tuples(*(st.lists(st.integers(0, 3), min_size=n, max_size=n) for _ in range(2)))
)
tables = st.integers(1, 3).flatmap(
    lambda width: st.lists(st.tuples(*[st.integers(0, 3).map(float)] * width), min_size=1, max_size=14)
)


def test_the_silhouette_is_that_of_the_definition() -> None:
    random = np.random.default_rng(1)
    points = random.normal(size=(25, 3))
    labels = np.array([0] * 1 + [1] * 10 + [2] * 14)
    apart = distances(points)
    scores = []
    for one in range(25):
        own = [other for other in range(25) if labels[other] == labels[one] and other != one]
        if not own:
            scores.append(0.0)
            continue
        within = np.mean([np.linalg.norm(points[one] - points[other]) for other in own])
        nearest = min(
            np.mean([np.linalg.norm(points[one] - points[other]) for other in range(25) if labels[other] == label])
            for label in {0, 1, 2} - {int(labels[one])}
        )
        scores.append(float((nearest - within) / max(nearest, within)))
    assert mean_silhouette(apart, labels) == pytest.approx(np.mean(scores))
    with pytest.raises(ValueError, match="one group"):
        mean_silhouette(apart, np.zeros(25, dtype=int))


@given(groupings)
def test_the_rand_index_counts_pairs(pair: tuple[list[int], list[int]]) -> None:
    one, other = pair
    pairs = list(itertools.combinations(range(len(one)), 2))
    in_one, in_other = ([each[a] == each[b] for a, b in pairs] for each in (one, other))
    both = sum(a and b for a, b in zip(in_one, in_other, strict=True))
    expected, most = sum(in_one) * sum(in_other) / len(pairs), (sum(in_one) + sum(in_other)) / 2
    wanted = 1.0 if most == expected else (both - expected) / (most - expected)
    assert adjusted_rand(one, other) == pytest.approx(wanted)
    assert adjusted_rand(one, other) == pytest.approx(adjusted_rand(other, one))


def test_names_of_groups_do_not_matter() -> None:
    assert adjusted_rand(["a", "a", "b", "c"], [7, 7, 3, 1]) == 1
    with pytest.raises(ValueError, match="expected the same"):
        adjusted_rand([1], [1, 2])


def test_planted_groups_come_back() -> None:
    random = np.random.default_rng(2)
    planted = np.repeat([0, 1, 2], 15)
    points = standardise(np.array([[0, 0], [8, 0], [0, 8]])[planted] + random.normal(size=(45, 2)))
    labels = cut_tree(build_tree(points), 3)
    assert adjusted_rand(labels, planted) == 1
    assert mean_silhouette(distances(points), labels) > 0.6


def test_a_column_that_tells_nothing_apart_is_refused() -> None:
    with pytest.raises(ValueError, match="never differs"):
        standardise([[1.0, 2.0], [1.0, 3.0]])


def test_one_cloud_has_the_spread_of_its_families_and_of_their_points() -> None:
    random = np.random.default_rng(3)
    families = np.repeat(np.arange(800), 5)
    shape = np.array([[2.0, 1.0], [0.0, 0.5]])
    points = (random.normal(size=(800, 2)) @ shape)[families] + 0.3 * random.normal(size=(4000, 2))
    drawn = draw_one_cloud(points, families, random)
    assert np.cov(drawn, rowvar=False) == pytest.approx(np.cov(points, rowvar=False), rel=0.15, abs=0.05)
    for one in (points, drawn):
        within = one - np.stack([one[families == family].mean(axis=0) for family in range(800)])[families]
        assert within.std() == pytest.approx(0.3 * np.sqrt(0.8), rel=0.1)


def test_one_cloud_of_lone_points_is_normal() -> None:
    random = np.random.default_rng(4)
    points = np.exp(random.normal(size=(2000, 2)))
    drawn = draw_one_cloud(points, np.arange(2000), random)
    assert drawn.min() < 0 < points.min()
    assert drawn.mean(axis=0) == pytest.approx(points.mean(axis=0), abs=0.2)


@given(tables)
def test_a_layer_is_what_nothing_left_beats(rows: list[tuple[float, ...]]) -> None:
    costs = np.array(rows)
    layers = find_layers(costs)

    def beats(one: int, other: int) -> bool:
        return bool((costs[one] <= costs[other]).all() and (costs[one] < costs[other]).any())

    for place, layer in enumerate(layers):
        left = [other for other in range(len(rows)) if layers[other] >= layer]
        assert not any(beats(other, place) for other in left)
        if layer > 1:
            assert any(beats(other, place) for other in range(len(rows)) if layers[other] == layer - 1)
            beater = find_beater(costs, place, layers == 1)
            assert beater is not None
            assert beats(beater, place)
        else:
            assert find_beater(costs, place, layers == 1) is None
    first = find_layers(costs, most=1)
    assert ((first == 1) == (layers == 1)).all()


def test_an_unknown_cost_is_refused() -> None:
    with pytest.raises(ValueError, match="not known"):
        find_layers([[1.0, float("nan")]])
