"""A person's own browser: where it finds the page of a launch, and whose numbers those are.

Every launch is a process of its own with a server of its own, but a person opens one address once. So address, port
and token are chosen once for a run and handed to each launch through the environment. Such a row is the visitor's,
never this machine's. May import: core.
"""

from __future__ import annotations

import ipaddress
import math
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from assay.core.case import Scalar
from assay.core.errors import UnsupportedError, UsageError

VISIT = "visit"
"""The value of the option ``browser`` that means: a person opens the page."""
DEFAULT_PORT = 8435
DEFAULT_URL = f"http://127.0.0.1:{DEFAULT_PORT}"
DEFAULT_WAIT_S = 300.0
LEAST_TOKEN = 16
"""Letters of a token that somebody chose: a name in an address is guessed sooner than it is typed."""

URL_VARIABLE = "ASSAY_VISIT_URL"
LISTEN_VARIABLE = "ASSAY_VISIT_LISTEN"
CERTIFICATE_VARIABLE = "ASSAY_VISIT_CERTIFICATE"
KEY_VARIABLE = "ASSAY_VISIT_KEY"
TOKEN_VARIABLE = "ASSAY_VISIT_TOKEN"  # noqa: S105  (its name, not its value)
WAIT_VARIABLE = "ASSAY_VISIT_WAIT_S"

_TOKEN = re.compile(rf"[A-Za-z0-9_-]{{{LEAST_TOKEN},128}}\Z")
_VISITOR = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._+-]{0,63}\Z")
_LAST_PORT = 65535
_USUAL_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class VisitSettings:
    """Where a visitor's browser finds the page.

    ``url`` is what the visitor's browser calls this server, scheme, name and port; ``address`` and ``port`` are what
    the server is bound to. ``certificate`` and ``key`` are PEM files, both in one file where ``key`` is None.
    ``wait_s`` is how long a launch waits for somebody to come.
    """

    url: str
    token: str
    address: str
    port: int
    certificate: Path | None = None
    key: Path | None = None
    wait_s: float = DEFAULT_WAIT_S

    @property
    def page_url(self) -> str:
        """What the person opens."""
        return f"{self.url}/{self.token}/"

    @property
    def host(self) -> str:
        """What the visitor's browser sends as Host: the name, and the port where it is not the scheme's own."""
        return urlsplit(self.url).netloc

    @property
    def is_secure(self) -> bool:
        """Whether a browser gives this address threads, WebGPU and WebNN: over TLS, or from its own machine."""
        parts = urlsplit(self.url)
        return parts.scheme == "https" or is_loopback(parts.hostname or "")

    @property
    def is_for_others(self) -> bool:
        """Whether other machines can reach the server."""
        return not is_loopback(self.address)

    def to_environ(self) -> dict[str, str]:
        """Write down for the processes of the launches; `read_visit` reads it back."""
        host = f"[{self.address}]" if ":" in self.address else self.address
        files = {CERTIFICATE_VARIABLE: self.certificate, KEY_VARIABLE: self.key}
        return {
            URL_VARIABLE: self.url,
            TOKEN_VARIABLE: self.token,
            LISTEN_VARIABLE: f"{host}:{self.port}",
            WAIT_VARIABLE: f"{self.wait_s:g}",
            **{name: str(path) for name, path in files.items() if path is not None},
        }


def plan_visit(
    url: str | None = None,
    *,
    listen: str | None = None,
    certificate: str | Path | None = None,
    key: str | Path | None = None,
    token: str | None = None,
    wait_s: float = DEFAULT_WAIT_S,
) -> VisitSettings:
    """Settle where a run is visited. Raises UsageError for what cannot be.

    ``url`` is ``192.168.1.20``, to which scheme and port are added, or a whole address, which means what it says;
    without it the server answers its own machine only. ``listen`` is ``ADDRESS:PORT`` where the server is bound to
    something else than the URL says (a tunnel, a container). The token is made where none is given.
    """
    given = url or DEFAULT_URL
    files = [None if file is None else Path(file).expanduser().absolute() for file in (certificate, key)]
    is_short = "://" not in given
    if is_short:
        given = f"{'http' if certificate is None else 'https'}://{given}"
    scheme, host, own_port = _read_url(given)
    port = own_port or (DEFAULT_PORT if is_short else _USUAL_PORTS[scheme])
    _check_files(scheme, *files, listen=listen)
    shown = f"[{host}]" if ":" in host else host
    address, bound_port = _read_listen(listen) if listen else (host, port)
    if token is not None and _TOKEN.match(token) is None:
        raise UsageError(
            f"{TOKEN_VARIABLE} has {len(token)} characters that cannot be a token; expected {LEAST_TOKEN} to 128 "
            "letters, digits, - and _.",
            hint="Leave it out: one is made for every run.",
        )
    return VisitSettings(
        url=f"{scheme}://{shown}" if port == _USUAL_PORTS[scheme] else f"{scheme}://{shown}:{port}",
        token=token or secrets.token_urlsafe(LEAST_TOKEN),
        address=address,
        port=bound_port,
        certificate=files[0],
        key=files[1],
        wait_s=_check_wait(wait_s),
    )


def read_visit(environ: Mapping[str, str]) -> VisitSettings:
    """Read what `VisitSettings.to_environ` wrote, or what a person set. Raises UsageError.

    Without a token nobody could know the address that each launch answers at, so there it must be.
    """
    token = environ.get(TOKEN_VARIABLE)
    if not token:
        raise UsageError(
            f"A launch with browser=visit got no {TOKEN_VARIABLE}, so nobody could know the address of its page.",
            hint=f"`assay run` makes one and prints the address; elsewhere set it ({LEAST_TOKEN} letters or more) and "
            f"open {environ.get(URL_VARIABLE) or DEFAULT_URL}/TOKEN/.",
        )
    return plan_visit(
        environ.get(URL_VARIABLE) or None,
        listen=environ.get(LISTEN_VARIABLE) or None,
        certificate=environ.get(CERTIFICATE_VARIABLE) or None,
        key=environ.get(KEY_VARIABLE) or None,
        token=token,
        wait_s=read_wait(environ.get(WAIT_VARIABLE)),
    )


def read_wait(text: str | None) -> float:
    """Seconds that a launch waits for its visitor, of what a person set. Raises UsageError."""
    if not text:
        return DEFAULT_WAIT_S
    try:
        return float(text)
    except ValueError:
        raise UsageError(f"{WAIT_VARIABLE} is {text!r}; expected seconds.") from None


def is_visit(options: Mapping[str, Scalar]) -> bool:
    """Whether a case with these options runs in a browser that a person opens."""
    return options.get("browser") == VISIT


def check_visitor(options: Mapping[str, Scalar]) -> None:
    """Refuse a visit without a name, and a name without a visit. Raises UnsupportedError.

    The name stands where the machine's would: without it, a phone and a desktop would share one series.
    """
    visitor = options.get("visitor")
    if not is_visit(options):
        if visitor is not None:
            raise UnsupportedError(
                f"visitor={visitor} was given without browser=visit, so the browser is one that is started here.",
                hint="Add -o browser=visit, or leave the visitor out.",
            )
        return
    if not isinstance(visitor, str) or _VISITOR.match(visitor) is None:
        got = "no visitor" if visitor is None else f"the visitor {visitor!r}"
        raise UnsupportedError(
            f"browser=visit was given with {got}; expected the name of the device that will open the page: letters, "
            "digits, spaces and . _ + -, 64 at most.",
            hint="For example: -o browser=visit -o visitor=pixel9",
        )


def describe_visitor(options: Mapping[str, Scalar]) -> str | None:
    """What stands for the hardware of a visitor's result, ``pixel9 (visitor)``; None where nobody visits."""
    return f"{options.get('visitor')} (visitor)" if is_visit(options) else None


def is_loopback(host: str) -> bool:
    """Whether a name or address can only mean the machine that uses it."""
    name = host.casefold().rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _read_url(url: str) -> tuple[str, str, int | None]:
    """Scheme, host and port, where it has one, of a base address."""
    wrong = UsageError(
        f"The address {url!r} is none that a browser could open; expected http://HOST:PORT or https://HOST:PORT.",
        hint="For example: --visit https://192.168.1.20:8435",
    )
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise wrong from None
    is_bare = parts.path in ("", "/") and not (parts.query or parts.fragment or parts.username or parts.password)
    if parts.scheme not in _USUAL_PORTS or not parts.hostname or port == 0 or not is_bare:
        raise wrong
    if _is_unspecified(parts.hostname):
        raise UsageError(
            f"{parts.hostname} means every address of this machine, and a browser opens one.",
            hint=f"Give the one that the visitor opens, and --visit-listen {parts.netloc} beside it.",
        )
    return parts.scheme, parts.hostname, port


def _is_unspecified(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False


def _read_listen(listen: str) -> tuple[str, int]:
    try:
        parts = urlsplit(f"//{listen}")
        address, port = parts.hostname, parts.port
    except ValueError:
        address, port = None, None
    if not address or port is None or not 0 < port <= _LAST_PORT or parts.path:
        raise UsageError(
            f"{listen!r} is no place to listen at; expected ADDRESS:PORT.", hint="For example: 0.0.0.0:8435"
        )
    return address, port


def _check_files(scheme: str, certificate: Path | None, key: Path | None, *, listen: str | None) -> None:
    for file in (certificate, key):
        if file is not None and not file.is_file():
            raise UsageError(f"There is no file {file}.", hint="docs/web.md says how to make a certificate.")
    if key is not None and certificate is None:
        raise UsageError("A key was given without its certificate.", hint="Add --visit-certificate FILE.")
    if scheme == "http" and certificate is not None:
        raise UsageError("A certificate was given with an address that begins with http:.", hint="Write https:.")
    if scheme == "https" and certificate is None and listen is None:
        raise UsageError(
            "An address that begins with https: needs a certificate.",
            hint="Add --visit-certificate FILE, or --visit-listen ADDRESS:PORT where a proxy in front has it.",
        )


def _check_wait(wait_s: float) -> float:
    if not math.isfinite(wait_s) or wait_s <= 0:
        raise UsageError(f"{WAIT_VARIABLE} is {wait_s:g}; expected seconds above 0.")
    return wait_s
