"""The description of the API, made true: every error it can answer with, who may ask, and nothing but the API.

FastAPI describes parameters and answers from the code. What the gate does before any route is known (``web.gate``), and
how errors look (``web.problem``), is added here once, for every operation. May import: core, web; fastapi.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from assay.web.access import COOKIE, Need, need_of
from assay.web.problem import MEDIA_TYPE, Problem

if TYPE_CHECKING:
    from fastapi import FastAPI

Schema = dict[str, Any]

_METHODS = ("get", "post", "put", "patch", "delete")
_SCHEMAS = "#/components/schemas/"
_SUMMARY = "Benchmark results with their provenance: measured here, imported from others, or predicted."
_DESCRIPTION = """
Everything `assay` knows of a store, read-only but for imports.

* Numbers are in the unit that stands beside them (`unit`, or the end of the name: `latency_ns`). A number that is not
  known is null, and a `reason` says why.
* Each result is `measured`, `imported` or `predicted`. Lists give what was measured, unless `provenance` asks for more.
* Lists come in pages: `next` is the cursor of the next one, and the `Link` header its address. What is added while you
  read does not shift the pages.
* Answers to GET carry an `ETag` of the store's state: send it back in `If-None-Match`, and an unchanged answer costs
  nothing.
* Errors are problem+json (RFC 9457); the last word of `type` is for programs.
""".strip()
_TAGS = (
    ("runs", "One execution of a plan: its results, launches, raw readings."),
    ("results", "One case in one run: how it ended, whether to believe it, and its numbers."),
    ("series", "One case on one class of hardware, over time."),
    ("analysis", "Comparing, checking, advising: the verdicts of docs/method.md."),
    ("predictions", "Numbers that no one measured yet."),
    ("catalogue", "What is known beforehand: devices, metrics, workloads, engines."),
    ("reports", "Everything `assay report` draws, over HTTP."),
    ("imports", "Results of others, taken in as data."),
    ("sql", "One reading statement, in a sandbox."),
    ("server", "How the server itself is."),
)
_PROBLEMS: Mapping[int, tuple[str, str]] = {
    400: ("Usage", "Well formed, but it asks for what cannot be."),
    401: ("Token", "It takes a token, or the token is wrong."),
    403: ("Origin", "A page of another origin made the request."),
    404: ("NotFound", "There is no such thing."),
    405: ("Method", "The address does not take that method."),
    408: ("Timeout", "The body did not come."),
    413: ("TooLarge", "The body is too large."),
    415: ("MediaType", "The body is of a type that is not taken here."),
    421: ("Host", "The server does not answer to that name."),
    422: ("Invalid", "A parameter or the body is not valid, or the file cannot be imported."),
    429: ("TooMany", "The client asked too often."),
    500: ("Crash", "Something unforeseen went wrong."),
    503: ("Unavailable", "The store cannot be read, or too much is being asked at once."),
}
_OF_GET = (400, 401, 403, 404, 405, 421, 422, 429, 500, 503)
_OF_BODY = (*_OF_GET, 408, 413, 415)
_HEADERS = {
    401: {"WWW-Authenticate": {"description": "How to send a token.", "schema": {"type": "string"}}},
    405: {"Allow": {"description": "The methods it takes.", "schema": {"type": "string"}}},
    429: {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "string"}}},
    503: {"Retry-After": {"description": "Seconds to wait, where waiting helps.", "schema": {"type": "string"}}},
}
UNTAGGED = "x-assay-untagged"
"""An operation's mark: its answers depend on the time or the server, so they carry no ETag."""


def describe_api(app: FastAPI) -> None:
    """Have the application describe itself as it really answers."""
    describe = app.openapi
    done: list[Schema] = []
    lock = threading.Lock()  # the first requests come together, each in a thread of its own

    def openapi() -> Schema:
        with lock:
            schema = describe()
            if not any(one is schema for one in done):
                _complete(schema)
                done[:] = [schema]
            return schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way of changing the description


def query_names(app: FastAPI, path: str, method: str) -> frozenset[str] | None:
    """Return the names of the query parameters that an operation takes; None for one that is not described."""
    operation = app.openapi()["paths"].get(path, {}).get(method.lower())
    if operation is None:
        return None
    return frozenset(one["name"] for one in operation.get("parameters", ()) if one["in"] == "query")


def _complete(schema: Schema) -> None:
    schema["info"] |= {"summary": _SUMMARY, "description": _DESCRIPTION}
    schema["tags"] = [{"name": name, "description": text} for name, text in _TAGS]
    schema["paths"] = {
        path: item for path, item in schema["paths"].items() if path.startswith("/api/") or path == "/metrics"
    }
    components = schema.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    problem = Problem.model_json_schema(ref_template=f"{_SCHEMAS}{{model}}")
    schemas |= problem.pop("$defs", {})
    schemas["Problem"] = problem
    components["responses"] = {name: _problem_of(status, text) for status, (name, text) in _PROBLEMS.items()}
    components["headers"] = {
        "ETag": {"description": "The state that the answer is of.", "schema": {"type": "string"}},
        "X-Request-ID": {"description": "Names the request in the server's log.", "schema": {"type": "string"}},
        "Link": {
            "description": 'The next page (`rel="next"`), where there is one.',
            "schema": {"type": "string"},
        },
    }
    components["securitySchemes"] = {
        "token": {
            "type": "http", "scheme": "bearer",
            "description": "A token of `assay serve token new NAME`. On loopback only imports take one.",
        },
        "session": {
            "type": "apiKey", "in": "cookie", "name": COOKIE,
            "description": "What a browser gets for a token at /login.",
        },
    }  # fmt: skip
    for path, item in schema["paths"].items():
        for method in _METHODS:
            if method in item:
                _complete_operation(item[method], path, method)


def _complete_operation(operation: Schema, path: str, method: str) -> None:
    has_body = method != "get"
    for parameter in operation.get("parameters", ()):
        parameter["schema"] = _without_null(parameter["schema"])
    responses = operation["responses"]
    responses.pop("422", None)
    for status in _OF_BODY if has_body else _OF_GET:
        responses.setdefault(str(status), {"$ref": f"#/components/responses/{_PROBLEMS[status][0]}"})
    is_tagged = not has_body and not operation.pop(UNTAGGED, False)
    headers = {"X-Request-ID": {"$ref": "#/components/headers/X-Request-ID"}}
    if is_tagged:
        headers["ETag"] = {"$ref": "#/components/headers/ETag"}
        responses["304"] = {"description": "Nothing changed since the answer whose ETag was sent."}
        operation.setdefault("parameters", []).append(
            {
                "name": "If-None-Match",
                "in": "header",
                "required": False,
                "description": "ETags of answers that are kept already.",
                "schema": {"type": "string"},
            }
        )
    if any(one["name"] == "cursor" for one in operation.get("parameters", ())):
        headers["Link"] = {"$ref": "#/components/headers/Link"}
    for status, response in responses.items():
        if status.startswith("2"):
            response.setdefault("headers", {}).update(headers)
    operation["security"] = _security_of(path, method)
    operation["responses"] = dict(sorted(responses.items()))


def _without_null(schema: Schema) -> Schema:
    """What a parameter may be where it is given: none can be null, which is how FastAPI says that it may be absent."""
    kinds: list[Schema] = [kind for kind in schema.get("anyOf", ()) if kind.get("type") != "null"]
    if len(kinds) != 1:
        return schema
    return {name: value for name, value in schema.items() if name != "anyOf"} | kinds[0]


def _security_of(path: str, method: str) -> list[dict[str, list[str]]]:
    need = need_of({"path": path, "method": method.upper()})
    known: list[dict[str, list[str]]] = [{"token": []}, {"session": []}]
    if need is Need.NOTHING:
        return []
    return known if need is Need.WRITE else [{}, *known]


def _problem_of(status: int, text: str) -> Schema:
    response: Schema = {
        "description": text,
        "content": {MEDIA_TYPE: {"schema": {"$ref": f"{_SCHEMAS}Problem"}}},
    }
    if status in _HEADERS:
        response["headers"] = _HEADERS[status]
    return response
