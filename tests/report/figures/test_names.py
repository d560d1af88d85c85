"""Short names: what is left out is shared by all, and no two names become one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from assay.report.figures.names import tell_apart

label = st.lists(st.sampled_from(["bert", "vit", "torch", "cpu", "fp32", "b1", ""]), min_size=1, max_size=5).map(
    " ".join
)


def test_words_that_all_share_are_said_once() -> None:
    short = tell_apart(["bert/base torch cpu fp32 b1", "vit/base torch cpu bf16 b1"])
    assert short.names == ("bert/base fp32", "vit/base bf16")
    assert (short.shared, short.caption) == ("torch cpu b1", "All: torch cpu b1.")


def test_what_cannot_be_shortened_stays() -> None:
    for labels in ([], ["a b"], ["a b", "a b"], ["a b", "c d"]):
        assert tell_apart(labels).names == tuple(labels)
        assert tell_apart(labels).caption is None


def test_names_that_would_become_one_stay_whole() -> None:
    assert tell_apart(["a x y", "a y x"]).names == ("a x y", "a y x")


def test_the_first_word_always_stays() -> None:
    assert tell_apart(["bert torch b1", "bert torch b2"]).names == ("bert b1", "bert b2")


@given(st.lists(label, max_size=6))
def test_names_stay_as_different_as_labels_are(labels: list[str]) -> None:
    names = tell_apart(labels).names
    assert len(names) == len(labels)
    assert len(set(names)) == len(set(labels))
    assert all(name.split(" ")[0] == whole.split(" ")[0] for name, whole in zip(names, labels, strict=True))
