"""The words of a check as people in CI read them: which is worse, what each means, when somebody is told.

May import: standard library, core. Light on purpose: the command line reads it for its options.
"""

from __future__ import annotations

from enum import StrEnum

from assay.core.words import Change

WORST_FIRST = (
    Change.REGRESSED, Change.FAILED, Change.MISSING, Change.SUSPECT, Change.INCONCLUSIVE, Change.INCOMPARABLE,
    Change.NEW, Change.IMPROVED, Change.UNCHANGED,
)  # fmt: skip
"""What somebody should read first; the order in which ``assay check`` lists."""

MEANINGS = {
    Change.REGRESSED: "worse by at least the floor, shown by launches that were made for this question",
    Change.FAILED: "it was tried and gave no number that could be compared",
    Change.MISSING: "it was measured before, and is not there now",
    Change.SUSPECT: "worse than its history lets expect; fresh interleaved launches have not confirmed it",
    Change.INCONCLUSIVE: "too few launches or too much noise to say either",
    Change.IMPROVED: "better by at least the floor, shown by launches that were made for this question",
    Change.INCOMPARABLE: "the two numbers do not measure the same thing",
    Change.NEW: "there is nothing to compare with yet",
    Change.UNCHANGED: "shown to lie within the floor to either side",
}
"""Each word in one line (METHOD 6)."""
INTERVAL_MEANING = "95 % of the ratio; after *expected*, the limits within which its history lets the next value fall"


class When(StrEnum):
    """When a notification is sent."""

    ALARM = "alarm"
    """Something regressed, failed, is missing or suspect, and nobody muted it."""
    CHANGE = "change"
    """That, or something improved."""
    ALWAYS = "always"


class BadgeForm(StrEnum):
    """What a badge is written as: a picture, or what a badge service draws one from."""

    SVG = "svg"
    SHIELDS = "shields"


class Host(StrEnum):
    """Where a comment goes."""

    GITHUB = "github"
    GITLAB = "gitlab"
