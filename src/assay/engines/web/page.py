"""One page in one fresh browser: opened, asked with a limit of time, watched, and ended.

Every question has a limit that is kept here and not by the page, and every way in which a page can go away has a
message of its own. May import: core, engines.web.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn, Self

from assay.core.absence import Unavailable
from assay.core.errors import EngineError
from assay.engines.web.browsers import FoundBrowser, LaunchFlags
from assay.engines.web.gone import PageError, PageGoneError, Witness, explain_gone, explain_hang, explain_start
from assay.engines.web.happenings import Came, Left, ProcessEnded, Reply, Told
from assay.engines.web.hello import Hello
from assay.engines.web.process import CLOSE_PATIENCE_S, BrowserProcess
from assay.engines.web.profile import fresh_profile, kept_profile
from assay.engines.web.server import JobServer
from assay.engines.web.visit import VisitSettings

OPEN_LIMIT_S = 60.0
_HELLO_LIMIT_S = 20.0
_KNOWN_HANG_S = 5.0
"""How long a page's main thread, which computes nothing, may take to answer before it counts as gone or hung. On a
machine that everything else crowds, two seconds were too few."""
_GPU_GRACE_S = 5.0
"""How long a page may take to notice that its GPU process is gone, before it is taken to hang on it."""
_LAST_WORDS_S = 3.0
_KEPT_EVENTS = 50
_PAGE = Path(__file__).with_name("page")
_PHASES = {"init": "runtime_init", "session": "compile", "chunk": "its calls", "hello": "page"}


@dataclass(frozen=True, slots=True)
class PageRequest:
    """What to open. ``browser`` None means that a person opens the page, at the place that ``visit`` says.

    ``profile`` is a folder to keep between launches (`assay.engines.web.profile.kept_folder`), for the shaders compiled
    there; without it the browser gets a fresh one. ``port`` is where the page is served, 0 where the system may choose:
    what a profile keeps it keeps for one address. ``runtime`` is the folder of onnxruntime-web; by default where it
    lies. ``scripts`` is a folder whose files stand beside the page's own, or in their place. ``limit_s`` is how long
    the browser may take until its page answers; a visitor may take ``visit.wait_s``.
    """

    browser: FoundBrowser | None
    flags: LaunchFlags = field(default_factory=LaunchFlags)
    profile: Path | None = None
    port: int = 0
    runtime: Path | None = None
    scripts: Path | None = None
    visit: VisitSettings | None = None
    limit_s: float = OPEN_LIMIT_S


@dataclass(slots=True)
class _Patience:
    """How long an answer is waited for.

    A GPU process that ends shortens it: the page is told, or hangs. A renderer that ends puts in doubt whether there
    still is a page, which is then asked, because Firefox keeps the connection of one whose process is gone.
    """

    deadline: float
    check: int | None = None
    check_deadline: float = math.inf

    @property
    def is_in_doubt(self) -> bool:
        return self.check is not None

    def left_s(self) -> float:
        return min(self.deadline, self.check_deadline) - time.monotonic()

    def shorten(self, grace_s: float) -> None:
        self.deadline = min(self.deadline, time.monotonic() + grace_s)

    def doubt(self, check: int) -> None:
        self.check, self.check_deadline = check, time.monotonic() + _KNOWN_HANG_S

    def settle(self, answered: int) -> None:
        if answered == self.check:
            self.check, self.check_deadline = None, math.inf


class Page:
    """An open page. Not made directly: `open_page`. One thread asks, one question at a time.

    ``hello`` is what the page said of its browser; ``costs_ns`` are ``browser_launch`` (spawn to first request; absent
    for a visitor) and ``page`` (from there to its first answer). ``notes`` are facts that whoever opened it adds.
    """

    def __init__(self, server: JobServer, process: BrowserProcess | None) -> None:
        self._server, self._process = server, process
        self._began_ns = time.perf_counter_ns()
        self._events: deque[Told] = deque(maxlen=_KEPT_EVENTS)
        self._ended: list[ProcessEnded] = []
        self._last_job = 0
        self._problem: PageGoneError | None = None
        self._is_closed = False
        self._uses_gpu_process = False
        self.hello: Hello
        self.costs_ns: Mapping[str, int] = {}
        self.notes: dict[str, str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def process(self) -> BrowserProcess | None:
        """The browser; None where a person opened the page."""
        return self._process

    @property
    def events(self) -> tuple[Told, ...]:
        """The last things that the page said unasked, oldest first."""
        return tuple(self._events)

    @property
    def url(self) -> str:
        """The page's address, with its token."""
        return self._server.page_url

    def add_file(self, name: str, content: Path | bytes) -> str:
        """Serve a file or bytes, and return the path that the page fetches it by, ``/TOKEN/files/NAME``."""
        return self._server.add_file(name, content)

    def path(self, name: str) -> str:
        """The path of something served: ``ort/ort.wasm.min.mjs``, ``page/audio.js``."""
        return self._server.path(name)

    def call(
        self, verb: str, args: Mapping[str, Any] | None = None, *, limit_s: float, phase: str | None = None
    ) -> Any:
        """Have the page do one thing, and return what it answered.

        ``phase`` is what the caller calls it, for messages. Raises PageError where the page says that it failed, and
        PageGoneError where there is no answer: a crash, a closed page, or none within ``limit_s``; the browser is then
        ended, and nothing more can be asked.
        """
        if self._problem is not None:
            raise self._problem
        if self._is_closed:
            raise EngineError(f"The page was asked for {verb!r} after it was closed.")
        phase = phase or _PHASES.get(verb, verb)
        if verb == "init":
            # Chromium runs WebNN there too, whatever its device.
            self._uses_gpu_process = (args or {}).get("backend") != "wasm"
        self._last_job = self._server.send(verb, args)
        reply = self._wait_for(self._last_job, phase, limit_s)
        if reply is None:
            self._give_up(explain_hang(self._witness(phase), verb, limit_s, is_main_alive=self._answers_at_all()))
        if not reply.ok:
            error = PageError(verb, phase, reply.error)
            if error.name == "DeviceLost" and self._process is not None:
                self._collect(_LAST_WORDS_S, until=lambda: any(one.kind == "gpu" for one in self._ended))
                error.add_witness(self._witness(phase))
            raise error
        return reply.value

    def blob(self, name: str) -> bytes:
        """Return the bytes that came with the last answer under a name, and let them go. Raises EngineError."""
        found = self._server.take_blob(self._last_job, name)
        if found is None:
            raise EngineError(f"The page's last answer came without the bytes {name!r}.")
        return found

    def pids(self) -> tuple[int, ...]:
        """Every process of the browser that runs now; none where a person opened the page."""
        return () if self._process is None else self._process.pids()

    def memory_by_kind(self) -> dict[str, int]:
        """Resident bytes by kind: ``browser``, ``renderer``, ``gpu``, ``utility``, ``other``."""
        return {} if self._process is None else self._process.resident_bytes()

    @property
    def facts(self) -> dict[str, str]:
        """What is worth keeping of this browser, for `Session.facts`."""
        said = self.hello.facts()
        if self._process is None:
            return {**said, "browser_by": "visitor", **self.notes}
        found = self._process.found
        known = {"browser": found.name, "browser_version": self.hello.version or found.version or "unknown"}
        where = {"browser_executable": str(found.executable), "headless": str(self._process.is_headless).lower()}
        return {**said, **known, **where, **self.notes}

    def close(self, patience_s: float = CLOSE_PATIENCE_S) -> None:
        """End the page, its browser and its server. May be called again; never raises."""
        if self._is_closed:
            return
        self._is_closed = True
        try:
            if self._process is not None:
                self._process.close(patience_s)
        finally:
            self._server.close()

    # Opening

    def _await_page(self, limit_s: float) -> None:
        """Wait until the page listens and has said hello."""
        deadline = time.monotonic() + limit_s
        while (left_s := deadline - time.monotonic()) > 0:
            match self._server.next_happening(left_s):
                case Came(at_ns=came_ns):
                    if self._process is None:  # a person came when it suited, and perhaps looked at the page before
                        begin_ns = came_ns
                        before = {"visitor_wait": came_ns - self._began_ns}
                    else:
                        begin_ns = self._server.first_request_ns or came_ns
                        before = {"browser_launch": begin_ns - self._process.spawned_ns}
                    looking_ns = self._begin_watching()
                    self.hello = Hello.read(self.call("hello", limit_s=max(1.0, min(left_s, _HELLO_LIMIT_S))))
                    self.costs_ns = {**before, "page": time.perf_counter_ns() - begin_ns - looking_ns}
                    return
                case ProcessEnded() as ended:
                    self._ended.append(ended)
                    self._give_up(explain_start(self._witness("browser_launch"), limit_s))
                case _:
                    continue
        self._give_up(explain_start(self._witness("browser_launch"), limit_s))

    def _begin_watching(self) -> int:
        """Watch the browser's processes before anything is asked, and return how long the page waited, in ns."""
        begin_ns = time.perf_counter_ns()
        if self._process is not None:
            self._process.watch()
        return time.perf_counter_ns() - begin_ns

    # Listening

    def _wait_for(self, job: int, phase: str, limit_s: float) -> Reply | None:
        """Return the answer to a job; None where none came in time."""
        patience = _Patience(time.monotonic() + limit_s)
        while (left_s := patience.left_s()) > 0:
            happening = self._server.next_happening(left_s)
            match happening:
                case Reply(job=answered) if answered == job:
                    return happening
                case Reply(job=answered):
                    patience.settle(answered)
                case Told():
                    self._note(happening, phase)
                case Left():
                    self._collect(_LAST_WORDS_S, until=self._is_explained)
                    self._give_up(explain_gone(self._witness(phase)))
                case ProcessEnded(kind=kind):
                    self._ended.append(happening)
                    if kind == "gpu" and self._uses_gpu_process:
                        patience.shorten(_GPU_GRACE_S)
                    elif kind == "renderer":
                        patience.doubt(self._server.send("hello"))
        if patience.is_in_doubt:
            self._give_up(explain_gone(self._witness(phase)))
        return None

    def _note(self, told: Told, phase: str) -> None:
        self._events.append(told)
        if self._process is None and told.event == "visibility" and told.detail == "hidden":
            # A tab that is closed is hidden first.
            self._collect(_LAST_WORDS_S, until=self._is_explained)
            if self._is_explained():
                self._give_up(explain_gone(self._witness(phase)))
            self._give_up(
                PageGoneError(
                    f"The visitor's tab was hidden in {phase}, and browsers slow hidden tabs down.",
                    cause="hidden",
                    hint="Leave the tab in front and the screen on.",
                )
            )

    def _collect(self, patience_s: float, *, until: Callable[[], bool]) -> None:
        """Listen on for what explains an end, which comes by other ways than the end itself."""
        deadline = time.monotonic() + patience_s
        while not until() and (left_s := deadline - time.monotonic()) > 0:
            match self._server.next_happening(left_s):
                case Told() as told:
                    self._events.append(told)
                case ProcessEnded() as ended:
                    self._ended.append(ended)
                case _:
                    continue

    def _is_explained(self) -> bool:
        return any(one.event == "page_hide" for one in self._events) or any(
            # A browser that ends takes its renderers along: without a signal of its own, theirs is not the reason.
            one.kind == "browser" or (one.kind == "renderer" and one.code)
            for one in self._ended
        )

    def _answers_at_all(self) -> bool:
        """Whether the page's main thread still answers while its Worker does not."""
        job = self._server.send("hello")
        deadline = time.monotonic() + _KNOWN_HANG_S
        while (left_s := deadline - time.monotonic()) > 0:
            match self._server.next_happening(left_s):
                case Reply(job=answered) if answered == job:
                    return True
                case ProcessEnded() as ended:
                    self._ended.append(ended)
                case _:
                    continue
        return False

    def _witness(self, phase: str) -> Witness:
        process = self._process
        # A GPU process that ended under WebAssembly explains nothing.
        mattering = ("browser", "renderer", *(("gpu",) if self._uses_gpu_process else ()))
        return Witness(
            phase=phase,
            browser=None if process is None else process.found,
            ended=tuple(one for one in self._ended if one.kind in mattering),
            events=tuple(self._events),
            missing=() if process is None else tuple(kind for kind in process.missing() if kind in mattering),
            last_words="" if process is None else process.last_words(),
            was_asked_for=self._server.first_request_ns is not None,
        )

    def _give_up(self, problem: PageGoneError) -> NoReturn:
        """End everything, and raise. What hangs is not asked whether it would like to end."""
        self._problem = problem
        self.close(patience_s=0.0)
        raise problem


def open_page(request: PageRequest) -> Page:
    """Start the server and a fresh browser on it, and return the page once it has answered.

    Raises EngineError: a port in use, a browser that does not start, a page that does not come in time.
    """
    server = _make_server(request.visit if request.browser is None else None, request.port)
    server.add_folder("page", _PAGE)
    if request.scripts is not None:
        server.add_folder("page", request.scripts)
    runtime = request.runtime or _find_runtime()
    if runtime is not None:
        server.add_folder("ort", runtime)
    server.start()
    page: Page | None = None
    try:
        if request.browser is None:
            page = Page(server, None)
            limit_s = request.visit.wait_s if request.visit is not None else request.limit_s
        else:
            profile = fresh_profile() if request.profile is None else kept_profile(request.profile)
            process = BrowserProcess(request.browser, server.page_url, profile, request.flags, server.report)
            page = Page(server, process)
            limit_s = request.limit_s
        page._await_page(limit_s)  # noqa: SLF001  (this function is how pages are made)
    except BaseException:
        server.close() if page is None else page.close(patience_s=0.0)
        raise
    return page


def _make_server(visit: VisitSettings | None, port: int) -> JobServer:
    if visit is None:
        return JobServer(port=port)
    return JobServer(
        address=visit.address,
        port=visit.port,
        origin=visit.url,
        token=visit.token,
        certificate=visit.certificate,
        key=visit.key,
        is_visit=True,
    )


def _find_runtime() -> Path | None:
    from assay.engines.web.assets import find_runtime

    found = find_runtime()
    return None if isinstance(found, Unavailable) else found
