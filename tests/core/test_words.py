"""One word per thing: what the closed vocabularies promise."""

from __future__ import annotations

from itertools import permutations

import pytest

from assay.core.words import Direction, Mode, Precision, Provenance, RunStatus, Status, Verdict


@pytest.mark.parametrize("words", [Status, RunStatus, Verdict, Provenance, Mode, Precision, Direction])
def test_words_are_lower_case_text_that_reads_back(
    words: type[Status | RunStatus | Verdict | Provenance | Mode | Precision | Direction],
) -> None:
    for word in words:
        assert words(word.value) is word
        assert str(word) == word.value == word.value.lower()


def test_the_words_of_the_store_do_not_change() -> None:
    # Rows of existing stores hold these texts.
    assert [*Status] == ["ok", "failed", "oom", "timeout", "unsupported", "skipped"]
    assert [*RunStatus] == ["ok", "failed", "interrupted"]
    assert [*Verdict] == ["trusted", "noisy", "contaminated"]
    assert [*Provenance] == ["measured", "imported", "predicted"]
    assert [*Mode] == ["inference", "generation", "training", "data", "serving"]
    assert [*Precision] == ["fp32", "tf32", "bf16", "fp16", "int8", "int4"]


def test_an_absent_device_is_no_failure_and_running_out_of_memory_is() -> None:
    assert [status for status in Status if status.is_failure] == [Status.FAILED, Status.OOM, Status.TIMEOUT]


def test_people_read_why_something_failed() -> None:
    assert Status.OOM.text == "failed: out of memory"
    assert Status.TIMEOUT.text == "failed: time limit"
    assert Status.UNSUPPORTED.text == "unsupported"
    assert all("failed" in status.text for status in Status if status.is_failure)


def test_the_worst_verdict_wins_in_any_order() -> None:
    assert Verdict.worst([]) is Verdict.TRUSTED
    for verdicts in permutations(Verdict):
        assert Verdict.worst([*verdicts]) is Verdict.CONTAMINATED
    assert Verdict.worst([Verdict.NOISY, Verdict.TRUSTED, Verdict.TRUSTED]) is Verdict.NOISY


def test_every_precision_knows_its_size() -> None:
    sizes = {precision.value: precision.bytes_per_parameter for precision in Precision}
    assert sizes == {"fp32": 4.0, "tf32": 4.0, "bf16": 2.0, "fp16": 2.0, "int8": 1.0, "int4": 0.5}
