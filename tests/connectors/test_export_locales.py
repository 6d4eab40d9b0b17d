"""Exports from phones in many languages, each with the expected result."""

from __future__ import annotations

from datetime import UTC
from pathlib import Path
from typing import Any

import msgspec
import pytest

from backscroll.ingest.connectors.export.chat import ExportedLine, parse

LOCALES = Path(__file__).parent.parent / "fixtures" / "export" / "locales"
SAMPLES = sorted(path.stem for path in LOCALES.glob("*.txt"))

ANSWERS = {"de_ios": True}
"""Samples whose dates do not show which number is the day and which the month."""


def plain(value: object) -> Any:
    return msgspec.json.decode(msgspec.json.encode(value))


def shown(line: ExportedLine) -> list[Any]:
    """A line in the form of the fixtures: local time, author, text, and other facts."""
    told = plain(line)
    rest = {name: told[name] for name in told if name not in ("line_no", "sent_at", "local", "author", "text", "raw")}
    return [line.local, line.author, line.text, rest] if rest else [line.local, line.author, line.text]


def test_there_are_samples_of_more_than_twenty_five_formats() -> None:
    assert len(SAMPLES) >= 27


@pytest.mark.parametrize("sample", SAMPLES)
def test_a_sample_reads_as_written_beside_it(sample: str) -> None:
    expected = msgspec.json.decode((LOCALES / f"{sample}.json").read_bytes())
    chat = parse((LOCALES / f"{sample}.txt").read_bytes(), timezone=UTC, day_first=ANSWERS.get(sample))
    assert [shown(line) for line in chat.lines] == expected.pop("lines")
    told = {name: plain(getattr(chat, name)) for name in expected}
    assert told == expected
