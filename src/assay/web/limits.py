"""How much one client may ask for: requests a minute, bytes a body, and how slowly it may send them.

Everything here is bounded itself: what keeps count of clients must not be what an attacker fills. May import: core.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections import OrderedDict
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]

MOST_CLIENTS = 8192
SHARE_AT_ONCE = 6
"""A client may use a sixth of its minute at once: a page asks for a dozen things in the moment it opens."""
FEWEST_AT_ONCE = 20
BODY_PAUSE_S = 30.0
_IPV6_PREFIX = 64


@dataclass(slots=True)
class _Bucket:
    left: float
    at: float


class RateLimit:
    """A token bucket for each client; the longest unseen are forgotten beyond ``MOST_CLIENTS``.

    ``per_minute`` below 1 means no limit. Used by one thread only, that of the event loop.
    """

    def __init__(self, per_minute: int, *, most_clients: int = MOST_CLIENTS) -> None:
        self._per_s = per_minute / 60
        self._capacity = float(max(FEWEST_AT_ONCE, per_minute / SHARE_AT_ONCE))
        self._most = most_clients
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def take(self, client: str, now: float) -> float:
        """Count one request at ``now`` (seconds of a clock that only goes forward).

        Returns 0 where it may go on, else the seconds after which another may.
        """
        if self._per_s <= 0:
            return 0.0
        bucket = self._buckets.get(client)
        if bucket is None:
            bucket = self._buckets[client] = _Bucket(self._capacity, now)
            if len(self._buckets) > self._most:
                self._buckets.popitem(last=False)
        else:
            self._buckets.move_to_end(client)
            bucket.left = min(self._capacity, bucket.left + (now - bucket.at) * self._per_s)
            bucket.at = now
        if bucket.left < 1:
            return (1 - bucket.left) / self._per_s
        bucket.left -= 1
        return 0.0

    def __len__(self) -> int:
        return len(self._buckets)


def client_key(host: str | None) -> str:
    """Return what a client is counted under: its address, of IPv6 the network that one customer is given (/64)."""
    if host is None:
        return "local"
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host[:64]
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((address, _IPV6_PREFIX), strict=False))
    return str(address)


class BodyLimitError(Exception):
    """Raised into whoever reads a body that is too large, or that does not come. ``status`` is 413 or 408."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail


class LimitedBody:
    """A ``receive`` that counts, for bodies whose length nobody said beforehand.

    ``refusal`` is set once the limit is passed: frameworks turn the exception into an answer of their own, which is
    then to be replaced.
    """

    def __init__(self, receive: Receive, limit_bytes: int, *, pause_s: float = BODY_PAUSE_S) -> None:
        self._receive = receive
        self._limit = limit_bytes
        self._pause_s = pause_s
        self._seen = 0
        self._is_whole = False
        self.refusal: BodyLimitError | None = None

    async def __call__(self) -> Message:
        """Return the next message. Raises BodyLimitError."""
        if self.refusal is not None:
            raise self.refusal
        if self._is_whole:  # what comes now is the news that the client went away, for which one may wait long
            return await self._receive()
        try:
            message = await asyncio.wait_for(self._receive(), self._pause_s)
        except TimeoutError:
            self.refusal = BodyLimitError(408, f"The body did not come: nothing for {self._pause_s:g} s.")
            raise self.refusal from None
        if message["type"] == "http.request":
            self._seen += len(message.get("body", b""))
            self._is_whole = not message.get("more_body", False)
            if self._seen > self._limit:
                self.refusal = too_large(self._limit)
                raise self.refusal
        return message


def too_large(limit_bytes: int) -> BodyLimitError:
    """Return the refusal of a body that is larger than this."""
    return BodyLimitError(413, f"The body is larger than the {limit_bytes} bytes that are accepted here.")
