"""What the words and marks of a report mean: short entries that every report ends with, chosen by what it shows.

May import: core.
"""

from __future__ import annotations

_ENTRIES = {
    "provenance": (
        "measured, imported, predicted",
        (
            "Measured: by assay, on the machine named. Imported: read from somebody else's file, which is "
            "named under sources. Predicted: by a model, with an interval. Nothing turns one into another."
        ),
    ),
    "interval": (
        "95 % interval",
        (
            "Bounds of the value over launches: fresh processes that each time the case anew (Student's t on "
            "logarithms). Calls inside one launch never count as repetitions. It says nothing of another "
            "machine or another day."
        ),
    ),
    "launches": ("n", "How many launches the value was taken over, unless the column says otherwise."),
    "verdict": (
        "trusted, noisy, contaminated",
        (
            "What was seen beside the timing: context switches, load of others, clocks, temperature. Noisy "
            "numbers move; contaminated ones were disturbed, and rankings leave them out."
        ),
    ),
    "usable": (
        "left out of rankings",
        (
            "A case that failed, whose answers differ from the float32 reference by more than its tolerance, "
            "or whose source marks it (simulated, constant, repeated) keeps its numbers and takes part in no "
            "ranking or mean."
        ),
    ),
    "missing": ("–", "Not known, and never zero. The reason stands beside it."),
    "better": ("lower is better, higher is better", "Which way a number is better, from the registry of metrics."),
    "change": (
        "regressed, improved, unchanged, inconclusive, suspect",
        (
            "Regressed and improved: Welch's test on logarithms of launches at p < 0.01 and an effect of at "
            "least the floor. Unchanged: shown to lie within the floor. Suspect: worse, by evidence that is "
            "not enough. Inconclusive: neither could be shown."
        ),
    ),
    "floor": (
        "floor",
        "The smallest change that counts: 3 %, or more where equal launches on this machine differ by more.",
    ),
    "ratio": (
        "ratio",
        "The other side over the first one. Speed-up is how many times better, by the metric's direction.",
    ),
    "trend": (
        "level, break, change point",
        (
            "A level is the geometric mean of a segment. A break is another environment, or a person's word: "
            "nothing regressed by it. A change point is where the level moved by at least 3 % and stayed "
            "(permutation CUSUM, p < 0.001)."
        ),
    ),
    "targets": (
        "pass, fail, unknown, score",
        (
            "Unknown is no fail: the number is missing, or was disturbed. The score is the weighted mean of "
            "what is known, 0 to 100, and is given only where at least half of the weight is."
        ),
    ),
    "fidelity": (
        "fidelity",
        (
            "Whether the answers agree with float32 eager execution of the same weights and inputs, within a "
            "tolerance of the precision."
        ),
    ),
    "memory": ("memory", "Peak of the process while inferring, above what it used before the model was loaded."),
    "energy": (
        "energy",
        (
            "From the device's own counter or power sensor, whose name and scope are given; net is beyond "
            "what it draws when idle. Where nothing could be read it is missing, never zero."
        ),
    ),
    "throughput": ("throughput", "Units of work per second; the unit of each row says what is counted."),
    "roofline": (
        "roof",
        (
            "What a probe got out of the same device: products of matrices, and copies. The place of a case "
            "under it is its counted work over its measured latency."
        ),
    ),
}

TOPICS = tuple(_ENTRIES)
"""What there are entries on."""
_USUAL = ("provenance", "interval", "launches", "verdict", "usable", "missing", "better")
"""The entries that every report of measured numbers has."""


def how_to_read(*topics: str) -> tuple[tuple[str, str], ...]:
    """Return the usual entries, and those on these topics after them. Raises KeyError for a topic there is none of."""
    return tuple(_ENTRIES[topic] for topic in dict.fromkeys((*_USUAL, *topics)))
