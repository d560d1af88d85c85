"""Ask a person to open the page: the address and its QR code, and where the launches of the run find them.

A browser shows an error, and stays there, where nobody serves the address yet, and a launch serves it only once its
model is exported. So the person is met first, by the same page, which then waits for the launches. May import: core,
engines.web, runner.plan; segno, where it is installed, inside a function.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from assay.core.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from assay.engines.web.hello import Hello
    from assay.engines.web.visit import VisitSettings
    from assay.runner.plan import PlannedCase

INSTALL_HINT = "pip install 'assay[web]'"
_QUIET_ZONE = 2
"""White modules around the code. The standard wants 4; readers of phones do with 2, and terminals are small."""
_HALVES = {(True, True): "█", (True, False): "▀", (False, True): "▄", (False, False): " "}

VisitOption = Annotated[
    str | None,
    typer.Option(
        "--visit",
        metavar="ADDRESS",
        envvar="ASSAY_VISIT_URL",
        help="browser=visit: what the visitor's browser opens, such as 192.168.1.20. Default: this machine only.",
        show_default=False,
    ),
]
ListenOption = Annotated[
    str | None,
    typer.Option(
        "--visit-listen",
        metavar="ADDRESS:PORT",
        envvar="ASSAY_VISIT_LISTEN",
        help="browser=visit: what the server is bound to, where that is not what --visit says.",
        show_default=False,
    ),
]
CertificateOption = Annotated[
    str | None,
    typer.Option(
        "--visit-certificate",
        metavar="FILE",
        envvar="ASSAY_VISIT_CERTIFICATE",
        help="browser=visit: certificate in PEM, for TLS; with its key, or beside --visit-key.",
        show_default=False,
    ),
]
KeyOption = Annotated[
    str | None,
    typer.Option(
        "--visit-key",
        metavar="FILE",
        envvar="ASSAY_VISIT_KEY",
        help="browser=visit: key of the certificate, in PEM.",
        show_default=False,
    ),
]


@dataclass(frozen=True, slots=True)
class Invitation:
    """Who is to come, and where to."""

    visitor: str
    settings: VisitSettings


def plan_invitation(
    cases: Sequence[PlannedCase], url: str | None, listen: str | None, certificate: str | None, key: str | None
) -> Invitation | None:
    """Settle who visits this run and where; None where nobody does. Raises UsageError.

    One run has one visitor: two of them would take turns at one address, and neither knows whose turn it is.
    """
    from assay.engines.web.visit import TOKEN_VARIABLE, WAIT_VARIABLE, is_visit, plan_visit, read_wait

    options = [dict(planned.case.options) for planned in cases if planned.obstacle is None]
    visitors = list(dict.fromkeys(str(one.get("visitor")) for one in options if is_visit(one)))
    if not visitors:
        return None
    if len(visitors) > 1:
        raise UsageError(
            f"The run has {len(visitors)} visitors ({', '.join(visitors)}); expected one.",
            hint="Make a run for each: they open the same address.",
        )
    settings = plan_visit(
        url,
        listen=listen,
        certificate=certificate,
        key=key,
        token=os.environ.get(TOKEN_VARIABLE) or None,
        wait_s=read_wait(os.environ.get(WAIT_VARIABLE)),
    )
    return Invitation(visitors[0], settings)


def meet_visitor(settings: VisitSettings) -> Hello:
    """Serve the page until somebody opens it, and return what it says of its browser. Its tab then waits for launches.

    Raises EngineError where the address cannot be served or nobody comes in time.
    """
    from assay.engines.web.page import PageRequest, open_page

    with open_page(PageRequest(browser=None, visit=settings)) as page:
        return page.hello


@contextlib.contextmanager
def invite(
    invitation: Invitation | None, console: Console, *, meet: Callable[[VisitSettings], Hello] = meet_visitor
) -> Iterator[None]:
    """Show the address, wait until somebody has opened it, and let the launches within know it.

    They find it in the environment. Nothing happens where nobody visits. Raises EngineError where nobody comes.
    """
    if invitation is None:
        yield
        return
    show_invitation(invitation, console)
    console.print(
        f"{invitation.visitor} is here: {describe_visitor_browser(meet(invitation.settings))}", soft_wrap=True
    )
    given = invitation.settings.to_environ()
    before = {name: os.environ.get(name) for name in given}
    os.environ.update(given)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def show_invitation(invitation: Invitation, console: Console) -> None:
    """Print what to open and what to mind; the QR code on a terminal only."""
    from rich.text import Text

    settings = invitation.settings
    console.print(f"Open this on {invitation.visitor} and leave the tab in front until the run is over:")
    console.print(Text(f"\n  {settings.page_url}\n", style="bold"), soft_wrap=True)
    if console.is_terminal:
        code = draw_code(settings.page_url, width=console.width)
        console.print(Text(f"  No QR code: {code}", style="dim") if isinstance(code, str) else code)
    for remark in describe_invitation(settings):
        console.print(remark, soft_wrap=True)


def describe_invitation(settings: VisitSettings) -> list[str]:
    """What a person should know of this address, in sentences."""
    remarks = [f"The run waits {settings.wait_s:g} s for it. Whoever has the address can read the model."]
    if not settings.is_for_others:
        remarks.append(
            f"Only this machine reaches it. A phone on a cable: adb reverse tcp:{settings.port} tcp:{settings.port}. "
            "In a network: --visit ADDRESS --visit-certificate FILE."
        )
    if not settings.is_secure:
        remarks.append(
            "Over plain HTTP browsers give one thread of WebAssembly and a coarse clock, and neither WebGPU nor WebNN: "
            "docs/web.md says how to make a certificate."
        )
    return remarks


def describe_visitor_browser(hello: Hello) -> str:
    """Which browser came and what its page may do, in a sentence."""
    name = " ".join(part for part in (hello.brand, hello.version) if part) or hello.user_agent
    platform = f" on {hello.platform}" if hello.platform else ""
    cores = f", {hello.hardware_concurrency} cores" if hello.hardware_concurrency else ""
    lacks = "" if hello.is_isolated else "; its page is not cross-origin isolated: one thread, a coarse clock"
    return f"{name}{platform}{cores}{lacks}."


def draw_code(url: str, *, width: int) -> Text | str:
    """Draw the QR code of an address in half blocks, black on white whatever the terminal's colours; else why not."""
    from rich.text import Text

    try:
        import segno
    except ImportError:
        return f"{INSTALL_HINT} draws one."
    modules: list[list[Any]] = [
        list(row) for row in segno.make_qr(url, error="l", boost_error=False).matrix_iter(border=_QUIET_ZONE)
    ]
    columns = len(modules[0])
    if columns + 2 > width:
        return f"it takes {columns + 2} columns, and the terminal has {width}."
    light = [False] * columns
    if len(modules) % 2:
        modules.append(light)
    drawn = Text()
    for upper, lower in zip(modules[::2], modules[1::2], strict=True):
        line = "".join(_HALVES[bool(above), bool(below)] for above, below in zip(upper, lower, strict=True))
        drawn.append("  ").append(line, style="#000000 on #ffffff").append("\n")
    return drawn
