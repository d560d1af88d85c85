"""The closed vocabularies: status, verdict, provenance, mode, precision.

A word has one meaning everywhere: code, tables, command line, docs. May import: standard library.
"""

from __future__ import annotations

from enum import StrEnum


class Status(StrEnum):
    """How one case, or one launch of it, ended."""

    OK = "ok"
    FAILED = "failed"
    OOM = "oom"
    TIMEOUT = "timeout"
    UNSUPPORTED = "unsupported"
    SKIPPED = "skipped"

    @property
    def is_failure(self) -> bool:
        """True where something was tried and did not work (an absent device is not a failure)."""
        return self in (Status.FAILED, Status.OOM, Status.TIMEOUT)

    @property
    def text(self) -> str:
        """The words a person reads in a table."""
        return {"oom": "failed: out of memory", "timeout": "failed: time limit"}.get(self.value, self.value)


class RunStatus(StrEnum):
    """How one run ended."""

    OK = "ok"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


class Verdict(StrEnum):
    """Whether a measurement can be believed (METHOD: noise verdict). Worse is later."""

    TRUSTED = "trusted"
    NOISY = "noisy"
    CONTAMINATED = "contaminated"

    @classmethod
    def worst(cls, verdicts: list[Verdict]) -> Verdict:
        """Return the worst of several; of none, trusted."""
        order = list(cls)
        return max(verdicts, key=order.index, default=cls.TRUSTED)


class Fidelity(StrEnum):
    """Whether the answers of a measured case are right (METHOD: fidelity gate)."""

    REFERENCE = "reference"
    PASSED = "passed"
    FAILED = "failed"


class Provenance(StrEnum):
    """Where a number comes from. Nothing converts one into another."""

    MEASURED = "measured"
    IMPORTED = "imported"
    PREDICTED = "predicted"


class Mark(StrEnum):
    """What is to be known of an imported row before its numbers are used. The row keeps them whatever its marks."""

    SIMULATED = "simulated"
    """The source itself says that nothing was measured."""
    CONSTANT = "constant"
    """The numbers are invented: written into a program, or equal where no two measurements are equal."""
    FALLBACK = "suspected fallback"
    """An accelerator's row that is too equal to the CPU's."""
    REPEATED = "repeated"
    """The same measurement is in another row, of this import or an earlier one."""
    SINGLE_SHOT = "single shot"
    """One timed call, nothing repeated."""
    UNVERIFIED = "unverified"
    """No run stands behind the number that could be looked at."""
    DERIVED = "derived"
    """Some numbers of the row were computed from others of it; the conversions say which."""
    CORRECTED = "corrected"
    """Some field of the source is known to be wrong and was read as what it must have been."""

    @property
    def excludes(self) -> bool:
        """True where every aggregate leaves the row out."""
        return self in (Mark.SIMULATED, Mark.CONSTANT, Mark.FALLBACK, Mark.REPEATED)


class Mode(StrEnum):
    """What kind of work is timed."""

    INFERENCE = "inference"
    GENERATION = "generation"
    TRAINING = "training"
    DATA = "data"
    SERVING = "serving"


class Precision(StrEnum):
    """Arithmetic of weights and activations."""

    FP32 = "fp32"
    TF32 = "tf32"
    BF16 = "bf16"
    FP16 = "fp16"
    INT8 = "int8"
    INT4 = "int4"

    @property
    def bytes_per_parameter(self) -> float:
        """Bytes one stored weight takes."""
        return {"fp32": 4.0, "tf32": 4.0, "bf16": 2.0, "fp16": 2.0, "int8": 1.0, "int4": 0.5}[self.value]


class Direction(StrEnum):
    """Which way is better."""

    LOWER = "lower"
    HIGHER = "higher"
    NEITHER = "neither"


class Change(StrEnum):
    """What is said of a number beside an earlier or another one (METHOD: comparing)."""

    REGRESSED = "regressed"
    """Worse, by launches that were made for this question."""
    IMPROVED = "improved"
    """Better, by launches that were made for this question."""
    UNCHANGED = "unchanged"
    """Shown to lie within the floor to either side; not merely "no difference found"."""
    INCONCLUSIVE = "inconclusive"
    """Too few launches, or too much noise, to say either."""
    SUSPECT = "suspect"
    """Worse, by evidence that is not enough to call it a regression: it is to be confirmed."""
    NEW = "new"
    """There is nothing to compare with yet."""
    MISSING = "missing"
    """Expected, and not there."""
    FAILED = "failed"
    """It was tried and gave no number that could be compared."""
    INCOMPARABLE = "incomparable"
    """Two numbers that do not measure the same: other hardware class, other unit of work, a failed fidelity gate."""

    @property
    def is_alarm(self) -> bool:
        """True where somebody should look."""
        return self in (Change.REGRESSED, Change.SUSPECT, Change.MISSING, Change.FAILED)


class ExportWhat(StrEnum):
    """What is exported: a row a result, a row a number, or the launches and raw readings behind the results."""

    RESULTS = "results"
    NUMBERS = "numbers"
    LAUNCHES = "launches"
    SAMPLES = "samples"


class ExportFormat(StrEnum):
    """How: one JSON array, a JSON object a line, CSV with nested values as JSON, or Parquet with its types."""

    JSON = "json"
    NDJSON = "ndjson"
    CSV = "csv"
    PARQUET = "parquet"
