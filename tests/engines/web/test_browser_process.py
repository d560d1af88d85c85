from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from assay.core.absence import Unavailable
from assay.engines.web import profile
from assay.engines.web.browsers import find_browser
from assay.engines.web.happenings import ProcessEnded
from assay.engines.web.orphans import Orphans
from assay.engines.web.process_watch import ProcessWatch

PATIENCE_S = 30.0
linux = pytest.mark.skipif(
    sys.platform != "linux", reason="Linux alone lets a process wait for one that is not its child"
)

WORKER = """
import sys
from assay.engines.web.browsers import find_browser
from assay.engines.web.page import PageRequest, open_page
page = open_page(PageRequest(browser=find_browser()))
print(page.process._profile.folder, *page.pids(), *page.process._orphans.find(), flush=True)
sys.stdin.read()
"""


def runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@linux
def test_a_worker_that_is_killed_takes_its_browser_along(monkeypatch: pytest.MonkeyPatch) -> None:
    found = find_browser()
    if isinstance(found, Unavailable):
        pytest.skip(f"no browser: {found}")
    worker = subprocess.Popen(
        [sys.executable, "-c", WORKER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert worker.stdout is not None
    folder, *pids = worker.stdout.readline().split()
    assert len(pids) > 3
    os.killpg(worker.pid, signal.SIGKILL)  # what the supervisor does
    worker.communicate()
    deadline = time.monotonic() + PATIENCE_S
    while (left := [pid for pid in pids if runs(int(pid))]) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not left

    assert Path(folder).exists(), "nobody was left to remove it"
    monkeypatch.setattr(profile, "_YOUNG_S", -1.0)
    profile.fresh_profile().release()
    assert not Path(folder).exists(), "the next launch does"


def test_a_profile_in_use_survives_the_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profile, "_YOUNG_S", -1.0)
    first = profile.fresh_profile()
    second = profile.fresh_profile()
    assert first.folder.is_dir()
    first.release()
    second.release()
    assert not first.folder.exists()
    assert not second.folder.exists()


@linux
def test_a_grandchild_that_ends_is_heard_of_with_its_signal() -> None:
    # The child does not reap for a while, as a busy browser does not.
    code = "import os,sys,time\npid=os.fork()\nif pid==0: time.sleep(1000)\nprint(pid,flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        pid = int(child.stdout.readline())
        heard: list[ProcessEnded] = []
        watch = ProcessWatch({pid: "renderer", child.pid: "gpu"}, heard.append)
        os.kill(pid, signal.SIGSEGV)
        deadline = time.monotonic() + PATIENCE_S
        while not heard and time.monotonic() < deadline:
            time.sleep(0.01)
        assert heard == [ProcessEnded("renderer", pid, -signal.SIGSEGV)]
        watch.close()
        child.communicate()


@linux
def test_orphans_are_found_by_their_mark_and_reaped() -> None:
    orphans = Orphans("assay-mark-of-a-test")
    code = "import os,time\nif os.fork()==0: time.sleep(1000)"
    subprocess.run([sys.executable, "-c", code, "assay-mark-of-a-test"], check=True)
    (pid,) = orphans.find()
    os.kill(pid, signal.SIGKILL)
    orphans.reap((pid,))
    assert not psutil.pid_exists(pid)
    orphans.close()


@linux
def test_adoption_ends_with_the_last_browser() -> None:
    first, second = Orphans("a"), Orphans("b")
    first.close()
    second.close()
    code = "import os,time\nif os.fork()==0: time.sleep(1000)\nelse: pass"
    orphans = Orphans("c")
    orphans.close()
    done = subprocess.run([sys.executable, "-c", f"{code}", "assay-mark-of-another"], check=True, capture_output=False)
    assert done.returncode == 0
    assert not [child for child in psutil.Process().children() if "assay-mark-of-another" in child.cmdline()]
    for one in psutil.process_iter(["cmdline"]):
        if "assay-mark-of-another" in (one.info["cmdline"] or ()):
            one.kill()
