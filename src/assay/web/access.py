"""Who asks, and what they may: this machine's user, somebody with a token, anybody.

May import: core, web.tokens.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import secrets
import socket
from collections.abc import Callable, Collection
from enum import StrEnum
from http.cookies import CookieError, SimpleCookie
from time import time

from assay.core.errors import UsageError
from assay.web.problem import Scope, header, route_path
from assay.web.settings import ServeSettings
from assay.web.tokens import find_hash

COOKIE = "assay_session"
SESSION_S = 7 * 24 * 3600
LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
OPEN_PATHS = ("/login", "/logout", "/static/", "/favicon.ico", "/api/v1/health")
"""What is needed before anybody can show a token, and what a load balancer asks."""
IMPORT_PATH = "/api/v1/imports"
SQL_PATH = "/api/v1/sql"
_FORWARDED = (b"forwarded", b"x-forwarded-for", b"x-forwarded-host", b"x-real-ip")
_WILDCARDS = frozenset({"0.0.0.0", "::", ""})  # noqa: S104  (recognised, not bound to)
_BEARER = "bearer "


class Access(StrEnum):
    """As whom a request is answered."""

    LOCAL = "local"
    """From this machine, to a server that only this machine reaches."""
    TOKEN = "token"  # noqa: S105  (a word, not a secret)
    """With a token, or the session that one was exchanged for."""
    PUBLIC = "public"
    """Anybody, where the server lets anybody read."""


class Need(StrEnum):
    """What a request takes."""

    NOTHING = "nothing"
    READ = "read"
    QUERY = "query"
    """SQL of one's own: it only reads, but costs as much as whoever asks likes."""
    WRITE = "write"


_ENOUGH = {
    Need.NOTHING: frozenset(Access),
    Need.READ: frozenset(Access),
    Need.QUERY: frozenset({Access.LOCAL, Access.TOKEN}),
    Need.WRITE: frozenset({Access.TOKEN}),
}


class Doorkeeper:
    """Knows tokens and sessions. ``hashes`` gives the tokens' hashes as they are now.

    A session is a cookie that a browser gets for a token: its end, and a keyed hash that binds it to that token. The
    key is this process's own, so a restart ends all sessions, and a token's revocation those that came of it.
    """

    def __init__(
        self, settings: ServeSettings, hashes: Callable[[], Collection[str]], *, clock: Callable[[], float] = time
    ) -> None:
        self._settings = settings
        self._hashes = hashes
        self._clock = clock
        self._key = secrets.token_bytes(32)
        self._is_local = is_only_local(settings)

    @property
    def has_tokens(self) -> bool:
        """True where somebody could show one."""
        return bool(self._hashes())

    def admit(self, scope: Scope) -> Access | None:
        """Say as whom a request is answered; None: as nobody, as which a wrong token always is."""
        presented = header(scope, b"authorization")
        if presented is not None:
            return Access.TOKEN if self._is_bearer(presented) else None
        if self.has_session(scope):
            return Access.TOKEN
        # A proxy on this machine makes everybody's requests local; where it says that it is one, believe it.
        if self._is_local and not any(header(scope, name) for name in _FORWARDED):
            return Access.LOCAL
        return Access.PUBLIC if self._settings.is_public_read else None

    def has_session(self, scope: Scope) -> bool:
        """True where the request has a cookie of a session that still holds."""
        return self._is_session(read_cookie(scope, COOKIE))

    def begin_session(self, token: str) -> str | None:
        """Exchange a token for the value of a cookie; None where it is no token of this server."""
        known = find_hash(token, self._hashes())
        if known is None:
            return None
        end = int(self._clock()) + SESSION_S
        return f"{end}.{self._sign(known, end)}"

    def _is_bearer(self, presented: str) -> bool:
        if not presented.lower().startswith(_BEARER):
            return False
        return find_hash(presented[len(_BEARER) :].strip(), self._hashes()) is not None

    def _is_session(self, value: str | None) -> bool:
        end_text, _, signature = (value or "").partition(".")
        if not (end_text.isascii() and end_text.isdigit() and len(end_text) <= 12 and signature.isascii()):  # noqa: PLR2004
            return False
        end = int(end_text)
        if end < self._clock():
            return False
        found = False
        for known in self._hashes():
            found |= hmac.compare_digest(self._sign(known, end), signature)
        return found

    def _sign(self, token_hash: str, end: int) -> str:
        return hmac.new(self._key, f"{token_hash}.{end}".encode(), hashlib.sha256).hexdigest()


def need_of(scope: Scope) -> Need:
    """Say what a request takes, from its method and path alone."""
    path = route_path(scope)
    if any(path == one or (one.endswith("/") and path.startswith(one)) for one in OPEN_PATHS):
        return Need.NOTHING
    if scope["method"] in SAFE_METHODS:
        return Need.READ
    return Need.QUERY if path == SQL_PATH else Need.WRITE


def is_enough(access: Access | None, need: Need) -> bool:
    """True where this access is enough for that."""
    return need is Need.NOTHING or (access is not None and access in _ENOUGH[need])


def is_only_local(settings: ServeSettings) -> bool:
    """True where nobody but this machine's users reaches the server: by its address, and by the names it is given."""
    return settings.is_loopback and all(name_of(host) in LOOPBACK_NAMES for host in settings.hosts)


def describe_access(settings: ServeSettings) -> str:
    """Say in a sentence who may read and who may write. Raises UsageError where nobody could get in."""
    count = len(settings.token_hashes)
    tokens = "a token" if count == 1 else f"one of {count} tokens"
    writing = f"importing takes {tokens}" if count else "nobody may import (`assay serve token new NAME`)"
    if is_only_local(settings):
        return f"Only this machine reaches it: reading takes no token; {writing}."
    if settings.is_public_read:
        return f"ANYBODY who reaches {settings.host} may read; {writing}."
    if not count:
        raise UsageError(
            f"A server on {settings.host} lets nobody in without a token, and there is none.",
            hint="Make one with `assay serve token new NAME`, or let anybody read with --public-read.",
        )
    return f"Reading and importing take {tokens}."


def allowed_names(settings: ServeSettings) -> frozenset[str]:
    """Return the names under which the server may be asked for. Numbers need no list: see ``is_known_host``."""
    named = {name_of(host) for host in settings.hosts}
    own = set() if settings.host in _WILDCARDS else {name_of(settings.host)}
    if settings.host in _WILDCARDS and not named:
        own = {socket.gethostname().lower(), socket.getfqdn().lower()}
    return frozenset(named | own | LOOPBACK_NAMES)


def is_known_host(value: str | None, names: Collection[str], *, is_wildcard: bool) -> bool:
    """True for a Host header that names this server.

    A page elsewhere can have its own name resolve to this address, and its scripts would then be of the same origin
    (DNS rebinding); the name in the Host header gives it away. A number cannot be rebound, so where the server listens
    on every address it may be asked for by any number.
    """
    if value is None:
        return False
    name = name_of(value)
    if name in names:
        return True
    return is_wildcard and _is_number(name)


def is_wildcard(settings: ServeSettings) -> bool:
    """True where the server listens on every address of its machine."""
    return settings.host in _WILDCARDS


def name_of(host: str) -> str:
    """Return a host without its port: ``[::1]:8337`` -> ``::1``, ``Example.org.:80`` -> ``example.org``."""
    text = host.strip().lower()
    if text.startswith("["):
        return text[1:].partition("]")[0]
    if text.count(":") > 1:  # a bare IPv6 address
        return text
    return text.partition(":")[0].removesuffix(".")


def read_cookie(scope: Scope, name: str) -> str | None:
    """Return a cookie of the request, or None; what cannot be read is none."""
    text = header(scope, b"cookie")
    if text is None:
        return None
    cookies: SimpleCookie = SimpleCookie()
    try:
        cookies.load(text)
    except CookieError:
        return None
    return cookies[name].value if name in cookies else None


def _is_number(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
