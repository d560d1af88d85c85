"""Tokens that let somebody in: made and printed once, kept as hashes, one file each.

A token is 256 random bits, so SHA-256 is the right hash: nobody can try 2^256 of them, and what makes password hashes
slow (scrypt, argon2) would only let a flood of wrong tokens keep the server busy. One file a token, because creating
and removing a file is one step: two commands at once cannot lose each other's token, and nothing needs a lock.
May import: core; platformdirs inside a function.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import os
import re
import secrets
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from assay.core.errors import AssayError, NotFoundError, UsageError, nearest_names

PREFIX = "assay_"
"""Every token begins so: scanners that look for leaked secrets can know it."""
VARIABLE = "ASSAY_TOKENS"
"""The environment variable that names another folder."""
_RANDOM_BYTES = 32
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_SUFFIX = ".json"
_HASH = re.compile(r"[0-9a-f]{64}")

log = logging.getLogger("assay.web")


@dataclass(frozen=True, slots=True)
class TokenEntry:
    """What is kept of a token: who it is for, its hash (64 hexadecimal digits), when it was made."""

    name: str
    sha256: str
    created_at: datetime


def tokens_folder() -> Path:
    """Return where tokens are kept: ``$ASSAY_TOKENS``, or ``tokens`` in the user's folder for settings."""
    chosen = os.environ.get(VARIABLE)
    if chosen:
        return Path(chosen)
    import platformdirs

    return Path(platformdirs.user_config_dir("assay", appauthor=False)) / "tokens"


def make_token(name: str, *, folder: Path | None = None, now: datetime | None = None) -> str:
    """Make a token and return it, which nobody can do again: only its hash is kept.

    Raises UsageError for a name that is taken or cannot be one, AssayError where the folder cannot be written.
    """
    _check_name(name)
    place = tokens_folder() if folder is None else folder
    token = PREFIX + secrets.token_urlsafe(_RANDOM_BYTES)
    entry = {"name": name, "sha256": hash_token(token), "created_at": (now or datetime.now(UTC)).isoformat()}
    try:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        _check_private(place)
        # Made readable by nobody else from the start: a mode that is set afterwards leaves a moment between.
        handle = os.open(place / f"{name}{_SUFFIX}", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise UsageError(
            f"There is a token {name!r} already, and what it is cannot be shown again.",
            hint=f"Choose another name, or `assay serve token revoke {name}` first.",
        ) from None
    except OSError as error:
        raise _unusable(place, error) from error
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(entry, file)
    return token


def list_tokens(*, folder: Path | None = None) -> tuple[TokenEntry, ...]:
    """Return what is known of every token, by name. Raises AssayError for a folder that others may write to."""
    place = tokens_folder() if folder is None else folder
    try:
        if not place.is_dir():
            return ()
        _check_private(place)
        files = sorted(place.glob(f"*{_SUFFIX}"))
        return tuple(_read(file) for file in files)
    except OSError as error:
        raise _unusable(place, error) from error


def revoke_token(name: str, *, folder: Path | None = None) -> None:
    """Let nobody in with a token any more. Raises NotFoundError with the names that are nearest."""
    place = tokens_folder() if folder is None else folder
    known = [entry.name for entry in list_tokens(folder=place)]
    if name not in known:
        near = nearest_names(name, known)
        hint = f"Did you mean {near[0]!r}?" if near else "`assay serve token ls` lists them."
        raise NotFoundError(f"There is no token {name!r}.", hint=hint)
    try:
        (place / f"{name}{_SUFFIX}").unlink(missing_ok=True)
    except OSError as error:
        raise _unusable(place, error) from error


def read_hashes(*, folder: Path | None = None) -> tuple[str, ...]:
    """Return the hashes that ``ServeSettings.token_hashes`` takes. Raises AssayError."""
    return tuple(entry.sha256 for entry in list_tokens(folder=folder))


def hash_token(token: str) -> str:
    """Return the SHA-256 of a token in hexadecimal digits."""
    return hashlib.sha256(token.encode("utf-8", "backslashreplace")).hexdigest()


def find_hash(token: str, hashes: Iterable[str]) -> str | None:
    """Return the hash that belongs to a token, or None. Takes as long for a wrong token as for a right one."""
    presented, found = hash_token(token), None
    for known in hashes:
        if hmac.compare_digest(presented, known):
            found = known
    return found


class TokenWatch:
    """The hashes of a folder, read again whenever a token was made or revoked there.

    Calling it costs one look at the folder's time of change, so a token that is revoked lets nobody in from then on.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seen: int | None = None
        self._hashes: tuple[str, ...] = ()

    def __call__(self) -> tuple[str, ...]:
        """Return the hashes as they are now: none where they cannot be read, which the log says once."""
        try:
            changed = self._folder.stat().st_mtime_ns
            if changed != self._seen:
                self._seen, self._hashes = changed, ()
                self._hashes = read_hashes(folder=self._folder)
        except (OSError, AssayError) as error:
            if self._hashes or not isinstance(error, OSError):
                log.error("nobody is let in by a token: %s", error)  # noqa: TRY400  (its words say it)
            self._hashes = ()
        return self._hashes


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{name[:80]!r} is no name for a token.",
            hint="Expected up to 64 of a-z, 0-9, '.', '_' and '-', beginning with a letter or digit: ci, grafana.",
        )


def _check_private(folder: Path) -> None:
    """Refuse a folder that others may write to, and so let themselves in. Windows has no such modes."""
    mode = folder.stat().st_mode
    if os.name == "posix" and mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise AssayError(
            f"Others may write to {folder} (mode {stat.S_IMODE(mode):o}), and so make tokens of their own.",
            hint=f"chmod 700 {folder}",
        )


def _read(file: Path) -> TokenEntry:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        entry = TokenEntry(
            str(content["name"]), str(content["sha256"]), datetime.fromisoformat(str(content["created_at"]))
        )
    except (ValueError, KeyError, TypeError) as error:
        raise AssayError(f"{file} is no token: {error}.", hint="Delete it, and make a new one.") from error
    if not _HASH.fullmatch(entry.sha256):
        raise AssayError(f"{file} holds no SHA-256 in hexadecimal digits.", hint="Delete it, and make a new one.")
    return entry


def _unusable(folder: Path, error: OSError) -> AssayError:
    reason = error.strerror or str(error)
    return AssayError(f"The tokens in {folder} cannot be used: {reason}.", hint=f"{VARIABLE} names another folder.")
