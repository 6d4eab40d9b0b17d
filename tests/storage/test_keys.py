"""The key file and what is encrypted with it."""

from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path

import pytest

from backscroll.core.errors import StorageError
from backscroll.storage.files.keys import Sealer, derive_key, load_or_make_key

KEY = bytes(range(32))


def test_a_key_is_made_once_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "key"
    key = load_or_make_key(path)
    assert len(key) == 32
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load_or_make_key(path) == key
    assert [file.name for file in path.parent.iterdir()] == ["key"]
    assert load_or_make_key(tmp_path / "other") != key


def test_processes_that_start_together_end_with_the_same_key(tmp_path: Path) -> None:
    program = """
import sys
from pathlib import Path
from backscroll.storage.files.keys import load_or_make_key
sys.stdin.read(1)
print(load_or_make_key(Path(sys.argv[1])).hex())
"""
    command = [sys.executable, "-c", program, str(tmp_path / "key")]
    racers = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("x")
        racer.stdin.flush()
    keys = {racer.communicate(timeout=30)[0].strip() for racer in racers}
    assert keys == {(tmp_path / "key").read_bytes().hex()}


@pytest.mark.parametrize("body", [b"", b"short", bytes(33)])
def test_a_file_that_is_no_key_is_refused_and_left_alone(tmp_path: Path, body: bytes) -> None:
    path = tmp_path / "key"
    path.write_bytes(body)
    with pytest.raises(StorageError, match="not 32"):
        load_or_make_key(path)
    assert path.read_bytes() == body


@pytest.mark.parametrize("secret", [b"", b"hush", bytes(100_000)])
def test_what_is_sealed_can_be_unsealed_and_looks_different_each_time(secret: bytes) -> None:
    sealer = Sealer(KEY)
    sealed = sealer.seal(secret)
    assert Sealer(KEY).unseal(sealed) == secret
    assert sealed != sealer.seal(secret)
    assert secret not in sealed or not secret


def test_another_key_is_named_as_the_reason() -> None:
    sealed, other = Sealer(KEY).seal(b"hush"), Sealer(bytes(32))
    with pytest.raises(StorageError, match=rf"encrypted with key {Sealer(KEY).key_id}, but .* {other.key_id}"):
        other.unseal(sealed)


def test_any_flipped_byte_is_noticed() -> None:
    sealed = Sealer(KEY).seal(b"hush")
    for at in range(len(sealed)):
        damaged = sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :]
        with pytest.raises(StorageError):
            Sealer(KEY).unseal(damaged)
    for length in range(len(sealed)):
        with pytest.raises(StorageError):
            Sealer(KEY).unseal(sealed[:length])


def test_keys_for_two_purposes_differ() -> None:
    assert derive_key(KEY, "one") != derive_key(KEY, "two")
    assert len(derive_key(KEY, "one")) == 32
