"""The ways of filling a gap, and the test of masked cells that chooses between them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from assay.stats.gaps import GapTable, Imputed, Method, Refusal, Situation
from assay.stats.imputation import GroupMedian, Neighbours, column_medians, fit_methods
from assay.stats.masking import count_gaps, find_within, mask_cells
from assay.stats.method_choice import FEWEST_CELLS, LEAST_COVERAGE, MaskedTest, impute_gaps, judge_methods

NAN = math.nan
WITHIN, BEYOND = Situation.WITHIN, Situation.BEYOND


def make_table(
    logs: np.ndarray,
    groups: Sequence[str],
    *,
    gaps: Sequence[tuple[int, int]] = (),
    twins: Sequence[str] | None = None,
    whole: Sequence[int] = (),
) -> GapTable:
    rows, columns = logs.shape
    is_gap = np.zeros(logs.shape, dtype=np.bool_)
    for gap in gaps:
        is_gap[gap] = True
    logs = np.where(is_gap, NAN, logs)
    return GapTable(
        rows=tuple(f"row {place}" for place in range(rows)),
        columns=tuple(f"column {place}" for place in range(columns)),
        logs=logs,
        is_gap=is_gap,
        groups=tuple((group, group[0], "all") for group in groups),
        twins=tuple(twins or range(rows)),
        is_target=np.ones(columns, dtype=np.bool_),
        is_whole=np.array([place in whole for place in range(columns)]),
    )


def scaling(groups: int = 12, size: int = 10, noise: float = 0.02, seed: int = 0) -> tuple[np.ndarray, list[str]]:
    """Rates that follow size: the last column is that of the group plus the first two; sizes spread tenfold."""
    generator = np.random.default_rng(seed)
    names = [f"{'ab'[group % 2]}{group}" for group in range(groups) for _ in range(size)]
    level = np.repeat(generator.normal(size=groups), size)
    units, clock = generator.normal(scale=0.8, size=groups * size), generator.normal(scale=0.2, size=groups * size)
    rate = level + units + clock + noise * generator.normal(size=groups * size)
    power = 0.8 * units + 0.3 * generator.normal(size=groups * size)
    return np.column_stack([units, clock, power, rate]), names


def find_test(tests: Sequence[MaskedTest], column: int, situation: Situation) -> MaskedTest:
    [found] = [test for test in tests if test.column == f"column {column}" and test.situation is situation]
    return found


def test_medians_of_columns_with_gaps() -> None:
    logs = np.array([[1.0, NAN, 5.0], [2.0, NAN, NAN], [9.0, 4.0, 7.0]])
    np.testing.assert_array_equal(column_medians(logs), [2.0, 4.0, 6.0])
    np.testing.assert_array_equal(column_medians(np.full((1, 2), NAN)), [NAN, NAN])


def test_the_median_is_that_of_the_narrowest_group_that_has_one() -> None:
    logs = np.array([[1.0], [3.0], [10.0], [NAN]])
    groups = [("a1", "a", "all"), ("a1", "a", "all"), ("a2", "a", "all"), ("a3", "a", "all")]
    median = GroupMedian(logs, groups)
    nothing = np.array([NAN])
    assert median.predict(nothing, groups[0], 0) == 2.0
    assert median.predict(nothing, ("a3", "a", "all"), 0) == 3.0
    assert median.predict(nothing, ("b1", "b", "all"), 0) == 3.0
    assert math.isnan(median.predict(nothing, ("b1", "b", "other"), 0))


def test_neighbours_are_near_in_what_both_know() -> None:
    generator = np.random.default_rng(0)
    near, far = generator.normal(0, 0.1, size=(10, 3)), generator.normal(5, 0.1, size=(10, 3))
    logs = np.column_stack([np.vstack([near, far]), np.repeat([1.0, 2.0], 10)])
    groups = [("a", "a", "all")] * 20
    neighbours = Neighbours(logs, groups)
    assert neighbours.predict(np.array([0.0, 0.1, -0.1, NAN]), groups[0], 3) == pytest.approx(1.0)
    assert neighbours.predict(np.array([5.0, 5.1, 4.9, 99.0]), groups[0], 3) == pytest.approx(2.0)
    assert math.isnan(neighbours.predict(np.array([5.0, NAN, NAN, NAN]), groups[0], 3))


def test_within_an_architecture_the_regression_starts_from_its_level() -> None:
    logs, names = scaling()
    table = make_table(logs, names)
    rows = [place for place in range(len(names)) if place != 7]
    truth = logs[7, 3]
    row = np.where(np.arange(4) == 3, NAN, logs[7])
    found = {method: one.predict(row, table.groups[7], 3) for method, one in fit_methods(table, rows, WITHIN).items()}
    assert found[Method.REGRESSION] == pytest.approx(truth, abs=0.1)
    assert abs(found[Method.MEDIAN] - truth) > abs(found[Method.REGRESSION] - truth)


def test_a_gap_is_within_where_another_of_its_architecture_is_known() -> None:
    logs = np.array([[1.0, NAN], [NAN, NAN], [NAN, 3.0]])
    table = make_table(logs, ["a1", "a1", "a2"], gaps=[(1, 0), (1, 1), (2, 0)])
    np.testing.assert_array_equal(find_within(table), [[False, False], [True, False], [False, False]])
    assert count_gaps(table) == {(0, WITHIN): 1, (0, BEYOND): 1, (1, WITHIN): 0, (1, BEYOND): 1}
    assert count_gaps(table, [2])[0, WITHIN] == 0


def test_a_table_that_contradicts_itself_is_refused() -> None:
    table = make_table(np.array([[1.0], [NAN]]), ["a1", "a1"], gaps=[(1, 0)])
    with pytest.raises(ValueError, match="got a gap that has a value"):
        replace(table, is_gap=np.ones((2, 1), dtype=np.bool_))
    with pytest.raises(ValueError, match="expected the same"):
        replace(table, is_gap=np.zeros((3, 1), dtype=np.bool_))


def test_the_method_that_knows_the_rule_is_used() -> None:
    logs, names = scaling()
    tests = judge_methods(make_table(logs, names, gaps=[(0, 3), (11, 3)]))
    test = find_test(tests, 3, WITHIN)
    assert (test.gaps, test.used, test.reason) == (2, Method.REGRESSION, None)
    score = test.score(Method.REGRESSION)
    assert score is not None
    assert score.beats_median
    assert score.mean < 1.1
    median = test.score(Method.MEDIAN)
    assert median is not None
    assert median.mean > 1.5
    assert not median.beats_median


def test_the_interval_covers_what_it_promises() -> None:
    logs, names = scaling(groups=30, size=8, noise=0.2)
    test = find_test(judge_methods(make_table(logs, names)), 3, WITHIN)
    assert test.chosen is not None
    assert 0.84 < test.chosen.coverage < 0.96


def test_where_nothing_tells_the_median_stays() -> None:
    generator = np.random.default_rng(3)
    names = [f"a{place // 10}" for place in range(120)]
    tests = judge_methods(make_table(generator.normal(scale=0.2, size=(120, 4)), names))
    assert {test.used for test in tests} == {Method.MEDIAN}


def test_rows_that_are_one_product_are_hidden_together() -> None:
    # Pairs share everything, and nothing else tells the last column: whoever sees the twin is right.
    generator = np.random.default_rng(4)
    logs = np.repeat(generator.normal(scale=0.3, size=(60, 4)), 2, axis=0)
    names = [f"a{place // 12}" for place in range(120)]
    apart, together = (
        mask_cells(make_table(logs, names, twins=twins), [(3, WITHIN)])[3, WITHIN].sizes(Method.NEIGHBOURS).mean()
        for twins in (None, [str(place // 2) for place in range(120)])
    )
    assert apart < together / 2


def test_with_a_cell_goes_what_real_gaps_lack_besides() -> None:
    logs, names = scaling()
    logs[:10, :3] = NAN  # who lacks the rate knows nothing at all
    table = make_table(logs, names, gaps=[(place, 3) for place in range(10)])
    errors = mask_cells(table, [(3, BEYOND)])[3, BEYOND]
    np.testing.assert_array_equal(errors.sizes(Method.REGRESSION), errors.sizes(Method.MEDIAN))
    assert errors.answered[Method.REGRESSION] == 0


def test_what_is_said_of_a_column_does_not_hang_on_the_others_asked() -> None:
    logs, names = scaling()
    table = make_table(logs, names, gaps=[(0, 3), (4, 2)])
    everything = judge_methods(table)
    alone = judge_methods(table, [(3, WITHIN)])
    assert alone == (find_test(everything, 3, WITHIN),)
    assert judge_methods(table) == everything


def test_gaps_are_filled_with_interval_method_and_count() -> None:
    logs, names = scaling()
    truth = math.exp(logs[0, 3])
    table = make_table(logs, names, gaps=[(0, 3)])
    [(key, found)] = impute_gaps(table, judge_methods(table, [(3, WITHIN)])).items()
    assert key == ("row 0", "column 3")
    assert isinstance(found, Imputed)
    assert found.is_imputed
    assert (found.method, found.n, found.situation, found.level) == (Method.REGRESSION, 119, WITHIN, 0.9)
    assert found.lo < truth < found.hi
    assert found.value == pytest.approx(truth, rel=0.1)
    assert found.value / found.lo == pytest.approx(found.hi / found.value)


def test_counts_take_a_value_that_some_row_has() -> None:
    logs, names = scaling()
    steps = np.log(np.array([1.0, 2.0, 4.0, 8.0, 16.0]))
    logs[:, 3] = steps[np.argmin(np.abs(logs[:, [3]] - steps), axis=1)]
    table = make_table(logs, names, gaps=[(0, 3)], whole=[3])
    [found] = impute_gaps(table, judge_methods(table, [(3, WITHIN)])).values()
    assert isinstance(found, Imputed)
    assert round(found.value, 9) in {1.0, 2.0, 4.0, 8.0, 16.0}


def test_too_few_cells_are_no_test_and_fill_nothing() -> None:
    logs, names = scaling(groups=3, size=6)
    table = make_table(logs, names, gaps=[(0, 3)])
    [test] = judge_methods(table, [(3, WITHIN)])
    assert test.used is None
    assert test.reason == f"too few cells to test on: 17 of 3 architectures, expected {FEWEST_CELLS} of 5"
    [found] = impute_gaps(table, (test,)).values()
    assert found == Refusal(test.reason)


def test_an_interval_that_says_nothing_fills_nothing() -> None:
    generator = np.random.default_rng(3)
    names = [f"a{place // 10}" for place in range(120)]
    table = make_table(generator.normal(scale=3, size=(120, 4)), names, gaps=[(0, 3)])
    [test] = judge_methods(table, [(3, WITHIN)])
    assert test.used is None
    assert test.reason is not None
    assert "nothing beyond 4 is filled in" in test.reason
    assert test.scores


def test_an_interval_that_did_not_hold_fills_nothing() -> None:
    # One large architecture is all over the place, and the others promise too much of it.
    generator = np.random.default_rng(5)
    names = ["a0"] * 40 + [f"a{1 + place // 15}" for place in range(60)]
    logs = generator.normal(scale=0.01, size=(100, 4))
    logs[:40, 3] += generator.uniform(-1, 1, size=40)
    [test] = judge_methods(make_table(logs, names, gaps=[(99, 3)]), [(3, WITHIN)])
    assert test.chosen is not None
    assert test.chosen.coverage < LEAST_COVERAGE
    assert test.used is None
    assert test.reason is not None
    assert "of cells of other architectures, too few for 90%" in test.reason
