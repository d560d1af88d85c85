"""The reference, written from the code itself: commands, metrics, tables, routes, extensions.

It exists so that no command, option, metric, column, route or extension can be without an entry: each page below is
made of what the program has, and ``tests/docs/test_reference.py`` counts. The pages are made whenever the site is built
(``tools/build_docs.py``) and are not kept in the repository. By hand:

    python tools/make_reference.py build/reference

May import: all of assay, and FastAPI for the routes.
"""

from __future__ import annotations

import argparse
import ast
import importlib.metadata
import importlib.util
import re
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PACKAGE = "assay"
_TWINS = ("csv", "json", "svg")
_OPENAPI = "/api/v1/openapi.json"
_MADE = "This page is made from the code when the site is built."


def main() -> int:
    """Write every page into the folder that is named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where the pages go")
    write_reference(parser.parse_args().folder)
    return 0


def write_reference(folder: Path) -> list[Path]:
    """Write every page into ``folder``, made if need be, and return the files."""
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    for name, render in PAGES.items():
        page = folder / f"{name}.md"
        page.write_text(render(), encoding="utf-8")
        made.append(page)
    return made


# -- Markdown --------------------------------------------------------------------------------------------------


def cell(text: object) -> str:
    """Return ``text`` as one cell of a table: on one line, with nothing that would end the cell or begin a tag."""
    line = " ".join(str(text).split())
    parts = re.split(r"(`[^`]*`)", line)
    parts[::2] = [part.replace("<", "&lt;").replace("*", "\\*").replace("_", "\\_") for part in parts[::2]]
    return "".join(parts).replace("|", "&#124;" if "`" not in line else "¦")


def code(text: object) -> str:
    """Return ``text`` as code, or nothing where it is empty."""
    line = " ".join(str(text).split())
    return f"`{line}`" if line else ""


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table with its cells as they are."""
    lines = [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
    lines += [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join(lines)


# -- commands --------------------------------------------------------------------------------------------------


def commands() -> dict[str, Any]:
    """Return every visible command by its full name, groups among them."""
    import typer.main

    from assay.cli.main import app

    found: dict[str, Any] = {}

    def walk(command: Any, name: str) -> None:
        found[name] = command
        for word, child in sorted(getattr(command, "commands", {}).items()):
            if not child.hidden:
                walk(child, f"{name} {word}")

    walk(typer.main.get_command(app), PACKAGE)
    return found


def render_commands() -> str:
    """Every command and group with its help, arguments and options."""
    parts = ["# Commands and options", f"{_MADE} How they are used: [command line](../cli.md)."]
    for name, command in commands().items():
        parts += [f"## `{name}`", _paragraphs(command.help or "")]
        children = [child for child in getattr(command, "commands", {}).items() if not child[1].hidden]
        if children:
            rows = [(code(f"{name} {word}"), cell(_first_sentence(child.help))) for word, child in sorted(children)]
            parts.append(table(("command", "what it does"), rows))
        shown = [one for one in command.params if not one.hidden]
        arguments = [_argument_row(one) for one in shown if one.param_type_name == "argument"]
        if arguments:
            parts.append(table(("argument", "values", "what it is"), arguments))
        options = [_option_row(one) for one in shown if one.param_type_name == "option"]
        if options:
            parts.append(table(("option", "values", "default", "what it does"), options))
    return "\n\n".join(part for part in parts if part) + "\n"


def _argument_row(one: Any) -> tuple[str, str, str]:
    name = one.metavar or one.name.upper()
    return code(name), _values_of(one), cell(one.help or "")


def _option_row(one: Any) -> tuple[str, str, str, str]:
    names = ", ".join(code(name) for name in (*one.opts, *one.secondary_opts))
    environ = f" Else `{one.envvar}`." if one.envvar else ""
    return names, _values_of(one), _default_of(one), cell((one.help or "").rstrip()) + environ


def _values_of(one: Any) -> str:
    if getattr(one, "is_flag", False):
        return "flag"
    annotation = one.type_descriptor.annotation
    inner = getattr(annotation, "__args__", (annotation,))[0]
    members = getattr(inner, "__members__", {})
    text = ", ".join(code(member.value) for member in members.values()) or code(
        one.metavar or {"str": "TEXT", "int": "NUMBER", "float": "NUMBER", "Path": "PATH"}.get(inner.__name__, "TEXT")
    )
    return f"{text}, several" if one.multiple or getattr(one, "nargs", 1) == -1 else text


def _default_of(one: Any) -> str:
    default = one.default
    if one.required:
        return "required"
    if default is None or default is False or default in ("", ()) or callable(default):
        return ""
    return "on" if default is True else code(getattr(default, "value", default))


def _paragraphs(text: str) -> str:
    """Keep paragraphs, and show lines that begin with the program's name as what to type."""
    made: list[str] = []
    for part in re.split(r"\n\s*\n", text.strip()):
        line = " ".join(part.split())
        if line.startswith(f"{PACKAGE} "):
            if made and made[-1].startswith("```"):
                made[-1] = made[-1].removesuffix("```") + f"{line}\n```"
            else:
                made.append(f"```console\n{line}\n```")
        else:
            made.append(cell(line))
    return "\n\n".join(made)


def _first_sentence(text: str | None) -> str:
    return " ".join((text or "").strip().split("\n\n")[0].split())


# -- metrics ---------------------------------------------------------------------------------------------------


def render_metrics() -> str:
    """Every registered metric: unit, direction, meaning, formula, source."""
    from assay.catalog.metrics import metrics

    rows = []
    for name in metrics.names():
        one = metrics.get(name)
        more = _linked(one.source)
        rows.append(
            (code(one.name), code(one.unit), one.direction.value, cell(one.description), cell(one.formula), more)
        )
    heads = ("metric", "unit", "better", "what it is", "formula", "more")
    return f"# Metrics\n\n{_MADE} {len(rows)} metrics.\n\n{table(heads, rows)}\n"


def _linked(source: str) -> str:
    """A page of the docs as a link to it; anything else as it is."""
    page = source.removeprefix("docs/")
    return f"[{page.removesuffix('.md')}](../{page})" if page != source else cell(source)


# -- tables ----------------------------------------------------------------------------------------------------


def render_tables() -> str:
    """Every table of the store, and every column with its types; what it means is said in docs/store.md."""
    from assay.store.schema import DUCKDB_TYPES, TABLES

    meanings = _meanings()
    parts = [
        "# Tables and columns",
        f"{_MADE} `assay sql` reads these tables. What is promised of them: [the store](../store.md).",
    ]
    for name, columns in TABLES.items():
        rows = [
            (
                code(one.name), one.type, code(DUCKDB_TYPES[one.type].replace('"', "")),
                "yes" if one.required else "", cell(meanings.get((name, one.name), "")),
            )
            for one in columns
        ]  # fmt: skip
        parts += [f"## `{name}`", table(("column", "type", "in SQL", "always there", "meaning"), rows)]
    return "\n\n".join(parts) + "\n"


def _meanings() -> dict[tuple[str, str], str]:
    """What docs/store.md says of each column, by table and column."""
    text = (ROOT / "docs" / "store.md").read_text(encoding="utf-8")
    found: dict[tuple[str, str], str] = {}
    for section in re.split(r"^### ", text, flags=re.MULTILINE)[1:]:
        name = re.match(r"`(\w+)`", section)
        if name is not None:
            rows = re.findall(r"^\| `(\w+)` \| [\w ]+?\*? \| (.+) \|$", section, flags=re.MULTILINE)
            found |= {(name[1], column): re.sub(r"\[([^\]]+)\]\([^)]*\)", r"\1", said) for column, said in rows}
    return found


# -- routes ----------------------------------------------------------------------------------------------------


def routes() -> tuple[dict[str, Any], list[Any]]:
    """Return the description of the REST API, and the routes of pages, of the application over an empty store."""
    from assay.store import Store
    from assay.web.app import create_app
    from assay.web.settings import ServeSettings

    with tempfile.TemporaryDirectory() as folder:
        place = str(Path(folder) / "store")
        Store.open(place)
        app = create_app(ServeSettings(store=place))
        described = app.openapi()
        pages = [one for one in _flat_routes(app) if one.path not in described["paths"]]
    return described, pages


def _flat_routes(holder: Any) -> Iterable[Any]:
    """Every route with a path and methods; newer releases of FastAPI keep an included router as one entry."""
    for one in holder.routes:
        inner = getattr(one, "original_router", None)
        if inner is not None:
            yield from _flat_routes(inner)
        elif getattr(one, "methods", None):
            yield one


def render_routes() -> str:
    """Every operation of the REST API with its parameters, and every page with its address."""
    described, pages = routes()
    parts = [
        "# Routes",
        f"{_MADE} How they are used: [REST API](../rest-api.md), [dashboard](../dashboard.md).",
        "## REST API",
    ]
    for path, item in sorted(described["paths"].items()):
        for method, operation in item.items():
            parts += [f"### `{method.upper()} {path}`", cell(operation.get("summary", ""))]
            said = operation.get("description", "")
            parts += [cell(said)] if said else []
            rows = [
                (
                    code(one["name"]), one["in"], _kind_of(one["schema"]),
                    "yes" if one.get("required") else "", cell(one.get("description", "")),
                )
                for one in operation.get("parameters", ())
            ]  # fmt: skip
            parts += [table(("parameter", "in", "type", "required", "meaning"), rows)] if rows else []
    parts += ["## Pages", table(("address", "methods", "what it shows"), _page_rows(pages))]
    return "\n\n".join(part for part in parts if part) + "\n"


def _page_rows(pages: Iterable[Any]) -> list[tuple[str, str, str]]:
    """A row a page; its twins (the same address with an ending) share it. What a page shows: docs/dashboard.md."""
    twins: dict[str, set[str]] = {}
    methods: dict[str, set[str]] = {}
    said: dict[str, str] = {}
    for one in pages:
        base, dot, ending = one.path.rpartition(".")
        path = base or "/" if dot and ending in _TWINS and one.path != _OPENAPI else one.path
        twins.setdefault(path, set()).update({ending} if path != one.path else ())
        methods.setdefault(path, set()).update(one.methods - {"HEAD"})
        said[path] = said.get(path) or _first_sentence(one.endpoint.__doc__)
    text = (ROOT / "docs" / "dashboard.md").read_text(encoding="utf-8")
    shown = {_OPENAPI: "the REST API, described as OpenAPI"}
    for path, what in re.findall(r"^\| `([^`?]+)[^`]*` \| ([^|]+?) \|", text, flags=re.MULTILINE):
        shown.setdefault(path, re.sub(r"\[([^\]]+)\]\([^)]*\)", r"\1", what))
    shown["/overview"] = shown["/"]
    rows = []
    for path in sorted(methods):
        what = shown.get(re.sub(r"\{\w+\}", "ID", path)) or said[path]
        also = f" Also {', '.join(code('.' + ending) for ending in sorted(twins[path]))}." if twins[path] else ""
        rows.append((code(path), ", ".join(sorted(methods[path])), cell(what).rstrip(".") + "." + also))
    return rows


def _kind_of(schema: dict[str, Any]) -> str:
    if "enum" in schema:
        return ", ".join(code(value) for value in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_kind_of(schema.get('items', {}))}"
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_kind_of(one) for one in schema["anyOf"]))
    return str(schema.get("type") or schema.get("$ref", "any").rpartition("/")[2])


# -- extensions ------------------------------------------------------------------------------------------------


def declared() -> dict[str, dict[str, str]]:
    """Return group -> name -> module of every entry point that this package declares, read from its metadata."""
    found: dict[str, dict[str, str]] = {}
    for point in importlib.metadata.distribution(PACKAGE).entry_points:
        if point.group.startswith(f"{PACKAGE}."):
            found.setdefault(point.group, {})[point.name] = point.value
    return {group: dict(sorted(points.items())) for group, points in sorted(found.items())}


def render_extensions() -> str:
    """Every group of entry points, and every built-in name in it with the first sentence of its module."""
    parts = [
        "# Extensions",
        f"{_MADE} Each group takes entry points of your own packages too: [extending](../extending.md).",
    ]
    for group, points in declared().items():
        rows = [(code(name), code(module), cell(_said_of(module))) for name, module in points.items()]
        parts += [f"## `{group}`", table(("name", "module", "what it is"), rows)]
    return "\n\n".join(parts) + "\n"


def _said_of(module: str) -> str:
    """Return the first line of a module's docstring; nothing is imported but the packages around it."""
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        return ""
    said = ast.get_docstring(ast.parse(Path(spec.origin).read_text(encoding="utf-8"))) or ""
    return " ".join(said.split("\n\n")[0].split())


def render_index() -> str:
    """The page that leads to the others."""
    rows = [
        ("[Commands and options](commands.md)", "every command, argument and option"),
        ("[Metrics](metrics.md)", "every metric: unit, direction, formula"),
        ("[Tables and columns](tables.md)", "every table and column of the store"),
        ("[Routes](routes.md)", "every operation of the REST API and every page"),
        ("[Extensions](extensions.md)", "every group of entry points and what is built in"),
    ]
    return f"# Made from the code\n\n{_MADE}\n\n{table(('page', 'what is in it'), rows)}\n"


PAGES = {
    "index": render_index,
    "commands": render_commands,
    "metrics": render_metrics,
    "tables": render_tables,
    "routes": render_routes,
    "extensions": render_extensions,
}
"""By the page's name: what writes it."""


if __name__ == "__main__":
    raise SystemExit(main())
