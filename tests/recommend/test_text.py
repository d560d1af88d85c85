"""Set-ups for users of a language model, chosen with what ships: by limits, by price, and by what is known."""

from __future__ import annotations

from pathlib import Path

import pytest

from assay.core.errors import UnsupportedError, UsageError
from assay.predict.serving.protocol import Demand
from assay.recommend.text import TextWish, plan_text
from assay.store import Store

pytest.importorskip("torch", reason="configurations are counted with torch: pip install 'assay[torch]'")
pytest.importorskip("scipy", reason="what lies within limits is learned with scipy: pip install 'assay[predict]'")

PRICES = {"a10": 1.0, "t4": 0.5, "a100-sxm4-80gb": 2.5}
ON = ("a10", "t4", "a100-sxm4-80gb")


def wish(demand: Demand, *, model: str = "llama/8b", on: tuple[str, ...] = ON, **other: object) -> TextWish:
    return TextWish(model, on, demand, prices_usd_h=PRICES, **other)  # type: ignore[arg-type]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "store")


def test_set_ups_are_ranked_by_what_they_are_worth_for_the_limits(store: Store) -> None:
    found = plan_text(store, wish(Demand(200, 10.0, 50.0)))
    assert found.left == ()
    assert len(found.options) == 9
    worth = [one.worth for one in found.options]
    assert worth == sorted(worth, reverse=True)
    best = found.options[0]
    assert best.p_meets > 0.4
    assert best.usd_h == pytest.approx(PRICES[{"NVIDIA A10": "a10", "NVIDIA Tesla T4": "t4"}.get(best.device, ON[2])]
                                       * best.devices * best.replicas)  # fmt: skip
    # More users take more, and a laxer wait for the first token no more than a stricter one.
    more = plan_text(store, wish(Demand(800, 10.0, 50.0)))
    assert min(one.usd_h for one in more.options if one.p_meets > 0.5) > min(
        one.usd_h for one in found.options if one.p_meets > 0.5
    )
    lax = plan_text(store, wish(Demand(200, 100.0, 50.0)))
    assert lax.options[0].worth > best.worth


def test_what_cannot_be_said_is_left_with_its_reason(store: Store) -> None:
    found = plan_text(store, wish(Demand(5), on=("l4", "a10", "h100"), counts=(1,)))
    reasons = dict(found.left)
    assert reasons["NVIDIA L4"] == "no price of an hour of it is stored or given"
    assert "NVIDIA H100 SXM5 80GB" in reasons
    priced = plan_text(store, TextWish("llama/8b", ("l4",), Demand(5), (1,), {"l4": 0.7}))
    assert "no server was measured on it" in dict(priced.left)["NVIDIA L4"]
    large = plan_text(store, wish(Demand(5), model="llm/qwen3-235b-a22b", on=("a10",), counts=(1, 2)))
    assert large.options == ()
    assert all("do not fit" in why for _, why in large.left)


@pytest.mark.parametrize(
    ("asked", "error", "says"),
    [
        (wish(Demand(0)), UsageError, "Got 0 users"),
        (wish(Demand(5, itl_ms=0.0)), UsageError, "above 0"),
        (wish(Demand(5), counts=(0,)), UsageError, "devices of a replica"),
        (TextWish("llama/8b", ON, Demand(5), prices_usd_h={"a10": 1e300}), UsageError, "A price is above"),
        (wish(Demand(5), model="llm/unheard"), UsageError, "not in the table"),
        (wish(Demand(5), model="bert/tiny"), UnsupportedError, "does not generate text"),
    ],
)
def test_what_makes_no_sense_is_refused(store: Store, asked: TextWish, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        plan_text(store, asked)
