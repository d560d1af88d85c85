"""How the server behaves: frozen, made once by whoever starts it. May import: core."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ServeSettings:
    """What ``assay serve`` was asked for.

    ``store`` is the store's location (None: the default one). ``host`` other than loopback needs tokens;
    ``token_hashes`` are what they are compared with (never the tokens themselves). ``is_public_read`` lets anybody
    read; writing always needs a token. ``title`` stands in the pages' heads. ``requests_per_minute`` bounds each
    client, ``upload_bytes`` an import, ``body_bytes`` any other body. ``hosts`` are the names the server answers to (a
    page of somebody else's that resolves its name to this address is refused); empty: loopback's names and ``host``.
    """

    store: str | None = None
    host: str = "127.0.0.1"
    port: int = 8337
    root_path: str = ""
    title: str = "assay"
    token_hashes: tuple[str, ...] = ()
    token_folder: str | None = None
    """Where tokens are read from as they come and go; None: ``token_hashes`` are all."""
    is_public_read: bool = False
    hosts: tuple[str, ...] = ()
    requests_per_minute: int = 1200
    body_bytes: int = 1 << 20
    upload_bytes: int = 64 << 20
    is_static: bool = False
    """Pages are written to files: they leave out forms, sorting links and whatever else needs a server."""
    oldest_answer_s: float = 0.0
    """Of a page that takes long to make: how old the state may be that it is shown from meanwhile. 0: never."""
    sql_rows: int = 10_000
    sql_seconds: float = 10.0

    @property
    def is_loopback(self) -> bool:
        """True where only this machine reaches the server."""
        return self.host in {"127.0.0.1", "::1", "localhost"}
