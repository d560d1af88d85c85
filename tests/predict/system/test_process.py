"""The process over rows that share words and numbers, against what its formulas must give."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from assay.predict.system.process import Process, Rows, Term, covary, expect, fit_process, leave_out, nearest, rebuild

TERMS = (
    Term("group", ("group",), variance=0.3),
    Term("slope", columns=("x",), shape="linear", variance=0.5),
    Term("near", columns=("x", "y"), shape="near", variance=0.2, length=0.7),
    Term("walk", ("group",), ("time",), "steps", variance=0.1),
)


def make_rows(n: int = 24) -> Rows:
    random = np.random.default_rng(3)
    return Rows(
        {"group": np.arange(n) % 4},
        {"x": random.normal(size=n), "y": random.normal(size=n), "time": random.integers(0, 5, n) / 4},
        n,
    )


def make_process(n: int = 24) -> Process:
    values = np.random.default_rng(4).normal(size=n)
    repeats = np.arange(n) % 3 + 1.0
    return rebuild(TERMS, [one.variance for one in TERMS], 0.05, 0.1, make_rows(n), values, repeats)


def test_every_term_is_a_covariance() -> None:
    rows = make_rows()
    for one in TERMS:
        part = covary(one, rows, rows)
        assert np.allclose(part, part.T)
        assert np.linalg.eigvalsh(part).min() > -1e-9, one.name


def test_rows_of_other_words_share_nothing_by_that_term() -> None:
    rows = make_rows()
    part = covary(TERMS[0], rows, rows)
    assert part[0, 4] == 1
    assert part[0, 1] == 0


def test_leaving_a_group_out_is_the_same_as_never_having_had_it() -> None:
    process = make_process()
    groups = [f"g{place % 5}" for place in range(process.rows.n)]
    errors, sds = leave_out(process, groups)
    held = np.array([name == "g2" for name in groups])
    kept, out = np.flatnonzero(~held), np.flatnonzero(held)
    fewer = rebuild(
        TERMS, process.variances, process.noise, process.mean, process.rows.take(kept), process.values[kept],
        process.repeats[kept],
    )  # fmt: skip
    mean, sd = expect(fewer, process.rows.take(out))
    assert np.allclose(errors[out], process.values[out] - mean)
    once = process.repeats[out] == 1  # what is expected is one outcome's spread, what was left out a median's
    assert np.allclose(sds[out][once], sd[once])


def test_a_word_never_seen_is_less_certain_and_far_away_more_so() -> None:
    process = make_process()
    known = process.rows.take(np.array([0]))
    new = replace(known, words={"group": np.array([-1])})
    far = replace(new, columns={**known.columns, "x": known.columns["x"] + 10})
    sds = [float(expect(process, one)[1][0]) for one in (known, new, far)]
    assert sds == sorted(sds)
    assert sds[0] < sds[1] < sds[2]


def test_the_nearest_row_of_a_known_one_is_itself() -> None:
    process = make_process()
    alone = rebuild(TERMS[2:3], [1.0], 0.05, 0.0, process.rows, process.values, process.repeats)
    assert nearest(alone, process.rows).tolist() == list(range(process.rows.n))


def test_learning_finds_which_part_varies() -> None:
    random = np.random.default_rng(0)
    n = 100
    rows = Rows({"group": np.arange(n) % 20}, {"x": random.normal(size=n)}, n)
    terms = (Term("group", ("group",)), Term("slope", columns=("x",), shape="linear"))
    values = random.normal(size=20)[np.arange(n) % 20] + 0.01 * random.normal(size=n)
    process = fit_process(terms, rows, values, np.ones(n), 0)
    assert process.variances[0] > 0.2
    assert process.variances[1] < 0.01
    assert process.noise < 0.01


def test_learning_is_the_same_each_time() -> None:
    rows = make_rows(60)
    values = np.random.default_rng(1).normal(size=60)
    one, other = (fit_process(TERMS, rows, values, np.ones(60), 7) for _ in range(2))
    assert one.variances == other.variances
    assert np.array_equal(one.weights, other.weights)
