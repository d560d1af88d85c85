from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from assay.core.errors import AssayError, NotFoundError, UsageError
from assay.web.tokens import (
    TokenWatch,
    find_hash,
    hash_token,
    list_tokens,
    make_token,
    read_hashes,
    revoke_token,
    tokens_folder,
)


def test_a_token_is_made_once_and_only_its_hash_is_kept(tmp_path: Path) -> None:
    folder = tmp_path / "config" / "tokens"
    token = make_token("ci", folder=folder)
    assert token.startswith("assay_")
    assert len(token) >= 48
    assert token != make_token("other", folder=folder)
    kept = b"".join(path.read_bytes() for path in folder.iterdir())
    assert token.encode() not in kept
    assert [entry.name for entry in list_tokens(folder=folder)] == ["ci", "other"]
    assert find_hash(token, read_hashes(folder=folder)) == hash_token(token)
    assert find_hash(token + "x", read_hashes(folder=folder)) is None
    assert find_hash("", read_hashes(folder=folder)) is None


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such modes")
def test_nobody_else_may_read_or_add_tokens(tmp_path: Path) -> None:
    folder = tmp_path / "tokens"
    make_token("ci", folder=folder)
    assert stat.S_IMODE((folder / "ci.json").stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    folder.chmod(0o777)
    for broken in (lambda: list_tokens(folder=folder), lambda: make_token("more", folder=folder)):
        with pytest.raises(AssayError, match=r"Others may write to .* chmod 700"):
            broken()


def test_a_token_is_revoked_by_name(tmp_path: Path) -> None:
    token = make_token("ci", folder=tmp_path)
    with pytest.raises(UsageError, match=r"There is a token 'ci' already"):
        make_token("ci", folder=tmp_path)
    with pytest.raises(NotFoundError, match=r"There is no token 'cii'. Did you mean 'ci'?"):
        revoke_token("cii", folder=tmp_path)
    revoke_token("ci", folder=tmp_path)
    assert list_tokens(folder=tmp_path) == ()
    assert find_hash(token, read_hashes(folder=tmp_path)) is None
    make_token("ci", folder=tmp_path)


@pytest.mark.parametrize("name", ["", "../ci", "CI", "a b", "a/b", ".hidden", "x" * 65, "a\n", "é"])
def test_names_that_cannot_be(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match=r"is no name for a token"):
        make_token(name, folder=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_running_server_learns_of_tokens_as_they_come_and_go(tmp_path: Path) -> None:
    folder = tmp_path / "tokens"
    watch = TokenWatch(folder)
    assert watch() == ()
    first = make_token("first", folder=folder)
    assert watch() == (hash_token(first),)
    assert watch() == (hash_token(first),)
    second = make_token("second", folder=folder)
    assert set(watch()) == {hash_token(first), hash_token(second)}
    revoke_token("first", folder=folder)
    assert watch() == (hash_token(second),)
    (folder / "odd.json").write_text("{")
    assert watch() == ()  # rather nobody than somebody who should not


def test_a_broken_file_is_told_and_where(tmp_path: Path) -> None:
    (tmp_path / "odd.json").write_text("{")
    with pytest.raises(AssayError, match=r"odd.json is no token"):
        list_tokens(folder=tmp_path)
    (tmp_path / "odd.json").write_text(json.dumps({"name": "x", "sha256": "short", "created_at": "2026-11-22"}))
    with pytest.raises(AssayError, match=r"holds no SHA-256"):
        list_tokens(folder=tmp_path)


def test_the_folder_is_the_one_that_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ASSAY_TOKENS", str(tmp_path / "mine"))
    make_token("ci")
    assert (tmp_path / "mine" / "ci.json").exists()
    monkeypatch.delenv("ASSAY_TOKENS")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert tokens_folder().name == "tokens"
