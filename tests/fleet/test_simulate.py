from __future__ import annotations

from pathlib import Path

from assay.fleet.simulate import Costs, Load, make_bundle, measure_costs, read_durations, simulate_fleet
from assay.store import Store

FAST = Costs(commits_per_s=1e6, ledger_lines_per_s=1e6, decisions_per_s=1e6)


def test_a_free_store_costs_nothing() -> None:
    found = simulate_fleet(Load(10, 100, (10.0,), loss=0.0), FAST)
    assert found.attempts == 100
    assert found.ideal_s <= found.makespan_s < found.ideal_s + 1
    assert 90 <= found.ideal_s <= 110, "ten rounds of about ten seconds"


def test_what_is_slowest_breaks_first() -> None:
    slow_store = Costs(commits_per_s=2.0, ledger_lines_per_s=500.0, decisions_per_s=1e5)
    found = simulate_fleet(Load(100, 1000, (10.0,), loss=0.0, seed=3), slow_store)
    assert found.limits[0].name == "store commits"
    assert found.limits[0].use > 1
    assert found.breaks_first == "store commits, at 19 nodes" or found.limits[0].nodes_at_limit in (19, 20)
    assert found.makespan_s > 490, "a thousand commits at two a second"
    assert found.worst_commit_wait_s > 10
    assert simulate_fleet(Load(100, 1000, (10.0,), seed=3), slow_store).attempts >= 1000


def test_losses_cost_attempts_and_the_same_seed_says_the_same() -> None:
    load = Load(20, 300, (5.0, 20.0), loss=0.2, seed=1)
    found = simulate_fleet(load, FAST)
    assert found.attempts > 330
    assert found == simulate_fleet(load, FAST)


def test_costs_are_measured_and_durations_read(tmp_path: Path) -> None:
    costs = measure_costs()
    assert min(costs.commits_per_s, costs.ledger_lines_per_s, costs.decisions_per_s) > 0
    store = Store.open(tmp_path)
    assert read_durations(store) == ()
    store.append(make_bundle())
    assert read_durations(store) == (1.0,)
