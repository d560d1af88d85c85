"""What a reader of a check wants to see beside its findings, gathered before anything is rendered.

May import: standard library.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CheckContext:
    """Where a check was made and where more is to be read. Empty: nothing of that is known.

    ``environment`` is one (name, text) a fact, ``reference_branch`` the branch of the run that was compared with,
    ``link`` the address of a full report, ``commit_url`` what stands before a commit's hash in the address of its page.
    """

    environment: tuple[tuple[str, str], ...] = ()
    reference_branch: str | None = None
    link: str | None = None
    commit_url: str | None = None
