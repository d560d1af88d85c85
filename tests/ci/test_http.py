"""The client, against a real server that misbehaves: retries, redirects, pages, and secrets that stay hidden."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from assay.ci.http import (
    RefusedError,
    Server,
    UnreachableError,
    ask,
    ask_pages,
    check_address,
    check_token,
)
from assay.core.errors import UsageError

Serve = Callable[[Callable[[Any], Any]], Any]
SECRET = "s3cret-0123456789"  # noqa: S105  (of the servers below)


def fine(request: Any) -> Any:
    return 200, {}, {"path": request.path, "body": request.body}


def server_of(host: Any, **more: Any) -> Server:
    headers = {"Authorization": f"Bearer {SECRET}"}
    return Server(host.url, headers, (SECRET,), sleep=host.sleep, **more)


def test_json_goes_and_comes(serve: Serve) -> None:
    host = serve(fine)
    reply = ask(server_of(host), "POST", "/a", body={"ü": [1, None]}, what="it")
    assert (reply.status, reply.body, reply.next_url) == (200, {"path": "/a", "body": {"ü": [1, None]}}, None)
    (asked,) = host.asked
    assert asked.headers["authorization"] == f"Bearer {SECRET}"
    assert asked.headers["content-type"] == "application/json"
    assert asked.headers["user-agent"].startswith("assay/")


@pytest.mark.parametrize("content", [b"ok", b"", b"<html>"])
def test_an_answer_that_is_no_json_is_its_text(serve: Serve, content: bytes) -> None:
    host = serve(lambda _: (200, {}, content))
    assert ask(server_of(host), "GET", what="it").body == (content.decode() or None)


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_what_passes_is_tried_again_with_growing_waits(serve: Serve, status: int) -> None:
    host = serve(fine)
    host.troubles += [(status, {}, {})] * 3
    assert ask(server_of(host), "GET", what="it").status == 200
    assert host.slept == [1.0, 2.0, 4.0]
    host.troubles += [(status, {}, {"message": "still"})] * 4
    with pytest.raises(RefusedError, match=rf"127\.0\.0\.1 answered {status} .* to GET it: still") as caught:
        ask(server_of(host), "GET", what="it")
    assert caught.value.status == status


def test_a_post_is_not_repeated_unless_it_may_be(serve: Serve) -> None:
    host = serve(fine)
    host.troubles.append((502, {}, {}))
    with pytest.raises(RefusedError):
        ask(server_of(host), "POST", what="it")
    assert host.methods() == ["POST"]
    host.troubles.append((502, {}, {}))
    ask(server_of(host), "POST", what="it", is_repeatable=True)
    assert host.methods() == ["POST"] * 3


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 410, 422])
def test_a_refusal_is_not_argued_with(serve: Serve, status: int) -> None:
    host = serve(lambda _: (status, {}, {"error": "because"}))
    with pytest.raises(RefusedError, match=f"answered {status} .*: because"):
        ask(server_of(host), "GET", what="it")
    assert (host.methods(), host.slept) == (["GET"], [])


def test_a_server_that_says_how_long_is_waited_for(serve: Serve) -> None:
    host = serve(fine)
    host.troubles += [(429, {"Retry-After": "7"}, {}), (403, {"Retry-After": "0"}, {})]
    reset = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(int(time.time()) + 30)}
    host.troubles.append((403, reset, {}))
    ask(server_of(host), "GET", what="it")
    assert host.slept[:2] == [7.0, 0.0]
    assert 0 < host.slept[2] <= 30
    host.troubles.append((429, {"Retry-After": "3600"}, {"message": "come back in an hour"}))
    with pytest.raises(RefusedError, match="come back in an hour"):
        ask(server_of(host), "GET", what="it")


def test_a_redirect_is_refused_so_that_the_token_stays(serve: Serve) -> None:
    other = serve(fine)
    host = serve(lambda _: (302, {"Location": other.url}, {}))
    with pytest.raises(RefusedError, match="answered 302"):
        ask(server_of(host), "GET", what="it")
    assert other.asked == []


def test_pages_are_followed_on_the_same_server_only(serve: Serve) -> None:
    other = serve(fine)
    host = serve(lambda _: (200, {}, ["last"]))
    host.troubles.append((200, {"Link": f'<{host.url}/b>; rel="prev", </c?page=2>; rel="next"'}, ["first"]))
    assert list(ask_pages(server_of(host), "/a?page=1", what="it")) == [["first"], ["last"]]
    assert [(one.path, one.query) for one in host.asked] == [("/a", {"page": "1"}), ("/c", {"page": "2"})]
    host.troubles.append((200, {"Link": f'<{other.url}/x>; rel="next"'}, []))
    with pytest.raises(UsageError, match=r"sent us on to 127\.0\.0\.1, which is not asked"):
        list(ask_pages(server_of(host), "/a", what="it"))
    assert other.asked == []


def test_pages_that_never_end_do(serve: Serve) -> None:
    host = serve(lambda _: (200, {"Link": '</more>; rel="next"'}, []))
    assert len(list(ask_pages(server_of(host), "/a", what="it"))) == 100


def test_nobody_there() -> None:
    slept: list[float] = []
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        server = Server(f"http://127.0.0.1:{unused.getsockname()[1]}/{SECRET}", sleep=slept.append, attempts=2)
        with pytest.raises(UnreachableError, match=r"127\.0\.0\.1 could not be reached for it: ") as caught:
            ask(server, "GET", what="it")
    assert slept == [1.0]
    assert SECRET not in str(caught.value)


def test_a_server_that_says_nothing_is_left(serve: Serve) -> None:
    released = threading.Event()

    def wait(_: Any) -> Any:
        released.wait(30)
        return 200, {}, {}

    host = serve(wait)
    try:
        with pytest.raises(UnreachableError, match="timed out"):
            ask(server_of(host, timeout_s=0.2, attempts=1), "GET", what="it")
    finally:
        released.set()


def test_an_answer_without_end_is_not_read_to_it(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("assay.ci.http._LARGEST_REPLY_BYTES", 1000)
    host = serve(lambda _: (200, {}, b"x" * 1001))
    with pytest.raises(UnreachableError, match="longer than 1000 bytes"):
        ask(server_of(host, attempts=1), "GET", what="it")


def test_what_a_server_echoes_is_taken_out_of_messages(serve: Serve) -> None:
    host = serve(lambda _: (400, {}, {"message": f"bad token {SECRET} for {host.url}/hook"}))
    with pytest.raises(RefusedError) as caught:
        ask(server_of(host), "GET", what="it")
    assert SECRET not in str(caught.value)
    assert host.url not in str(caught.value)
    assert "bad token ***" in str(caught.value)
    assert SECRET not in repr(server_of(host))
    assert host.url not in repr(server_of(host))


@pytest.mark.parametrize(
    "address", ["", "ftp://x", "file:///x", "https://", "https://x y", "https://x/\nA: b", "https://ü"]
)
def test_an_address_that_is_none_is_refused_and_not_shown(address: str) -> None:
    with pytest.raises(UsageError, match="ASSAY_WEBHOOK is no http") as caught:
        check_address(address, "ASSAY_WEBHOOK")
    assert not address or address not in str(caught.value)
    assert check_address(" https://x.example/a/ ", "it") == "https://x.example/a"


def test_a_token_that_is_none_is_refused_and_not_shown() -> None:
    assert check_token(f" {SECRET}\n", "it") == SECRET
    assert check_token("", "it") is None
    assert check_token(None, "it") is None
    for token in (f"{SECRET}\nX: y", f"{SECRET} x", f"{SECRET}ü"):
        with pytest.raises(UsageError, match="GITHUB_TOKEN is no token") as caught:
            check_token(token, "GITHUB_TOKEN")
        assert SECRET not in str(caught.value)
