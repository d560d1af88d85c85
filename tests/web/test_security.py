"""The gate: who may ask, from where, how often, how much; and what every answer carries."""

from __future__ import annotations

import asyncio
import importlib.util
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("fastapi", reason="the server needs fastapi: pip install 'assay[serve]'")


from assay.core.errors import UsageError
from assay.store import Store
from assay.web.access import COOKIE, Doorkeeper, describe_access, name_of
from assay.web.envelope import HEADERS
from assay.web.limits import BodyLimitError, LimitedBody, RateLimit, client_key
from assay.web.settings import ServeSettings
from assay.web.tokens import hash_token

if TYPE_CHECKING:
    from starlette.testclient import TestClient

OPEN = {"host": "0.0.0.0", "hosts": ("127.0.0.1",)}  # noqa: S104  (nothing is bound)
READ, WRITE, QUERY = "/api/v1/runs", "/api/v1/imports", "/api/v1/sql"
OCTETS = {"Content-Type": "application/octet-stream"}


@pytest.fixture(scope="module")
def made() -> Any:
    spec = importlib.util.spec_from_file_location("security_api_store", Path(__file__).with_name("api_store.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store without a run: nothing here is about what is in it."""
    return Store.open(tmp_path_factory.mktemp("served") / "store")


@pytest.fixture(scope="module")
def serve(made: Any, empty: Store) -> Callable[..., TestClient]:
    def start(**settings: Any) -> TestClient:
        client: TestClient = made.serve(empty, **settings)
        return client

    return start


@pytest.fixture(scope="module")
def local(serve: Callable[..., TestClient]) -> TestClient:
    return serve()


@pytest.fixture(scope="module")
def opened(serve: Callable[..., TestClient]) -> TestClient:
    """A server on every address, with a token."""
    return serve(**OPEN)


# -- headers -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/page", "/api/v1/runs", "/nowhere", "/broken", "/stream", "/metrics", "/login"])
def test_every_answer_has_strict_headers(local: TestClient, path: str) -> None:
    answer = local.get(path)
    for name in HEADERS:
        assert name in answer.headers, name
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'")
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert "server" not in answer.headers
    assert answer.headers["x-request-id"]


def test_request_ids_are_taken_over_only_where_they_are_plain(local: TestClient) -> None:
    assert local.get("/page", headers={"X-Request-ID": "abc-1.2_3"}).headers["x-request-id"] == "abc-1.2_3"
    for odd in ("a b", "a" * 65, "<script>", ""):
        assert local.get("/page", headers={"X-Request-ID": odd}).headers["x-request-id"] != odd


def test_a_crash_says_nothing_of_itself_but_to_the_log(local: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR, logger="assay.web"):
        answer = local.get("/broken", headers={"Accept": "application/json"})
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert "secret" not in answer.text
    assert answer.json()["request_id"] in caplog.text
    assert "a secret" in caplog.text
    assert "secret" not in local.get("/broken", headers={"Accept": "text/html"}).text


def test_the_log_has_no_values_of_queries_and_no_lines_of_others(
    local: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="assay.access"):
        local.get("/page/%0d%0aforged?token=assay_secret&since=2026", headers={"Authorization": "Bearer assay_hidden"})
    (record,) = [one for one in caplog.records if one.name == "assay.access"]
    line = record.getMessage()
    assert "?token&since" in line
    assert "assay_secret" not in line
    assert "assay_hidden" not in line
    assert "\n" not in line
    assert "\\r\\nforged" in line


def test_streams_are_passed_on_as_they_come(local: TestClient) -> None:
    answer = local.get("/stream", headers={"Accept-Encoding": "gzip"})
    assert answer.text == "data: 0\n\ndata: 1\n\ndata: 2\n\n"
    assert "content-encoding" not in answer.headers


def test_headers_alone_can_be_asked_for(local: TestClient) -> None:
    for path in ("/page", READ, "/stream"):
        whole, head = local.get(path), local.head(path)
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-type"] == whole.headers["content-type"]


# -- names and origins ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["127.0.0.1:8337", "localhost", "LOCALHOST:1", "[::1]:8337", "localhost.:80"])
def test_names_of_this_machine_are_answered(local: TestClient, host: str) -> None:
    assert local.get(READ, headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8337", "127.0.0.1.evil.example", "localhost@evil.example", "", "0x7f000001"]
)
def test_any_other_name_is_refused(local: TestClient, host: str) -> None:
    refused = local.get(READ, headers={"Host": host})
    assert (refused.status_code, refused.json()["type"]) == (421, "urn:assay:problem:host")


def test_a_server_for_all_is_asked_by_number_or_by_its_own_names(serve: Callable[..., TestClient], made: Any) -> None:
    client = serve(host="0.0.0.0")  # noqa: S104
    assert client.get(READ, headers={"Host": "192.0.2.7:8337", **made.BEARER}).status_code == 200
    assert client.get(READ, headers={"Host": "evil.example", **made.BEARER}).status_code == 421
    named = serve(host="192.0.2.7", hosts=("assay.example:8443",))
    assert named.get(READ, headers={"Host": "assay.example", **made.BEARER}).status_code == 200
    assert named.get(READ, headers={"Host": "192.0.2.8", **made.BEARER}).status_code == 421


FOREIGN: list[dict[str, str]] = [
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://127.0.0.1:9999"},
    {"Sec-Fetch-Site": "cross-site", "Origin": "http://127.0.0.1:8337"},
    {"Sec-Fetch-Site": "same-site"},
]


@pytest.mark.parametrize("headers", FOREIGN)
@pytest.mark.parametrize("path", [QUERY, WRITE, "/login", "/logout", "/echo"])
def test_no_page_of_somebody_else_can_change_anything(
    local: TestClient, made: Any, headers: dict[str, str], path: str
) -> None:
    refused = local.post(path, json={"sql": "SELECT 1"}, headers={**headers, **made.BEARER})
    assert refused.status_code == 403
    assert "access-control-allow-origin" not in refused.headers


@pytest.mark.parametrize(
    "headers",
    [{}, {"Origin": "http://127.0.0.1:8337"}, {"Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none"}],
)
def test_own_pages_and_programs_may(local: TestClient, headers: dict[str, str]) -> None:
    assert local.post(QUERY, json={"sql": "SELECT 1"}, headers=headers).status_code == 200


def test_reading_across_origins_is_refused_and_following_a_link_is_not(local: TestClient) -> None:
    cross = {"Sec-Fetch-Site": "cross-site"}
    assert local.get(READ, headers={**cross, "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}).status_code == 403
    assert local.get(READ, headers={**cross, "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"}).status_code == 403
    assert (
        local.get("/page", headers={**cross, "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"}).status_code
        == 403
    )
    link = {**cross, "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    assert local.get("/page", headers=link).status_code == 200
    preflight = local.options(
        QUERY, headers={"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    )
    assert not any(name.startswith("access-control") for name in preflight.headers)


# -- tokens --------------------------------------------------------------------------------------------------


def test_on_loopback_reading_is_free_and_writing_takes_a_token(local: TestClient, made: Any) -> None:
    assert local.get(READ).status_code == 200
    assert local.get("/page").status_code == 200
    assert local.post(QUERY, json={"sql": "SELECT 1"}).status_code == 200
    refused = local.post(WRITE, content=b"{}", headers=OCTETS)
    assert (refused.status_code, refused.headers["www-authenticate"]) == (401, 'Bearer realm="assay"')
    assert local.post(WRITE, content=b"{}", headers={**OCTETS, **made.BEARER}).status_code == 422  # let in, and no file


@pytest.mark.parametrize("path", [READ, "/page", "/metrics", "/api/v1/openapi.json", "/nowhere"])
def test_elsewhere_everything_takes_a_token(opened: TestClient, made: Any, path: str) -> None:
    refused = opened.get(path, headers={"Accept": "application/json"})
    assert (refused.status_code, refused.json()["type"]) == (401, "urn:assay:problem:token")
    assert opened.get(path, headers=made.BEARER).status_code in (200, 404)
    assert opened.get("/api/v1/health").status_code == 200


@pytest.mark.parametrize(
    "value",
    ["Bearer assay_wrong", "Bearer ", "Bearer", "Basic YTpi", "bearer", "Bearer " + "x" * 5000, "Bearer \xff", "", "x"],
)
def test_a_wrong_token_is_refused_even_where_none_is_needed(local: TestClient, opened: TestClient, value: str) -> None:
    for client in (local, opened):
        refused = client.get(READ, headers=[(b"authorization", value.encode("latin-1"))])
        assert refused.status_code == 401
        assert 'error="invalid_token"' in refused.headers["www-authenticate"]


def test_where_anybody_may_read_nobody_may_write_or_ask_with_sql(serve: Callable[..., TestClient], made: Any) -> None:
    client = serve(**OPEN, is_public_read=True)
    assert client.get(READ).status_code == 200
    assert client.get("/page").status_code == 200
    assert client.post(QUERY, json={"sql": "SELECT 1"}).status_code == 401
    assert client.post(WRITE, content=b"{}", headers=OCTETS).status_code == 401
    assert client.post(QUERY, json={"sql": "SELECT 1"}, headers=made.BEARER).status_code == 200


@pytest.mark.parametrize("name", ["X-Forwarded-For", "Forwarded", "X-Real-IP", "X-Forwarded-Host"])
def test_what_comes_through_a_proxy_is_not_local(local: TestClient, made: Any, name: str) -> None:
    assert local.get(READ, headers={name: "192.0.2.7"}).status_code == 401
    assert local.get(READ, headers={name: "192.0.2.7", **made.BEARER}).status_code == 200


def test_a_name_of_its_own_makes_a_loopback_server_one_for_others(serve: Callable[..., TestClient]) -> None:
    client = serve(hosts=("assay.example",))
    assert client.get(READ, headers={"Host": "assay.example"}).status_code == 401
    assert client.get(READ).status_code == 401


def test_without_tokens_it_says_how_to_make_one(serve: Callable[..., TestClient]) -> None:
    refused = serve(token_hashes=()).post(WRITE, content=b"{}", headers=OCTETS)
    assert "assay serve token new NAME" in refused.json()["hint"]
    assert serve(token_hashes=()).post(WRITE, content=b"", headers={"Authorization": "Bearer "}).status_code == 401


def test_who_may_do_what_is_said_in_a_sentence() -> None:
    assert describe_access(ServeSettings()).startswith("Only this machine reaches it: reading takes no token; nobody")
    assert describe_access(ServeSettings(token_hashes=("a",))).endswith("importing takes a token.")
    assert describe_access(ServeSettings(host="192.0.2.7", token_hashes=("a", "b"))) == (
        "Reading and importing take one of 2 tokens."
    )
    assert describe_access(ServeSettings(host="192.0.2.7", is_public_read=True)).startswith("ANYBODY")
    with pytest.raises(UsageError, match="lets nobody in without a token"):
        describe_access(ServeSettings(host="192.0.2.7"))


# -- browsers ------------------------------------------------------------------------------------------------


def test_a_browser_is_sent_to_log_in_and_back(opened: TestClient, made: Any) -> None:
    html = {"Accept": "text/html"}
    sent = opened.get("/page?metric=latency_ns&q=a%20b", headers=html)
    assert (sent.status_code, sent.headers["cache-control"]) == (303, "no-store")
    form = opened.get(sent.headers["location"], headers=html)
    assert '<input type="hidden" name="next" value="/page?metric=latency_ns&amp;q=a%20b">' in form.text
    wrong = opened.post("/login", data={"token": "assay_wrong", "next": "/page"}, headers=html)
    assert (wrong.status_code, "set-cookie" in wrong.headers) == (401, False)
    right = opened.post("/login", data={"token": made.TOKEN, "next": "/page?metric=latency_ns"}, headers=html)
    assert (right.status_code, right.headers["location"]) == (303, "/page?metric=latency_ns")
    cookie = right.headers["set-cookie"]
    assert {"HttpOnly", "SameSite=strict", "Path=/"} <= {part.strip() for part in cookie.split(";")}
    assert made.TOKEN not in cookie
    assert hash_token(made.TOKEN) not in cookie
    value = cookie.partition("=")[2].partition(";")[0]
    session = {"Cookie": f"{COOKIE}={value}"}
    opened.cookies.clear()
    assert opened.get("/page", headers={**html, **session}).status_code == 200
    assert opened.get(READ, headers=session).status_code == 200
    assert opened.get("/login?next=/page", headers=session).headers["location"] == "/page"
    own = {**session, "Origin": "http://127.0.0.1:8337"}
    assert opened.post(QUERY, json={"sql": "SELECT 1"}, headers=own).status_code == 200
    assert opened.post(QUERY, json={"sql": "SELECT 1"}, headers={**session, **FOREIGN[0]}).status_code == 403
    ended = opened.post("/logout", headers=own)
    assert (ended.headers["location"], "Max-Age=0" in ended.headers["set-cookie"]) == ("/login", True)


@pytest.mark.parametrize(
    "value",
    ["", "1.x", "9999999999.", "9999999999." + "0" * 64, "x.y", "-1.0", "9" * 400 + ".a", "\uff19.a", "\xff.\xff"],
)
def test_a_forged_session_lets_nobody_in(opened: TestClient, value: str) -> None:
    cookie = f"{COOKIE}={value}".encode("utf-8", "replace")
    assert opened.get(READ, headers=[(b"cookie", cookie)]).status_code == 401


def test_a_session_ends_with_its_token_its_time_and_the_server() -> None:
    now, hashes = [1000.0], {hash_token("a"), hash_token("b")}
    settings = ServeSettings(host="192.0.2.7")
    door = Doorkeeper(settings, lambda: hashes, clock=lambda: now[0])
    assert door.begin_session("c") is None
    session = door.begin_session("a")

    def has(at: Doorkeeper) -> bool:
        return at.has_session({"headers": [(b"cookie", f"{COOKIE}={session}".encode())]})

    assert has(door)
    assert not has(Doorkeeper(settings, lambda: hashes, clock=lambda: now[0]))
    now[0] += 8 * 24 * 3600
    assert not has(door)
    now[0] = 1000.0
    assert has(door)
    hashes.remove(hash_token("a"))
    assert not has(door)


@pytest.mark.parametrize(
    "target", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)", "", "/a\nb", "evil"]
)
def test_logging_in_leads_nowhere_else(opened: TestClient, made: Any, target: str) -> None:
    right = opened.post("/login", data={"token": made.TOKEN, "next": target})
    assert right.headers["location"] == "/"
    opened.cookies.clear()


def test_a_link_from_elsewhere_is_asked_for_again_by_a_page_of_ours(opened: TestClient) -> None:
    link = {
        "Accept": "text/html", "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate",
        "Sec-Fetch-Dest": "document",
    }  # fmt: skip
    bounced = opened.get('/page?a="><script>', headers=link)
    assert bounced.status_code == 200
    assert "<script>" not in bounced.text
    assert 'http-equiv="refresh" content="0; url=/page?a=' in bounced.text
    htmx = opened.get("/page", headers={"Accept": "text/html", "HX-Request": "true"})
    assert (htmx.status_code, htmx.headers["hx-redirect"]) == (401, "/login?next=%2Fpage")


def test_below_a_path_of_its_own(serve: Callable[..., TestClient], made: Any) -> None:
    client = serve(**OPEN, root_path="/bench")
    sent = client.get("/page", headers={"Accept": "text/html"})
    assert sent.headers["location"] == "/bench/login?next=%2Fbench%2Fpage"
    right = client.post("/login", data={"token": made.TOKEN, "next": "/bench/page"})
    assert "Path=/bench" in right.headers["set-cookie"]
    client.cookies.clear()
    assert client.get("/bench/api/v1/health").status_code == 200
    assert client.get("/api/v1/openapi.json", headers=made.BEARER).json()["servers"] == [{"url": "/bench"}]
    paged = client.get("/api/v1/catalog/devices", headers=made.BEARER)
    assert paged.headers["etag"] == client.get("/bench/api/v1/catalog/devices", headers=made.BEARER).headers["etag"]


def test_behind_tls_the_cookie_is_for_tls_only(opened: TestClient, made: Any) -> None:
    data = {"token": made.TOKEN}
    assert "Secure" not in opened.post("/login", data=data).headers["set-cookie"]
    proxied = opened.post("/login", data=data, headers={"X-Forwarded-Proto": "https"})
    assert "Secure" in proxied.headers["set-cookie"]
    opened.cookies.clear()


# -- how often, how much -------------------------------------------------------------------------------------


def test_each_client_has_its_own_rate(serve: Callable[..., TestClient]) -> None:
    client = serve(requests_per_minute=60)
    answers = [client.get("/page") for _ in range(25)]
    assert [one.status_code for one in answers[:20]] == [200] * 20
    refused = answers[-1]
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")


def test_a_bucket_fills_again_and_the_oldest_are_forgotten() -> None:
    limit = RateLimit(60, most_clients=3)
    assert [limit.take("a", 0.0) for _ in range(20)] == [0.0] * 20
    assert limit.take("a", 0.0) == pytest.approx(1.0)
    assert limit.take("a", 0.5) == pytest.approx(0.5)
    assert limit.take("a", 1.6) == 0.0
    for client in "bcd":
        assert limit.take(client, 2.0) == 0.0
    assert len(limit) == 3
    assert [RateLimit(0).take("a", 0.0) for _ in range(1000)] == [0.0] * 1000


def test_a_customer_of_ipv6_is_one_client() -> None:
    assert client_key("2001:db8:1:2::1") == client_key("2001:db8:1:2:ffff::2") == "2001:db8:1:2::/64"
    assert client_key("::ffff:192.0.2.7") == client_key("192.0.2.7")
    assert client_key(None) == "local"
    assert name_of("[2001:db8::1]:80") == "2001:db8::1"


def test_bodies_are_bounded_said_or_not(serve: Callable[..., TestClient], made: Any) -> None:
    client = serve(body_bytes=1000)

    def pieces(count: int) -> Iterator[bytes]:
        for _ in range(count):
            yield b"x" * 100

    assert client.post("/echo", content=b"x" * 1000, headers=made.BEARER).text == "1000"
    assert client.post("/echo", content=pieces(10), headers=made.BEARER).text == "1000"
    for body in (b"x" * 1001, pieces(11)):
        refused = client.post("/echo", content=body, headers={**made.BEARER, "Accept": "application/json"})
        assert (refused.status_code, refused.json()["type"]) == (413, "urn:assay:problem:too-large")
    sql = client.post(QUERY, content=pieces(11), headers={"Content-Type": "application/json"})
    assert (sql.status_code, sql.headers["content-type"]) == (413, "application/problem+json")
    for length in ("-1", "1e3", "9" * 30, "x"):
        odd = client.post("/echo", content=b"", headers={**made.BEARER, "Content-Length": length})
        assert odd.status_code in (400, 413)


def test_a_body_that_does_not_come_is_not_waited_for() -> None:
    async def never() -> dict[str, Any]:
        await asyncio.sleep(60)
        return {"type": "http.request"}

    async def wait() -> int:
        body = LimitedBody(never, 100, pause_s=0.01)
        with pytest.raises(BodyLimitError) as refused:
            await body()
        with pytest.raises(BodyLimitError):
            await body()
        return refused.value.status

    assert asyncio.run(wait()) == 408


def test_no_web_sockets(local: TestClient) -> None:
    from starlette.websockets import WebSocketDisconnect

    with pytest.raises(WebSocketDisconnect), local.websocket_connect("/live"):
        pass
