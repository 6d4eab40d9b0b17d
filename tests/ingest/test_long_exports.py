"""Exports with a text that no phone writes: read from a file without a name, never held in memory whole."""

from __future__ import annotations

import tracemalloc
import zipfile
from datetime import UTC
from pathlib import Path
from typing import Any

import pytest

from backscroll.core.model import Org, Phone
from backscroll.core.query import MessageQuery
from backscroll.ingest import imports
from backscroll.ingest.connectors.export import held
from backscroll.ingest.connectors.export.archive import open_export
from backscroll.ingest.connectors.export.chat import parse
from backscroll.ingest.exports import lines
from backscroll.ingest.exports.importer import import_export
from backscroll.storage.files.media import MediaStore
from backscroll.storage.store import Store

MIB = 2**20


def chat(messages: int, words: int = 3) -> bytes:
    said = " ".join(["a word"] * words)
    told = (f"14/03/2026, {at // 60 % 24:02}:{at % 60:02} - Ana: {at} {said}\n" for at in range(messages))
    return "".join(told).encode()


def write(folder: Path, text: bytes, is_zip: bool) -> Path:
    path = folder / "WhatsApp Chat with Ana.txt"
    path.write_bytes(text)
    if is_zip:
        path = path.with_suffix(".zip")
        with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
            archive.writestr("WhatsApp Chat with Ana.txt", text)
    return path


@pytest.mark.parametrize("is_zip", [False, True])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_long_text_is_not_in_memory_while_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_zip: bool, encoding: str
) -> None:
    monkeypatch.setattr(held, "IN_MEMORY", MIB)
    text = chat(100, words=10_000).decode().encode(encoding)
    assert len(text) > 6 * MIB
    path = write(tmp_path, text, is_zip)
    tracemalloc.start()
    try:
        archive = open_export(path)
        parsed = parse(archive.text, timezone=UTC, day_first=True)
        imports.source_of("export", path, {}, archive.text)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(parsed.lines) == 100
    assert bytes(archive.text) == text
    assert peak < 5 * MIB


def test_the_sketch_of_a_text_is_its_least_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    text = chat(600) * 2 + chat(700)
    whole = imports.sketch_of(text)
    assert whole == tuple(sorted(set(imports._hashes(text)))[: imports.SKETCH])
    monkeypatch.setattr(imports, "_CHUNK", 100)
    assert imports.sketch_of(text) == whole


def test_a_text_that_is_kept_in_parts_gives_the_same_messages(
    store: Store, org: Org, phone: Phone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(held, "IN_MEMORY", 1000)
    monkeypatch.setattr(lines, "RAW_BYTES", 1000)
    text = chat(100)
    path = write(tmp_path, text, is_zip=True)
    media = MediaStore(tmp_path / "media", bytes(32))
    told: dict[str, Any] = {"chat": "919537851844@s.whatsapp.net", "timezone": "UTC"}
    done = import_export(store, media, org.no, phone, path, day_first=True, me="Rob", **told)
    assert (done.lines, done.added) == (100, 100)
    found = store.list_messages(MessageQuery(org=org.no, phones=(phone.no,), limit=200)).messages
    assert len(found) == 100
    assert [m.message.text for m in found[::-1]] == [
        line.text for line in parse(text, timezone=UTC, day_first=True).lines
    ]
    assert list(store.check()) == []
    assert import_export(store, media, org.no, phone, path, day_first=True, me="Rob", **told).is_repeated
