"""Messages that help: what was got, what was expected, what to do."""

from __future__ import annotations

import copy
import pickle

import pytest

from assay.core import errors
from assay.core.absence import Unavailable
from assay.core.errors import AssayError, SuiteError, UnknownNameError, UsageError, join_or, nearest_names

FAMILIES = ("bert", "clip", "llama", "llava", "llava_next", "resnet", "vit", "whisper")


def test_everything_raised_on_purpose_is_one_tree() -> None:
    raised = [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, Exception)]
    assert len(raised) > 5
    assert all(issubclass(error, AssayError) for error in raised)
    assert issubclass(UnknownNameError, UsageError)
    assert issubclass(SuiteError, UsageError)


def test_the_text_is_the_message_and_then_the_hint() -> None:
    assert str(AssayError("It broke.")) == "It broke."
    assert str(AssayError("It broke.", hint="Mend it.")) == "It broke. Mend it."
    assert AssayError("It broke.", hint="Mend it.").message == "It broke."


@pytest.mark.parametrize(
    ("got", "advice"),
    [
        ("brt", "Did you mean 'bert'?"),
        ("BERT", "Did you mean 'bert'?"),
        ("resnet50", "Did you mean 'resnet'?"),
        ("lava", "Did you mean 'llava' or 'llama'?"),
    ],
)
def test_a_near_miss_is_told_what_was_meant(got: str, advice: str) -> None:
    error = UnknownNameError("workload family", got, FAMILIES)
    assert str(error) == f"Unknown workload family {got!r}. {advice}"
    assert error.nearest
    assert set(error.nearest) <= set(FAMILIES)


def test_a_far_miss_is_told_what_there_is() -> None:
    error = UnknownNameError("engine", "qqqq", ("torch", "onnxruntime"), hint="See assay ls engines.")
    assert str(error) == "Unknown engine 'qqqq'. Expected one of: onnxruntime, torch. See assay ls engines."
    assert error.nearest == ()
    assert error.valid == ("onnxruntime", "torch")
    many = UnknownNameError("engine", "qqqq", [f"name{number:02}" for number in range(40)])
    assert str(many).endswith("name18, name19, ....")
    assert "None is installed." in str(UnknownNameError("engine", "torch", ()))


def test_nearest_names_are_few_and_the_closest_come_first() -> None:
    assert nearest_names("llava-next", FAMILIES)[0] == "llava_next"
    assert len(nearest_names("name", [f"name{number}" for number in range(9)])) == 3
    assert nearest_names("name", [f"name{number}" for number in range(9)], limit=1) != ()
    assert nearest_names("", FAMILIES) == ()
    assert nearest_names("bert", ()) == ()


@pytest.mark.parametrize(
    ("names", "text"),
    [([], ""), (["a"], "'a'"), (["a", "b"], "'a' or 'b'"), (["a", "b", "c"], "'a', 'b' or 'c'")],
)
def test_join_or(names: list[str], text: str) -> None:
    assert join_or(names) == text


@pytest.mark.parametrize(
    "error",
    [AssayError("It broke.", hint="Mend it."), UnknownNameError("engine", "torhc", ("torch",), hint="See the docs.")],
)
def test_errors_survive_the_way_between_processes(error: AssayError) -> None:
    # An exception that cannot be unpickled takes a whole process pool down with it.
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error)):  # noqa: S301  (our own bytes)
        assert type(again) is type(error)
        assert str(again) == str(error)
        assert vars(again) == vars(error)


def test_absence_says_why_and_what_would_help() -> None:
    assert str(Unavailable("PyTorch is not installed")) == "PyTorch is not installed"
    assert str(Unavailable("PyTorch is not installed", "pip install x")) == "PyTorch is not installed (pip install x)"
