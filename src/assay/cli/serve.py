"""``assay serve``: the dashboard and the REST API, and the tokens that let others in."""

from __future__ import annotations

import errno
import socket
from typing import TYPE_CHECKING, Annotated, Any

import typer

from assay.cli.output import (
    CsvOption,
    Form,
    JsonOption,
    StoreOption,
    choose_form,
    format_age,
    make_console,
    new_table,
    open_for_reading,
    print_csv,
    print_json,
    print_table,
)
from assay.core.errors import AssayError, UsageError

if TYPE_CHECKING:
    from assay.web.settings import ServeSettings

app = typer.Typer(
    help="Show the store in a browser, and serve the REST API.", invoke_without_command=True, rich_markup_mode=None
)
token_app = typer.Typer(
    help="Tokens: who may come in from other machines.", no_args_is_help=True, rich_markup_mode=None
)
app.add_typer(token_app, name="token")

DEFAULT_PORT = 8337
PORTS_TRIED = 20
GRACE_S = 5
OLDEST_ANSWER_S = 10.0
"""While runs are published all the time, a page that takes long is shown as it was so many seconds ago at most."""
INSTALL_HINT = "pip install 'assay[serve,report]'"


def register(parent: typer.Typer) -> None:
    """Add the command group."""
    parent.add_typer(app, name="serve")


@app.callback()
def serve(  # noqa: PLR0913  (a command has as many options as people need)
    ctx: typer.Context,
    host: Annotated[
        str, typer.Option("--host", help="Address to listen on; others than loopback need a token.")
    ] = "127.0.0.1",
    port: Annotated[
        int | None,
        typer.Option(
            "--port", min=0, max=65535, help=f"Default: {DEFAULT_PORT}, or the next free one.", show_default=False
        ),
    ] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            "--allow-host", metavar="NAME", help="A name this server is reached by; repeatable.", show_default=False
        ),
    ] = None,
    public_read: Annotated[
        bool, typer.Option("--public-read", help="Anybody who reaches it may read; writing needs a token.")
    ] = False,
    root_path: Annotated[
        str,
        typer.Option("--root-path", metavar="PATH", help="Where a reverse proxy puts it: /assay.", show_default=False),
    ] = "",
    title: Annotated[str, typer.Option("--title", help="What stands at the head of the pages.")] = "assay",
    requests_per_minute: Annotated[
        int, typer.Option("--requests-per-minute", min=0, help="Most requests of one client; 0: no limit.")
    ] = 1200,
    open_browser: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
    store: StoreOption = None,
) -> None:
    """Show the store in a browser: runs, trends, comparisons, devices; and serve the REST API under /api/v1.

    On this machine only, unless --host says otherwise. Ctrl-C ends it.

    For example:

      assay serve
      assay serve --host 0.0.0.0 --allow-host bench.example.org    (after: assay serve token new me)
    """
    if ctx.invoked_subcommand is not None:
        return
    from assay.web.settings import ServeSettings
    from assay.web.tokens import read_hashes, tokens_folder

    location = open_for_reading(store).location
    settings = ServeSettings(
        store=location, host=host, root_path=_root_path(root_path), title=title, token_hashes=read_hashes(),
        token_folder=str(tokens_folder()),
        is_public_read=public_read, hosts=tuple(allow_host or ()), requests_per_minute=requests_per_minute,
        oldest_answer_s=OLDEST_ANSWER_S,
    )  # fmt: skip
    listener = _listen(host, port)
    try:
        if not settings.is_loopback and not settings.token_hashes:
            raise UsageError(
                f"--host {host} lets other machines in, and there is no token yet.",
                hint="Make one: assay serve token new NAME. Or leave --host out, and reach it through ssh -L.",
            )
        _serve(settings, listener, opens_browser=open_browser)
    finally:
        listener.close()


@token_app.command("new")
def new_token(name: Annotated[str, typer.Argument(help="Whose it is, or what for: ci, grafana.")]) -> None:
    """Make a token and print it, once: only its hash is kept."""
    from assay.web.tokens import make_token

    typer.echo(make_token(name))
    make_console(stderr=True).print(
        "Keep it: it is not shown again. Clients send it as `Authorization: Bearer ...`; browsers are asked for it."
    )


@token_app.command("ls")
def list_all_tokens(as_json: JsonOption = False, as_csv: CsvOption = False) -> None:
    """List the tokens: their names and ages."""
    from assay.web.tokens import list_tokens

    form = choose_form(as_json=as_json, as_csv=as_csv)
    entries = list_tokens()
    rows = [{"name": one.name, "created_at": one.created_at} for one in entries]
    if form is Form.JSON:
        print_json(rows)
    elif form is Form.CSV:
        print_csv(rows, ("name", "created_at"))
    elif not rows:
        make_console().print("There are no tokens. `assay serve token new NAME` makes one.")
    else:
        table = new_table()
        table.add_column("name")
        table.add_column("made")
        for one in entries:
            table.add_row(one.name, format_age(one.created_at))
        print_table(table)


def complete_token(incomplete: str) -> list[str]:
    """Names of tokens that begin so, for the shell."""
    from assay.web.tokens import list_tokens

    try:
        return [one.name for one in list_tokens() if one.name.startswith(incomplete)]
    except AssayError:
        return []


@token_app.command("revoke")
def revoke(name: Annotated[str, typer.Argument(help="Which one.", autocompletion=complete_token)]) -> None:
    """Let nobody in with a token any more."""
    from assay.web.tokens import revoke_token

    revoke_token(name)
    make_console().print(f"Token {name} lets nobody in any more.")


def _root_path(text: str) -> str:
    if text and (not text.startswith("/") or "//" in text or any(sign in text for sign in "?#\\\"'<> ")):
        raise UsageError(f"--root-path {text!r} is no path; expected for example /assay.")
    return text.rstrip("/")


def _listen(host: str, port: int | None) -> socket.socket:
    """Bind before anything is loaded, so that a port in use is said at once. Raises UsageError."""
    wanted = range(DEFAULT_PORT, DEFAULT_PORT + PORTS_TRIED) if port is None else (port,)
    try:
        family = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)[0][0]
    except OSError as error:
        raise UsageError(f"--host {host!r} is no address of this machine: {error.strerror or error}.") from error
    problem: OSError | None = None
    for candidate in wanted:
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, candidate))
        except OSError as error:
            listener.close()
            problem = error
            if error.errno != errno.EADDRINUSE:
                break
        else:
            return listener
    if problem is not None and problem.errno == errno.EADDRINUSE:
        tried = f"Port {port} of" if port is not None else f"Ports {wanted[0]} to {wanted[-1]} of"
        raise UsageError(
            f"{tried} {host} are in use." if port is None else f"{tried} {host} is in use.",
            hint="Another `assay serve` may be running. --port 0 takes any free port.",
        )
    reason = problem.strerror if problem is not None else "no port was tried"
    raise UsageError(f"Nothing can listen on {host}: {reason}.", hint="--host is an address of this machine.")


def _serve(settings: ServeSettings, listener: socket.socket, *, opens_browser: bool) -> None:
    try:
        import uvicorn

        from assay.web.access import describe_access
        from assay.web.app import create_app
    except ImportError as error:
        raise AssayError(
            f"`assay serve` needs a package that is not installed: {error.name}.", hint=INSTALL_HINT
        ) from error
    application = create_app(settings)

    class Server(uvicorn.Server):
        """Ends the streams of live pages first: else Ctrl-C would wait for browsers to close them."""

        def handle_exit(self, sig: int, frame: Any) -> None:
            application.state.live.stop()
            super().handle_exit(sig, frame)

    config = uvicorn.Config(
        application, log_level="warning", access_log=False, timeout_graceful_shutdown=GRACE_S, server_header=False,
        timeout_keep_alive=30, lifespan="off",
    )  # fmt: skip
    url = _url(settings, listener)
    console = make_console(stderr=True)
    console.print(f"{url}  (store {settings.store}; Ctrl-C ends it)")
    console.print(describe_access(settings))
    if not settings.is_loopback:
        console.print("It speaks plain HTTP: put TLS before it where others may listen.")
    if opens_browser:
        typer.launch(url)
    Server(config).run(sockets=[listener])


def _url(settings: ServeSettings, listener: socket.socket) -> str:
    address = listener.getsockname()
    host = "127.0.0.1" if address[0] == "0.0.0.0" else "::1" if address[0] == "::" else address[0]  # noqa: S104  (compared, not bound)
    return f"http://{f'[{host}]' if ':' in host else host}:{address[1]}{settings.root_path}/"
