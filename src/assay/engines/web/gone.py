"""How a page can go away, and what each way is called: crash, closed, hang, never there.

A message names the phase, what ended, by which signal where the system tells, and what to do. May import: core,
engines.web.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from assay.core.errors import EngineError
from assay.engines.web.browsers import SANDBOX_VARIABLE, FoundBrowser
from assay.engines.web.happenings import ProcessEnded, Told
from assay.engines.web.process import describe_exit

_LONGEST_MESSAGE = 1000


class PageError(EngineError):
    """A verb that failed in the page: ``name`` and ``js_message`` are the JavaScript error's."""

    def __init__(self, verb: str, phase: str, error: Mapping[str, str]) -> None:
        self.verb, self.phase = verb, phase
        self.name = error.get("name", "Error")
        self.js_message = " ".join(error.get("message", "").split())[:_LONGEST_MESSAGE]
        self.stack = error.get("stack", "")
        super().__init__(f"The page failed in {phase}: {self.name}: {self.js_message or 'no message'}")

    def add_witness(self, witness: Witness) -> None:
        """Add that the GPU process ended, which explains a lost device."""
        ended = _describe_ended(witness, "gpu")
        if ended is not None:
            self.message = f"{self.message} ({ended})"


class PageGoneError(EngineError):
    """There is no page any more.

    ``cause`` is what went: ``browser``, ``renderer`` or ``gpu`` (a process ended), ``closed`` or ``hidden`` (by a
    person), ``hang``, ``start`` (there never was one), ``lost`` (a connection, and nothing else is known).
    """

    def __init__(self, message: str, *, cause: str, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.cause = cause


@dataclass(frozen=True, slots=True)
class Witness:
    """What is known when a page goes away.

    ``ended`` are the processes that were heard to end, ``missing`` the kinds of those that are gone; ``browser`` is
    None where a person opened the page. ``was_asked_for`` says that the browser had asked for the page.
    """

    phase: str
    browser: FoundBrowser | None
    ended: tuple[ProcessEnded, ...] = ()
    events: tuple[Told, ...] = ()
    missing: tuple[str, ...] = ()
    last_words: str = ""
    was_asked_for: bool = False

    @property
    def title(self) -> str:
        """The browser, for messages."""
        return "the visitor's browser" if self.browser is None else self.browser.browser.title

    @property
    def words(self) -> str:
        """What the browser wrote last, as the end of a sentence."""
        return f"; its last words: {self.last_words.rstrip('.')}" if self.last_words else ""


def explain_gone(witness: Witness) -> PageGoneError:
    """Say why the event stream broke."""
    lead = f"The page went away in {witness.phase}"
    browser = _find_ended(witness, "browser")
    if browser is not None:
        if browser.code == 0:
            return PageGoneError(f"{lead}: {witness.title} was closed.", cause="closed", hint="Leave it open.")
        how = describe_exit(browser.code)
        return PageGoneError(f"{lead}: {witness.title} itself ended ({how}){witness.words}.", cause="browser")
    renderer = _describe_ended(witness, "renderer")
    if renderer is not None and not _has_said_goodbye(witness):
        return PageGoneError(
            f"{lead}: {renderer}.", cause="renderer", hint="Often that is memory: try a smaller batch or shape."
        )
    if _has_said_goodbye(witness):
        return PageGoneError(
            f"{lead}: its tab was closed, reloaded or sent elsewhere.", cause="closed", hint="Leave the tab open."
        )
    if witness.browser is None:
        return PageGoneError(
            f"{lead}: the connection to the visitor's browser broke.",
            cause="lost",
            hint="Leave the tab in front and the screen on; a tab that runs out of memory ends like this too.",
        )
    return PageGoneError(f"{lead}: its connection broke, and no process was seen to end.", cause="lost")


def explain_hang(witness: Witness, verb: str, limit_s: float, *, is_main_alive: bool) -> PageGoneError:
    """Say what did not answer within its limit."""
    gpu = _describe_ended(witness, "gpu")
    if gpu is not None:
        return PageGoneError(
            f"The page gave no answer to {verb!r} in {witness.phase} after {gpu}.",
            cause="gpu",
            hint="Often that is a driver or GPU memory: try a smaller batch or shape.",
        )
    what = (
        "its main thread still answers, so its Worker is in a call that does not end"
        if is_main_alive
        else "neither does its main thread"
    )
    return PageGoneError(
        f"The page gave no answer to {verb!r} in {witness.phase} within {limit_s:g} s: {what}. The browser was ended.",
        cause="hang",
    )


def explain_start(witness: Witness, limit_s: float) -> PageGoneError:
    """Say why no page came."""
    if witness.browser is None:
        return PageGoneError(
            f"Nobody opened the page within {limit_s:g} s.",
            cause="start",
            hint="Open the address that the run printed, and leave the tab in front.",
        )
    ended = _find_ended(witness, "browser")
    if ended is not None:
        already = ended.code == 0
        hint = (
            "Another copy of it may run on that profile."
            if already
            else f"Start {witness.browser.executable} by hand to see why. In a container: {SANDBOX_VARIABLE}=off."
        )
        return PageGoneError(
            f"{witness.title} ended ({describe_exit(ended.code)}) before its page answered{witness.words}.",
            cause="start",
            hint=hint,
        )
    how_far = "its page did not answer" if witness.was_asked_for else "it did not ask for its page"
    return PageGoneError(
        f"{witness.title} was started, and {how_far} within {limit_s:g} s{witness.words}.",
        cause="start",
        hint="A proxy or a policy may keep it from 127.0.0.1.",
    )


def _find_ended(witness: Witness, kind: str) -> ProcessEnded | None:
    return next((one for one in witness.ended if one.kind == kind), None)


def _describe_ended(witness: Witness, kind: str) -> str | None:
    """``its renderer process ended (SIGSEGV)``; None where none did."""
    name = {"gpu": "GPU"}.get(kind, kind)
    ended = _find_ended(witness, kind)
    if ended is not None:
        how = describe_exit(ended.code)
        return f"its {name} process ended{f' ({how})' if how else ''}"
    return f"its {name} process ended" if kind in witness.missing else None


def _has_said_goodbye(witness: Witness) -> bool:
    """Whether the page ended as pages do: it said so, or its renderer ended without a fault."""
    renderer = _find_ended(witness, "renderer")
    return any(one.event == "page_hide" for one in witness.events) or (renderer is not None and renderer.code == 0)
