"""Talking to PostgreSQL through ADBC: one connection, one transaction at a time, errors in our words.

ADBC is the only driver: it moves Arrow batches by binary COPY, and runs single statements as well. No password is ever
part of a message. May import: core; adbc_driver_postgresql inside a function.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Self
from urllib.parse import unquote, urlsplit

from assay.core.absence import Unavailable
from assay.core.errors import AssayError, UsageError

INSTALL_HINT = "pip install 'assay[postgres]'"
SCHEMES = ("postgresql", "postgres")
_HIDDEN = "***"


class MirrorError(AssayError):
    """The mirror could not be reached, made, filled or read."""


class ConnectionLostError(MirrorError):
    """The server is gone, or ended the connection."""


_BY_STATE = {
    "42501": "Ask for the right: GRANT CREATE ON DATABASE ..., or ownership of the schema.",
    "42P01": "A table of the mirror was removed by hand: drop the schema, and mirror again.",
    "42703": "A column of the mirror was removed by hand: drop the schema, and mirror again.",
    "23503": "Rows refer to rows that are not there: run `assay store check`, or mirror again with --full.",
    "23514": "A word is not in the vocabulary that the table knows: this assay and the table's may differ in version.",
    "53100": "The server's disk is full.",
    "55P03": "Another process holds a lock, perhaps a mirroring that still goes on: try again when it is done.",
    "25006": "The server takes no writes: name the primary, not a replica.",
}
_LOST = re.compile(
    r"terminating connection|server closed the connection|no connection to the server|connection has been closed|"
    r"Connection reset|Broken pipe|could not (?:receive|send) data"
)
_LOST_STATES = re.compile(r"57P0[123]|08\w{3}")
_CONNECT = (
    ("password authentication failed", "Check the user and the password; PGPASSWORD and ~/.pgpass are read too."),
    ("no password supplied", "Put it into PGPASSWORD or ~/.pgpass, which keeps it out of the list of processes."),
    ("does not exist", "Check the names of user and database: createdb makes a database, createuser a user."),
    ("no pg_hba.conf entry", "The server does not admit this user from here: its pg_hba.conf says whom."),
    ("too many", "The server takes no more connections."),
    ("starting up", "The server is starting: try again in a moment."),
    ("could not translate host name", "Check the name of the host."),
    ("onnection refused", "Check host and port, and that the server runs."),
    ("timeout", "Check host and port, and that a firewall lets you through."),
)


def check_driver() -> Unavailable | None:
    """Say what is missing, or None."""
    from importlib.util import find_spec

    if find_spec("adbc_driver_postgresql") is not None:
        return None
    return Unavailable("PostgreSQL is reached through adbc-driver-postgresql, which is not installed", INSTALL_HINT)


def redact_url(url: str) -> str:
    """Return the address without a password, for messages."""
    try:
        netloc = urlsplit(url).netloc
    except ValueError:
        return _HIDDEN
    login, at, host = netloc.rpartition("@")
    user, colon, _ = login.partition(":")
    shown = url.replace(netloc, f"{user}{':' + _HIDDEN if colon else ''}{at}{host}", 1) if netloc else url
    return re.sub(r"(?i)(password=)[^&#]*", rf"\1{_HIDDEN}", shown)


class Connection:
    """One connection. Statements join the open transaction, which :meth:`commit` or :meth:`rollback` ends."""

    def __init__(self, url: str) -> None:
        """Connect. Raises UsageError for what is no address, MirrorError where there is no way in."""
        check_url(url)
        missing = check_driver()
        if missing is not None:
            raise MirrorError(f"{missing.reason}.", hint=missing.install_hint)
        import adbc_driver_postgresql.dbapi

        self.shown = redact_url(url)
        self._secrets = _secrets(url)
        self._errors = adbc_driver_postgresql.dbapi.Error
        try:
            self._raw = adbc_driver_postgresql.dbapi.connect(_with_timeout(url))
        except self._errors as error:
            raise self._connect_failure(error) from None  # the cause holds the address

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def execute(self, sql: str, parameters: Sequence[object] = ()) -> int:
        """Run one statement; return the rows it changed (-1 where the server does not say)."""
        try:
            with self._raw.cursor() as cursor:
                cursor.execute(sql, list(parameters) or None)
                return int(cursor.rowcount)
        except self._errors as error:
            raise self.failure(error) from None

    def fetch(self, sql: str, parameters: Sequence[object] = ()) -> list[dict[str, Any]]:
        """Run a query; return its rows."""
        try:
            with self._raw.cursor() as cursor:
                cursor.execute(sql, list(parameters) or None)
                rows: list[dict[str, Any]] = cursor.fetch_arrow_table().to_pylist()
                return rows
        except self._errors as error:
            raise self.failure(error) from None

    def ingest(self, table: str, batches: Any) -> int:
        """Copy a ``pyarrow.RecordBatchReader`` into a temporary table; return the rows."""
        try:
            with self._raw.cursor() as cursor:
                return int(cursor.adbc_ingest(table, batches, mode="append", temporary=True))
        except self._errors as error:
            raise self.failure(error) from None

    def commit(self) -> None:
        """End the transaction: all of it is there, or the error says that it is not."""
        try:
            self._raw.commit()
        except self._errors as error:
            raise self.failure(error) from None

    def rollback(self) -> None:
        """Undo the transaction. Where the server has gone there is nothing to undo."""
        try:
            self._raw.rollback()
        except self._errors:
            return

    def close(self) -> None:
        """Close; what was not committed is undone by the server."""
        try:
            self._raw.close()
        except (self._errors, RuntimeError):
            return

    def failure(self, error: BaseException) -> MirrorError:
        """Turn what the driver raised into one error that says what to do."""
        text = self._clean(str(error))
        state = str(getattr(error, "sqlstate", None) or "")
        if _LOST.search(text) or _LOST_STATES.fullmatch(state):
            return ConnectionLostError(
                f"The connection to {self.shown} was lost: {text}.",
                hint="Runs that were mirrored stay. When the server is back, the same command goes on from there.",
            )
        return MirrorError(f"{self.shown} answered: {text}.", hint=_BY_STATE.get(state))

    def _connect_failure(self, error: BaseException) -> MirrorError:
        text = self._clean(str(error))
        hint = next((hint for sign, hint in _CONNECT if sign in text), None)
        return MirrorError(f"{self.shown} could not be reached: {text}.", hint=hint)

    def _clean(self, text: str) -> str:
        """Keep what the server says, without the driver's frame, the statement and any secret."""
        text = re.split(r"\n\s*(?:Query was:|Is the server running)|\. SQLSTATE", text)[0]
        text = re.sub(r"^[A-Z_]+: (?:\[libpq\] )?(?:Failed to [^:]*: )?(?:PGRES_FATAL_ERROR )?", "", text)
        text = re.sub(r"(?:could not begin COPY: )?\b(?:ERROR|FATAL):\s+", "", text)
        for secret in self._secrets:
            text = text.replace(secret, _HIDDEN)
        return " ".join(text.split()).rstrip(".")


def check_url(url: str) -> None:
    """Refuse what is no address of PostgreSQL. Raises UsageError."""
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises where it is no number
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in SCHEMES:
        raise UsageError(
            f"{redact_url(url)!r} is no address of a PostgreSQL database.",
            hint="Expected postgresql://user@host:5432/database; the password may come from PGPASSWORD or ~/.pgpass.",
        )


def _with_timeout(url: str) -> str:
    """Give up on a host that does not answer; libpq would wait for ever."""
    if "connect_timeout=" in url:
        return url
    base, hash_mark, fragment = url.partition("#")
    return f"{base}{'&' if '?' in base else '?'}connect_timeout=15{hash_mark}{fragment}"


def _secrets(url: str) -> tuple[str, ...]:
    parts = urlsplit(url)
    found = re.findall(r"(?i)password=([^&]*)", parts.query)
    if "@" in parts.netloc:
        found.append(parts.netloc.rpartition("@")[0].partition(":")[2])
    spelled = {text for one in found for text in (one, unquote(one)) if text}
    return tuple(sorted(spelled, key=len, reverse=True))
