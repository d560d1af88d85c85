"""The cache of artefacts: one folder each, named by the hash of everything that decides its content.

A folder is written under another name and renamed when it is whole, so what has a manifest is complete, whoever was
killed meanwhile. Two processes that want the same artefact at once take turns. Deleting any of it only costs time.
May import: core, workloads, artefacts; platformdirs inside a function.
"""

from __future__ import annotations

import contextlib
import hashlib
import inspect
import json
import os
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from assay.artefacts.base import ArtefactRequest, BuildRequest, StaticOnly, recipes
from assay.core.absence import installed_version
from assay.core.errors import AssayError, EngineError
from assay.core.ids import content_hash
from assay.workloads.base import Workload

MANIFEST = "assay-artefact.json"
_DRAFT = ".draft-"
_LAYOUT = 1
"""Raised when the meaning of a manifest or of a key changes."""
_TOUCH_EVERY_S = 3600.0


@dataclass(frozen=True, slots=True)
class Artefact:
    """One thing in the cache, or just made.

    ``build_ns`` is what making it took, without what it builds upon; ``total_ns`` includes those.
    """

    recipe: str
    key: str
    folder: Path
    workload: str
    batch: int | None
    build_ns: int
    total_ns: int
    made_at: datetime
    size_bytes: int
    facts: Mapping[str, str]
    was_cached: bool = True


def cache_location() -> Path:
    """Return ``$ASSAY_CACHE``, or else ``artefacts`` in the user's cache folder of this platform."""
    chosen = os.environ.get("ASSAY_CACHE")
    if chosen:
        return Path(chosen).expanduser().absolute()
    import platformdirs

    return Path(platformdirs.user_cache_dir("assay", appauthor=False)) / "artefacts"


def artefact_key(request: ArtefactRequest, workload: Workload) -> str:
    """Hash what decides the content: recipe, workload, shape, options, package versions, and what it builds upon."""
    recipe = recipes.get(request.recipe)
    batch = request.batch if request.is_static or not recipe.serves_every_batch else None
    return content_hash({
        "layout": _LAYOUT,
        "recipe": [recipe.name, recipe.version],
        "workload": _describe_workload(workload),
        "batch": batch,
        "shape": dict(request.shape),
        "seed": request.seed,
        "options": dict(request.options),
        "packages": {name: installed_version(name) or "absent" for name in recipe.packages},
        "needs": [artefact_key(needed, workload) for needed in recipe.needs(request)],
    })  # fmt: skip


def find_artefact(request: ArtefactRequest, workload: Workload, root: Path) -> Artefact | None:
    """Return the artefact where it is in the cache, whole; None where it must be made."""
    for candidate in _forms_of(request):
        found = read_artefact(root / artefact_key(candidate, workload))
        if found is not None:
            return found
    return None


def make_artefact(request: ArtefactRequest, workload: Workload, root: Path, *, threads: int) -> Artefact:
    """Return the artefact from the cache, or make it and what it builds upon. Raises what the recipe raises.

    This runs the recipe in the calling process, and so imports whatever the recipe does.
    """
    root.mkdir(parents=True, exist_ok=True)
    found = find_artefact(request, workload, root)
    if found is not None:
        return found
    try:
        return _make(request, workload, root, threads)
    except StaticOnly:
        if request.is_static:
            raise
        return _make(replace(request, is_static=True), workload, root, threads)


def read_artefact(folder: Path) -> Artefact | None:
    """Read a folder of the cache in order to use it; None for what is not a whole artefact."""
    artefact, manifest = look_at_artefact(folder), folder / MANIFEST
    with contextlib.suppress(OSError):  # `clear --older-than` goes by last use, which a mount may not record
        if artefact is not None and time.time() - manifest.stat().st_mtime > _TOUCH_EVERY_S:
            os.utime(manifest)
    return artefact


def look_at_artefact(folder: Path) -> Artefact | None:
    """Read a folder of the cache and leave no trace of it; None for what is not a whole artefact."""
    try:
        content = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        return Artefact(
            recipe=content["recipe"],
            key=content["key"],
            folder=folder,
            workload=content["workload"],
            batch=content["batch"],
            build_ns=int(content["build_ns"]),
            total_ns=int(content["total_ns"]),
            made_at=datetime.fromisoformat(content["made_at"]),
            size_bytes=int(content["size_bytes"]),
            facts={str(name): str(value) for name, value in content["facts"].items()},
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def list_artefacts(root: Path) -> tuple[Artefact, ...]:
    """Return everything whole in the cache, the newest first."""
    if not root.is_dir():
        return ()
    found = (look_at_artefact(folder) for folder in root.iterdir() if not folder.name.startswith("."))
    return tuple(sorted((one for one in found if one is not None), key=lambda one: one.made_at, reverse=True))


def remove_artefact(artefact: Artefact) -> None:
    """Take one artefact out of the cache: it stops being whole before its files go."""
    (artefact.folder / MANIFEST).unlink(missing_ok=True)
    shutil.rmtree(artefact.folder, ignore_errors=True)


def list_drafts(root: Path) -> tuple[Path, ...]:
    """Return the folders that killed processes left half made."""
    return tuple(folder for folder in root.glob(f"{_DRAFT}*") if _is_abandoned(folder)) if root.is_dir() else ()


def remove_drafts(root: Path) -> int:
    """Remove what killed processes left half made; returns how many there were."""
    drafts = list_drafts(root)
    for folder in drafts:
        shutil.rmtree(folder, ignore_errors=True)
    return len(drafts)


def _is_abandoned(draft: Path) -> bool:
    """A draft names the process that writes it; one that is gone will not come back to it."""
    import psutil

    pid = draft.name.removeprefix(_DRAFT).partition("-")[0]
    return not (pid.isdecimal() and psutil.pid_exists(int(pid)))


def _forms_of(request: ArtefactRequest) -> tuple[ArtefactRequest, ...]:
    recipe = recipes.get(request.recipe)
    static = replace(request, is_static=True)
    return (request, static) if recipe.serves_every_batch and not request.is_static else (request,)


def _make(request: ArtefactRequest, workload: Workload, root: Path, threads: int) -> Artefact:
    recipe = recipes.get(request.recipe)
    needed = [make_artefact(one, workload, root, threads=threads) for one in recipe.needs(request)]
    key = artefact_key(request, workload)
    with _turn(root / f".{key}.lock"):
        found = read_artefact(root / key)
        if found is not None:
            return found
        return _build(request, workload, root / key, needed, threads)


def _build(
    request: ArtefactRequest, workload: Workload, folder: Path, needed: list[Artefact], threads: int
) -> Artefact:
    recipe = recipes.get(request.recipe)
    draft = folder.parent / f"{_DRAFT}{os.getpid()}-{secrets.token_hex(4)}"
    draft.mkdir()
    try:
        begin = time.perf_counter_ns()
        facts = recipe.build(
            BuildRequest(request, workload, draft, {one.recipe: one.folder for one in needed}, threads)
        )
        build_ns = time.perf_counter_ns() - begin
        is_bound = request.is_static or not recipe.serves_every_batch
        content = {
            "recipe": recipe.name,
            "key": folder.name,
            "workload": workload.name,
            "batch": request.batch if is_bound else None,
            "shape": dict(request.shape),
            "options": dict(request.options),
            "build_ns": build_ns,
            "total_ns": build_ns + sum(one.total_ns for one in needed),
            "made_at": datetime.now(UTC).isoformat(),
            "size_bytes": sum(file.stat().st_size for file in draft.rglob("*") if file.is_file()),
            "facts": dict(facts),
        }
        (draft / MANIFEST).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
        shutil.rmtree(folder, ignore_errors=True)  # the rest of one that was being removed
        draft.rename(folder)
    except OSError as error:
        raise EngineError(
            f"The artefact {recipe.name!r} of {workload.name} could not be kept in {folder.parent}: {error}.",
            hint="Choose another folder with ASSAY_CACHE, or free some space: assay cache clear.",
        ) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    made = read_artefact(folder)
    if made is None:
        raise AssayError(f"The artefact in {folder} was written but cannot be read back.")
    return replace(made, was_cached=False)


@contextlib.contextmanager
def _turn(lock: Path) -> Iterator[None]:
    """Hold the lock of one key. Where the platform has none, the last rename wins, and both are whole."""
    try:
        import fcntl
    except ImportError:
        yield
        return
    with lock.open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            lock.unlink(missing_ok=True)


_PLACES = ("folder", "file")


def _describe_workload(workload: Workload) -> dict[str, Any]:
    """What decides the model: for a family its configuration and build code, for files their content."""
    size, family = workload.size, workload.family
    described: dict[str, Any] = {
        "name": workload.name,
        # Not where its files lie: the same model in another folder (a worktree of it, say) is the same model.
        "config": _plain({key: value for key, value in size.config.items() if key not in _PLACES}),
        "constants": _plain(size.constants),
    }
    if family.bring is None:
        described["code"] = _source_hash(family.build) + _source_hash(family.forward)
    for key in _PLACES:
        place = size.config.get(key)
        if place is not None:
            described[key] = _hash_files(Path(str(place)))
    return described


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(entry) for entry in value]
    return value if value is None or isinstance(value, (str, int, float, bool)) else repr(value)


def _source_hash(function: Any) -> str:
    """The module that holds the function, as text: an edit of it is another model."""
    try:
        return content_hash(inspect.getsource(inspect.getmodule(function) or function))
    except (OSError, TypeError):
        return "unknown"


def _hash_files(place: Path) -> str:
    """Hash names and content of a file, or of everything in a folder; an IR's weights lie beside it."""
    if place.is_dir():
        files = sorted(file for file in place.rglob("*") if file.is_file())
    else:
        files = sorted({place, *place.parent.glob(f"{place.stem}.bin"), *place.parent.glob(f"{place.name}*data")})
    whole = hashlib.sha256()
    for file in files:
        whole.update(file.name.encode())
        with contextlib.suppress(OSError), file.open("rb") as stream:
            whole.update(hashlib.file_digest(stream, "sha256").digest())
    return whole.hexdigest()[:16]
