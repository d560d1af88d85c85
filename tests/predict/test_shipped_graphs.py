"""Graphs that ship are what would be counted here, and answer where PyTorch is not installed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from assay.core.errors import UnsupportedError
from assay.predict import graphs
from assay.predict.graphs import profile_workload
from assay.predict.layers import open_estimator
from assay.predict.llm import config_shape
from assay.predict.llm.config_shape import decoder_of
from assay.predict.questions import Asked, make_questions
from assay.predict.shipped_graphs import SOURCE, shipped_graph, shipped_shape
from assay.predict.values import Prediction
from assay.workloads.base import families


@pytest.fixture
def without_torch(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As on a base install: what was counted before is forgotten, and nothing can be counted."""
    for module in (graphs, config_shape):
        monkeypatch.setattr(module, "can_count", lambda: False)
    graphs._profile_one.cache_clear()
    yield
    graphs._profile_one.cache_clear()


@pytest.mark.parametrize(
    "name", [f"{one}/tiny" for one in families.names() if "tiny" in families.get(one).sizes and one != "pipeline"]
)
def test_what_ships_is_what_is_counted(name: str) -> None:
    pytest.importorskip("torch", reason="graphs are counted with torch: pip install 'assay[torch]'")
    pytest.importorskip("transformers", reason="families are built with transformers: pip install 'assay[torch]'")
    try:
        counted = profile_workload(name)
    except UnsupportedError:
        pytest.skip(f"{name} has no graph")
    # Other releases of transformers may build a family a little otherwise: run tools/make_graphs.py where this fails.
    assert shipped_graph(name, {}) == replace(counted, source=SOURCE)


def test_decoders_that_ship_are_what_is_counted() -> None:
    pytest.importorskip("torch", reason="graphs are counted with torch: pip install 'assay[torch]'")
    pytest.importorskip("transformers", reason="families are built with transformers: pip install 'assay[torch]'")
    for name in ("llama/tiny", "llama/8b"):
        assert decoder_of(name) == shipped_shape(name)


@pytest.mark.usefixtures("without_torch")
def test_a_base_install_foretells_families_at_their_usual_shape() -> None:
    found = profile_workload("bert/base", batch=8)
    assert found.source == SOURCE
    assert (found.batch, found.shape) == (8, (("seq", 128),))
    assert found.flops == pytest.approx(8 * profile_workload("bert/base").flops)
    questions = make_questions(Asked(("bert/base", "resnet/50"), ("h100", "l4"), ("fp16",), (8,)))
    answers = open_estimator(None).estimate(questions)
    assert all(isinstance(one, Prediction) for one in answers)
    asked = Asked(
        ("llama/8b",), ("h100",), ("bf16",), metric="time_per_output_token_ns",
        options={"users": 8, "isl": 512, "osl": 128},
    )  # fmt: skip
    (token,) = open_estimator(None).estimate(make_questions(asked))
    assert isinstance(token, Prediction)


@pytest.mark.usefixtures("without_torch")
@pytest.mark.parametrize(
    ("ref", "shape", "says"),
    [
        ("bert/base", {"seq": 512}, "at another shape than seq 128 is counted with PyTorch, which is not installed"),
        ("json:dumps", {}, "counted with PyTorch, which is not installed"),
    ],
)
def test_what_has_to_be_counted_says_what_to_install(ref: str, shape: dict[str, int], says: str) -> None:
    with pytest.raises(UnsupportedError, match=says) as caught:
        profile_workload(ref, shape=shape)
    assert caught.value.hint == "pip install 'assay[torch]'"
    with pytest.raises(UnsupportedError, match="which is not installed"):
        decoder_of("bert/base")
