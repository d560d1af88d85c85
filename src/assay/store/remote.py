"""Object storage, through the client that deltalake brings: one code for S3, Google Cloud Storage and Azure.

Credentials and endpoints come from the environment, as that client reads it (``AWS_*``, ``GOOGLE_*``, ``AZURE_*``);
nothing of them is kept or written here. Options: https://delta-io.github.io/delta-rs/integrations/object-storage/
special_configuration and https://docs.rs/object_store. May import: core; deltalake and pyarrow inside functions.
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from assay.core.errors import StoreError

# A server that refuses connections is given up after a few seconds, one that is silent after a minute [measured].
_CONNECT_TIMEOUT_S = 5
_TIMEOUT_S = 30
_ATTEMPTS = 6
_BOUNDS = {
    "connect_timeout": f"{_CONNECT_TIMEOUT_S}s",
    "timeout": f"{_TIMEOUT_S}s",
    "max_retries": str(_ATTEMPTS - 1),
    "retry_timeout": "40s",
    "backoff_config.max_backoff": "2s",
}
_PREFIXES = ("AWS_", "GOOGLE_", "AZURE_")
S3_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")
_S3_RIGHTS = "The account needs to list the bucket and to read, write and delete objects below the prefix."
_KEYS = "Check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN (or AWS_PROFILE)."
_ENDPOINT = "Check the network and AWS_ENDPOINT_URL; what is measured meanwhile is kept and can be recovered."
_FAILURES = (
    (
        r"NoSuchBucket|NO_SUCH_BUCKET|ContainerNotFound|bucket does not exist",
        "the bucket does not exist",
        "Make it first.",
    ),
    (r"169\.254\.1(?:69\.254|70\.2)|IMDS|[Cc]redential.? provider", "no credentials were found", _KEYS),
    (r"InvalidAccessKeyId|SignatureDoesNotMatch|ExpiredToken|401 Unauth", "the credentials were refused", _KEYS),
    (r"RequestTimeTooSkewed", "this machine's clock differs from the server's", "Set the clock."),
    (r"PermanentRedirect|AuthorizationHeaderMalformed|301 Moved", "the bucket is in another region", "Set AWS_REGION."),
    (r"AccessDenied|ACCESS_DENIED|403 Forbidden|AuthorizationFailure", "access was denied", _S3_RIGHTS),
    (r"URL scheme is not allowed", "its endpoint is not https://", "Set AWS_ALLOW_HTTP=true to allow http://."),
    (r"dns error|failed to lookup address", "the server's name is not known", _ENDPOINT),
    (
        r"Connection refused|Connection reset|connection closed|client error \(Connect\)|NETWORK_CONNECTION",
        "the server is down",
        _ENDPOINT,
    ),
    (r"timed out|(?<!retry_)timeout", "the server did not answer in time", _ENDPOINT),
    (r"error sending request|5\d\d [A-Z][a-z]+|SlowDown", "the server failed to answer", _ENDPOINT),
)
_GOOGLE = "storage.googleapis.com"
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_NOT_FOUND = "404 Not Found"


def storage_options(address: str) -> dict[str, str]:
    """Return the options for deltalake: bounded retries and, on S3, commits by conditional put (no lock table).

    Raises StoreError for the one known server that speaks S3 and has another condition (its documentation has
    If-None-Match for reading only: https://docs.cloud.google.com/storage/docs/request-preconditions). Two writers
    could win one version there, and the rows of the first would be lost.
    """
    if not address.startswith("s3://"):
        return dict(_BOUNDS)
    if _GOOGLE in (_s3_endpoint(_settings()) or ""):
        raise StoreError(
            f"{address} leads to Google Cloud Storage, where an s3:// store could lose what two writers add at once.",
            hint=f"Use gs://{address.removeprefix('s3://')}, with GOOGLE_APPLICATION_CREDENTIALS.",
        )
    return _BOUNDS | {"conditional_put": "etag"}


def reading_file_system(address: str) -> Any:
    """Return a ``pyarrow.fs.FileSystem`` whose root is the address, for threads of Arrow to read tables with.

    Arrow's own: deltalake's calls back into Python, and Arrow's threads and DuckDB's then wait for each other for ever
    (seen with four files and more: ``Dataset.to_reader`` keeps Python's lock while it starts to read).
    """
    from pyarrow.fs import SubTreeFileSystem

    scheme, _, path = address.partition("://")
    with explained(f"The store {address} could not be reached"):
        return SubTreeFileSystem(path, _arrow_file_system(scheme, _settings()))


@functools.lru_cache(maxsize=8)
def _arrow_file_system(scheme: str, settings: tuple[tuple[str, str], ...]) -> Any:
    from pyarrow import fs

    known = dict(settings)
    if scheme == "gs":
        return fs.GcsFileSystem()
    if scheme == "az":
        return fs.AzureFileSystem(
            account_name=known.get("AZURE_STORAGE_ACCOUNT_NAME", ""), account_key=known.get("AZURE_STORAGE_ACCOUNT_KEY")
        )
    return fs.S3FileSystem(
        region=known.get("AWS_REGION") or known.get("AWS_DEFAULT_REGION"),
        endpoint_override=_s3_endpoint(settings),
        connect_timeout=_CONNECT_TIMEOUT_S,
        request_timeout=_TIMEOUT_S,
        retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=_ATTEMPTS),
    )


def _s3_endpoint(settings: tuple[tuple[str, str], ...]) -> str | None:
    known = dict(settings)
    return next((known[name] for name in S3_ENDPOINTS if known.get(name)), None)


def _client(address: str) -> Any:
    """Return deltalake's client as a ``pyarrow.fs.FileSystem``, for single objects and from one thread."""
    with explained(f"The store {address} could not be reached"):
        return _delta_file_system(address, _settings())


@functools.lru_cache(maxsize=8)
def _delta_file_system(address: str, _settings: tuple[tuple[str, str], ...]) -> Any:
    """One for as long as the environment stays the same, as making one takes as long as a request."""
    from deltalake.fs import DeltaStorageHandler
    from pyarrow.fs import PyFileSystem

    return PyFileSystem(DeltaStorageHandler(address, storage_options(address)))


def _settings() -> tuple[tuple[str, str], ...]:
    return tuple(sorted(item for item in os.environ.items() if item[0].startswith(_PREFIXES)))


def read(address: str, name: str) -> bytes | None:
    """Return an object's content, or None where there is none."""
    system = _client(address)
    with explained(f"{address}/{name} could not be read"):
        try:
            with system.open_input_stream(name) as stream:
                content: bytes = stream.read()
        except FileNotFoundError:
            return None
    return content


def write(address: str, name: str, content: bytes) -> None:
    """Write an object in one go: readers see the old one or the new one."""
    system = _client(address)
    # Buffered whole, since deltalake's stream takes bytes and Arrow hands over buffers of its own.
    with (
        explained(f"{address}/{name} could not be written"),
        system.open_output_stream(name, buffer_size=len(content) + 1) as stream,
    ):
        stream.write(content)


def delete(address: str, name: str) -> None:
    """Remove an object, if it is there."""
    system = _client(address)
    with explained(f"{address}/{name} could not be removed"), contextlib.suppress(FileNotFoundError):
        system.delete_file(name)


def move(address: str, name: str, target: str) -> None:
    """Move an object: copied, then removed, so that a failure between leaves both."""
    system = _client(address)
    with explained(f"{address}/{name} could not be moved"):
        system.move(name, target)


def exists(address: str, name: str) -> bool:
    """True where there is such an object."""
    from pyarrow.fs import FileType

    system = _client(address)
    with explained(f"{address}/{name} could not be looked at"):
        return bool(system.get_file_info(name).type == FileType.File)


def list_below(address: str, under: str = "") -> list[tuple[str, int, datetime]]:
    """Return name, bytes and time of every object below, by name."""
    from pyarrow.fs import FileSelector, FileType

    system = _client(address)
    with explained(f"{address}/{under} could not be listed".replace("/ ", " ")):
        found = system.get_file_info(FileSelector(under, recursive=True, allow_not_found=True))
    return sorted((info.path, info.size, info.mtime.astimezone(UTC)) for info in found if info.type == FileType.File)


def top_names(address: str) -> list[str]:
    """Return the names directly below, of objects and of what would be folders."""
    from pyarrow.fs import FileSelector

    system = _client(address)
    with explained(f"The store {address} could not be listed"):
        return sorted(info.path for info in system.get_file_info(FileSelector("", allow_not_found=True)))


def explain(text: str) -> tuple[str, str] | None:
    """Return why object storage refused and what to do, from the client's message; None where that says nothing."""
    for pattern, reason, hint in _FAILURES:
        if re.search(pattern, text):
            return reason, hint
    return None


def plain(text: str) -> str:
    """Return a message of deltalake as one short line: the outermost and the innermost reason, without colours."""
    lines = [line.strip(" ↳\t") for line in _COLOURS.sub("", text).splitlines()]
    lines = [line.rstrip(".") for line in lines if line and not line.startswith("<")]
    return lines[0] if len(lines) == 1 else f"{lines[0]}: {lines[-1]}" if lines else ""


@contextlib.contextmanager
def explained(what: str) -> Iterator[None]:
    """Turn the client's error into a StoreError that says why and what to do."""
    try:
        yield
    except StoreError:
        raise
    except FileNotFoundError as error:
        reason, hint = explain(str(error)) or ("there is no such object", None)
        raise StoreError(f"{what}: {reason}.", hint=hint) from error
    except Exception as error:  # deltalake and Arrow have many
        reason, hint = explain(str(error)) or (plain(str(error)) or type(error).__name__, None)
        raise StoreError(f"{what}: {reason}.", hint=hint) from error
